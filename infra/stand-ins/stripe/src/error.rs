//! Stripe's error responses (<https://docs.stripe.com/api/errors>).

use super::objects::VERSION;
use http::StatusCode;
use serde_json::{Map, Value};

/// An error that the API returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
    /// Whether the error was found before the operation began. An idempotency key replays only responses of operations
    /// that began (<https://docs.stripe.com/api/idempotent_requests>).
    pub(super) before_work: bool,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into(), before_work: false }
    }

    /// Builds the error for an operation that is not possible in the current state.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// Builds the error for an invalid parameter.
    pub(super) fn parameter(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), before_work: true, ..Self::refused(message).with_code(code) }
    }

    /// Builds the error for an invalid parameter whose kind of error has no code
    /// (<https://docs.stripe.com/error-codes>).
    pub(super) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), before_work: true, ..Self::refused(message) }
    }

    /// Builds the error for a version of the interface that the stand-in does not speak.
    pub(super) fn version(given: &str) -> Self {
        let message = format!("Invalid Stripe API version: {given}. This stand-in speaks {VERSION} alone.");
        Self { before_work: true, ..Self::refused(message) }
    }

    /// Builds the error for an object that does not exist.
    pub(super) fn missing(object: &str, param: &str, id: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            param: Some(param.to_owned()),
            ..Self::refused(format!("No such {object}: '{id}'")).with_code("resource_missing")
        }
    }

    /// Builds the error for a route that does not exist.
    pub(super) fn unrecognized(method: &http::Method, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self { before_work: true, ..Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message) }
    }

    /// Builds the error for an API key that is missing or invalid. It repeats no part of the key.
    pub(super) fn unauthorized(given: bool) -> Self {
        let message = if given { "Invalid API Key provided." } else { "You did not provide an API key." };
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
    }

    /// Builds the error for an idempotency key that was already used with other parameters.
    pub(super) fn other_parameters(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try \
             using a key other than '{key}' if you meant to execute a different request."
        );
        Self::new(StatusCode::BAD_REQUEST, "idempotency_error", message)
    }

    /// Builds the error for an idempotency key whose first request is still in flight.
    pub(super) fn in_progress() -> Self {
        let message = "There is currently another in-progress request using this idempotency key.";
        Self::new(StatusCode::CONFLICT, "idempotency_error", message).with_code("idempotency_key_in_use")
    }

    /// Builds the error for a failure of the stand-in itself.
    pub(super) fn internal() -> Self {
        let message = "The stand-in's store cannot be read or written.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", message)
    }

    pub(super) fn with_code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Builds the response's body.
    pub(super) fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("type".to_owned(), self.kind.into());
        error.insert("message".to_owned(), self.message.as_str().into());
        if let Some(code) = self.code {
            error.insert("code".to_owned(), code.into());
            let page = code.replace('_', "-");
            error.insert("doc_url".to_owned(), format!("https://docs.stripe.com/error-codes/{page}").into());
        }
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), param.as_str().into());
        }
        serde_json::json!({ "error": error })
    }
}

/// The reason why a change of the account was not made.
#[derive(Debug)]
pub(super) enum AccountError {
    /// Stripe would reject the change.
    Api(ApiError),
    /// The store could not be read or written.
    Store(rusqlite::Error),
}

impl From<ApiError> for AccountError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<rusqlite::Error> for AccountError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}
