//! The errors of webhook handlers, common to all senders, and the problems returned to the senders.

use crate::json::Unreadable;
use crate::problem::{FieldError, Problem};
use crate::telemetry::{Metric, count, redacted};
use crate::webhook::SignatureError;
use std::error::Error;

/// The reason why a webhook was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Its signature is missing, invalid, or made outside the accepted time window.
    #[error("the signature is invalid: {0}")]
    Signature(#[from] SignatureError),
    /// The secret to verify it with is not available. The sender retries.
    #[error("the secret that verifies the signature is unavailable: {0}")]
    Secret(#[source] Box<dyn Error + Send + Sync>),
    /// The signature is valid, and the sender cannot be asked now whether the webhook is true. The sender retries.
    #[error("the sender cannot be asked: {0}")]
    Unconfirmed(#[source] Box<dyn Error + Send + Sync>),
    /// The signature is valid, and the body does not match the sender's documentation.
    #[error("the body cannot be parsed: {0}")]
    Unreadable(String),
    /// The signature is valid, and a field holds an unknown value.
    #[error("{} {}", .0.field, .0.message)]
    Field(FieldError),
}

impl WebhookError {
    /// Builds the HTTP problem returned to the sender; `detail` is its detail for an unparsable body.
    ///
    /// Logs what an operator has to know. Counts `rejected` for an invalid signature, and `unreadable` for a body that
    /// cannot be read, or that has an unknown value where the sender needs to know of it; it is `None` for a sender
    /// that does not sign, whom anybody can imitate. The caller passes the metrics because each function's own source
    /// has to name every metric that it emits: a check compares the template's alarms with the source.
    #[must_use]
    pub fn into_problem(self, rejected: Metric, unreadable: Option<Metric>, detail: &'static str) -> Problem {
        match self {
            Self::Signature(error) => {
                count(rejected);
                tracing::warn!(%error, "webhook rejected: its signature is invalid");
                Problem::Unauthenticated
            }
            Self::Secret(error) | Self::Unconfirmed(error) => Problem::TemporarilyUnavailable(error),
            Self::Unreadable(error) => {
                if let Some(unreadable) = unreadable {
                    count(unreadable);
                    tracing::error!(error, "webhook rejected: it is correctly signed, but its body cannot be parsed");
                } else {
                    tracing::warn!(error, "webhook rejected: its body cannot be parsed");
                }
                Problem::MalformedBody(detail)
            }
            Self::Field(error) => {
                if let Some(unreadable) = unreadable {
                    count(unreadable);
                }
                tracing::error!(field = error.field, "webhook rejected: the field has an unknown value");
                Problem::ValidationFailed(vec![error])
            }
        }
    }
}

/// Returns the problem for a webhook of this many `bytes` whose body is not read because of `problem`.
///
/// `verified` is the result of reading it all the same. If it is correctly signed, its sender reports something that
/// will not be known: that is logged as an error and counted as `unreadable`. Anybody can send an unsigned one, which
/// is only logged. If the secret is not available, nobody knows which of the two it is, and the sender has to retry.
#[must_use]
pub fn unread<T>(verified: Result<T, WebhookError>, problem: Problem, bytes: usize, unreadable: Metric) -> Problem {
    let code = problem.code();
    match verified {
        Err(WebhookError::Signature(_)) => {
            tracing::info!(bytes, code, "webhook rejected: its body is not read, and its signature is not valid");
        }
        Err(WebhookError::Secret(error)) => return Problem::TemporarilyUnavailable(error),
        Ok(_) | Err(WebhookError::Unconfirmed(_) | WebhookError::Unreadable(_) | WebhookError::Field(_)) => {
            count(unreadable);
            tracing::error!(bytes, code, "webhook rejected: it is correctly signed, but its body is not read");
        }
    }
    problem
}

impl From<Unreadable> for WebhookError {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<serde_json::Error> for WebhookError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(redacted(&error))
    }
}
