//! Measures every path once: what its function does, and what follows behind the stream, the bus and the queue.

use super::Cost;
use crate::bus::Bus;
use crate::channels::Channels;
use crate::handlers::Handlers;
use crate::live::Live;
use crate::proxy::{Call, read_units, write_units};
use crate::stored::Stored;
use crate::stream::Stream;
use crate::webhooks::{Receiver, Reply, Webhooks};
use domain::ports::Facts as _;
use domain::{Fact, RunId, Timestamp};
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// When everything happens: in the middle of a month, because a list reads a month at a time.
const NOW: &str = "2026-01-20T12:00:00Z";
const DAY: Duration = Duration::from_hours(24);

/// The statuses of which the rule `WorthATextMessage` of the template informs `notify`.
const WORTH_A_TEXT: [&str; 3] = ["sent", "canceled", "paid"];

/// A message is sent to the queue, received and deleted. Batches make it fewer requests.
const REQUESTS_OF_A_MESSAGE: f64 = 3.0;

/// Something whose calls are counted.
type Step<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The functions, and what they have cost since the last look.
struct Meter {
    handlers: Arc<Handlers>,
    stream: Stream,
    bus: Bus,
    published: usize,
    publish: Box<dyn Function>,
    _channels: Channels,
    notify: Box<dyn Function>,
    webhooks: Webhooks,
    costs: Vec<(&'static str, Cost)>,
}

/// Measures every path, and returns the costs by the paths' names.
pub(super) async fn measure() -> Vec<(&'static str, Cost)> {
    let mut meter = Box::pin(Meter::start()).await;
    Box::pin(meter.sent()).await;
    let paid = Box::pin(meter.clicked()).await;
    Box::pin(meter.expired()).await;
    Box::pin(meter.delayed()).await;
    Box::pin(meter.late()).await;
    Box::pin(meter.messages()).await;
    Box::pin(meter.looks()).await;
    Box::pin(meter.webhooks_of_integrators(paid)).await;
    Box::pin(meter.live_updates()).await;
    meter.costs
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// Returns the cost of these calls to DynamoDB.
fn of_calls(calls: &[Call]) -> Cost {
    Cost {
        calls: count(calls.len()),
        read_units: read_units(calls),
        write_units: write_units(calls),
        ..Cost::default()
    }
}

impl Meter {
    async fn start() -> Self {
        // The agent's latest requests are counted up to the limit, so the limit is a deployment's.
        let limit = ("AGENT_REQUESTS_PER_MINUTE", "30".to_owned());
        let handlers = Handlers::with_variables(300, 900, &[limit]).await.at(now());
        let bus = Bus::start().await;
        let channels = Channels::start().await;
        let chat = format!("{}/chat", channels.url);
        let notify = handlers.notify(&[
            ("CHANNEL", "webhook"),
            ("CHANNEL_WEBHOOK_URL", &chat),
            ("CHANNEL_WEBHOOK_SECRET", "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz"),
        ]);
        Self {
            stream: Stream::at_its_start(&handlers),
            publish: bus.publisher(handlers.environment()),
            handlers,
            bus,
            published: 0,
            _channels: channels,
            notify,
            webhooks: Webhooks::start().await,
            costs: Vec::new(),
        }
    }

    /// Walks a path with these handlers, and records its cost: every HTTP request is an invocation, and so are those
    /// that `invocations` adds.
    async fn path<T>(&mut self, name: &'static str, invocations: f64, walk: impl AsyncFnOnce(&Handlers) -> T) -> T {
        self.taken().await;
        let handlers = Arc::clone(&self.handlers);
        let result = walk(&handlers).await;
        let cost = self.taken().await + Cost { invocations, ..Cost::default() };
        self.costs.push((name, cost));
        result
    }

    /// Returns the cost of everything since the last time this was called, with what follows from it.
    async fn taken(&mut self) -> Cost {
        let requests = count(self.handlers.take_requests());
        let mut calls = self.handlers.proxy.take_calls();
        let mut cost = Cost { api_requests: requests, invocations: requests, ..Cost::default() };
        for record in self.stream.next(&self.handlers) {
            // A busy stream's batches make it fewer invocations.
            cost.invocations += 1.0;
            let answer = self.publish.invoke(&json!({ "Records": [record] }).to_string()).await.unwrap();
            assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["batchItemFailures"], json!([]));
        }
        calls.extend(self.handlers.proxy.take_calls());
        cost = cost + of_calls(&calls);
        let events = self.bus.accepted().split_off(self.published);
        self.published += events.len();
        for event in events {
            cost = cost + self.delivered(&event).await;
        }
        cost
    }

    /// Returns the cost of an event on the bus: of the text that it is worth, and of the queue of webhooks, in a
    /// workspace without endpoints.
    async fn delivered(&self, entry: &Value) -> Cost {
        let event = handed_on(entry);
        self.webhooks.proxy.take_calls();
        self.webhooks.publish(&event).await.unwrap();
        let queued = of_calls(&self.webhooks.proxy.take_calls());
        let own = Cost { events: 1.0, queue_requests: REQUESTS_OF_A_MESSAGE, invocations: 1.0, ..Cost::default() };
        let changed = event["detail-type"] == "PaymentRequestStatusChanged";
        if !(changed && WORTH_A_TEXT.iter().any(|status| event["detail"]["status"] == *status)) {
            return own + queued;
        }
        self.notify.invoke(&event.to_string()).await.unwrap();
        let notified = of_calls(&self.handlers.proxy.take_calls());
        own + queued + notified + Cost { invocations: 1.0, ..Cost::default() }
    }

    async fn sent(&mut self) {
        self.path("create", 0.0, async |handlers| handlers.create(None).await).await;
        let created = self.path("create, with Idempotency-Key", 0.0, async |handlers| handlers.create(Some("k")).await);
        let created = created.await;
        let again = self.path("create, replayed", 0.0, async |handlers| handlers.create(Some("k")).await).await;
        assert_eq!((created.status, &created.body), (again.status, &again.body));
        let id = created.body["id"].as_str().unwrap();
        for (name, status) in [("cancel", 200), ("cancel, refused", 409)] {
            let answer = self.path(name, 0.0, async |handlers| handlers.cancel(id).await).await;
            assert_eq!(answer.status, status);
        }
    }

    /// Returns the events of the request that is paid.
    async fn clicked(&mut self) -> Vec<Value> {
        let (id, token) = self.handlers.sent().await;
        let (id, token) = (id.as_str(), token.as_str());
        self.path("page of the link", 0.0, async |handlers| handlers.open(token).await).await;
        for name in ["click", "click, repeated"] {
            let answer = self.path(name, 0.0, async |handlers| handlers.click(token).await).await;
            assert_eq!(answer.status, 303);
        }
        let attempt = async |handlers: &Handlers| handlers.fail_attempt(id, "msg_attempt").await;
        self.path("failed attempt to pay", 0.0, attempt).await;
        let checked = self.path("question to the provider", 0.0, async |handlers| handlers.check(token).await).await;
        assert_eq!(checked.status, 303);
        for name in ["pay", "pay, repeated"] {
            let answer = self.path(name, 0.0, async |handlers| handlers.pay(id, now()).await).await;
            assert_eq!(answer.status, 200);
        }
        let opened = async |handlers: &Handlers| handlers.open_with(token, "done").await;
        self.path("page of a paid request", 0.0, opened).await;
        let accepted = self.bus.accepted();
        accepted.iter().filter(|entry| entry["Detail"]["id"] == id).map(handed_on).collect()
    }

    async fn expired(&mut self) {
        let ((unclicked, _), (unpaid, _)) = (self.handlers.sent().await, self.handlers.clicked().await);
        for (name, id) in [("expire, never clicked", &unclicked), ("expire, clicked", &unpaid)] {
            let deadline = self.handlers.stored(id).await.deadline;
            let later = self.handlers.at(deadline.saturating_add(Duration::from_secs(1)));
            self.path(name, 1.0, async |_| later.link_removed(id).await).await;
            assert_eq!(self.handlers.stored(id).await.status, domain::Status::Expired);
        }
        self.path("expire, a minute without requests", 1.0, async |handlers| handlers.expire_what_is_due().await).await;
    }

    async fn delayed(&mut self) {
        let (id, _) = self.handlers.clicked().await;
        self.path("processing", 0.0, async |handlers| handlers.process(&id, now()).await).await;
        self.path("pay, after processing", 0.0, async |handlers| handlers.pay(&id, now()).await).await;
    }

    async fn late(&mut self) {
        let (id, _) = self.handlers.sent().await;
        // The link has to have arrived before the text about its cancellation is sent.
        self.taken().await;
        assert_eq!(self.handlers.cancel(&id).await.status, 200);
        let paid = async |handlers: &Handlers| handlers.pay(&id, now()).await;
        self.path("pay, of a canceled request", 0.0, paid).await;
        self.path("refund", 1.0, async |handlers| handlers.refund_due(&id).await.unwrap()).await;
        assert_eq!(self.handlers.stored(&id).await.status, domain::Status::Refunded);
    }

    async fn messages(&mut self) {
        let (id, _) = self.handlers.sent().await;
        let request = id.parse().unwrap();
        let store = self.handlers.faulty_store();
        let claimed = async |_: &Handlers| {
            let run = RunId::random(&domain::Doors::default()).unwrap();
            store.record_fact(request, &Fact::MessageClaimed { version: 1, run }).await.unwrap();
            store.record_fact(request, &Fact::MessageSettled { version: 1 }).await.unwrap();
        };
        self.path("text, through a channel that does not drop repeats", 0.0, claimed).await;
        let secret = "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz";
        let reports = self.handlers.delivery_reports(&[("CHANNEL", "webhook"), ("CHANNEL_WEBHOOK_SECRET", secret)]);
        let environment = Environment::default().with("CHANNEL_WEBHOOK_SECRET", secret);
        let secrets = runtime::webhook::Secrets::from_environment(&environment, "CHANNEL_WEBHOOK_SECRET").unwrap();
        for (name, kind) in
            [("delivery report, delivered", "message.delivered"), ("delivery report, failed", "message.failed")]
        {
            let body = json!({ "type": kind, "timestamp": now(),
                "data": { "event_id": format!("{id}#1"), "payment_request_id": id, "reason": "undelivered" } });
            let body = body.to_string();
            let mut headers = json!({ "content-type": "application/json" });
            for (name, value) in &secrets.sign(kind, body.as_bytes(), now()).unwrap() {
                headers[name.as_str()] = value.to_str().unwrap().into();
            }
            let report =
                async |handlers: &Handlers| handlers.report_delivery(&*reports, "webhook", headers, &body).await;
            let answer = self.path(name, 0.0, report).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        assert_eq!(self.handlers.stored(&id).await.version(), 2, "the failure was recorded");
    }

    async fn looks(&mut self) {
        let (id, _) = self.handlers.sent().await;
        self.path("read of one request", 0.0, async |handlers| handlers.get(&id).await).await;
        let today = now().start_of_day();
        let days_ago = |days| today.saturating_sub(DAY * days);
        let mut stored = Stored::new().await;
        let database = self.handlers.database.database.clone();
        // Before today, so that a page of today's has only what the paths above made, and these.
        for (days, number) in [(10, 1_000), (9, 100), (8, 10)] {
            stored.add(&database, number, days_ago(days), days_ago(days - 1));
        }
        stored.add(&database, 250, today, now().saturating_sub(Duration::from_hours(1)));
        let of_the_day = format!("/payment-requests?limit=100&from={today}");
        let nobody = format!("/payment-requests?limit=25&to={today}&phone=%2B27831000000");
        for (name, role, address, found) in [
            ("list of an agent, 20", "agent", "/payment-requests?limit=20", 20),
            ("list of an agent, 100", "agent", "/payment-requests?limit=100", 100),
            ("list of an agent, 100 of today", "agent", &of_the_day, 100),
            ("list of a supervisor, 25 of the workspace", "supervisor", "/payment-requests?limit=25", 25),
            ("list of a supervisor, 100 of the workspace", "supervisor", "/payment-requests?limit=100", 100),
            ("search that reads 1,000 requests and finds none", "supervisor", &nobody, 0),
        ] {
            let answer = self.path(name, 0.0, async |handlers| handlers.read(address, role).await).await;
            assert_eq!(answer.body["items"].as_array().unwrap().len(), found, "{name}");
        }
        let conversation = "/payment-requests?limit=100&conversation_id=c-981";
        let listed = async |handlers: &Handlers| handlers.read(conversation, "agent").await;
        self.path("list of a conversation, full", 0.0, listed).await;
        for (name, days, sent) in [
            ("report, of a day with 10 requests, for the first time", 8, 10),
            ("report, of a day with 10 requests", 8, 10),
            ("report, of a day with 100 requests, for the first time", 9, 100),
            ("report, of a day with 100 requests", 9, 100),
            ("report, of a day with 1,000 requests, for the first time", 10, 1_000),
            ("report, of a day with 1,000 requests", 10, 1_000),
        ] {
            let (from, to) = (days_ago(days), days_ago(days - 1));
            let address = format!("/reports/agents?from={from}&to={to}&include=clicks,days");
            let answer = self.path(name, 0.0, async |handlers| handlers.read(&address, "supervisor").await).await;
            assert_eq!(answer.body["total"]["sent"], sent, "{name}");
        }
    }

    /// Measures what live updates add to each event, and what a desk costs that has them.
    async fn live_updates(&mut self) {
        let live = Live::start().await;
        live.warm().await;
        let (id, _) = live.handlers.sent().await;
        let mut measured = async |name, own: Cost, step: Step<'_>| {
            live.handlers.proxy.take_calls();
            step.await;
            let messages = count(live.gateway.take_messages().len());
            self.costs
                .push((name, of_calls(&live.handlers.proxy.take_calls()) + own + Cost { messages, ..Cost::default() }));
        };
        let of = |api_requests, invocations, messages| Cost { api_requests, invocations, messages, ..Cost::default() };
        let announce = || -> Step<'_> { Box::pin(async { drop(live.announce(&id).await.unwrap()) }) };
        measured("live updates: an event that nobody watches", of(0.0, 1.0, 0.0), announce()).await;
        let opened_and_closed = Box::pin(async {
            live.connected("a", "alice", "agent").await;
            live.disconnect("a").await;
        });
        measured("live updates: a connection, opened and closed", of(1.0, 3.0, 0.0), opened_and_closed).await;
        live.connected("b", "alice", "agent").await;
        measured("live updates: an event that one desk watches", of(0.0, 1.0, 0.0), announce()).await;
        let ping = Box::pin(live.message("b", r#"{"type":"ping"}"#));
        measured("live updates: a ping", of(0.0, 1.0, 1.0), ping).await;
    }

    /// Measures what an endpoint of an integrator adds to the cost of each event: here the first three of one request.
    async fn webhooks_of_integrators(&mut self, events: Vec<Value>) {
        let receiver = Receiver::start().await;
        self.webhooks.clock.set(now());
        self.webhooks.register(&receiver.url).await;
        let names = [
            "webhook, of a request's first event",
            "webhook, of a later event",
            "webhook, accepted at the second attempt",
        ];
        for (failures, (name, event)) in [0, 0, 1].into_iter().zip(names.into_iter().zip(events)) {
            receiver.next((0..failures).map(|_| Reply::Status(500, Vec::new())));
            self.webhooks.proxy.take_calls();
            let sent = self.webhooks.sent();
            self.webhooks.publish(&event).await.unwrap();
            self.webhooks.work_until(self.webhooks.now().saturating_add(Duration::from_mins(1))).await;
            assert_eq!(receiver.take().len(), failures + 1, "{name}");
            let messages = count(self.webhooks.sent() - sent);
            let calls = of_calls(&self.webhooks.proxy.take_calls());
            let of_messages =
                Cost { queue_requests: messages * REQUESTS_OF_A_MESSAGE, invocations: messages, ..Cost::default() };
            // The read that looks for endpoints is part of every event's cost already.
            let looked_for = Cost { calls: 1.0, read_units: 1.0, ..Cost::default() };
            self.costs.push((name, calls + of_messages + looked_for * -1.0));
        }
    }
}

/// Builds the event that the bus hands on, from an entry that it accepted.
fn handed_on(entry: &Value) -> Value {
    let (kind, detail) = (&entry["DetailType"], &entry["Detail"]);
    json!({ "id": "e", "source": "chat2pay", "detail-type": kind, "time": NOW, "detail": detail })
}
