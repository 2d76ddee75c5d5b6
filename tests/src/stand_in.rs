//! A payment provider's stand-in, between a proxy that loses and corrupts its answers and a mailbox that keeps its
//! webhooks until a test delivers them.

use crate::examples::header_lines;
use adapters::ProviderName;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use local::Options;
use runtime::Environment;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// The headers that mark an answer of Stripe's as the repeat of an earlier one to the same idempotency key.
const REPEATED: [&str; 2] = ["idempotent-replayed", "original-request"];

/// The fault that a call to a provider meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No fault: the call is executed and answered.
    None,
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
    /// The call is not executed; the answer redirects to another host.
    Redirect,
    /// The call is executed, but every address in the answer is on another host.
    OtherHost,
    /// The call is not executed and never answered.
    Silence,
    /// The call is not executed, and is rejected with this code.
    Refusal(&'static str),
}

impl Fault {
    /// Every transient fault except [`Self::Silence`], which takes as long as the timeout.
    pub const ALL: [Self; 7] = [
        Self::RequestLost,
        Self::AnswerLost,
        Self::Failure,
        Self::TooMany,
        Self::Garbage,
        Self::Redirect,
        Self::OtherHost,
    ];
}

/// One webhook of a stand-in, as it was sent.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The value of its signature's header.
    pub signature: String,
    /// The body as text.
    pub body: String,
}

impl Delivery {
    /// Returns the event in the body.
    #[must_use]
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Returns the event's type.
    #[must_use]
    pub fn kind(&self) -> String {
        let event = self.event();
        let kind = if event["type"].is_string() { &event["type"] } else { &event["event"] };
        kind.as_str().unwrap().to_owned()
    }
}

/// What is special about one provider's stand-in.
pub(crate) struct Provider {
    pub(crate) name: ProviderName,
    /// The path below which its interface is on the local runner.
    pub(crate) path: &'static str,
    /// The variables of its runner, but for the address of the webhooks.
    pub(crate) runner: &'static [(&'static str, &'static str)],
    /// The variable with the address of the webhooks.
    pub(crate) webhook_url: &'static str,
    /// The header with a webhook's signature.
    pub(crate) signature: &'static str,
    /// Builds the body of an error with this status and code; a failure has no code.
    pub(crate) error: fn(StatusCode, Option<&str>) -> Value,
    /// The code of the error for too many calls, and the header that says how long to wait.
    pub(crate) too_many: (&'static str, [(&'static str, &'static str); 1]),
    /// An answer that does not have the agreed form.
    pub(crate) garbage: &'static str,
    /// An address on another host.
    pub(crate) elsewhere: &'static str,
}

/// One call to a stand-in.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// The method and the address, such as `POST /v1/refunds`.
    pub(crate) call: String,
    pub(crate) headers: Value,
    pub(crate) body: Bytes,
    /// The answer, also if it was lost on the way; null if the call was not executed.
    pub(crate) answer: Value,
}

#[derive(Default)]
struct Ledger {
    calls: Vec<String>,
    exchanges: Vec<Exchange>,
    faults: VecDeque<Fault>,
    every: Option<Fault>,
}

#[derive(Clone)]
struct Shared {
    provider: &'static Provider,
    target: String,
    client: reqwest::Client,
    ledger: Arc<Mutex<Ledger>>,
}

/// The webhooks that a stand-in has sent.
pub(crate) type Mailbox = Arc<Mutex<Vec<Delivery>>>;

/// A stand-in with its proxy and mailbox. All tests share one of each provider, and each uses requests of its own.
pub struct StandIn {
    /// The address of the stand-in's runner.
    pub(crate) base: String,
    /// The address of this test's proxy.
    pub(crate) proxy: String,
    pub(crate) client: reqwest::Client,
    ledger: Arc<Mutex<Ledger>>,
    mailbox: Mailbox,
}

/// Starts a stand-in on its own thread, where it runs until the tests end.
pub(crate) fn start_aside(provider: &'static Provider) -> (String, Mailbox) {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let mailbox = Mailbox::default();
            let keep = Router::new().fallback(keep).with_state((provider, Arc::clone(&mailbox)));
            let environment = Environment::default()
                .with("PAYMENT_PROVIDER", provider.name.as_str())
                .with(provider.webhook_url, crate::serve(keep).await);
            let variables = provider.runner.iter();
            let environment = variables.fold(environment, |environment, (name, value)| environment.with(name, *value));
            let local = local::start(Options { port: 0, data_dir: None, lambda: None, environment }).await.unwrap();
            sender.send((local.base_url().to_owned(), mailbox)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

impl StandIn {
    /// Starts a proxy for this test in front of a stand-in that was started aside.
    pub(crate) async fn start(provider: &'static Provider, (base, mailbox): (String, Mailbox)) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let target = format!("{base}{}", provider.path);
        let shared = Shared { provider, target, client: client.clone(), ledger: Arc::clone(&ledger) };
        let proxy = crate::serve(Router::new().fallback(pass).with_state(shared)).await;
        Self { base, proxy, client, ledger, mailbox }
    }

    /// Sets the faults of the next calls, in order; later calls meet none.
    pub fn fail_next(&self, faults: &[Fault]) {
        self.ledger.lock().unwrap().faults = faults.iter().copied().collect();
    }

    /// Sets the fault of every call, until it is set again.
    pub fn fail_every(&self, fault: Option<Fault>) {
        self.ledger.lock().unwrap().every = fault;
    }

    /// Returns the calls attempted since the last time this was called, such as `POST /v1/refunds`.
    #[allow(clippy::must_use_candidate, reason = "some callers only clear the list")]
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.ledger.lock().unwrap().calls)
    }

    /// Returns all calls so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.ledger.lock().unwrap().exchanges.clone()
    }

    /// Submits a form of a payment page. Returns the status code.
    pub(crate) async fn submit(&self, path: &str, outcome: &str) -> u16 {
        let form = self.client.post(format!("{}{path}", self.base)).form(&[("outcome", outcome)]);
        form.send().await.unwrap().status().as_u16()
    }

    /// Returns the webhooks about a request that have been sent so far.
    #[must_use]
    pub fn webhooks(&self, request: &str) -> Vec<Delivery> {
        let mailbox = self.mailbox.lock().unwrap();
        mailbox.iter().filter(|delivery| delivery.body.contains(request)).cloned().collect()
    }

    /// Waits until a webhook of this kind about a request has been sent, and returns all webhooks about the request.
    pub async fn wait_for(&self, request: &str, kind: &str) -> Vec<Delivery> {
        crate::system::eventually("the webhook", async || {
            let webhooks = self.webhooks(request);
            let kinds: Vec<String> = webhooks.iter().map(Delivery::kind).collect();
            if kinds.iter().any(|found| found == kind) {
                Ok(webhooks)
            } else {
                Err(format!("{kind} wanted: {kinds:?}"))
            }
        })
        .await
    }

    /// Waits for a webhook of this kind about a request, and returns the latest.
    pub(crate) async fn latest(&self, request: &str, kind: &str) -> Delivery {
        let webhooks = self.wait_for(request, kind).await;
        webhooks.into_iter().rfind(|delivery| delivery.kind() == kind).unwrap()
    }
}

/// Returns the last part of a page's address, by which the stand-in knows it.
pub(crate) fn last_part(url: &str) -> String {
    url.rsplit('/').next().unwrap().to_owned()
}

async fn keep(
    State((provider, mailbox)): State<(&'static Provider, Mailbox)>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let signature = headers[provider.signature].to_str().unwrap().to_owned();
    mailbox.lock().unwrap().push(Delivery { signature, body });
    StatusCode::OK
}

async fn pass(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let provider = shared.provider;
    let error = |status, code| (status, (provider.error)(status, code).to_string());
    let (fault, exchange) = {
        let mut ledger = shared.ledger.lock().unwrap();
        ledger.calls.push(format!("{} {}", parts.method, parts.uri.path()));
        ledger.exchanges.push(Exchange {
            call: format!("{} {}", parts.method, parts.uri),
            headers: json!(header_lines(&parts.headers)),
            body: body.clone(),
            answer: Value::Null,
        });
        let fault = ledger.every.or_else(|| ledger.faults.pop_front()).unwrap_or(Fault::None);
        (fault, ledger.exchanges.len() - 1)
    };
    match fault {
        Fault::RequestLost => return crate::broken(),
        Fault::Refusal(code) => return error(StatusCode::BAD_REQUEST, Some(code)).into_response(),
        Fault::Silence => return std::future::pending().await,
        Fault::TooMany => {
            let (code, headers) = provider.too_many;
            return (headers, error(StatusCode::TOO_MANY_REQUESTS, Some(code))).into_response();
        }
        Fault::Redirect => {
            return (StatusCode::TEMPORARY_REDIRECT, [("location", provider.elsewhere)]).into_response();
        }
        _ => {}
    }
    let answer = forward(&shared, &parts.method, &parts.uri, parts.headers, body).await;
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let headers: Vec<_> = REPEATED
        .into_iter()
        .filter_map(|name| Some((name, answer.headers().get(name)?.to_str().unwrap().to_owned())))
        .collect();
    let text = answer.text().await.unwrap();
    let read = serde_json::from_str(&text).unwrap_or_default();
    shared.ledger.lock().unwrap().exchanges[exchange].answer = read;
    match fault {
        Fault::AnswerLost => crate::broken(),
        Fault::Failure => error(StatusCode::INTERNAL_SERVER_ERROR, None).into_response(),
        Fault::Garbage => (status, provider.garbage).into_response(),
        Fault::OtherHost => {
            let own = shared.target.trim_end_matches(provider.path);
            (status, text.replace(own, &own.replace("127.0.0.1", "pay.example.com"))).into_response()
        }
        _ => headers.into_iter().fold((status, text).into_response(), |mut response, (name, value)| {
            response.headers_mut().insert(name, value.parse().unwrap());
            response
        }),
    }
}

async fn forward(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> reqwest::Response {
    headers.remove("host");
    let path = uri.path_and_query().unwrap();
    let forwarded = shared.client.request(method.clone(), format!("{}{path}", shared.target)).headers(headers);
    forwarded.body(body).timeout(Duration::from_secs(30)).send().await.unwrap()
}
