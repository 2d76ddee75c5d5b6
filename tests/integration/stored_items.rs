//! A stored item that cannot be read costs nobody else anything. Each attribute of a request is taken away, given
//! another type, and given a value that this version does not know; and items lie about that are no requests at all.

use aws_sdk_dynamodb::types::AttributeValue;
use runtime::Function;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tests::bus::Bus;
use tests::handlers::{HandlerAnswer, Handlers};
use tests::log::Log;

type Item = HashMap<String, AttributeValue>;

const PHONE: &str = "27831234567";

/// The attributes that are keys of an index. DynamoDB takes no other type for them.
const INDEX_KEYS: [&str; 5] = ["due_shard", "due_at", "workspace_agent", "workspace_month", "created"];

/// The attributes without which a request can still be read.
const NOT_NEEDED: [&str; 13] = [
    "updated_at",
    "due_shard",
    "workspace_agent",
    "workspace_month",
    "operations",
    "facts",
    "customer_name",
    "description",
    "conversation_id",
    "metadata",
    "checkout_id",
    "payment",
    "fingerprint",
];

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

/// Returns an attribute as it stands in a stream record.
fn image_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(image_of).collect::<Vec<_>>() }),
        AttributeValue::M(values) => json!({ "M": image(values) }),
        other => panic!("no request holds {other:?}"),
    }
}

fn image(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), image_of(value))).collect()
}

/// Builds the stream record of a request that was just stored.
fn inserted(item: &Item) -> Value {
    json!({ "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "dynamodb": { "ApproximateCreationDateTime": 1.0, "SequenceNumber": "1",
        "SizeBytes": 100, "StreamViewType": "NEW_AND_OLD_IMAGES", "Keys": { "pk": image_of(&item["pk"]) },
        "NewImage": image(item) } })
}

/// A system in which one item after the other is damaged.
struct Table {
    handlers: Arc<Handlers>,
    bus: Bus,
    publish: Box<dyn Function>,
    log: Log,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Table {
    async fn start() -> Self {
        let handlers = Handlers::start().await;
        let bus = Bus::start().await;
        let (log, subscriber) = Log::of_this_thread();
        Self { publish: bus.publisher(handlers.environment()), _subscriber: subscriber, handlers, bus, log }
    }

    /// Returns what was logged since the last call.
    fn logged(&self) -> String {
        self.log.take()
    }

    /// Creates a request that has every attribute, and returns its identifier and its item.
    async fn everything(&self) -> (String, Item) {
        let created = self.handlers.create(Some(&uuid::Uuid::new_v4().to_string())).await;
        let id = created.body["id"].as_str().unwrap().to_owned();
        let token = created.body["link"]["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        assert_eq!(self.handlers.click(&token).await.status, 303);
        let mut item = self.handlers.item(&format!("REQ#{id}")).await;
        item.insert("facts".to_owned(), AttributeValue::Ss(vec!["seen:on:the:moon".to_owned()]));
        let payment = [("provider", "sandbox"), ("reference", "pay_1"), ("paid_at", "2026-01-05T10:00:00.000Z")];
        let payment = payment.map(|(name, value)| (name.to_owned(), text(value))).into();
        item.insert("payment".to_owned(), AttributeValue::M(payment));
        // Due, so that `expire` meets it.
        item.insert("due_at".to_owned(), number("1767607500000"));
        (id, item)
    }

    /// Creates a request that nobody clicked and whose deadline has passed.
    async fn overdue(&self) -> String {
        let (id, _) = self.handlers.sent().await;
        self.handlers.let_pass(&id, Duration::from_secs(10)).await;
        id
    }

    /// Asserts that everything goes on for another request while this item is in the table.
    async fn goes_on_beside(&self, item: &Item, case: &str) {
        let (good, handlers) = (self.overdue().await, &self.handlers);
        for role in ["agent", "supervisor"] {
            let list = handlers.list(role).await;
            assert_eq!(list.status, 200, "{case}: {list:?}");
            assert!(ids(&list).contains(&good), "{case}: {list:?}");
        }
        let report = handlers.report_on_agents().await;
        assert_eq!(report.status, 200, "{case}: {report:?}");
        assert!(report.body["total"]["sent"].as_u64().unwrap() >= 1, "{case}: {report:?}");
        // It panics if the run fails.
        handlers.expire_what_is_due().await;
        assert_eq!(handlers.stored(&good).await.status, domain::Status::Expired, "{case}");
        if item["pk"].as_s().unwrap().starts_with("REQ#") {
            let behind = handlers.item(&format!("REQ#{good}")).await;
            let records = json!({ "Records": [inserted(item), inserted(&behind)] });
            let answer: Value =
                serde_json::from_str(&self.publish.invoke(&records.to_string()).await.unwrap()).unwrap();
            assert_eq!(answer["batchItemFailures"], json!([]), "{case}: it blocks the shard");
            let taken = self.bus.accepted();
            assert!(taken.iter().any(|entry| entry["Detail"]["id"] == good.as_str()), "{case}: {taken:?}");
        }
    }

    /// Stores a damaged item, asserts that everything goes on, and returns whether the request itself can be read.
    async fn readable(&self, id: &str, item: &Item, case: &str) -> bool {
        self.logged();
        self.handlers.put_item(item.clone()).await;
        let read = self.handlers.get(id).await;
        let readable = match read.status {
            200 => true,
            503 => {
                assert_eq!(read.code(), "temporarily_unavailable", "{case}: {read:?}");
                assert_eq!(read.headers["retry-after"], "1", "{case}: {read:?}");
                let log = self.logged();
                assert!(log.contains("StoredItemUnreadable"), "{case} is not counted: {log}");
                assert!(log.contains(&format!("REQ#{id}")), "{case} is logged without its key: {log}");
                false
            }
            _ => panic!("{case}: {read:?}"),
        };
        self.goes_on_beside(item, case).await;
        // What is asked of the request itself is answered, now or later.
        for answer in [self.handlers.cancel(id).await, self.handlers.fail_attempt(id, case).await] {
            assert!(matches!(answer.status, 200 | 409 | 503), "{case}: {answer:?}");
            assert!(!readable || answer.status != 503, "{case}: {answer:?}");
        }
        let log = self.logged();
        assert_eq!(log.contains("StoredItemUnreadable"), !readable, "{case}: {log}");
        for secret in [PHONE, item.get("token").and_then(|token| token.as_s().ok()).map_or("-----", String::as_str)] {
            assert!(!log.contains(secret), "{case}: {secret} in {log}");
        }
        self.handlers.delete_item(&format!("REQ#{id}")).await;
        readable
    }
}

fn ids(list: &HandlerAnswer) -> Vec<String> {
    let items = list.body["items"].as_array().unwrap();
    items.iter().map(|request| request["id"].as_str().unwrap().to_owned()).collect()
}

/// Returns a value of another type, which says what it can about the customer.
fn of_another_type(value: &AttributeValue) -> AttributeValue {
    match value {
        AttributeValue::S(_) => number(PHONE),
        _ => text(&format!("+{PHONE}")),
    }
}

#[tokio::test]
async fn a_request_without_one_of_its_attributes_costs_nobody_else_anything() {
    let table = Table::start().await;
    let (_, complete) = table.everything().await;
    let mut names: Vec<&String> = complete.keys().filter(|name| *name != "pk").collect();
    names.sort();
    for name in names {
        let (id, mut item) = table.everything().await;
        item.remove(name).unwrap();
        let readable = table.readable(&id, &item, &format!("without {name}")).await;
        assert_eq!(readable, NOT_NEEDED.contains(&name.as_str()), "without {name}");
    }
}

#[tokio::test]
async fn a_request_with_an_attribute_of_another_type_costs_nobody_else_anything() {
    let table = Table::start().await;
    let (_, complete) = table.everything().await;
    let mut names: Vec<&String> =
        complete.keys().filter(|name| *name != "pk" && !INDEX_KEYS.contains(&name.as_str())).collect();
    names.sort();
    for name in names {
        let (id, mut item) = table.everything().await;
        item.insert(name.clone(), of_another_type(&item[name]));
        let readable = table.readable(&id, &item, &format!("{name} of another type")).await;
        assert!(!readable, "{name} of another type");
    }
}

/// Replaces an attribute of the last entry of the history.
fn last_entry(item: &mut Item, name: &str, value: Option<AttributeValue>) {
    let Some(AttributeValue::L(history)) = item.get_mut("history") else { panic!("no history") };
    let Some(AttributeValue::M(entry)) = history.last_mut() else { panic!("no entry") };
    match value {
        Some(value) => entry.insert(name.to_owned(), value),
        None => entry.remove(name),
    };
}

/// A change of an item, whether the request can then be read, and what it is called.
type Case = (&'static str, bool, fn(&mut Item));

fn set(item: &mut Item, name: &str, value: AttributeValue) {
    item.insert(name.to_owned(), value);
}

const UNKNOWN: &[Case] = &[
    ("a status of another version", false, |item| set(item, "status", text("on_hold"))),
    ("a currency of another version", false, |item| set(item, "currency", text("XQQ"))),
    ("an amount below the least", false, |item| set(item, "amount", number("0"))),
    ("an amount with decimals", false, |item| set(item, "amount", number("2.5"))),
    ("an amount beyond every number", false, |item| set(item, "amount", number("1E+60"))),
    ("a phone of another form", false, |item| set(item, "phone", text("083 123 4567"))),
    ("a token of another form", false, |item| set(item, "token", text("short"))),
    ("a time beyond every calendar", false, |item| set(item, "due_at", number("-9E+17"))),
    ("a link's deadline beyond every calendar", false, |item| set(item, "link_until", number("9E+17"))),
    ("a creation that is none", false, |item| set(item, "created", text("2026-11-26T00:00:00.000Z#none"))),
    ("a workspace with a separator", false, |item| set(item, "workspace", text("acme#alice"))),
    ("an agent without a name", false, |item| {
        set(item, "agent", AttributeValue::M([("id".to_owned(), text("alice"))].into()));
    }),
    ("a status in the history", false, |item| last_entry(item, "status", Some(text("on_hold")))),
    ("an actor in the history", false, |item| last_entry(item, "actor", Some(text("robot")))),
    ("an actor's identifier in the history", false, |item| last_entry(item, "actor_id", Some(number("7")))),
    ("an entry without a time", false, |item| last_entry(item, "at", None)),
    ("an entry with more than is known", true, |item| last_entry(item, "mood", Some(text("good")))),
    ("a payment without a reference", false, |item| {
        set(item, "payment", AttributeValue::M([("provider".to_owned(), text("sandbox"))].into()));
    }),
    ("a fact of another version", true, |item| {
        set(item, "facts", AttributeValue::Ss(vec!["claimed:one:two:three".to_owned(), "a:b".to_owned()]));
    }),
    ("an attribute of another version", true, |item| set(item, "mode", text("live"))),
    ("another index key", true, |item| set(item, "workspace_month", text("acme#once"))),
    ("another shard", true, |item| set(item, "due_shard", number("99"))),
    ("NULL for what is optional", true, |item| set(item, "description", AttributeValue::Null(true))),
    ("NULL for what is needed", false, |item| set(item, "order_number", AttributeValue::Null(true))),
    ("NULL for what changes write to", false, |item| set(item, "updated_at", AttributeValue::Null(true))),
    ("NULL for a set", false, |item| set(item, "facts", AttributeValue::Null(true))),
    ("a list for a set", false, |item| {
        set(item, "operations", AttributeValue::L(vec![text("a")]));
    }),
    ("truth for a text", false, |item| set(item, "conversation_id", AttributeValue::Bool(true))),
];

#[tokio::test]
async fn a_request_with_what_this_version_does_not_know_costs_nobody_else_anything() {
    let table = Table::start().await;
    for (case, expected, damage) in UNKNOWN {
        let (id, mut item) = table.everything().await;
        damage(&mut item);
        assert_eq!(table.readable(&id, &item, case).await, *expected, "{case}");
    }
}

#[tokio::test]
async fn an_item_that_is_no_request_costs_nobody_anything() {
    let table = Table::start().await;
    let (id, _) = table.handlers.sent().await;
    let request = table.handlers.item(&format!("REQ#{id}")).await;
    let created = request["created"].as_s().unwrap().clone();
    let in_the_lists = |created: &str| {
        [
            ("workspace_agent", request["workspace_agent"].clone()),
            ("workspace_month", request["workspace_month"].clone()),
            ("created", text(created)),
        ]
    };
    let due = [("due_shard", number("3")), ("due_at", number("1767607500000"))];
    for (pk, attributes) in [
        ("LINK#4ZrjxzUmPJr1kqZ1VqVQ7k", &due[..]),
        ("REQ#not-an-identifier", &due),
        ("somebody@example.com", &due),
        ("LINK#5ZrjxzUmPJr1kqZ1VqVQ7k", &in_the_lists(&created)),
        ("REQ#019b8d2f-0000-7000-8000-000000000009", &in_the_lists(&created)),
        ("REQ#019b8d2f-0000-7000-8000-00000000000a", &in_the_lists(&format!("{created}x"))),
        ("STRAY#1", &in_the_lists(&created.replace('#', "~"))),
    ] {
        let mut item: Item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        item.insert("pk".to_owned(), text(pk));
        table.handlers.put_item(item.clone()).await;
        table.logged();
        table.goes_on_beside(&item, pk).await;
        let log = table.logged();
        assert!(log.contains("StoredItemUnreadable") && log.contains("stored item left out"), "{pk}: {log}");
        for secret in ["ZrjxzUmPJr1kqZ1VqVQ7k", "not-an-identifier", "somebody@example.com"] {
            assert!(!log.contains(secret), "{pk}: {log}");
        }
    }
}

/// Stray keys and unreadable items make pages shorter and end no list.
#[tokio::test]
async fn page_after_page_shows_every_readable_request_once() {
    let table = Table::start().await;
    let mut readable = Vec::new();
    for place in 0..12 {
        let (id, _) = table.handlers.sent().await;
        let mut item = table.handlers.item(&format!("REQ#{id}")).await;
        match place % 4 {
            1 => {
                set(&mut item, "status", text("on_hold"));
                table.handlers.put_item(item).await;
            }
            2 => {
                // Three keys in a row that are no positions, between this request and its neighbours.
                for stray in ["a", "b", "c"] {
                    let mut stray_item = item.clone();
                    let created = format!("{}{stray}", item["created"].as_s().unwrap());
                    set(&mut stray_item, "created", text(&created));
                    set(&mut stray_item, "pk", text(&format!("STRAY#{place}{stray}")));
                    stray_item.remove("due_shard");
                    table.handlers.put_item(stray_item).await;
                }
                readable.push(id);
            }
            _ => readable.push(id),
        }
    }
    readable.reverse();
    for role in ["agent", "supervisor"] {
        for limit in [1, 2, 3, 5, 100] {
            let (mut found, mut query) = (Vec::new(), format!("limit={limit}"));
            for _ in 0..20 {
                let page = table.handlers.list_page(role, &query).await;
                assert_eq!(page.status, 200, "{page:?}");
                assert!(ids(&page).len() <= limit);
                found.extend(ids(&page));
                let Some(cursor) = page.body["next_cursor"].as_str() else { break };
                query = format!("limit={limit}&cursor={cursor}");
            }
            assert_eq!(found, readable, "{role}, {limit} at a time");
        }
    }
    assert_eq!(table.handlers.report_on_agents().await.body["total"]["sent"], readable.len());
}
