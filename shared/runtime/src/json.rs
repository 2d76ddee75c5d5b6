//! JSON from other systems, read leniently: a reader gets exactly the fields that it asks for, and no other field can
//! spoil them.
//!
//! A field that nobody reads may hold half of a surrogate pair, bytes that are not UTF-8, a number of any size, lists
//! nested a thousand deep, or a name twice. Other parsers refuse the whole document for these, because they parse all
//! of it.

use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The text of a JSON document, with what no Rust string can hold replaced: invalid UTF-8, and a half of a surrogate
/// pair (`"\ud83d"`), which RFC 8259 allows (section 8.2).
#[derive(Clone)]
pub struct Document<'a>(Cow<'a, str>);

/// The error for a document that does not have the expected form. It names fields and positions, and never shows a
/// value, which may be a customer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// A JSON object whose fields are parsed when they are read. Of a name that is given twice, the last value counts, as
/// in most parsers.
///
/// The fields stand in a list, not in a map: a reader looks for few of them, and a map would hash and copy every name.
#[derive(Debug, Clone, Default)]
pub struct Object<'a>(Vec<(Name<'a>, &'a RawValue)>);

/// A field's name, which is copied only where it has escapes.
#[derive(Debug, Clone)]
struct Name<'a>(Cow<'a, str>);

impl<'a> Document<'a> {
    /// Builds the document of these bytes. A byte order mark at their start is ignored.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        match with_whole_pairs(&text) {
            Some(mended) => Self(Cow::Owned(mended)),
            None => Self(text),
        }
    }

    /// Returns the document's object.
    ///
    /// # Errors
    /// The document is not JSON, or not an object.
    pub fn object(&self) -> Result<Object<'_>, Unreadable> {
        serde_json::from_str(&self.0).map_err(|error| Unreadable(crate::telemetry::redacted(&error)))
    }
}

impl Document<'_> {
    /// Deserializes the whole document, for a reader that needs most of it.
    ///
    /// # Errors
    /// The document is not JSON, or not a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

/// Prints no content, which may be a customer's.
impl std::fmt::Debug for Document<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Document").field(&self.0.len()).finish()
    }
}

impl Unreadable {
    /// Builds the error with this text, which must not contain anything of the document.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl<'a> Object<'a> {
    /// Returns the object in a raw value; `None` if it is another value.
    #[must_use]
    pub fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// Returns a required field.
    ///
    /// # Errors
    /// The field is missing, null or not a `T`.
    pub fn required<T: Deserialize<'a>>(&self, name: &'static str) -> Result<T, Unreadable> {
        self.optional(name).ok_or_else(|| Unreadable(format!("the field {name} is missing or of another type")))
    }

    /// Returns a field that the reader can do without; `None` if it is missing, null or not a `T`.
    #[must_use]
    pub fn optional<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str::<Option<T>>(self.raw(name)?.get()).ok().flatten()
    }

    /// Returns the object in a field; `None` if the field is missing or holds another value.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<Self> {
        Self::of(self.raw(name)?)
    }

    /// Returns the elements of the list in a field; none if the field is missing or holds another value.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&'a RawValue> {
        self.optional(name).unwrap_or_default()
    }

    /// Iterates over the fields that hold a text, with their texts.
    pub fn texts(&self) -> impl Iterator<Item = (String, String)> {
        self.iter().filter_map(|(name, raw)| Some((name.to_owned(), serde_json::from_str(raw.get()).ok()?)))
    }

    /// Returns a field as it stands in the document; `None` if it is missing or null.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.0.iter().rev().find(|(Name(other), _)| other == name)?;
        Some(*raw).filter(|raw| raw.get() != "null")
    }

    /// Iterates over all fields, in the document's order. Each name is compared with all later ones, so this is for
    /// objects whose size is bounded, such as a request's headers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().enumerate().filter_map(|(place, (Name(name), raw))| {
            let later = self.0.get(place + 1..).unwrap_or_default();
            later.iter().all(|(Name(other), _)| other != name).then_some((name.as_ref(), *raw))
        })
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Returns the text with each unpaired half of a surrogate pair replaced by U+FFFD; `None` if there is none.
fn with_whole_pairs(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut mended, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += found;
        // An escape other than `\u` has two bytes; what follows a backslash is never the start of another escape.
        let length = match (unit(bytes, at), unit(bytes, at + 6)) {
            (None, _) => 2,
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                mended.push_str(text.get(copied..at)?);
                mended.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            (Some(_), _) => 6,
        };
        at += length;
    }
    if copied == 0 {
        return None;
    }
    mended.push_str(text.get(copied..)?);
    Some(mended)
}

/// Returns the UTF-16 code unit of the escape `\uXXXX` at this place, if there is one.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    escape.iter().all(u8::is_ascii_hexdigit).then_some(())?;
    u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(document: &[u8]) -> Option<i64> {
        Document::new(document).object().ok()?.optional("needed")
    }

    #[test]
    fn of_a_name_that_is_given_twice_the_last_value_counts() {
        let document = Document::new(br#"{"a": "1", "b": "2", "\u0061": "3", "b": 4}"#);
        let object = document.object().unwrap();
        assert_eq!(object.optional("a"), Some("3"));
        assert_eq!(object.texts().collect::<Vec<_>>(), [("a".to_owned(), "3".to_owned())]);
        assert_eq!(object.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_field_that_nobody_reads_cannot_spoil_the_others() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        for spoiled in [
            &br#""fianc\u00e9e \ud83d""#[..],
            br#""\udc00\ud83d""#,
            br#"{"\ud83d": {"\udfff": 1}}"#,
            b"\"\xff\xfe \xe2\x82\"",
            b"1e999",
            b"-0.00000000000000000000000000000000000000000000001e-9999",
            b"123456789012345678901234567890123456789012345678901234567890",
            br#"{"a": 1, "a": [1, {"a": 2, "a": 3}]}"#,
            deep.as_slice(),
        ] {
            for (before, after) in [(&b"{\"needed\": 7, \"x\": "[..], &b"}"[..]), (b"{\"x\": ", b", \"needed\": 7}")] {
                let document = [before, spoiled, after].concat();
                assert_eq!(
                    number(&document),
                    Some(7),
                    "{}",
                    String::from_utf8_lossy(&document[..80.min(document.len())])
                );
            }
        }
        assert_eq!(number(b"{\"\\ud83d\": 1, \"\xff\": 2, \"needed\": 7}"), Some(7), "a name is a field's, too");
        assert_eq!(number(b"\xef\xbb\xbf{\"needed\": 7}"), Some(7), "a byte order mark");
        assert_eq!(number(br#"{"needed": 6, "needed": 7}"#), Some(7), "the last of two counts");
    }

    #[test]
    fn a_needed_field_is_there_or_named() {
        for document in
            [r#"{"needed": "7"}"#, r#"{"needed": 7.5}"#, r#"{"needed": null}"#, "{}", r#"{"needed": 1e999}"#]
        {
            let document = Document::new(document.as_bytes());
            let error = document.object().unwrap().required::<i64>("needed").unwrap_err();
            assert_eq!(error.to_string(), "the field needed is missing or of another type");
        }
        for document in [&b""[..], b"null", b"[]", b"{", b"{\"a\": 1} 2", b"\xff", b"\"+27831234567\"", b"{\"a\": +27}"]
        {
            let error = Document::new(document).object().unwrap_err();
            assert!(!error.to_string().contains("27"), "{error}");
        }
    }

    #[test]
    fn only_halves_of_pairs_are_replaced() {
        for (given, mended) in [
            (r#""\ud83c\udf9f""#, None),
            (r#""\\ud83d""#, None),
            (r#""\\\ud83d""#, Some(r#""\\\ufffd""#)),
            (r#""\uD83D\uD83C\uDF9F\uDF9F""#, Some(r#""\ufffd\uD83C\uDF9F\ufffd""#)),
            (r#""\ud83d\n""#, Some(r#""\ufffd\n""#)),
            (r#""\ud83"#, None),
            (r#""\ud83d"#, Some(r#""\ufffd"#)),
            ("\\", None),
        ] {
            assert_eq!(with_whole_pairs(given).as_deref(), mended, "{given}");
        }
    }

    proptest! {
        /// The oracle is the usual parser, for documents that it takes.
        #[test]
        fn a_document_that_others_read_is_read_alike(text in ".*", number in any::<i64>(), flag in any::<bool>()) {
            let given = serde_json::json!({ "text": text, "number": number, "flag": flag, "list": [number, text] });
            let bytes = serde_json::to_vec(&given).unwrap();
            let document = Document::new(&bytes);
            let object = document.object().unwrap();
            prop_assert_eq!(object.optional::<String>("text"), Some(text));
            prop_assert_eq!(object.optional::<i64>("number"), Some(number));
            prop_assert_eq!(object.optional::<bool>("flag"), Some(flag));
            prop_assert_eq!(object.list("list").len(), 2);
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            escapes in r#"(\\u[dD][89cC][0-9a-z]{2}|["\\{}: ]){0,20}"#,
        ) {
            for bytes in [bytes.as_slice(), escapes.as_bytes()] {
                if let Ok(object) = Document::new(bytes).object() {
                    prop_assert!(object.iter().count() <= bytes.len());
                }
            }
        }
    }
}
