//! Limits against abuse (specification, section 3): requests of an agent in a minute, and the countries of their
//! customers.

use domain::{Clock, Doors, SystemClock, SystemRandomness, Timestamp};
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tests::handlers::Handlers;
use tests::proxy::{Call, Fault};
use tests::system::{System, order, phone, workspace};

/// A clock that a test moves.
#[derive(Clone)]
struct MovedClock(Arc<AtomicI64>);

impl MovedClock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(SystemClock.now().as_milliseconds())))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Who creates a request.
struct Who(&'static str, &'static str, &'static str);

const ALICE: Who = Who("acme", "alice", "agent");

/// The status, the code and the seconds to wait of one answer.
type Outcome = (u64, String, Option<u64>);

fn created() -> Outcome {
    (201, String::new(), None)
}

fn limited(seconds: u64) -> Outcome {
    (429, "too_many_requests".to_owned(), Some(seconds))
}

/// The function `create` with a limit and a clock of the test's own.
struct Create {
    handlers: Arc<Handlers>,
    clock: MovedClock,
    function: Box<dyn Function>,
}

impl Create {
    async fn with_limit(limit: &str) -> Self {
        let (handlers, clock) = (Handlers::start().await, MovedClock::new());
        let environment = handlers.environment().clone().with("AGENT_REQUESTS_PER_MINUTE", limit);
        let environment = environment.with_doors(Doors::new(clock.clone(), SystemRandomness));
        Self { function: create::function(&environment).unwrap(), handlers, clock }
    }

    /// Creates a request, and returns the whole answer with its body parsed.
    async fn answer(&self, who: &Who, key: Option<&str>, order_number: &str) -> Value {
        let mut event: Value = serde_json::from_str(include_str!("../../events/samples/create/created.json")).unwrap();
        let claims = &mut event["requestContext"]["authorizer"]["jwt"]["claims"];
        claims["workspace"] = who.0.into();
        claims["sub"] = who.1.into();
        claims["role"] = who.2.into();
        let mut order = order("+27831234567");
        order["order_number"] = order_number.into();
        event["body"] = order.to_string().into();
        if let Some(key) = key {
            event["headers"]["idempotency-key"] = key.into();
        }
        let mut answer: Value = serde_json::from_str(&self.function.invoke(&event.to_string()).await.unwrap()).unwrap();
        answer["body"] = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        answer
    }

    async fn outcome(&self, who: &Who, key: Option<&str>) -> Outcome {
        outcome(&self.answer(who, key, "10045").await)
    }

    fn calls(&self) -> Vec<String> {
        self.handlers.proxy.take_calls().into_iter().map(|Call { operation, .. }| operation).collect()
    }
}

fn outcome(answer: &Value) -> Outcome {
    let code = answer["body"]["code"].as_str().unwrap_or_default().to_owned();
    let seconds = answer["headers"]["retry-after"].as_str().map(|seconds| seconds.parse().unwrap());
    (answer["statusCode"].as_u64().unwrap(), code, seconds)
}

#[tokio::test]
async fn a_limit_is_reached_with_its_last_request_and_leaves_room_a_minute_after_its_first() {
    let create = Create::with_limit("3").await;
    for second in 0..3 {
        assert_eq!(create.outcome(&ALICE, None).await, created(), "{second}");
        create.clock.advance(Duration::from_secs(1));
    }
    create.calls();
    let refused = create.answer(&ALICE, None, "10045").await;
    assert_eq!(outcome(&refused), limited(57));
    assert_eq!(refused["headers"]["content-type"], "application/problem+json");
    let detail = "You have sent too many payment requests. Please try again in 57 seconds.";
    assert_eq!(refused["body"]["detail"], detail);
    assert_eq!(create.calls(), ["Query", "GetItem"], "nothing is written");

    create.clock.advance(Duration::from_millis(56_999));
    assert_eq!(create.outcome(&ALICE, None).await, limited(1), "the last millisecond of the first one's minute");
    create.clock.advance(Duration::from_millis(1));
    assert_eq!(create.outcome(&ALICE, None).await, created());
    assert_eq!(create.outcome(&ALICE, None).await, limited(1), "the second one's minute ends a second later");
    create.clock.advance(Duration::from_mins(1));
    for _ in 0..3 {
        assert_eq!(create.outcome(&ALICE, None).await, created());
    }
}

#[tokio::test]
async fn each_agent_of_each_workspace_has_a_limit_of_their_own() {
    let create = Create::with_limit("1").await;
    for (who, first) in [
        (ALICE, created()),
        (Who("acme", "bob", "agent"), created()),
        (Who("globex", "alice", "agent"), created()),
        (Who("acme", "sara", "supervisor"), created()),
        (Who("acme", "alice", "supervisor"), limited(60)),
        // The parts of an index key must not run into each other.
        (Who("acme", "alice#bob", "agent"), created()),
    ] {
        assert_eq!(create.outcome(&who, None).await, first, "{} {} {}", who.0, who.1, who.2);
        assert_eq!(create.outcome(&who, None).await, limited(60), "{} {} {}", who.0, who.1, who.2);
    }
}

#[tokio::test]
async fn a_replay_is_never_limited() {
    let create = Create::with_limit("2").await;
    let first = create.answer(&ALICE, Some("key-1"), "10045").await;
    assert_eq!(create.outcome(&ALICE, Some("key-2")).await, created());
    assert_eq!(create.outcome(&ALICE, Some("key-3")).await, limited(60));
    for _ in 0..4 {
        let replay = create.answer(&ALICE, Some("key-1"), "10045").await;
        assert_eq!(replay["statusCode"], 201, "{replay}");
        assert_eq!(replay["headers"]["idempotency-replayed"], "true");
        assert_eq!(replay["body"], first["body"]);
    }
    let other = create.answer(&ALICE, Some("key-1"), "10046").await;
    assert_eq!(outcome(&other), (422, "idempotency_key_reused".to_owned(), None), "over the limit as below it");
    let bob = Who("acme", "bob", "agent");
    for _ in 0..3 {
        assert_eq!(create.outcome(&bob, Some("key-1")).await.0, 422, "nobody learns of another agent's request");
    }
    create.clock.advance(Duration::from_mins(1));
    assert_eq!(create.outcome(&ALICE, Some("key-3")).await, created(), "a refused key is not used up");
}

#[tokio::test]
async fn a_create_costs_one_query_with_a_limit_and_none_without() {
    for (limit, with_key, calls) in [
        ("30", None, &["Query", "PutItem", "PutItem"][..]),
        ("30", Some("key-1"), &["Query", "PutItem", "PutItem"]),
        ("0", None, &["PutItem", "PutItem"]),
        ("0", Some("key-1"), &["PutItem", "PutItem"]),
    ] {
        let create = Create::with_limit(limit).await;
        assert_eq!(create.outcome(&ALICE, with_key).await, created());
        assert_eq!(create.calls(), calls, "{limit} {with_key:?}");
        if limit == "0" {
            for _ in 0..40 {
                assert_eq!(create.outcome(&ALICE, None).await, created());
            }
        }
    }
}

#[tokio::test]
async fn a_lost_answer_counts_once() {
    let create = Create::with_limit("2").await;
    create.handlers.proxy.fail_next_writes(&[Fault::None, Fault::AnswerLost]);
    assert_eq!(create.outcome(&ALICE, None).await, created());
    assert_eq!(create.outcome(&ALICE, None).await, created());
    assert_eq!(create.outcome(&ALICE, None).await, limited(60));
}

#[tokio::test]
async fn thirty_a_minute_is_the_usual_limit() {
    let system = System::start(&[("AGENT_REQUESTS_PER_MINUTE", "30")]).await;
    let alice = system.alice().await;
    for _ in 0..30 {
        alice.sent().await;
    }
    let refused = alice.create(&order(&phone())).await;
    refused.problem(429, "too_many_requests");
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().unwrap()), "{refused:?}");
    system.stop().await;
    assert!(runtime::config::creation_limit(&Environment::default()).is_ok_and(|limit| limit.requests() == Some(30)));
}

/// A key belongs to the workspace. Who may see its request gets it; for everybody else it is used up.
#[tokio::test]
async fn a_key_is_replayed_only_to_whoever_may_see_its_request() {
    let system = System::shared(&[]).await;
    let acme = workspace();
    let order = order(&phone());
    let mut other = order.clone();
    other["order_number"] = "10046".into();
    let alice = system.user(&acme, "alice", "agent").await;
    let sent = alice.create_with_key(&order, "key-1").await.json();
    for (who, role, replayed) in
        [("alice", "agent", true), ("alice", "supervisor", true), ("sara", "supervisor", true), ("bob", "agent", false)]
    {
        let user = system.user(&acme, who, role).await;
        let again = user.create_with_key(&order, "key-1").await;
        if replayed {
            assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"), "{who} {role}: {again:?}");
            assert_eq!(again.json(), sent, "{who} {role}");
        } else {
            again.problem(422, "idempotency_key_reused");
            assert!(!again.text().contains(sent["id"].as_str().unwrap()), "{again:?}");
        }
        user.create_with_key(&other, "key-1").await.problem(422, "idempotency_key_reused");
    }
    // A supervisor's own request is not visible to an agent either.
    let sara = system.user(&acme, "sara", "supervisor").await;
    assert_eq!(sara.create_with_key(&order, "key-2").await.status, 201);
    alice.create_with_key(&order, "key-2").await.problem(422, "idempotency_key_reused");
    // Another workspace's key is another key.
    let elsewhere = system.alice().await.create_with_key(&order, "key-1").await;
    assert_eq!((elsewhere.status, elsewhere.header("idempotency-replayed")), (201, ""), "{elsewhere:?}");
}

#[tokio::test]
async fn only_numbers_of_allowed_countries_are_sent_to() {
    for (countries, allowed, refused) in [
        ("ZA", &["+27831234567"][..], &["+2348021234567", "+80012345678"][..]),
        ("ng, za", &["+27831234567", "+2348021234567"], &["+447911123456"]),
        ("US", &["+14155552671"], &["+14165550123"]),
        ("", &["+27831234567", "+14165550123", "+80012345678"], &[]),
    ] {
        let system = System::start(&[("ALLOWED_COUNTRIES", countries)]).await;
        let alice = system.alice().await;
        for number in allowed {
            assert_eq!(alice.create(&order(number)).await.status, 201, "{countries}: {number}");
        }
        for number in refused {
            let answer = alice.create(&order(number)).await;
            assert_eq!(answer.bad_fields(), ["customer.phone"], "{countries}: {number}");
            let message = &answer.json()["errors"][0]["message"];
            assert_eq!(message, "must be of a country that payment requests may be sent to");
        }
        // A number that is not valid is told so first, and beside the other fields.
        let mut wrong = order("+2783");
        wrong["amount"] = json!(0);
        assert_eq!(alice.create(&wrong).await.bad_fields(), ["amount", "customer.phone"]);
        system.stop().await;
    }
}

#[test]
fn an_invalid_limit_stops_create_alone_and_a_country_that_there_is_not_is_named() {
    let environment = |name: &str, value: &str| {
        Environment::default()
            .with("TABLE_NAME", "chat2pay")
            .with("SUMS_TABLE_NAME", "chat2pay-sums")
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("PUBLIC_BASE_URL", "https://pay.example.com")
            .with("PAYMENT_PROVIDER", "sandbox")
            .with(name, value)
    };
    for (name, value, named) in [
        ("AGENT_REQUESTS_PER_MINUTE", "-1", "from 0 to 10000"),
        ("AGENT_REQUESTS_PER_MINUTE", "many", "from 0 to 10000"),
        ("AGENT_REQUESTS_PER_MINUTE", "2.5", "from 0 to 10000"),
        ("AGENT_REQUESTS_PER_MINUTE", "10001", "from 0 to 10000"),
        ("ALLOWED_COUNTRIES", "ZA, XX", "no country has the code XX"),
        ("ALLOWED_COUNTRIES", "ZAF", "no country has the code ZAF"),
        ("ALLOWED_COUNTRIES", "ZA;NG", "no country has the code ZA;NG"),
    ] {
        let line = create::function(&environment(name, value)).err().unwrap().to_string();
        assert!(line.contains(name) && line.contains(named) && !line.contains('\n'), "{line}");
        assert!(query::function(&environment(name, value)).is_ok(), "query does not read it");
    }
    for (name, value) in
        [("AGENT_REQUESTS_PER_MINUTE", "0"), ("ALLOWED_COUNTRIES", " "), ("ALLOWED_COUNTRIES", "za ng")]
    {
        assert!(create::function(&environment(name, value)).is_ok(), "{name}={value}");
    }
}
