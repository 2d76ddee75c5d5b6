//! JSON that others wrote.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a field that others leave out or write as `null` when there is nothing to say.
///
/// # Errors
/// It is neither nothing nor what it should be.
pub(crate) fn nothing_if_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Reads what can be read of a list, which may be missing like any other field. Others' lists hold much that is none of ours, and
/// one element of a new shape must not cost the rest.
///
/// # Errors
/// It is neither nothing nor a list.
pub(crate) fn what_is_readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let elements: Vec<Value> = nothing_if_null(from)?;
    let count = elements.len();
    let read: Vec<T> = elements.into_iter().filter_map(|element| serde_json::from_value(element).ok()).collect();
    if read.len() < count {
        tracing::warn!(unreadable = count - read.len(), "elements of a list cannot be read and are passed over");
    }
    Ok(read)
}

/// What is wrong with a JSON text, without any of the text: what it repeats of it may be a customer's.
pub(crate) fn without_text(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
}
