//! Phone numbers: personal data, so they show themselves to nobody by accident.

use crate::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A telephone number in E.164 form (ITU-T E.164: `+`, country code, at most 15 digits).
///
/// `Debug` shows only its last two digits: phone numbers never reach a log.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

impl Phone {
    /// A number that its country has in use, by the numbering plans of libphonenumber.
    ///
    /// # Errors
    /// Anything else, spaces and other decoration included.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WRONG: Invalid = Invalid("must be a valid phone number in E.164 form, such as +27831234567");
        let number = Self::from_record(text).map_err(|_| WRONG)?;
        match phonenumber::parse(None, text) {
            Ok(parsed) if parsed.is_valid() => Ok(number),
            _ => Err(WRONG),
        }
    }

    /// A number that was valid when it was stored. Only its form is checked: numbering plans change, and a request must
    /// stay readable when they do. It also spares every function but `create` the tables of those plans.
    ///
    /// # Errors
    /// Not of E.164's form.
    pub fn from_record(text: &str) -> Result<Self, Invalid> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let right = (2..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if right { Ok(Self(text.to_owned())) } else { Err(Invalid("must be a phone number in E.164 form")) }
    }

    /// The whole number, for whoever has to reach the customer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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

    #[test]
    fn numbers_in_use_are_taken() {
        for text in ["+27831234567", "+442079460958", "+14155552671", "+4915112345678", "+819012345678"] {
            assert!(Phone::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "+",
            "0831234567",
            "27831234567",
            "+27 83 123 4567",
            "+141555526",
            "+278312345678901",
            "+0831234567",
            "+999123456789",
            "+2783123456a",
            "+２７８３１２３４５６７",
            "tel:+27831234567",
        ] {
            assert!(Phone::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_shows_itself_to_nobody_by_accident() {
        assert_eq!(format!("{:?}", Phone::parse("+27831234567").unwrap()), "Phone(+…67)");
    }
}
