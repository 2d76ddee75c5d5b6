//! Readers and deserializers for JSON from other systems.

use runtime::json::{Document, Object, Unreadable};
use serde::{Deserialize, Deserializer};

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
