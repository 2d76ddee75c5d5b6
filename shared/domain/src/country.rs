//! Countries, and the countries whose phone numbers requests may be sent to.

use crate::phone::Phone;
use std::collections::BTreeSet;
use std::str::FromStr;

/// The codes of ISO 3166-1 alpha-2, sorted. `tests/currencies` compares them with a published copy.
const ISO_3166: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW \
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN \
    IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME \
    MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF \
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV \
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE \
    YT ZA ZM ZW";

/// Regions with a numbering plan of their own and no code in ISO 3166-1: Ascension Island and Tristan da Cunha, whose
/// codes ISO reserves, and Kosovo, whose code libphonenumber and CLDR share.
const OTHER_NUMBERING_PLANS: &str = "AC TA XK";

/// The countries whose phone numbers requests may be sent to. The default allows every number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedCountries(BTreeSet<&'static str>);

/// The error for a word that is no country's code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no country has the code {0}")]
pub struct UnknownCountry(
    /// The word, cut after a few characters.
    pub String,
);

impl AllowedCountries {
    /// Returns whether a request may be sent to this number. A number that belongs to no country, such as an
    /// international freephone number, is allowed only if every number is.
    #[must_use]
    pub fn allow(&self, phone: &Phone) -> bool {
        self.0.is_empty() || phone.country().is_some_and(|country| self.0.contains(country.as_str()))
    }
}

impl FromStr for AllowedCountries {
    type Err = UnknownCountry;

    /// Parses ISO 3166-1 alpha-2 codes with commas or spaces between them, in either case. A text without any code
    /// allows every number.
    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let codes = words.map(|word| code(word).ok_or_else(|| UnknownCountry(word.chars().take(16).collect())));
        Ok(Self(codes.collect::<Result<_, _>>()?))
    }
}

/// Finds a country by its code.
fn code(word: &str) -> Option<&'static str> {
    let mut codes = ISO_3166.split(' ').chain(OTHER_NUMBERING_PLANS.split(' '));
    codes.find(|code| code.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(number: &str) -> Phone {
        Phone::parse(number).unwrap()
    }

    #[test]
    fn only_numbers_of_the_listed_countries_are_allowed() {
        for (allowed, number, expected) in [
            ("ZA", "+27831234567", true),
            ("NG,ZA", "+27831234567", true),
            ("ng, za", "+27831234567", true),
            (" NG  ZA ,", "+27831234567", true),
            ("NG", "+27831234567", false),
            ("US", "+14155552671", true),
            ("US", "+14165550123", false),
            ("CA", "+14165550123", true),
            ("GB", "+447400123456", true),
            // Guernsey shares the calling code and has ranges of its own.
            ("GB", "+447911123456", false),
            ("GG", "+447911123456", true),
            ("XK", "+38343201234", true),
            ("RS", "+38343201234", false),
            ("ZA", "+80012345678", false),
            ("", "+80012345678", true),
            (" , ", "+27831234567", true),
        ] {
            let countries: AllowedCountries = allowed.parse().unwrap();
            assert_eq!(countries.allow(&phone(number)), expected, "{allowed}: {number}");
        }
        assert!(AllowedCountries::default().allow(&phone("+27831234567")));
    }

    #[test]
    fn a_word_that_is_no_country_is_named() {
        for (text, named) in [
            ("XX", "XX"),
            ("ZA, ZZ", "ZZ"),
            ("ZAF", "ZAF"),
            ("za;ng", "za;ng"),
            ("south africa", "south"),
            ("UK", "UK"),
            ("EU", "EU"),
            ("Z", "Z"),
            ("+27", "+27"),
            ("ZA\tNG", "ZA\tNG"),
            ("a-very-long-word-that-is-no-country", "a-very-long-word"),
        ] {
            assert_eq!(text.parse::<AllowedCountries>(), Err(UnknownCountry(named.to_owned())), "{text}");
        }
    }

    #[test]
    fn every_country_of_a_numbering_plan_has_a_code() {
        for line in include_str!("../phones/judged.txt").lines().filter(|line| !line.starts_with('#')) {
            let region = line.split(' ').nth(1).unwrap();
            assert!(region == "001" || code(region).is_some(), "{region}");
        }
    }
}
