//! The HTTP client of Paystack's interface (<https://paystack.com/docs/api/>).

use super::settings::PaystackAccount;
use crate::aws::{ATTEMPTS, INITIAL_BACKOFF};
use crate::http_client::{HttpClient, HttpError, HttpResponse, is_failure_to_connect};
use crate::json::{self, FromObject};
use crate::provider::budget::ATTEMPT_TIMEOUT;
use crate::provider::mode::Mode;
use crate::retry::{full_jitter, retry};
use crate::secrets::{SecretError, SecretSource};
use crate::trust::Trust;
use domain::Doors;
use domain::ports::{Cause, ProviderError};
use http::{Method, StatusCode};
use runtime::json::{Document, Object, Unreadable};
use runtime::paystack_signature::SecretKeys;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest pause that Paystack may ask for after too many calls, for the call to be made again. Its windows have 60
/// seconds (<https://paystack.com/docs/api/rate-limits/>), which is mostly more than the caller can wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The greatest size of the response to a `GET` in bytes. A page of a list has 50 transactions of about 4 KB each.
const PAGE_AT_MOST: usize = 4 * 1024 * 1024;

/// The API client of one account.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: HttpClient,
    /// The client for retries, and for requests that must not be sent twice.
    unpooled: HttpClient,
    url: String,
    keys: SecretSource<SecretKeys>,
    pub(super) mode: Mode,
    pub(super) doors: Doors,
    /// The number of times a request is sent at most.
    attempts_at_most: u32,
}

/// A request to Paystack's interface.
#[derive(Debug)]
pub(super) struct ApiRequest {
    method: Method,
    /// The path below the API's address, with the query of a `GET`.
    path: String,
    body: Value,
    /// Whether the request may be sent again although it may have arrived.
    repeats: bool,
}

impl ApiRequest {
    /// Builds a request that reads something.
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: Value::Null, repeats: true }
    }

    /// Builds a request that has no further effect if it arrives twice.
    pub(super) fn post(path: &str, body: Value) -> Self {
        Self { method: Method::POST, path: path.to_owned(), body, repeats: true }
    }

    /// Builds a request that could have an effect each time that it arrives. It is sent again only if it certainly did
    /// not arrive.
    pub(super) fn post_once(path: &str, body: Value) -> Self {
        Self { repeats: false, ..Self::post(path, body) }
    }
}

/// The error for a request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PaystackError {
    /// The secret key is not available.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The secret key belongs to the other mode than the deployment.
    #[error("the mode of the key (live or test) differs from PAYSTACK_LIVEMODE")]
    Mode,
    /// There was no response in time.
    #[error("Paystack did not answer: {0}")]
    Unavailable(#[source] Cause),
    /// Paystack responded with an error.
    #[error("Paystack answered {0}")]
    Refused(ApiError),
    /// The response does not have the documented form.
    #[error("Paystack's answer is invalid: {0}")]
    Unreadable(#[source] Cause),
}

/// A reason for which Paystack rejects a request, where the caller has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The reference has a transaction already.
    DuplicateReference,
    /// There is no transaction with the reference.
    TransactionNotFound,
    /// The amount or the currency is not accepted.
    Money,
}

/// Paystack's error response (`Error` in <https://github.com/PaystackOSS/openapi>), without anything that must not be
/// logged: its sentences may repeat what was sent. They serve only to tell the reasons apart, because not every answer
/// has a code.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    r#type: Option<Word>,
    code: Option<Word>,
    reason: Option<Reason>,
    /// When another request would not be too many, as far as Paystack says.
    wait: Option<Duration>,
}

/// A word of the API's vocabulary. Any other text in its place is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word(String);

impl From<String> for Word {
    fn from(text: String) -> Self {
        let known = text.len() <= 60 && text.bytes().all(|b| b.is_ascii_alphabetic() || b"_-".contains(&b));
        Self(if known { text } else { "?".to_owned() })
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.status)?;
        for (name, word) in [("type", &self.r#type), ("code", &self.code)] {
            if let Some(word) = word {
                write!(formatter, ", {name} {}", word.0)?;
            }
        }
        Ok(())
    }
}

/// The reasons by code, and by the sentence for answers without one. The codes are in
/// <https://github.com/PaystackOSS/openapi> and <https://github.com/PaystackOSS/doc-code-snippets>, the sentences in
/// <https://docs-v2.paystack.com/api/errors/transaction>.
#[rustfmt::skip]
const REASONS: &[(Reason, &[&str], &[&str])] = &[
    (Reason::DuplicateReference, &["duplicate_reference"], &["Duplicate Transaction Reference"]),
    (Reason::TransactionNotFound, &["transaction_not_found"],
     &["Transaction reference not found", "Transaction not found", "Entity not found"]),
    (Reason::Money, &["invalid_amount", "unsupported_currency"],
     &["Invalid Amount Sent", "You must specify a valid amount", "Transaction amount limit exceeded",
       "Currency not supported by merchant"]),
];

impl ApiError {
    fn read(response: &HttpResponse) -> Self {
        let document = Document::new(&response.body);
        let body = document.object().unwrap_or_default();
        let text = |name| body.optional::<String>(name);
        let (code, message) = (text("code"), text("message").unwrap_or_default());
        let message = message.trim_end_matches('.');
        let reason = REASONS.iter().find(|(_, codes, messages)| {
            code.as_deref().is_some_and(|code| codes.contains(&code)) || messages.contains(&message)
        });
        let is_own = body.optional("status") == Some(false);
        Self {
            status: response.status,
            r#type: text("type").map(Word::from),
            code: code.map(Word::from),
            reason: reason.map(|(reason, ..)| *reason).filter(|_| is_own),
            wait: wait(response),
        }
    }

    /// Returns the reason, if the request was rejected for one of [`Reason`].
    pub(super) fn reason(&self) -> Option<Reason> {
        self.reason.filter(|_| self.status.is_client_error())
    }

    /// Returns whether Paystack does not know the transaction that was asked for. Its published description answers 404
    /// without a code, and its interface 400 with one.
    pub(super) fn is_unknown_transaction(&self) -> bool {
        self.reason() == Some(Reason::TransactionNotFound)
    }

    /// Returns whether a retry may succeed: after too many requests, and after a failure of Paystack.
    fn is_temporary(&self) -> bool {
        matches!(self.status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            || self.status.is_server_error()
    }

    /// Returns whether the request certainly had no effect.
    fn had_no_effect(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Returns how long to pause after this number of attempts; `None` if no further attempt is made.
    fn pause(&self, doors: &Doors, attempts: u32) -> Option<Duration> {
        if !self.is_temporary() {
            return None;
        }
        let pause = full_jitter(doors, INITIAL_BACKOFF, attempts);
        // To call again before the window is over would be in vain, and lengthen it.
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let wait = self.wait.unwrap_or(pause);
            return (wait <= LONGEST_PAUSE).then(|| wait.max(pause));
        }
        Some(pause)
    }
}

/// Returns how long to wait after too many requests. Paystack gives the seconds until the window ends in a header.
fn wait(response: &HttpResponse) -> Option<Duration> {
    let seconds = |name| response.headers.get(name)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs);
    ["retry-after", "x-ratelimit-reset", "ratelimit-reset"].into_iter().find_map(seconds)
}

impl From<PaystackError> for ProviderError {
    fn from(error: PaystackError) -> Self {
        match &error {
            PaystackError::Key(SecretError::Unavailable { .. } | SecretError::Misconfigured { .. })
            | PaystackError::Unavailable(_) => Self::Unavailable(error.into()),
            PaystackError::Refused(refused) if refused.is_temporary() => Self::Unavailable(error.into()),
            PaystackError::Key(SecretError::Invalid(_)) | PaystackError::Mode | PaystackError::Refused(_) => {
                Self::Refused(error.into())
            }
            PaystackError::Unreadable(_) => Self::Unreadable(error.into()),
        }
    }
}

/// The answer's `data` in Paystack's envelope: `{ "status": true, "message", "data", "meta" }`.
struct Envelope<T>(T);

impl<T: FromObject> FromObject for Envelope<T> {
    fn from_object(answer: &Object<'_>) -> Result<Self, Unreadable> {
        if answer.required::<bool>("status")? {
            T::from_object(answer).map(Self)
        } else {
            Err(Unreadable::new("the answer is a success and says that the request failed"))
        }
    }
}

impl Client {
    /// Builds the client of an account.
    pub(super) fn new(account: PaystackAccount, trust: &Arc<Trust>, doors: Doors) -> Self {
        let PaystackAccount { keys, mode, api_url } = account;
        let (http, unpooled) = (HttpClient::new(trust), HttpClient::unpooled(trust));
        Self { http, unpooled, url: api_url, keys, mode, doors, attempts_at_most: ATTEMPTS }
    }

    /// Returns a client that sends each request once, whatever becomes of it.
    pub(super) fn without_retries(self) -> Self {
        Self { attempts_at_most: 1, ..self }
    }

    /// Returns the account's keys, which sign its webhooks too.
    pub(super) fn keys(&self) -> &SecretSource<SecretKeys> {
        &self.keys
    }

    /// Sends a request and parses Paystack's answer, its envelope included: `T` reads `data` and `meta` itself.
    ///
    /// # Errors
    /// [`PaystackError`]
    pub(super) async fn send<T: FromObject>(&self, request: &ApiRequest) -> Result<T, PaystackError> {
        let is_unauthorized = |result: &Result<_, PaystackError>| match result {
            Err(PaystackError::Refused(error)) => error.status == StatusCode::UNAUTHORIZED,
            _ => false,
        };
        let response = self.keys.call(|keys| self.send_with(request, keys), is_unauthorized).await?;
        let Envelope(answer) =
            json::read(&response.body).map_err(|error: Unreadable| PaystackError::Unreadable(error.into()))?;
        Ok(answer)
    }

    async fn send_with(&self, request: &ApiRequest, keys: SecretKeys) -> Result<HttpResponse, PaystackError> {
        if Mode::of(keys.are_live()) != self.mode {
            return Err(PaystackError::Mode);
        }
        let attempt = |previous: Option<PaystackError>| {
            let http = if previous.is_none() && request.repeats { &self.http } else { &self.unpooled };
            self.attempt(http, request, &keys)
        };
        retry(attempt, |attempts, error| match error {
            _ if attempts >= self.attempts_at_most => None,
            PaystackError::Unavailable(cause) if request.repeats || is_failure_to_connect(cause.as_ref()) => {
                Some(full_jitter(&self.doors, INITIAL_BACKOFF, attempts))
            }
            PaystackError::Refused(error) if request.repeats || error.had_no_effect() => {
                error.pause(&self.doors, attempts)
            }
            _ => None,
        })
        .await
    }

    async fn attempt(
        &self,
        http: &HttpClient,
        request: &ApiRequest,
        keys: &SecretKeys,
    ) -> Result<HttpResponse, PaystackError> {
        let url = format!("{}{}", self.url, request.path);
        let call = match request.method {
            Method::GET => http.get(&url).response_at_most(PAGE_AT_MOST),
            _ => http.post(&url).json(&request.body),
        };
        let call = call.timeout(ATTEMPT_TIMEOUT).bearer_auth(keys.newest());
        let response = call.exchange().await.map_err(|error| match error {
            HttpError::Unavailable(cause) => PaystackError::Unavailable(cause),
            HttpError::Refused(cause) | HttpError::Unreadable(cause) => PaystackError::Unreadable(cause),
        })?;
        if response.status.is_success() { Ok(response) } else { Err(PaystackError::Refused(ApiError::read(&response))) }
    }
}
