//! The table of endpoints and deliveries.

use super::item::{
    BY_TIME, Item, OPTIONAL_STATE, SUMMARY, deliveries_key, delivery, delivery_key, endpoint, endpoint_key, event_key,
    occurred, of_delivery, of_endpoint, of_secrets, place, place_key, state_of, subject_key, summary, text,
    version_key, workspace_key,
};
use crate::aws::client_config;
use crate::dynamodb::{Batch, KEYS_AT_MOST, store_error};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use domain::ports::{Deliveries, DeliveryPage, DeliveryPlace, RegisteredEndpoints, StoreError, WebhookEndpoints};
use domain::webhooks::{Delivery, DeliverySummary, EndpointId, EventId, StoredSecret, WebhookEndpoint};
use domain::{Doors, RunId, Timestamp, WorkspaceId};
use runtime::{ConfigError, Environment};
use std::collections::HashMap;
use std::time::Duration;

/// The number of calls for the items of a page, the repetitions for keys that were left over included.
const BATCH_ATTEMPTS: u32 = 5;
/// The longest pause before the first repetition. Each further one may take twice as long.
const INITIAL_BACKOFF: Duration = Duration::from_millis(50);

/// The table of endpoints and deliveries. It is apart from that of the payment requests, whose stream every write here
/// would reach (decision 0030).
#[derive(Debug, Clone)]
pub struct WebhooksTable {
    client: Client,
    table: String,
    doors: Doors,
}

/// The outcome of a conditional update.
enum Updated {
    Applied,
    /// The condition failed. Holds the unchanged item, if there is one.
    Refused(Option<Item>),
}

impl WebhooksTable {
    /// Builds the table from the environment: `WEBHOOKS_TABLE_NAME` in `AWS_REGION`, with the endpoint
    /// `AWS_ENDPOINT_URL_DYNAMODB` if that is set.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::from_conf(client_config!(aws_sdk_dynamodb, environment, DYNAMODB)),
            table: environment.require("WEBHOOKS_TABLE_NAME")?.to_owned(),
            doors: environment.doors(),
        })
    }

    /// Opens the connection in advance, so that the first call does not wait for it: reads an item that does not exist.
    pub async fn warm(&self) {
        let warming = self.client.get_item().table_name(&self.table);
        let warming = warming.key("pk", text("WARM")).key("sk", text("WARM"));
        if let Err(error) = warming.send().await {
            tracing::warn!(error = %store_error(error), "DynamoDB connection not opened in advance");
        }
    }

    async fn get(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        Ok(get.send().await.map_err(store_error)?.item)
    }

    /// Puts an item if none with its key exists; otherwise returns the existing one.
    async fn put_new(&self, item: Item) -> Result<Option<Item>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(None),
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                match context.into_err() {
                    PutItemError::ConditionalCheckFailedException(failed) => match failed.item {
                        Some(existing) => Ok(Some(existing)),
                        None => Err(StoreError::Refused("a refused put answered no item".into())),
                    },
                    other => Err(StoreError::Refused(other.into())),
                }
            }
            Err(error) => Err(store_error(error)),
        }
    }

    fn update(&self, key: Item) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn update_endpoint(&self, endpoint: &WebhookEndpoint) -> UpdateItemFluentBuilder {
        self.update(endpoint_key(&endpoint.workspace, &endpoint.id))
    }

    fn query(&self, pk: String) -> QueryFluentBuilder {
        self.client.query().table_name(&self.table).expression_attribute_values(":pk", text(pk))
    }

    /// Reads what is needed of the pending deliveries of a payment request whose range keys lie in between, both
    /// inclusive. One that cannot be read is left out, so that it does not hold up the later ones.
    async fn pending_between(
        &self,
        endpoint: &EndpointId,
        low: String,
        high: String,
    ) -> Result<Vec<DeliverySummary>, StoreError> {
        let (mut found, mut start) = (Vec::new(), None);
        // Some of the names are reserved words.
        let names = SUMMARY.map(|name| (format!("#{name}"), name.to_owned()));
        loop {
            let query = self
                .query(deliveries_key(endpoint))
                .key_condition_expression("#pk = :pk AND #sk BETWEEN :low AND :high")
                .projection_expression(SUMMARY.map(|name| format!("#{name}")).join(", "))
                // A status that this version does not know is read, and logged.
                .filter_expression("NOT (#status IN (:delivered, :failed))")
                .set_expression_attribute_names(Some(names.iter().cloned().collect()))
                .expression_attribute_values(":low", text(&low))
                .expression_attribute_values(":high", text(&high))
                .expression_attribute_values(":delivered", text("delivered"))
                .expression_attribute_values(":failed", text("failed"))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let output = query.send().await.map_err(store_error)?;
            for item in output.items.unwrap_or_default() {
                match summary(item) {
                    Ok(summary) => found.push(summary),
                    Err(error) => error.leave_out(),
                }
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Reads the deliveries of a page of the index, in the order of its keys.
    async fn page(&self, query: QueryFluentBuilder, limit: usize) -> Result<DeliveryPage, StoreError> {
        let query = query.index_name(BY_TIME).limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let output = query.send().await.map_err(store_error)?;
        // The last key of the index, and not the last delivery that could be read: the list goes on after a page of
        // which nothing can.
        let next = output.last_evaluated_key.map(|key| {
            place(&key).ok_or_else(|| StoreError::Corrupt("a key of the index of deliveries cannot be read".into()))
        });
        let keys: Vec<Item> = output.items.unwrap_or_default().into_iter().map(table_key).collect();
        let mut items = self.get_all(&keys).await?;
        let mut deliveries = Vec::new();
        for key in &keys {
            let Some(item) = key.get("sk").and_then(|sk| sk.as_s().ok()).and_then(|sk| items.remove(sk)) else {
                // The time to live has removed it since the index was read.
                continue;
            };
            match delivery(item) {
                Ok(delivery) => deliveries.push(delivery),
                Err(error) => error.leave_out(),
            }
        }
        Ok(DeliveryPage { deliveries, next: next.transpose()? })
    }

    /// Reads the items with these keys, by their range keys.
    async fn get_all(&self, keys: &[Item]) -> Result<HashMap<String, Item>, StoreError> {
        let batch = Batch {
            client: &self.client,
            table: &self.table,
            doors: &self.doors,
            attempts: BATCH_ATTEMPTS,
            initial_backoff: INITIAL_BACKOFF,
        };
        let mut found = HashMap::new();
        for chunk in keys.chunks(KEYS_AT_MOST) {
            let items = batch.read(chunk.to_vec()).await?.into_iter();
            found.extend(items.filter_map(|item| Some((item.get("sk")?.as_s().ok()?.clone(), item))));
        }
        Ok(found)
    }
}

/// Returns a key of the table out of one of the index.
fn table_key(mut key: Item) -> Item {
    key.retain(|name, _| name == "pk" || name == "sk");
    key
}

/// Sends an update.
async fn applied(update: UpdateItemFluentBuilder) -> Result<Updated, StoreError> {
    match update.send().await {
        Ok(_) => Ok(Updated::Applied),
        Err(SdkError::ServiceError(context))
            if matches!(context.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
        {
            match context.into_err() {
                UpdateItemError::ConditionalCheckFailedException(failed) => Ok(Updated::Refused(failed.item)),
                other => Err(StoreError::Refused(other.into())),
            }
        }
        Err(error) => Err(store_error(error)),
    }
}

impl WebhookEndpoints for WebhooksTable {
    async fn insert_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<(), StoreError> {
        let item = of_endpoint(endpoint)?;
        match self.put_new(item.clone()).await? {
            None => Ok(()),
            // The SDK retried the put, and the response to the first attempt was lost.
            Some(existing) if existing == item => Ok(()),
            Some(_) => Err(StoreError::Refused("another endpoint has this identifier".into())),
        }
    }

    async fn endpoints(&self, workspace: &WorkspaceId) -> Result<RegisteredEndpoints, StoreError> {
        let query = self.query(workspace_key(workspace)).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :endpoint)");
        let query = query.expression_attribute_values(":endpoint", text("ENDPOINT#"));
        // A workspace's few endpoints fit into one page of a megabyte.
        let items = query.send().await.map_err(store_error)?.items.unwrap_or_default();
        let mut registered = RegisteredEndpoints::default();
        for item in items {
            match endpoint(item) {
                Ok(endpoint) => registered.endpoints.push(endpoint),
                // It costs the other endpoints nothing.
                Err(error) => {
                    error.leave_out();
                    registered.unreadable += 1;
                }
            }
        }
        Ok(registered)
    }

    async fn find_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        let item = self.get(endpoint_key(workspace, id)).await?;
        Ok(item.map(endpoint).transpose()?)
    }

    async fn remove_endpoint(&self, workspace: &WorkspaceId, id: &EndpointId) -> Result<bool, StoreError> {
        // The SDK retries a delete whose response was lost, and then finds nothing. So what was there is read before.
        let key = endpoint_key(workspace, id);
        if self.get(key.clone()).await?.is_none() {
            return Ok(false);
        }
        self.client.delete_item().table_name(&self.table).set_key(Some(key)).send().await.map_err(store_error)?;
        Ok(true)
    }

    async fn replace_secrets(&self, seen: &WebhookEndpoint, secrets: &[StoredSecret]) -> Result<bool, StoreError> {
        let update = self
            .update_endpoint(seen)
            .update_expression("SET secrets = :new")
            .condition_expression("secrets = :seen")
            .expression_attribute_values(":new", of_secrets(secrets)?)
            .expression_attribute_values(":seen", of_secrets(&seen.secrets)?);
        match applied(update).await? {
            Updated::Applied => Ok(true),
            Updated::Refused(item) => Ok(item.map(endpoint).transpose()?.is_some_and(|it| it.secrets == secrets)),
        }
    }

    async fn record_failing(&self, endpoint: &WebhookEndpoint, at: Timestamp) -> Result<(), StoreError> {
        let update = self
            .update_endpoint(endpoint)
            .update_expression("SET failing_since = if_not_exists(failing_since, :at)")
            // An endpoint that was deleted meanwhile must not come back.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", text(at));
        applied(update).await.map(drop)
    }

    async fn record_success(&self, endpoint: &WebhookEndpoint, at: Timestamp) -> Result<(), StoreError> {
        let update = self
            .update_endpoint(endpoint)
            .update_expression("REMOVE failing_since")
            // The texts of times sort as the times do.
            .condition_expression("failing_since <= :at")
            .expression_attribute_values(":at", text(at));
        applied(update).await.map(drop)
    }

    async fn record_slow(&self, endpoint: &WebhookEndpoint, until: Option<Timestamp>) -> Result<(), StoreError> {
        let update = self.update_endpoint(endpoint).condition_expression("attribute_exists(pk)");
        let update = match until {
            Some(until) => {
                update.update_expression("SET slow_until = :until").expression_attribute_values(":until", text(until))
            }
            None => update.update_expression("REMOVE slow_until, probed_by"),
        };
        applied(update).await.map(drop)
    }

    async fn claim_probe(&self, seen: &WebhookEndpoint, run: &RunId, until: Timestamp) -> Result<bool, StoreError> {
        let Some(slow_until) = seen.slow_until else { return Ok(false) };
        let update = self
            .update_endpoint(seen)
            // The run distinguishes its own retry from another run of the same millisecond.
            .update_expression("SET slow_until = :until, probed_by = :run")
            .condition_expression("slow_until = :seen")
            .expression_attribute_values(":run", text(run.as_str()))
            .expression_attribute_values(":until", text(until))
            .expression_attribute_values(":seen", text(slow_until));
        match applied(update).await? {
            Updated::Applied => Ok(true),
            Updated::Refused(item) => Ok(item.is_some_and(|item| item.get("probed_by") == Some(&text(run.as_str())))),
        }
    }

    async fn disable(&self, seen: &WebhookEndpoint, at: Timestamp) -> Result<bool, StoreError> {
        let Some(since) = seen.failing_since else { return Ok(false) };
        let update = self
            .update_endpoint(seen)
            .update_expression("SET disabled_at = :at, ended_at = :at")
            // It has not succeeded since it was read.
            .condition_expression("attribute_not_exists(disabled_at) AND failing_since = :since")
            .expression_attribute_values(":at", text(at))
            .expression_attribute_values(":since", text(since));
        match applied(update).await? {
            Updated::Applied => Ok(true),
            Updated::Refused(item) => Ok(item.map(endpoint).transpose()?.is_some_and(|it| it.disabled_at == Some(at))),
        }
    }

    async fn enable(&self, endpoint: &WebhookEndpoint) -> Result<(), StoreError> {
        let update = self
            .update_endpoint(endpoint)
            .update_expression("REMOVE disabled_at, failing_since, slow_until, probed_by")
            .condition_expression("attribute_exists(pk)");
        applied(update).await.map(drop)
    }
}

impl Deliveries for WebhooksTable {
    async fn insert_delivery(&self, new: &Delivery) -> Result<Option<Delivery>, StoreError> {
        let existing = self.put_new(of_delivery(new)?).await?.map(delivery).transpose()?;
        // The SDK retried the put, and the response to the first attempt was lost.
        Ok(existing.filter(|existing| existing != new))
    }

    async fn find_delivery(&self, endpoint: &EndpointId, event: &EventId) -> Result<Option<Delivery>, StoreError> {
        let item = self.get(delivery_key(endpoint, event)).await?;
        Ok(item.map(delivery).transpose()?)
    }

    async fn earlier_deliveries(
        &self,
        endpoint: &EndpointId,
        event: &EventId,
    ) -> Result<Vec<DeliverySummary>, StoreError> {
        match event.parts().1 {
            // Versions count from one. An event without one is about no other event.
            None | Some(0 | 1) => Ok(Vec::new()),
            Some(version) => {
                let high = version_key(event, version - 1);
                self.pending_between(endpoint, subject_key(event), high).await
            }
        }
    }

    async fn later_deliveries(
        &self,
        endpoint: &EndpointId,
        event: &EventId,
    ) -> Result<Vec<DeliverySummary>, StoreError> {
        // Behind the event's own key, and before the first character after the digits of every version.
        self.pending_between(endpoint, format!("{}!", event_key(event)), format!("{}#:", subject_key(event))).await
    }

    async fn replace_delivery(&self, seen: &Delivery, new: &Delivery) -> Result<bool, StoreError> {
        let state = state_of(new)?;
        let (mut names, mut values, mut set) = (HashMap::new(), HashMap::new(), Vec::new());
        let mut remove = Vec::new();
        for name in OPTIONAL_STATE.into_iter().filter(|name| !state.contains_key(*name)) {
            names.insert(format!("#{name}"), name.to_owned());
            remove.push(format!("#{name}"));
        }
        for (name, value) in state {
            set.push(format!("#{name} = :{name}"));
            names.insert(format!("#{name}"), name.clone());
            values.insert(format!(":{name}"), value);
        }
        set.sort_unstable();
        let mut update = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            update = format!("{update} REMOVE {}", remove.join(", "));
        }
        names.insert("#turn".to_owned(), "turn".to_owned());
        names.insert("#claimed_by".to_owned(), "claimed_by".to_owned());
        values.insert(":seen_turn".to_owned(), AttributeValue::N(seen.turn.to_string()));
        let unclaimed = match &seen.claim {
            Some(claim) => {
                values.insert(":seen_claim".to_owned(), text(claim.run.as_str()));
                "#claimed_by = :seen_claim"
            }
            None => "attribute_not_exists(#claimed_by)",
        };
        let update = self
            .update(delivery_key(&seen.endpoint, &seen.event.id))
            .update_expression(update)
            .condition_expression(format!("#turn = :seen_turn AND {unclaimed}"))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values));
        match applied(update).await? {
            Updated::Applied => Ok(true),
            Updated::Refused(item) => Ok(item.map(delivery).transpose()?.as_ref() == Some(new)),
        }
    }

    async fn newest_deliveries(
        &self,
        endpoint: &EndpointId,
        after: Option<&DeliveryPlace>,
        limit: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let query = self.query(deliveries_key(endpoint)).key_condition_expression("pk = :pk");
        let query = query.scan_index_forward(false);
        self.page(query.set_exclusive_start_key(after.map(|place| place_key(endpoint, place))), limit).await
    }

    async fn deliveries_between(
        &self,
        endpoint: &EndpointId,
        since: Timestamp,
        until: Timestamp,
        after: Option<&DeliveryPlace>,
        limit: usize,
    ) -> Result<DeliveryPage, StoreError> {
        // A range key begins with a time, so it sorts after that time alone.
        let start = after.map_or_else(|| since.to_string(), |place| format!("{}!", occurred(place)));
        let end = until.to_string();
        if start > end {
            // DynamoDB would refuse the condition.
            return Ok(DeliveryPage::default());
        }
        let query = self.query(deliveries_key(endpoint));
        let query = query.key_condition_expression("pk = :pk AND occurred BETWEEN :start AND :end");
        let query = query.expression_attribute_values(":start", text(start));
        self.page(query.expression_attribute_values(":end", text(end)), limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::State;
    use domain::{Clock, NoRandomness, Randomness};
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    /// Draws no pause, so that no test waits.
    struct Zeros;

    impl Clock for Zeros {
        fn now(&self) -> Timestamp {
            Timestamp::from_milliseconds(0).unwrap()
        }
    }

    impl Randomness for Zeros {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            bytes.fill(0);
            Ok(())
        }
    }

    /// The numbers of keys that a fake table was asked for, and how many keys it processes in one call.
    #[derive(Clone)]
    struct Throttled {
        asked_for: Arc<Mutex<Vec<usize>>>,
        at_once: usize,
    }

    async fn answer(State(table): State<Throttled>, body: String) -> String {
        let body: Value = serde_json::from_str(&body).unwrap();
        let keys = body["RequestItems"]["webhooks"]["Keys"].as_array().unwrap().clone();
        table.asked_for.lock().unwrap().push(keys.len());
        let (processed, rest) = keys.split_at(table.at_once.min(keys.len()));
        let rest = if rest.is_empty() { json!({}) } else { json!({ "webhooks": { "Keys": rest } }) };
        json!({ "Responses": { "webhooks": processed }, "UnprocessedKeys": rest }).to_string()
    }

    #[tokio::test]
    async fn what_a_batch_of_deliveries_leaves_over_is_asked_for_again_a_few_times() {
        for (at_once, calls) in [(4, &[4][..]), (2, &[4, 2]), (1, &[4, 3, 2, 1]), (0, &[4; BATCH_ATTEMPTS as usize])] {
            let table = Throttled { asked_for: Arc::default(), at_once };
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let router = Router::new().fallback(answer).with_state(table.clone());
            tokio::spawn(async move { axum::serve(listener, router).await });
            let environment = Environment::default()
                .with("WEBHOOKS_TABLE_NAME", "webhooks")
                .with("AWS_REGION", "us-east-1")
                .with("AWS_ACCESS_KEY_ID", "test")
                .with("AWS_SECRET_ACCESS_KEY", "test")
                .with("AWS_ENDPOINT_URL_DYNAMODB", url)
                .with_doors(Doors::new(Zeros, Zeros));
            let endpoint = EndpointId::random(&Doors::default()).unwrap();
            let keys: Vec<Item> =
                (1..=4).map(|version| delivery_key(&endpoint, &format!("0199#{version}").parse().unwrap())).collect();
            let found = WebhooksTable::new(&environment).unwrap().get_all(&keys).await;
            assert_eq!(*table.asked_for.lock().unwrap(), calls);
            match found {
                Ok(found) => assert_eq!((found.len(), at_once > 0), (4, true)),
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)) && at_once == 0, "{error}"),
            }
        }
    }
}
