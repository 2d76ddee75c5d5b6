//! Phone numbers. They are personal data, so `Debug` and errors do not show them.

mod numbering_plan;
mod other_form;
mod written;

use crate::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) use written::WrittenPhone;

/// A telephone number in E.164 form (ITU-T E.164: `+`, country code, at most 15 digits).
///
/// `Debug` shows only the last two digits, so that phone numbers never reach a log.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

impl Phone {
    pub(crate) const DIGITS: std::ops::RangeInclusive<usize> = 2..=15;

    /// Accepts a number that is valid for libphonenumber and in its own E.164 form.
    ///
    /// # Errors
    /// The text is anything else, including a number with spaces or other decoration. The error names the form to
    /// write, if there is one.
    pub fn parse(text: &str) -> Result<Self, InvalidPhone> {
        match Self::from_record(text) {
            Ok(number) if numbering_plan::is_valid(number.digits()) => Ok(number),
            _ => Err(InvalidPhone { instead: other_form::other_form(text) }),
        }
    }

    /// Accepts a number by its form alone, so that a stored number stays readable when numbering plans change.
    ///
    /// # Errors
    /// The text is not in E.164 form.
    pub fn from_record(text: &str) -> Result<Self, Invalid> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let right = Self::DIGITS.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if right {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid("must be written with its country code, such as +27831234567"))
        }
    }

    /// Returns the whole number, for sending messages to the customer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the ISO 3166 code of the country whose numbering plan the number belongs to; `None` for a number that
    /// belongs to no country, or that is no longer valid.
    #[must_use]
    pub fn country(&self) -> Option<String> {
        numbering_plan::country(self.digits())
    }

    fn digits(&self) -> &str {
        self.0.trim_start_matches('+')
    }
}

/// The error for a text that [`Phone::parse`] does not accept.
///
/// It does not implement [`std::error::Error`] or `Display`, so that a log cannot record the number in its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPhone {
    instead: Option<Phone>,
}

impl InvalidPhone {
    /// Returns what the text must be, as the end of a sentence about the field. Show it only to the person who entered
    /// the text.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.instead {
            Some(Phone(number)) => format!("must be in international form: write it as {number}"),
            None => "must be a valid phone number in international form, such as +27831234567".to_owned(),
        }
    }
}

impl TryFrom<String> for Phone {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::from_record(&text)
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Phone(+…{})", self.0.get(self.0.len().saturating_sub(2)..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of `phones/judged.txt`, with libphonenumber's verdict on it.
    struct Judged {
        number: String,
        verdict: Verdict,
    }

    #[derive(Debug, PartialEq)]
    enum Verdict {
        /// The number is valid and in E.164 form, in this country's numbering plan if it belongs to a country.
        Valid(Option<String>),
        /// The number is valid once it is written in this form.
        WriteAs(String),
        Invalid,
    }

    fn judged() -> impl Iterator<Item = Judged> {
        let lines = include_str!("../phones/judged.txt").lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(|line| {
            let mut words = line.split(' ');
            let (code, region) = (words.next().unwrap(), words.next().unwrap());
            words.map(move |word| {
                let digits = word.bytes().take_while(u8::is_ascii_digit).count();
                let (national, verdict) = word.split_at(digits);
                let verdict = match verdict.chars().next() {
                    None => Verdict::Valid(country(region)),
                    Some('=') => Verdict::Valid(country(&verdict[1..])),
                    Some('>') => Verdict::WriteAs(format!("{code}{}", &verdict[1..])),
                    _ => Verdict::Invalid,
                };
                Judged { number: format!("{code}{national}"), verdict }
            })
        })
    }

    fn country(region: &str) -> Option<String> {
        (region != "001").then(|| region.to_owned())
    }

    fn form_to_write(text: &str) -> Option<String> {
        Phone::parse(text).unwrap_err().instead.map(String::from)
    }

    #[test]
    fn a_number_is_valid_exactly_if_libphonenumber_says_so() {
        let (mut valid, mut otherwise, mut invalid) = (0, 0, 0);
        for Judged { number, verdict } in judged() {
            match (verdict, Phone::parse(&number)) {
                (Verdict::Valid(country), Ok(phone)) if phone.country() == country => valid += 1,
                (Verdict::WriteAs(form), Err(error)) if error.message().ends_with(&format!("write it as {form}")) => {
                    otherwise += 1;
                }
                (Verdict::Invalid, Err(_)) => invalid += 1,
                (verdict, parsed) => panic!("{number}: {verdict:?}, but {:?}", parsed.map_err(|error| error.message())),
            }
        }
        assert!(valid > 4_000 && otherwise > 500 && invalid > 4_000, "{valid}, {otherwise} and {invalid} show little");
    }

    #[test]
    fn the_form_to_write_is_always_accepted() {
        for Judged { number, .. } in judged() {
            for text in [number.clone(), number.replace('+', "00"), number.replace('+', ""), format!("{number}0")] {
                if let Some(form) = Phone::parse(&text).err().and_then(|error| error.instead) {
                    assert_eq!(Phone::parse(form.as_str()), Ok(form.clone()), "{text} to be written as {:?}", form.0);
                }
            }
        }
    }

    #[test]
    fn a_decorated_number_is_rejected_with_the_form_to_write() {
        let valid = judged().filter(|judged| matches!(judged.verdict, Verdict::Valid(_)));
        for Judged { number, .. } in valid.step_by(9) {
            let (code, rest) = number.split_at(3);
            let (middle, end) = rest.split_at(rest.len() / 2);
            for text in [
                format!("{code} {middle} {end}"),
                format!("{code}\u{a0}{middle}\u{2011}{end}"),
                format!("{code} ({middle}) {end}"),
                format!("{code}.{middle}/{end}"),
                format!(" {number}\n"),
                format!("\u{202a}{number}\u{202c}"),
                format!("tel:{code}-{middle}-{end}"),
                format!("00{}", &number[1..]),
                number.replace('+', "＋"),
                number.chars().map(|c| c.to_digit(10).map_or(c, |d| char::from_u32(0xff10 + d).unwrap())).collect(),
                number.chars().map(|c| c.to_digit(10).map_or(c, |d| char::from_u32(0x660 + d).unwrap())).collect(),
            ] {
                assert_eq!(form_to_write(&text).as_ref(), Some(&number), "{text}");
            }
        }
    }

    #[test]
    fn an_old_mobile_prefix_is_rejected_with_the_form_to_write() {
        for (text, form) in [
            ("+5215512345678", "+525512345678"),
            ("+52 1 55 1234 5678", "+525512345678"),
            ("+551187654321", "+5511987654321"),
            ("+54 011 15 2345-6789", "+5491123456789"),
            ("+27 (0)83 123 4567", "+27831234567"),
            ("+4407911123456", "+447911123456"),
            ("+788121234567", "+78121234567"),
        ] {
            assert_eq!(form_to_write(text).as_deref(), Some(form), "{text}");
        }
    }

    #[test]
    fn no_country_is_guessed() {
        // With a country code the last one is a number of Singapore, and without one a number of Jamaica.
        for text in ["0831234567", "083 123 4567", "4155552671", "6582234567"] {
            assert_eq!(form_to_write(text), None, "{text}");
        }
        assert_eq!(form_to_write("27831234567").as_deref(), Some("+27831234567"));
        assert_eq!(form_to_write("5215512345678").as_deref(), Some("+525512345678"));
    }

    #[test]
    fn any_other_text_is_rejected() {
        for text in [
            "",
            "+",
            "++27831234567",
            "+27831234567+",
            "+278312345678901",
            "+0831234567",
            "+999123456789",
            "+2783123456a",
            "+27831234567;ext=1",
            "+1800FLOWERS",
            &"+2".repeat(10_000),
            &"2".repeat(10_000),
        ] {
            assert_eq!(form_to_write(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_masked_in_debug_output() {
        assert_eq!(format!("{:?}", Phone::parse("+27831234567").unwrap()), "Phone(+…67)");
        let refused = format!("{:?}", Phone::parse("+4407911123456").unwrap_err());
        assert!(!refused.contains("7911"), "{refused}");
    }
}
