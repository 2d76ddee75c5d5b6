//! The items of the table: their keys, and their attributes.
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | endpoint | `WORKSPACE#<workspace>` | `ENDPOINT#<id>` |
//! | delivery | `ENDPOINT#<id>` | `EVENT#<payment request>#<version>`, or `EVENT#difference#<digest>` |
//!
//! A version has eight digits, so the deliveries of one payment request to one endpoint are beside each other, in their
//! order. The index `by_time` has a delivery's keys by the time of its event: `occurred`, `<time>#<event>`.
//!
//! An item that cannot be read is left out wherever many are read, and each time it is logged by its key and counted.
//! Where it was asked for, the call fails.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::event::DetailType;
use domain::ports::{DeliveryPlace, StoreError};
use domain::webhooks::{
    AttemptRecord, Claim, Delivery, DeliveryStatus, DeliverySummary, EndpointDescription, EndpointId, EndpointUrl,
    EventId, StoredSecret, Subscription, WebhookEndpoint, WebhookEvent,
};
use domain::{RunId, Timestamp, WorkspaceId};
use runtime::telemetry::{Metric, count};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
use std::collections::HashMap;

/// An item, or the key of an item.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The index of deliveries by the time of their events.
pub(super) const BY_TIME: &str = "by_time";

/// The error of a stored item that cannot be read. It names the item by its key, which holds no customer's data, and
/// shows no value.
#[derive(Debug, thiserror::Error)]
#[error("the stored item {key} cannot be read: an attribute is missing or holds an unknown value")]
pub(super) struct UnreadableItem {
    key: String,
}

impl UnreadableItem {
    fn of(item: &Item) -> Self {
        let part = |name| item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
        Self { key: format!("{} {}", part("pk"), part("sk")) }
    }

    /// Counts and logs the item, for a call that goes on without it.
    pub(super) fn leave_out(&self) {
        count(Metric::WebhookItemUnreadable);
        tracing::error!(key = self.key, "stored item left out: it cannot be read");
    }
}

/// Counts the item, for a call that asked for this very item.
impl From<UnreadableItem> for StoreError {
    fn from(error: UnreadableItem) -> Self {
        count(Metric::WebhookItemUnreadable);
        Self::Corrupt(error.into())
    }
}

#[derive(Serialize, Deserialize)]
struct EndpointItem {
    pk: String,
    sk: String,
    workspace: WorkspaceId,
    id: EndpointId,
    url: EndpointUrl,
    /// The kinds of events. A later release knows more of them; those are left out, and stay stored, because no update
    /// writes this attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<EndpointDescription>,
    created_at: Timestamp,
    secrets: Vec<StoredSecret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slow_until: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct DeliveryItem {
    pk: String,
    sk: String,
    occurred: String,
    endpoint: EndpointId,
    workspace: WorkspaceId,
    event_id: EventId,
    r#type: DetailType,
    occurred_at: Timestamp,
    detail: String,
    created_at: Timestamp,
    #[serde(flatten)]
    state: StateItem,
}

/// The attributes of a delivery that change.
#[derive(Serialize, Deserialize)]
struct StateItem {
    /// The time at which DynamoDB deletes the item, in seconds since the Unix epoch.
    ttl: i64,
    status: DeliveryStatus,
    attempts: Vec<AttemptRecord>,
    turn: u32,
    opened_at: Timestamp,
    failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_attempt_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replay: Option<Timestamp>,
}

/// The attributes of a delivery that the others of its payment request need.
#[derive(Deserialize)]
struct SummaryItem {
    event_id: EventId,
    status: DeliveryStatus,
    turn: u32,
    opened_at: Timestamp,
    #[serde(default)]
    next_attempt_at: Option<Timestamp>,
    #[serde(default)]
    claimed_until: Option<Timestamp>,
}

/// The attributes that [`summary`] reads, and the key, by which an unreadable item is logged.
pub(super) const SUMMARY: [&str; 8] =
    ["pk", "sk", "event_id", "status", "turn", "opened_at", "next_attempt_at", "claimed_until"];

/// The attributes that a delivery may lack.
pub(super) const OPTIONAL_STATE: [&str; 5] =
    ["first_attempt_at", "next_attempt_at", "claimed_by", "claimed_until", "replay"];

impl From<&Delivery> for StateItem {
    fn from(delivery: &Delivery) -> Self {
        Self {
            ttl: delivery.kept_until().as_seconds_ceiling(),
            status: delivery.status,
            attempts: delivery.attempts.clone(),
            turn: delivery.turn,
            opened_at: delivery.opened_at,
            failures: delivery.failures,
            first_attempt_at: delivery.first_attempt_at,
            next_attempt_at: delivery.next_attempt_at,
            claimed_by: delivery.claim.as_ref().map(|claim| claim.run.as_str().to_owned()),
            claimed_until: delivery.claim.as_ref().map(|claim| claim.until),
            replay: delivery.replay,
        }
    }
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// Returns the hash key of a workspace's endpoints.
pub(super) fn workspace_key(workspace: &WorkspaceId) -> String {
    format!("WORKSPACE#{workspace}")
}

/// Returns the key of an endpoint.
pub(super) fn endpoint_key(workspace: &WorkspaceId, id: &EndpointId) -> Item {
    key(workspace_key(workspace), format!("ENDPOINT#{id}"))
}

/// Returns the hash key of an endpoint's deliveries.
pub(super) fn deliveries_key(endpoint: &EndpointId) -> String {
    format!("ENDPOINT#{endpoint}")
}

/// Returns the beginning of the range keys of the deliveries of an event's payment request.
pub(super) fn subject_key(event: &EventId) -> String {
    format!("EVENT#{}", event.parts().0)
}

/// Returns the range key of an event's delivery.
pub(super) fn event_key(event: &EventId) -> String {
    match event.parts() {
        (_, Some(version)) => version_key(event, version),
        (_, None) => subject_key(event),
    }
}

/// Returns the range key of the delivery of this version of an event's payment request.
pub(super) fn version_key(event: &EventId, version: u32) -> String {
    format!("{}#{version:08}", subject_key(event))
}

/// Returns the key of a delivery.
pub(super) fn delivery_key(endpoint: &EndpointId, event: &EventId) -> Item {
    key(deliveries_key(endpoint), event_key(event))
}

/// Returns the range key of a delivery in the index.
pub(super) fn occurred(place: &DeliveryPlace) -> String {
    format!("{}#{}", place.occurred_at, place.event)
}

/// Returns the key in the index at which the list goes on after a place.
pub(super) fn place_key(endpoint: &EndpointId, place: &DeliveryPlace) -> Item {
    let mut key = delivery_key(endpoint, &place.event);
    key.insert("occurred".to_owned(), text(occurred(place)));
    key
}

fn key(pk: String, sk: String) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

fn written(item: impl Serialize) -> Result<Item, StoreError> {
    to_item(item).map_err(|error| StoreError::Refused(error.into()))
}

fn read<T: DeserializeOwned>(item: Item) -> Result<T, UnreadableItem> {
    let unreadable = UnreadableItem::of(&item);
    // The cause is left out: it could show a value.
    from_item(item).map_err(|_| unreadable)
}

/// Returns an endpoint as an item.
pub(super) fn of_endpoint(endpoint: &WebhookEndpoint) -> Result<Item, StoreError> {
    let endpoint = endpoint.clone();
    written(EndpointItem {
        pk: workspace_key(&endpoint.workspace),
        sk: format!("ENDPOINT#{}", endpoint.id),
        workspace: endpoint.workspace,
        id: endpoint.id,
        url: endpoint.url,
        events: match endpoint.events {
            Subscription::All => None,
            Subscription::Only(kinds) => Some(kinds.iter().map(|kind| kind.as_str().to_owned()).collect()),
        },
        description: endpoint.description,
        created_at: endpoint.created_at,
        secrets: endpoint.secrets,
        failing_since: endpoint.failing_since,
        disabled_at: endpoint.disabled_at,
        ended_at: endpoint.ended_at,
        slow_until: endpoint.slow_until,
    })
}

/// Reads an endpoint.
pub(super) fn endpoint(item: Item) -> Result<WebhookEndpoint, UnreadableItem> {
    let item: EndpointItem = read(item)?;
    Ok(WebhookEndpoint {
        workspace: item.workspace,
        id: item.id,
        url: item.url,
        events: item.events.map_or(Subscription::All, |kinds| {
            Subscription::Only(kinds.iter().filter_map(|kind| kind.parse().ok()).collect())
        }),
        description: item.description,
        created_at: item.created_at,
        secrets: item.secrets,
        failing_since: item.failing_since,
        disabled_at: item.disabled_at,
        ended_at: item.ended_at,
        slow_until: item.slow_until,
    })
}

/// Returns secrets as an attribute.
pub(super) fn of_secrets(secrets: &[StoredSecret]) -> Result<AttributeValue, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(secrets).map_err(|error| StoreError::Refused(error.into()))
}

/// Returns a delivery as an item.
pub(super) fn of_delivery(delivery: &Delivery) -> Result<Item, StoreError> {
    let event = &delivery.event;
    written(DeliveryItem {
        pk: deliveries_key(&delivery.endpoint),
        sk: event_key(&event.id),
        occurred: occurred(&DeliveryPlace::of(delivery)),
        endpoint: delivery.endpoint.clone(),
        workspace: event.workspace.clone(),
        event_id: event.id.clone(),
        r#type: event.kind,
        occurred_at: event.occurred_at,
        detail: event.detail.clone(),
        created_at: delivery.created_at,
        state: delivery.into(),
    })
}

/// Returns the attributes of a delivery that change.
pub(super) fn state_of(delivery: &Delivery) -> Result<Item, StoreError> {
    written(StateItem::from(delivery))
}

/// Reads what the other deliveries of the same payment request need of one.
pub(super) fn summary(item: Item) -> Result<DeliverySummary, UnreadableItem> {
    let SummaryItem { event_id: event, status, turn, opened_at, next_attempt_at, claimed_until } = read(item)?;
    Ok(DeliverySummary { event, status, turn, opened_at, next_attempt_at, claimed_until })
}

/// Returns the place of a delivery by its key in the index.
pub(super) fn place(key: &Item) -> Option<DeliveryPlace> {
    let (occurred_at, event) = key.get("occurred")?.as_s().ok()?.split_once('#')?;
    Some(DeliveryPlace { occurred_at: occurred_at.parse().ok()?, event: event.parse().ok()? })
}

/// Reads a delivery.
pub(super) fn delivery(item: Item) -> Result<Delivery, UnreadableItem> {
    let DeliveryItem { endpoint, workspace, event_id, r#type, occurred_at, detail, created_at, state, .. } =
        read(item)?;
    let claim = state.claimed_by.zip(state.claimed_until);
    Ok(Delivery {
        endpoint,
        event: WebhookEvent { id: event_id, kind: r#type, occurred_at, workspace, detail },
        created_at,
        status: state.status,
        attempts: state.attempts,
        turn: state.turn,
        opened_at: state.opened_at,
        first_attempt_at: state.first_attempt_at,
        failures: state.failures,
        next_attempt_at: state.next_attempt_at,
        claim: claim.map(|(run, until)| Claim { run: RunId::from_text(run), until }),
        replay: state.replay,
    })
}
