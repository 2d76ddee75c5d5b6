//! A fake server with prepared responses, and a request to pay, for the tests of every provider's adapter.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use domain::{
    Actor, Agent, Amount, Customer, Details, HistoryEntry, LinkToken, Metadata, Money, OperationId, PaymentRequest,
    PaymentRequestId, Phone, Sender, Status, Timestamp,
};
use http::{HeaderMap, Method, Uri};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A prepared response.
pub(super) enum Prepared {
    Says(u16, Vec<(&'static str, &'static str)>, Value),
    /// The server processes the call, and the response is lost.
    Lost,
    /// A valid response, followed by 128 KiB of white space, without a `Content-Length`.
    Endless(Value),
}

pub(super) fn says(status: u16, body: Value) -> Prepared {
    Prepared::Says(status, Vec::new(), body)
}

/// A received call.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) from: SocketAddr,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

struct Ledger {
    /// The responses: each for the calls of one path, or for any call.
    prepared: Vec<(Option<String>, Prepared)>,
    received: Vec<Received>,
}

/// A server that answers each call with the first response for it.
pub(super) struct FakeServer {
    pub(super) url: String,
    ledger: Arc<Mutex<Ledger>>,
}

impl FakeServer {
    /// Starts the server with these responses.
    pub(super) async fn start(prepared: impl IntoIterator<Item = (Option<String>, Prepared)>) -> Self {
        let ledger = Ledger { prepared: prepared.into_iter().collect(), received: Vec::new() };
        let ledger = Arc::new(Mutex::new(ledger));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&ledger));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, ledger }
    }

    /// Returns the calls so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.ledger.lock().unwrap().received.clone()
    }
}

async fn answer(
    State(ledger): State<Arc<Mutex<Ledger>>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut ledger = ledger.lock().unwrap();
    let path = uri.path().to_owned();
    ledger.received.push(Received { from, method, uri, headers, body });
    let is_for = |of: &Option<String>| of.as_ref().is_none_or(|of| *of == path);
    let place = ledger.prepared.iter().position(|(of, _)| is_for(of)).expect("an unexpected call");
    let in_parts =
        |parts: Vec<Result<Bytes, std::io::Error>>| Response::new(Body::from_stream(futures::stream::iter(parts)));
    match ledger.prepared.remove(place).1 {
        Prepared::Says(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body.to_string())).unwrap()
        }
        Prepared::Lost => in_parts(vec![Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("lost"))]),
        Prepared::Endless(body) => {
            let mut parts = vec![Ok(Bytes::from(body.to_string()))];
            parts.extend((0..128).map(|_| Ok(Bytes::from_static(&[b' '; 1024]))));
            in_parts(parts)
        }
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn money(amount: i64, currency: &str) -> Money {
    Money { amount: Amount::new(amount).unwrap(), currency: currency.parse().unwrap() }
}

/// Builds a request for R250.00 that was clicked at ten, with this time to pay.
pub(super) fn clicked(to_pay: Duration) -> PaymentRequest {
    let agent = Agent { id: "alice".parse().unwrap(), name: "Alice".parse().unwrap() };
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
    let now = at("2026-01-05T10:00:00Z");
    let mut request = PaymentRequest::new(
        PaymentRequestId::new(&domain::Doors::default()).unwrap(),
        Sender::of_agent("acme".parse().unwrap(), agent),
        details,
        LinkToken::random(&domain::Doors::default()).unwrap(),
        now,
        Duration::from_mins(5),
        OperationId::of_message("created"),
    );
    request.history.push(HistoryEntry { status: Status::Clicked, at: now, actor: Actor::Customer, reason: None });
    request.status = Status::Clicked;
    request.deadline = now.saturating_add(to_pay);
    request
}
