//! The store's port for lists: keys from an index, then their items in batches.

use super::batch::{Batch, KEYS_AT_MOST};
use super::keys::{key, workspace_agent, workspace_month};
use super::read::{payment_request, position};
use super::store::{DynamoDbStore, Item, Page};
use crate::aws::{ATTEMPTS, INITIAL_BACKOFF};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{Creations, Listed, Listing, Lists, Position, StoreError};
use domain::{AgentId, Audience, PaymentRequest, PaymentRequestId, Timestamp, WorkspaceId};
use futures::future::try_join_all;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The number of months' partitions that are read in parallel when a list reaches far back.
const MONTHS_AT_ONCE: usize = 8;

impl Lists for DynamoDbStore {
    async fn list(&self, listing: &Listing) -> Result<Listed, StoreError> {
        // One more than the limit, to find out whether there are more.
        let at_most = listing.limit + 1;
        let unreadable = AtomicUsize::new(0);
        let mut positions = match &listing.audience {
            Audience::Workspace(workspace) => self.positions_by_month(listing, workspace, at_most, &unreadable).await?,
            Audience::Agent(workspace, agent) => {
                let partition = ("workspace_agent", workspace_agent(workspace, agent));
                self.positions(listing, "by_agent", partition, at_most, &unreadable).await?
            }
        };
        let more = positions.len() > listing.limit;
        positions.truncate(listing.limit);
        let next = if more { positions.last().copied() } else { None };
        let ids: Vec<PaymentRequestId> = positions.iter().map(|position| position.id).collect();
        let Found { mut requests, unreadable: items, deleted_from } = self.find_all(&ids).await?;
        // The index lags behind the table by moments, so a key's item may be gone. An item that cannot be read is left
        // out too: the page is then shorter, and the next one starts where it would have.
        let requests = ids.iter().filter_map(|id| requests.remove(id)).collect();
        Ok(Listed { requests, next, unreadable: unreadable.into_inner() + items, deleted_from })
    }
}

impl Creations for DynamoDbStore {
    async fn latest_creations(
        &self,
        workspace: &WorkspaceId,
        agent: &AgentId,
        since: Timestamp,
        at_most: usize,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let text = |text: String| AttributeValue::S(text);
        // A range key begins with a time. A colon sorts after every digit, and so after every time.
        let low = since.saturating_add(Duration::from_millis(1)).to_string();
        let page = Page {
            index: "by_agent",
            partition: ("workspace_agent", text(workspace_agent(workspace, agent))),
            range: ("created", text(low), text(":".to_owned())),
            newest_first: true,
            at_most: Some(at_most),
            after: None,
        };
        self.query(page, |key| position(key).map(|position| position.created_at)).await
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
        unreadable: &AtomicUsize,
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
        let page = Page { index, partition, range, newest_first: true, at_most: at_most_keys, after: None };
        let read = |key| {
            position(key).inspect_err(|_| {
                unreadable.fetch_add(1, Ordering::Relaxed);
            })
        };
        let mut positions = self.query(page, read).await?;
        positions.retain(|position| Some(*position) != listing.after);
        positions.truncate(at_most);
        Ok(positions)
    }

    /// Returns the positions of a whole workspace's requests, month by month from the newest.
    async fn positions_by_month(
        &self,
        listing: &Listing,
        workspace: &WorkspaceId,
        at_most: usize,
        unreadable: &AtomicUsize,
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
            let found = months
                .into_iter()
                .map(|key| self.positions(listing, "by_month", ("workspace_month", key), wanted, unreadable));
            positions.extend(try_join_all(found).await?.into_iter().flatten());
        }
        positions.truncate(at_most);
        Ok(positions)
    }

    /// Reads the requests with these identifiers, in any order. Missing and unreadable ones are left out.
    pub(super) async fn get_all(
        &self,
        ids: &[PaymentRequestId],
    ) -> Result<HashMap<PaymentRequestId, PaymentRequest>, StoreError> {
        Ok(self.find_all(ids).await?.requests)
    }

    /// Reads the requests with these identifiers, as [`Self::get_all`], and what else their items tell.
    async fn find_all(&self, ids: &[PaymentRequestId]) -> Result<Found, StoreError> {
        let batches = try_join_all(ids.chunks(KEYS_AT_MOST).map(|ids| self.get_batch(ids))).await?;
        let (mut found, now) = (Found::default(), self.doors.now());
        for item in batches.into_iter().flatten() {
            let deleted_from = deleted_from(&item);
            // DynamoDB deletes it within a few days. If it were listed until then, what is summed of a day at the end
            // of retention could be kept on none of these days.
            if deleted_from.is_some_and(|from| from <= now) {
                continue;
            }
            match payment_request(item) {
                Ok(request) => {
                    let earliest = found.deleted_from.into_iter().chain(deleted_from).min();
                    found.deleted_from = earliest;
                    found.requests.insert(request.id, request);
                }
                Err(unreadable) => {
                    unreadable.leave_out();
                    found.unreadable += 1;
                }
            }
        }
        Ok(found)
    }

    async fn get_batch(&self, ids: &[PaymentRequestId]) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<Item> = ids.iter().map(|id| HashMap::from([("pk".to_owned(), key(*id))])).collect();
        let batch = Batch {
            client: &self.client,
            table: &self.table,
            doors: &self.doors,
            attempts: ATTEMPTS,
            initial_backoff: INITIAL_BACKOFF,
        };
        batch.read(keys).await
    }
}

/// The requests of a list, and what else their items tell.
#[derive(Default)]
struct Found {
    requests: HashMap<PaymentRequestId, PaymentRequest>,
    /// The number of items that cannot be read.
    unreadable: usize,
    /// The earliest time from which DynamoDB deletes one of the items.
    deleted_from: Option<Timestamp>,
}

/// Returns the time from which DynamoDB deletes an item; `None` for one that it does not delete, also because its time
/// cannot be read.
fn deleted_from(item: &Item) -> Option<Timestamp> {
    let seconds = |ttl: &AttributeValue| ttl.as_n().ok()?.parse::<i64>().ok()?.checked_mul(1_000);
    Timestamp::from_milliseconds(seconds(item.get("ttl")?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::State;
    use domain::{Clock, Doors, NoRandomness, Randomness};
    use runtime::Environment;
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

    fn item(key: &Value) -> Value {
        let id = key["pk"]["S"].as_str().unwrap().strip_prefix("REQ#").unwrap();
        json!({
            "pk": key["pk"], "status": { "S": "sent" }, "version": { "N": "1" }, "workspace": { "S": "acme" },
            "agent": { "M": { "id": { "S": "alice" }, "name": { "S": "Alice" } } }, "order_number": { "S": "10045" },
            "amount": { "N": "25000" }, "currency": { "S": "ZAR" }, "phone": { "S": "+27831234567" },
            "token": { "S": "4ZrjxzUmPJr1kqZ1VqVQ7k" }, "link_until": { "N": "1767607500000" },
            "due_at": { "N": "1767607500000" }, "created": { "S": format!("2026-01-05T10:00:00.000Z#{id}") },
            "history": { "L": [{ "M": { "status": { "S": "sent" }, "actor": { "S": "system" },
                "at": { "N": "1767607200000" } } }] },
        })
    }

    /// The numbers of keys that a fake table was asked for, and how many keys it processes in one call.
    #[derive(Clone)]
    struct Throttled {
        asked_for: Arc<Mutex<Vec<usize>>>,
        at_once: usize,
    }

    async fn answer(State(table): State<Throttled>, body: String) -> String {
        let body: Value = serde_json::from_str(&body).unwrap();
        let keys = body["RequestItems"]["chat2pay"]["Keys"].as_array().unwrap().clone();
        table.asked_for.lock().unwrap().push(keys.len());
        let (processed, rest) = keys.split_at(table.at_once.min(keys.len()));
        let rest = if rest.is_empty() { json!({}) } else { json!({ "chat2pay": { "Keys": rest } }) };
        json!({ "Responses": { "chat2pay": processed.iter().map(item).collect::<Vec<_>>() }, "UnprocessedKeys": rest })
            .to_string()
    }

    /// Reads four requests from a table that processes so many keys in one call. Returns how many were read, and the
    /// number of keys in each call.
    async fn read(at_once: usize) -> (Result<usize, StoreError>, Vec<usize>) {
        let table = Throttled { asked_for: Arc::default(), at_once };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(table.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let environment = Environment::default()
            .with("TABLE_NAME", "chat2pay")
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("AWS_ENDPOINT_URL_DYNAMODB", url)
            .with_doors(Doors::new(Zeros, Zeros));
        let ids: Vec<PaymentRequestId> = (0..4).map(|_| PaymentRequestId::new(&Doors::default()).unwrap()).collect();
        let found = DynamoDbStore::new(&environment).unwrap().get_all(&ids).await;
        let asked_for = std::mem::take(&mut *table.asked_for.lock().unwrap());
        (found.map(|found| found.len()), asked_for)
    }

    #[tokio::test]
    async fn what_a_batch_leaves_over_is_asked_for_again_within_the_limits_of_every_call() {
        for (at_once, calls) in [(4, &[4][..]), (2, &[4, 2]), (1, &[4, 3, 2, 1])] {
            let (found, asked_for) = read(at_once).await;
            assert_eq!((found.unwrap(), &asked_for[..]), (4, calls));
        }
        let (found, asked_for) = read(0).await;
        assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
        assert_eq!(asked_for, [4; ATTEMPTS as usize]);
    }
}
