//! Calls to Stripe's interface (<https://docs.stripe.com/api>).

use super::settings::{Mode, SecretKey};
use crate::aws::{ATTEMPTS, INITIAL_BACKOFF};
use crate::http_client::{HttpClient, HttpError, HttpResponse};
use crate::retry::{full_jitter, retry};
use crate::secrets::{SecretError, SecretSource};
use domain::Doors;
use domain::ports::{Cause, ProviderError};
use http::{Method, StatusCode};
use runtime::telemetry::redacted;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// The version whose objects are read: that of Stripe's official client for Python 16.1.0
/// (<https://pypi.org/project/stripe/16.1.0/>).
const VERSION: &str = "2026-10-28.endive";

/// The time for one attempt. Stripe answers in a second or two; past this the answer is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(3_500);

/// The time for everything that the domain asks for at once, reading the key included: a click makes three DynamoDB
/// calls of five seconds at most besides, and has to answer within 25.
const BUDGET: Duration = Duration::from_secs(8);

/// How many answers in a row may be repeated ones before one of them is taken as final. A day's worth of runs and
/// replays stays below it, and [`BUDGET`] ends the walk in any case.
pub(super) const REPEATED_AT_MOST: usize = 30;

/// A client of one account.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: HttpClient,
    /// For every further attempt: a connection that has died silently would lose each request that is sent over it.
    unpooled: HttpClient,
    url: String,
    keys: SecretSource<SecretKey>,
    mode: Mode,
    doors: Doors,
}

/// A request to Stripe's interface.
#[derive(Debug)]
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// Below the address of the interface, such as `/v1/refunds`, with the query of a `GET`.
    pub(super) path: String,
    /// The form's parameters, their names with the brackets that stand for nesting.
    pub(super) parameters: Vec<(&'static str, String)>,
    /// The key by which Stripe recognizes a repeat.
    pub(super) idempotency_key: Option<String>,
}

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StripeError {
    /// The key is not available.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The key is for the other mode than the deployment.
    #[error("the key is of the other mode than STRIPE_LIVEMODE says")]
    Mode,
    /// There was no answer in time.
    #[error("no answer: {0}")]
    Unavailable(#[source] Cause),
    /// Stripe answered with an error.
    #[error("Stripe answered {0}")]
    Refused(ApiError),
    /// The answer was not what the interface documents.
    #[error("Stripe's answer cannot be read: {0}")]
    Unreadable(#[source] Cause),
}

/// An error that Stripe answered, as far as it may be logged: Stripe's own message may repeat parameters, and with them
/// a customer's link. The log of Stripe's Dashboard has the rest, by the identifier of the request.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    error: ErrorObject,
    request: Option<Word>,
    should_retry: Option<bool>,
    /// The request that was refused, if Stripe has not looked at the present one and only repeats its answer.
    original: Option<Word>,
}

/// An object that Stripe answered.
#[derive(Debug)]
pub(super) struct ApiResponse<T> {
    pub(super) object: T,
    /// Whether Stripe has not looked at the request and only repeats what it answered to its idempotency key.
    pub(super) is_repeated: bool,
}

/// The object in an error's body (<https://docs.stripe.com/api/errors>).
#[derive(Debug, Default, Deserialize)]
struct ErrorObject {
    r#type: Option<Word>,
    code: Option<Word>,
    decline_code: Option<Word>,
    param: Option<Word>,
}

/// A word of the interface's own vocabulary. Anything else that stands in its place is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
struct Word(String);

impl From<String> for Word {
    fn from(text: String) -> Self {
        let known = text.len() <= 100 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b));
        Self(if known { text } else { "?".to_owned() })
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.status)?;
        let words = [
            ("type", &self.error.r#type),
            ("code", &self.error.code),
            ("decline_code", &self.error.decline_code),
            ("param", &self.error.param),
            ("request", &self.request),
        ];
        for (name, word) in words {
            if let Some(word) = word {
                write!(formatter, ", {name} {}", word.0)?;
            }
        }
        Ok(())
    }
}

/// Returns whether Stripe only repeats what it answered to an idempotency key before
/// (<https://docs.stripe.com/api/idempotent_requests>).
fn is_repeated(response: &HttpResponse) -> bool {
    response.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

impl ApiError {
    fn read(response: &HttpResponse) -> Self {
        #[derive(Default, Deserialize)]
        struct Body {
            error: ErrorObject,
        }
        let header = |name| response.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        Self {
            status: response.status,
            // A proxy between Stripe and us refuses in words of its own; then the status is all that is known.
            error: serde_json::from_slice::<Body>(&response.body).unwrap_or_default().error,
            request: header("request-id").map(|id| Word::from(id.to_owned())),
            should_retry: header("stripe-should-retry").and_then(|text| text.parse().ok()),
            original: header("original-request").filter(|_| is_repeated(response)).map(|id| Word::from(id.to_owned())),
        }
    }

    /// Returns whether the key stood for another request before, which Stripe does not carry out again under any key
    /// made of it.
    fn is_of_another_request(&self) -> bool {
        self.error.r#type.as_ref().is_some_and(|word| word.0 == "idempotency_error")
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        self.error.code.as_ref().is_some_and(|word| word.0 == code)
    }

    /// Returns whether the same request may succeed later: as Stripe says, and where it does not, for a conflict with
    /// another request, for load, and for failures of its own (<https://docs.stripe.com/error-low-level>).
    fn is_temporary(&self) -> bool {
        let usual = matches!(self.status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS);
        self.should_retry.unwrap_or(usual || self.status.is_server_error())
    }

    /// Returns how long to wait before the request is sent again after so many attempts; none if it is not.
    fn pause(&self, doors: &Doors, attempts: u32) -> Option<Duration> {
        // After a conflict the same request is under way, and its answer is worth waiting for as long as there is time.
        let again = self.is_temporary() && (attempts < ATTEMPTS || self.status == StatusCode::CONFLICT);
        again.then(|| full_jitter(doors, INITIAL_BACKOFF, attempts.min(ATTEMPTS)))
    }
}

impl From<StripeError> for ProviderError {
    fn from(error: StripeError) -> Self {
        match &error {
            StripeError::Key(SecretError::Unavailable { .. } | SecretError::Misconfigured { .. })
            | StripeError::Unavailable(_) => Self::Unavailable(error.into()),
            // A failure of Stripe's own says nothing about what was asked, even where it says that a retry is useless.
            StripeError::Refused(refused) if refused.is_temporary() || refused.status.is_server_error() => {
                Self::Unavailable(error.into())
            }
            StripeError::Key(SecretError::Invalid(_)) | StripeError::Mode | StripeError::Refused(_) => {
                Self::Refused(error.into())
            }
            StripeError::Unreadable(_) => Self::Unreadable(error.into()),
        }
    }
}

impl Client {
    /// Builds the client of an account.
    pub(super) fn new(keys: SecretSource<SecretKey>, mode: Mode, url: String, doors: Doors) -> Self {
        Self { http: HttpClient::new(), unpooled: HttpClient::unpooled(), url, keys, mode, doors }
    }

    /// Does what the domain asks for, within the time that there is for it.
    ///
    /// # Errors
    /// That of the work; [`ProviderError::Unavailable`] when the time is up.
    pub(super) async fn within_budget<T>(
        work: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        match tokio::time::timeout(BUDGET, work).await {
            Ok(result) => result,
            Err(elapsed) => Err(ProviderError::Unavailable(elapsed.into())),
        }
    }

    /// Sends a request and reads the object that Stripe answers.
    ///
    /// A request that may have been lost is sent again. So only these may be sent: a `GET`, a request with an
    /// idempotency key, and one that comes to the same when it is carried out twice.
    ///
    /// Stripe repeats what it answered to an idempotency key for a day, refusals and failures of its own too, so that a
    /// refund would go on being refused when its reason is gone, and a customer's button go on failing
    /// (<https://docs.stripe.com/api/idempotent_requests>). A refusal that is only repeated says nothing of today. Then
    /// the request is sent anew, under a key that is made of the request that was refused: the same key for whoever
    /// sends it again. Should that one have been carried out after all, no harm is done: nobody has the address of its
    /// session, and Stripe sends no money back twice.
    ///
    /// # Errors
    /// [`StripeError`]
    pub(super) async fn send<T: DeserializeOwned>(&self, request: &ApiRequest) -> Result<ApiResponse<T>, StripeError> {
        let mut idempotency_key = request.idempotency_key.clone();
        let mut repeated = 0;
        loop {
            let error = match self.send_with_current_key(request, idempotency_key.as_deref()).await {
                Err(StripeError::Refused(error)) => error,
                result => {
                    let response = result?;
                    let object = serde_json::from_slice(&response.body)
                        .map_err(|error| StripeError::Unreadable(redacted(&error).into()))?;
                    return Ok(ApiResponse { object, is_repeated: is_repeated(&response) });
                }
            };
            repeated += 1;
            idempotency_key = match (&request.idempotency_key, &error.original) {
                (Some(key), Some(original)) if repeated < REPEATED_AT_MOST && !error.is_of_another_request() => {
                    Some(format!("{key}:{}", original.0))
                }
                _ => return Err(StripeError::Refused(error)),
            };
        }
    }

    async fn send_with_current_key(
        &self,
        request: &ApiRequest,
        idempotency_key: Option<&str>,
    ) -> Result<HttpResponse, StripeError> {
        let call = |key| self.send_with(request, idempotency_key, key);
        let is_unauthorized = |result: &Result<_, StripeError>| match result {
            Err(StripeError::Refused(error)) => error.status == StatusCode::UNAUTHORIZED,
            _ => false,
        };
        self.keys.call(call, is_unauthorized).await
    }

    async fn send_with(
        &self,
        request: &ApiRequest,
        idempotency_key: Option<&str>,
        key: SecretKey,
    ) -> Result<HttpResponse, StripeError> {
        if key.mode() != self.mode {
            return Err(StripeError::Mode);
        }
        let attempt = |previous: Option<StripeError>| {
            let http = if previous.is_none() { &self.http } else { &self.unpooled };
            self.attempt(http, request, idempotency_key, &key)
        };
        retry(attempt, |attempts, error| match error {
            StripeError::Unavailable(_) if attempts < ATTEMPTS => {
                Some(full_jitter(&self.doors, INITIAL_BACKOFF, attempts))
            }
            StripeError::Refused(error) => error.pause(&self.doors, attempts),
            _ => None,
        })
        .await
    }

    async fn attempt(
        &self,
        http: &HttpClient,
        request: &ApiRequest,
        idempotency_key: Option<&str>,
        key: &SecretKey,
    ) -> Result<HttpResponse, StripeError> {
        let url = format!("{}{}", self.url, request.path);
        let call = match request.method {
            Method::GET => http.get(&url),
            _ => http.post(&url).form(&request.parameters),
        };
        let mut call = call.timeout(ATTEMPT_TIMEOUT).bearer_auth(key.expose_secret()).header("stripe-version", VERSION);
        if let Some(idempotency_key) = idempotency_key {
            call = call.header("idempotency-key", idempotency_key);
        }
        let response = call.exchange().await.map_err(|error| match error {
            HttpError::Unavailable(cause) => StripeError::Unavailable(cause),
            HttpError::Refused(cause) | HttpError::Unreadable(cause) => StripeError::Unreadable(cause),
        })?;
        if response.status.is_success() { Ok(response) } else { Err(StripeError::Refused(ApiError::read(&response))) }
    }
}
