//! Reads of many items by their keys, in one call and its repetitions.

use super::error::store_error;
use super::store::Item;
use crate::retry::{full_jitter, retry};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::Doors;
use domain::ports::StoreError;
use std::time::Duration;

/// The greatest number of keys that `BatchGetItem` accepts
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
pub(crate) const KEYS_AT_MOST: usize = 100;

/// The error for a call that did not read a whole batch.
enum BatchError {
    /// The keys that were throttled, and what was found before.
    Unprocessed { keys: Vec<Item>, found: Vec<Item> },
    /// The call failed.
    Failed(StoreError),
}

/// A batch of reads in one table, each consistent.
pub(crate) struct Batch<'a> {
    pub(crate) client: &'a Client,
    pub(crate) table: &'a str,
    pub(crate) doors: &'a Doors,
    /// The number of calls, the first one included.
    pub(crate) attempts: u32,
    /// The longest pause before the second call. Each further one may take twice as long.
    pub(crate) initial_backoff: Duration,
}

impl Batch<'_> {
    /// Returns the items with these keys, at most [`KEYS_AT_MOST`], in any order. Missing ones are left out.
    ///
    /// # Errors
    /// A call failed, or keys were left unprocessed in every one.
    pub(crate) async fn read(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let attempt = |previous: Option<BatchError>| match previous {
            Some(BatchError::Unprocessed { keys, found }) => self.call(keys, found),
            Some(BatchError::Failed(_)) | None => self.call(keys.clone(), Vec::new()),
        };
        // The SDK has retried a call that failed, but it does not look at keys that were left over. Those were
        // throttled, so an immediate retry would be throttled too.
        let read = retry(attempt, |attempts, error| {
            let again = matches!(error, BatchError::Unprocessed { .. }) && attempts < self.attempts;
            again.then(|| full_jitter(self.doors, self.initial_backoff, attempts))
        });
        read.await.map_err(|error| match error {
            BatchError::Unprocessed { .. } => {
                StoreError::Unavailable("a batch of reads was left unprocessed too often".into())
            }
            BatchError::Failed(error) => error,
        })
    }

    /// Reads these keys in one call, and adds their items to `found`.
    async fn call(&self, keys: Vec<Item>, mut found: Vec<Item>) -> Result<Vec<Item>, BatchError> {
        let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let asked = asked.map_err(|error| BatchError::Failed(StoreError::Refused(error.into())))?;
        let call = self.client.batch_get_item().request_items(self.table, asked).send();
        let output = call.await.map_err(|error| BatchError::Failed(store_error(error)))?;
        found.extend(output.responses.unwrap_or_default().remove(self.table).unwrap_or_default());
        let rest = output.unprocessed_keys.unwrap_or_default().remove(self.table);
        match rest.map(|rest| rest.keys).filter(|keys| !keys.is_empty()) {
            Some(keys) => Err(BatchError::Unprocessed { keys, found }),
            None => Ok(found),
        }
    }
}
