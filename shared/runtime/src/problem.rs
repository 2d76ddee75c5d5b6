//! Errors as HTTP callers receive them: `application/problem+json` (RFC 9457). Internal error texts are never included.

use domain::CancelRefusal;
use domain::use_cases::UseCaseError;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::Body;
use serde::Serialize;

/// The validation error of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's path, such as `customer.phone`.
    pub field: String,
    /// The requirement that the value violates, as the end of a sentence that begins with the field's name.
    pub message: String,
}

impl FieldError {
    /// Builds the validation error of one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// The reason why a request failed, with what its response needs.
#[derive(Debug)]
pub enum Problem {
    /// The body cannot be parsed, or does not have the expected form.
    MalformedBody(&'static str),
    /// The cursor was not issued by this list.
    InvalidCursor,
    /// The caller is not authenticated, or a signature is invalid.
    Unauthenticated,
    /// The caller is authenticated, and is not allowed to do this.
    Forbidden,
    /// The resource does not exist, or the caller may not see it.
    NotFound,
    /// The payment request can no longer be canceled.
    Refused(CancelRefusal),
    /// The body exceeds this limit, in bytes.
    BodyTooLarge(usize),
    /// The body's media type is not supported.
    UnsupportedMediaType(&'static str),
    /// The body has a content coding, such as gzip. None is supported.
    UnsupportedContentCoding,
    /// One or more fields are invalid; every one of them is listed.
    ValidationFailed(Vec<FieldError>),
    /// The idempotency key was already used with a different body.
    IdempotencyKeyReused,
    /// Too many requests arrived at once.
    TooManyRequests,
    /// An internal failure. The cause is logged, and not returned.
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

/// The value of `Retry-After`: the seconds before a retry of the same request is useful.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl Problem {
    /// Returns the stable code by which programs distinguish problems.
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
            Self::UnsupportedMediaType(_) | Self::UnsupportedContentCoding => "unsupported_media_type",
            Self::ValidationFailed(_) => "validation_failed",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::TooManyRequests => "too_many_requests",
            Self::TemporarilyUnavailable(_) => "temporarily_unavailable",
        }
    }

    /// Returns the HTTP status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedBody(_) | Self::InvalidCursor => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) | Self::UnsupportedContentCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
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
            Self::UnsupportedMediaType(_) | Self::UnsupportedContentCoding => "Unsupported media type",
            Self::ValidationFailed(_) => "Some fields are not valid",
            Self::IdempotencyKeyReused => "Idempotency key reused",
            Self::TooManyRequests => "Too many requests",
            Self::TemporarilyUnavailable(_) => "Temporarily unavailable",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::MalformedBody(detail) | Self::UnsupportedMediaType(detail) => (*detail).to_owned(),
            Self::UnsupportedContentCoding => "The body is compressed. Please send it as it is.".to_owned(),
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

    /// Builds the HTTP response, with `Retry-After` and `WWW-Authenticate` where the status calls for them.
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
        // Serialization cannot fail: the fields are strings and numbers only.
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
            // Names what would have been accepted (RFC 9110, section 15.5.16).
            Self::UnsupportedContentCoding => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            Self::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

/// Maps every failure of a use case to [`Problem::TemporarilyUnavailable`]: a retry is all that a caller can do.
impl From<UseCaseError> for Problem {
    fn from(error: UseCaseError) -> Self {
        Self::TemporarilyUnavailable(error.into())
    }
}
