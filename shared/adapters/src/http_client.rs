//! Calls to systems that are neither AWS nor ours, over the HTTP client that the AWS SDK brings along anyway (decision 0013).

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_types::body::SdkBody;
use domain::ports::Cause;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::client::legacy::Error as HyperError;
use runtime::{ConfigError, Environment};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::time::Duration;
use url::Url;

/// The name, the connection and TLS, over the internet: a first packet that is lost is sent again after a second (RFC 6298, section 2).
const CONNECT_TIMEOUT: Duration = Duration::from_millis(2_500);
/// No answer within this is no answer: below every function's own timeout, with room for the writes around it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Nothing that is called answers with more than a page; what does is not what was meant to be called.
const ANSWER_AT_MOST: usize = 64 * 1024;

/// A client, and its connections. It follows no redirect: an address that was not configured is never called. Nor does it use
/// a proxy: what a developer's shell says about them is not meant for systems on the same machine, and Lambda sets none.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient {
    connector: SharedHttpConnector,
}

impl HttpClient {
    /// A client that keeps its connections for the next call.
    pub(crate) fn new() -> Self {
        Self::keeping(usize::MAX)
    }

    /// A client for calls that must not be made twice: each has a connection of its own. A sandbox is frozen between events,
    /// and on a connection that died meanwhile, a call that never arrived looks like one whose answer was lost.
    pub(crate) fn unpooled() -> Self {
        Self::keeping(0)
    }

    fn keeping(connections: usize) -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .sleep_impl(TokioSleep::new())
            .pool_max_idle_per_host(connections)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build();
        Self { connector: SharedHttpConnector::new(connector) }
    }

    pub(crate) fn get(&self, url: &str) -> Call {
        self.call(Method::GET, url)
    }

    pub(crate) fn post(&self, url: &str) -> Call {
        self.call(Method::POST, url)
    }

    fn call(&self, method: Method, url: &str) -> Call {
        let request = http::Request::builder()
            .method(method)
            .uri(url)
            .header(USER_AGENT, concat!("chat2pay/", env!("CARGO_PKG_VERSION")));
        Call { connector: self.connector.clone(), request, body: Ok(Vec::new()), timeout: CALL_TIMEOUT }
    }
}

/// A call that is not made yet.
pub(crate) struct Call {
    connector: SharedHttpConnector,
    request: http::request::Builder,
    body: Result<Vec<u8>, Cause>,
    timeout: Duration,
}

impl Call {
    /// Gives up after this, the reading of the answer included.
    pub(crate) fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) fn header(self, name: impl AsRef<str>, value: &str) -> Self {
        Self { request: self.request.header(name.as_ref(), value), ..self }
    }

    pub(crate) fn headers(mut self, headers: HeaderMap) -> Self {
        if let Some(all) = self.request.headers_mut() {
            all.extend(headers);
        }
        self
    }

    /// With a secret that no log shows, as `Authorization: <secret>`.
    pub(crate) fn authorization(self, secret: &str) -> Self {
        match HeaderValue::from_str(secret) {
            Ok(mut value) => {
                value.set_sensitive(true);
                Self { request: self.request.header(AUTHORIZATION, value), ..self }
            }
            Err(error) => Self { body: Err(error.into()), ..self },
        }
    }

    /// With a secret as OAuth 2.0 hands it over (RFC 6750).
    pub(crate) fn bearer_auth(self, secret: &str) -> Self {
        self.authorization(&format!("Bearer {secret}"))
    }

    /// With bytes of this media type.
    pub(crate) fn body(self, media_type: &'static str, body: Vec<u8>) -> Self {
        self.content(media_type, Ok(body))
    }

    /// With a JSON document.
    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        self.content("application/json", serde_json::to_vec(body).map_err(Into::into))
    }

    /// With a form.
    pub(crate) fn form(self, parameters: &impl Serialize) -> Self {
        let body = serde_urlencoded::to_string(parameters).map(String::into_bytes).map_err(Into::into);
        self.content("application/x-www-form-urlencoded", body)
    }

    fn content(self, media_type: &'static str, body: Result<Vec<u8>, Cause>) -> Self {
        Self { request: self.request.header(CONTENT_TYPE, media_type), body: self.body.and(body), ..self }
    }

    /// Makes the call and answers the response, a refusal included.
    pub(crate) async fn exchange(self) -> Result<Answer, CallError> {
        let refused = |cause: Cause| CallError::Refused(cause);
        let request = self.request.body(SdkBody::from(self.body.map_err(refused)?)).map_err(|e| refused(e.into()))?;
        let request = request.try_into().map_err(|error| refused(Box::new(error)))?;
        let response = tokio::time::timeout(self.timeout, async {
            let response = self.connector.call(request).await.map_err(|error| CallError::Unavailable(error.into()))?;
            let response = response.try_into_http1x().map_err(|error| CallError::Unreadable(error.into()))?;
            let (parts, body) = response.into_parts();
            // Counted as it comes: the length that a header announces need not be there, nor be true.
            match Limited::new(body, ANSWER_AT_MOST).collect().await {
                Ok(body) => Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes().to_vec() }),
                Err(error) if error.is::<LengthLimitError>() => {
                    Err(CallError::Unreadable("its answer is too long".into()))
                }
                Err(error) => Err(CallError::Unavailable(error)),
            }
        });
        response.await.unwrap_or_else(|elapsed| Err(CallError::Unavailable(elapsed.into())))
    }

    /// Makes the call and answers the body of a successful response.
    pub(crate) async fn send(self) -> Result<Vec<u8>, CallError> {
        let Answer { status, body, .. } = self.exchange().await?;
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            return Err(CallError::Unavailable(format!("it answered {status}").into()));
        }
        if !status.is_success() {
            return Err(CallError::Refused(format!("it answered {status}").into()));
        }
        Ok(body)
    }

    /// Makes the call and reads the JSON of a successful response.
    pub(crate) async fn send_for_json<T: DeserializeOwned>(self) -> Result<T, CallError> {
        serde_json::from_slice(&self.send().await?).map_err(|error| CallError::Unreadable(error.into()))
    }
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
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Whether a failure is that there was no connection: then nothing has been sent.
pub(crate) fn is_failure_to_connect(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<HyperError>().is_some_and(HyperError::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An address that secrets and customers can be sent to without anybody on the way reading along.
pub(crate) fn safe(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (bare && (url.scheme() == "https" || (url.scheme() == "http" && loopback))).then_some(url)
}

/// The address in a variable's text, without a slash at its end.
///
/// # Errors
/// Neither `https` nor on the loopback interface.
pub(crate) fn address(text: &str, name: &str) -> Result<String, ConfigError> {
    let text = text.trim_end_matches('/');
    match safe(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Environment::invalid(name, "an https address, or an http one on the loopback interface")),
    }
}

/// How long to wait after so many attempts: exponential, with full jitter
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
pub(crate) fn pause(attempts: u32) -> Duration {
    let most = crate::aws::INITIAL_BACKOFF * 2_u32.pow(attempts);
    Duration::from_millis(fastrand::u64(0..=u64::try_from(most.as_millis()).unwrap_or(u64::MAX)))
}
