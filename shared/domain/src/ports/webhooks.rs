//! The ports of status webhooks: the endpoints, the log of deliveries, the queue, and the calls.

use crate::id::RunId;
use crate::people::WorkspaceId;
use crate::ports::{Cause, StoreError};
use crate::time::Timestamp;
use crate::webhooks::{
    Delivery, DeliverySummary, EndpointId, EventId, Response, SealedSecret, SigningSecret, StoredSecret,
    WebhookEndpoint,
};
use std::time::Duration;

/// A workspace's endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisteredEndpoints {
    /// Those that can be read, by their identifiers.
    pub endpoints: Vec<WebhookEndpoint>,
    /// The number of those that cannot be read: a later release stored them, or somebody changed them.
    pub unreadable: usize,
}

/// The endpoints that integrators registered.
pub trait WebhookEndpoints: Send + Sync {
    /// Stores a new endpoint.
    fn insert_endpoint(&self, endpoint: &WebhookEndpoint) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns a workspace's endpoints (a consistent read, so that an endpoint receives the first event after its
    /// registration).
    fn endpoints(
        &self,
        workspace: &WorkspaceId,
    ) -> impl Future<Output = Result<RegisteredEndpoints, StoreError>> + Send;

    /// Returns an endpoint (a consistent read); `None` if the workspace has none with this identifier.
    fn find_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
    ) -> impl Future<Output = Result<Option<WebhookEndpoint>, StoreError>> + Send;

    /// Removes an endpoint. Returns whether it was there.
    fn remove_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Replaces the secrets of an endpoint, if it is still there and they are still those of `seen`. Returns whether
    /// they are replaced: of two rotations at the same moment one wins.
    fn replace_secrets(
        &self,
        seen: &WebhookEndpoint,
        secrets: &[StoredSecret],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Records that an endpoint fails since `at`, unless it already failed before.
    fn record_failing(
        &self,
        endpoint: &WebhookEndpoint,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records that an endpoint accepted a delivery at `at`. A failure after that time stays recorded.
    fn record_success(
        &self,
        endpoint: &WebhookEndpoint,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records that an endpoint did not answer in time, and is not called before `until`; `None` records that it
    /// answered.
    fn record_slow(
        &self,
        endpoint: &WebhookEndpoint,
        until: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Claims the one attempt that tries an endpoint again that did not answer in time, as it was read as `seen`, for a
    /// run. The others wait until `until`. Returns whether it is claimed; a retry after a lost answer returns that it
    /// is.
    fn claim_probe(
        &self,
        seen: &WebhookEndpoint,
        run: &RunId,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Disables an endpoint that fails, and ends its pending deliveries, unless it has succeeded since it was read as
    /// `seen`. Returns whether it is disabled by this call.
    fn disable(&self, seen: &WebhookEndpoint, at: Timestamp) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Enables an endpoint that was disabled. What was ended stays so.
    fn enable(&self, endpoint: &WebhookEndpoint) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A place in an endpoint's list of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPlace {
    /// When the event happened.
    pub occurred_at: Timestamp,
    /// The event.
    pub event: EventId,
}

impl DeliveryPlace {
    /// Returns a delivery's place.
    #[must_use]
    pub fn of(delivery: &Delivery) -> Self {
        Self { occurred_at: delivery.event.occurred_at, event: delivery.event.id.clone() }
    }
}

/// A page of an endpoint's deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryPage {
    /// The deliveries: those of the page's limit that can be read, and that the time to live has not removed.
    pub deliveries: Vec<Delivery>,
    /// The place after which the next page begins; `None` on the last page.
    pub next: Option<DeliveryPlace>,
}

/// What became of each event at each endpoint.
pub trait Deliveries: Send + Sync {
    /// Stores a new delivery. Returns the one that was stored already for the same event and endpoint, if there is one.
    /// A retry after a lost answer returns none.
    fn insert_delivery(&self, delivery: &Delivery)
    -> impl Future<Output = Result<Option<Delivery>, StoreError>> + Send;

    /// Returns the delivery of an event (a consistent read).
    fn find_delivery(
        &self,
        endpoint: &EndpointId,
        event: &EventId,
    ) -> impl Future<Output = Result<Option<Delivery>, StoreError>> + Send;

    /// Returns the deliveries of the earlier events of the same payment request that are stored as pending, in their
    /// order (a consistent read).
    fn earlier_deliveries(
        &self,
        endpoint: &EndpointId,
        event: &EventId,
    ) -> impl Future<Output = Result<Vec<DeliverySummary>, StoreError>> + Send;

    /// Returns the deliveries of the later events of the same payment request that are stored as pending, in their
    /// order (a consistent read).
    fn later_deliveries(
        &self,
        endpoint: &EndpointId,
        event: &EventId,
    ) -> impl Future<Output = Result<Vec<DeliverySummary>, StoreError>> + Send;

    /// Replaces a delivery that is still as in `seen`: at the same turn, and claimed by nobody else. Returns whether it
    /// is replaced; a retry after a lost answer returns that it is.
    fn replace_delivery(
        &self,
        seen: &Delivery,
        new: &Delivery,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Returns a page of an endpoint's deliveries, the newest first, after a place. The list is eventually consistent.
    fn newest_deliveries(
        &self,
        endpoint: &EndpointId,
        after: Option<&DeliveryPlace>,
        limit: usize,
    ) -> impl Future<Output = Result<DeliveryPage, StoreError>> + Send;

    /// Returns a page of an endpoint's deliveries of the events from `since` to before `until`, the oldest first, after
    /// a place.
    fn deliveries_between(
        &self,
        endpoint: &EndpointId,
        since: Timestamp,
        until: Timestamp,
        after: Option<&DeliveryPlace>,
        limit: usize,
    ) -> impl Future<Output = Result<DeliveryPage, StoreError>> + Send;
}

/// A task of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Attempt a delivery.
    Attempt {
        /// The company that the endpoint belongs to.
        workspace: WorkspaceId,
        /// The endpoint.
        endpoint: EndpointId,
        /// The event.
        event: EventId,
        /// The turn of the delivery that the task is about.
        turn: u32,
        /// When the attempt is due.
        due: Timestamp,
    },
    /// Replay the events from a moment on, page by page.
    Replay {
        /// The company that the endpoint belongs to.
        workspace: WorkspaceId,
        /// The endpoint.
        endpoint: EndpointId,
        /// The time of the first event.
        since: Timestamp,
        /// When the replay was requested. What happened later is delivered anyway.
        requested_at: Timestamp,
        /// The place after which this page begins; `None` for the first one.
        after: Option<DeliveryPlace>,
    },
}

/// A task with the time until it is due, at most [`LONGEST_DELAY`](crate::webhooks::LONGEST_DELAY).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedTask {
    /// The task.
    pub task: Task,
    /// The time until it is due.
    pub delay: Duration,
}

/// The error of a queue that did not take a task. A retry may queue it twice, which does no harm.
#[derive(Debug, thiserror::Error)]
#[error("the queue of deliveries did not take a task: {0}")]
pub struct QueueError(#[source] pub Cause);

/// The queue of tasks. A task comes at least once, and not before it is due.
pub trait DeliveryQueue: Send + Sync {
    /// Queues tasks.
    ///
    /// # Errors
    /// [`QueueError`] if not all of them are known to be queued.
    fn queue(&self, tasks: &[QueuedTask]) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// A secret that was decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedSecret {
    /// The secret.
    pub secret: SigningSecret,
    /// Whether it was encrypted with an earlier key than the one that encrypts now.
    pub is_outdated: bool,
}

/// The error of a secret that could not be encrypted or decrypted. Its text holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("a webhook endpoint's secret cannot be used: {0}")]
pub struct VaultError(#[source] pub Cause);

/// The encryption of the endpoints' secrets. What was encrypted for one endpoint cannot be decrypted for another.
pub trait SecretVault: Send + Sync {
    /// Encrypts a secret.
    fn seal(
        &self,
        workspace: &WorkspaceId,
        endpoint: &EndpointId,
        secret: &SigningSecret,
    ) -> impl Future<Output = Result<SealedSecret, VaultError>> + Send;

    /// Decrypts a secret.
    fn open(
        &self,
        workspace: &WorkspaceId,
        endpoint: &EndpointId,
        sealed: &SealedSecret,
    ) -> impl Future<Output = Result<OpenedSecret, VaultError>> + Send;
}

/// The calls to the endpoints.
pub trait WebhookSender: Send + Sync {
    /// Posts a delivery to an endpoint, signed by each of the secrets. Whatever happens is a [`Response`].
    fn send(
        &self,
        endpoint: &WebhookEndpoint,
        secrets: &[SigningSecret],
        delivery: &Delivery,
        now: Timestamp,
    ) -> impl Future<Output = Response> + Send;
}
