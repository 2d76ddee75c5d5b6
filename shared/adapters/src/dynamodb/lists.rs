//! The store's port for lists: keys from an index, then their items in batches.

use super::error::store_error;
use super::keys::{key, workspace_agent, workspace_month};
use super::store::{DynamoDbStore, Item, Page, read, text};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::ports::{Listed, Listing, Lists, Position, StoreError};
use domain::{Audience, PaymentRequest, PaymentRequestId, WorkspaceId};
use futures::future::try_join_all;
use std::collections::HashMap;
use std::time::Duration;

/// The greatest number of keys that `BatchGetItem` accepts
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const BATCH: usize = 100;

/// The number of months' partitions that are read in parallel when a list reaches far back.
const MONTHS_AT_ONCE: usize = 8;

impl Lists for DynamoDbStore {
    async fn list(&self, listing: &Listing) -> Result<Listed, StoreError> {
        // One more than the limit, to find out whether there are more.
        let at_most = listing.limit + 1;
        let mut positions = match &listing.audience {
            Audience::Workspace(workspace) => self.positions_by_month(listing, workspace, at_most).await?,
            Audience::Agent(workspace, agent) => {
                let partition = ("workspace_agent", workspace_agent(workspace, agent));
                self.positions(listing, "by_agent", partition, at_most).await?
            }
        };
        let more = positions.len() > listing.limit;
        positions.truncate(listing.limit);
        let next = if more { positions.last().copied() } else { None };
        let ids: Vec<PaymentRequestId> = positions.iter().map(|position| position.id).collect();
        let mut found = self.get_all(&ids).await?;
        // The index lags behind the table by moments, so a key's item may be gone.
        let requests = ids.iter().filter_map(|id| found.remove(id)).collect();
        Ok(Listed { requests, next })
    }
}

impl DynamoDbStore {
    /// Returns the positions of requests in one partition of a list's index, newest first, up to the given number.
    async fn positions(
        &self,
        listing: &Listing,
        index: &str,
        partition: (&str, String),
        at_most: usize,
    ) -> Result<Vec<Position>, StoreError> {
        // A range key begins with a time, so it sorts after that time alone. Therefore the low end is inclusive and the
        // high end exclusive, although BETWEEN includes both. After a position, its own key comes first and is dropped.
        let high = listing.after.filter(|after| after.created_at < listing.to);
        let (low, end) =
            (listing.from.to_string(), high.as_ref().map_or_else(|| listing.to.to_string(), Position::to_string));
        // DynamoDB rejects a BETWEEN whose ends are reversed; such a range is empty.
        if low > end {
            return Ok(Vec::new());
        }
        let range = ("created", AttributeValue::S(low), AttributeValue::S(end));
        let partition = (partition.0, AttributeValue::S(partition.1));
        let at_most_keys = Some(at_most + usize::from(high.is_some()));
        let keys = self.query(Page { index, partition, range, newest_first: true, at_most: at_most_keys }).await?;
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

    /// Returns the positions of a whole workspace's requests, month by month from the newest.
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
            // Most pages end within the newest month, so other months are only read ahead for a list that reaches far
            // back.
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

    /// Reads the requests with these identifiers, in any order. Missing ones are left out.
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
                // Unprocessed keys were throttled, and an immediate retry would be throttled too.
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Ok(found)
    }
}
