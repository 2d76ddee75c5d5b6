//! The use cases of live updates: issue a ticket, open a connection with it, keep it, and end it.

use super::UseCaseError;
use crate::doors::Doors;
use crate::live::{ConnectionId, Grant, TICKET_LIFETIME, Ticket, Watcher, passed_limit};
use crate::people::{AgentId, Audience};
use crate::ports::{Connections, Sockets};
use crate::time::Timestamp;

/// The outcome of [`connect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connected {
    /// The connection is notified from now on.
    Opened(Watcher),
    /// The ticket is unknown, used or late.
    NoTicket,
    /// The person, or all who watch the audience, have as many connections as allowed. Holds that number.
    TooMany(usize),
}

/// The outcome of [`ping`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinged {
    /// The connection goes on.
    Open,
    /// The connection has ended, or is unknown, and was closed.
    Closed,
}

/// Issues a ticket to a person who may see this audience and whose token ends at `token_ends_at`.
///
/// # Errors
/// The store or the source of randomness failed.
pub async fn issue(
    store: &impl Connections,
    doors: &Doors,
    audience: Audience,
    person: AgentId,
    token_ends_at: Timestamp,
) -> Result<Ticket, UseCaseError> {
    let ticket = Ticket::random(doors)?;
    let ticket_ends_at = doors.now().saturating_add(TICKET_LIFETIME);
    store.insert_ticket(&ticket, &Grant { audience, person, token_ends_at, ticket_ends_at }).await?;
    Ok(ticket)
}

/// Opens a connection with a ticket. The ticket is used up, whatever the outcome.
///
/// The limit is not exact: connections that are opened at the same moment may exceed it.
///
/// # Errors
/// The store failed.
pub async fn connect(
    store: &impl Connections,
    doors: &Doors,
    ticket: &Ticket,
    connection: ConnectionId,
) -> Result<Connected, UseCaseError> {
    let Some(grant) = store.take_ticket(ticket).await? else { return Ok(Connected::NoTicket) };
    let now = doors.now();
    if now >= grant.ticket_ends_at || now >= grant.token_ends_at {
        return Ok(Connected::NoTicket);
    }
    let watchers = store.watchers(&grant.audience).await?;
    let open = watchers.iter().filter(|watcher| !watcher.has_ended(now));
    if let Some(limit) = passed_limit(open, &grant.person) {
        return Ok(Connected::TooMany(limit));
    }
    let watcher = Watcher::new(connection, grant, now);
    store.insert(&watcher).await?;
    Ok(Connected::Opened(watcher))
}

/// Answers a client's ping: closes the connection if its token has ended.
///
/// # Errors
/// The store failed.
pub async fn ping(
    store: &impl Connections,
    sockets: &impl Sockets,
    doors: &Doors,
    connection: &ConnectionId,
) -> Result<Pinged, UseCaseError> {
    let watcher = store.find(connection).await?;
    if watcher.as_ref().is_some_and(|watcher| !watcher.has_ended(doors.now())) {
        return Ok(Pinged::Open);
    }
    sockets.close(connection).await?;
    if let Some(watcher) = watcher {
        store.remove(&watcher).await?;
    }
    Ok(Pinged::Closed)
}
