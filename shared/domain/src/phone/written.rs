//! A phone number as somebody writes it who looks for its requests.

use super::{Phone, numbering_plan, other_form};

/// The fewest digits that are taken for a phone number. Shorter ones are numbers of something else.
const DIGITS_AT_LEAST: usize = 6;

/// How many digits at the end have to be the same before a number is compared by its numbering plan, which takes
/// longer. No plan changes the last digits of a number.
const COMPARED_FIRST: usize = 4;

/// The prefixes that numbers abroad are dialled with, where the plus is not used: the usual one, North America's, and
/// Australia's.
const INTERNATIONAL_PREFIXES: [&str; 3] = ["00", "011", "0011"];

/// The greatest length of a calling code (ITU-T E.164, section 6.2.1).
const CALLING_CODE_AT_MOST: usize = 3;

/// Digits that may be a phone number in any of its forms: with or without its country code, with a plus, an
/// international prefix, a trunk zero, spaces and brackets, in the digits of other scripts.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WrittenPhone {
    has_plus: bool,
    digits: String,
}

impl WrittenPhone {
    /// Reads a text. Returns `None` if it is not written like a phone number.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (has_plus, digits) = other_form::digits(text)?;
        (digits.len() >= DIGITS_AT_LEAST).then_some(Self { has_plus, digits })
    }

    /// Returns whether the text is a form of this number.
    pub(crate) fn is_form_of(&self, phone: &Phone) -> bool {
        let whole = phone.digits();
        let compared = &self.digits[self.digits.len() - COMPARED_FIRST..];
        if !whole.ends_with(compared) {
            return false;
        }
        // A number in a form that its country has abolished is as good as the present one.
        let means = |digits: &str| digits == whole || other_form::of_digits(digits).as_deref() == Some(whole);
        if means(&self.digits) {
            return true;
        }
        if self.has_plus {
            return false;
        }
        let abroad = INTERNATIONAL_PREFIXES.iter().filter_map(|prefix| self.digits.strip_prefix(prefix));
        abroad.into_iter().any(means) || self.is_national_form_of(whole)
    }

    /// Returns whether the digits are a national form of this number, whichever of its first digits are the calling
    /// code.
    fn is_national_form_of(&self, whole: &str) -> bool {
        (1..=CALLING_CODE_AT_MOST).filter_map(|length| whole.get(..length)).any(|calling_code| {
            let digits = format!("{calling_code}{}", self.digits);
            digits == whole || numbering_plan::e164(&digits).as_deref() == Some(whole)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(text: &str, number: &str) -> bool {
        let phone = Phone::from_record(number).unwrap();
        WrittenPhone::of(text).is_some_and(|written| written.is_form_of(&phone))
    }

    #[test]
    fn a_number_is_found_in_every_form_that_people_write_it_in() {
        for (number, forms) in [
            (
                "+27831234567",
                &[
                    "+27831234567",
                    "27831234567",
                    "0027831234567",
                    "011 27 83 123 4567",
                    "+27 83 123 4567",
                    "+27 (0)83 123-4567",
                    "083 123 4567",
                    "(083) 123.4567",
                    "83 123 4567",
                    "tel:+27-83-123-4567",
                    "٠٨٣١٢٣٤٥٦٧",
                ][..],
            ),
            ("+447911123456", &["07911 123456", "0044 7911 123456", "7911 123456"][..]),
            ("+12025550123", &["(202) 555-0123", "1 202 555 0123", "2025550123"][..]),
            ("+390612345678", &["06 1234 5678", "+39 06 12345678"][..]),
            ("+79161234567", &["8 (916) 123-45-67", "9161234567"][..]),
            ("+4712345678", &["12 34 56 78", "004712345678"][..]),
            ("+5215512345678", &["+52 1 55 1234 5678"][..]),
            ("+525512345678", &["+52 1 55 1234 5678", "55 1234 5678"][..]),
        ] {
            for form in forms {
                assert!(finds(form, number), "{form}: {number}");
            }
        }
    }

    #[test]
    fn another_number_is_not_found() {
        for text in
            ["+27831234568", "+44831234567", "083 123 456", "1234567", "4567", "+0831234567", "083 123 4567 8", ""]
        {
            assert!(!finds(text, "+27831234567"), "{text}");
        }
        assert!(WrittenPhone::of("Thandi").is_none());
        assert!(WrittenPhone::of("A-10045123").is_none());
    }
}
