//! JSON that others wrote.

use serde::{Deserialize, Deserializer};

/// Reads a field that others leave out or write as `null` when there is nothing to say.
///
/// # Errors
/// It is neither nothing nor what it should be.
pub(crate) fn nothing_if_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What is wrong with a JSON text, without any of the text: what it repeats of it may be a customer's.
pub(crate) fn without_text(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
}
