//! Errors as HTTP callers receive them: `application/problem+json` (RFC 9457). Internal error texts are never included.

use domain::CancelRefusal;
use domain::use_cases::UseCaseError;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::Body;
use serde::Serialize;
use std::time::Duration;

/// The validation error of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// The message about a field that a request does not have.
pub(crate) const UNKNOWN_FIELD: &str = "is not a field of this request";

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
    /// The agent has created as many payment requests as they may, until this time has passed.
    TooManyRequests(Duration),
    /// The secret of a webhook endpoint was replaced too often within a day. The caller may try again after this time.
    RotatedTooOften(Duration),
    /// The sums of a report are still being made. The same request goes on from where this one stopped.
    ReportNotReady,
    /// An internal failure. The cause is logged, and not returned.
    TemporarilyUnavailable(Box<dyn std::error::Error + Send + Sync>),
}

/// The reason why a request failed (RFC 9457).
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Problem"))]
struct Fields<'a> {
    /// `urn:chat2pay:problem:` and the code.
    r#type: String,
    /// A short name of the problem.
    title: &'a str,
    /// The status of the response.
    status: u16,
    /// A sentence that can be shown to a person.
    detail: String,
    /// The code by which programs distinguish problems.
    code: &'a str,
    /// Every invalid field, if the code is `validation_failed`.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

/// The value of `Retry-After` after an internal failure: the seconds before a retry of the same request is useful.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Returns the schema of a problem's body.
#[cfg(feature = "schema")]
pub fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Fields<'_>>()
}

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
            Self::TooManyRequests(_) | Self::RotatedTooOften(_) => "too_many_requests",
            Self::ReportNotReady | Self::TemporarilyUnavailable(_) => "temporarily_unavailable",
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
            Self::TooManyRequests(_) | Self::RotatedTooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::ReportNotReady | Self::TemporarilyUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::MalformedBody(_) => "The body cannot be parsed",
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
            Self::TooManyRequests(_) | Self::RotatedTooOften(_) => "Too many requests",
            Self::ReportNotReady => "Report not ready",
            Self::TemporarilyUnavailable(_) => "Temporarily unavailable",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::MalformedBody(detail) | Self::UnsupportedMediaType(detail) => (*detail).to_owned(),
            Self::UnsupportedContentCoding => "The request is compressed. Please send it uncompressed.".to_owned(),
            Self::InvalidCursor => "This page of the list cannot be found. Please begin with the first one.".to_owned(),
            Self::Unauthenticated => "Please sign in and try again.".to_owned(),
            Self::Forbidden => "You are not allowed to do this.".to_owned(),
            Self::NotFound => "This does not exist, or you are not allowed to see it.".to_owned(),
            Self::Refused(refusal) => refusal.to_string(),
            Self::BodyTooLarge(limit) => {
                format!("The request is too large: at most {} KiB can be read.", limit / 1024)
            }
            Self::ValidationFailed(errors) => sentence(errors),
            Self::IdempotencyKeyReused => {
                "The same key was already used for another payment request. Please use a new one.".to_owned()
            }
            Self::TooManyRequests(pause) => {
                let seconds = whole_seconds(*pause);
                let unit = if seconds == 1 { "second" } else { "seconds" };
                format!("You have sent too many payment requests. Please try again in {seconds} {unit}.")
            }
            Self::RotatedTooOften(pause) => {
                let hours = pause.as_secs().div_ceil(60 * 60).max(1);
                let unit = if hours == 1 { "hour" } else { "hours" };
                format!("The secret was replaced too often within a day. Please try again in {hours} {unit}.")
            }
            Self::ReportNotReady => "This period is being counted for the first time, which takes a little longer. \
                                     Please try again in a moment."
                .to_owned(),
            Self::TemporarilyUnavailable(_) => {
                "The service is temporarily unavailable. Please try again in a moment.".to_owned()
            }
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
            Self::TooManyRequests(pause) | Self::RotatedTooOften(pause) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(pause)));
            }
            Self::ReportNotReady | Self::TemporarilyUnavailable(_) => {
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

/// What a person calls each field, by its path. A field that a route adds gets a row here.
const NAMES: &[(&str, &str)] = &[
    ("Idempotency-Key", "the idempotency key"),
    ("agent", "the agent"),
    ("agent.id", "the agent's id"),
    ("agent.name", "the agent's name"),
    ("amount", "the amount"),
    ("conversation_id", "the conversation"),
    ("currency", "the currency"),
    ("cursor", "the page"),
    ("customer", "the customer"),
    ("customer.email", "the e-mail address"),
    ("customer.name", "the customer's name"),
    ("customer.phone", "the phone number"),
    ("data.reason", "the reason"),
    ("description", "the description"),
    ("event_id", "the event"),
    ("events", "the list of events"),
    ("from", "the start of the period"),
    ("include", "what to include"),
    ("limit", "the number of items on a page"),
    ("metadata", "the metadata"),
    ("order_number", "the order number"),
    ("phone", "the phone number"),
    ("since", "the time"),
    ("status", "the status"),
    ("to", "the end of the period"),
    ("url", "the address"),
];

/// What a person calls a field that is not known.
const SOME_FIELD: &str = "a field that is not known here";

/// Returns what a person calls a field; `None` for one that is not known.
fn name(field: &str) -> Option<&'static str> {
    NAMES.iter().find_map(|(path, name)| (*path == field).then_some(*name))
}

/// Returns the sentence about invalid fields that a person reads: about one what it must be, about several which ones
/// they are.
fn sentence(errors: &[FieldError]) -> String {
    if let [FieldError { field, message }] = errors {
        return match name(field) {
            Some(name) => capitalized(&format!("{name} {message}.")),
            None if message == UNKNOWN_FIELD => "There is a field that is not known here.".to_owned(),
            None => format!("One of the fields {message}."),
        };
    }
    let mut names: Vec<&str> = Vec::new();
    for error in errors {
        let name = name(&error.field).unwrap_or(SOME_FIELD);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.split_last() {
        Some((&SOME_FIELD, [])) => "There are fields that are not known here.".to_owned(),
        Some((last, [])) => format!("Please correct {last}."),
        Some((last, others)) => format!("Please correct {} and {last}.", others.join(", ")),
        None => "Some fields are not valid.".to_owned(),
    }
}

/// Returns a sentence with its first letter, which is an ASCII one, as a capital.
fn capitalized(sentence: &str) -> String {
    let (first, rest) = sentence.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// Returns a pause in seconds, rounded up, so that a caller who waits for them does not retry too early.
fn whole_seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

/// Maps every failure of a use case to [`Problem::TemporarilyUnavailable`]: a retry is all that a caller can do.
impl From<UseCaseError> for Problem {
    fn from(error: UseCaseError) -> Self {
        Self::TemporarilyUnavailable(error.into())
    }
}
