//! How webhooks fail, whoever sends them.

use crate::json::without_text;
use crate::secrets::SecretError;
use runtime::telemetry::{Metric, count};
use runtime::{FieldError, Problem};

/// A webhook that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Its signature is missing, wrong, or made at another time than now.
    #[error("the signature does not hold: {0}")]
    Signature(#[from] runtime::webhook::SignatureError),
    /// The secret to hold it against cannot be had. Whoever sent the webhook sends it again.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is signed, but not what its sender sends.
    #[error("the body cannot be read: {0}")]
    Unreadable(String),
    /// It is signed, and a field in it holds what it may not hold.
    #[error("{} {}", .0.field, .0.message)]
    Field(FieldError),
}

impl WebhookError {
    /// What whoever sent the webhook is answered, `unreadable` for a body that cannot be read. What an operator has to know is
    /// logged, and a signature that does not hold is counted as `refused`: a function's own source names every metric it emits,
    /// which is how the template's alarms are held against the code.
    #[must_use]
    pub fn answer(self, refused: Metric, unreadable: &'static str) -> Problem {
        match self {
            Self::Signature(error) => {
                count(refused);
                tracing::warn!(%error, "a webhook was refused");
                Problem::Unauthenticated
            }
            Self::Secret(error) => Problem::TemporarilyUnavailable(error.into()),
            Self::Unreadable(error) => {
                tracing::error!(error, "a webhook cannot be read");
                Problem::MalformedBody(unreadable)
            }
            Self::Field(error) => Problem::ValidationFailed(vec![error]),
        }
    }
}

impl From<serde_json::Error> for WebhookError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(without_text(&error))
    }
}
