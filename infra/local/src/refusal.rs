//! The runner's own refusals, in the form that the functions' have (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// There is no token, or it does not hold.
    Unauthenticated,
    /// No route, or nothing of that name behind it.
    NotFound,
    /// The body could not be read to its end, or is not JSON.
    MalformedBody,
    /// The body is larger than anything here takes.
    BodyTooLarge,
    /// The address is longer than a function can be handed.
    AddressTooLong,
    /// The body does not hold what it should. The text says what that is.
    Invalid(&'static str),
    /// Something behind this did not answer, and may next time.
    Unavailable,
}

impl Problem {
    const fn parts(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "Unauthenticated",
                "Sign in first: the request carries no valid access token.",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not found", "There is nothing here."),
            Self::MalformedBody => {
                (StatusCode::BAD_REQUEST, "malformed_body", "Malformed body", "The request's body cannot be read.")
            }
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "Body too large",
                "The request's body is larger than is taken here.",
            ),
            Self::AddressTooLong => (
                StatusCode::URI_TOO_LONG,
                "address_too_long",
                "Address too long",
                "The request's address is longer than is taken here.",
            ),
            Self::Invalid(detail) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "Validation failed", detail)
            }
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "Temporarily unavailable",
                "This did not work just now. Please try again in a moment.",
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title, detail) = self.parts();
        let body = json!({
            "type": format!("urn:chat2pay:problem:{code}"),
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
        });
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let response = (status, headers, body.to_string());
        match self {
            Self::Unauthenticated => ([(header::WWW_AUTHENTICATE, "Bearer")], response).into_response(),
            Self::Unavailable => ([(header::RETRY_AFTER, "1")], response).into_response(),
            _ => response.into_response(),
        }
    }
}
