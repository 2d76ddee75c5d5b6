//! The HTTP API's own answers: a status and a short message, not the problem documents of the functions.

use super::response::FunctionResponseError;
use crate::cloud::functions::InvokeError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// The reason why the HTTP API answers a request by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GatewayError {
    /// The body breaks off.
    #[error("Bad Request")]
    BadRequest,
    /// The token is missing or invalid.
    #[error("Unauthorized")]
    Unauthorized,
    /// No route matches.
    #[error("Not Found")]
    NotFound,
    /// The body is larger than an HTTP API accepts, or than a function can be invoked with.
    #[error("Request Entity Too Large")]
    BodyTooLarge,
    /// The API's rate limit is exceeded.
    #[error("Too Many Requests")]
    TooManyRequests,
    /// The request line and the headers together are too long.
    #[error("Request Header Fields Too Large")]
    HeadersTooLarge,
    /// The function failed, or what it returned is no HTTP response.
    #[error("Internal Server Error")]
    FunctionFailed,
    /// The function could not be invoked, or has not answered in time.
    #[error("Service Unavailable")]
    Unavailable,
}

impl GatewayError {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::FunctionFailed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<InvokeError> for GatewayError {
    fn from(error: InvokeError) -> Self {
        if error.is_unavailable() { Self::Unavailable } else { Self::FunctionFailed }
    }
}

impl From<FunctionResponseError> for GatewayError {
    fn from(_: FunctionResponseError) -> Self {
        Self::FunctionFailed
    }
}

impl IntoResponse for GatewayError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(json!({ "message": self.to_string() }).to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self == Self::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
