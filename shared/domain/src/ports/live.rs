//! The ports of live updates: tickets, connections, and the gateway that holds them.

use crate::live::{ConnectionId, Grant, Ticket, Watcher};
use crate::people::Audience;
use crate::ports::{Cause, StoreError};

/// The tickets that were issued, and the connections that they opened.
pub trait Connections: Send + Sync {
    /// Stores a ticket with what it grants.
    fn insert_ticket(&self, ticket: &Ticket, grant: &Grant) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes a ticket and returns what it grants; `None` if there is none. Of any number of calls with one ticket, at
    /// most one gets it. After a lost response it may be none: the client then asks for another ticket.
    fn take_ticket(&self, ticket: &Ticket) -> impl Future<Output = Result<Option<Grant>, StoreError>> + Send;

    /// Stores a connection.
    fn insert(&self, watcher: &Watcher) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns a connection (a consistent read); `None` if there is none.
    fn find(&self, connection: &ConnectionId) -> impl Future<Output = Result<Option<Watcher>, StoreError>> + Send;

    /// Removes a connection.
    fn remove(&self, watcher: &Watcher) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes a connection by its identifier, and returns it; `None` if there was none.
    fn take(&self, connection: &ConnectionId) -> impl Future<Output = Result<Option<Watcher>, StoreError>> + Send;

    /// Returns the connections of exactly this audience (a consistent read, so that a connection is notified of the
    /// first change after it was opened).
    fn watchers(&self, audience: &Audience) -> impl Future<Output = Result<Vec<Watcher>, StoreError>> + Send;
}

/// The gateway that holds the connections.
pub trait Sockets: Send + Sync {
    /// Sends a message to a connection.
    fn post(&self, connection: &ConnectionId, message: &str) -> impl Future<Output = Result<(), SocketError>> + Send;

    /// Closes a connection. One that is not there counts as closed.
    fn close(&self, connection: &ConnectionId) -> impl Future<Output = Result<(), SocketError>> + Send;
}

/// The error of a call to the gateway.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The connection is not there: its client has gone.
    #[error("the connection is gone")]
    Gone,
    /// The gateway did not take the call.
    #[error("the gateway failed: {0}")]
    Failed(#[source] Cause),
}
