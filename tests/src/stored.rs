//! Many stored requests within seconds: real items, written once by the handlers, repeated with other keys and times.

use crate::handlers::Handlers;
use domain::{Clock as _, Doors, LinkToken, PaymentRequestId, SystemRandomness, Timestamp};
use dynoxide::{AttributeValue, Database, ImportOptions, Item};
use serde_json::json;
use std::time::Duration;

/// The number of items in one transaction.
const AT_ONCE: usize = 5_000;

/// The number of agents whose requests are stored, `alice` among them.
const AGENTS: usize = 20;

/// The partitions of the index `due` for deadlines.
const DEADLINE_SHARDS: u8 = 16;

/// The times that an item holds in milliseconds.
const MOMENTS: [&str; 3] = ["link_until", "due_at", "updated_at"];

/// A request as the handlers wrote it, and when it was created.
#[derive(Clone)]
struct Sample {
    item: Item,
    created_at: Timestamp,
}

impl Sample {
    async fn of(handlers: &Handlers, id: &str) -> Self {
        let created_at = handlers.stored(id).await.created_at;
        let key = json!({ "TableName": local::dynamodb::TABLE_NAME, "Key": { "pk": { "S": format!("REQ#{id}") } } });
        let item = handlers.database.database.get_item(serde_json::from_value(key).unwrap()).unwrap().item.unwrap();
        Self { item, created_at }
    }
}

/// Stores requests of the workspace `acme`, directly into the embedded database.
pub struct Stored {
    samples: Vec<Sample>,
    made: usize,
}

impl Stored {
    /// Lets the handlers of a machine of its own write the samples: ended requests. Of twenty, eleven are paid, four
    /// were not clicked, three not paid and two canceled.
    pub async fn new() -> Self {
        let handlers = Handlers::start().await;
        let (paid, _) = handlers.clicked().await;
        assert_eq!(handlers.pay(&paid, domain::SystemClock.now()).await.status, 200);
        let (canceled, _) = handlers.sent().await;
        assert_eq!(handlers.cancel(&canceled).await.status, 200);
        let ((unclicked, _), (unpaid, _)) = (handlers.sent().await, handlers.clicked().await);
        for id in [&unclicked, &unpaid] {
            let deadline = handlers.stored(id).await.deadline;
            let failed = handlers.at(deadline.saturating_add(Duration::from_secs(1))).link_removed(id).await;
            assert_eq!(failed["batchItemFailures"], json!([]));
        }
        let mut samples = Vec::new();
        for (id, times) in [(&paid, 11), (&unclicked, 4), (&unpaid, 3), (&canceled, 2)] {
            let sample = Sample::of(&handlers, id).await;
            samples.extend((0..times).map(|_| sample.clone()));
        }
        Self { samples, made: 0 }
    }

    /// Lets the handlers of a machine of its own write the sample: a request that nobody has clicked, with a link that
    /// lasts five minutes.
    pub async fn sent() -> Self {
        let handlers = Handlers::start().await;
        let (sent, _) = handlers.sent().await;
        Self { samples: vec![Sample::of(&handlers, &sent).await], made: 0 }
    }

    /// Stores this many requests, created at equal distances from `from` until before `to`. Half of them are Alice's.
    pub fn add(&mut self, database: &Database, count: usize, from: Timestamp, to: Timestamp) {
        let span = to.saturating_duration_since(from).as_millis();
        let mut items = Vec::new();
        for number in 0..count {
            let later = span * u128::try_from(number).unwrap() / u128::try_from(count).unwrap();
            let created_at = from.saturating_add(Duration::from_millis(u64::try_from(later).unwrap()));
            items.push(self.next(created_at));
            if items.len() == AT_ONCE || number + 1 == count {
                let table = local::dynamodb::TABLE_NAME;
                database.import_items(table, std::mem::take(&mut items), ImportOptions::default()).unwrap();
            }
        }
    }

    /// Builds the item of the next request.
    fn next(&mut self, created_at: Timestamp) -> Item {
        self.made += 1;
        let number = self.made;
        let doors = Doors::new(crate::FixedClock(created_at), SystemRandomness);
        let id = PaymentRequestId::new(&doors).unwrap();
        // In steps of seven, so that every agent has requests of every end.
        let Sample { item, created_at: sampled_at } = &self.samples[number * 7 % self.samples.len()];
        let mut item = item.clone();
        let later = created_at.as_milliseconds() - sampled_at.as_milliseconds();
        let others = number / 2 % (AGENTS - 1);
        let agent = if number.is_multiple_of(2) { "alice".to_owned() } else { format!("agent-{others}") };
        let mut set = |name: &str, value: String| item.insert(name.to_owned(), AttributeValue::S(value));
        set("pk", format!("REQ#{id}"));
        set("created", format!("{created_at}#{id}"));
        set("workspace_month", format!("acme#{}", created_at.month()));
        set("workspace_agent", format!("acme#{agent}"));
        set("token", LinkToken::random(&doors).unwrap().reveal());
        set("order_number", number.to_string());
        set("phone", format!("+2783{:07}", 1_000_000 + number % 8_000_000));
        if let Some(AttributeValue::M(fields)) = item.get_mut("agent") {
            fields.insert("name".to_owned(), AttributeValue::S(agent.clone()));
            fields.insert("id".to_owned(), AttributeValue::S(agent));
        }
        for name in MOMENTS {
            item.entry(name.to_owned()).and_modify(|moment| shift(moment, later));
        }
        let shard = id.as_bytes().last().unwrap() % DEADLINE_SHARDS;
        item.entry("due_shard".to_owned()).and_modify(|number| *number = AttributeValue::N(shard.to_string()));
        item.entry("ttl".to_owned()).and_modify(|ttl| shift(ttl, later / 1_000));
        if let Some(AttributeValue::L(history)) = item.get_mut("history") {
            for entry in history {
                let AttributeValue::M(entry) = entry else { panic!("no history entry: {entry:?}") };
                entry.entry("at".to_owned()).and_modify(|at| shift(at, later));
            }
        }
        item
    }
}

/// Adds to a number.
fn shift(number: &mut AttributeValue, by: i64) {
    let AttributeValue::N(text) = number else { panic!("no number: {number:?}") };
    *text = (text.parse::<i64>().unwrap() + by).to_string();
}
