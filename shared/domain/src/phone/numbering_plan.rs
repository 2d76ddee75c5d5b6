//! The numbering plans of the world, as libphonenumber describes them.
//!
//! `phones/make.py` compiles libphonenumber's patterns into one automaton (decision 0018). So judging a number reads
//! one table row per digit, and there is no set-up cost. This module adds the step that libphonenumber takes before it
//! matches the patterns: it removes a national prefix, unless the number is viable with the prefix and not without.

use regex_lite::{Captures, Regex};

/// The automaton: one row per state, each of eleven 16-bit numbers in little-endian order. The first ten are the next
/// states by digit; the last is the verdict on a number that ends in this state. Row 0 is the dead state, row 1 the
/// initial one.
static PLANS: &[u8] = include_bytes!("../../phones/numbering_plans.bin");
const COLUMNS: usize = 11;
const VERDICT: usize = 10;

/// The national prefixes: calling code, lengths of national numbers, pattern of the prefixes, replacement.
static PREFIXES: &str = include_str!("../../phones/national_prefixes.tsv");

/// The automaton's verdict on a number, with any national prefix read as part of the number.
#[derive(Clone, Copy)]
struct Verdict(u16);

impl Verdict {
    /// Judges a number's digits, beginning with the calling code.
    fn of(digits: &str) -> Self {
        let cell = |row: u16, column: usize| {
            let start = 2 * (COLUMNS * usize::from(row) + column);
            PLANS.get(start..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
        };
        let state = digits.bytes().fold(1, |row, digit| match usize::from(digit.wrapping_sub(b'0')) {
            column @ ..VERDICT => cell(row, column),
            _ => 0,
        });
        Self(cell(state, VERDICT))
    }

    /// Returns whether the number matches the general pattern of the calling code's main region, valid or not.
    fn is_viable(self) -> bool {
        self.0 & 1 == 1
    }

    /// Returns the region as a number: 1 to 676 for AA to ZZ, 677 for none, 0 for an invalid number.
    fn region(self) -> u16 {
        self.0 >> 1
    }
}

/// Returns whether these digits are a valid number that libphonenumber leaves unchanged.
pub(super) fn is_valid(digits: &str) -> bool {
    e164(digits).is_some_and(|form| form == digits)
}

/// Returns the digits of the E.164 form if libphonenumber reads these digits as a valid number.
pub(super) fn e164(digits: &str) -> Option<String> {
    let form = NationalPrefix::of(digits).and_then(|prefix| prefix.taken_from(digits));
    let form = form.unwrap_or_else(|| digits.to_owned());
    (Verdict::of(&form).region() != 0).then_some(form)
}

/// Returns the ISO 3166 code of a valid number's country; `None` if it belongs to no country.
pub(super) fn country(digits: &str) -> Option<String> {
    let index = Verdict::of(digits).region().checked_sub(1).filter(|index| *index < 26 * 26)?;
    let letters = [index / 26, index % 26].map(|letter| char::from_u32(u32::from('A') + u32::from(letter)));
    letters.into_iter().collect()
}

/// The national prefixes of a calling code, such as a trunk zero, as libphonenumber parses them.
struct NationalPrefix {
    calling_code: &'static str,
    lengths: &'static str,
    pattern: &'static str,
    replacement: &'static str,
}

impl NationalPrefix {
    /// Finds the national prefixes by the calling code at the start of these digits.
    fn of(digits: &str) -> Option<Self> {
        PREFIXES.lines().find_map(|line| {
            let mut fields = line.split('\t');
            let calling_code = fields.next().filter(|code| digits.starts_with(code))?;
            let [lengths, pattern, replacement] = [fields.next()?, fields.next()?, fields.next()?];
            Some(Self { calling_code, lengths, pattern, replacement })
        })
    }

    /// Returns the digits with the prefix removed or replaced; `None` if they stay unchanged.
    ///
    /// This follows `maybeStripNationalPrefixAndCarrierCode` of libphonenumber's `PhoneNumberUtil`, and the use of its
    /// result in `parseHelper`.
    fn taken_from(&self, digits: &str) -> Option<String> {
        let national = digits.get(self.calling_code.len()..)?;
        let taken = self.match_at_start(national)?;
        let form = format!("{}{taken}", self.calling_code);
        let spoiled = Verdict::of(digits).is_viable() && !Verdict::of(&form).is_viable();
        (!spoiled && self.allows(taken.len())).then_some(form)
    }

    /// Returns the national number without its prefix; `None` if it does not begin with one.
    fn match_at_start(&self, national: &str) -> Option<String> {
        // Most prefixes are plain digits, so no pattern has to be compiled.
        if self.pattern.bytes().all(|byte| byte.is_ascii_digit()) {
            return national.strip_prefix(self.pattern).map(str::to_owned);
        }
        let pattern = Regex::new(&format!("^(?:{})", self.pattern)).ok()?;
        let found = pattern.captures(national)?;
        let mut taken = String::new();
        // The group to replace is optional; without it, the prefix is simply removed.
        if last_group(&found) {
            found.expand(self.replacement, &mut taken);
        }
        taken.push_str(national.get(found.get(0)?.end()..)?);
        Some(taken)
    }

    /// Returns whether a national number can have this length. A number that is too long passes too, as in
    /// libphonenumber.
    fn allows(&self, length: usize) -> bool {
        let mut lengths = self.lengths.split(',').filter_map(|length| length.parse::<usize>().ok());
        lengths.clone().any(|allowed| allowed == length) || lengths.all(|allowed| allowed < length)
    }
}

/// Returns whether a pattern's last group took part in the match.
fn last_group(found: &Captures<'_>) -> bool {
    found.len() > 1 && found.get(found.len() - 1).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_national_prefixes_can_be_parsed() {
        let lines: Vec<&str> = PREFIXES.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() > 100);
        for line in lines {
            let code = line.split('\t').next().unwrap();
            let prefix = NationalPrefix::of(code).unwrap();
            assert_eq!(prefix.calling_code, code);
            assert!(prefix.lengths.split(',').all(|length| length.parse::<usize>().is_ok()), "{line}");
            assert!(Regex::new(prefix.pattern).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_automaton_never_leaves_its_table() {
        assert_eq!(PLANS.len() % (2 * COLUMNS), 0);
        let rows = PLANS.len() / (2 * COLUMNS);
        for row in PLANS.chunks_exact(2 * COLUMNS) {
            for next in row.chunks_exact(2).take(VERDICT) {
                assert!(usize::from(u16::from_le_bytes([next[0], next[1]])) < rows);
            }
        }
        for text in [&*"9".repeat(10_000), "+27831234567", "2783123456:", "2783123456a", "٢٧٨٣١٢٣٤٥٦٧"] {
            assert_eq!(Verdict::of(text).0, 0, "{text}");
        }
    }
}
