//! The events on the bus (specification, section 5), validated against their schemas; and the sample events, each
//! passed to its function.

use jsonschema::Validator;
use runtime::Function;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tests::examples::Examples;
use tests::system::{SHORT_CHECKOUT, SHORT_LINK, System, all, failed, id, link, now, order, paid, phone, time};

fn events_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn schema(name: &str) -> Validator {
    let path = events_directory().join("schemas").join(format!("{name}.schema.json"));
    let schema = read(&path);
    assert!(jsonschema::meta::is_valid(&schema), "{} is not a valid schema", path.display());
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Asserts that a detail is valid by the schema of its kind.
pub(crate) fn assert_valid(detail_type: &str, detail: &Value) {
    let errors: Vec<String> = schema(detail_type).iter_errors(detail).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?} in {detail}");
}

/// Asserts what holds for every event: the schema of its kind, its envelope, and its version after the one before it.
pub(crate) fn assert_published(events: &[Value], request: &Value) {
    let history = request["history"].as_array().unwrap();
    assert_eq!(events.len(), history.len(), "one event for each entry: {events:#?}");
    for (index, (event, entry)) in events.iter().zip(history).enumerate() {
        let detail = &event["detail"];
        let previous = index.checked_sub(1).map(|before| &history[before]["status"]);
        let kind = match previous {
            Some(previous) if *previous == entry["status"] && *previous == "sent" => "PaymentLinkDeliveryFailed",
            Some(previous) if *previous == entry["status"] => "PaymentAttemptFailed",
            _ => "PaymentRequestStatusChanged",
        };
        assert_eq!(event["detail-type"], kind);
        assert_eq!(event["source"], "chat2pay");
        assert_eq!(event["version"], "0");
        for name in ["id", "account", "time", "region"] {
            assert!(event[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {event}");
        }
        assert!(event["resources"].is_array());
        assert_valid(kind, detail);
        assert_eq!(detail["event_id"], format!("{}#{}", id(request), index + 1));
        assert_eq!(detail["version"], index + 1);
        assert_eq!(detail["previous_status"], previous.cloned().unwrap_or(Value::Null));
        assert_eq!(detail["occurred_at"], entry["at"]);
        for name in ["status", "actor", "reason"] {
            assert_eq!(detail[name], entry[name], "{name}");
        }
        for name in [
            "id",
            "workspace",
            "agent",
            "order_number",
            "amount",
            "currency",
            "customer",
            "conversation_id",
            "metadata",
        ] {
            assert_eq!(detail[name], request[name], "{name}");
        }
        assert_eq!(detail["link"].is_null(), index > 0, "only the first event contains the link: {detail}");
    }
    let times: Vec<_> = events.iter().map(|event| time(&event["detail"]["occurred_at"])).collect();
    assert!(times.is_sorted());
}

#[tokio::test]
async fn the_events_of_every_kind_of_life_are_valid_and_in_order() {
    let (system, short, checkout) =
        (System::shared(&[]).await, System::shared(SHORT_LINK).await, System::shared(SHORT_CHECKOUT).await);
    let (alice, bob, carol) = (system.alice().await, short.alice().await, checkout.alice().await);

    let declined_then_paid = alice.sent().await;
    let page = system.click(link(&declined_then_paid)).await;
    system.settle(&page, "declined").await;
    system.settle(&page, "succeeded").await;
    alice.wait_for(id(&declined_then_paid), "paid").await;

    let without_a_reason = alice.sent().await;
    system.click(link(&without_a_reason)).await;
    for reason in ["", "  ", "tab\tand\nline", &"x".repeat(9_000), "ß\u{202e}"] {
        assert_eq!(system.webhook(&failed(&without_a_reason, reason)).await.status, 200);
    }

    let canceled = alice.sent().await;
    alice.cancel(id(&canceled)).await;
    let canceled_then_refunded = alice.sent().await;
    alice.cancel(id(&canceled_then_refunded)).await;
    assert_eq!(system.webhook(&paid(&canceled_then_refunded, "pay_1", now())).await.status, 200);
    alice.wait_for(id(&canceled_then_refunded), "refunded").await;
    let paid_unclicked = alice.sent().await;
    assert_eq!(system.webhook(&paid(&paid_unclicked, "pay_1", now())).await.status, 200);
    let mut bare = order(&phone());
    for name in ["description", "conversation_id", "metadata"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    bare["customer"].as_object_mut().unwrap().remove("name");
    let bare = alice.sent_as(&bare).await;

    let unclicked = bob.sent().await;
    let unclicked_then_refunded = bob.sent().await;
    let unpaid = carol.sent().await;
    let unpaid_then_paid = carol.sent().await;
    for request in [&unpaid, &unpaid_then_paid] {
        checkout.click(link(request)).await;
        carol.wait_for_history(id(request), "expired").await;
    }
    let in_time = time(&carol.read(id(&unpaid_then_paid)).await["history"][1]["at"]);
    assert_eq!(checkout.webhook(&paid(&unpaid_then_paid, "pay_1", in_time)).await.status, 200);
    for request in [&unclicked, &unclicked_then_refunded] {
        bob.wait_for_history(id(request), "expired").await;
    }
    assert_eq!(short.webhook(&paid(&unclicked_then_refunded, "pay_1", now())).await.status, 200);
    bob.wait_for(id(&unclicked_then_refunded), "refunded").await;

    for (system, user, request, last) in [
        (&system, &alice, &declined_then_paid, "paid"),
        (&system, &alice, &without_a_reason, "clicked"),
        (&system, &alice, &canceled, "canceled"),
        (&system, &alice, &canceled_then_refunded, "refunded"),
        (&system, &alice, &paid_unclicked, "paid"),
        (&system, &alice, &bare, "sent"),
        (&short, &bob, &unclicked, "expired"),
        (&short, &bob, &unclicked_then_refunded, "refunded"),
        (&checkout, &carol, &unpaid, "expired"),
        (&checkout, &carol, &unpaid_then_paid, "paid"),
    ] {
        let request = user.read(id(request)).await;
        assert_eq!(request["status"], last, "{request}");
        let version = request["history"].as_array().unwrap().len();
        assert_published(&system.wait_for_events(id(&request), version).await, &request);
    }
}

#[tokio::test]
async fn no_event_is_published_twice() {
    let system = System::start(&[]).await;
    let alice = system.alice().await;
    let sent = all((0..20).map(|_| alice.sent())).await;
    all(sent.iter().map(|request| alice.cancel(id(request)))).await;
    all(sent.iter().map(|request| system.wait_for_events(id(request), 2))).await;
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for event in system.events().await {
        *found.entry(event["detail"]["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(found.len(), 40);
    assert!(found.values().all(|count| *count == 1), "{found:?}");
    let envelopes: std::collections::BTreeSet<String> =
        system.events().await.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(envelopes.len(), 40);
    system.stop().await;
}

/// Proves that the schemas reject broken events; otherwise every other test here would pass with a schema that accepts
/// all.
#[tokio::test]
async fn an_invalid_event_is_rejected_by_its_schema() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let checkout = system.click(link(&sent)).await;
    system.settle(&checkout, "declined").await;
    let events = system.wait_for_events(id(&sent), 3).await;
    for event in events {
        let (kind, right) = (event["detail-type"].as_str().unwrap(), &event["detail"]);
        let schema = schema(kind);
        assert!(schema.is_valid(right), "{right}");
        for name in right.as_object().unwrap().keys() {
            let mut without = right.clone();
            without.as_object_mut().unwrap().remove(name);
            assert!(!schema.is_valid(&without), "{kind} without {name}");
        }
        for (name, wrong) in [
            ("unknown", json!(1)),
            ("event_id", json!("x")),
            ("id", json!("x")),
            ("version", json!(0)),
            ("version", json!("1")),
            ("status", json!("lost")),
            ("status", json!("expired")),
            ("previous_status", json!("paid")),
            ("occurred_at", json!("2026-01-05T10:00:00Z")),
            ("occurred_at", json!("2026-13-05T10:00:00.000Z")),
            ("actor", json!({ "type": "agent", "id": null })),
            ("actor", json!({ "type": "robot", "id": null })),
            ("reason", json!("")),
            ("workspace", Value::Null),
            ("agent", json!({ "id": "alice" })),
            ("amount", json!(0)),
            ("amount", json!(250.5)),
            ("currency", json!("rand")),
            ("customer", json!({ "phone": "0831234567", "name": null })),
            ("metadata", json!({ "a": 1 })),
            ("metadata", Value::Null),
            ("link", json!("https://pay.example.com/p/x")),
            ("link", json!({ "url": "javascript:alert(1)", "expires_at": "2026-01-05T10:00:00.000Z" })),
        ] {
            let mut broken = right.clone();
            broken[name] = wrong;
            assert!(!schema.is_valid(&broken), "{kind} with {name} = {}", broken[name]);
        }
    }
}

#[test]
fn an_invalid_difference_is_rejected_by_its_schema() {
    let schema = schema("ReconciliationDifferenceFound");
    let right = json!({ "event_id": "difference#3RTDXS7xWKqSj", "id": "a07ce246-e3c8-8497-86e5-265e1d9cc33e",
        "kind": "not_recorded", "occurred_at": "2026-01-07T03:00:00.000Z", "workspace": null, "order_number": null,
        "status": null, "provider": "stripe", "reference": "pi_1", "paid_at": "2026-01-05T10:02:00.000Z",
        "requested": null, "paid": { "amount": 25_000, "currency": "ZAR" }, "refunded": null });
    assert!(schema.is_valid(&right), "{right}");
    for name in right.as_object().unwrap().keys() {
        let mut without = right.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(!schema.is_valid(&without), "without {name}");
    }
    for (name, wrong) in [
        ("unknown", json!(1)),
        ("event_id", json!("a07ce246-e3c8-8497-86e5-265e1d9cc33e#1")),
        ("id", Value::Null),
        ("kind", json!("lost")),
        ("occurred_at", json!("2026-01-07")),
        ("status", json!("lost")),
        ("reference", json!("")),
        ("paid", json!({ "amount": 0, "currency": "ZAR" })),
        ("paid", json!({ "amount": 1, "currency": "rand" })),
        ("refunded", json!(1_000)),
    ] {
        let mut broken = right.clone();
        broken[name] = wrong;
        assert!(!schema.is_valid(&broken), "{name} = {}", broken[name]);
    }
}

/// The examples in the documentation are validated too.
#[test]
fn the_documented_event_is_valid() {
    let readme = std::fs::read_to_string(events_directory().join("README.md")).unwrap();
    let mut blocks = readme.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let event: Value = serde_json::from_str(blocks.next().unwrap()).unwrap();
    assert_valid(event["detail-type"].as_str().unwrap(), &event["detail"]);
    let message: Value = serde_json::from_str(blocks.next().unwrap()).unwrap();
    assert!(schema("message.requested").is_valid(&message), "{message}");
}

/// Builds a function by its name.
fn function(name: &str, environment: &runtime::Environment) -> Box<dyn Function> {
    let make = match name {
        "cancel" => cancel::function,
        "create" => create::function,
        "delivery-report" => delivery_report::function,
        "desk" => desk::function,
        "expire" => expire::function,
        "link-click" => link_click::function,
        "live" => live::function,
        "notify" => notify::function,
        "payment-webhook" => payment_webhook::function,
        "publish" => publish::function,
        "query" => query::function,
        "reconcile" => reconcile::function,
        "refund" => refund::function,
        "webhook-endpoints" => webhook_endpoints::function,
        "webhooks" => webhooks::function,
        other => panic!("samples for {other}, which is not a function"),
    };
    make(environment).unwrap()
}

/// The result that a sample's documentation promises.
enum Documented {
    /// An HTTP answer with this status, and with this problem code unless it is empty.
    Http(u16, &'static str),
    /// Exactly this value.
    Whole(Value),
}

/// Returns every sample with its documented result, in an order in which they can run.
fn documented() -> Vec<(&'static str, Documented)> {
    use Documented::{Http, Whole};
    vec![
        ("create/idempotent", Http(201, "")),
        ("create/created", Http(201, "")),
        ("create/invalid", Http(422, "validation_failed")),
        ("query/get", Http(200, "")),
        ("query/list", Http(200, "")),
        ("query/list-of-customer", Http(200, "")),
        ("query/phone-with-space", Http(422, "validation_failed")),
        ("query/report", Http(200, "")),
        ("query/report-with-days", Http(200, "")),
        ("query/bad-cursor", Http(400, "invalid_cursor")),
        ("cancel/canceled", Http(200, "")),
        ("cancel/canceled", Http(409, "already_canceled")),
        ("cancel/unknown", Http(404, "not_found")),
        ("link-click/get", Http(404, "")),
        ("link-click/head", Http(404, "")),
        ("link-click/post", Http(404, "")),
        ("link-click/post-base64", Http(404, "")),
        ("link-click/get-done", Http(404, "")),
        ("link-click/check", Http(404, "")),
        ("desk/agent", Http(200, "")),
        ("desk/element", Http(302, "")),
        ("desk/old-version", Http(404, "not_found")),
        ("payment-webhook/paid-too-old", Http(401, "unauthenticated")),
        ("payment-webhook/unsigned", Http(401, "unauthenticated")),
        ("payment-webhook/unknown-provider", Http(404, "not_found")),
        ("delivery-report/unsigned", Http(401, "unauthenticated")),
        ("delivery-report/other-channel", Http(404, "not_found")),
        ("delivery-report/verification", Http(404, "not_found")),
        ("expire/scheduled", Whole(Value::Null)),
        ("expire/link-removed", Whole(json!({ "batchItemFailures": [] }))),
        ("publish/inserted", Whole(json!({ "batchItemFailures": [] }))),
        ("publish/modified", Whole(json!({ "batchItemFailures": [] }))),
        ("publish/attempt-failed", Whole(json!({ "batchItemFailures": [] }))),
        ("publish/processing", Whole(json!({ "batchItemFailures": [] }))),
        ("publish/delivery-failed", Whole(json!({ "batchItemFailures": [] }))),
        ("publish/difference", Whole(json!({ "batchItemFailures": [] }))),
        ("notify/sent", Whole(Value::Null)),
        ("notify/canceled", Whole(Value::Null)),
        ("notify/paid", Whole(Value::Null)),
        ("refund/refund-due", Whole(Value::Null)),
        ("reconcile/scheduled", Whole(Value::Null)),
        ("live/ticket", Http(201, "")),
        ("live/connect-with-unknown-ticket", Whole(json!({ "statusCode": 403 }))),
        ("live/ping-of-unknown", Whole(json!({ "statusCode": 200 }))),
        ("live/disconnected", Whole(json!({ "statusCode": 200 }))),
        ("live/changed", Whole(Value::Null)),
        ("webhooks/event", Whole(json!({ "batchItemFailures": [] }))),
        ("webhooks/attempt-of-unknown", Whole(json!({ "batchItemFailures": [] }))),
        ("webhooks/replay-of-unknown", Whole(json!({ "batchItemFailures": [] }))),
        (
            "webhooks/unreadable",
            Whole(json!({ "batchItemFailures": [{ "itemIdentifier": "059f36b4-87a3-44ab-83d2-661970975b0d" }] })),
        ),
        ("webhook-endpoints/registered", Http(201, "")),
        ("webhook-endpoints/registered", Http(422, "validation_failed")),
        ("webhook-endpoints/inside-a-network", Http(422, "validation_failed")),
        ("webhook-endpoints/list", Http(200, "")),
        ("webhook-endpoints/deliveries-of-unknown", Http(404, "not_found")),
        ("webhook-endpoints/replay-without-a-moment", Http(422, "validation_failed")),
        ("webhook-endpoints/rotate-unknown", Http(404, "not_found")),
        ("webhook-endpoints/remove-unknown", Http(404, "not_found")),
    ]
}

#[tokio::test]
async fn every_sample_gets_its_documented_answer() {
    let system = System::start(&[]).await;
    // The scheduled sample would otherwise look ahead for a minute.
    let environment = system.environment().clone().with("EXPIRY_LOOKAHEAD_SECONDS", "0");
    let samples = events_directory().join("samples");
    let mut left: Vec<String> = Vec::new();
    for folder in std::fs::read_dir(&samples).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.with_extension("");
            left.push(name.strip_prefix(&samples).unwrap().to_str().unwrap().to_owned());
        }
    }
    for (name, expected) in documented() {
        left.retain(|file| file != name);
        let event = std::fs::read_to_string(samples.join(format!("{name}.json"))).unwrap();
        let answer = function(name.split('/').next().unwrap(), &environment).invoke(&event).await;
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        match expected {
            Documented::Http(status, code) => {
                assert_eq!(answer["statusCode"], status, "{name}: {answer}");
                let body = answer["body"].as_str().unwrap_or_default();
                let found: Value = serde_json::from_str(body).unwrap_or_default();
                assert_eq!(found["code"].as_str().unwrap_or_default(), code, "{name}: {answer}");
            }
            Documented::Whole(whole) => assert_eq!(answer, whole, "{name}"),
        }
    }
    assert!(left.is_empty(), "samples without an expected answer: {left:?}");

    // The samples also have effects.
    let sample = "a07ce246-e3c8-8497-86e5-265e1d9cc33e";
    for version in 1..=4 {
        for event in system.wait_for_events(sample, version).await {
            assert_valid(event["detail-type"].as_str().unwrap(), &event["detail"]);
        }
    }
    let differences =
        system.events().await.into_iter().filter(|event| event["detail-type"] == "ReconciliationDifferenceFound");
    let [difference] = &differences.collect::<Vec<_>>()[..] else { panic!("one sample of a difference") };
    assert_valid("ReconciliationDifferenceFound", &difference["detail"]);
    Examples::default().assert("events/difference-found", difference);
    let texts = system.wait_for_texts("+27831234567", 2).await;
    for text in
        ["The 10045 has been canceled by the Agent", "Thank you. We received your payment of R250.00 for order 10045."]
    {
        assert!(texts.iter().any(|found| found == text), "{text}: {texts:?}");
    }
    assert!(
        !texts.iter().any(|text| text.contains("https://pay.example.com")),
        "an expired link is not sent: {texts:?}"
    );
    system.stop().await;
}
