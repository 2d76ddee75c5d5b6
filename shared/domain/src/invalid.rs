//! The error for a value that a type refuses.

/// The error for a value that a type refuses. Its message is fit to show to the person who gave the value, and never
/// repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) &'static str);

impl Invalid {
    /// Returns what the value has to be, as the end of a sentence about the field.
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.0
    }
}
