//! The domain's store over the real SDK.

use super::condition::{checkout_update, claim_update, conditional_update, key, refund_update, release_update};
use super::error::store_error;
use super::item::{DUE_SHARDS, LinkItem, RequestItem, link_key, request_of_key, workspace_agent, workspace_month};
use crate::aws::client_config;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::ports::{Changed, Claim, Claimed, Due, Inserted, Listed, Listing, Position, Store, StoreError};
use domain::transition::alternatives;
use domain::{
    Change, CheckoutId, LinkToken, PaymentRequest, PaymentRequestId, Scope, Timestamp, Transition, WorkspaceId,
};
use futures::future::try_join_all;
use runtime::{ConfigError, Environment};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
use std::collections::HashMap;
use std::time::Duration;

type Item = HashMap<String, AttributeValue>;

/// A request moves at most six times in its life (clicked, expired, processing, expired, refund due, refunded), so a change
/// that is overtaken more often than this has met a defect.
const OVERTAKEN_AT_MOST: usize = 8;

/// `BatchGetItem` takes at most so many keys
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const BATCH: usize = 100;

/// How many months' partitions are looked at side by side when a list has to reach far back.
const MONTHS_AT_ONCE: usize = 8;

/// Payment requests in one DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoDbStore {
    client: Client,
    table: String,
    retention: Duration,
}

/// What became of one conditional update.
enum Written {
    /// It was made; the item as it is now.
    New(PaymentRequest),
    /// Its condition failed; the item as it was, if there is one.
    Refused(Option<PaymentRequest>),
}

impl DynamoDbStore {
    /// The store that the environment names: `TABLE_NAME` in `AWS_REGION`, at `AWS_ENDPOINT_URL_DYNAMODB` if that is set.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::from_conf(client_config!(aws_sdk_dynamodb, environment, "AWS_ENDPOINT_URL_DYNAMODB")),
            table: environment.require("TABLE_NAME")?.to_owned(),
            retention: runtime::config::limits(environment)?.retention,
        })
    }

    /// Opens the connection that the first call would otherwise wait for, by reading an item that does not exist.
    pub async fn warm(&self) {
        let warming = self.client.get_item().table_name(&self.table).key("pk", AttributeValue::S("WARM".to_owned()));
        // Whatever is wrong shows at the first real call, which answers for it.
        if let Err(error) = warming.send().await {
            tracing::warn!(error = %store_error(error), "the connection could not be warmed");
        }
    }

    fn update(&self, id: PaymentRequestId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", key(id))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    async fn write(&self, update: UpdateItemFluentBuilder) -> Result<Written, StoreError> {
        match update.send().await {
            Ok(output) => match output.attributes {
                Some(item) => Ok(Written::New(read(item)?)),
                None => Err(StoreError::Corrupt("an update answered no item".into())),
            },
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                match context.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        Ok(Written::Refused(failed.item.map(read).transpose()?))
                    }
                    other => Err(StoreError::Refused(other.into())),
                }
            }
            Err(error) => Err(store_error(error)),
        }
    }

    /// Puts an item that must not be there yet, or answers the one that is.
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
                        None => Err(StoreError::Corrupt("a refused put answered no item".into())),
                    },
                    other => Err(StoreError::Refused(other.into())),
                }
            }
            Err(error) => Err(store_error(error)),
        }
    }

    async fn get_item(&self, pk: String) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).key("pk", AttributeValue::S(pk)).consistent_read(true);
        Ok(get.send().await.map_err(store_error)?.item)
    }

    /// One page of an index: its keys, and whether there are more.
    async fn query(
        &self,
        index: &str,
        partition: (&str, AttributeValue),
        range: (&str, AttributeValue, AttributeValue),
        newest_first: bool,
        at_most: Option<usize>,
    ) -> Result<Vec<Item>, StoreError> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let wanted = at_most.map(|limit| limit.saturating_sub(items.len()));
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(index)
                .key_condition_expression("#partition = :partition AND #range BETWEEN :low AND :high")
                .expression_attribute_names("#partition", partition.0)
                .expression_attribute_names("#range", range.0)
                .expression_attribute_values(":partition", partition.1.clone())
                .expression_attribute_values(":low", range.1.clone())
                .expression_attribute_values(":high", range.2.clone())
                .scan_index_forward(!newest_first)
                .set_limit(wanted.and_then(|wanted| i32::try_from(wanted).ok()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(store_error)?;
            items.extend(output.items.unwrap_or_default());
            start = output.last_evaluated_key;
            if start.is_none() || at_most.is_some_and(|limit| items.len() >= limit) {
                return Ok(items);
            }
        }
    }

    /// The places of requests in one partition of a list's index, newest first, at most so many.
    async fn positions(
        &self,
        listing: &Listing,
        index: &str,
        partition: (&str, String),
        at_most: usize,
    ) -> Result<Vec<Position>, StoreError> {
        // A range key is a time followed by more, so it sorts after that time alone: the low end is inclusive and the
        // high end exclusive, although BETWEEN includes both. After a position, its own key comes first and is dropped.
        let high = listing.after.filter(|after| after.created_at < listing.to);
        let (low, end) =
            (listing.from.to_string(), high.as_ref().map_or_else(|| listing.to.to_string(), Position::to_string));
        // DynamoDB refuses a BETWEEN whose ends are the wrong way round; such a range holds nothing.
        if low > end {
            return Ok(Vec::new());
        }
        let range = ("created", AttributeValue::S(low), AttributeValue::S(end));
        let partition = (partition.0, AttributeValue::S(partition.1));
        let keys = self.query(index, partition, range, true, Some(at_most + usize::from(high.is_some()))).await?;
        let mut positions = Vec::with_capacity(keys.len());
        for key in &keys {
            let position: Position =
                text(key, "created")?.parse().map_err(|e: domain::Invalid| StoreError::Corrupt(e.into()))?;
            if Some(position) != listing.after {
                positions.push(position);
            }
        }
        positions.truncate(at_most);
        Ok(positions)
    }

    /// The places of a whole workspace's requests: a month's partition after another, from the newest on.
    async fn positions_by_month(
        &self,
        listing: &Listing,
        workspace: &WorkspaceId,
        at_most: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let newest = listing.after.map_or(listing.to, |after| after.created_at.min(listing.to));
        let mut moment = Some(newest);
        let mut positions = Vec::new();
        let mut at_once = 1;
        while positions.len() < at_most && moment.is_some() {
            // Most pages end within the newest month; only a list that reaches far back is worth reading ahead for.
            let mut months = Vec::new();
            while let (Some(within), true) = (moment, months.len() < at_once) {
                months.push(workspace_month(workspace, &within.month()));
                moment = Some(within.end_of_last_month()).filter(|end| *end >= listing.from && *end < within);
            }
            at_once = (at_once * 2).min(MONTHS_AT_ONCE);
            let wanted = at_most - positions.len();
            let found =
                months.into_iter().map(|key| self.positions(listing, "by_month", ("workspace_month", key), wanted));
            positions.extend(try_join_all(found).await?.into_iter().flatten());
        }
        positions.truncate(at_most);
        Ok(positions)
    }

    /// The requests of these identifiers that are there, in whatever order.
    async fn get_all(&self, ids: &[PaymentRequestId]) -> Result<HashMap<PaymentRequestId, PaymentRequest>, StoreError> {
        let batches = try_join_all(ids.chunks(BATCH).map(|batch| self.get_batch(batch))).await?;
        Ok(batches.into_iter().flatten().map(|request| (request.id, request)).collect())
    }

    async fn get_batch(&self, batch: &[PaymentRequestId]) -> Result<Vec<PaymentRequest>, StoreError> {
        let mut found = Vec::with_capacity(batch.len());
        let mut keys: Vec<Item> = batch.iter().map(|id| HashMap::from([("pk".to_owned(), key(*id))])).collect();
        let mut pause = Duration::from_millis(25);
        while !keys.is_empty() {
            let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let asked = asked.map_err(|error| StoreError::Refused(error.into()))?;
            let call = self.client.batch_get_item().request_items(&self.table, asked);
            let output = call.send().await.map_err(store_error)?;
            for item in output.responses.unwrap_or_default().remove(&self.table).unwrap_or_default() {
                found.push(read(item)?);
            }
            keys = output
                .unprocessed_keys
                .unwrap_or_default()
                .remove(&self.table)
                .map(|rest| rest.keys)
                .unwrap_or_default();
            if !keys.is_empty() {
                if pause > Duration::from_secs(2) {
                    return Err(StoreError::Unavailable("a batch of reads was left unprocessed too often".into()));
                }
                // What is left unprocessed was throttled: asking again at once would be throttled again.
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Ok(found)
    }
}

impl Store for DynamoDbStore {
    async fn insert_link(&self, token: &LinkToken, id: PaymentRequestId, until: Timestamp) -> Result<(), StoreError> {
        let link = LinkItem::new(token, id, until);
        match self.put_new(to_item(&link).map_err(corrupt)?).await? {
            None => Ok(()),
            // The put was tried twice and its first answer lost.
            Some(existing) if from_item::<LinkItem>(existing.clone()).map_err(corrupt)? == link => Ok(()),
            Some(_) => Err(StoreError::Refused("this token already leads to another request".into())),
        }
    }

    async fn keep_link(&self, token: &LinkToken, id: PaymentRequestId, until: Timestamp) -> Result<(), StoreError> {
        let item = to_item(LinkItem::new(token, id, until)).map_err(corrupt)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map_err(store_error)?;
        Ok(())
    }

    async fn find_link(&self, token: &LinkToken) -> Result<Option<PaymentRequestId>, StoreError> {
        match self.get_item(link_key(token)).await? {
            Some(item) => Ok(Some(from_item::<LinkItem>(item).map_err(corrupt)?.request_id)),
            None => Ok(None),
        }
    }

    async fn insert(&self, request: &PaymentRequest) -> Result<Inserted, StoreError> {
        match self.put_new(to_item(RequestItem::from(request)).map_err(corrupt)?).await? {
            None => Ok(Inserted::New),
            Some(existing) => Ok(Inserted::Existing(Box::new(read(existing)?))),
        }
    }

    async fn get(&self, id: PaymentRequestId) -> Result<Option<PaymentRequest>, StoreError> {
        self.get_item(super::item::request_key(id)).await?.map(read).transpose()
    }

    async fn change(&self, id: PaymentRequestId, change: &Change) -> Result<Changed, StoreError> {
        let outcomes: Vec<Vec<&'static Transition>> = alternatives(change.command.kind()).collect();
        let mut rows = outcomes.first().map(Vec::as_slice).unwrap_or_default();
        for _ in 0..OVERTAKEN_AT_MOST {
            let update = conditional_update(self.update(id), change, rows, self.retention)?;
            let request = match self.write(update).await? {
                Written::New(request) => return Ok(Changed::Applied(Box::new(request))),
                Written::Refused(None) => return Ok(Changed::NotFound),
                Written::Refused(Some(request)) => request,
            };
            if !change.scope.covers(&request.workspace, &request.agent.id) {
                return Ok(Changed::NotFound);
            }
            // It was us, and it worked: the answer to the first try was lost.
            if request.operations.contains(&change.operation) {
                return Ok(Changed::Applied(Box::new(request)));
            }
            let Some(row) = change.transition(&request) else { return Ok(Changed::Unchanged(Box::new(request))) };
            // The table has another outcome for the request as it turned out to be, such as a refund for late money.
            rows = outcomes
                .iter()
                .find(|outcome| outcome.iter().any(|other| other.leads_as(row)))
                .map(Vec::as_slice)
                .unwrap_or_default();
        }
        Err(StoreError::Unavailable("the request kept changing".into()))
    }

    async fn remember_checkout(&self, id: PaymentRequestId, checkout: &CheckoutId) -> Result<Changed, StoreError> {
        Ok(match self.write(checkout_update(self.update(id), &checkout.0)).await? {
            Written::New(request) => Changed::Applied(Box::new(request)),
            Written::Refused(Some(request)) => Changed::Unchanged(Box::new(request)),
            Written::Refused(None) => Changed::NotFound,
        })
    }

    // If the condition refuses, the refund is not due any more, and a mark says nothing.
    async fn mark_refund(&self, id: PaymentRequestId) -> Result<(), StoreError> {
        self.write(refund_update(self.update(id), "ADD")).await?;
        Ok(())
    }

    async fn unmark_refund(&self, id: PaymentRequestId) -> Result<(), StoreError> {
        self.write(refund_update(self.update(id), "DELETE")).await?;
        Ok(())
    }

    async fn claim(&self, id: PaymentRequestId, claim: &Claim) -> Result<Claimed, StoreError> {
        Ok(match self.write(claim_update(self.update(id), claim)).await? {
            Written::New(request) => Claimed::Won(Box::new(request)),
            // It was us, and it worked: the answer to the first try was lost.
            Written::Refused(Some(request)) if request.operations.contains(&claim.run) => {
                Claimed::Won(Box::new(request))
            }
            Written::Refused(Some(request)) => Claimed::Taken(Box::new(request)),
            Written::Refused(None) => Claimed::NotFound,
        })
    }

    async fn release(&self, id: PaymentRequestId, claim: &Claim) -> Result<(), StoreError> {
        match self.write(release_update(self.update(id), claim)).await? {
            Written::New(_) | Written::Refused(_) => Ok(()),
        }
    }

    async fn due(&self, until: Timestamp) -> Result<Vec<Due>, StoreError> {
        let number = |number: i64| AttributeValue::N(number.to_string());
        let shards = (0..DUE_SHARDS).map(|shard| {
            let partition = ("due_shard", number(i64::from(shard)));
            self.query("due", partition, ("due_at", number(0), number(until.as_milliseconds())), false, None)
        });
        let mut due = Vec::new();
        for key in try_join_all(shards).await?.into_iter().flatten() {
            let unreadable = || StoreError::Corrupt("a key of the index of what is due cannot be read".into());
            let id = request_of_key(text(&key, "pk")?).ok_or_else(unreadable)?;
            let at = key.get("due_at").and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
            let at = at.and_then(|at| Timestamp::from_milliseconds(at).ok()).ok_or_else(unreadable)?;
            due.push(Due { id, at });
        }
        due.sort_by_key(|due| due.at);
        Ok(due)
    }

    async fn list(&self, listing: &Listing) -> Result<Listed, StoreError> {
        // One more than asked for tells whether there are more.
        let at_most = listing.limit + 1;
        let mut positions = match &listing.scope {
            Scope::Everything => Vec::new(),
            Scope::Workspace(workspace) => self.positions_by_month(listing, workspace, at_most).await?,
            Scope::Agent(workspace, agent) => {
                let partition = ("workspace_agent", workspace_agent(workspace, agent));
                self.positions(listing, "by_agent", partition, at_most).await?
            }
        };
        let more = positions.len() > listing.limit;
        positions.truncate(listing.limit);
        let next = if more { positions.last().copied() } else { None };
        let ids: Vec<PaymentRequestId> = positions.iter().map(|position| position.id).collect();
        let mut found = self.get_all(&ids).await?;
        // The index lags behind the table by moments, so a key may have lost its item.
        let requests = ids.iter().filter_map(|id| found.remove(id)).collect();
        Ok(Listed { requests, next })
    }
}

fn read(item: Item) -> Result<PaymentRequest, StoreError> {
    let item: RequestItem = from_item(item).map_err(corrupt)?;
    item.try_into().map_err(|error: domain::Invalid| StoreError::Corrupt(error.into()))
}

fn corrupt(error: serde_dynamo::Error) -> StoreError {
    StoreError::Corrupt(error.into())
}

fn text<'a>(item: &'a Item, attribute: &str) -> Result<&'a str, StoreError> {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(StoreError::Corrupt(format!("an index key without its {attribute}").into())),
    }
}
