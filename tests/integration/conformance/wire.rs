//! The wire between chat2pay and a provider's stand-in, on which a test loses and changes calls and answers.

use super::provider::{Page, Provider};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The fault that a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection breaks before the call is executed.
    RequestLost,
    /// The call is executed, but the connection breaks before the answer arrives.
    AnswerLost,
    /// The call is executed, but answered with status 500.
    Failure,
    /// The call is not executed: too many calls (status 429).
    TooMany,
    /// The call is executed, but the answer does not have the agreed form.
    Garbage,
    /// The call is executed, but the answer is half of it.
    Truncated,
    /// The call is not executed; the answer redirects to another host.
    Redirect,
    /// The call is executed, but every address in the answer is on another host.
    OtherHost,
    /// The call is not executed and never answered.
    Silence,
    /// The call is not executed, and the provider refuses it.
    Refusal,
}

impl Fault {
    /// Every fault after which the same call may be made again, except [`Self::Silence`], which takes as long as a
    /// timeout.
    pub(super) const QUICK: [Self; 8] = [
        Self::RequestLost,
        Self::AnswerLost,
        Self::Failure,
        Self::TooMany,
        Self::Garbage,
        Self::Truncated,
        Self::Redirect,
        Self::OtherHost,
    ];
}

/// The calls that meet a fault, by their number since it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The call after this many others.
    Only(usize),
    /// All calls after this many others.
    From(usize),
}

type Rewrite = dyn Fn(&str, Value) -> Value + Send + Sync;

#[derive(Default)]
struct Ledger {
    calls: Vec<String>,
    fault: Option<(Which, Fault)>,
    /// The number of calls since the fault was set.
    since: usize,
    rewrite: Option<Arc<Rewrite>>,
    /// The pages that the provider has created, whether or not its answer arrived, with the call's body.
    pages: Vec<(String, Page)>,
}

/// One deployment's way to the stand-in.
#[derive(Clone)]
pub(super) struct Wire {
    /// The address at which the deployment finds the provider's interface.
    pub(super) url: String,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Clone)]
struct Shared {
    target: String,
    refusal: (u16, Value),
    page: fn(&Value) -> Option<Page>,
    client: reqwest::Client,
    ledger: Arc<Mutex<Ledger>>,
}

impl Wire {
    /// Opens a wire to the stand-in of a provider, whose runner is at `base`.
    pub(super) async fn open<P: Provider>(base: &str, client: &reqwest::Client) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let shared = Shared {
            target: format!("{base}{}", P::API),
            refusal: P::refusal(),
            page: P::page,
            client: client.clone(),
            ledger: Arc::clone(&ledger),
        };
        Self { url: tests::serve(Router::new().fallback(pass).with_state(shared)).await, ledger }
    }

    /// Sets the fault of coming calls, in place of any other.
    pub(super) fn fail(&self, which: Which, fault: Fault) {
        let mut ledger = self.ledger.lock().unwrap();
        (ledger.fault, ledger.since) = (Some((which, fault)), 0);
    }

    /// Ends all faults. Returns whether a call has met one.
    pub(super) fn heal(&self) -> bool {
        let mut ledger = self.ledger.lock().unwrap();
        let (Which::Only(after) | Which::From(after)) = ledger.fault.take().map_or(Which::From(usize::MAX), |(w, _)| w);
        ledger.since > after
    }

    /// Changes every JSON answer. The change gets the call, such as `GET /v1/charges`.
    pub(super) fn rewrite(&self, rewrite: impl Fn(&str, Value) -> Value + Send + Sync + 'static) {
        self.ledger.lock().unwrap().rewrite = Some(Arc::new(rewrite));
    }

    /// Leaves answers as they are.
    pub(super) fn keep(&self) {
        self.ledger.lock().unwrap().rewrite = None;
    }

    /// Returns the calls since the last time this was called.
    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.ledger.lock().unwrap().calls)
    }

    /// Returns the pages of a request, the oldest first, also those whose address was lost on the way.
    pub(super) fn pages(&self, id: &str) -> Vec<Page> {
        let mut pages: Vec<Page> = Vec::new();
        for (asked, page) in &self.ledger.lock().unwrap().pages {
            if asked.contains(id) && !pages.contains(page) {
                pages.push(page.clone());
            }
        }
        pages
    }
}

impl Ledger {
    /// Counts a call, and returns the fault that it meets.
    fn call(&mut self, call: String) -> Option<Fault> {
        self.calls.push(call);
        let number = self.since;
        self.since += 1;
        let (which, fault) = self.fault?;
        let meets = match which {
            Which::Only(after) => number == after,
            Which::From(after) => number >= after,
        };
        meets.then_some(fault)
    }
}

async fn pass(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let call = format!("{} {}", parts.method, parts.uri.path());
    let (fault, rewrite) = {
        let mut ledger = shared.ledger.lock().unwrap();
        (ledger.call(call.clone()), ledger.rewrite.clone())
    };
    match fault {
        Some(Fault::RequestLost) => return tests::broken(),
        Some(Fault::Silence) => return std::future::pending().await,
        Some(Fault::TooMany) => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "{}").into_response(),
        Some(Fault::Redirect) => {
            return (StatusCode::TEMPORARY_REDIRECT, [("location", "https://provider.example.com/")]).into_response();
        }
        Some(Fault::Refusal) => {
            let (status, body) = &shared.refusal;
            return (StatusCode::from_u16(*status).unwrap(), body.to_string()).into_response();
        }
        _ => {}
    }
    let path = parts.uri.path_and_query().unwrap();
    let (status, headers, mut text) =
        forward(shared.client.request(parts.method, format!("{}{path}", shared.target)), parts.headers, body.clone())
            .await;
    if let Ok(answer) = serde_json::from_str::<Value>(&text) {
        if let Some(page) = (shared.page)(&answer).filter(|_| status.is_success()) {
            let asked = String::from_utf8_lossy(&body).into_owned();
            shared.ledger.lock().unwrap().pages.push((asked, page));
        }
        if let Some(rewrite) = rewrite {
            text = rewrite(&call, answer).to_string();
        }
    }
    match fault {
        Some(Fault::AnswerLost) => tests::broken(),
        Some(Fault::Failure) => (StatusCode::INTERNAL_SERVER_ERROR, "{}").into_response(),
        Some(Fault::Garbage) => (status, r#"{"nonsense":"nonsense"}"#).into_response(),
        Some(Fault::Truncated) => (status, text[..text.len() / 2].to_owned()).into_response(),
        Some(Fault::OtherHost) => {
            let host = shared.target.split('/').nth(2).unwrap();
            (status, text.replace(host, "provider.example.com")).into_response()
        }
        _ => (status, headers, text).into_response(),
    }
}

async fn forward(
    call: reqwest::RequestBuilder,
    mut headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, String) {
    headers.remove("host");
    let call = call.headers(headers).body(body).timeout(Duration::from_secs(30));
    let answer = call.send().await.unwrap();
    let status = answer.status();
    let mut headers = answer.headers().clone();
    for of_the_connection in ["content-length", "transfer-encoding", "connection"] {
        headers.remove(of_the_connection);
    }
    (status, headers, answer.text().await.unwrap())
}
