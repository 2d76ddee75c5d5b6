//! How webhooks fail, whoever sends them, and what their senders are answered.

use crate::problem::{FieldError, Problem};
use crate::telemetry::{Metric, count, redacted};
use crate::webhook::SignatureError;
use std::error::Error;

/// A webhook that was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Its signature is missing, wrong, or made at another time than now.
    #[error("the signature does not hold: {0}")]
    Signature(#[from] SignatureError),
    /// The secret to verify it with is not available. The sender sends it again.
    #[error("no secret to verify it with: {0}")]
    Secret(#[source] Box<dyn Error + Send + Sync>),
    /// It is signed, and its body is not what its sender documents.
    #[error("the body cannot be read: {0}")]
    Unreadable(String),
    /// It is signed, and a field in it holds an unknown value.
    #[error("{} {}", .0.field, .0.message)]
    Field(FieldError),
}

impl WebhookError {
    /// Builds the HTTP problem returned to the sender; `unreadable` is its detail for an unparsable body.
    ///
    /// Logs what an operator has to know. Counts a signature that does not hold as `rejected`, which the caller names:
    /// a function's own source has to name every metric that it emits, for the template's alarms are checked against
    /// it.
    #[must_use]
    pub fn into_problem(self, rejected: Metric, unreadable: &'static str) -> Problem {
        match self {
            Self::Signature(error) => {
                count(rejected);
                tracing::warn!(%error, "webhook rejected: its signature does not hold");
                Problem::Unauthenticated
            }
            Self::Secret(error) => Problem::TemporarilyUnavailable(error),
            Self::Unreadable(error) => {
                tracing::error!(error, "webhook rejected: its body cannot be read");
                Problem::MalformedBody(unreadable)
            }
            Self::Field(error) => Problem::ValidationFailed(vec![error]),
        }
    }
}

impl From<serde_json::Error> for WebhookError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(redacted(&error))
    }
}
