//! E-mail addresses.

use crate::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The error for a text that is no e-mail address.
const WRONG: Invalid = Invalid("must be of the form thandi@example.com, with at most 254 characters");

/// An e-mail address of at most 254 characters. `Debug` redacts it, because it is personal data.
///
/// It has the form that browsers accept (<https://html.spec.whatwg.org/#valid-e-mail-address>), at a domain with at
/// least one dot, and has its dots where RFC 5321 has them. Addresses that need quotes or letters other than those of
/// ASCII are left out: payment providers reject them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The permitted length, in characters.
    pub const LENGTH: RangeInclusive<usize> = 1..=254;

    /// Returns the address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether a part of the local name may stand between dots.
fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte))
}

/// Returns whether a part of a domain may stand between dots (RFC 1034, section 3.5).
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    EmailAddress::LENGTH.contains(&text.len())
        && local.len() <= 64
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

impl FromStr for EmailAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if is_address(text) { Ok(Self(text.to_owned())) } else { Err(WRONG) }
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_systems_use_are_accepted() {
        let longest = format!("a@{}.{}.{}.com", "b".repeat(63), "c".repeat(63), "d".repeat(63));
        for text in ["thandi@example.com", "o'neil+tickets@mail.example.co.za", "a@b.c", "1_2-3@xn--bcher-kva.example"]
        {
            assert_eq!(text.parse::<EmailAddress>().unwrap().as_str(), text);
        }
        assert!(longest.len() < 254 && longest.parse::<EmailAddress>().is_ok());
    }

    #[test]
    fn everything_else_is_rejected() {
        let too_long = format!("a@{0}.{0}.{0}.{0}.com", "b".repeat(62));
        for text in [
            "",
            "@",
            "thandi",
            "thandi@localhost",
            "thandi@example.",
            "thandi@.com",
            "thandi@-a.com",
            "thandi@a-.com",
            ".thandi@example.com",
            "thandi.@example.com",
            "tha..ndi@example.com",
            "the customer@example.com",
            "thandi@example.com ",
            "thandi@example.com\n",
            "Thandi <thandi@example.com>",
            "\"thandi\"@example.com",
            "thandi@[127.0.0.1]",
            "thandi@exa\u{301}mple.com",
            "b\u{fc}cher@example.com",
            "a@b@example.com",
            &format!("{}@example.com", "a".repeat(65)),
            &too_long,
        ] {
            assert_eq!(text.parse::<EmailAddress>(), Err(WRONG), "{text}");
        }
        assert!(too_long.len() > 254);
    }

    #[test]
    fn an_address_is_never_shown() {
        let address: EmailAddress = "thandi@example.com".parse().unwrap();
        assert_eq!(format!("{address:?}"), "EmailAddress(…)");
        assert!(!WRONG.message().is_empty());
    }
}
