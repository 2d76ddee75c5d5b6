//! True stories of payments, through each provider's adapter: their reports come late, twice, in any order or never.
//! The end of a request depends on what happened at the provider, and not on its reports.

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use domain::{Clock as _, PaymentRequest, Status, SystemClock, Timestamp};
use runtime::Environment;
use runtime::stripe_signature::SigningSecrets;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::SetClock;
use tests::handlers::{Handlers, assert_possible};
use tests::provider::OnClose;
use tests::stripe::{KEY, SECRET};
use tests::system::Random;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// The time after which nothing is reported any more and every request has settled.
const HORIZON: i64 = 30 * DAY;
/// The number of random courses of each story with each provider.
const COURSES: u64 = 6;

/// What the customer did and what became of their money, in milliseconds after the deadline.
#[derive(Debug, Clone, Copy)]
struct Story {
    name: &'static str,
    /// When the customer did their part.
    done_at: i64,
    /// When the money arrived or failed; the same moment for a payment by card.
    settled_at: i64,
    arrives: bool,
    /// Whether an attempt failed before.
    declined: bool,
    /// Whether a person refunded a part of the money a day later.
    refunded_in_part: bool,
    end: Status,
}

const STORY: Story = Story {
    name: "paid at once",
    done_at: -MINUTE,
    settled_at: -MINUTE,
    arrives: true,
    declined: false,
    refunded_in_part: false,
    end: Status::Paid,
};

const STORIES: [Story; 9] = [
    STORY,
    Story { name: "paid in the last second", done_at: -500, settled_at: -500, ..STORY },
    Story { name: "paid a second too late", done_at: SECOND, settled_at: SECOND, end: Status::Refunded, ..STORY },
    Story { name: "paid much too late", done_at: 5 * MINUTE, settled_at: 5 * MINUTE, end: Status::Refunded, ..STORY },
    Story { name: "in time but slow", settled_at: 3 * DAY, ..STORY },
    Story { name: "late and slow", done_at: 30 * SECOND, settled_at: 3 * DAY, end: Status::Refunded, ..STORY },
    Story { name: "failed in the end", settled_at: 2 * DAY, arrives: false, end: Status::Expired, ..STORY },
    Story { name: "failed, then paid", declined: true, ..STORY },
    Story { name: "refunded by a person in part", refunded_in_part: true, ..STORY },
];

fn shifted(from: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(from.as_milliseconds() + milliseconds).unwrap()
}

/// The state of the one checkout at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Open,
    InFlight(Timestamp),
    Arrived(Timestamp),
    Failed,
}

impl Story {
    fn truth(self, deadline: Timestamp, now: Timestamp) -> Truth {
        let (done_at, settled_at) = (shifted(deadline, self.done_at), shifted(deadline, self.settled_at));
        match (now >= done_at, now >= settled_at) {
            (false, _) => Truth::Open,
            (true, false) => Truth::InFlight(done_at),
            (true, true) if self.arrives => Truth::Arrived(done_at),
            (true, true) => Truth::Failed,
        }
    }

    fn is_slow(self) -> bool {
        self.settled_at != self.done_at
    }
}

/// One report of a provider, and when it can be delivered first, in milliseconds after the deadline.
#[derive(Debug, Clone, Copy)]
enum Report {
    Declined,
    Done,
    Settled,
    RefundedInPart,
}

fn reports(story: Story) -> Vec<(i64, Report)> {
    let mut reports = vec![(story.done_at, Report::Done)];
    if story.declined {
        reports.push((story.done_at - MINUTE, Report::Declined));
    }
    if story.is_slow() {
        reports.push((story.settled_at, Report::Settled));
    }
    if story.refunded_in_part {
        reports.push((story.settled_at + DAY, Report::RefundedInPart));
    }
    reports
}

/// A provider with its reports, as the handlers know it.
trait Party {
    /// Sets the truth about the request's checkout; `None` while the provider does not answer.
    fn set(&self, id: &str, truth: Option<Truth>);
    /// Delivers a report that was created at this time.
    async fn deliver(&self, handlers: &Handlers, id: &str, report: Report, story: Story, deadline: Timestamp);
}

struct SandboxParty {
    provider: Arc<tests::provider::Provider>,
}

impl Party for SandboxParty {
    fn set(&self, id: &str, truth: Option<Truth>) {
        self.provider.set_unreachable(truth.is_none());
        match truth {
            Some(Truth::InFlight(done_at)) => self.provider.on_close(id, OnClose::Processing(done_at, 25_000)),
            Some(Truth::Arrived(done_at)) => self.provider.on_close(id, OnClose::Paid(done_at, 25_000)),
            Some(Truth::Failed) => self.provider.on_close(id, OnClose::Failed),
            Some(Truth::Open) | None => {}
        }
    }

    async fn deliver(&self, handlers: &Handlers, id: &str, report: Report, story: Story, deadline: Timestamp) {
        let done_at = shifted(deadline, story.done_at);
        let answer = match report {
            Report::Declined => handlers.fail_attempt(id, &format!("msg_{id}")).await,
            Report::Done if story.is_slow() => handlers.process(id, done_at).await,
            Report::Done => handlers.pay(id, done_at).await,
            Report::Settled if story.arrives => handlers.pay(id, done_at).await,
            Report::Settled => handlers.fail_payment(id).await,
            // The sandbox does not report refunds.
            Report::RefundedInPart => return,
        };
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// A Stripe that knows one session, whose state the test sets.
#[derive(Clone, Default)]
struct StripeParty {
    truth: Arc<Mutex<Option<Truth>>>,
    clock: SetClock,
}

type StripeAnswer = (StatusCode, Json<Value>);

impl StripeParty {
    async fn start(clock: SetClock) -> (Self, String) {
        let party = Self { truth: Arc::default(), clock };
        let router = Router::new()
            .route("/v1/checkout/sessions", post(create_session))
            .route("/v1/checkout/sessions/{id}", get(read_session))
            .route("/v1/checkout/sessions/{id}/expire", post(expire_session))
            .route("/v1/refunds", post(create_refund))
            .with_state(party.clone())
            .layer(axum::middleware::map_response(no_retry));
        (party, tests::serve(router).await)
    }

    fn session(&self, id: &str) -> StripeAnswer {
        let Some(truth) = *self.truth.lock().unwrap() else {
            return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({})));
        };
        let intent = |status: &str, done_at: Option<Timestamp>| {
            let created = done_at.map(|done_at| done_at.as_milliseconds().div_euclid(1000));
            json!({ "id": "pi_1", "status": status, "created": created, "latest_charge": created.map(|created|
                json!({ "id": "ch_1", "created": created })) })
        };
        let (status, payment_status, intent) = match truth {
            Truth::Open => ("open", "unpaid", Value::Null),
            Truth::InFlight(done_at) => ("complete", "unpaid", intent("processing", Some(done_at))),
            Truth::Arrived(done_at) => ("complete", "paid", intent("succeeded", Some(done_at))),
            Truth::Failed => ("complete", "unpaid", intent("requires_payment_method", None)),
        };
        (
            StatusCode::OK,
            Json(json!({ "id": id, "status": status, "payment_status": payment_status,
            "amount_total": 25_000, "currency": "zar", "payment_intent": intent,
            "url": format!("https://checkout.stripe.com/c/pay/{id}") })),
        )
    }
}

/// Says that a retry is useless, so that the client does not pause before one while the provider is away.
async fn no_retry(mut answer: Response) -> Response {
    answer.headers_mut().insert("stripe-should-retry", HeaderValue::from_static("false"));
    answer
}

async fn create_session(State(party): State<StripeParty>) -> StripeAnswer {
    party.session("cs_test_1")
}

async fn read_session(State(party): State<StripeParty>, Path(id): Path<String>) -> StripeAnswer {
    party.session(&id)
}

async fn expire_session(State(party): State<StripeParty>, Path(id): Path<String>) -> StripeAnswer {
    let (status, Json(mut session)) = party.session(&id);
    if status.is_success() && session["status"] != "open" {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": { "type": "invalid_request_error" } })));
    }
    session["status"] = "expired".into();
    (status, Json(session))
}

async fn create_refund(State(party): State<StripeParty>) -> StripeAnswer {
    let is_away = party.truth.lock().unwrap().is_none();
    let status = if is_away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(json!({ "id": "re_1", "status": "succeeded" })))
}

impl Party for StripeParty {
    fn set(&self, _: &str, truth: Option<Truth>) {
        *self.truth.lock().unwrap() = truth;
    }

    async fn deliver(&self, handlers: &Handlers, id: &str, report: Report, story: Story, deadline: Timestamp) {
        let metadata = json!({ "payment_request_id": id });
        let session = |payment_status: &str| {
            json!({ "id": "cs_test_1", "status": "complete", "payment_status": payment_status, "metadata": metadata,
                "amount_total": 25_000, "currency": "zar", "payment_intent": "pi_1" })
        };
        // Stripe creates an event a moment after what it is about, with a time in whole seconds.
        let (kind, object, created) = match report {
            Report::Declined => (
                "payment_intent.payment_failed",
                json!({ "id": "pi_1", "metadata": metadata, "last_payment_error": { "code": "card_declined" } }),
                story.done_at - MINUTE,
            ),
            Report::Done if story.is_slow() => ("checkout.session.completed", session("unpaid"), story.done_at),
            Report::Done => ("checkout.session.completed", session("paid"), story.done_at),
            Report::Settled if story.arrives => {
                ("checkout.session.async_payment_succeeded", session("paid"), story.settled_at)
            }
            Report::Settled => ("checkout.session.async_payment_failed", session("unpaid"), story.settled_at),
            Report::RefundedInPart => (
                "charge.refunded",
                json!({ "id": "ch_1", "payment_intent": "pi_1", "amount": 25_000, "amount_refunded": 100,
                    "currency": "zar", "metadata": metadata }),
                story.settled_at + DAY,
            ),
        };
        let created = shifted(deadline, created + 1_500).as_milliseconds() / 1000;
        let body = json!({ "id": format!("evt_{kind}_{id}"), "type": kind, "livemode": false, "created": created,
            "data": { "object": object } })
        .to_string();
        let environment = Environment::default().with("SECRET", SECRET);
        let secrets = SigningSecrets::from_environment(&environment, "SECRET").unwrap();
        let signature = secrets.sign(body.as_bytes(), self.clock.now());
        let answer = handlers.stripe_webhook(Some(&signature), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// When each report is delivered, and from when until when the provider does not answer; all in milliseconds after the
/// deadline.
#[derive(Debug)]
struct Course {
    deliveries: Vec<(i64, Report)>,
    away: (i64, i64),
}

/// Returns the course in which no report comes, the one in which all come in the opposite order, and random ones.
fn courses(story: Story, seed: u64) -> Vec<Course> {
    // The customer could pay after the deadline, so the provider was not asked to close the page before.
    let away_until = if story.done_at > 0 { story.done_at + 2 * SECOND } else { -HOUR };
    let last = reports(story).iter().map(|(from, _)| *from).max().unwrap();
    let turned = reports(story).into_iter().map(|(from, report)| (2 * last - from + MINUTE, report));
    let mut courses = vec![
        Course { deliveries: Vec::new(), away: (-SECOND, away_until) },
        Course { deliveries: turned.clone().filter(|(at, _)| *at >= last).collect(), away: (-SECOND, away_until) },
        Course { deliveries: turned.filter(|(at, _)| *at >= last).collect(), away: (-SECOND, HOUR) },
    ];
    let random = &mut Random::new(seed);
    for _ in 0..COURSES {
        let mut deliveries = Vec::new();
        for (from, report) in reports(story) {
            for _ in 0..random.below(3) {
                let delay = *random.one_of(&[0, SECOND, 20 * MINUTE, 7 * HOUR, 4 * DAY]);
                deliveries.push((from + 2 * SECOND + delay, report));
            }
        }
        let away = *random.one_of(&[away_until, 9 * MINUTE, HOUR, 13 * HOUR]);
        courses.push(Course { deliveries, away: (-SECOND, away.max(away_until)) });
    }
    courses
}

/// Lives one course of a story, and returns the request as it ends.
async fn live(
    handlers: &Handlers,
    clock: &SetClock,
    party: &impl Party,
    story: Story,
    course: &Course,
) -> PaymentRequest {
    let start = SystemClock.now();
    clock.set(start);
    party.set("", Some(Truth::Open));
    let (id, _) = handlers.clicked().await;
    let deadline = handlers.stored(&id).await.deadline;
    let (from, until) = (shifted(deadline, course.away.0), shifted(deadline, course.away.1));
    let mut deliveries = course.deliveries.clone();
    deliveries.sort_by_key(|(at, _)| *at);
    let mut deliveries = deliveries.into_iter().map(|(at, report)| (shifted(deadline, at), report)).peekable();
    let (table, provider) = (handlers.store(), handlers.payment_provider());
    loop {
        let due_at = handlers.stored(&id).await.due_at;
        let delivered_at = deliveries.peek().map(|(at, _)| *at);
        let Some(next) = due_at.into_iter().chain(delivered_at).min() else { break };
        assert!(next < shifted(deadline, HORIZON), "{}: {course:?} does not end", story.name);
        let now = next.max(clock.now());
        clock.set(now);
        let is_away = now >= from && now < until;
        party.set(&id, Some(story.truth(deadline, now)).filter(|_| !is_away));
        match deliveries.next_if(|(at, _)| *at <= now) {
            Some((_, report)) => party.deliver(handlers, &id, report, story, deadline).await,
            None => {
                tests::expire(&table, &provider, now, id.parse().unwrap()).await.unwrap();
            }
        }
    }
    handlers.stored(&id).await
}

async fn every_course_of_every_story_ends_the_same(handlers: &Handlers, clock: &SetClock, party: &impl Party) {
    for (seed, story) in (1..).zip(STORIES) {
        for course in courses(story, seed) {
            let request = live(handlers, clock, party, story, &course).await;
            assert_possible(&request);
            assert_eq!(request.status, story.end, "{}: {course:?} {:?}", story.name, request.history);
            assert_eq!(request.due_at, None, "{}: nothing is due any more", story.name);
            if let Some(payment) = &request.payment {
                // Stripe's times are whole seconds.
                let off =
                    payment.paid_at.as_milliseconds() - shifted(request.deadline, story.done_at).as_milliseconds();
                let known = off.unsigned_abs() <= Duration::from_secs(2).as_millis().try_into().unwrap();
                assert!(known, "{}: {course:?} the payment is as old as the customer's part: {off}", story.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_payment_depends_on_what_happened_and_not_on_its_reports() {
    let clock = SetClock::default();
    clock.set(SystemClock.now());
    let handlers = Handlers::start().await.with_clock(clock.clone());
    let party = SandboxParty { provider: handlers.provider.clone() };
    Box::pin(every_course_of_every_story_ends_the_same(&handlers, &clock, &party)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_payment_with_stripe_depends_on_what_happened_and_not_on_its_reports() {
    let clock = SetClock::default();
    clock.set(SystemClock.now());
    let (party, url) = StripeParty::start(clock.clone()).await;
    let variables = [
        ("PAYMENT_PROVIDER", "stripe".to_owned()),
        ("STRIPE_API_URL", url),
        ("STRIPE_CHECKOUT_ORIGIN", "https://checkout.stripe.com".to_owned()),
        ("STRIPE_SECRET_KEY", KEY.to_owned()),
        ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
        ("STRIPE_LIVEMODE", "false".to_owned()),
    ];
    let handlers = Handlers::with_variables(300, 900, &variables).await.with_clock(clock.clone());
    Box::pin(every_course_of_every_story_ends_the_same(&handlers, &clock, &party)).await;
}
