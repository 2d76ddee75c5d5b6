//! The stream's changes are published as events. Each entry has its own result, the events of a request stay in order,
//! and a change that can never become an event blocks nothing.

use runtime::Function;
use serde_json::{Value, json};
use std::sync::Arc;
use tests::bus::Bus;
use tests::examples::Examples;
use tests::handlers::Handlers;
use tests::log::Log;

const IDS: [&str; 3] = [
    "019b8d2f-0000-7000-8000-000000000001",
    "019b8d2f-0000-7000-8000-000000000002",
    "019b8d2f-0000-7000-8000-000000000003",
];

struct Publisher {
    /// Has the database in which sums are dropped.
    _handlers: Arc<Handlers>,
    bus: Bus,
    function: Box<dyn Function>,
}

impl Publisher {
    async fn start() -> Self {
        let (handlers, bus) = (Handlers::start().await, Bus::start().await);
        Self { function: bus.publisher(handlers.environment()), _handlers: handlers, bus }
    }

    /// Hands records to `publish`, and returns the sequence number from which the stream has to deliver again.
    async fn publish(&self, records: &[Value]) -> Option<String> {
        let answer = self.function.invoke(&json!({ "Records": records }).to_string()).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        assert!(failures.len() <= 1, "at most one failed record is reported: {failures:?}");
        failures.first().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
    }

    fn event_ids(&self) -> Vec<String> {
        let accepted = self.bus.accepted();
        accepted.iter().map(|entry| entry["Detail"]["event_id"].as_str().unwrap_or("dead letter").to_owned()).collect()
    }
}

/// Builds the item of a request with this many history entries: sent, clicked, an attempt failed, paid.
fn image(id: &str, version: usize) -> Value {
    let entry = |status: &str, actor: &str, at: u64| {
        let at = at.to_string();
        json!({ "M": { "status": { "S": status }, "actor": { "S": actor }, "at": { "N": at } } })
    };
    let history = [
        entry("sent", "system", 1_767_607_200_000),
        entry("clicked", "customer", 1_767_607_210_000),
        entry("clicked", "provider", 1_767_607_220_000),
        entry("paid", "provider", 1_767_607_230_000),
    ];
    let status = ["sent", "clicked", "clicked", "paid"][version - 1];
    json!({
        "pk": { "S": format!("REQ#{id}") }, "status": { "S": status }, "version": { "N": version.to_string() },
        "workspace": { "S": "acme" }, "agent": { "M": { "id": { "S": "alice" }, "name": { "S": "Alice" } } },
        "order_number": { "S": "10045" }, "amount": { "N": "25000" }, "currency": { "S": "ZAR" },
        "phone": { "S": "+27831234567" }, "token": { "S": "4ZrjxzUmPJr1kqZ1VqVQ7k" },
        "link_until": { "N": "1767607500000" }, "due_at": { "N": "1767607500000" }, "due_shard": { "N": "1" },
        "history": { "L": history[..version] }, "operations": { "SS": ["a"] },
        "workspace_agent": { "S": "acme#alice" }, "workspace_month": { "S": "acme#2026-01" },
        "created": { "S": format!("2026-01-05T10:00:00.000Z#{id}") },
    })
}

fn record(sequence_number: usize, id: &str, old: Option<Value>, new: Option<Value>) -> Value {
    let name = match (&old, &new) {
        (None, _) => "INSERT",
        (_, None) => "REMOVE",
        _ => "MODIFY",
    };
    let mut change = json!({ "ApproximateCreationDateTime": 1.0, "SequenceNumber": sequence_number.to_string(),
        "SizeBytes": 100, "StreamViewType": "NEW_AND_OLD_IMAGES", "Keys": { "pk": { "S": format!("REQ#{id}") } } });
    if let Some(old) = old {
        change["OldImage"] = old;
    }
    if let Some(new) = new {
        change["NewImage"] = new;
    }
    json!({ "eventID": sequence_number.to_string(), "eventName": name, "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:1:table/chat2pay/stream/1", "dynamodb": change })
}

fn step(sequence_number: usize, id: &str, version: usize) -> Value {
    record(sequence_number, id, (version > 1).then(|| image(id, version - 1)), Some(image(id, version)))
}

#[tokio::test]
async fn every_history_entry_is_published_as_one_event_of_its_kind() {
    let publisher = Publisher::start().await;
    let records: Vec<Value> = (1..=4).map(|version| step(version, IDS[0], version)).collect();
    assert_eq!(publisher.publish(&records).await, None);
    let accepted = publisher.bus.accepted();
    assert_eq!(publisher.event_ids(), [1, 2, 3, 4].map(|version| format!("{}#{version}", IDS[0])));
    Examples::default().assert("events/entries", &json!(accepted));
}

#[tokio::test]
async fn a_write_that_adds_no_history_entry_publishes_no_event() {
    let publisher = Publisher::start().await;
    let mut with_checkout = image(IDS[0], 2);
    with_checkout["checkout_id"] = json!({ "S": "cs_1" });
    let link = json!({ "S": "LINK#4ZrjxzUmPJr1kqZ1VqVQ7k" });
    let records = [
        record(1, IDS[0], Some(image(IDS[0], 2)), Some(with_checkout)),
        record(2, IDS[0], Some(image(IDS[0], 4)), None),
        json!({ "eventID": "3", "eventName": "INSERT", "awsRegion": "us-east-1", "dynamodb": { "SequenceNumber": "3",
            "SizeBytes": 1, "Keys": { "pk": link }, "NewImage": { "pk": link } } }),
    ];
    assert_eq!(publisher.publish(&records).await, None);
    assert_eq!(publisher.bus.calls().len(), 0);
}

#[tokio::test]
async fn two_changes_in_one_stream_record_are_two_events() {
    let publisher = Publisher::start().await;
    assert_eq!(publisher.publish(&[record(1, IDS[0], Some(image(IDS[0], 1)), Some(image(IDS[0], 4)))]).await, None);
    assert_eq!(publisher.event_ids(), [2, 3, 4].map(|version| format!("{}#{version}", IDS[0])));
}

#[tokio::test]
async fn the_stream_delivers_again_from_the_record_of_a_rejected_entry() {
    let publisher = Publisher::start().await;
    let records: Vec<Value> = IDS.iter().enumerate().map(|(index, id)| step(index + 1, id, 1)).collect();
    let refused = format!("{}#1", IDS[1]);
    publisher.bus.refuse(&[&refused]);
    assert_eq!(publisher.publish(&records).await.as_deref(), Some("2"), "the call succeeded, the entry did not");
    publisher.bus.refuse(&[]);
    assert_eq!(publisher.publish(&records[1..]).await, None);
    assert!(publisher.event_ids().contains(&refused), "the rejected entry is published by the next delivery");
}

#[tokio::test]
async fn a_later_event_of_a_request_is_never_published_before_an_earlier_one() {
    let publisher = Publisher::start().await;
    let records = [step(1, IDS[0], 1), step(2, IDS[0], 2), step(3, IDS[1], 1), step(4, IDS[0], 3)];
    publisher.bus.refuse(&[&format!("{}#2", IDS[0])]);
    assert_eq!(publisher.publish(&records).await.as_deref(), Some("2"));
    assert!(!publisher.event_ids().contains(&format!("{}#3", IDS[0])), "{:?}", publisher.event_ids());
    for call in publisher.bus.calls() {
        let mut subjects: Vec<_> = call.iter().map(|entry| entry["Detail"]["id"].to_string()).collect();
        subjects.sort();
        subjects.dedup();
        assert_eq!(
            subjects.len(),
            call.len(),
            "entries of one call fail independently, so no call contains two entries of one request"
        );
    }
}

#[tokio::test]
async fn a_call_contains_at_most_ten_entries() {
    let publisher = Publisher::start().await;
    let ids: Vec<String> = (0..25).map(|n| format!("019b8d2f-0000-7000-8000-0000000001{n:02}")).collect();
    let records: Vec<Value> = ids.iter().enumerate().map(|(index, id)| step(index + 1, id, 1)).collect();
    assert_eq!(publisher.publish(&records).await, None);
    let sizes: Vec<usize> = publisher.bus.calls().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 5]);
}

#[tokio::test]
async fn nothing_counts_as_published_while_the_bus_is_down() {
    let publisher = Publisher::start().await;
    publisher.bus.set_down(true);
    assert_eq!(publisher.publish(&[step(1, IDS[0], 1), step(2, IDS[1], 1)]).await.as_deref(), Some("1"));
    publisher.bus.set_down(false);
    assert_eq!(publisher.publish(&[step(1, IDS[0], 1), step(2, IDS[1], 1)]).await, None);
    assert_eq!(publisher.event_ids().len(), 2);
}

#[tokio::test]
async fn a_missing_bus_is_an_error_and_loses_no_event() {
    let publisher = Publisher::start().await;
    publisher.bus.set_missing(true);
    assert_eq!(
        publisher.publish(&[step(1, IDS[0], 1)]).await.as_deref(),
        Some("1"),
        "PutEvents alone accepts entries for a missing bus"
    );
    assert!(publisher.event_ids().is_empty());
    publisher.bus.set_missing(false);
    assert_eq!(publisher.publish(&[step(1, IDS[0], 1)]).await, None);
    assert_eq!(publisher.event_ids().len(), 1);
}

#[tokio::test]
async fn an_invalid_record_goes_to_the_dead_letters_and_blocks_nothing() {
    let publisher = Publisher::start().await;
    let mut broken = image(IDS[0], 1);
    broken["amount"] = json!({ "S": "a lot" });
    let records = [step(1, IDS[1], 1), record(2, IDS[0], None, Some(broken)), step(3, IDS[2], 1)];
    assert_eq!(publisher.publish(&records).await, None);
    assert_eq!(publisher.event_ids(), [format!("{}#1", IDS[1]), "dead letter".into(), format!("{}#1", IDS[2])]);
    let accepted = publisher.bus.accepted();
    let mut letter = accepted[1].clone();
    letter["Time"] = json!("when it was written");
    Examples::default().assert("events/dead-letter", &letter);
    let text = accepted[1].to_string();
    assert!(
        !text.contains("+27831234567") && !text.contains("4Zrjxz"),
        "a dead letter contains no personal data and no secret: {text}"
    );
}

#[tokio::test]
async fn a_record_that_changed_only_facts_is_not_published() {
    let publisher = Publisher::start().await;
    let before = image(IDS[0], 1);
    let mut after = before.clone();
    after["operations"] = json!({ "SS": ["a", "3RTDXS7xWKqSj"] });
    after["facts"] = json!({ "SS": ["payment_failed:3RTDXS7xWKqSj"] });
    assert_eq!(publisher.publish(&[record(1, IDS[0], Some(before), Some(after))]).await, None);
    assert!(publisher.event_ids().is_empty());
}

#[tokio::test]
async fn a_failed_link_is_published_and_a_claim_to_its_message_is_not() {
    let publisher = Publisher::start().await;
    let sent = image(IDS[0], 1);
    let mut claimed = sent.clone();
    claimed["operations"] = json!({ "SS": ["a", "claimed", "run"] });
    claimed["facts"] = json!({ "SS": ["claimed:1", "claimed:1:run", "seen:by:a:later:release"] });
    let mut failed = claimed.clone();
    failed["version"] = json!({ "N": "2" });
    failed["history"]["L"].as_array_mut().unwrap().push(json!({ "M": { "status": { "S": "sent" },
        "actor": { "S": "system" }, "at": { "N": "1767607202000" }, "reason": { "S": "not_on_channel" } } }));
    let records =
        [record(1, IDS[0], Some(sent), Some(claimed.clone())), record(2, IDS[0], Some(claimed), Some(failed))];
    assert_eq!(publisher.publish(&records).await, None);
    let accepted = publisher.bus.accepted();
    crate::events::assert_valid("PaymentLinkDeliveryFailed", &accepted[0]["Detail"]);
    Examples::default().assert("events/link-delivery-failed-entry", &json!(accepted));
}

/// Counted here, a difference has its alarm also if the run that found it stopped right after it had stored it.
#[tokio::test]
async fn a_difference_is_counted_when_its_event_is_on_the_bus_and_not_before() {
    let publisher = Publisher::start().await;
    let sample = include_str!("../../events/samples/publish/difference.json");
    let records = serde_json::from_str::<Value>(sample).unwrap()["Records"].as_array().unwrap().clone();
    let counted = async || {
        let log = Log::default();
        let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        let _guard = tracing::subscriber::set_default(everything.with_writer(log.clone()).finish());
        let failed = publisher.publish(&records).await.is_some();
        (failed, log.take().matches("ReconciliationDifference\"").count())
    };
    assert_eq!(counted().await, (false, 1));
    publisher.bus.refuse(&[&publisher.event_ids()[0]]);
    assert_eq!(counted().await, (true, 0));
    publisher.bus.refuse(&[]);
    assert_eq!(counted().await, (false, 1));
}
