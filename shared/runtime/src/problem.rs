//! Errors as callers read them: `application/problem+json` (RFC 9457). No internal text ever leaves.

use domain::CancelRefusal;
use domain::use_cases::UseCaseError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::Body;
use serde::Serialize;

/// A field that holds what it may not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Which, such as `customer.phone`.
    pub field: String,
    /// What it has to be.
    pub message: String,
}

impl FieldError {
    /// What is wrong with a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Why a call was not answered with what it asked for.
#[derive(Debug)]
pub enum Problem {
    /// The body is not what it should be, down to its syntax.
    MalformedBody(&'static str),
    /// The cursor is none that was given out.
    InvalidCursor,
    /// Nobody is signed in, or a signature does not hold.
    Unauthenticated,
    /// Whoever is signed in may not do this.
    Forbidden,
    /// There is nothing here that the caller may see.
    NotFound,
    /// The request can no longer be canceled.
    Refused(CancelRefusal),
    /// The body is longer than so many bytes, the most that are taken.
    BodyTooLarge(usize),
    /// The body is of another kind than the one that is taken.
    UnsupportedMediaType(&'static str),
    /// Fields hold what they may not hold; every one of them is named.
    ValidationFailed(Vec<FieldError>),
    /// The idempotency key belongs to another body.
    IdempotencyKeyReused,
    /// Too many calls at once.
    TooManyRequests,
    /// Something inside failed; the cause is for the log alone.
    TemporarilyUnavailable(Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Serialize)]
struct Fields<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    code: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

/// How long a caller waits before the same call is worth another try, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl Problem {
    /// Its code, by which programs tell problems apart.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedBody(_) => "malformed_body",
            Self::InvalidCursor => "invalid_cursor",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Refused(refusal) => refusal.code(),
            Self::BodyTooLarge(_) => "body_too_large",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::ValidationFailed(_) => "validation_failed",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::TooManyRequests => "too_many_requests",
            Self::TemporarilyUnavailable(_) => "temporarily_unavailable",
        }
    }

    /// Its HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedBody(_) | Self::InvalidCursor => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ValidationFailed(_) | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::TemporarilyUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::MalformedBody(_) => "The body cannot be read",
            Self::InvalidCursor => "The cursor is not valid",
            Self::Unauthenticated => "Not signed in",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::Refused(CancelRefusal::AlreadyClicked) => "Already clicked",
            Self::Refused(CancelRefusal::AlreadyCanceled) => "Already canceled",
            Self::Refused(CancelRefusal::LinkExpired) => "Link expired",
            Self::Refused(CancelRefusal::AlreadyPaid) => "Already paid",
            Self::BodyTooLarge(_) => "The body is too large",
            Self::UnsupportedMediaType(_) => "Unsupported media type",
            Self::ValidationFailed(_) => "Some fields are not valid",
            Self::IdempotencyKeyReused => "Idempotency key reused",
            Self::TooManyRequests => "Too many requests",
            Self::TemporarilyUnavailable(_) => "Temporarily unavailable",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::MalformedBody(detail) | Self::UnsupportedMediaType(detail) => (*detail).to_owned(),
            Self::InvalidCursor => "The cursor is not one that this list has given out.".to_owned(),
            Self::Unauthenticated => "Please sign in and try again.".to_owned(),
            Self::Forbidden => "You are not allowed to do this.".to_owned(),
            Self::NotFound => "There is nothing here, or it is not yours to see.".to_owned(),
            Self::Refused(refusal) => refusal.to_string(),
            Self::BodyTooLarge(limit) => format!("The body is longer than {} KiB.", limit / 1024),
            Self::ValidationFailed(errors) => match errors.as_slice() {
                [only] => format!("{} {}.", only.field, only.message),
                several => format!("{} fields are not valid.", several.len()),
            },
            Self::IdempotencyKeyReused => {
                "This Idempotency-Key was already used for a request with other contents.".to_owned()
            }
            Self::TooManyRequests => "There are too many requests right now. Please try again in a moment.".to_owned(),
            Self::TemporarilyUnavailable(_) => "This does not work right now. Please try again in a moment.".to_owned(),
        }
    }

    /// The problem as a response.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let status = self.status();
        let errors = match &self {
            Self::ValidationFailed(errors) => errors.as_slice(),
            _ => &[],
        };
        let fields = Fields {
            r#type: format!("urn:chat2pay:problem:{}", self.code()),
            title: self.title(),
            status: status.as_u16(),
            detail: self.detail(),
            code: self.code(),
            errors,
        };
        // Strings and numbers alone: there is nothing in it that JSON cannot hold.
        let body = serde_json::to_string(&fields).unwrap_or_default();
        let mut response = Response::new(Body::Text(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::TooManyRequests | Self::TemporarilyUnavailable(_) => {
                headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
            }
            Self::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

/// Whatever fails inside, the caller can only try again.
impl From<UseCaseError> for Problem {
    fn from(error: UseCaseError) -> Self {
        Self::TemporarilyUnavailable(error.into())
    }
}
