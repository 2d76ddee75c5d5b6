//! The store's port for reconciliations: an item for each difference, and one for the place of each run.

use super::error::store_error;
use super::keys::{difference_key, place_key, request_key};
use super::read::{Unreadable, payment_request, place, position};
use super::store::{DynamoDbStore, Item, unwritable};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{CreatedRequests, FoundRequests, Place, Reconciliations, StoreError, Window};
use domain::{Difference, PaymentRequestId, Timestamp};
use futures::future::try_join_all;
use serde::Serialize;
use serde_dynamo::aws_sdk_dynamodb_1::to_item;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// How long a difference is kept. Within this time it is reported once, whatever is compared again.
const DIFFERENCES_KEPT: Duration = Duration::from_hours(400 * 24);

/// The index whose keys tell when a request was created. It holds keys alone, a fifth of the table's size.
const INDEX: &str = "by_month";

/// The number of keys that one call of the scan looks at, and the greatest number of requests that it returns.
const KEYS_PER_CALL: i32 = 1_000;

/// The item of a difference. The table's stream carries it to `publish`: it is its own outbox.
#[derive(Serialize)]
struct DifferenceItem<'a> {
    pk: String,
    difference: &'a Difference,
    /// The time at which DynamoDB deletes the item, in seconds since the Unix epoch.
    ttl: i64,
}

/// The item of a run's place.
#[derive(Serialize)]
struct PlaceItem<'a> {
    pk: String,
    from: Timestamp,
    to: Timestamp,
    stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

impl Reconciliations for DynamoDbStore {
    async fn find_requests(&self, ids: &[PaymentRequestId]) -> Result<FoundRequests, StoreError> {
        let requests = self.get_all(ids).await?;
        // A batch leaves out what cannot be read. An item that is there and cannot be read is not missing.
        let absent: Vec<PaymentRequestId> = ids.iter().copied().filter(|id| !requests.contains_key(id)).collect();
        let is_unreadable = |id: PaymentRequestId| async move {
            let item = self.get_item(request_key(id)).await?;
            Ok::<_, StoreError>(item.filter(|item| payment_request(item.clone()).is_err()).map(|_| id))
        };
        let unreadable: HashSet<_> =
            try_join_all(absent.into_iter().map(is_unreadable)).await?.into_iter().flatten().collect();
        Ok(FoundRequests { requests, unreadable })
    }

    async fn requests_created(&self, window: Window, place: Option<&str>) -> Result<CreatedRequests, StoreError> {
        // A range key begins with a time, so it sorts after that time alone.
        let text = |time: Timestamp| AttributeValue::S(time.to_string());
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .index_name(INDEX)
            .limit(KEYS_PER_CALL)
            .filter_expression("#created BETWEEN :from AND :to")
            .expression_attribute_names("#created", "created")
            .expression_attribute_values(":from", text(window.from))
            .expression_attribute_values(":to", text(window.to))
            .set_exclusive_start_key(place.map(key_of_cursor).transpose()?);
        let output = scan.send().await.map_err(store_error)?;
        let keys = output.items.unwrap_or_default().into_iter();
        let ids: Vec<PaymentRequestId> = keys
            .filter_map(|key| position(key).inspect_err(Unreadable::leave_out).ok())
            .map(|position| position.id)
            .collect();
        let requests = self.get_all(&ids).await?.into_values().collect();
        let next = output.last_evaluated_key.map(|key| cursor_of_key(&key)).transpose()?;
        Ok(CreatedRequests { requests, next })
    }

    async fn record_difference(&self, difference: &Difference) -> Result<bool, StoreError> {
        let ttl = difference.found_at.saturating_add(DIFFERENCES_KEPT).as_seconds_ceiling();
        let item: Item = to_item(DifferenceItem { pk: difference_key(&difference.digest()), difference, ttl })
            .map_err(unwritable)?;
        // The SDK retries a put whose response was lost, and then finds the item of its own first attempt.
        Ok(self.put_new(item.clone()).await?.is_none_or(|existing| existing == item))
    }

    async fn place(&self, name: &str) -> Result<Option<Place>, StoreError> {
        let item = self.get_item(place_key(name)).await?;
        item.map(|item| place(item).map_err(Unreadable::into_error)).transpose()
    }

    async fn keep_place(&self, name: &str, place: &Place) -> Result<(), StoreError> {
        let Window { from, to } = place.window;
        let (stage, cursor) = (place.stage.as_str(), place.cursor.as_deref());
        let item = to_item(PlaceItem { pk: place_key(name), from, to, stage, cursor }).map_err(unwritable)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map_err(store_error)?;
        Ok(())
    }
}

/// Writes the key at which a scan goes on as text. All of its attributes are texts.
fn cursor_of_key(key: &Item) -> Result<String, StoreError> {
    let texts = key.iter().map(|(name, value)| Some((name.as_str(), value.as_s().ok()?.as_str())));
    let texts = texts.collect::<Option<BTreeMap<&str, &str>>>();
    let texts = texts.ok_or_else(|| StoreError::Refused("a scan's key holds another type than text".into()))?;
    serde_json::to_string(&texts).map_err(|error| StoreError::Refused(error.into()))
}

fn key_of_cursor(cursor: &str) -> Result<Item, StoreError> {
    let texts: BTreeMap<String, String> =
        serde_json::from_str(cursor).map_err(|_| StoreError::Refused("a scan's cursor cannot be read".into()))?;
    Ok(texts.into_iter().map(|(name, text)| (name, AttributeValue::S(text))).collect())
}
