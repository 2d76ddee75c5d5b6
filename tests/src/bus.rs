//! A stand-in for EventBridge that accepts or rejects entries as a test decides.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Ledger {
    down: bool,
    missing: bool,
    refuse: Vec<String>,
    calls: Vec<Vec<Value>>,
    accepted: Vec<Value>,
}

/// A running stand-in bus.
pub struct Bus {
    /// The address that it listens on.
    pub url: String,
    ledger: Arc<Mutex<Ledger>>,
}

impl Bus {
    /// Builds the function `publish`, which puts its events here, in an environment with a database.
    #[must_use]
    pub fn publisher(&self, environment: &Environment) -> Box<dyn Function> {
        let environment = environment.clone().with("EVENT_BUS_NAME", "chat2pay");
        publish::function(&environment.with("AWS_ENDPOINT_URL_EVENTBRIDGE", &self.url)).unwrap()
    }

    /// Starts a bus on a free port.
    pub async fn start() -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let url = crate::serve(Router::new().fallback(put).with_state(Arc::clone(&ledger))).await;
        Self { url, ledger }
    }

    /// Makes every call fail while `down` is true.
    pub fn set_down(&self, down: bool) {
        self.ledger.lock().unwrap().down = down;
    }

    /// Makes the bus nonexistent while `missing` is true. Entries for a bus that does not exist are still accepted, as
    /// on AWS.
    pub fn set_missing(&self, missing: bool) {
        self.ledger.lock().unwrap().missing = missing;
    }

    /// Rejects the entries of these events; other entries of the same call are accepted.
    pub fn refuse(&self, event_ids: &[&str]) {
        self.ledger.lock().unwrap().refuse = event_ids.iter().map(|id| (*id).to_owned()).collect();
    }

    /// Returns the accepted entries, oldest first, with `Detail` parsed as JSON.
    #[must_use]
    pub fn accepted(&self) -> Vec<Value> {
        self.ledger.lock().unwrap().accepted.clone()
    }

    /// Returns the entries of each call, whether accepted or rejected.
    #[must_use]
    pub fn calls(&self) -> Vec<Vec<Value>> {
        self.ledger.lock().unwrap().calls.clone()
    }
}

async fn put(State(ledger): State<Arc<Mutex<Ledger>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut ledger = ledger.lock().unwrap();
    if ledger.down {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({}))).into_response();
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    if headers["x-amz-target"] == "AWSEvents.DescribeEventBus" {
        let missing = json!({ "__type": "ResourceNotFoundException", "message": "Event bus does not exist." });
        let found = json!({ "Name": request["Name"] });
        return if ledger.missing {
            (StatusCode::BAD_REQUEST, Json(missing)).into_response()
        } else {
            Json(found).into_response()
        };
    }
    let (mut results, mut entries) = (Vec::new(), Vec::new());
    for entry in request["Entries"].as_array().unwrap() {
        let mut entry = entry.clone();
        entry["Detail"] = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let refused = ledger.refuse.iter().any(|id| entry["Detail"]["event_id"] == id.as_str());
        if refused {
            results.push(json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "refused by the test" }));
        } else {
            results.push(json!({ "EventId": format!("e-{}", ledger.accepted.len()) }));
            ledger.accepted.push(entry.clone());
        }
        entries.push(entry);
    }
    ledger.calls.push(entries);
    let failed = results.iter().filter(|result| result["EventId"].is_null()).count();
    Json(json!({ "FailedEntryCount": failed, "Entries": results })).into_response()
}
