//! The table of tickets and connections.
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | ticket | `TICKET#<digest>` | `TICKET` |
//! | connection, as the gateway names it | `CONNECTION#<id>` | `CONNECTION` |
//! | connection, by what it watches | `AGENT#<workspace>#<agent>`, or `WORKSPACE#<workspace>` | its id |
//!
//! A connection has two items, because a change finds it by what it watches, and the gateway by its id. Either may be
//! left alone by a crash. Then the next message is posted to nobody and removes the one, and TTL removes the other.

use crate::aws::client_config;
use crate::dynamodb::store_error;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::live::{ConnectionId, Grant, Ticket, Watcher};
use domain::ports::{Connections, StoreError};
use domain::{AgentId, Audience, Timestamp, WorkspaceId};
use futures::future::try_join;
use runtime::telemetry::{Metric, count};
use runtime::{ConfigError, Environment};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
use std::collections::HashMap;
use std::time::Duration;

/// How long a connection is kept after its end, so that the next change or ping finds it and closes it. Longer than a
/// gateway keeps a silent one.
const KEPT_AFTER_ITS_END: Duration = Duration::from_mins(15);

/// An item, or the key of an item.
type Item = HashMap<String, AttributeValue>;

/// The table of tickets and connections. It is apart from that of the payment requests, whose stream every write here
/// would reach.
#[derive(Debug, Clone)]
pub struct LiveTable {
    client: Client,
    table: String,
}

/// A ticket as it is stored.
#[derive(Serialize, Deserialize)]
struct TicketItem {
    #[serde(flatten)]
    audience: AudienceFields,
    person: AgentId,
    token_ends_at: Timestamp,
    ticket_ends_at: Timestamp,
    /// The time to live, in seconds since the Unix epoch.
    ttl: i64,
}

/// A connection as it is stored, in both of its items.
#[derive(Serialize, Deserialize)]
struct ConnectionItem {
    #[serde(flatten)]
    audience: AudienceFields,
    person: AgentId,
    id: ConnectionId,
    connected_at: Timestamp,
    ends_at: Timestamp,
    /// The time to live, in seconds since the Unix epoch.
    ttl: i64,
}

#[derive(Serialize, Deserialize)]
struct AudienceFields {
    workspace: WorkspaceId,
    /// Missing where the whole workspace is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<AgentId>,
}

impl From<&Audience> for AudienceFields {
    fn from(audience: &Audience) -> Self {
        match audience {
            Audience::Workspace(workspace) => Self { workspace: workspace.clone(), agent: None },
            Audience::Agent(workspace, agent) => Self { workspace: workspace.clone(), agent: Some(agent.clone()) },
        }
    }
}

impl From<AudienceFields> for Audience {
    fn from(fields: AudienceFields) -> Self {
        match fields.agent {
            None => Self::Workspace(fields.workspace),
            Some(agent) => Self::Agent(fields.workspace, agent),
        }
    }
}

impl From<&Watcher> for ConnectionItem {
    fn from(watcher: &Watcher) -> Self {
        Self {
            audience: (&watcher.audience).into(),
            person: watcher.person.clone(),
            id: watcher.connection.clone(),
            connected_at: watcher.connected_at,
            ends_at: watcher.ends_at,
            ttl: watcher.ends_at.saturating_add(KEPT_AFTER_ITS_END).as_seconds_ceiling(),
        }
    }
}

impl From<ConnectionItem> for Watcher {
    fn from(item: ConnectionItem) -> Self {
        Self {
            connection: item.id,
            audience: item.audience.into(),
            person: item.person,
            connected_at: item.connected_at,
            ends_at: item.ends_at,
        }
    }
}

fn key(pk: String, sk: &str) -> Item {
    let text = |text: String| AttributeValue::S(text);
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk.to_owned()))])
}

fn ticket_key(ticket: &Ticket) -> Item {
    key(format!("TICKET#{}", ticket.digest()), "TICKET")
}

fn connection_key(connection: &ConnectionId) -> Item {
    key(format!("CONNECTION#{connection}"), "CONNECTION")
}

/// Returns the partition of an audience. A workspace contains no `#`, so that no agent's identifier can imitate
/// another's partition.
fn partition(audience: &Audience) -> String {
    match audience {
        Audience::Workspace(workspace) => format!("WORKSPACE#{workspace}"),
        Audience::Agent(workspace, agent) => format!("AGENT#{workspace}#{agent}"),
    }
}

fn watcher_key(watcher: &Watcher) -> Item {
    key(partition(&watcher.audience), watcher.connection.as_str())
}

fn with_key(key: Item, value: &impl Serialize) -> Result<Item, StoreError> {
    let mut item: Item = to_item(value).map_err(|error: serde_dynamo::Error| StoreError::Refused(error.into()))?;
    item.extend(key);
    Ok(item)
}

/// Reads an item; `None` if this version cannot. It then counts as not there: whoever it was for connects again.
fn read<T: DeserializeOwned>(item: Item) -> Option<T> {
    let read = from_item(item);
    if read.is_err() {
        // The error shows values, such as the agent's identifier.
        count(Metric::StoredItemUnreadable);
        tracing::error!("stored item of live updates left out: it cannot be read");
    }
    read.ok()
}

impl LiveTable {
    /// Builds the table from the environment: `LIVE_TABLE_NAME` in `AWS_REGION`, with the endpoint
    /// `AWS_ENDPOINT_URL_DYNAMODB` if that is set.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::from_conf(client_config!(aws_sdk_dynamodb, environment, DYNAMODB)),
            table: environment.require("LIVE_TABLE_NAME")?.to_owned(),
        })
    }

    /// Opens the connection in advance, so that the first call does not wait for it: reads an item that does not exist.
    pub async fn warm(&self) {
        let warming = self.client.get_item().table_name(&self.table).set_key(Some(key("WARM".to_owned(), "WARM")));
        if let Err(error) = warming.send().await {
            tracing::warn!(error = %store_error(error), "DynamoDB connection not opened in advance");
        }
    }

    async fn put(&self, item: Item) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(store_error)
    }

    async fn delete(&self, key: Item) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
        delete.send().await.map(drop).map_err(store_error)
    }

    /// Deletes an item and returns what it was.
    async fn take<T: DeserializeOwned>(&self, key: Item) -> Result<Option<T>, StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
        let deleted = delete.return_values(ReturnValue::AllOld).send().await.map_err(store_error)?;
        Ok(deleted.attributes.filter(|item| !item.is_empty()).and_then(read))
    }
}

impl Connections for LiveTable {
    async fn insert_ticket(&self, ticket: &Ticket, grant: &Grant) -> Result<(), StoreError> {
        let item = TicketItem {
            audience: (&grant.audience).into(),
            person: grant.person.clone(),
            token_ends_at: grant.token_ends_at,
            ticket_ends_at: grant.ticket_ends_at,
            ttl: grant.ticket_ends_at.as_seconds_ceiling(),
        };
        self.put(with_key(ticket_key(ticket), &item)?).await
    }

    async fn take_ticket(&self, ticket: &Ticket) -> Result<Option<Grant>, StoreError> {
        let taken: Option<TicketItem> = self.take(ticket_key(ticket)).await?;
        Ok(taken.map(|item| Grant {
            audience: item.audience.into(),
            person: item.person,
            token_ends_at: item.token_ends_at,
            ticket_ends_at: item.ticket_ends_at,
        }))
    }

    async fn insert(&self, watcher: &Watcher) -> Result<(), StoreError> {
        let item = ConnectionItem::from(watcher);
        let by_id = self.put(with_key(connection_key(&watcher.connection), &item)?);
        let by_audience = self.put(with_key(watcher_key(watcher), &item)?);
        try_join(by_id, by_audience).await.map(drop)
    }

    async fn find(&self, connection: &ConnectionId) -> Result<Option<Watcher>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(connection_key(connection)));
        let item = get.consistent_read(true).send().await.map_err(store_error)?.item;
        Ok(item.and_then(read::<ConnectionItem>).map(Watcher::from))
    }

    async fn remove(&self, watcher: &Watcher) -> Result<(), StoreError> {
        let by_id = self.delete(connection_key(&watcher.connection));
        try_join(by_id, self.delete(watcher_key(watcher))).await.map(drop)
    }

    async fn take(&self, connection: &ConnectionId) -> Result<Option<Watcher>, StoreError> {
        let taken: Option<ConnectionItem> = self.take(connection_key(connection)).await?;
        let Some(watcher) = taken.map(Watcher::from) else { return Ok(None) };
        self.delete(watcher_key(&watcher)).await?;
        Ok(Some(watcher))
    }

    async fn watchers(&self, audience: &Audience) -> Result<Vec<Watcher>, StoreError> {
        let (mut watchers, mut start) = (Vec::new(), None);
        loop {
            let query = self.client.query().table_name(&self.table).key_condition_expression("pk = :pk");
            let query = query.expression_attribute_values(":pk", AttributeValue::S(partition(audience)));
            let query = query.consistent_read(true).set_exclusive_start_key(start);
            let page = query.send().await.map_err(store_error)?;
            let found = page.items.unwrap_or_default().into_iter();
            watchers.extend(found.filter_map(read::<ConnectionItem>).map(Watcher::from));
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(watchers);
            }
        }
    }
}
