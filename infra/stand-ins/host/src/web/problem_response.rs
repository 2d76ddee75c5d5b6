//! The answer of the runner's own routes to a request that they refuse. It looks as the functions' does.

use crate::durable::DurableStoreError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use runtime::problem::{FieldError, Problem};

/// A problem as an HTTP response.
#[derive(Debug)]
pub struct ProblemResponse(pub Problem);

impl ProblemResponse {
    /// Builds the problem for a field that is not as it has to be.
    #[must_use]
    pub fn invalid(field: &str, message: &str) -> Self {
        Self(Problem::ValidationFailed(vec![FieldError::new(field, message)]))
    }

    /// Builds the problem for a failure of something behind the route, which may work next time.
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
