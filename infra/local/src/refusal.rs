//! The runner's own refusals. They look as the functions' do.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use runtime::problem::{FieldError, Problem};

/// Why a request is not answered with what it asks for.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Problem);

impl Refusal {
    /// Something in the request is not as it has to be.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        Self(Problem::ValidationFailed(vec![FieldError::new(field, message)]))
    }

    /// Something behind this did not work, and may next time.
    pub(crate) fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Problem::TemporarilyUnavailable(cause.into()))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        Self::unavailable(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Problem::TemporarilyUnavailable(cause) = &self.0 {
            tracing::error!(%cause, "a request was not answered");
        }
        self.0.into_response().map(|body| Body::from(body.to_vec()))
    }
}
