//! The API for a merchant's programs: authentication, routing of operations, and idempotent replay of responses.

use super::Stripe;
use super::account::{Account, ApiRequest, REFUND_PARAMETERS, SESSION_PARAMETERS, shown};
use super::error::{AccountError, ApiError};
use super::objects::{VERSION, expand, load};
use super::parameters::Parameters;
use super::settlements::{Kind, list};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use rusqlite::{OptionalExtension, Transaction};
use serde_json::{Value, json};
use stand_in_host::Identifiers as _;
use stand_in_host::web::{ProblemResponse, body};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The table of responses to calls with an idempotency key.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS stripe_answers (
        idempotency_key TEXT PRIMARY KEY,
        call TEXT NOT NULL,
        request_id TEXT NOT NULL,
        status INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ORIGINAL_REQUEST: HeaderName = HeaderName::from_static("original-request");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
/// The maximum length of an idempotency key; longer ones are rejected
/// (<https://docs.stripe.com/api/idempotent_requests>).
const KEY_CHARACTERS: usize = 255;

/// The supported parameters of a call that reads an object.
const READ_PARAMETERS: &[&str] = &["expand[]"];

/// The idempotency keys of the calls in flight.
#[derive(Debug, Clone, Default)]
pub(super) struct InProgress(Arc<Mutex<HashSet<String>>>);

/// A reserved idempotency key. No other call can use it until the value is dropped.
struct HeldKey {
    keys: InProgress,
    key: String,
}

impl InProgress {
    fn hold(&self, key: &str) -> Option<HeldKey> {
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        new.then(|| HeldKey { keys: self.clone(), key: key.to_owned() })
    }
}

impl Drop for HeldKey {
    fn drop(&mut self) {
        self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// The operation that a call requests.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Operation {
    CreateSession,
    ReadSession(String),
    ExpireSession(String),
    ReadIntent(String),
    ReadCharge(String),
    CreateRefund,
    ReadRefund(String),
    ReadDispute(String),
    List(Kind),
}

impl Operation {
    fn read(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        let id = |id: &&str| (*id).to_owned();
        Some(match (method, segments.as_slice()) {
            (&Method::POST, ["checkout", "sessions"]) => Self::CreateSession,
            (&Method::GET, ["checkout", "sessions", session]) => Self::ReadSession(id(session)),
            (&Method::POST, ["checkout", "sessions", session, "expire"]) => Self::ExpireSession(id(session)),
            (&Method::GET, ["payment_intents", intent]) => Self::ReadIntent(id(intent)),
            (&Method::GET, ["charges", charge]) => Self::ReadCharge(id(charge)),
            (&Method::POST, ["refunds"]) => Self::CreateRefund,
            (&Method::GET, ["refunds", refund]) => Self::ReadRefund(id(refund)),
            (&Method::GET, ["disputes", dispute]) => Self::ReadDispute(id(dispute)),
            (&Method::GET, [name]) => {
                let kinds = [Kind::Charge, Kind::Refund, Kind::Dispute, Kind::Payout, Kind::BalanceTransaction];
                Self::List(kinds.into_iter().find(|kind| kind.path() == *name)?)
            }
            _ => return None,
        })
    }

    fn parameters(&self) -> &'static [&'static str] {
        match self {
            Self::CreateSession => SESSION_PARAMETERS,
            Self::CreateRefund => REFUND_PARAMETERS,
            Self::List(kind) => kind.parameters(),
            _ => READ_PARAMETERS,
        }
    }

    /// Runs the operation, and returns the object that it concerns.
    fn run(
        &self,
        account: &mut Account<'_>,
        transaction: &Transaction<'_>,
        given: &Parameters,
    ) -> Result<Value, AccountError> {
        let expanded = given.list("expand");
        let mut object = match self {
            Self::CreateSession => {
                let id = account.create_session(given)?.id;
                session(account, &id, &expanded)?
            }
            Self::ReadSession(id) => session(account, id, &expanded)?,
            Self::ExpireSession(id) => {
                account.expire_session(id)?;
                session(account, id, &expanded)?
            }
            Self::ReadIntent(id) => stored(transaction, "payment_intent", "pi_", "intent", id)?,
            Self::ReadCharge(id) => stored(transaction, "charge", "ch_", "charge", id)?,
            Self::CreateRefund => json!(account.refund(given)?),
            Self::ReadRefund(id) => stored(transaction, "refund", "re_", "refund", id)?,
            Self::ReadDispute(id) => stored(transaction, "dispute", "du_", "dispute", id)?,
            Self::List(kind) => list(transaction, *kind, given)?,
        };
        for path in expanded {
            expand(transaction, &mut object, path)?;
        }
        Ok(object)
    }
}

fn session(account: &mut Account<'_>, id: &str, expanded: &[&str]) -> Result<Value, AccountError> {
    let checkout = account.checkout(id)?.ok_or_else(|| ApiError::missing("checkout.session", "session", id))?;
    Ok(shown(&checkout, expanded))
}

fn stored(
    transaction: &Transaction<'_>,
    kind: &str,
    prefix: &str,
    param: &str,
    id: &str,
) -> Result<Value, AccountError> {
    let object = if id.starts_with(prefix) { load(transaction, id)? } else { None };
    Ok(object.ok_or_else(|| ApiError::missing(kind, param, id))?)
}

/// The response to a call, and to every repetition with the same idempotency key.
struct ApiResponse {
    status: StatusCode,
    body: String,
    /// The identifier of the first call, if this is a replayed response.
    original: Option<String>,
}

impl From<&ApiError> for ApiResponse {
    fn from(error: &ApiError) -> Self {
        Self { status: error.status, body: error.body().to_string(), original: None }
    }
}

/// `/stripe/v1/…`: handles every call of the API, and adds Stripe's response headers.
pub(super) async fn call(
    State(stripe): State<Arc<Stripe>>,
    method: Method,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let request_id = stripe.settings.doors.identifier("req_");
    let key = (method == Method::POST).then(|| text(&headers, &IDEMPOTENCY_KEY)).flatten().map(str::to_owned);
    let request = ApiRequest { id: Some(request_id.clone()), idempotency_key: key.clone() };
    let answer = match answer(&stripe, &method, path, &uri, &headers, body, request).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => ApiResponse::from(&error),
        Err(refusal) => return refusal.into_response(),
    };
    let mut response = (answer.status, answer.body).into_response();
    let response_headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response_headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, "application/json");
    set(REQUEST_ID, &request_id);
    set(STRIPE_VERSION, VERSION);
    if let Some(key) = &key {
        set(IDEMPOTENCY_KEY, key);
    }
    if let Some(original) = &answer.original {
        set(REPLAYED, "true");
        set(ORIGINAL_REQUEST, original);
    }
    if answer.status == StatusCode::CONFLICT {
        set(SHOULD_RETRY, "true");
    }
    response
}

/// Authenticates and runs a call. A rejection by Stripe's rules is an [`ApiError`]; a body that cannot be read is a
/// [`ProblemResponse`].
async fn answer(
    stripe: &Stripe,
    method: &Method,
    path: String,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
    request: ApiRequest,
) -> Result<Result<ApiResponse, ApiError>, ProblemResponse> {
    if let Err(error) = authorize(headers, &stripe.secret_key) {
        return Ok(Err(error));
    }
    if let Some(version) = headers.get(&STRIPE_VERSION)
        && version != VERSION
    {
        return Ok(Err(ApiError::version(&String::from_utf8_lossy(version.as_bytes()))));
    }
    let Some(operation) = Operation::read(method, &path) else {
        return Ok(Err(ApiError::unrecognized(method, uri.path())));
    };
    let _held = match &request.idempotency_key {
        Some(key) if key.chars().count() > KEY_CHARACTERS => {
            return Ok(Err(ApiError::refused("An idempotency key has at most 255 characters.")));
        }
        // The key is reserved before the body is read, because another call with it may still be sending its body.
        Some(key) => match stripe.in_progress.hold(key) {
            Some(held) => Some(held),
            None => return Ok(Err(ApiError::in_progress())),
        },
        None => None,
    };
    let form = body::read(body, body::OWN_LIMIT).await?;
    let text = if *method == Method::GET { uri.query().unwrap_or_default().as_bytes() } else { &form };
    let given = match Parameters::read(text, operation.parameters()) {
        Ok(given) => given,
        Err(error) => return Ok(Err(error)),
    };
    let settings = stripe.settings.clone();
    let call = format!("{path}?{}", given.fingerprint());
    let done = stripe.store.transaction(move |transaction| {
        if let Some(key) = &request.idempotency_key
            && let Some(earlier) = earlier(transaction, key, &call)?
        {
            return Ok((earlier, Vec::new()));
        }
        let mut account = Account::open(transaction, &settings, request.clone());
        let result = match operation.run(&mut account, transaction, &given) {
            Ok(object) => Ok(ApiResponse { status: StatusCode::OK, body: object.to_string(), original: None }),
            Err(AccountError::Api(error)) => Err(error),
            Err(AccountError::Store(error)) => return Err(error),
        };
        if let Some(key) = &request.idempotency_key {
            let answer = match &result {
                Ok(answer) => Some((answer.status, answer.body.clone())),
                Err(error) if error.before_work => None,
                Err(error) => Some((error.status, error.body().to_string())),
            };
            if let Some((status, body)) = answer {
                transaction
                    .prepare_cached(
                        "INSERT INTO stripe_answers (idempotency_key, call, request_id, status, body)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute((key, &call, &request.id, status.as_u16(), body))?;
            }
        }
        Ok((result, account.pending_webhooks))
    });
    match done.await {
        Ok((result, pending_webhooks)) => {
            stripe.webhooks.submit_all(pending_webhooks);
            Ok(result)
        }
        Err(error) => {
            tracing::error!(%error, "a call to the stand-in for Stripe failed");
            Ok(Err(ApiError::internal()))
        }
    }
}

/// Returns the stored response for this idempotency key, or an error if the key was used for a different call.
fn earlier(
    transaction: &Transaction<'_>,
    key: &str,
    call: &str,
) -> rusqlite::Result<Option<Result<ApiResponse, ApiError>>> {
    let stored = transaction
        .prepare_cached("SELECT call, request_id, status, body FROM stripe_answers WHERE idempotency_key = ?1")?
        .query_row([key], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, u16>(2)?, row.get::<_, String>(3)?))
        })
        .optional()?;
    Ok(stored.map(|(stored_call, request_id, status, body)| {
        if stored_call != call {
            return Err(ApiError::other_parameters(key));
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Ok(ApiResponse { status, body, original: Some(request_id) })
    }))
}

/// Verifies the account's API key, given as a bearer token or as the user name of HTTP basic authentication
/// (<https://docs.stripe.com/api/authentication>).
fn authorize(headers: &HeaderMap, secret_key: &str) -> Result<(), ApiError> {
    let given = text(headers, &AUTHORIZATION).and_then(|value| value.split_once(' '));
    let key = match given {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Some(key.trim().to_owned()),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => STANDARD
            .decode(pair.trim())
            .ok()
            .and_then(|pair| String::from_utf8(pair).ok())
            .map(|pair| pair.split(':').next().unwrap_or_default().to_owned()),
        _ => None,
    };
    match key {
        Some(key) if key == secret_key => Ok(()),
        key => Err(ApiError::unauthorized(key.is_some())),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
