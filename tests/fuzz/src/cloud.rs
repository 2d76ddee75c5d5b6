//! Everything that the functions call, on one free port of the loopback interface: DynamoDB with one request, an event
//! bus that takes everything, the sandbox provider, Paystack with one transaction, and a chat. Nothing fails here, so
//! that what fails is a reader.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use axum::serve::ListenerExt as _;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// The calls of one input.
#[derive(Default, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    /// What was called, in order.
    pub(crate) names: Vec<String>,
    /// The `detail-type` of every event that was put on the bus.
    pub(crate) events: Vec<String>,
}

#[derive(Default)]
struct Shared {
    calls: Calls,
    item: Vec<u8>,
    /// Paystack's answer about the transaction.
    transaction: Vec<u8>,
}

/// Paystack's answer about the refunds of the transaction.
const REFUNDED: &str = r#"{ "status": true, "message": "Refunds retrieved",
    "data": [{ "id": 1, "transaction": 4099260516, "domain": "test", "status": "processed", "amount": 25000 }],
    "meta": { "page": 1, "pageCount": 1 } }"#;

/// The stand-in.
#[derive(Clone)]
pub(crate) struct Cloud {
    /// Where it answers.
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
}

impl Cloud {
    /// Starts the stand-in, with `item` as the one stored request.
    pub(crate) async fn start(item: &Value) -> std::io::Result<Self> {
        let item = item.to_string().into_bytes();
        let shared = Arc::new(Mutex::new(Shared { item, ..Shared::default() }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        // Without it, the kernel holds answers back for up to 40 ms. An answer that is late is still one.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, shared })
    }

    /// Returns the calls since the last time.
    pub(crate) fn take_calls(&self) -> Calls {
        std::mem::take(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner).calls)
    }

    /// Replaces the stored request.
    pub(crate) fn store(&self, item: Vec<u8>) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).item = item;
    }

    /// Replaces Paystack's answer about the transaction.
    pub(crate) fn set_transaction(&self, answer: Vec<u8>) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).transaction = answer;
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or(uri.path());
    let call = target.rsplit('.').next().unwrap_or_default().to_owned();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match call.as_str() {
        // The table of webhook endpoints has none.
        "GetItem" | "DeleteItem" if sent["TableName"] == "chat2pay-webhooks" => b"{}".to_vec(),
        "Query" if sent["TableName"] == "chat2pay-webhooks" => {
            b"{\"Items\":[],\"Count\":0,\"ScannedCount\":0}".to_vec()
        }
        "GetItem" if sent["Key"]["pk"]["S"].as_str().is_some_and(|key| key.starts_with("LINK#")) => {
            let id = crate::readers::REQUEST;
            json!({ "Item": { "pk": sent["Key"]["pk"], "request_id": { "S": id }, "ttl": { "N": "1767608460" } } })
                .to_string()
                .into_bytes()
        }
        "GetItem" => around(b"{\"Item\":", &shared.item, b"}"),
        "UpdateItem" | "PutItem" => around(b"{\"Attributes\":", &shared.item, b"}"),
        "BatchGetItem" => around(b"{\"Responses\":{\"chat2pay\":[", &shared.item, b"]},\"UnprocessedKeys\":{}}"),
        "Query" if sent["IndexName"] == "due" => b"{\"Items\":[],\"Count\":0,\"ScannedCount\":0}".to_vec(),
        "Query" => {
            let key = format!("REQ#{}", crate::readers::REQUEST);
            let created = format!("2026-01-05T10:00:00.000Z#{}", crate::readers::REQUEST);
            let key = json!({ "pk": { "S": key }, "created": { "S": created },
                "workspace_agent": { "S": "acme#alice" }, "workspace_month": { "S": "acme#2026-01" } });
            json!({ "Items": [key], "Count": 1, "ScannedCount": 1 }).to_string().into_bytes()
        }
        "DescribeEventBus" => b"{\"Name\":\"chat2pay\"}".to_vec(),
        "PutEvents" => {
            let entries = sent["Entries"].as_array().cloned().unwrap_or_default();
            let kinds = entries.iter().map(|entry| entry["DetailType"].as_str().unwrap_or_default().to_owned());
            shared.calls.events.extend(kinds);
            let results: Vec<Value> = entries.iter().map(|_| json!({ "EventId": "1" })).collect();
            json!({ "FailedEntryCount": 0, "Entries": results }).to_string().into_bytes()
        }
        "/refund" => REFUNDED.as_bytes().to_vec(),
        _ if call.starts_with("/transaction/verify/") => shared.transaction.clone(),
        // The sandbox provider's and the chat's addresses.
        _ => b"{\"id\":\"cs_1\",\"url\":\"https://pay.example.com/sandbox/checkouts/cs_1\",\"status\":\"closed\"}"
            .to_vec(),
    };
    if call != "DescribeEventBus" {
        shared.calls.names.push(call);
    }
    Response::new(Body::from(answer))
}

fn around(before: &[u8], item: &[u8], after: &[u8]) -> Vec<u8> {
    [before, item, after].concat()
}
