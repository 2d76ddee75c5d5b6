//! The stand-in for Paystack, between a proxy that loses and corrupts its answers and a mailbox that keeps its webhooks
//! until a test delivers them.

use crate::handlers::{HandlerAnswer, Handlers};
use adapters::ProviderName;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use local::Options;
use runtime::Environment;
use runtime::paystack_signature::{PAYSTACK_SIGNATURE, SecretKeys};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::Duration;

/// The account's secret key, which signs its webhooks too.
pub const KEY: &str = "sk_test_integration0tests0of0paystack";

/// The fault that a call to Paystack meets.
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
    /// The call is not executed: too many calls (status 429), for another minute.
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
    /// Every fault except [`Self::Silence`], which takes as long as the timeout, and the refusals.
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

/// One webhook of the stand-in, as it was sent.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The value of its `x-paystack-signature` header.
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
        self.event()["event"].as_str().unwrap().to_owned()
    }
}

#[derive(Default)]
struct Ledger {
    calls: Vec<String>,
    faults: VecDeque<Fault>,
    every: Option<Fault>,
    /// The addresses of the pages that the stand-in has created, by reference, whether or not the answer arrived.
    pages: BTreeMap<String, String>,
}

#[derive(Clone)]
struct Shared {
    target: String,
    client: reqwest::Client,
    ledger: Arc<Mutex<Ledger>>,
}

/// The webhooks that the stand-in has sent.
type Mailbox = Arc<Mutex<Vec<Delivery>>>;

/// The stand-in with its proxy and mailbox. All tests share one stand-in, and each uses requests of its own.
pub struct Paystack {
    base: String,
    proxy: String,
    ledger: Arc<Mutex<Ledger>>,
    mailbox: Mailbox,
    client: reqwest::Client,
}

/// Starts the stand-in on its own thread, where it runs until the tests end.
fn start_aside() -> (String, Mailbox) {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let mailbox = Mailbox::default();
            let webhooks = crate::serve(Router::new().fallback(keep).with_state(Arc::clone(&mailbox))).await;
            let environment = Environment::default()
                .with("PAYMENT_PROVIDER", ProviderName::Paystack.as_str())
                .with("PAYSTACK_SECRET_KEY", KEY)
                .with("PAYSTACK_WEBHOOK_URL", webhooks);
            let local = local::start(Options { port: 0, data_dir: None, lambda: None, environment }).await.unwrap();
            sender.send((local.base_url().to_owned(), mailbox)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

impl Paystack {
    /// Starts a proxy for this test in front of the shared stand-in.
    pub async fn start() -> Self {
        static STAND_IN: LazyLock<(String, Mailbox)> = LazyLock::new(start_aside);
        let (base, mailbox) = tokio::task::spawn_blocking(|| STAND_IN.clone()).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let shared = Shared { target: format!("{base}/paystack"), client: client.clone(), ledger: Arc::clone(&ledger) };
        let proxy = crate::serve(Router::new().fallback(pass).with_state(shared)).await;
        Self { base, proxy, ledger, mailbox, client }
    }

    /// Starts a proxy and the handlers of a deployment that uses it as payment provider, with these time limits in
    /// seconds.
    pub async fn with_handlers(link: u64, checkout: u64) -> (Self, Arc<Handlers>) {
        let paystack = Self::start().await;
        let handlers = Handlers::with_variables(link, checkout, &paystack.variables()).await;
        (paystack, handlers)
    }

    /// Returns the variables of a deployment that uses this stand-in.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PAYMENT_PROVIDER", ProviderName::Paystack.to_string()),
            ("PAYSTACK_API_URL", self.proxy.clone()),
            ("PAYSTACK_CHECKOUT_ORIGIN", self.base.clone()),
            ("PAYSTACK_SECRET_KEY", KEY.to_owned()),
            ("PAYSTACK_LIVEMODE", "false".to_owned()),
            ("PAYSTACK_FALLBACK_EMAIL", "payments@example.com".to_owned()),
        ]
    }

    /// Sets the faults of the next calls, in order; later calls meet none.
    pub fn fail_next(&self, faults: &[Fault]) {
        self.ledger.lock().unwrap().faults = faults.iter().copied().collect();
    }

    /// Sets the fault of every call, until it is set again.
    pub fn fail_every(&self, fault: Option<Fault>) {
        self.ledger.lock().unwrap().every = fault;
    }

    /// Returns the calls attempted since the last time this was called, such as `POST /refund`.
    #[allow(clippy::must_use_candidate, reason = "some callers only clear the list")]
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.ledger.lock().unwrap().calls)
    }

    /// Returns the page of the transaction with this reference, also if its address was lost on the way.
    #[must_use]
    pub fn page_of(&self, reference: &str) -> Option<String> {
        self.ledger.lock().unwrap().pages.get(reference).map(|url| page_of(url))
    }

    /// Calls the stand-in directly, as the merchant. Returns the status and the answer.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}/paystack{path}", self.base)).bearer_auth(KEY);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Returns the transaction with a reference.
    pub async fn transaction(&self, reference: &str) -> Value {
        let (_, answer) = self.call(Method::GET, &format!("/transaction/verify/{reference}"), &Value::Null).await;
        answer["data"].clone()
    }

    /// Returns the amount that has gone back of a transaction, and the number of its refunds that have not failed.
    pub async fn refunded(&self, reference: &str) -> (i64, usize) {
        let number = self.transaction(reference).await["id"].clone();
        let (_, answer) = self.call(Method::GET, &format!("/refund?transaction={number}"), &Value::Null).await;
        let refunds = answer["data"].as_array().unwrap().iter().filter(|refund| refund["status"] != "failed");
        let processed = refunds.clone().filter(|refund| refund["status"] == "processed");
        (processed.map(|refund| refund["amount"].as_i64().unwrap()).sum(), refunds.count())
    }

    /// Presses a button on a page as the customer, or lets time pass at their bank (`settle`). Returns the status code.
    pub async fn press(&self, page: &str, form: &str, outcome: &str) -> u16 {
        let url = format!("{}/paystack/checkout/{page}/{form}", self.base);
        self.client.post(url).form(&[("outcome", outcome)]).send().await.unwrap().status().as_u16()
    }

    /// Settles all payments at the stand-in, in place of the next working day.
    pub async fn settle_all(&self) {
        let answer = self.client.post(format!("{}/paystack/settlements", self.base)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 204);
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

    /// Waits for a webhook of this kind about a request and delivers it to the handlers unchanged.
    pub async fn deliver(&self, handlers: &Handlers, request: &str, kind: &str) -> HandlerAnswer {
        let webhooks = self.wait_for(request, kind).await;
        let webhook = webhooks.iter().rfind(|delivery| delivery.kind() == kind).unwrap();
        handlers.paystack_webhook(Some(&webhook.signature), &webhook.body).await
    }
}

/// Signs a body.
#[must_use]
pub fn signature(key: &str, body: &str) -> String {
    let environment = Environment::default().with("KEY", key);
    SecretKeys::from_environment(&environment, "KEY").unwrap().sign(body.as_bytes())
}

/// Returns the access code of the page at this address.
#[must_use]
pub fn page_of(url: &str) -> String {
    url.rsplit('/').next().unwrap().to_owned()
}

async fn keep(State(mailbox): State<Mailbox>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers[PAYSTACK_SIGNATURE].to_str().unwrap().to_owned();
    mailbox.lock().unwrap().push(Delivery { signature, body });
    StatusCode::OK
}

fn error(status: StatusCode, code: &str) -> Response {
    let body = json!({ "status": false, "message": "", "type": "api_error", "code": code });
    (status, body.to_string()).into_response()
}

async fn pass(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let fault = {
        let mut ledger = shared.ledger.lock().unwrap();
        ledger.calls.push(format!("{} {}", parts.method, parts.uri.path()));
        let every = ledger.every;
        every.or_else(|| ledger.faults.pop_front()).unwrap_or(Fault::None)
    };
    match fault {
        Fault::RequestLost => return crate::broken(),
        Fault::Refusal(code) => return error(StatusCode::BAD_REQUEST, code),
        Fault::Silence => return std::future::pending().await,
        Fault::TooMany => {
            let headers = [("x-ratelimit-reset", "60")];
            return (headers, error(StatusCode::TOO_MANY_REQUESTS, "rate_limited")).into_response();
        }
        Fault::Redirect => {
            let elsewhere = [("location", "https://paystack.example.com/transaction/initialize")];
            return (StatusCode::TEMPORARY_REDIRECT, elsewhere).into_response();
        }
        _ => {}
    }
    let answer = forward(&shared, &parts.method, &parts.uri, parts.headers, body).await;
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let text = answer.text().await.unwrap();
    let data = serde_json::from_str::<Value>(&text).unwrap_or_default()["data"].take();
    if let (Some(reference), Some(url)) = (data["reference"].as_str(), data["authorization_url"].as_str()) {
        shared.ledger.lock().unwrap().pages.insert(reference.to_owned(), url.to_owned());
    }
    match fault {
        Fault::AnswerLost => crate::broken(),
        Fault::Failure => error(StatusCode::INTERNAL_SERVER_ERROR, "unknown"),
        Fault::Garbage => (status, r#"{"status":true,"data":"nonsense"}"#).into_response(),
        Fault::OtherHost => {
            let other = shared.target.replace("127.0.0.1", "pay.example.com").replace("/paystack", "");
            (status, text.replace(shared.target.trim_end_matches("/paystack"), &other)).into_response()
        }
        _ => (status, text).into_response(),
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
