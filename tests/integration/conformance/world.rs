//! A deployment with a provider's stand-in: the functions' handlers, the wire between them, and the mailbox that keeps
//! the provider's webhooks until a test delivers them.

use super::provider::{Headers, Page, Provider, Report, StandIn, Taken};
use super::wire::Wire;
use adapters::ConfiguredProvider;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::event::link_url;
use domain::limits::CALL_INTERVAL;
use domain::ports::{Checkout, Closes, PaymentProvider as _};
use domain::{CheckoutAttempt, Clock as _, PaymentRequest, Status, SystemClock, Timestamp};
use futures::future::join_all;
use local::Options;
use runtime::Environment;
use serde_json::{Value, json};
use std::cell::OnceCell;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, mpsc};
use tests::SetClock;
use tests::handlers::{HandlerAnswer, Handlers, assert_possible};
use tests::system::{Random, eventually};
use tokio::sync::oneshot;

/// The amount of a test's request, in cents.
pub(super) const AMOUNT: i64 = 25_000;
/// The time limits of a deployment, in seconds.
const LIMITS: (u64, u64) = (300, 900);
/// The number of looks after which a request that still waits will wait for ever.
const LOOKS: usize = 60;

/// A webhook of the provider, as it was sent.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) headers: Headers,
    pub(super) body: String,
}

impl Delivery {
    /// Signs a body as the provider does.
    pub(super) fn signed<P: Provider>(body: String) -> Self {
        Self { headers: P::sign(&body, true), body }
    }

    pub(super) fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn reports<P: Provider>(&self) -> Option<Report> {
        P::report(&self.event())
    }
}

type Mailbox = Arc<Mutex<Vec<Delivery>>>;

/// A running stand-in: its runner's address, and the webhooks that it has sent. It stops when it is dropped.
struct Running {
    base: String,
    mailbox: Mailbox,
    _stop: oneshot::Sender<()>,
}

thread_local! {
    /// The stand-in of this thread's test. One for all tests would grow, and become slower with each.
    static RUNNING: OnceCell<Running> = const { OnceCell::new() };
}

/// Starts a stand-in on a thread of its own.
fn start_aside<P: Provider>() -> Running {
    let (sender, receiver) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let mailbox = Mailbox::default();
            let webhooks = tests::serve(Router::new().fallback(keep).with_state(Arc::clone(&mailbox))).await;
            let environment = Environment::default().with("PAYMENT_PROVIDER", P::NAME.as_str());
            let variables = P::runner(&webhooks).into_iter();
            let environment = variables.fold(environment, |environment, (name, value)| environment.with(name, value));
            let local = local::start(Options { port: 0, data_dir: None, lambda: None, environment }).await.unwrap();
            sender.send(Running { base: local.base_url().to_owned(), mailbox, _stop: stop }).unwrap();
            // It is only ever dropped.
            stopped.await.ok();
        });
    });
    receiver.recv().unwrap()
}

async fn keep(State(mailbox): State<Mailbox>, headers: HeaderMap, body: String) -> StatusCode {
    let line = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    mailbox.lock().unwrap().push(Delivery { headers: headers.iter().map(line).collect(), body });
    StatusCode::OK
}

/// A deployment with one provider.
pub(super) struct World<P: Provider> {
    pub(super) handlers: Arc<Handlers>,
    /// The same functions at the time of `clock`.
    ahead: Arc<Handlers>,
    clock: SetClock,
    pub(super) stand_in: StandIn,
    pub(super) wire: Wire,
    mailbox: Mailbox,
    provider: PhantomData<P>,
}

impl<P: Provider> World<P> {
    /// Starts a deployment with the stand-in of this test.
    pub(super) async fn start() -> Self {
        Self::with_limits(LIMITS.0, LIMITS.1).await
    }

    /// Starts a deployment with these time limits, in seconds.
    pub(super) async fn with_limits(link: u64, checkout: u64) -> Self {
        if RUNNING.with(|running| running.get().is_none()) {
            let started = tokio::task::spawn_blocking(start_aside::<P>).await.unwrap();
            // Of deployments that start at the same time, one starts the stand-in.
            RUNNING.with(|running| running.set(started).ok());
        }
        let (base, mailbox) = RUNNING.with(|running| {
            let running = running.get().unwrap();
            (running.base.clone(), Arc::clone(&running.mailbox))
        });
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let wire = Wire::open::<P>(&base, &client).await;
        let mut variables = P::functions(&wire.url, &base);
        variables.push(("PAYMENT_PROVIDER", P::NAME.to_string()));
        variables.push(("AGENT_REQUESTS_PER_MINUTE", "0".to_owned()));
        let handlers = Handlers::with_variables(link, checkout, &variables).await;
        let clock = SetClock::default();
        let ahead = handlers.with_clock(clock.clone());
        let stand_in = StandIn { base, client };
        Self { handlers, ahead, clock, stand_in, wire, mailbox, provider: PhantomData }
    }

    /// Returns the provider's adapter, with the functions' settings.
    pub(super) fn adapter(&self) -> ConfiguredProvider {
        self.handlers.payment_provider()
    }

    /// Creates a request, and presses the button of its link. Returns its identifier and its page.
    pub(super) async fn clicked(&self) -> (String, Page) {
        let (id, token) = self.handlers.sent().await;
        let answer = self.handlers.click(&token).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let pages = self.wire.pages(&id);
        let [page] = pages.as_slice() else { panic!("one page of a request: {pages:?}") };
        assert_eq!(answer.headers["location"], page.url.as_str());
        (id, page.clone())
    }

    /// Presses the button of a link again, once the pause between two calls to the provider is over.
    pub(super) async fn click_again(&self, token: &str) -> HandlerAnswer {
        self.clock.set(SystemClock.now().saturating_add(CALL_INTERVAL));
        self.ahead.click(token).await
    }

    /// Creates a page for a request, whatever its status is.
    pub(super) async fn create_page(&self, request: &PaymentRequest, attempt: CheckoutAttempt) -> Checkout {
        let link = link_url(request, "https://pay.example.com");
        self.adapter().create_checkout(request, &link, attempt).await.unwrap()
    }

    /// Creates a request whose refund is due, because it was canceled and paid all the same. Returns its identifier
    /// and its page.
    pub(super) async fn due(&self) -> (String, Page) {
        let (id, _) = self.handlers.sent().await;
        assert_eq!(self.handlers.cancel(&id).await.status, 200);
        self.create_page(&self.handlers.stored(&id).await, CheckoutAttempt::FIRST).await;
        let page = self.wire.pages(&id).pop().unwrap();
        assert_eq!(self.pay(&page).await, 303);
        self.deliver(&id, Report::Paid).await;
        assert_eq!(self.status(&id).await, Status::RefundDue);
        (id, page)
    }

    /// Pays on a page as the customer, by card. Returns the status of the page: 410 if it is closed.
    pub(super) async fn pay(&self, page: &Page) -> u16 {
        self.stand_in.press(&page.url, "pay", "succeeded").await
    }

    /// Tries to pay on a page by a card that is declined.
    pub(super) async fn decline(&self, page: &Page) {
        assert_eq!(self.stand_in.press(&page.url, "pay", "declined").await, 303);
    }

    /// Pays on a page by a method that takes time.
    pub(super) async fn transfer(&self, page: &Page) {
        assert_eq!(self.stand_in.press(&page.url, "pay", "processing").await, 303);
    }

    /// Lets the money of a transfer arrive, or not.
    pub(super) async fn settle(&self, page: &Page, arrives: bool) {
        let outcome = if arrives { "succeeded" } else { "failed" };
        assert_eq!(self.stand_in.press(&page.url, "settle", outcome).await, 303);
    }

    pub(super) async fn status(&self, id: &str) -> Status {
        self.handlers.stored(id).await.status
    }

    /// Returns what the provider took on each page of a request.
    pub(super) async fn taken(&self, id: &str) -> Vec<Taken> {
        join_all(self.wire.pages(id).iter().map(async |page| P::taken(&self.stand_in, page).await)).await
    }

    /// Returns what the merchant keeps of a request's money.
    pub(super) async fn kept(&self, id: &str) -> i64 {
        self.taken(id).await.into_iter().map(Taken::kept).sum()
    }

    /// Returns the webhooks about a request that have been sent so far.
    pub(super) fn webhooks(&self, id: &str) -> Vec<Delivery> {
        let mailbox = self.mailbox.lock().unwrap();
        mailbox.iter().filter(|delivery| delivery.body.contains(id)).cloned().collect()
    }

    /// Waits until a request has been reported so, and returns the webhook. A test asks only for what is reported.
    pub(super) async fn report(&self, id: &str, report: Report) -> Delivery {
        assert!(P::REPORTS.contains(&report), "{} does not report it: {report:?}", P::NAME);
        eventually("the webhook", async || {
            let webhooks = self.webhooks(id);
            let found = webhooks.iter().rfind(|delivery| delivery.reports::<P>() == Some(report)).cloned();
            found.ok_or_else(|| format!("{report:?} wanted: {webhooks:#?}"))
        })
        .await
    }

    /// Sends a webhook to the functions.
    pub(super) async fn send(&self, delivery: &Delivery) -> HandlerAnswer {
        let headers: serde_json::Map<String, Value> =
            delivery.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        self.handlers.webhook(P::NAME, Value::Object(headers), &delivery.body).await
    }

    /// Waits for a report about a request and delivers it unchanged. One that the provider does not send is lost.
    pub(super) async fn deliver(&self, id: &str, report: Report) {
        if P::REPORTS.contains(&report) {
            let answer = self.send(&self.report(id, report).await).await;
            assert_eq!(answer.status, 200, "{report:?}: {answer:?}");
        }
    }

    /// Delivers every webhook about a request three times in a random order, and asserts that each was accepted.
    pub(super) async fn storm(&self, id: &str, seed: u64) {
        let webhooks = self.webhooks(id);
        let mut all = [webhooks.as_slice(), &webhooks, &webhooks].concat();
        let random = &mut Random::new(seed);
        for place in (1..all.len()).rev() {
            all.swap(place, random.below(place + 1));
        }
        for answer in join_all(all.iter().map(|delivery| self.send(delivery))).await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    /// Settles a request, if anything is due for it now, as `expire` does.
    pub(super) async fn look(&self, id: &str) {
        settle(&self.handlers, id).await;
    }

    /// Settles a request, if anything is due for it at this time.
    async fn look_at(&self, id: &str, now: Timestamp) {
        self.clock.set(now);
        settle(&self.ahead, id).await;
    }

    /// Settles a request at its deadline, without waiting for it.
    pub(super) async fn end(&self, id: &str) {
        let deadline = self.handlers.stored(id).await.deadline;
        self.look_at(id, deadline).await;
    }

    /// Looks at a request, whenever it is due, until nothing is due any more or the provider has nothing new to say.
    /// No report is needed for it. Returns the request.
    pub(super) async fn looked_at(&self, id: &str) -> PaymentRequest {
        let mut request = self.handlers.stored(id).await;
        let mut unchanged = 0;
        for _ in 0..LOOKS {
            let Some(due_at) = request.due_at.filter(|_| unchanged < 3) else { break };
            self.look_at(id, due_at).await;
            let after = self.handlers.stored(id).await;
            let is_same = after.version() == request.version() && after.facts == request.facts;
            // A request that has not ended waits for a provider that does not answer, and ends after ten minutes.
            unchanged = if is_same && after.status != Status::Clicked { unchanged + 1 } else { 0 };
            request = after;
        }
        assert_possible(&request);
        request
    }

    /// Asserts how a request has ended, and that the provider holds its money only if it is paid.
    pub(super) async fn assert_end(&self, id: &str, end: Status, context: &str) {
        let request = self.handlers.stored(id).await;
        assert_possible(&request);
        assert_eq!(request.status, end, "{context}: {:?}", request.history);
        let kept = if end == Status::Paid { AMOUNT } else { 0 };
        let taken = self.taken(id).await;
        assert_eq!(taken.iter().copied().map(Taken::kept).sum::<i64>(), kept, "{context}: {taken:?}");
        let times = |status| request.history.iter().filter(|entry| entry.status == status).count();
        assert!(times(Status::Paid) <= 1 && times(Status::Refunded) <= 1, "{context}: {:?}", request.history);
    }

    /// Returns whether pages of the provider can be closed while a customer has them open.
    pub(super) const fn closes_on_demand() -> bool {
        matches!(P::CLOSES, Closes::OnDemand)
    }
}

async fn settle(handlers: &Handlers, id: &str) {
    let failed = handlers.link_removed(id).await;
    assert_eq!(failed["batchItemFailures"], json!([]), "{failed}");
}
