//! The error for a value that a type rejects.

/// The error for a value that a type rejects. Its message can be shown to the person who entered the value, and never
/// repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) &'static str);

impl Invalid {
    /// Returns what the value must be, as the end of a sentence about the field.
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.0
    }
}
