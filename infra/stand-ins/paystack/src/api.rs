//! The API for a merchant's programs: authentication and routing of operations.

use super::Paystack;
use super::account::{Account, INITIALIZE};
use super::error::{AccountError, ApiError};
use super::given::Given;
use super::lists::{DISPUTES, List, REFUNDS, SETTLED, SETTLEMENTS, TRANSACTIONS};
use super::objects::{Dispute, Refund, Transaction, load, transaction_by};
use super::refunds::REFUND;
use super::shown::{self, Place};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use serde_json::{Value, json};
use stand_in_host::web::{ProblemResponse, body};
use std::sync::Arc;

/// The operation that a call requests.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Operation {
    Initialize,
    Verify(String),
    ReadTransaction(String),
    ListTransactions,
    CreateRefund,
    ReadRefund(String),
    ListRefunds,
    ReadDispute(String),
    ListDisputes,
    ListSettlements,
    ListSettled(String),
}

impl Operation {
    fn read(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        let id = |id: &&str| (*id).to_owned();
        Some(match (method, segments.as_slice()) {
            (&Method::POST, ["transaction", "initialize"]) => Self::Initialize,
            (&Method::GET, ["transaction", "verify", reference]) => Self::Verify(id(reference)),
            (&Method::GET, ["transaction"]) => Self::ListTransactions,
            (&Method::GET, ["transaction", transaction]) => Self::ReadTransaction(id(transaction)),
            (&Method::POST, ["refund"]) => Self::CreateRefund,
            (&Method::GET, ["refund"]) => Self::ListRefunds,
            (&Method::GET, ["refund", refund]) => Self::ReadRefund(id(refund)),
            (&Method::GET, ["dispute"]) => Self::ListDisputes,
            (&Method::GET, ["dispute", dispute]) => Self::ReadDispute(id(dispute)),
            (&Method::GET, ["settlement"]) => Self::ListSettlements,
            (&Method::GET, ["settlement", settlement, "transactions"]) => Self::ListSettled(id(settlement)),
            _ => return None,
        })
    }

    const fn parameters(&self) -> &'static [&'static str] {
        match self {
            Self::Initialize => INITIALIZE,
            Self::CreateRefund => REFUND,
            Self::ListTransactions => TRANSACTIONS,
            Self::ListRefunds => REFUNDS,
            Self::ListDisputes => DISPUTES,
            Self::ListSettlements => SETTLEMENTS,
            Self::ListSettled(_) => SETTLED,
            Self::Verify(_) | Self::ReadTransaction(_) | Self::ReadRefund(_) | Self::ReadDispute(_) => &[],
        }
    }

    /// Runs the operation, and returns the whole answer.
    fn run(&self, account: &mut Account<'_>, given: &Given) -> Result<Value, AccountError> {
        let domain = account.settings.domain;
        Ok(match self {
            Self::Initialize => one("Authorization URL created", account.initialize(given)?),
            Self::Verify(reference) => {
                let found = transaction_by(account.work, "reference", reference)?;
                let found = found.ok_or_else(ApiError::unknown_reference)?;
                one("Verification successful", shown::transaction(&found, domain, Place::Verified))
            }
            Self::ReadTransaction(id) => {
                let found = number(id).map_or(Ok(None), |id| load::<Transaction>(account.work, id))?;
                let found = found.ok_or_else(|| ApiError::missing_object("Transaction"))?;
                one("Transaction retrieved", shown::transaction(&found, domain, Place::Fetched))
            }
            Self::ListTransactions => list("Transactions retrieved", account.transactions(given)?),
            Self::CreateRefund => one("Refund has been queued for processing", account.refund(given)?),
            Self::ReadRefund(id) => {
                let found = number(id).map_or(Ok(None), |id| load::<Refund>(account.work, id))?;
                let found = found.ok_or_else(|| ApiError::missing_object("Refund"))?;
                one("Refund retrieved", shown::refund(&found, &account.named(found.transaction)?, domain))
            }
            Self::ListRefunds => list("Refunds retrieved", account.refunds(given)?),
            Self::ReadDispute(id) => {
                let found = number(id).map_or(Ok(None), |id| load::<Dispute>(account.work, id))?;
                let found = found.ok_or_else(|| ApiError::missing_object("Dispute"))?;
                one(
                    "Dispute retrieved",
                    shown::dispute(&found, &account.named(found.transaction)?, domain, Place::Fetched),
                )
            }
            Self::ListDisputes => list("Disputes retrieved", account.disputes(given)?),
            Self::ListSettlements => list("Settlements retrieved", account.settlements(given)?),
            Self::ListSettled(id) => {
                let id = number(id).ok_or_else(|| ApiError::missing_object("Settlement"))?;
                list("Transactions retrieved", account.settled(id, given)?)
            }
        })
    }
}

fn number(id: &str) -> Option<i64> {
    id.parse().ok()
}

/// Builds the answer with one object.
fn one(message: &str, data: impl Into<Value>) -> Value {
    let data: Value = data.into();
    json!({ "status": true, "message": message, "data": data })
}

/// Builds the answer with a page of a list.
fn list(message: &str, page: List) -> Value {
    let List { data, meta } = page;
    json!({ "status": true, "message": message, "data": data, "meta": meta })
}

/// `/paystack/…`: handles every call of the API.
pub(super) async fn call(
    State(paystack): State<Arc<Paystack>>,
    method: Method,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (status, answer) = match answer(&paystack, &method, &path, &uri, &headers, body).await {
        Ok(Ok(answer)) => (StatusCode::OK, answer),
        Ok(Err(error)) => (error.status, error.body()),
        Err(refusal) => return refusal.into_response(),
    };
    (status, [(CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

/// Authenticates and runs a call. A rejection by Paystack's rules is an [`ApiError`]; a body that cannot be read is a
/// [`ProblemResponse`].
async fn answer(
    paystack: &Paystack,
    method: &Method,
    path: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Result<Value, ApiError>, ProblemResponse> {
    if let Err(error) = authorize(headers, &paystack.secret_keys) {
        return Ok(Err(error));
    }
    let Some(operation) = Operation::read(method, path) else { return Ok(Err(ApiError::unknown_route())) };
    let form = body::read(body, body::OWN_LIMIT).await?;
    let given = if *method == Method::GET {
        Given::from_pairs(uri.query().unwrap_or_default().as_bytes(), operation.parameters())
    } else {
        Given::from_body(&form, text(headers, &CONTENT_TYPE).unwrap_or_default(), operation.parameters())
    };
    let given = match given {
        Ok(given) => given,
        Err(error) => return Ok(Err(error)),
    };
    let settings = paystack.settings.clone();
    let done = paystack.store.transaction(move |work| {
        let mut account = Account::open(work, &settings);
        let result = match operation.run(&mut account, &given) {
            Ok(answer) => Ok(answer),
            // Nothing was changed before a rejection.
            Err(AccountError::Api(error)) => Err(error),
            Err(AccountError::Store(error)) => return Err(error),
        };
        Ok((result, account.pending_webhooks))
    });
    match done.await {
        Ok((result, pending_webhooks)) => {
            paystack.webhooks.submit_all(pending_webhooks);
            Ok(result)
        }
        Err(error) => {
            tracing::error!(%error, "a call to the stand-in for Paystack failed");
            Ok(Err(ApiError::internal()))
        }
    }
}

/// Verifies one of the account's secret keys (<https://paystack.com/docs/api/authentication/>). The key of the
/// other mode is no key of this account.
fn authorize(headers: &HeaderMap, secret_keys: &[String]) -> Result<(), ApiError> {
    let given = text(headers, &AUTHORIZATION);
    let key = given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match key {
        Some((_, key)) if secret_keys.iter().any(|valid| valid == key.trim()) => Ok(()),
        _ => Err(ApiError::unauthorized(given.is_some())),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
