//! The store's port for the index of what is due.

use super::error::store_error;
use super::keys::{LOOKED_AT, due_shards, key, look_shards};
use super::read;
use super::store::{DynamoDbStore, Page};
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::ports::{Due, DueIndex, DuePeriod, StoreError};
use domain::{Status, Timestamp};
use futures::future::try_join_all;
use std::ops::Range;

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

impl DueIndex for DynamoDbStore {
    const PAGE: usize = 500;

    fn partitions(&self) -> Range<u8> {
        due_shards()
    }

    async fn due(&self, partition: u8, period: DuePeriod, after: Option<Due>) -> Result<Vec<Due>, StoreError> {
        let time = |time: Timestamp| number(time.as_milliseconds());
        let shard = number(i64::from(partition));
        let page = Page {
            index: "due",
            partition: ("due_shard", shard.clone()),
            range: ("due_at", time(period.earliest), time(period.latest)),
            newest_first: false,
            at_most: Some(Self::PAGE),
            after: after.map(|after| {
                [("pk", key(after.id)), ("due_shard", shard), ("due_at", time(after.due_at))]
                    .map(|(name, value)| (name.to_owned(), value))
                    .into()
            }),
        };
        self.query(page, |key| read::due(key).map(|(id, due_at)| Due { id, due_at })).await
    }

    async fn waiting(&self) -> Result<Vec<(Status, usize)>, StoreError> {
        try_join_all(LOOKED_AT.map(|status| async move {
            let shards = look_shards(status).into_iter().flatten();
            let counts = try_join_all(shards.map(|shard| self.count_due(shard))).await?;
            Ok((status, counts.into_iter().sum()))
        }))
        .await
    }
}

impl DynamoDbStore {
    /// Counts the requests in one partition of the index `due`.
    async fn count_due(&self, shard: u8) -> Result<usize, StoreError> {
        let (mut found, mut start) = (0, None);
        loop {
            let query = self.client.query().table_name(&self.table).index_name("due").select(Select::Count);
            let output = query
                .key_condition_expression("due_shard = :shard")
                .expression_attribute_values(":shard", number(i64::from(shard)))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(store_error)?;
            found += usize::try_from(output.count).unwrap_or_default();
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }
}
