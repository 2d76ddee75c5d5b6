//! Calls to systems that are neither AWS nor ours.

use domain::ports::Cause;
use runtime::ConfigError;
use std::time::Duration;

/// No answer within this is no answer: below every function's own timeout, with room for the writes around it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Nothing that is called answers with more than a page; what does is not what was meant to be called.
const ANSWER_AT_MOST: u64 = 64 * 1024;

/// Builds the client. It follows no redirect: an address that was not configured is never called.
pub(crate) fn client() -> Result<reqwest::Client, ConfigError> {
    reqwest::Client::builder()
        .connect_timeout(crate::aws::CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        // What a developer's shell says about proxies is not meant for systems on the same machine; Lambda sets none.
        .no_proxy()
        .user_agent(concat!("chat2pay/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| runtime::Environment::invalid("SSL_CERT_FILE", "the certificates of a working TLS setup"))
}

/// How a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// There was no answer, or one that asks to come back later.
    Unavailable(Cause),
    /// The answer was a refusal that will not change.
    Refused(Cause),
    /// The answer was not what was agreed.
    Unreadable(Cause),
}

/// Sends a request and answers the body of a successful response.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Result<Vec<u8>, CallError> {
    // The address in an error may hold a secret, such as a chat's webhook key.
    let response = request.send().await.map_err(|error| CallError::Unavailable(error.without_url().into()))?;
    let status = response.status();
    if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
        return Err(CallError::Unavailable(format!("it answered {status}").into()));
    }
    if !status.is_success() {
        return Err(CallError::Refused(format!("it answered {status}").into()));
    }
    if response.content_length().is_some_and(|length| length > ANSWER_AT_MOST) {
        return Err(CallError::Unreadable("its answer is too long".into()));
    }
    let body = response.bytes().await.map_err(|error| CallError::Unavailable(error.without_url().into()))?;
    Ok(body.to_vec())
}

/// Sends a request and reads the JSON of a successful response.
pub(crate) async fn send_for_json<T: serde::de::DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> Result<T, CallError> {
    serde_json::from_slice(&send(request).await?).map_err(|error| CallError::Unreadable(error.into()))
}
