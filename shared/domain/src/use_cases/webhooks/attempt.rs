//! A task of the queue: one attempt of one delivery.

use super::{delay, task_of, task_of_turn};
use crate::doors::Randomness;
use crate::id::RunId;
use crate::people::WorkspaceId;
use crate::ports::{Deliveries, DeliveryQueue, QueuedTask, SecretVault, Task, WebhookEndpoints, WebhookSender};
use crate::time::{Clock, Timestamp};
use crate::use_cases::UseCaseError;
use crate::webhooks::{
    AttemptError, Delivery, EndpointId, EventId, FAILING_AT_MOST, LATE, OVERDUE, Outcome, Response, SigningSecret,
    WebhookEndpoint, probe_pause,
};
use std::time::Duration;

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
    /// When the attempt is due.
    pub due: Timestamp,
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
    /// The task was about an earlier turn, or a replay opened another one during the attempt.
    Stale,
    /// The time of the attempt has not come, another run is making it, or the endpoint does not answer in time.
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
    let now = doors.now();
    if now < task.due {
        queue.queue(&[again(task, now)]).await?;
        return Ok(Attempted::Postponed);
    }
    let Some(endpoint) = store.find_endpoint(task.workspace, task.endpoint).await? else {
        return Ok(Attempted::Gone);
    };
    let Some(delivery) = store.find_delivery(task.endpoint, task.event).await? else {
        // Its time to live is over. An event that waits for it has no task of its own.
        queue_next(store, queue, &endpoint, task.event, now).await?;
        return Ok(Attempted::Gone);
    };
    if !delivery.is_pending_at(&endpoint) {
        end(store, queue, &endpoint, &delivery, now).await?;
        return Ok(Attempted::Ended);
    }
    let is_due = delivery.not_before().is_none_or(|at| at <= now);
    if delivery.turn != task.turn && !is_due {
        // A run wrote the present turn, and may have ended before it queued it. A task in time is a duplicate.
        if task.due.saturating_add(LATE) <= now {
            queue.queue(&[task_of(&endpoint, &delivery, delivery.not_before(), now)]).await?;
        }
        return Ok(Attempted::Stale);
    }
    let earlier = store.earlier_deliveries(task.endpoint, task.event).await?;
    if let Some(earlier) = earlier.iter().find(|earlier| earlier.is_pending_at(&endpoint)) {
        if earlier.not_before().is_some_and(|at| at.saturating_add(OVERDUE) <= now) {
            queue.queue(&[task_of_turn(&endpoint, &earlier.event, earlier.turn, None, now)]).await?;
        }
        return Ok(Attempted::Blocked);
    }
    if !is_due {
        queue.queue(&[task_of(&endpoint, &delivery, delivery.not_before(), now)]).await?;
        return Ok(Attempted::Postponed);
    }
    let secrets = signing_secrets(store, vault, &endpoint, now).await?;
    let run = RunId::random(doors)?;
    if let Some(until) = slow_until(store, &endpoint, &run, now).await? {
        queue.queue(&[task_of(&endpoint, &delivery, Some(until), now)]).await?;
        return Ok(Attempted::Postponed);
    }
    let claimed = delivery.claimed(run, now);
    if !store.replace_delivery(&delivery, &claimed).await? {
        // Another run was faster. If it does not come to its end, this task makes the attempt.
        queue.queue(&[task_of(&endpoint, &delivery, claimed.not_before(), now)]).await?;
        return Ok(Attempted::Postponed);
    }
    let (began_at, response) = (now, sender.send(&endpoint, &secrets, &claimed, now).await);
    let now = doors.now();
    let (changed, outcome) = claimed.attempted(response, began_at, now, doors);
    if !store.replace_delivery(&claimed, &changed).await? {
        // A replay opened another round meanwhile, or the claim had ended: either has a task. Or the time to live has
        // removed the delivery, and an event that waits for it has no task of its own.
        queue_next(store, queue, &endpoint, task.event, now).await?;
        return Ok(Attempted::Stale);
    }
    let disabled = record_health(store, &endpoint, outcome, response, now).await?;
    if let Outcome::Retried(at) = outcome {
        queue.queue(&[task_of(&endpoint, &changed, Some(at), now)]).await?;
    } else {
        queue_next(store, queue, &endpoint, task.event, now).await?;
    }
    Ok(Attempted::Made { outcome, response, disabled })
}

/// Returns the same task once more, for the rest of its time.
fn again(task: AttemptTask<'_>, now: Timestamp) -> QueuedTask {
    let AttemptTask { workspace, endpoint, event, turn, due } = task;
    let (workspace, endpoint, event) = (workspace.clone(), endpoint.clone(), event.clone());
    QueuedTask { task: Task::Attempt { workspace, endpoint, event, turn, due }, delay: delay(due, now) }
}

/// Completes what the run that ended a delivery may not have come to.
async fn end(
    store: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    endpoint: &WebhookEndpoint,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<(), UseCaseError> {
    if delivery.next_attempt_at.is_some() {
        store.replace_delivery(delivery, &delivery.ended()).await?;
    }
    if let Some(at) = delivery.delivered_at().filter(|at| endpoint.failing_since.is_some_and(|since| since <= *at)) {
        store.record_success(endpoint, at).await?;
    }
    queue_next(store, queue, endpoint, &delivery.event.id, now).await
}

/// Decrypts the secrets that sign at `now`. An earlier one that cannot be decrypted, because the key was lost before
/// the secret was rotated, is left out.
///
/// Secrets that were encrypted with an earlier key are encrypted again with the present one, so that the earlier one
/// can be given up.
async fn signing_secrets(
    store: &impl WebhookEndpoints,
    vault: &impl SecretVault,
    endpoint: &WebhookEndpoint,
    now: Timestamp,
) -> Result<Vec<SigningSecret>, UseCaseError> {
    let (mut secrets, mut stored, mut is_outdated) = (Vec::new(), Vec::new(), false);
    for one in endpoint.signing(now) {
        let mut one = one.clone();
        match vault.open(&endpoint.workspace, &endpoint.id, &one.sealed).await {
            Ok(opened) => {
                if opened.is_outdated {
                    is_outdated = true;
                    one.sealed = vault.seal(&endpoint.workspace, &endpoint.id, &opened.secret).await?;
                }
                secrets.push(opened.secret);
            }
            Err(error) if secrets.is_empty() => return Err(error.into()),
            Err(_) => {}
        }
        stored.push(one);
    }
    if is_outdated {
        // If the endpoint was removed meanwhile, or its secret rotated, nothing is changed.
        store.replace_secrets(endpoint, &stored).await?;
    }
    Ok(secrets)
}

/// Returns the time before which an endpoint that does not answer in time is not called; `None` if it may be called. Of
/// the attempts that are due then, one claims the right to try it, so that the others do not wait for it as well.
async fn slow_until(
    store: &impl WebhookEndpoints,
    endpoint: &WebhookEndpoint,
    run: &RunId,
    now: Timestamp,
) -> Result<Option<Timestamp>, UseCaseError> {
    let Some(until) = endpoint.slow_until else { return Ok(None) };
    if until > now {
        return Ok(Some(until));
    }
    let next = next_probe(endpoint, now);
    Ok(if store.claim_probe(endpoint, run, next).await? { None } else { Some(next) })
}

fn next_probe(endpoint: &WebhookEndpoint, now: Timestamp) -> Timestamp {
    let failing_for = endpoint.failing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    now.saturating_add(probe_pause(failing_for))
}

/// Records whether the endpoint works, and disables it if it has failed for too long. Returns whether it was disabled.
/// An endpoint that works and has worked before costs no write.
async fn record_health(
    store: &impl WebhookEndpoints,
    endpoint: &WebhookEndpoint,
    outcome: Outcome,
    response: Response,
    now: Timestamp,
) -> Result<bool, UseCaseError> {
    if response.answer == Err(AttemptError::NotSent) {
        // It says nothing about the endpoint.
        return Ok(false);
    }
    match (response.answer, endpoint.slow_until) {
        // The claim of an attempt that tries it has set the time.
        (Err(AttemptError::TimedOut), None) => store.record_slow(endpoint, Some(next_probe(endpoint, now))).await?,
        (Err(AttemptError::TimedOut), Some(_)) | (_, None) => {}
        (_, Some(_)) => store.record_slow(endpoint, None).await?,
    }
    if outcome == Outcome::Delivered {
        if endpoint.failing_since.is_some() {
            store.record_success(endpoint, now).await?;
        }
        return Ok(false);
    }
    let Some(since) = endpoint.failing_since else {
        store.record_failing(endpoint, now).await?;
        return Ok(false);
    };
    // Two failures far apart do not say that it failed in between. So the last one is that of 24 hours of attempts.
    if outcome == Outcome::Abandoned && since.saturating_add(FAILING_AT_MOST) <= now {
        return Ok(store.disable(endpoint, now).await?);
    }
    Ok(false)
}

/// Queues the next event of the same payment request, if it is waiting for this one.
async fn queue_next(
    store: &impl Deliveries,
    queue: &impl DeliveryQueue,
    endpoint: &WebhookEndpoint,
    ended: &EventId,
    now: Timestamp,
) -> Result<(), UseCaseError> {
    if ended.parts().1.is_none() {
        return Ok(());
    }
    let later = store.later_deliveries(&endpoint.id, ended).await?;
    if let Some(next) = later.iter().find(|later| later.is_pending_at(endpoint)) {
        queue.queue(&[task_of_turn(endpoint, &next.event, next.turn, next.not_before(), now)]).await?;
    }
    Ok(())
}
