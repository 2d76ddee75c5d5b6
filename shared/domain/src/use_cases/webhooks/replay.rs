//! A supervisor asks for events again: one of them, or all since a moment.

use super::task_of;
use crate::people::WorkspaceId;
use crate::ports::{Deliveries, DeliveryPlace, DeliveryQueue, QueuedTask, StoreError, Task, WebhookEndpoints};
use crate::time::{Clock, Timestamp};
use crate::use_cases::UseCaseError;
use crate::webhooks::{Delivery, EndpointId, EndpointStatus, EventId, WebhookEndpoint};
use std::time::Duration;

/// The number of deliveries that one task of a replay opens again.
const PAGE: usize = 50;
/// The number of times that a delivery is opened again if another run changes it meanwhile.
const TRIES: usize = 5;

/// The outcome of a request to replay one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// The event is delivered again.
    Queued,
    /// The workspace has no such endpoint.
    NoEndpoint,
    /// The endpoint's log has no such event.
    NoEvent,
}

/// Opens a new round of attempts for one event, and enables the endpoint if it was disabled.
///
/// # Errors
/// The store or the queue failed. A retry continues.
pub async fn replay_event(
    store: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    workspace: &WorkspaceId,
    endpoint: &EndpointId,
    event: &EventId,
) -> Result<Replayed, UseCaseError> {
    let Some(endpoint) = store.find_endpoint(workspace, endpoint).await? else { return Ok(Replayed::NoEndpoint) };
    let Some(delivery) = store.find_delivery(&endpoint.id, event).await? else { return Ok(Replayed::NoEvent) };
    enable(store, &endpoint).await?;
    let Some(task) = reopen(store, &endpoint, delivery, clock.now(), None).await? else {
        return Ok(Replayed::NoEvent);
    };
    queue.queue(&[task]).await?;
    Ok(Replayed::Queued)
}

/// Queues the replay of every event since a moment, and enables the endpoint if it was disabled. Returns whether the
/// workspace has such an endpoint.
///
/// # Errors
/// The store or the queue failed. A retry continues.
pub async fn replay_since(
    store: &impl WebhookEndpoints,
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    workspace: &WorkspaceId,
    endpoint: &EndpointId,
    since: Timestamp,
) -> Result<bool, UseCaseError> {
    let Some(endpoint) = store.find_endpoint(workspace, endpoint).await? else { return Ok(false) };
    enable(store, &endpoint).await?;
    let task = Task::Replay {
        workspace: endpoint.workspace,
        endpoint: endpoint.id,
        since,
        requested_at: clock.now(),
        after: None,
    };
    queue.queue(&[QueuedTask { task, delay: Duration::ZERO }]).await?;
    Ok(true)
}

/// The task of a page of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayTask<'a> {
    /// The company that the endpoint belongs to.
    pub workspace: &'a WorkspaceId,
    /// The endpoint.
    pub endpoint: &'a EndpointId,
    /// The time of the first event.
    pub since: Timestamp,
    /// When the replay was requested.
    pub requested_at: Timestamp,
    /// The place after which the page begins.
    pub after: Option<&'a DeliveryPlace>,
}

/// Opens the deliveries of one page again, the oldest first, and queues the next page. Returns how many are queued;
/// `None` if the replay ends here, because the endpoint was disabled again or removed since it was requested. A page
/// that comes twice opens each delivery once.
///
/// # Errors
/// The store or the queue failed. A retry continues.
pub async fn replay_page(
    store: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    task: ReplayTask<'_>,
) -> Result<Option<usize>, UseCaseError> {
    let Some(endpoint) = store.find_endpoint(task.workspace, task.endpoint).await? else { return Ok(None) };
    if endpoint.status() == EndpointStatus::Disabled {
        return Ok(None);
    }
    let page = store.deliveries_between(&endpoint.id, task.since, task.requested_at, task.after, PAGE).await?;
    let mut tasks = Vec::new();
    for delivery in page.deliveries {
        let now = clock.now();
        let opened = delivery.replay == Some(task.requested_at);
        if !opened {
            tasks.extend(reopen(store, &endpoint, delivery, now, Some(task.requested_at)).await?);
        } else if delivery.is_pending_at(&endpoint) && delivery.failures == 0 {
            // The run that opened it may have ended before it queued it.
            tasks.push(task_of(&endpoint, &delivery, delivery.not_before(), now));
        }
    }
    let count = tasks.len();
    if let Some(after) = page.next {
        let ReplayTask { workspace, endpoint, since, requested_at, .. } = task;
        let (workspace, endpoint) = (workspace.clone(), endpoint.clone());
        let task = Task::Replay { workspace, endpoint, since, requested_at, after: Some(after) };
        tasks.push(QueuedTask { task, delay: Duration::ZERO });
    }
    if !tasks.is_empty() {
        queue.queue(&tasks).await?;
    }
    Ok(Some(count))
}

/// Opens a new round of a delivery, and returns its task; `None` if the time to live has removed it. The round of one
/// that is attempted at this moment begins when the claim to that attempt ends: what becomes of it says nothing about
/// the replay.
async fn reopen(
    store: &impl Deliveries,
    endpoint: &WebhookEndpoint,
    mut delivery: Delivery,
    now: Timestamp,
    replay: Option<Timestamp>,
) -> Result<Option<QueuedTask>, UseCaseError> {
    for _ in 0..TRIES {
        let opened = delivery.reopened(endpoint, now, replay);
        if store.replace_delivery(&delivery, &opened).await? {
            return Ok(Some(task_of(endpoint, &opened, opened.not_before(), now)));
        }
        // A run has claimed it meanwhile, or has written its outcome.
        let Some(changed) = store.find_delivery(&endpoint.id, &delivery.event.id).await? else { return Ok(None) };
        delivery = changed;
    }
    Err(StoreError::Unavailable("the delivery kept changing".into()).into())
}

async fn enable(store: &impl WebhookEndpoints, endpoint: &WebhookEndpoint) -> Result<(), UseCaseError> {
    if endpoint.status() == EndpointStatus::Disabled {
        store.enable(endpoint).await?;
    }
    Ok(())
}
