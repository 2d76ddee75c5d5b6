//! An event of the bus comes in: a delivery for each endpoint of its workspace that takes it.

use super::task_of;
use crate::ports::{Deliveries, DeliveryQueue, QueuedTask, WebhookEndpoints};
use crate::time::Clock;
use crate::use_cases::UseCaseError;
use crate::webhooks::{Delivery, WebhookEndpoint, WebhookEvent};

/// Stores the deliveries of an event, and queues their first attempts. Returns how many there are. The same event may
/// come again: a delivery that exists is queued again only if it was never attempted.
///
/// # Errors
/// The store or the queue failed. A retry continues.
pub async fn deliver(
    store: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    event: &WebhookEvent,
) -> Result<usize, UseCaseError> {
    let endpoints = store.endpoints(&event.workspace).await?;
    let mut tasks = Vec::new();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.takes(event.kind)) {
        tasks.extend(task(store, clock, endpoint, event).await?);
    }
    if !tasks.is_empty() {
        queue.queue(&tasks).await?;
    }
    Ok(tasks.len())
}

async fn task(
    store: &impl Deliveries,
    clock: &impl Clock,
    endpoint: &WebhookEndpoint,
    event: &WebhookEvent,
) -> Result<Option<QueuedTask>, UseCaseError> {
    let now = clock.now();
    let delivery = Delivery::new(endpoint.id.clone(), event.clone(), now);
    let Some(existing) = store.insert_delivery(&delivery).await? else {
        return Ok(Some(task_of(endpoint, &delivery, None, now)));
    };
    // The run that stored it may have ended before it queued it.
    let unattempted = existing.is_pending_at(endpoint) && existing.attempts.is_empty();
    Ok(unattempted.then(|| task_of(endpoint, &existing, existing.not_before(), now)))
}
