//! Calls to Stripe's interface (<https://docs.stripe.com/api>).

use super::settings::{self, Mode, SecretKey};
use crate::aws::ATTEMPTS;
use crate::http_client::{Answer, CallError, HttpClient, pause};
use crate::json::without_text;
use crate::secrets::{SecretError, SecretSource};
use domain::ports::{Cause, ProviderError};
use http::{Method, StatusCode};
use runtime::{ConfigError, Environment};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// The version whose objects are read: that of Stripe's official client for Python 16.1.0
/// (<https://pypi.org/project/stripe/16.1.0/>).
const VERSION: &str = "2026-10-28.endive";

/// One try. Stripe answers in a second or two; past this the answer is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(3_500);

/// Everything that the domain asks for at once, reading the key included: a click makes three DynamoDB calls of five seconds
/// at most besides, and has to answer within 25.
const BUDGET: Duration = Duration::from_secs(8);

/// How many answers in a row may be repeated ones before one is taken for the last word. A day's worth of runs and replays stays
/// below it, and [`BUDGET`] ends the walk in any case.
pub(super) const REPEATED_AT_MOST: usize = 30;

/// A client of one account.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: HttpClient,
    /// For every further attempt: a connection that has died without a word would lose each call that is sent over it.
    unpooled: HttpClient,
    url: String,
    keys: SecretSource<SecretKey>,
    mode: Mode,
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Below the address of the interface, such as `/v1/refunds`, with the query of a `GET`.
    pub(super) path: String,
    /// The form's parameters, their names with the brackets that stand for nesting.
    pub(super) parameters: Vec<(&'static str, String)>,
    /// What the call is known again by when it is repeated.
    pub(super) idempotency_key: Option<String>,
}

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StripeError {
    /// The key cannot be had.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The key is for the other mode than the deployment.
    #[error("the key is of the other mode than STRIPE_LIVEMODE says")]
    Mode,
    /// There was no answer in time.
    #[error("no answer: {0}")]
    Unavailable(#[source] Cause),
    /// The answer was a refusal.
    #[error("Stripe answered {0}")]
    Refused(Refusal),
    /// The answer was not what the interface promises.
    #[error("Stripe's answer cannot be read: {0}")]
    Unreadable(#[source] Cause),
}

/// A refusal, as far as it may be logged: Stripe's own message may repeat parameters, and with them a customer's link. By the
/// identifier of the request it is found in the log of Stripe's Dashboard.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    error: ErrorObject,
    request: Option<Word>,
    should_retry: Option<bool>,
    /// The request that was refused, if Stripe has not looked at the present one and only repeats its answer.
    original: Option<Word>,
}

/// An object that Stripe answered.
#[derive(Debug)]
pub(super) struct Answered<T> {
    pub(super) object: T,
    /// Whether Stripe has not looked at the call and only repeats what it answered to its idempotency key.
    pub(super) is_repeated: bool,
}

/// An error of the interface (<https://docs.stripe.com/api/errors>).
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

impl fmt::Display for Refusal {
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

/// Whether Stripe only repeats what it answered to an idempotency key before (<https://docs.stripe.com/api/idempotent_requests>).
fn is_repeated(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

impl Refusal {
    fn read(answer: &Answer) -> Self {
        #[derive(Default, Deserialize)]
        struct Body {
            error: ErrorObject,
        }
        let header = |name| answer.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        Self {
            status: answer.status,
            // What is between us and Stripe refuses in words of its own; the status is all there is to know then.
            error: serde_json::from_slice::<Body>(&answer.body).unwrap_or_default().error,
            request: header("request-id").map(|id| Word::from(id.to_owned())),
            should_retry: header("stripe-should-retry").and_then(|text| text.parse().ok()),
            original: header("original-request").filter(|_| is_repeated(answer)).map(|id| Word::from(id.to_owned())),
        }
    }

    /// Whether the key stood for another call before, which Stripe does not do again under any key made of it.
    fn is_of_another_call(&self) -> bool {
        self.error.r#type.as_ref().is_some_and(|word| word.0 == "idempotency_error")
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        self.error.code.as_ref().is_some_and(|word| word.0 == code)
    }

    /// Whether the same call may succeed later: as Stripe says, and where it does not, for a conflict with another call, for
    /// load, and for failures of its own (<https://docs.stripe.com/error-low-level>).
    fn is_temporary(&self) -> bool {
        let usual = matches!(self.status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS);
        self.should_retry.unwrap_or(usual || self.status.is_server_error())
    }
}

impl From<StripeError> for ProviderError {
    fn from(error: StripeError) -> Self {
        match &error {
            StripeError::Key(SecretError::Unavailable(_)) | StripeError::Unavailable(_) => {
                Self::Unavailable(error.into())
            }
            // A failure of Stripe's own is no word on what was asked, even where it says that asking again is useless.
            StripeError::Refused(refusal) if refusal.is_temporary() || refusal.status.is_server_error() => {
                Self::Unavailable(error.into())
            }
            StripeError::Key(SecretError::Wrong(_)) | StripeError::Mode | StripeError::Refused(_) => {
                Self::Refused(error.into())
            }
            StripeError::Unreadable(_) => Self::Unreadable(error.into()),
        }
    }
}

impl Client {
    /// The client of the account whose key `STRIPE_SECRET_KEY` is, or the secret at `STRIPE_SECRET_KEY_ARN`.
    ///
    /// # Errors
    /// A variable that is missing or wrong; a key of the other mode.
    pub(super) fn new(environment: &Environment) -> Result<Self, ConfigError> {
        let (mode, keys) = (Mode::new(environment)?, SecretSource::from_environment(environment, "STRIPE_SECRET_KEY")?);
        if let SecretSource::Fixed(key) = &keys
            && SecretKey::mode(key) != mode
        {
            return Err(Environment::invalid("STRIPE_SECRET_KEY", "a key of the mode that STRIPE_LIVEMODE says"));
        }
        Ok(Self {
            http: HttpClient::new(),
            unpooled: HttpClient::unpooled(),
            url: settings::api_url(environment)?,
            keys,
            mode,
        })
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

    /// Calls Stripe, and reads what it answers.
    ///
    /// A call that may have been lost is sent again: so may be a `GET`, one with an idempotency key, and one that comes to
    /// the same when it is done twice. None other may be made.
    ///
    /// Stripe repeats what it answered to an idempotency key for a day, refusals and failures of its own too, so that a
    /// refund would go on being refused when its reason is gone, and a customer's button go on failing
    /// (<https://docs.stripe.com/api/idempotent_requests>). A refusal that is only repeated says nothing of today and is asked
    /// anew, under a key that is made of the request that was refused: the same one for whoever asks again. Should that one have
    /// been carried out after all, no harm is done: nobody has the address of its session, and Stripe sends no money back
    /// twice.
    ///
    /// # Errors
    /// [`StripeError`]
    pub(super) async fn send<T: DeserializeOwned>(&self, call: &Call) -> Result<Answered<T>, StripeError> {
        let mut idempotency_key = call.idempotency_key.clone();
        let mut repeated = 0;
        loop {
            let refusal = match self.ask(call, idempotency_key.as_deref()).await {
                Err(StripeError::Refused(refusal)) => refusal,
                result => {
                    let answer = result?;
                    let object = serde_json::from_slice(&answer.body)
                        .map_err(|error| StripeError::Unreadable(without_text(&error).into()))?;
                    return Ok(Answered { object, is_repeated: is_repeated(&answer) });
                }
            };
            repeated += 1;
            idempotency_key = match (&call.idempotency_key, &refusal.original) {
                (Some(key), Some(original)) if repeated < REPEATED_AT_MOST && !refusal.is_of_another_call() => {
                    Some(format!("{key}:{}", original.0))
                }
                _ => return Err(StripeError::Refused(refusal)),
            };
        }
    }

    /// Calls Stripe with the key in use and, if that is not taken, with the one that has replaced it.
    async fn ask(&self, call: &Call, idempotency_key: Option<&str>) -> Result<Answer, StripeError> {
        let key = self.keys.current().await?;
        match self.send_with(call, idempotency_key, &key).await {
            Err(StripeError::Refused(refusal)) if refusal.status == StatusCode::UNAUTHORIZED => {
                // It may have been rolled since it was read.
                let newer = self.keys.after_mismatch().await?;
                if newer == key {
                    return Err(StripeError::Refused(refusal));
                }
                self.send_with(call, idempotency_key, &newer).await
            }
            result => result,
        }
    }

    async fn send_with(
        &self,
        call: &Call,
        idempotency_key: Option<&str>,
        key: &SecretKey,
    ) -> Result<Answer, StripeError> {
        if key.mode() != self.mode {
            return Err(StripeError::Mode);
        }
        let mut attempt = 1;
        loop {
            let http = if attempt == 1 { &self.http } else { &self.unpooled };
            let error = match self.attempt(http, call, idempotency_key, key).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match &error {
                StripeError::Unavailable(_) => attempt < ATTEMPTS,
                // The same call is under way, and its answer is worth waiting for as long as there is time.
                StripeError::Refused(refusal) if refusal.status == StatusCode::CONFLICT => refusal.is_temporary(),
                StripeError::Refused(refusal) => attempt < ATTEMPTS && refusal.is_temporary(),
                _ => false,
            };
            if !again {
                return Err(error);
            }
            tokio::time::sleep(pause(attempt.min(ATTEMPTS))).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        http: &HttpClient,
        call: &Call,
        idempotency_key: Option<&str>,
        key: &SecretKey,
    ) -> Result<Answer, StripeError> {
        let url = format!("{}{}", self.url, call.path);
        let request = match call.method {
            Method::GET => http.get(&url),
            _ => http.post(&url).form(&call.parameters),
        };
        let mut request = request.timeout(ATTEMPT_TIMEOUT).bearer_auth(key.reveal()).header("stripe-version", VERSION);
        if let Some(idempotency_key) = idempotency_key {
            request = request.header("idempotency-key", idempotency_key);
        }
        let answer = request.exchange().await.map_err(|error| match error {
            CallError::Unavailable(cause) => StripeError::Unavailable(cause),
            CallError::Refused(cause) | CallError::Unreadable(cause) => StripeError::Unreadable(cause),
        })?;
        if answer.status.is_success() { Ok(answer) } else { Err(StripeError::Refused(Refusal::read(&answer))) }
    }
}
