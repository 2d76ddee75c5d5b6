//! A proxy in front of DynamoDB that counts calls, and drops or holds the ones that a test chooses.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The fault that a write meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No fault: the write is applied and acknowledged.
    None,
    /// The write is applied, but the connection breaks before the answer arrives.
    AnswerLost,
    /// The connection breaks before the write is applied.
    RequestLost,
}

/// One call that passed through the proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The DynamoDB operation, such as `UpdateItem`.
    pub operation: String,
    /// The table's name; of a batch that of its only table.
    pub table: String,
    /// The index that was read, if any.
    pub index: Option<String>,
    /// The consumed capacity units of the table and its indexes together.
    pub units: f64,
}

/// Returns how many of these calls are reads, and how many are writes.
#[must_use]
pub fn reads_and_writes(calls: &[Call]) -> (usize, usize) {
    let writes = calls.iter().filter(|call| call.is_write()).count();
    (calls.len() - writes, writes)
}

/// Returns the read units of these calls.
#[must_use]
pub fn read_units(calls: &[Call]) -> f64 {
    calls.iter().filter(|call| !call.is_write()).map(|call| call.units).sum()
}

/// Returns the write units of these calls.
#[must_use]
pub fn write_units(calls: &[Call]) -> f64 {
    calls.iter().filter(|call| call.is_write()).map(|call| call.units).sum()
}

impl Call {
    /// Returns whether the call is a write.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(
            self.operation.as_str(),
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" | "BatchWriteItem"
        )
    }
}

/// What the proxy reads of an answer. The items, most of it by far, are skipped.
#[derive(Deserialize)]
struct DatabaseAnswer {
    /// One table's capacity or, for a batch, a list of them.
    #[serde(default, rename = "ConsumedCapacity")]
    consumed: Value,
    /// The error's type, if the answer is one.
    #[serde(default, rename = "__type")]
    error: String,
}

/// The write units of a write whose condition fails. Its answer names none, but DynamoDB charges for the size of the
/// item that is there, and at least one unit
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>). No item that a
/// condition is about is larger than a kilobyte in the ordinary case.
const REFUSED_WRITE: f64 = 1.0;

#[derive(Default)]
struct Ledger {
    calls: Vec<Call>,
    /// The faults of the coming writes, the next one first; later writes meet none.
    faults: VecDeque<Fault>,
    /// What holds the coming writes, the next one first; `None` for a write that passes.
    holds: VecDeque<Option<Arc<Hold>>>,
}

#[derive(Default)]
struct Hold {
    arrived: Notify,
    released: Notify,
}

/// A write that the proxy holds before it reaches the database.
pub struct HeldWrite(Arc<Hold>);

impl HeldWrite {
    /// Waits until the write has arrived at the proxy.
    pub async fn arrived(&self) {
        self.0.arrived.notified().await;
    }

    /// Lets the write go on to the database.
    pub fn release(&self) {
        self.0.released.notify_one();
    }
}

#[derive(Clone)]
struct Shared {
    target: String,
    client: reqwest::Client,
    ledger: Arc<Mutex<Ledger>>,
}

/// A running proxy.
pub struct Proxy {
    /// The address that it listens on.
    pub url: String,
    ledger: Arc<Mutex<Ledger>>,
}

impl Proxy {
    /// Starts a proxy in front of `target`.
    pub async fn start(target: &str) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let shared = Shared { target: target.to_owned(), client: reqwest::Client::new(), ledger: Arc::clone(&ledger) };
        let url = crate::serve(Router::new().fallback(pass).with_state(shared)).await;
        Self { url, ledger }
    }

    /// Sets the faults of the next writes, in order.
    pub fn fail_next_writes(&self, faults: &[Fault]) {
        self.ledger.lock().unwrap().faults = faults.iter().copied().collect();
    }

    /// Holds the write that comes after `passing` others until it is released. Its caller repeats an attempt that takes
    /// longer than two seconds, and the repeat passes.
    #[must_use]
    pub fn hold_write_after(&self, passing: usize) -> HeldWrite {
        let hold = Arc::<Hold>::default();
        let mut ledger = self.ledger.lock().unwrap();
        ledger.holds = (0..passing).map(|_| None).collect();
        ledger.holds.push_back(Some(Arc::clone(&hold)));
        HeldWrite(hold)
    }

    /// Returns the calls since the last time this was called.
    #[allow(clippy::must_use_candidate, reason = "some callers only clear the list")]
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.ledger.lock().unwrap().calls)
    }

    /// Returns how many faults are still to come.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.ledger.lock().unwrap().faults.len()
    }
}

async fn pass(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let mut call = Call { operation, table: String::new(), index: None, units: 0.0 };
    let fault = if call.is_write() {
        shared.ledger.lock().unwrap().faults.pop_front().unwrap_or(Fault::None)
    } else {
        Fault::None
    };
    let hold = if call.is_write() { shared.ledger.lock().unwrap().holds.pop_front().flatten() } else { None };
    if let Some(hold) = hold {
        hold.arrived.notify_one();
        hold.released.notified().await;
    }
    if fault == Fault::RequestLost {
        return crate::broken();
    }
    let mut request: Value = serde_json::from_slice(&body).unwrap();
    let of_batch = || request["RequestItems"].as_object()?.keys().next().map(String::as_str);
    call.table = request["TableName"].as_str().or_else(of_batch).unwrap_or_default().to_owned();
    call.index = request["IndexName"].as_str().map(str::to_owned);
    request["ReturnConsumedCapacity"] = "INDEXES".into();
    let forwarded = shared
        .client
        .post(&shared.target)
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", headers["authorization"].clone())
        .header("x-amz-date", headers["x-amz-date"].clone())
        .body(request.to_string());
    let answer = forwarded.send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let body = answer.bytes().await.unwrap();
    let answer: DatabaseAnswer = serde_json::from_slice(&body).unwrap();
    let consumed = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or_default();
    call.units = match &answer.consumed {
        _ if answer.error.ends_with("ConditionalCheckFailedException") => REFUSED_WRITE,
        Value::Array(tables) => tables.iter().map(consumed).sum(),
        table => consumed(table),
    };
    shared.ledger.lock().unwrap().calls.push(call);
    if fault == Fault::AnswerLost {
        return crate::broken();
    }
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(Body::from(body))
        .unwrap()
}
