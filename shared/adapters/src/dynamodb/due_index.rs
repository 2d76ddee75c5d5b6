//! The store's port for the index of deadlines.

use super::keys::DUE_SHARDS;
use super::read;
use super::store::{DynamoDbStore, Page};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::Timestamp;
use domain::ports::{Due, DueIndex, StoreError};
use futures::future::try_join_all;

impl DueIndex for DynamoDbStore {
    async fn due(&self, latest: Timestamp) -> Result<Vec<Due>, StoreError> {
        let number = |number: i64| AttributeValue::N(number.to_string());
        let shards = (0..DUE_SHARDS).map(|shard| {
            let partition = ("due_shard", number(i64::from(shard)));
            let range = ("due_at", number(0), number(latest.as_milliseconds()));
            let page = Page { index: "due", partition, range, newest_first: false, at_most: None };
            self.query(page, |key| read::due(key).map(|(id, due_at)| Due { id, due_at }))
        });
        let mut due: Vec<Due> = try_join_all(shards).await?.into_iter().flatten().collect();
        due.sort_by_key(|due| due.due_at);
        Ok(due)
    }
}
