//! JSON that others wrote.

/// What is wrong with a JSON text, without any of the text: what it repeats of it may be a customer's.
pub(crate) fn without_text(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
}
