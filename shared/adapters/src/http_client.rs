//! Calls to systems that are neither AWS nor ours.

use domain::ports::Cause;
use runtime::ConfigError;
use std::time::Duration;

/// No answer within this is no answer: below every function's own timeout, with room for the writes around it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Nothing that is called answers with more than a page; what does is not what was meant to be called.
const ANSWER_AT_MOST: usize = 64 * 1024;

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

/// An address that secrets and customers can be sent to without anybody on the way reading along.
pub(crate) fn safe(text: &str) -> Option<reqwest::Url> {
    let url: reqwest::Url = text.parse().ok()?;
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (bare && (url.scheme() == "https" || (url.scheme() == "http" && loopback))).then_some(url)
}

/// How long to wait after so many attempts: exponential, with full jitter
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
pub(crate) fn pause(attempts: u32) -> Duration {
    let most = crate::aws::INITIAL_BACKOFF * 2_u32.pow(attempts);
    Duration::from_millis(fastrand::u64(0..=u64::try_from(most.as_millis()).unwrap_or(u64::MAX)))
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

/// What was answered, whatever it says.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Sends a request and answers the response, a refusal included.
pub(crate) async fn exchange(request: reqwest::RequestBuilder) -> Result<Answer, CallError> {
    // The address in an error may hold a secret, such as a chat's webhook key.
    let unavailable = |error: reqwest::Error| CallError::Unavailable(error.without_url().into());
    let mut response = request.send().await.map_err(unavailable)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    // Counted as it comes: the length that a header announces need not be there, nor be true.
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > ANSWER_AT_MOST {
            return Err(CallError::Unreadable("its answer is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

/// Sends a request and answers the body of a successful response.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Result<Vec<u8>, CallError> {
    let Answer { status, body, .. } = exchange(request).await?;
    if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
        return Err(CallError::Unavailable(format!("it answered {status}").into()));
    }
    if !status.is_success() {
        return Err(CallError::Refused(format!("it answered {status}").into()));
    }
    Ok(body)
}

/// Sends a request and reads the JSON of a successful response.
pub(crate) async fn send_for_json<T: serde::de::DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> Result<T, CallError> {
    serde_json::from_slice(&send(request).await?).map_err(|error| CallError::Unreadable(error.into()))
}
