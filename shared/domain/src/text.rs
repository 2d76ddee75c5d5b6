//! The texts a request carries, each with its limits. Lengths count Unicode scalar values.

use crate::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Characters that move or hide other characters on a screen: with one of them an order number could show as another.
fn reorders_text(character: char) -> bool {
    matches!(character,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn printable(text: &str) -> bool {
    !text.chars().any(|character| character.is_control() || reorders_text(character))
}

fn free_of_controls(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $range:expr, $accept:expr, $wrong:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                let accept: fn(&str) -> bool = $accept;
                // The count of bytes bounds the count of characters: no need to walk a text of megabytes.
                let right = text.len() <= 4 * $range.end() && $range.contains(&text.chars().count()) && accept(text);
                if right { Ok(Self(text.to_owned())) } else { Err(Invalid($wrong)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text;

text!(
    /// The order being paid: 1 to 64 printable characters, not all of them spaces.
    OrderNumber,
    1..=64_usize,
    |text| printable(text) && !text.trim().is_empty(),
    "must be 1 to 64 printable characters"
);

text!(
    /// The customer's name: 1 to 200 characters.
    CustomerName,
    1..=200_usize,
    free_of_controls,
    "must be at most 200 characters, none of them a control character"
);

text!(
    /// What is being paid for: 1 to 200 characters, on one line or several.
    Description,
    1..=200_usize,
    |text| free_of_controls(&text.replace('\n', "")),
    "must be at most 200 characters, none of them a control character"
);

text!(
    /// The chat conversation that the request belongs to: 1 to 128 printable characters.
    ConversationId,
    1..=128_usize,
    printable,
    "must be at most 128 printable characters"
);

text!(
    /// Why something happened, in a history entry: 1 to 200 characters.
    Reason,
    1..=200_usize,
    free_of_controls,
    "must be 1 to 200 characters, none of them a control character"
);

text!(
    /// A key or a value of a request's metadata.
    MetadataText,
    0..=500_usize,
    free_of_controls,
    "must be at most 500 characters, none of them a control character"
);

impl Reason {
    /// A reason from outside, made to fit: control characters become spaces, and what is too long is cut.
    #[must_use]
    pub fn fitted(text: &str) -> Option<Self> {
        let fitted: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        fitted.trim().parse().ok()
    }
}

/// Up to ten pairs of texts that the integrator attaches; chat2pay hands them back and never reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// The metadata of these pairs.
    ///
    /// # Errors
    /// More than ten pairs, an empty key, or a key or value of more than 500 characters or with control characters.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Self, Invalid> {
        if pairs.len() > 10 {
            return Err(Invalid("must hold at most 10 pairs"));
        }
        let fits = |text: &String| text.parse::<MetadataText>().is_ok();
        if pairs.iter().any(|(key, value)| key.is_empty() || !fits(key) || !fits(value)) {
            return Err(Invalid(
                "must hold keys and texts of at most 500 characters, none of them a control character, and no empty key",
            ));
        }
        Ok(Self(pairs))
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its pairs, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    type Error = Invalid;

    fn try_from(pairs: BTreeMap<String, String>) -> Result<Self, Invalid> {
        Self::new(pairs)
    }
}

impl From<Metadata> for BTreeMap<String, String> {
    fn from(metadata: Metadata) -> Self {
        metadata.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_number_is_what_it_looks_like() {
        for right in ["10045", "A-1/2 b", "Bestellung №7", "🎟 7", &"x".repeat(64)] {
            assert!(right.parse::<OrderNumber>().is_ok(), "{right}");
        }
        for wrong in
            ["", "   ", "a\nb", "a\0", "a\u{202e}b", "a\u{200b}b", "\u{85}", &"x".repeat(65), &"x".repeat(10_000)]
        {
            assert!(wrong.parse::<OrderNumber>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn lengths_count_characters_and_not_bytes() {
        assert!("é".repeat(200).parse::<CustomerName>().is_ok());
        assert!("é".repeat(201).parse::<CustomerName>().is_err());
        assert!("🎟".repeat(200).parse::<Description>().is_ok());
    }

    #[test]
    fn metadata_has_at_most_ten_pairs_of_at_most_500_characters() {
        let pairs = |count: usize, value: &str| (0..count).map(|n| (n.to_string(), value.to_owned())).collect();
        assert!(Metadata::new(pairs(10, &"x".repeat(500))).is_ok());
        assert!(Metadata::new(pairs(11, "x")).is_err());
        assert!(Metadata::new(pairs(1, &"x".repeat(501))).is_err());
        assert!(Metadata::new([(String::new(), String::new())].into()).is_err());
    }

    #[test]
    fn a_reason_from_outside_is_made_to_fit() {
        assert_eq!(Reason::fitted("card\tdeclined\n").unwrap().as_str(), "card declined");
        assert_eq!(Reason::fitted(&"x".repeat(900)).unwrap().as_str().len(), 200);
        assert_eq!(Reason::fitted(" "), None);
    }
}
