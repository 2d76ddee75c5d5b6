//! The HTTP client for systems other than AWS. Its connections are made as those of the AWS SDK (decision 0034).

use crate::https::{Settings, connector, find};
use crate::json::{FromObject, read};
use crate::trust::{Roots, Trust};
use aws_smithy_runtime_api::client::dns::{ResolveDns, SharedDnsResolver};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_types::body::SdkBody;
use domain::ports::Cause;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::client::legacy::Error as HyperError;
use serde::Serialize;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// The timeout of name resolution, connection and TLS over the internet. A lost first packet is sent again after a
/// second (RFC 6298, section 2).
const CONNECT_TIMEOUT: Duration = Duration::from_millis(2_500);
/// The timeout of one call: below every function's own timeout, with room for the writes around it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a response in bytes, unless a call sets another one. No called system sends more than a page, so
/// a larger response comes from another one.
const RESPONSE_AT_MOST: usize = 64 * 1024;

/// An HTTP client with its connections.
///
/// It follows no redirect, so that it only calls configured addresses. It uses no proxy: Lambda sets none, and a
/// developer's proxy variables are not meant for systems on the same machine.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient {
    connector: SharedHttpConnector,
}

impl HttpClient {
    /// Builds a client that reuses its connections.
    pub(crate) fn new(trust: &Arc<Trust>) -> Self {
        Self { connector: connector(trust, settings(usize::MAX)) }
    }

    /// Builds a client that opens a connection for each request, for requests that must not be repeated. A sandbox is
    /// frozen between events. On a connection that died meanwhile, a request that never arrived cannot be distinguished
    /// from one whose response was lost.
    pub(crate) fn unpooled(trust: &Arc<Trust>) -> Self {
        Self { connector: connector(trust, settings(0)) }
    }

    /// Builds a client for other people's endpoints. It resolves names by `resolver`, connects to one of the addresses
    /// that it returns, and opens a connection for each request. A number in place of a name is not resolved. Whether
    /// an endpoint has a certificate that is trusted is a matter for those people.
    pub(crate) fn resolving(trust: &Arc<Trust>, resolver: impl ResolveDns + 'static) -> Self {
        let resolver = Some(SharedDnsResolver::new(resolver));
        Self { connector: connector(trust, Settings { resolver, reports_distrust: false, ..settings(0) }) }
    }

    pub(crate) fn get(&self, url: &str) -> HttpRequest {
        self.request(Method::GET, url)
    }

    pub(crate) fn post(&self, url: &str) -> HttpRequest {
        self.request(Method::POST, url)
    }

    fn request(&self, method: Method, url: &str) -> HttpRequest {
        let request = http::Request::builder()
            .method(method)
            .uri(url)
            .header(USER_AGENT, concat!("chat2pay/", env!("CARGO_PKG_VERSION")));
        HttpRequest {
            connector: self.connector.clone(),
            request,
            body: Ok(Vec::new()),
            timeout: CALL_TIMEOUT,
            at_most: RESPONSE_AT_MOST,
        }
    }
}

/// Returns how a client connects that keeps this number of idle connections for each host.
fn settings(kept: usize) -> Settings {
    Settings {
        roots: Roots::Public,
        connect_timeout: CONNECT_TIMEOUT,
        kept,
        proxies: false,
        resolver: None,
        reports_distrust: true,
    }
}

/// A request that has not been sent.
pub(crate) struct HttpRequest {
    connector: SharedHttpConnector,
    request: http::request::Builder,
    body: Result<Vec<u8>, Cause>,
    timeout: Duration,
    at_most: usize,
}

impl HttpRequest {
    /// Sets the timeout of the whole exchange, including the response's body.
    pub(crate) fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the maximum size of the response, in bytes.
    pub(crate) fn response_at_most(self, at_most: usize) -> Self {
        Self { at_most, ..self }
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

    /// Adds a secret as `Authorization: <secret>`, marked as sensitive so that no log shows it.
    pub(crate) fn authorization(self, secret: &str) -> Self {
        match HeaderValue::from_str(secret) {
            Ok(mut value) => {
                value.set_sensitive(true);
                Self { request: self.request.header(AUTHORIZATION, value), ..self }
            }
            Err(error) => Self { body: Err(error.into()), ..self },
        }
    }

    /// Adds a secret as an OAuth 2.0 bearer token (RFC 6750).
    pub(crate) fn bearer_auth(self, secret: &str) -> Self {
        self.authorization(&format!("Bearer {secret}"))
    }

    /// Adds a body of this media type.
    pub(crate) fn body(self, media_type: &'static str, body: Vec<u8>) -> Self {
        self.content(media_type, Ok(body))
    }

    /// Adds a JSON document as the body.
    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        self.content("application/json", serde_json::to_vec(body).map_err(Into::into))
    }

    /// Adds a form as the body.
    pub(crate) fn form(self, parameters: &impl Serialize) -> Self {
        let body = serde_urlencoded::to_string(parameters).map(String::into_bytes).map_err(Into::into);
        self.content("application/x-www-form-urlencoded", body)
    }

    fn content(self, media_type: &'static str, body: Result<Vec<u8>, Cause>) -> Self {
        Self { request: self.request.header(CONTENT_TYPE, media_type), body: self.body.and(body), ..self }
    }

    /// Sends the request and returns the response, whatever its status.
    pub(crate) async fn exchange(self) -> Result<HttpResponse, HttpError> {
        let refused = |cause: Cause| HttpError::Refused(cause);
        let request = self.request.body(SdkBody::from(self.body.map_err(refused)?)).map_err(|e| refused(e.into()))?;
        let request = request.try_into().map_err(|error| refused(Box::new(error)))?;
        let response = tokio::time::timeout(self.timeout, async {
            let response = self.connector.call(request).await.map_err(|error| HttpError::Unavailable(error.into()))?;
            let response = response.try_into_http1x().map_err(|error| HttpError::Unreadable(error.into()))?;
            let (parts, body) = response.into_parts();
            // The bytes are counted as they arrive, because a `Content-Length` may be missing or wrong.
            match Limited::new(body, self.at_most).collect().await {
                Ok(body) => {
                    Ok(HttpResponse { status: parts.status, headers: parts.headers, body: body.to_bytes().to_vec() })
                }
                Err(error) if error.is::<LengthLimitError>() => {
                    Err(HttpError::Unreadable("its response is too long".into()))
                }
                Err(error) => Err(HttpError::Unavailable(error)),
            }
        });
        response.await.unwrap_or_else(|elapsed| Err(HttpError::Unavailable(elapsed.into())))
    }

    /// Sends the request, and returns the status and the headers of the response, whatever they are. The body is not
    /// read.
    pub(crate) async fn head(self) -> Result<(StatusCode, HeaderMap), HttpError> {
        let refused = |cause: Cause| HttpError::Refused(cause);
        let request = self.request.body(SdkBody::from(self.body.map_err(refused)?)).map_err(|e| refused(e.into()))?;
        let request = request.try_into().map_err(|error| refused(Box::new(error)))?;
        let response = tokio::time::timeout(self.timeout, self.connector.call(request)).await;
        let response = response.map_err(|elapsed| HttpError::Unavailable(elapsed.into()))?;
        let response = response.map_err(|error| HttpError::Unavailable(error.into()))?;
        let response = response.try_into_http1x().map_err(|error| HttpError::Unreadable(error.into()))?;
        let (parts, _) = response.into_parts();
        Ok((parts.status, parts.headers))
    }

    /// Sends the request and parses the JSON of a successful response.
    pub(crate) async fn send_for_json<T: FromObject>(self) -> Result<T, HttpError> {
        self.exchange().await?.json()
    }
}

/// The error for an exchange that failed.
#[derive(Debug)]
pub(crate) enum HttpError {
    /// There was no response, or one that asks for a later retry.
    Unavailable(Cause),
    /// The request was rejected, and a retry would be rejected too.
    Refused(Cause),
    /// The response does not have the documented form.
    Unreadable(Cause),
}

/// A response, whatever its status.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl HttpResponse {
    /// Returns the body of a successful response.
    pub(crate) fn success(self) -> Result<Vec<u8>, HttpError> {
        let Self { status, body, .. } = self;
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            return Err(HttpError::Unavailable(format!("it answered {status}").into()));
        }
        if !status.is_success() {
            return Err(HttpError::Refused(format!("it answered {status}").into()));
        }
        Ok(body)
    }

    /// Parses the JSON of a successful response.
    pub(crate) fn json<T: FromObject>(self) -> Result<T, HttpError> {
        read(&self.success()?).map_err(|error| HttpError::Unreadable(error.into()))
    }
}

/// Returns whether an error means that no connection was opened, so that nothing was sent.
pub(crate) fn is_failure_to_connect(error: &(dyn Error + 'static)) -> bool {
    find(error).is_some_and(HyperError::is_connect)
}
