//! The store's port for the index of deadlines.

use super::keys::{DUE_SHARDS, request_of_key};
use super::store::{DynamoDbStore, Page, text};
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
            self.query(Page { index: "due", partition, range, newest_first: false, at_most: None })
        });
        let mut due = Vec::new();
        for key in try_join_all(shards).await?.into_iter().flatten() {
            let unreadable = || StoreError::Corrupt("a key of the index of due requests is invalid".into());
            let id = request_of_key(text(&key, "pk")?).ok_or_else(unreadable)?;
            let due_at = key.get("due_at").and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
            let due_at = due_at.and_then(|at| Timestamp::from_milliseconds(at).ok()).ok_or_else(unreadable)?;
            due.push(Due { id, due_at });
        }
        due.sort_by_key(|due| due.due_at);
        Ok(due)
    }
}
