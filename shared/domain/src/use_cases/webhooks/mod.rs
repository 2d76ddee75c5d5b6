//! The use cases of status webhooks.
//!
//! What makes them safe against every order, repeat and crash:
//! - A delivery is stored before its task is queued, and a task is removed only after its run has succeeded. So each
//!   pending delivery that may be attempted has a task. Where a task was lost all the same, such as one that was purged
//!   from the dead letters, a repeat of the event, a later event of the same request or a replay queues it again.
//! - A task is about one turn of its delivery. An attempt is claimed before it is made, and its outcome is written on
//!   the condition that the turn and the claim are unchanged. So the many tasks of one delivery collapse into one. A
//!   task about an earlier turn goes on with the present one if that is due, or if the task is late: whatever wrote the
//!   present turn may have ended before it queued it.
//! - A task that is not due is queued again, and its delivery is not read. A replay does not wait for it, because it
//!   opens another turn and queues a task for that.
//! - A delivery that waits for an earlier one of the same payment request needs no task: the earlier one's end queues
//!   it.

pub mod attempt;
pub mod deliver;
pub mod endpoints;
pub mod replay;

use crate::ports::{QueuedTask, Task};
use crate::time::Timestamp;
use crate::webhooks::{Delivery, EventId, LONGEST_DELAY, WebhookEndpoint};
use std::time::Duration;

/// Returns the task of a delivery's next attempt, not before `at`.
fn task_of(endpoint: &WebhookEndpoint, delivery: &Delivery, at: Option<Timestamp>, now: Timestamp) -> QueuedTask {
    task_of_turn(endpoint, &delivery.event.id, delivery.turn, at, now)
}

fn task_of_turn(
    endpoint: &WebhookEndpoint,
    event: &EventId,
    turn: u32,
    at: Option<Timestamp>,
    now: Timestamp,
) -> QueuedTask {
    let due = at.map_or(now, |at| at.max(now));
    let (workspace, endpoint, event) = (endpoint.workspace.clone(), endpoint.id.clone(), event.clone());
    QueuedTask { task: Task::Attempt { workspace, endpoint, event, turn, due }, delay: delay(due, now) }
}

/// Returns the delay of a task that is due at `due`. If that is later than a queue can delay, the task is queued again
/// when it comes.
fn delay(due: Timestamp, now: Timestamp) -> Duration {
    let delay = due.saturating_duration_since(now);
    // A queue counts whole seconds. A task that came early would be queued again.
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    Duration::from_secs(seconds).min(LONGEST_DELAY)
}
