//! The events of the table's stream
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>), and the items in their records.
//!
//! Records are read one by one, and of each only what is needed: a record that cannot be read costs no other.

use super::keys::{DIFFERENCE, LINK, REQUEST, request_of_key};
use super::read::{self, Unreadable};
use domain::ports::{Link, Position};
use domain::sums::{Period, SummedHour};
use domain::{Agent, Difference, Money, PaymentRequest, PaymentRequestId, Status, Timestamp, WorkspaceId};
use runtime::json::{self, Document, Object};
use serde_dynamo::{AttributeValue, Item};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

/// The principal that DynamoDB names for the removal of an item whose time to live is over
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html>).
const TIME_TO_LIVE: &str = "dynamodb.amazonaws.com";

/// A record: the change of one item.
#[derive(Debug, Clone, Default)]
pub struct StreamRecord {
    /// The record's place in the stream; empty if it cannot be read.
    pub sequence_number: String,
    /// The stream.
    pub event_source_arn: Option<String>,
    /// Whether the item was removed.
    pub removed: bool,
    /// Whether the item was removed because its time to live was over.
    pub removed_by_time_to_live: bool,
    /// The item after the change; empty if there is none.
    pub new_image: Item,
    /// The item before the change; empty if there was none.
    pub old_image: Item,
    key: Option<String>,
}

/// The kind of an item, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A payment request.
    Request,
    /// A link.
    Link,
    /// A difference that a reconciliation found.
    Difference,
    /// An item of another version, which is none of these.
    Other,
    /// An item of which nothing is known, because its key cannot be read.
    Unreadable,
}

/// The error for a record that cannot be read. Its text names attributes, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record's key or image is missing or has another form.
    #[error("the record's key or image is missing or has another form")]
    Form,
    /// The item in an image cannot be read.
    #[error(transparent)]
    Item(#[from] Unreadable),
}

/// Reads the records of an event; `None` if it is not an event of a stream.
///
/// # Errors
/// The event is not a JSON object, or its records are not a list.
pub fn records(event: &str) -> Result<Option<Vec<StreamRecord>>, json::Unreadable> {
    let document = Document::new(event.as_bytes());
    let event = document.object()?;
    if event.raw("Records").is_none() {
        return Ok(None);
    }
    let records: Vec<&RawValue> = event.required("Records")?;
    Ok(Some(records.into_iter().map(record).collect()))
}

fn record(raw: &RawValue) -> StreamRecord {
    let record = Object::of(raw).unwrap_or_default();
    let change = record.object("dynamodb").unwrap_or_default();
    let user = record.object("userIdentity").and_then(|user| user.optional::<String>("principalId"));
    let removed = record.optional::<String>("eventName").as_deref() == Some("REMOVE");
    StreamRecord {
        sequence_number: sequence_number(&change),
        event_source_arn: record.optional("eventSourceARN"),
        removed,
        removed_by_time_to_live: removed && user.as_deref() == Some(TIME_TO_LIVE),
        new_image: item(&change, "NewImage"),
        old_image: item(&change, "OldImage"),
        key: change.object("Keys").and_then(|keys| keys.object("pk")?.optional("S")),
    }
}

/// Reads the record's place, a number in decimal digits. Any other text counts as unreadable, because the place is
/// logged.
fn sequence_number(change: &Object<'_>) -> String {
    let text = change.optional::<String>("SequenceNumber");
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or_default()
}

/// Reads an item. An attribute that cannot be read becomes a value that no attribute of ours can have. So it is an
/// error where it is needed, and nowhere else.
fn item(change: &Object<'_>, name: &str) -> Item {
    let read = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| unreadable());
    let attributes: HashMap<String, AttributeValue> = match change.raw(name).map(Object::of) {
        None => HashMap::new(),
        Some(Some(attributes)) => attributes.iter().map(|(name, raw)| (name.to_owned(), read(raw))).collect(),
        // An image that is no object must not pass for one that is not there.
        Some(None) => HashMap::from([(name.to_owned(), unreadable())]),
    };
    attributes.into()
}

fn unreadable() -> AttributeValue {
    AttributeValue::Bs(Vec::new())
}

impl StreamRecord {
    /// Returns the kind of the record's item.
    #[must_use]
    pub fn kind(&self) -> ItemKind {
        match self.key.as_deref() {
            Some(key) if request_of_key(key).is_some() => ItemKind::Request,
            Some(key) if key.starts_with(LINK) => ItemKind::Link,
            Some(key) if key.starts_with(DIFFERENCE) => ItemKind::Difference,
            Some(key) if !key.starts_with(REQUEST) => ItemKind::Other,
            Some(_) | None => ItemKind::Unreadable,
        }
    }

    /// Returns the hours whose sums include the record's request: that in which it was created, by either image. None
    /// if neither tells the hour, of any other item, and of a request that the time to live removed: no sum is valid
    /// for longer than its requests are there.
    #[must_use]
    pub fn summed_hours(&self) -> BTreeSet<SummedHour> {
        if self.kind() != ItemKind::Request || self.removed_by_time_to_live {
            return BTreeSet::new();
        }
        [&self.old_image, &self.new_image].into_iter().filter_map(summed_hour).collect()
    }

    /// Returns whether the record changes what a report shows of its request, or until when the request is there.
    #[must_use]
    pub fn alters_sums(&self) -> bool {
        Reported::of(&self.old_image) != Reported::of(&self.new_image)
    }

    /// Returns the keys of a request's item, for an operator who has to find it; `None` for any other item, whose key
    /// may be a link's token.
    #[must_use]
    pub fn request_keys(&self) -> Option<Value> {
        let key = self.key.as_deref()?;
        request_of_key(key).map(|_| json!({ "pk": { "S": key } }))
    }
}

/// What a report shows of a request, and when the request is deleted.
#[derive(PartialEq)]
struct Reported {
    workspace: WorkspaceId,
    agent: Agent,
    money: Money,
    created_at: Timestamp,
    status: Status,
    is_clicked: bool,
    deleted_from: Option<AttributeValue>,
}

impl Reported {
    /// Returns `None` for no item, and for one that cannot be read: a report leaves it out.
    fn of(image: &Item) -> Option<Self> {
        let deleted_from = image.get("ttl").cloned();
        let request = request_of_image(image.clone()).ok()??;
        Some(Self {
            is_clicked: request.history.iter().any(|entry| entry.status == Status::Clicked),
            workspace: request.workspace,
            agent: request.agent,
            money: request.details.money,
            created_at: request.created_at,
            status: request.status,
            deleted_from,
        })
    }
}

/// Reads the hour in which the request in an image was created, even if nothing else can be read.
fn summed_hour(image: &Item) -> Option<SummedHour> {
    let text = |name: &str| match image.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    let Position { created_at, .. } = text("created")?.parse().ok()?;
    Some(SummedHour { workspace: text("workspace")?.parse().ok()?, hour: Period::hour_of(created_at) })
}

/// Reads the payment request in an image; `None` for an empty image, which a record has if no item existed.
///
/// # Errors
/// [`Unreadable`]
pub fn request_of_image(image: Item) -> Result<Option<PaymentRequest>, Unreadable> {
    if image.is_empty() { Ok(None) } else { read::payment_request(image.into_inner()).map(Some) }
}

/// Reads the request that the link in an image led to.
///
/// # Errors
/// [`Unreadable`]
pub fn target_of_link(image: Item) -> Result<PaymentRequestId, Unreadable> {
    read::target_of_link(image.into_inner())
}

/// Reads the link in an image.
///
/// # Errors
/// [`Unreadable`]
pub fn link_of_image(image: Item) -> Result<Link, Unreadable> {
    read::link(image.into_inner())
}

/// Reads the difference in an image.
///
/// # Errors
/// [`Unreadable`]
pub fn difference_of_image(image: Item) -> Result<Difference, Unreadable> {
    read::difference(image.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSERTED: &str = include_str!("../../../../events/samples/publish/inserted.json");
    const REMOVED: &str = include_str!("../../../../events/samples/expire/link-removed.json");

    fn sample(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn read(event: &Value) -> Vec<StreamRecord> {
        records(&event.to_string()).unwrap().unwrap()
    }

    #[test]
    fn a_record_is_read_whatever_else_is_in_it() {
        let expected = request_of_image(read(&sample(INSERTED)).remove(0).new_image).unwrap().unwrap();
        for (place, value) in [
            ("/Records/0/dynamodb/StreamViewType", json!("NEW_AND_OLDER_IMAGES")),
            ("/Records/0/dynamodb/ApproximateCreationDateTime", json!("2026-01-05")),
            ("/Records/0/dynamodb/SizeBytes", json!([null])),
            ("/Records/0/eventVersion", json!(2)),
            ("/Records/0/awsRegion", Value::Null),
            ("/Records/0/eventID", json!({})),
            ("/Records/0/eventName", json!("INSERTED")),
            ("/Records/0/dynamodb/NewImage/due_shard", json!({ "N": "14", "X": "1" })),
            ("/Records/0/dynamodb/NewImage/of_a_newer_version", json!({ "VECTOR": [1, 2] })),
        ] {
            let mut event = sample(INSERTED);
            match event.pointer_mut(place) {
                Some(found) => *found = value,
                None => event["Records"][0]["dynamodb"]["NewImage"]["of_a_newer_version"] = value,
            }
            let [record] = &read(&event)[..] else { panic!("one record") };
            assert_eq!(record.kind(), ItemKind::Request, "{place}");
            assert_eq!(record.sequence_number, "400000000000000000001", "{place}");
            match request_of_image(record.new_image.clone()) {
                Ok(request) => assert_eq!(request.as_ref(), Some(&expected), "{place}"),
                Err(error) => assert!(place.ends_with("due_shard"), "{place}: {error}"),
            }
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_costs_no_other() {
        for spoiled in [
            json!("+27831234567"),
            Value::Null,
            json!({}),
            json!({ "dynamodb": { "Keys": { "pk": { "S": 7 } }, "NewImage": "+27831234567" } }),
            json!({ "dynamodb": { "Keys": { "pk": { "S": "REQ#+27831234567" } } } }),
            json!({ "dynamodb": { "SequenceNumber": "4ZrjxzUmPJr1kqZ1VqVQ7k" } }),
        ] {
            let mut event = sample(INSERTED);
            event["Records"].as_array_mut().unwrap().insert(0, spoiled.clone());
            let [broken, whole] = &read(&event)[..] else { panic!("two records") };
            assert_eq!((broken.kind(), whole.kind()), (ItemKind::Unreadable, ItemKind::Request), "{spoiled}");
            assert_eq!((broken.request_keys(), broken.sequence_number.as_str()), (None, ""));
        }
        let [record] = &read(&json!({ "Records": [{ "dynamodb": { "NewImage": "text" } }] }))[..] else { panic!() };
        assert!(request_of_image(record.new_image.clone()).is_err(), "not a missing image");
    }

    #[test]
    fn the_key_tells_the_kind_and_a_links_key_is_never_shown() {
        let [removed] = &read(&sample(REMOVED))[..] else { panic!("one record") };
        assert!(removed.removed_by_time_to_live && removed.removed);
        assert_eq!((removed.kind(), removed.request_keys()), (ItemKind::Link, None));
        let mut event = sample(REMOVED);
        event["Records"][0]["dynamodb"]["Keys"]["pk"]["S"] = json!("CONNECTION#1");
        assert_eq!(read(&event)[0].kind(), ItemKind::Other);
        assert!(records("{}").unwrap().is_none(), "not a stream's event");
        assert_eq!(records(r#"{"Records": []}"#).unwrap().unwrap().len(), 0);
        assert!(records("null").is_err() && records(r#"{"Records": 7}"#).is_err());
    }
}
