//! Deserializers for JSON from other systems.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Deserializes a field that may be missing or `null`: then it is `T`'s default.
///
/// # Errors
/// The value is neither null nor a `T`.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Deserializes a list leniently: missing or null is empty, and elements that do not match `T` are skipped with a
/// warning, so that one element of a new shape does not cost the others.
///
/// # Errors
/// The value is neither null nor a list.
pub(crate) fn lenient_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let elements: Vec<Value> = null_as_default(from)?;
    let count = elements.len();
    let read: Vec<T> = elements.into_iter().filter_map(|element| serde_json::from_value(element).ok()).collect();
    if read.len() < count {
        tracing::warn!(skipped = count - read.len(), "elements of a list skipped: they have an unknown shape");
    }
    Ok(read)
}
