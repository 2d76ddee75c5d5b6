//! A payment provider with the interface of the sandbox provider, whose behaviour a test controls.

use crate::examples::header_lines;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// How the provider answers a call that closes a checkout, or asks for its state.
#[derive(Debug, Clone)]
pub enum OnClose {
    /// The checkout is closed unpaid.
    Closes,
    /// The checkout had been paid at this time, with this amount.
    Paid(Timestamp, i64),
    /// The customer had paid at this time, with this amount, which is still in flight.
    Processing(Timestamp, i64),
    /// The customer had paid, and the payment failed.
    Failed,
}

#[derive(Default)]
struct Ledger {
    unreachable: bool,
    checkouts: HashMap<String, String>,
    closed: Vec<String>,
    refunds: Vec<String>,
    payments: Vec<Value>,
    calls: Vec<Value>,
    on_close: HashMap<String, OnClose>,
}

/// A running provider.
pub struct Provider {
    /// The address that it listens on.
    pub url: String,
    ledger: Arc<Mutex<Ledger>>,
}

type ProviderAnswer = (StatusCode, Json<Value>);

impl Provider {
    /// Starts a provider on a free port.
    pub async fn start() -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let router = Router::new()
            .route("/checkouts", get(find).post(create))
            .route("/checkouts/{id}/state", get(state))
            .route("/checkouts/{id}/close", post(close))
            .route("/refunds", get(none).post(refund))
            .route("/payments", get(payments))
            .route("/payments/{id}", get(payment))
            .route("/disputes", get(none))
            .layer(from_fn_with_state(Arc::clone(&ledger), keep))
            .with_state(Arc::clone(&ledger));
        Self { url: crate::serve(router).await, ledger }
    }

    /// Makes every call fail with status 503 while `unreachable` is true.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.ledger.lock().unwrap().unreachable = unreachable;
    }

    /// Sets the answer to closing this request's checkout.
    pub fn on_close(&self, request: &str, on_close: OnClose) {
        self.ledger.lock().unwrap().on_close.insert(request.to_owned(), on_close);
    }

    /// Adds a payment of a request to the provider's list.
    pub fn add_payment(&self, request: &str, paid_at: Timestamp) {
        self.ledger.lock().unwrap().payments.push(json!({ "payment_id": format!("pay_{request}"),
            "payment_request_id": request, "status": "paid", "amount": 25_000, "currency": "ZAR", "paid_at": paid_at,
            "amount_refunded": 0, "disputed": false }));
    }

    /// Returns all calls so far, with their bodies.
    #[must_use]
    pub fn calls(&self) -> Vec<Value> {
        self.ledger.lock().unwrap().calls.clone()
    }

    /// Returns the number of checkouts.
    #[must_use]
    pub fn checkouts(&self) -> usize {
        self.ledger.lock().unwrap().checkouts.len()
    }

    /// Returns whether this request's checkout was closed.
    #[must_use]
    pub fn has_closed(&self, request: &str) -> bool {
        self.ledger.lock().unwrap().closed.iter().any(|closed| closed == request)
    }

    /// Returns how often this request was refunded.
    #[must_use]
    pub fn refunds(&self, request: &str) -> usize {
        self.ledger.lock().unwrap().refunds.iter().filter(|refunded| *refunded == request).count()
    }
}

async fn keep(State(ledger): State<Arc<Mutex<Ledger>>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    ledger.lock().unwrap().calls.push(json!({
        "call": format!("{} {}", parts.method, parts.uri.path()),
        "headers": header_lines(&parts.headers),
        "body": serde_json::from_slice::<Value>(&body).unwrap_or_default(),
    }));
    next.run(Request::from_parts(parts, body.into())).await
}

fn unreachable() -> ProviderAnswer {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({})))
}

async fn find(
    State(ledger): State<Arc<Mutex<Ledger>>>,
    Query(search): Query<HashMap<String, String>>,
) -> ProviderAnswer {
    let ledger = ledger.lock().unwrap();
    if ledger.unreachable {
        return unreachable();
    }
    let found = ledger.checkouts.iter().find(|(_, request)| **request == search["payment_request_id"]);
    (StatusCode::OK, Json(json!({ "id": found.map(|(id, _)| id) })))
}

async fn create(State(ledger): State<Arc<Mutex<Ledger>>>, Json(body): Json<Value>) -> ProviderAnswer {
    let mut ledger = ledger.lock().unwrap();
    if ledger.unreachable {
        return unreachable();
    }
    let request = body["payment_request_id"].as_str().unwrap().to_owned();
    let id = format!("cs_{request}");
    ledger.checkouts.insert(id.clone(), request);
    let url = format!("http://provider.test/pay/{id}");
    (StatusCode::OK, Json(json!({ "id": id, "url": url, "status": "open" })))
}

async fn state(State(ledger): State<Arc<Mutex<Ledger>>>, Path(id): Path<String>) -> ProviderAnswer {
    let ledger = ledger.lock().unwrap();
    if ledger.unreachable {
        return unreachable();
    }
    let Some(request) = ledger.checkouts.get(&id) else { return (StatusCode::NOT_FOUND, Json(json!({}))) };
    match ledger.on_close.get(request) {
        Some(state) => state.answer(request),
        None if ledger.closed.contains(request) => OnClose::Closes.answer(request),
        None => (StatusCode::OK, Json(json!({ "status": "open" }))),
    }
}

async fn close(State(ledger): State<Arc<Mutex<Ledger>>>, Path(id): Path<String>) -> ProviderAnswer {
    let mut ledger = ledger.lock().unwrap();
    if ledger.unreachable {
        return unreachable();
    }
    let Some(request) = ledger.checkouts.get(&id).cloned() else {
        return (StatusCode::NOT_FOUND, Json(json!({})));
    };
    let state = ledger.on_close.get(&request).cloned().unwrap_or(OnClose::Closes);
    let answer = state.answer(&request);
    if matches!(state, OnClose::Closes) {
        ledger.closed.push(request);
    }
    answer
}

impl OnClose {
    /// Returns the provider's answer about a checkout in this state.
    fn answer(&self, request: &str) -> ProviderAnswer {
        match self {
            Self::Closes => (StatusCode::OK, Json(json!({ "status": "closed" }))),
            Self::Failed => {
                (StatusCode::OK, Json(json!({ "status": "failed", "payment_id": format!("pay_{request}") })))
            }
            Self::Paid(paid_at, amount) => of_payment("paid", request, *paid_at, *amount),
            Self::Processing(paid_at, amount) => of_payment("processing", request, *paid_at, *amount),
        }
    }
}

fn of_payment(status: &str, request: &str, paid_at: Timestamp, amount: i64) -> ProviderAnswer {
    let payment = json!({ "status": status, "payment_id": format!("pay_{request}"), "amount": amount,
        "currency": "ZAR", "paid_at": paid_at });
    (StatusCode::OK, Json(payment))
}

/// Answers a list that is empty.
async fn none() -> Json<Value> {
    Json(json!({ "payments": [] }))
}

async fn payments(State(ledger): State<Arc<Mutex<Ledger>>>) -> Json<Value> {
    Json(json!({ "payments": ledger.lock().unwrap().payments, "next": null }))
}

async fn payment(State(ledger): State<Arc<Mutex<Ledger>>>, Path(id): Path<String>) -> ProviderAnswer {
    let ledger = ledger.lock().unwrap();
    match ledger.payments.iter().find(|payment| payment["payment_id"] == id.as_str()) {
        Some(payment) => (StatusCode::OK, Json(payment.clone())),
        None => (StatusCode::NOT_FOUND, Json(json!({}))),
    }
}

async fn refund(State(ledger): State<Arc<Mutex<Ledger>>>, Json(body): Json<Value>) -> ProviderAnswer {
    let mut ledger = ledger.lock().unwrap();
    if ledger.unreachable {
        return unreachable();
    }
    let request = body["payment_request_id"].as_str().unwrap().to_owned();
    // Idempotent, as the real providers are: each request is refunded once.
    if !ledger.refunds.contains(&request) {
        ledger.refunds.push(request);
    }
    (StatusCode::OK, Json(json!({ "refund_id": "re_1", "status": "succeeded" })))
}
