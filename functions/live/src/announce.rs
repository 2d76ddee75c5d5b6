//! An event of the bus → the connections that watch its request.

use adapters::DynamoDbStore;
use adapters::live::{LiveGateway, LiveTable};
use domain::live::Watcher;
use domain::ports::{Connections as _, Reads as _, SocketError, Sockets as _, StoreError};
use domain::{Audience, Doors, PaymentRequest};
use futures::StreamExt as _;
use futures::future::try_join;
use runtime::bus_event::Subject;
use runtime::representation::{Representation, representation};
use runtime::telemetry::chain;
use serde::Serialize;

/// The messages that are posted at once.
const POSTS_AT_ONCE: usize = 50;

/// The message that a client receives.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LiveMessage"))]
pub(crate) struct Message<'a> {
    /// What happened: `changed`.
    r#type: Changed,
    /// The payment request as it is now.
    request: Representation<'a>,
}

/// The kind of every message.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Changed {
    Changed,
}

/// Notifies the connections that may see a changed request.
pub(crate) struct Announcer {
    pub(crate) store: DynamoDbStore,
    pub(crate) table: LiveTable,
    pub(crate) gateway: LiveGateway,
    pub(crate) doors: Doors,
    pub(crate) public_base_url: String,
}

/// Why a change was not announced to everybody.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnnounceError {
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gateway took neither the message of some connections nor their end, so that their clients know nothing of
    /// the change and are not told to read it either. Holds their number, and why the last was not closed.
    #[error("{0} connections could be neither notified nor closed")]
    Unreachable(usize, #[source] SocketError),
}

/// What became of one connection's message.
#[derive(Debug)]
enum Posted {
    Notified,
    /// The connection has ended, or its client has gone.
    Gone,
    /// The message could not be posted, and the connection was closed: its client reads what it missed.
    Closed(SocketError),
    /// Nor could it be closed.
    Unreachable(SocketError),
}

impl Announcer {
    /// Posts the request, as it is now, to every connection that watches it. A connection that cannot be notified is
    /// closed: its client opens another one, and reads what it missed.
    ///
    /// Without a connection, the request is not even read.
    pub(crate) async fn announce(&self, subject: &Subject) -> Result<(), AnnounceError> {
        let id = subject.id;
        let agent = Audience::Agent(subject.workspace.clone(), subject.agent.clone());
        let workspace = Audience::Workspace(subject.workspace.clone());
        let (mut watchers, supervisors) =
            try_join(self.table.watchers(&agent), self.table.watchers(&workspace)).await?;
        watchers.extend(supervisors);
        if watchers.is_empty() {
            tracing::debug!(%id, "change not announced: nobody watches");
            return Ok(());
        }
        // Read before the request is, so that a status that is shown as final was so when it was read.
        let now = self.doors.now();
        let Some(request) = self.store.get(id).await? else {
            tracing::warn!(%id, "change not announced: there is no such payment request");
            return Ok(());
        };
        let message =
            Message { r#type: Changed::Changed, request: representation(&request, now, &self.public_base_url) };
        let message = serde_json::to_string(&message).map_err(|error| StoreError::Refused(error.into()))?;
        let posts = watchers.into_iter().map(|watcher| self.post(watcher, &request, &message));
        let mut posted = futures::stream::iter(posts).buffer_unordered(POSTS_AT_ONCE);
        let (mut notified, mut gone, mut closed, mut unreachable) = (0_usize, 0_usize, Vec::new(), Vec::new());
        while let Some(posted) = posted.next().await {
            match posted {
                Posted::Notified => notified += 1,
                Posted::Gone => gone += 1,
                Posted::Closed(error) => closed.push(error),
                Posted::Unreachable(error) => unreachable.push(error),
            }
        }
        if let Some(error) = closed.first() {
            let (cause, closed) = (chain(error), closed.len());
            tracing::warn!(%id, notified, gone, closed, cause, "connections closed: they could not be notified");
        } else {
            tracing::info!(%id, notified, gone, "change announced");
        }
        let count = unreachable.len();
        unreachable.pop().map_or(Ok(()), |error| Err(AnnounceError::Unreachable(count, error)))
    }

    async fn post(&self, watcher: Watcher, request: &PaymentRequest, message: &str) -> Posted {
        if watcher.has_ended(self.doors.now()) {
            if let Err(error) = self.gateway.close(&watcher.connection).await {
                tracing::debug!(error = chain(&error), "connection not closed; the gateway ends it later");
            }
            return self.forget(&watcher).await;
        }
        // An event cannot make a connection see what its token does not.
        if !watcher.audience.covers(&request.workspace, &request.agent.id) {
            return Posted::Gone;
        }
        match self.gateway.post(&watcher.connection, message).await {
            Ok(()) => Posted::Notified,
            // The gateway does not know a connection before it has opened it.
            Err(SocketError::Gone) if watcher.is_opening(self.doors.now()) => Posted::Gone,
            Err(SocketError::Gone) => self.forget(&watcher).await,
            Err(error @ SocketError::Failed(_)) => match self.gateway.close(&watcher.connection).await {
                Ok(()) => {
                    self.forget(&watcher).await;
                    Posted::Closed(error)
                }
                Err(error) => Posted::Unreachable(error),
            },
        }
    }

    async fn forget(&self, watcher: &Watcher) -> Posted {
        if let Err(error) = self.table.remove(watcher).await {
            tracing::debug!(error = chain(&error), "connection not removed; the next message removes it");
        }
        Posted::Gone
    }
}
