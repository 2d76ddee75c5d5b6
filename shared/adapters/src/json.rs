//! Readers and deserializers for JSON from other systems.

use runtime::json::{Document, Object, Unreadable};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object of another system's, read leniently ([`runtime::json`]): of its fields only those that are needed.
pub(crate) trait FromObject: Sized {
    /// Reads the needed fields.
    ///
    /// # Errors
    /// A field that cannot be done without is missing or of another type.
    fn from_object(object: &Object<'_>) -> Result<Self, Unreadable>;
}

/// Reads the object in a response's body.
///
/// # Errors
/// The body is not an object, or lacks a needed field.
pub(crate) fn read<T: FromObject>(body: &[u8]) -> Result<T, Unreadable> {
    T::from_object(&Document::new(body).object()?)
}

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
    let elements: Vec<Box<RawValue>> = null_as_default(from)?;
    let count = elements.len();
    let read: Vec<T> = elements.iter().filter_map(|element| serde_json::from_str(element.get()).ok()).collect();
    if read.len() < count {
        tracing::warn!(skipped = count - read.len(), "elements of a list skipped: they have an unknown shape");
    }
    Ok(read)
}
