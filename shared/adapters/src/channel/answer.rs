//! Calls whose repeat could send a message twice: what is certain about each of their outcomes.

use super::token::Token;
use super::{refused, secret_error};
use crate::http_client::{Answer, Call, CallError, is_failure_to_connect};
use crate::secrets::SecretSource;
use domain::ports::{Cause, ChannelError};
use http::StatusCode;
use serde::de::DeserializeOwned;

/// Makes a call with the token in use and, if that is not taken, with the one that has replaced it.
pub(super) async fn ask(tokens: &SecretSource<Token>, call: impl Fn(&Token) -> Call) -> Result<Answer, ChannelError> {
    let token = tokens.current().await.map_err(secret_error)?;
    let answer = once(call(&token)).await?;
    if answer.status != StatusCode::UNAUTHORIZED {
        return Ok(answer);
    }
    let newer = tokens.after_mismatch().await.map_err(secret_error)?;
    if newer == token { Ok(answer) } else { once(call(&newer)).await }
}

async fn once(call: Call) -> Result<Answer, ChannelError> {
    match call.exchange().await {
        Ok(answer) => Ok(answer),
        Err(CallError::Unavailable(cause)) if is_failure_to_connect(&*cause) => Err(ChannelError::Unavailable(cause)),
        Err(CallError::Unavailable(cause) | CallError::Refused(cause) | CallError::Unreadable(cause)) => {
            Err(ChannelError::Unconfirmed(cause))
        }
    }
}

/// The JSON of an answer, if it is what was agreed.
pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_slice(&answer.body).ok()
}

/// What an answer means by its status alone, when its body says nothing that is known.
pub(super) fn by_status(status: StatusCode, code: Option<i64>) -> ChannelError {
    let cause = described(status, code);
    match status {
        StatusCode::TOO_MANY_REQUESTS => ChannelError::Unavailable(cause),
        // It went wrong on the channel's side, nobody says when.
        status if status.is_server_error() || status.is_success() => ChannelError::Unconfirmed(cause),
        _ => refused(cause),
    }
}

/// An answer in words: never the channel's own, which may repeat the phone number.
pub(super) fn described(status: StatusCode, code: Option<i64>) -> Cause {
    match code {
        Some(code) => format!("it answered {status} with the error {code}").into(),
        None => format!("it answered {status} without an error that is known").into(),
    }
}
