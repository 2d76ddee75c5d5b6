//! The HTTP client of Stripe's API (<https://docs.stripe.com/api>).

use super::settings::SecretKey;
use crate::aws::{ATTEMPTS, INITIAL_BACKOFF};
use crate::http_client::{HttpClient, HttpError, HttpResponse};
use crate::json::{self, FromObject};
use crate::provider::budget::ATTEMPT_TIMEOUT;
use crate::provider::mode::Mode;
use crate::retry::{full_jitter, retry};
use crate::secrets::{SecretError, SecretSource};
use crate::trust::Trust;
use domain::Doors;
use domain::ports::{Cause, ProviderError};
use http::{Method, StatusCode};
use runtime::json::{Object, Unreadable};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The API version of the objects that are parsed: that of Stripe's official client for Python 16.1.0
/// (<https://pypi.org/project/stripe/16.1.0/>).
const VERSION: &str = "2026-10-28.endive";

/// The greatest size of the response to a `GET` in bytes. A page of a list has 100 charges of about 5 KB each.
const PAGE_AT_MOST: usize = 4 * 1024 * 1024;

/// The number of repeated responses in a row after which one is accepted as final. The runs and replays of one day stay
/// below it, and [`within_budget`](crate::provider::budget::within_budget) ends the loop in any case.
pub(super) const REPEATED_AT_MOST: usize = 30;

/// The number of keys that are remembered after failures of Stripe: about 1 MB.
const NEXT_KEYS_AT_MOST: usize = 10_000;

/// The API client of one account.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: HttpClient,
    /// The client for every retry. On a connection that has died silently, each request would be lost.
    unpooled: HttpClient,
    url: String,
    keys: SecretSource<SecretKey>,
    mode: Mode,
    doors: Doors,
    /// The number of times a request is sent at most, unless Stripe repeats an earlier response.
    attempts_at_most: u32,
    /// The keys under which requests are sent next, by their own key, after Stripe has failed and will repeat that. It
    /// saves the calls that would only return the repeated failures; without it, they lead to the same key.
    next_keys: Arc<Mutex<HashMap<String, String>>>,
}

/// A request to Stripe's API.
#[derive(Debug)]
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// The path below the API's address, such as `/v1/refunds`, with the query of a `GET`.
    pub(super) path: String,
    /// The form's parameters. Brackets in their names stand for nesting.
    pub(super) parameters: Vec<(&'static str, String)>,
    /// The key by which Stripe recognizes a retry.
    pub(super) idempotency_key: Option<String>,
}

/// The error for a request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StripeError {
    /// The secret key is not available.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The secret key belongs to the other mode than the deployment.
    #[error("the mode of the key (live or test) differs from STRIPE_LIVEMODE")]
    Mode,
    /// There was no response in time.
    #[error("Stripe did not answer: {0}")]
    Unavailable(#[source] Cause),
    /// Stripe responded with an error.
    #[error("Stripe answered {0}")]
    Refused(ApiError),
    /// The response does not have the documented form.
    #[error("Stripe's answer is invalid: {0}")]
    Unreadable(#[source] Cause),
}

/// Stripe's error response, without anything that must not be logged. Stripe's own message may repeat parameters, and
/// with them a customer's link. The rest is in the log of Stripe's Dashboard, under the request's identifier.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    error: ErrorObject,
    request: Option<Word>,
    should_retry: Option<bool>,
    /// The identifier of the original request, if Stripe did not process this one and only repeated its earlier
    /// response.
    original: Option<Word>,
}

/// An object from Stripe's response.
#[derive(Debug)]
pub(super) struct ApiResponse<T> {
    pub(super) object: T,
    /// Whether Stripe did not process the request, and only repeated its earlier response to the idempotency key.
    pub(super) is_repeated: bool,
}

/// The error object in a response's body (<https://docs.stripe.com/api/errors>).
#[derive(Debug, Default)]
struct ErrorObject {
    r#type: Option<Word>,
    code: Option<Word>,
    decline_code: Option<Word>,
    param: Option<Word>,
}

impl FromObject for ErrorObject {
    fn from_object(body: &Object<'_>) -> Result<Self, Unreadable> {
        let error = body.object("error").unwrap_or_default();
        let word = |name| error.optional::<String>(name).map(Word::from);
        Ok(Self { r#type: word("type"), code: word("code"), decline_code: word("decline_code"), param: word("param") })
    }
}

/// A word of the API's vocabulary. Any other text in its place is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Returns whether Stripe only repeated its earlier response to an idempotency key
/// (<https://docs.stripe.com/api/idempotent_requests>).
fn is_repeated(response: &HttpResponse) -> bool {
    response.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

impl ApiError {
    fn read(response: &HttpResponse) -> Self {
        let header = |name| response.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        Self {
            status: response.status,
            // A proxy between Stripe and us rejected the request in a format of its own, so only the status is known.
            error: json::read(&response.body).unwrap_or_default(),
            request: header("request-id").map(|id| Word::from(id.to_owned())),
            should_retry: header("stripe-should-retry").and_then(|text| text.parse().ok()),
            original: header("original-request").filter(|_| is_repeated(response)).map(|id| Word::from(id.to_owned())),
        }
    }

    /// Returns whether the key was used for another request before. Stripe does not process this request under any key
    /// derived from it.
    fn is_of_another_request(&self) -> bool {
        self.error.r#type.as_ref().is_some_and(|word| word.0 == "idempotency_error")
    }

    /// Returns whether the key was used for a request with other parameters. A request with the same ones that is still
    /// in progress is a conflict instead.
    pub(super) fn has_other_parameters(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST && self.is_of_another_request()
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        self.error.code.as_ref().is_some_and(|word| word.0 == code)
    }

    /// Returns whether Stripe rejected the value of this parameter.
    pub(super) fn is_about(&self, parameter: &str) -> bool {
        self.status == StatusCode::BAD_REQUEST && self.error.param.as_ref().is_some_and(|param| param.0 == parameter)
    }

    /// Returns whether a retry may succeed. Stripe's own header decides; without it, a retry may succeed after a
    /// conflict with another request, after a rate limit, and after a failure of Stripe
    /// (<https://docs.stripe.com/error-low-level>).
    fn is_temporary(&self) -> bool {
        let usual = matches!(self.status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS);
        self.should_retry.unwrap_or(usual || self.status.is_server_error())
    }

    /// Returns how long to pause after this number of attempts; `None` if no further attempt is made.
    fn pause(&self, doors: &Doors, attempts: u32, attempts_at_most: u32) -> Option<Duration> {
        // After a conflict the same request is in progress, and its response is worth waiting for within the budget.
        let waits = self.status == StatusCode::CONFLICT && attempts_at_most > 1;
        let again = self.is_temporary() && (attempts < attempts_at_most || waits);
        again.then(|| full_jitter(doors, INITIAL_BACKOFF, attempts.min(ATTEMPTS)))
    }
}

impl From<StripeError> for ProviderError {
    fn from(error: StripeError) -> Self {
        match &error {
            StripeError::Key(SecretError::Unavailable { .. } | SecretError::Misconfigured { .. })
            | StripeError::Unavailable(_) => Self::Unavailable(error.into()),
            // A failure of Stripe says nothing about the request, even where Stripe says that a retry is useless.
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
    pub(super) fn new(
        keys: SecretSource<SecretKey>,
        mode: Mode,
        url: String,
        trust: &Arc<Trust>,
        doors: Doors,
    ) -> Self {
        Self {
            http: HttpClient::new(trust),
            unpooled: HttpClient::unpooled(trust),
            url,
            keys,
            mode,
            doors,
            attempts_at_most: ATTEMPTS,
            next_keys: Arc::default(),
        }
    }

    /// Returns a client that sends each request once, unless Stripe repeats an earlier response.
    pub(super) fn without_retries(self) -> Self {
        Self { attempts_at_most: 1, ..self }
    }

    /// Sends a request and parses the object in Stripe's response.
    ///
    /// A request that may have been lost is sent again. So only these requests may be sent: a `GET`, one with an
    /// idempotency key, and one that is idempotent by itself.
    ///
    /// For a day, Stripe repeats its response to an idempotency key, including rejections and its own failures
    /// (<https://docs.stripe.com/api/idempotent_requests>). So a refund would be rejected after the reason is gone, and
    /// a customer's button would keep failing. A repeated rejection does not describe the current state. Then the
    /// request is sent again under a new key, derived from the rejected request, so that every retry uses the same new
    /// key. If the rejected request was carried out after all, it does no harm: nobody has the URL of its session, and
    /// Stripe refunds no money twice.
    ///
    /// # Errors
    /// [`StripeError`]
    pub(super) async fn send<T: FromObject>(&self, request: &ApiRequest) -> Result<ApiResponse<T>, StripeError> {
        let mut idempotency_key = request.idempotency_key.as_ref().map(|key| self.next_key(key));
        let mut repeated = 0;
        loop {
            let error = match self.send_with_current_key(request, idempotency_key.as_deref()).await {
                Err(StripeError::Refused(error)) => error,
                result => {
                    let response = result?;
                    let object = json::read(&response.body).map_err(|error| StripeError::Unreadable(error.into()))?;
                    return Ok(ApiResponse { object, is_repeated: is_repeated(&response) });
                }
            };
            repeated += 1;
            idempotency_key = match (&request.idempotency_key, &error.original) {
                (Some(key), Some(original)) if repeated < REPEATED_AT_MOST && !error.is_of_another_request() => {
                    Some(format!("{key}:{}", original.0))
                }
                (Some(key), None) if error.status.is_server_error() => {
                    self.remember_next_key(key, &error);
                    return Err(StripeError::Refused(error));
                }
                _ => return Err(StripeError::Refused(error)),
            };
        }
    }

    /// Returns the key under which a request with this key is sent next.
    fn next_key(&self, key: &str) -> String {
        let next_keys = self.next_keys.lock().unwrap_or_else(PoisonError::into_inner);
        next_keys.get(key).cloned().unwrap_or_else(|| key.to_owned())
    }

    /// Remembers that Stripe will repeat this failure: the key after it is the one that a repeated response leads to.
    fn remember_next_key(&self, key: &str, error: &ApiError) {
        let Some(request) = &error.request else { return };
        let mut next_keys = self.next_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if next_keys.len() >= NEXT_KEYS_AT_MOST {
            next_keys.clear();
        }
        next_keys.insert(key.to_owned(), format!("{key}:{}", request.0));
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
            StripeError::Unavailable(_) if attempts < self.attempts_at_most => {
                Some(full_jitter(&self.doors, INITIAL_BACKOFF, attempts))
            }
            StripeError::Refused(error) => error.pause(&self.doors, attempts, self.attempts_at_most),
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
            Method::GET => http.get(&url).response_at_most(PAGE_AT_MOST),
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
