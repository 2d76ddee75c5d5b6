//! An event of the bus comes in: a delivery for each endpoint of its workspace that subscribes to it.

use super::task_of;
use crate::ports::{Deliveries, DeliveryQueue, QueuedTask, StoreError, WebhookEndpoints};
use crate::time::Clock;
use crate::use_cases::UseCaseError;
use crate::webhooks::{Delivery, EndpointStatus, WebhookEndpoint, WebhookEvent};

/// Stores the deliveries of an event, and queues their first attempts. Returns how many are queued. An endpoint that is
/// disabled has the event in its log, for a replay.
///
/// The same event may come again. A delivery that is still pending is then queued again, because its task may be lost;
/// of several tasks, one makes the attempt. An endpoint whose delivery cannot be stored costs the others nothing.
///
/// # Errors
/// The store or the queue failed, or an endpoint cannot be read. A retry continues.
pub async fn deliver(
    store: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    event: &WebhookEvent,
) -> Result<usize, UseCaseError> {
    let registered = store.endpoints(&event.workspace).await?;
    let (mut tasks, mut failure) = (Vec::new(), None);
    for endpoint in registered.endpoints.iter().filter(|endpoint| endpoint.events.includes(event.kind)) {
        match task(store, clock, endpoint, event).await {
            Ok(task) => tasks.extend(task),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if !tasks.is_empty() {
        queue.queue(&tasks).await?;
    }
    if registered.unreadable > 0 {
        failure = failure.or_else(|| Some(StoreError::Corrupt("a webhook endpoint cannot be read".into())));
    }
    failure.map_or(Ok(tasks.len()), |error| Err(error.into()))
}

async fn task(
    store: &impl Deliveries,
    clock: &impl Clock,
    endpoint: &WebhookEndpoint,
    event: &WebhookEvent,
) -> Result<Option<QueuedTask>, StoreError> {
    let (now, id, event) = (clock.now(), endpoint.id.clone(), event.clone());
    let delivery = match endpoint.status() {
        EndpointStatus::Enabled => Delivery::new(id, event, now),
        EndpointStatus::Disabled => Delivery::missed(id, event, now),
    };
    let stored = store.insert_delivery(&delivery).await?.unwrap_or(delivery);
    Ok(stored.is_pending_at(endpoint).then(|| task_of(endpoint, &stored, stored.not_before(), now)))
}
