//! The response of the runner's own routes to a request that they reject. It has the form of the functions' responses.

use crate::durable::DurableStoreError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use runtime::problem::{FieldError, Problem};

/// A problem that converts into an axum response.
#[derive(Debug)]
pub struct ProblemResponse(pub Problem);

impl ProblemResponse {
    /// Builds the problem for an invalid field.
    #[must_use]
    pub fn invalid(field: &str, message: &str) -> Self {
        Self(Problem::ValidationFailed(vec![FieldError::new(field, message)]))
    }

    /// Builds the problem for a temporary failure behind the route, which a retry may not meet.
    #[must_use]
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Problem::TemporarilyUnavailable(cause.into()))
    }
}

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<DurableStoreError> for ProblemResponse {
    fn from(error: DurableStoreError) -> Self {
        Self::unavailable(error)
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        if let Problem::TemporarilyUnavailable(cause) = &self.0 {
            tracing::error!(%cause, "request failed");
        }
        self.0.into_response().map(|body| Body::from(body.to_vec()))
    }
}
