//! Tests of the adapter against a fake Paystack server with prepared responses. The objects are those of
//! <https://github.com/PaystackOSS/openapi>, and the errors those of
//! <https://github.com/PaystackOSS/doc-code-snippets>.

mod checkouts;
mod events;
mod refunding;
mod settling;

use super::*;
use crate::provider::ConfiguredProvider;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use domain::{
    Actor, Agent, Amount, Customer, Details, HistoryEntry, LinkToken, Metadata, OperationId, PaymentRequestId, Phone,
    Sender, Status, Timestamp,
};
use http::{HeaderMap, Method, Uri};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KEY: &str = "sk_test_1234567890";
const LINK: &str = "https://pay.example.com/p/secret-token-of-the-link";
const PAGE: &str = "https://checkout.paystack.com/3ni8kdavz62431k";
const NUMBER: u64 = 4_099_260_516;

/// A prepared response.
enum Prepared {
    Says(u16, Vec<(&'static str, &'static str)>, Value),
    /// The server processes the call, and the response is lost.
    Lost,
}

/// A received call.
#[derive(Debug, Clone)]
struct Received {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
}

#[derive(Default)]
struct Ledger {
    /// The responses, each for the calls of one path. Calls that are made at the same time come in any order.
    prepared: Vec<(String, Prepared)>,
    received: Vec<Received>,
}

struct Server {
    url: String,
    ledger: Arc<Mutex<Ledger>>,
}

async fn answer(
    State(ledger): State<Arc<Mutex<Ledger>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut ledger = ledger.lock().unwrap();
    let path = uri.path().to_owned();
    ledger.received.push(Received { method, uri, headers, body });
    let place = ledger.prepared.iter().position(|(of, _)| *of == path).expect("an unexpected call");
    match ledger.prepared.remove(place).1 {
        Prepared::Says(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body.to_string())).unwrap()
        }
        Prepared::Lost => {
            let parts = vec![Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("lost"))];
            Response::new(Body::from_stream(futures::stream::iter(parts)))
        }
    }
}

impl Server {
    /// Starts the server with these responses, each for a call of a path below the API's address.
    async fn start(prepared: Vec<(&str, Prepared)>) -> Self {
        let prepared = prepared.into_iter().map(|(path, prepared)| (format!("/paystack{path}"), prepared)).collect();
        let ledger = Arc::new(Mutex::new(Ledger { prepared, received: Vec::new() }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&ledger));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, ledger }
    }

    fn environment(&self) -> Environment {
        Environment::default()
            .with("PAYMENT_PROVIDER", NAME)
            .with("PAYSTACK_API_URL", format!("{}/paystack", self.url))
            .with("PAYSTACK_SECRET_KEY", KEY)
            .with("PAYSTACK_LIVEMODE", "false")
            .with("PAYSTACK_FALLBACK_EMAIL", "payments@example.com")
    }

    fn paystack(&self) -> ConfiguredProvider {
        ConfiguredProvider::new(&self.environment()).unwrap()
    }

    fn received(&self) -> Vec<Received> {
        self.ledger.lock().unwrap().received.clone()
    }

    /// Returns the method and the path of each call, with its query.
    fn paths(&self) -> Vec<String> {
        let shown = |call: &Received| format!("{} {}", call.method, call.uri.to_string().replacen("/paystack", "", 1));
        self.received().iter().map(shown).collect()
    }
}

fn says(status: u16, body: Value) -> Prepared {
    Prepared::Says(status, Vec::new(), body)
}

/// Builds a successful answer with this `data`.
#[allow(clippy::needless_pass_by_value, reason = "every caller has just made it")]
fn data(data: Value) -> Prepared {
    says(200, json!({ "status": true, "message": "Done", "data": data }))
}

/// Builds an error as Paystack answers it, with a sentence that repeats what was sent.
fn error(status: u16, code: &str) -> Prepared {
    says(
        status,
        json!({ "status": false, "message": format!("It is about {LINK}"), "meta": { "nextStep": "Try again" },
            "type": "validation_error", "code": code }),
    )
}

fn not_found() -> Prepared {
    says(
        400,
        json!({ "status": false, "message": "Transaction reference not found.", "type": "validation_error",
            "code": "transaction_not_found", "meta": { "nextStep": "Ensure that you pass one that exists" } }),
    )
}

fn created(reference: &str) -> Prepared {
    data(json!({ "authorization_url": PAGE, "access_code": "3ni8kdavz62431k", "reference": reference }))
}

/// Builds a transaction of the request, paid by a card at 10:01:40.
fn transaction(request: &PaymentRequest, attempt: u16, status: &str) -> Value {
    json!({
        "id": NUMBER, "domain": "test", "status": status, "reference": format!("{}-{attempt}", request.id),
        "receipt_number": null, "amount": 25_000, "message": null, "gateway_response": "Successful",
        "paid_at": "2026-01-05T10:01:40.000Z", "created_at": "2026-01-05T10:00:05.000Z", "channel": "card",
        "currency": "ZAR", "ip_address": "197.210.54.33", "log": null, "fees": 825, "requested_amount": 25_000,
        "metadata": { "payment_request_id": request.id.to_string(), "cancel_action": format!("{LINK}?back") },
        "customer": { "id": 1, "email": "thandi@example.com", "phone": "+27831234567" }, "plan": null,
    })
}

/// Returns an object with some of its fields replaced.
fn with(mut object: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn money(amount: i64, currency: &str) -> Money {
    Money { amount: Amount::new(amount).unwrap(), currency: currency.parse().unwrap() }
}

/// Builds a request for R250.00 that was clicked at ten, with a quarter of an hour to pay.
fn clicked() -> PaymentRequest {
    let agent = Agent { id: "alice".parse().unwrap(), name: "Alice".parse().unwrap() };
    let sender = Sender::of_agent("acme".parse().unwrap(), agent);
    let details = Details {
        order_number: "10045".parse().unwrap(),
        money: money(25_000, "ZAR"),
        customer: Customer {
            phone: Phone::parse("+27831234567").unwrap(),
            name: Some("Thandi".parse().unwrap()),
            email: None,
        },
        description: Some("2 x tickets & more".parse().unwrap()),
        conversation_id: None,
        metadata: Metadata::default(),
    };
    let (now, token) = (at("2026-01-05T10:00:00Z"), LinkToken::random(&domain::Doors::default()).unwrap());
    let operation = OperationId::of_message("created");
    let mut request = PaymentRequest::new(
        PaymentRequestId::new(&domain::Doors::default()).unwrap(),
        sender,
        details,
        token,
        now,
        Duration::from_mins(5),
        operation,
    );
    request.history.push(HistoryEntry { status: Status::Clicked, at: now, actor: Actor::Customer, reason: None });
    request.status = Status::Clicked;
    request.deadline = now.saturating_add(Duration::from_mins(15));
    request
}

fn reference(request: &PaymentRequest, attempt: u16) -> String {
    format!("{}-{attempt}", request.id)
}

fn checkout(request: &PaymentRequest, attempts: u16) -> CheckoutId {
    CheckoutId(reference(request, attempts))
}

/// Returns the path at which a transaction is asked for.
fn verify(request: &PaymentRequest, attempt: u16) -> &'static str {
    format!("/transaction/verify/{}", reference(request, attempt)).leak()
}

fn payment(request: &PaymentRequest, attempt: u16) -> Payment {
    let paid_at = at("2026-01-05T10:01:40Z");
    Payment { provider: NAME.into(), reference: reference(request, attempt), paid_at }
}
