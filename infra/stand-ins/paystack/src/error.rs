//! Paystack's error responses (<https://paystack.com/docs/api/errors/>). The fields are those of the published
//! description (`Error` in <https://github.com/PaystackOSS/openapi>).

use http::StatusCode;
use serde_json::{Value, json};

/// The type of an error.
const VALIDATION: &str = "validation_error";
const API: &str = "api_error";

/// An error that the API returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    kind: &'static str,
    code: &'static str,
    message: String,
    next_step: &'static str,
}

impl ApiError {
    fn validation(code: &'static str, message: impl Into<String>, next_step: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: VALIDATION, code, message: message.into(), next_step }
    }

    /// Builds the error for a required parameter that is missing. `named` is the parameter as a person reads it
    /// (<https://github.com/PaystackOSS/doc-code-snippets/blob/main/src/api/introduction/sample-error/index.json>).
    pub(super) fn missing(named: &str) -> Self {
        Self::validation("missing_params", format!("{named} is required"), "Provide all required params ")
    }

    /// Builds the error for a parameter with an invalid value, as in
    /// <https://github.com/PaystackOSS/doc-code-snippets/blob/main/dist/api/refunds/retry/response.json>.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::validation("invalid_params", message, "Ensure that the value(s) you're passing are valid.")
    }

    /// Builds the error for an email address that is none.
    pub(super) fn email() -> Self {
        Self::validation("invalid_email_address", "Invalid Email Address Passed", "Pass a valid email address")
    }

    /// Builds the error for an amount that Paystack does not charge.
    pub(super) fn amount(message: impl Into<String>) -> Self {
        Self::validation("invalid_amount", message, "Provide an amount that Paystack accepts, in the subunit")
    }

    /// Builds the error for a currency that the merchant cannot charge in.
    pub(super) fn currency() -> Self {
        let next_step = "Provide a currency that your business has been enabled for";
        Self::validation("unsupported_currency", "Currency not supported by merchant", next_step)
    }

    /// Builds the error for a reference that another transaction has (`TransactionInitializeBadRequestModel` in the
    /// published description).
    pub(super) fn duplicate_reference() -> Self {
        let next_step = "Try and create the Transaction or Charge with a new reference";
        Self::validation("duplicate_reference", "Duplicate Transaction Reference", next_step)
    }

    /// Builds the error for a reference that no transaction has
    /// (<https://docs-v2.paystack.com/api/errors/transaction>). The published description has status 404 for it, but
    /// Paystack answers 400.
    pub(super) fn unknown_reference() -> Self {
        let next_step = "Ensure that you're passing the reference of a transaction that exists on this integration";
        Self::validation("transaction_not_found", "Transaction reference not found.", next_step)
    }

    /// Builds the error for an object that does not exist, such as `Refund`.
    pub(super) fn missing_object(kind: &str) -> Self {
        let code = if kind == "Transaction" { "transaction_not_found" } else { "not_found" };
        let next_step = "Ensure that you're passing the identifier of an object that exists on this integration";
        Self { status: StatusCode::NOT_FOUND, ..Self::validation(code, format!("{kind} not found"), next_step) }
    }

    /// Builds the error for a route that the stand-in does not have.
    pub(super) fn unknown_route() -> Self {
        let next_step = "The stand-in for Paystack has the part of the interface that chat2pay uses";
        Self { status: StatusCode::NOT_FOUND, ..Self::validation("not_found", "Route not found", next_step) }
    }

    /// Builds the error for an API key that is missing or invalid. It repeats no part of the key.
    pub(super) fn unauthorized(given: bool) -> Self {
        let (code, message, next_step) = if given {
            ("invalid_Key", "Invalid key", "Ensure that you provide the correct authorization key for the request")
        } else {
            let message = "No Authorization Header was found";
            ("missing_key", message, "Ensure that you provide an authorization key for the request")
        };
        Self { status: StatusCode::UNAUTHORIZED, ..Self::validation(code, message, next_step) }
    }

    /// Builds the error for a refund of a transaction of which nothing is left to refund.
    pub(super) fn reversed() -> Self {
        let error =
            Self::validation("transaction_reversed", "Transaction has been fully reversed", "Check the refunds");
        Self { kind: API, ..error }
    }

    /// Builds the error for a refund that the merchant's balance does not cover.
    pub(super) fn insufficient_balance() -> Self {
        let message = "Insufficient balance to fulfill this refund. Please top up.";
        Self { kind: API, ..Self::validation("insufficient_balance", message, "Add funds to your balance") }
    }

    /// Builds the error for a failure of the stand-in itself.
    pub(super) fn internal() -> Self {
        let error = Self::validation("unknown", "The stand-in's store cannot be read or written", "Try again");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: API, ..error }
    }

    /// Builds the response's body.
    pub(super) fn body(&self) -> Value {
        json!({
            "status": false, "message": self.message, "meta": { "nextStep": self.next_step }, "type": self.kind,
            "code": self.code,
        })
    }
}

/// The reason why a change of the account was not made.
#[derive(Debug)]
pub(super) enum AccountError {
    /// Paystack would reject the change.
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
