//! Exchanges whose retry could send a message twice, and what is certain about each of their outcomes.

use super::sender::refused;
use super::token::Token;
use crate::http_client::{HttpError, HttpRequest, HttpResponse, is_failure_to_connect};
use crate::secrets::SecretSource;
use domain::ports::{Cause, ChannelError};
use http::StatusCode;
use serde::de::DeserializeOwned;

/// Sends a request with the current token and, if it is rejected, once more with the rotated one.
pub(super) async fn exchange(
    tokens: &SecretSource<Token>,
    request: impl Fn(&Token) -> HttpRequest,
) -> Result<HttpResponse, ChannelError> {
    let is_unauthorized = |result: &Result<HttpResponse, _>| {
        result.as_ref().is_ok_and(|response| response.status == StatusCode::UNAUTHORIZED)
    };
    tokens.call(|token| once(request(&token)), is_unauthorized).await
}

async fn once(request: HttpRequest) -> Result<HttpResponse, ChannelError> {
    match request.exchange().await {
        Ok(response) => Ok(response),
        Err(HttpError::Unavailable(cause)) if is_failure_to_connect(&*cause) => Err(ChannelError::Unavailable(cause)),
        Err(HttpError::Unavailable(cause) | HttpError::Refused(cause) | HttpError::Unreadable(cause)) => {
            Err(ChannelError::Unconfirmed(cause))
        }
    }
}

/// Parses the JSON of a response; `None` if it does not have the documented form.
pub(super) fn read<T: DeserializeOwned>(response: &HttpResponse) -> Option<T> {
    serde_json::from_slice(&response.body).ok()
}

/// Classifies a response by its status alone, when its body has no known error code.
pub(super) fn by_status(status: StatusCode, code: Option<i64>) -> ChannelError {
    let cause = described(status, code);
    match status {
        StatusCode::TOO_MANY_REQUESTS => ChannelError::Unavailable(cause),
        // The channel failed, at an unknown point.
        status if status.is_server_error() || status.is_success() => ChannelError::Unconfirmed(cause),
        _ => refused(cause),
    }
}

/// Describes a response without the channel's own text, which may repeat the phone number.
pub(super) fn described(status: StatusCode, code: Option<i64>) -> Cause {
    match code {
        Some(code) => format!("it answered {status} with the error {code}").into(),
        None => format!("it answered {status} without a known error").into(),
    }
}
