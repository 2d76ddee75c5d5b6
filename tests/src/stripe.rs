//! The stand-in for Stripe, between a proxy that loses and corrupts its answers and a mailbox that keeps its webhooks
//! until a test delivers them.

use crate::examples::header_lines;
use crate::handlers::{HandlerAnswer, Handlers};
use adapters::ProviderName;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use domain::{Clock as _, SystemClock};
use local::Options;
use runtime::Environment;
use runtime::stripe_signature::{STRIPE_SIGNATURE, SigningSecrets};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::Duration;

/// The account's API key.
pub const KEY: &str = "sk_test_integration0tests";
/// The headers that mark an answer as the repeat of an earlier answer to the same idempotency key.
const REPEATED: [&str; 2] = ["idempotent-replayed", "original-request"];
/// The secret that signs the account's webhooks.
pub const SECRET: &str = "whsec_integration0tests0of0the0webhooks";

/// The fault that a call to Stripe meets.
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

/// One webhook of the stand-in, as it was sent.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The value of its `Stripe-Signature` header.
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
}

#[derive(Default)]
struct Ledger {
    calls: Vec<String>,
    requests: Vec<Value>,
    faults: VecDeque<Fault>,
    every: Option<Fault>,
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
pub struct Stripe {
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
                .with("PAYMENT_PROVIDER", ProviderName::Stripe.as_str())
                .with("STRIPE_SECRET_KEY", KEY)
                .with("STRIPE_WEBHOOK_SECRET", SECRET)
                .with("STRIPE_WEBHOOK_URL", webhooks);
            let local = local::start(Options { port: 0, data_dir: None, lambda: None, environment }).await.unwrap();
            sender.send((local.base_url().to_owned(), mailbox)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

impl Stripe {
    /// Starts a proxy for this test in front of the shared stand-in.
    pub async fn start() -> Self {
        static STAND_IN: LazyLock<(String, Mailbox)> = LazyLock::new(start_aside);
        let (base, mailbox) = tokio::task::spawn_blocking(|| STAND_IN.clone()).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let shared = Shared { target: format!("{base}/stripe"), client: client.clone(), ledger: Arc::clone(&ledger) };
        let proxy = crate::serve(Router::new().fallback(pass).with_state(shared)).await;
        Self { base, proxy, ledger, mailbox, client }
    }

    /// Starts a proxy and the handlers of a deployment that uses it as payment provider, with these time limits in
    /// seconds.
    pub async fn with_handlers(link: u64, checkout: u64) -> (Self, Arc<Handlers>) {
        let stripe = Self::start().await;
        let handlers = Handlers::with_variables(link, checkout, &stripe.variables()).await;
        (stripe, handlers)
    }

    /// Returns the variables of a deployment that uses this stand-in.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PAYMENT_PROVIDER", ProviderName::Stripe.to_string()),
            ("STRIPE_API_URL", self.proxy.clone()),
            ("STRIPE_CHECKOUT_ORIGIN", self.base.clone()),
            ("STRIPE_SECRET_KEY", KEY.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
            ("STRIPE_LIVEMODE", "false".to_owned()),
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

    /// Returns the calls attempted since the last time this was called, such as `POST /v1/refunds`.
    #[allow(clippy::must_use_candidate, reason = "some callers only clear the list")]
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.ledger.lock().unwrap().calls)
    }

    /// Returns all calls so far, with their headers and bodies.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        self.ledger.lock().unwrap().requests.clone()
    }

    /// Calls the stand-in directly, as the merchant.
    pub async fn call(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.client.request(method, format!("{}/stripe{path}", self.base)).bearer_auth(KEY);
        request.form(form).send().await.unwrap().json().await.unwrap()
    }

    /// Returns a session with its payment and charge expanded.
    pub async fn session(&self, id: &str) -> Value {
        let path = format!("/v1/checkout/sessions/{id}?expand[]=payment_intent.latest_charge");
        self.call(Method::GET, &path, &[]).await
    }

    /// Presses a button on the page of a session as the customer, or lets time pass at their bank (`settle`). Returns
    /// the status code.
    pub async fn press(&self, session: &str, form: &str, outcome: &str) -> u16 {
        let url = format!("{}/stripe/c/pay/{session}/{form}", self.base);
        self.client.post(url).form(&[("outcome", outcome)]).send().await.unwrap().status().as_u16()
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
            let kinds: Vec<String> =
                webhooks.iter().map(|delivery| delivery.event()["type"].as_str().unwrap().to_owned()).collect();
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
        let webhook = webhooks.iter().rfind(|delivery| delivery.event()["type"] == kind).unwrap();
        handlers.stripe_webhook(Some(&webhook.signature), &webhook.body).await
    }
}

/// Signs a body with the current time.
#[must_use]
pub fn signature(secret: &str, body: &str) -> String {
    let environment = Environment::default().with("SECRET", secret);
    SigningSecrets::from_environment(&environment, "SECRET").unwrap().sign(body.as_bytes(), SystemClock.now())
}

/// Returns the identifier of the session whose page is at this address.
#[must_use]
pub fn session_of(url: &str) -> String {
    url.rsplit('/').next().unwrap().to_owned()
}

async fn keep(State(mailbox): State<Mailbox>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers[STRIPE_SIGNATURE].to_str().unwrap().to_owned();
    mailbox.lock().unwrap().push(Delivery { signature, body });
    StatusCode::OK
}

async fn pass(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let fault = {
        let mut ledger = shared.ledger.lock().unwrap();
        ledger.calls.push(format!("{} {}", parts.method, parts.uri.path()));
        ledger.requests.push(json!({
            "call": format!("{} {}", parts.method, parts.uri),
            "headers": header_lines(&parts.headers),
            "form": serde_urlencoded::from_bytes::<BTreeMap<String, String>>(&body).unwrap(),
        }));
        let every = ledger.every;
        every.or_else(|| ledger.faults.pop_front()).unwrap_or(Fault::None)
    };
    match fault {
        Fault::RequestLost => return crate::broken(),
        Fault::Refusal(code) => {
            let error = json!({ "error": { "type": "invalid_request_error", "code": code, "message": "" } });
            return (StatusCode::BAD_REQUEST, error.to_string()).into_response();
        }
        Fault::Silence => return std::future::pending().await,
        Fault::TooMany => {
            let error = json!({ "error": { "type": "invalid_request_error", "code": "rate_limit", "message": "" } });
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], error.to_string()).into_response();
        }
        Fault::Redirect => {
            let elsewhere = [("location", "https://stripe.example.com/v1/checkout/sessions")];
            return (StatusCode::TEMPORARY_REDIRECT, elsewhere).into_response();
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
    match fault {
        Fault::AnswerLost => crate::broken(),
        Fault::Failure => {
            let error = json!({ "error": { "type": "api_error", "message": "" } });
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
        Fault::Garbage => (status, r#"{"object":"nonsense"}"#).into_response(),
        Fault::OtherHost => {
            let other = shared.target.replace("127.0.0.1", "pay.example.com").replace("/stripe", "");
            (status, text.replace(shared.target.trim_end_matches("/stripe"), &other)).into_response()
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
