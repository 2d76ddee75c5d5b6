//! A task of the queue: one attempt of one delivery.

use super::task_of;
use crate::doors::Randomness;
use crate::id::RunId;
use crate::people::WorkspaceId;
use crate::ports::{Deliveries, DeliveryQueue, SecretVault, WebhookEndpoints, WebhookSender};
use crate::time::{Clock, Timestamp};
use crate::use_cases::UseCaseError;
use crate::webhooks::{Delivery, EndpointId, EventId, FAILING_AT_MOST, Outcome, Response, WebhookEndpoint};

/// The task of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptTask<'a> {
    /// The company that the endpoint belongs to.
    pub workspace: &'a WorkspaceId,
    /// The endpoint.
    pub endpoint: &'a EndpointId,
    /// The event.
    pub event: &'a EventId,
    /// The turn that the task is about.
    pub turn: u32,
    /// Whether the task may have come before: its earlier run may have ended between its write and its message.
    pub repeated: bool,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// The attempt was made. `disabled` says that the endpoint was disabled by it.
    Made {
        /// What the delivery has come to.
        outcome: Outcome,
        /// The answer.
        response: Response,
        /// Whether the endpoint was disabled by the attempt.
        disabled: bool,
    },
    /// The endpoint or the delivery no longer exists.
    Gone,
    /// The delivery has ended.
    Ended,
    /// The task was about an earlier turn.
    Stale,
    /// The time of the attempt has not come, or another run is making it.
    Postponed,
    /// An earlier event of the same payment request is still pending. Its end queues this one.
    Blocked,
}

/// Makes one attempt of a delivery, records it, and queues what follows.
///
/// # Errors
/// The store, the queue or the vault failed. A retry continues.
pub async fn attempt(
    store: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    vault: &impl SecretVault,
    sender: &impl WebhookSender,
    doors: &(impl Clock + Randomness),
    task: AttemptTask<'_>,
) -> Result<Attempted, UseCaseError> {
    let Some(endpoint) = store.find_endpoint(task.workspace, task.endpoint).await? else {
        return Ok(Attempted::Gone);
    };
    let mut deliveries = store.deliveries_up_to(task.endpoint, task.event).await?;
    let Some(delivery) = deliveries.pop_if(|last| last.event.id == *task.event) else { return Ok(Attempted::Gone) };
    let now = doors.now();
    if !delivery.is_pending_at(&endpoint) {
        if delivery.next_attempt_at.is_some() {
            store.replace_delivery(&delivery, &delivery.ended()).await?;
        }
        // The run that ended it may not have come to this.
        queue_next(store, queue, &endpoint, &delivery, now).await?;
        return Ok(Attempted::Ended);
    }
    if delivery.turn != task.turn {
        // The run of this task wrote the next turn, and may have ended before it queued it.
        if task.repeated {
            queue.queue(&[task_of(&endpoint, &delivery, delivery.not_before(), now)]).await?;
        }
        return Ok(Attempted::Stale);
    }
    if deliveries.iter().any(|earlier| earlier.is_pending_at(&endpoint)) {
        return Ok(Attempted::Blocked);
    }
    if delivery.not_before().is_some_and(|at| at > now) {
        queue.queue(&[task_of(&endpoint, &delivery, delivery.not_before(), now)]).await?;
        return Ok(Attempted::Postponed);
    }
    let claimed = delivery.claimed(RunId::random(doors)?, now);
    if !store.replace_delivery(&delivery, &claimed).await? {
        // Another run was faster. If it does not come to its end, this task makes the attempt.
        queue.queue(&[task_of(&endpoint, &delivery, claimed.not_before(), now)]).await?;
        return Ok(Attempted::Postponed);
    }
    let mut secrets = Vec::new();
    for sealed in endpoint.signing(now) {
        secrets.push(vault.open(&endpoint.workspace, &endpoint.id, sealed).await?);
    }
    let response = sender.send(&endpoint, &secrets, &claimed, now).await;
    let now = doors.now();
    let (changed, outcome) = claimed.attempted(response, now, doors);
    if !store.replace_delivery(&claimed, &changed).await? {
        // A replay opened another round meanwhile, or the claim had ended. Either has a task.
        return Ok(Attempted::Stale);
    }
    let disabled = record_health(store, &endpoint, outcome, response, now).await?;
    if let Outcome::Retried(at) = outcome {
        queue.queue(&[task_of(&endpoint, &changed, Some(at), now)]).await?;
    } else {
        queue_next(store, queue, &endpoint, &changed, now).await?;
    }
    Ok(Attempted::Made { outcome, response, disabled })
}

/// Records whether the endpoint works, and disables it if it has failed for too long or says that it is gone. Returns
/// whether it was disabled. An endpoint that works and has worked before costs no write.
async fn record_health(
    store: &impl WebhookEndpoints,
    endpoint: &WebhookEndpoint,
    outcome: Outcome,
    response: Response,
    now: Timestamp,
) -> Result<bool, UseCaseError> {
    if outcome == Outcome::Delivered {
        if endpoint.failing_since.is_some() {
            store.record_success(endpoint).await?;
        }
        return Ok(false);
    }
    let too_long = endpoint.failing_since.is_some_and(|since| since.saturating_add(FAILING_AT_MOST) <= now);
    if too_long || response.answer == Ok(410) {
        return Ok(store.disable(endpoint, now).await?);
    }
    if endpoint.failing_since.is_none() {
        store.record_failing(endpoint, now).await?;
    }
    Ok(false)
}

/// Queues the next event of the same payment request, if it is waiting for this one.
async fn queue_next(
    store: &impl Deliveries,
    queue: &impl DeliveryQueue,
    endpoint: &WebhookEndpoint,
    ended: &Delivery,
    now: Timestamp,
) -> Result<(), UseCaseError> {
    if ended.event.id.parts().1.is_none() {
        return Ok(());
    }
    let later = store.deliveries_after(&ended.endpoint, &ended.event.id).await?;
    if let Some(next) = later.iter().find(|later| later.is_pending_at(endpoint)) {
        queue.queue(&[task_of(endpoint, next, next.not_before(), now)]).await?;
    }
    Ok(())
}
