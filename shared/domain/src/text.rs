//! The texts that a request carries, each with its limits. Lengths count Unicode scalar values.

use crate::invalid::Invalid;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Returns whether a character is visible or a space. By its Unicode properties it must be a letter, mark, number,
/// punctuation, symbol or space, and not ignored when a text is displayed.
pub(crate) fn is_printable(character: char) -> bool {
    use GeneralCategory as Category;
    let unseen = matches!(
        CodePointMapData::<GeneralCategory>::new().get(character),
        Category::Control
            | Category::Format
            | Category::LineSeparator
            | Category::ParagraphSeparator
            | Category::PrivateUse
            | Category::Surrogate
            | Category::Unassigned
    );
    !unseen && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

/// Returns whether a character reorders or hides other characters on a screen.
fn reorders_text(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

fn keeps_its_order(text: &str) -> bool {
    !text.chars().any(|character| character.is_control() || reorders_text(character))
}

fn free_of_controls(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Returns whether a text's length in characters lies within `range`. The length in bytes is checked first, so that a
/// text of megabytes is not counted.
pub(crate) fn has_length(text: &str, range: &std::ops::RangeInclusive<usize>) -> bool {
    text.len() <= 4 * range.end() && range.contains(&text.chars().count())
}

/// Defines a type that holds a text. Its [`FromStr`] validates input, and its `TryFrom` validates stored data.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
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
pub(crate) use text_type;

/// Defines a [`text_type`] with a range of lengths and a rule, both the same for input and for stored data.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $range:expr, $accept:expr, $wrong:expr) => {
        $crate::text::text_type!($(#[$doc])* $name);

        impl $name {
            pub(crate) const LENGTH: std::ops::RangeInclusive<usize> = $range;
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                let accept: fn(&str) -> bool = $accept;
                let right = $crate::text::has_length(text, &Self::LENGTH) && accept(text);
                if right { Ok(Self(text.to_owned())) } else { Err(Invalid($wrong)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }
    };
}
pub(crate) use text;

text_type!(
    /// The number of the order being paid: 1 to 64 visible characters, with spaces only between them.
    OrderNumber
);

impl OrderNumber {
    pub(crate) const LENGTH: std::ops::RangeInclusive<usize> = 1..=64;

    /// Accepts an order number by the older, wider rule of stored requests, so that they stay readable and can be
    /// found.
    ///
    /// # Errors
    /// The text is not 1 to 64 characters, has only spaces, or has a character that reorders or hides others.
    pub fn from_record(text: &str) -> Result<Self, Invalid> {
        let right = has_length(text, &Self::LENGTH) && keeps_its_order(text) && !text.trim().is_empty();
        if right { Ok(Self(text.to_owned())) } else { Err(Invalid("must be 1 to 64 printable characters")) }
    }
}

impl FromStr for OrderNumber {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !has_length(text, &Self::LENGTH) || text.trim().is_empty() {
            return Err(Invalid("must be 1 to 64 printable characters"));
        }
        if text.trim().len() < text.len() {
            return Err(Invalid("must not begin or end with a space"));
        }
        if !text.chars().all(is_printable) {
            return Err(Invalid("must be 1 to 64 printable characters, and contains an invisible one"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for OrderNumber {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::from_record(&text)
    }
}

text!(
    /// The customer's name: 1 to 200 characters.
    CustomerName,
    1..=200_usize,
    free_of_controls,
    "must be at most 200 characters, none of them a control character"
);

text_type!(
    /// The description of what is being paid for: 1 to 200 characters, on one or more lines. Every line break is stored
    /// as a line feed.
    Description
);

impl FromStr for Description {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if text.trim_matches('\n').is_empty() { Err(Self::INVALID) } else { text.try_into() }
    }
}

impl Description {
    pub(crate) const LENGTH: std::ops::RangeInclusive<usize> = 1..=200;
    const INVALID: Invalid = Invalid("must be at most 200 characters, none of them a control character");
}

/// Accepts a stored description. Unlike [`FromStr`], it accepts one of line feeds alone, as earlier versions did.
impl TryFrom<String> for Description {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let right = has_length(&text, &Self::LENGTH) && free_of_controls(&text.replace('\n', ""));
        if right { Ok(Self(text)) } else { Err(Self::INVALID) }
    }
}

text!(
    /// The chat conversation that the request belongs to: 1 to 128 printable characters.
    ConversationId,
    1..=128_usize,
    keeps_its_order,
    "must be at most 128 printable characters"
);

text!(
    /// The reason for a change, in a history entry: 1 to 200 characters.
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
    /// Builds a reason from an external text: replaces control characters with spaces, and truncates it to 200
    /// characters.
    #[must_use]
    pub fn fitted(text: &str) -> Option<Self> {
        let fitted: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        fitted.trim().parse().ok()
    }
}

/// Up to ten key-value pairs that the integrator attaches. chat2pay returns them unchanged and never interprets them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    pub(crate) const PAIRS_AT_MOST: usize = 10;

    /// Accepts up to ten key-value pairs.
    ///
    /// # Errors
    /// There are more than ten pairs, a key is empty, or a key or value has over 500 characters or control characters.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Self, Invalid> {
        if pairs.len() > Self::PAIRS_AT_MOST {
            return Err(Invalid("must contain at most 10 pairs"));
        }
        let fits = |text: &String| text.parse::<MetadataText>().is_ok();
        if pairs.iter().any(|(key, value)| key.is_empty() || !fits(key) || !fits(value)) {
            return Err(Invalid(
                "must contain keys and texts of at most 500 characters, none of them a control character, and no empty \
                 key",
            ));
        }
        Ok(Self(pairs))
    }

    /// Returns whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the pairs, sorted by key.
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
    use regex_syntax::hir::{Class, ClassUnicode, HirKind};
    use std::cmp::Ordering;

    #[test]
    fn an_order_number_contains_only_visible_characters() {
        for right in ["10045", "A-1/2 b", "Bestellung №7", "🎟 7", "Ünïcödé ½ Ⅷ €", "คำสั่ง 7", &"x".repeat(64)]
        {
            assert!(right.parse::<OrderNumber>().is_ok(), "{right}");
        }
        for wrong in
            ["", "   ", "a\nb", "a\0", "a\u{202e}b", "a\u{200b}b", "\u{85}", &"x".repeat(65), &"x".repeat(10_000)]
        {
            assert!(wrong.parse::<OrderNumber>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_order_number_has_spaces_only_inside() {
        for right in ["100 45", "100\u{a0}45", "100\u{202f}45", "第\u{3000}7"] {
            assert!(right.parse::<OrderNumber>().is_ok(), "{right:?}");
        }
        for wrong in [" 10045", "10045 ", "\u{a0}10045", "10045\u{3000}", "\u{2003}"] {
            assert!(wrong.parse::<OrderNumber>().is_err(), "{wrong:?}");
        }
    }

    /// Compares every character with a second source, the tables of the crate `regex`. The two may use different
    /// versions of Unicode, so they can differ in characters that only the later version knows.
    #[test]
    fn printable_characters_are_those_that_unicode_calls_visible() {
        let class = |pattern: &str| match regex_syntax::parse(pattern).unwrap().into_kind() {
            HirKind::Class(Class::Unicode(class)) => class,
            other => panic!("{pattern} is {other:?}"),
        };
        let holds = |class: &ClassUnicode, character: char| {
            class.ranges().binary_search_by(|range| {
                if range.end() < character {
                    Ordering::Less
                } else if range.start() > character {
                    Ordering::Greater
                } else {
                    Ordering::Equal
                }
            })
        };
        let assigned = class(r"\P{Cn}");
        let visible = class(r"[[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]--\p{Default_Ignorable_Code_Point}]");
        let ignorable = class(r"\p{Default_Ignorable_Code_Point}");
        let (mut seen, mut unseen, mut later) = (0, 0, 0);
        for character in '\0'..=char::MAX {
            let accepted = is_printable(character);
            if holds(&assigned, character).is_ok() || holds(&ignorable, character).is_ok() {
                assert_eq!(accepted, holds(&visible, character).is_ok(), "{character:?}");
                *(if accepted { &mut seen } else { &mut unseen }) += 1;
            } else if accepted {
                later += 1;
            }
        }
        // Of 1,112,064 scalar values, 137,468 are for private use. The others accepted were assigned by later versions.
        assert!(seen > 150_000 && unseen > 137_468, "{seen} and {unseen} show little");
        assert!(later < 20_000, "{later} unassigned characters are accepted");
    }

    #[test]
    fn an_order_number_that_was_stored_stays_readable() {
        for stored in ["10045\u{ad}", "\u{3164}", "10045 ", "🎟\u{fe0f} 7"] {
            assert!(stored.parse::<OrderNumber>().is_err(), "{stored:?}");
            let read: OrderNumber = serde_json::from_value(stored.into()).unwrap();
            assert_eq!(read.as_str(), stored);
        }
        assert!(serde_json::from_value::<OrderNumber>("a\nb".into()).is_err());
    }

    #[test]
    fn all_line_endings_of_a_description_become_the_same() {
        for text in ["2 tickets\r\n1 drink", "2 tickets\n1 drink", "2 tickets\r1 drink"] {
            assert_eq!(text.parse::<Description>().unwrap().as_str(), "2 tickets\n1 drink");
        }
        for nothing in ["\r\n\r\n", "\n", "\r"] {
            assert!(nothing.parse::<Description>().is_err(), "{nothing:?}");
        }
        assert!(Description::try_from("\n".to_owned()).is_ok(), "a stored description can still be parsed");
        assert!(
            "a\r\n".repeat(100).parse::<Description>().is_ok(),
            "200 characters after the line endings are normalised"
        );
        assert!("a\r\n".repeat(101).parse::<Description>().is_err());
        for wrong in ["a\tb", "a\0", "a\u{85}b", "a\u{b}b"] {
            assert!(wrong.parse::<Description>().is_err(), "{wrong:?}");
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
    fn a_reason_from_outside_is_shortened_to_fit() {
        assert_eq!(Reason::fitted("card\tdeclined\n").unwrap().as_str(), "card declined");
        assert_eq!(Reason::fitted(&"x".repeat(900)).unwrap().as_str().len(), 200);
        assert_eq!(Reason::fitted(" "), None);
    }
}
