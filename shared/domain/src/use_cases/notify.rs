//! The use cases that notify the customer, or record for the agent that the customer was not notified.

use super::UseCaseError;
use crate::delivery::{DeliveryFailure, DeliveryReport};
use crate::doors::{NoRandomness, Randomness};
use crate::event::{PaymentRequestEvent, link_event_id};
use crate::fact::Fact;
use crate::id::{OperationId, PaymentRequestId, RunId};
use crate::message;
use crate::payment_request::PaymentRequest;
use crate::people::Actor;
use crate::ports::{Changed, Changes, Channel, ChannelError, Facts, Message, Reads, StoreError};
use crate::retry_schedule::RetrySchedule;
use crate::status::Status;
use crate::time::{Clock, Timestamp};
use crate::transition::{Change, Command};
use std::time::Duration;

/// The age from which on an event may be outdated, because it waited for the bus or for the channel.
const FRESH: Duration = Duration::from_secs(5);

/// The outcome of [`notify`].
#[derive(Debug)]
pub enum Notified {
    /// The message was handed over.
    Delivered,
    /// The event brings the customer no message.
    NoMessage,
    /// The link had expired or been clicked before the message could be delivered. It is not sent: a dead link is worse
    /// than none, and a customer who has read that a request is canceled must not be asked to pay it next.
    TooLate,
    /// Another run has claimed the message, or has already recorded its failure.
    Elsewhere,
    /// There is no such request.
    Unknown,
    /// The message is abandoned.
    Failed {
        /// The reason, as the agent reads it.
        reason: DeliveryFailure,
        /// Whether the failure was recorded in the request's history. It was not if the message had no link, or if the
        /// request had changed in the meantime: a customer who has clicked has the link.
        recorded: bool,
        /// The channel's failure, for the log.
        cause: ChannelError,
    },
}

/// The error for a message that was not delivered, while a retry may succeed.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The channel failed.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The store failed, and no message was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The channel failed, and then the store failed to record the consequence.
    #[error("{channel}; the outcome could not be stored: {store}")]
    Unsettled {
        /// The channel's failure, which came first.
        channel: ChannelError,
        /// The store's failure, which came second.
        #[source]
        store: StoreError,
    },
    /// The source of randomness failed, so that no identifier could be generated.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Sends the customer the text that belongs to an event: at least once through a channel that drops repeats, at most
/// once through any other. `retries` is the schedule on which failed runs are retried.
///
/// An abandoned link adds one entry to its request's history, however often the event is delivered.
///
/// # Errors
/// [`NotifyError`]
pub async fn notify(
    store: &(impl Reads + Changes + Facts),
    channel: &impl Channel,
    doors: &(impl Clock + Randomness),
    retries: &RetrySchedule,
    event: &PaymentRequestEvent,
) -> Result<Notified, NotifyError> {
    let Some(text) = message::text(event) else { return Ok(Notified::NoMessage) };
    let message = Message { event, text };
    if message.deadline().is_some_and(|deadline| doors.now() >= deadline) {
        return Ok(Notified::TooLate);
    }
    let claim = if channel.drops_repeats() {
        None
    } else {
        Some(Fact::MessageClaimed { version: event.version, run: RunId::random(doors)? })
    };
    let request = match &claim {
        Some(claim) => match store.record_fact(event.id, claim).await? {
            Changed::Applied(request) => Some(*request),
            Changed::Unchanged(request) => return claimed_elsewhere(store, doors, retries, event, &request).await,
            Changed::NotFound => return Ok(Notified::Unknown),
        },
        // Without a claim, the request was not read, so only the event is known. A fresh event is trusted.
        None if event.link.is_some() && doors.now().saturating_duration_since(event.occurred_at) > FRESH => {
            let Some(request) = store.get(event.id).await? else { return Ok(Notified::Unknown) };
            Some(request)
        }
        None => None,
    };
    if event.link.is_some() && request.is_some_and(|request| request.status != Status::Sent) {
        return Ok(Notified::TooLate);
    }
    let Err(error) = channel.deliver(&message).await else { return Ok(Notified::Delivered) };
    if let Some(reason) = given_up(retries, event, &error, doors.now()) {
        return fail(store, doors, event, reason, error).await;
    }
    if let Some(claim) = &claim
        && let Err(store) = store.retract_fact(event.id, claim).await
    {
        return Err(NotifyError::Unsettled { channel: error, store });
    }
    Err(error.into())
}

/// Returns the reason for which a message is abandoned after this failure; `None` if another run may succeed.
fn given_up(
    retries: &RetrySchedule,
    event: &PaymentRequestEvent,
    error: &ChannelError,
    now: Timestamp,
) -> Option<DeliveryFailure> {
    match (error, &event.link) {
        (ChannelError::Unconfirmed(_), _) => Some(DeliveryFailure::DeliveryUnconfirmed),
        (ChannelError::Refused { reason, .. }, link) if link.is_some() || reason.is_the_recipients() => Some(*reason),
        (ChannelError::Unavailable(_), Some(link))
            if !another_run_comes(retries, event.occurred_at, link.expires_at, now) =>
        {
            Some(DeliveryFailure::ChannelUnavailable)
        }
        // A channel failure on a message without a link: let the retries run out, so that it reaches the dead-letter
        // queue and an operator.
        _ => None,
    }
}

/// Returns whether another run will follow on this event, early enough before the link's deadline.
fn another_run_comes(retries: &RetrySchedule, occurred_at: Timestamp, deadline: Timestamp, now: Timestamp) -> bool {
    let next = retries.next_run_within(now.saturating_duration_since(occurred_at));
    next.is_some_and(|next| now.saturating_add(next) < deadline)
}

/// Handles a message that another run has claimed.
///
/// If that run was cut off, only this run can record the failure. While this run can only be the first, the other one
/// may still be in progress; after the first pause it no longer is.
async fn claimed_elsewhere(
    store: &impl Changes,
    clock: &impl Clock,
    retries: &RetrySchedule,
    event: &PaymentRequestEvent,
    request: &PaymentRequest,
) -> Result<Notified, NotifyError> {
    let at_work = retries.is_first_run(clock.now().saturating_duration_since(event.occurred_at));
    let missed = event.link.is_none() || (request.status == Status::Sent && request.failed_delivery().is_none());
    if at_work || !missed {
        return Ok(Notified::Elsewhere);
    }
    let cause = ChannelError::Unconfirmed("an earlier run claimed the message and stopped".into());
    fail(store, clock, event, DeliveryFailure::DeliveryUnconfirmed, cause).await
}

/// Abandons a message, and records the failure if the message has the link. Its claim is kept.
async fn fail(
    store: &impl Changes,
    clock: &impl Clock,
    event: &PaymentRequestEvent,
    reason: DeliveryFailure,
    cause: ChannelError,
) -> Result<Notified, NotifyError> {
    use DeliveryReportOutcome::{Applied, Known, Unchanged, Unknown};
    if event.link.is_none() {
        return Ok(Notified::Failed { reason, recorded: false, cause });
    }
    match record_failure(store, clock, event.id, &event.event_id, reason).await {
        Ok(Applied(_)) => Ok(Notified::Failed { reason, recorded: true, cause }),
        Ok(Known(_)) => Ok(Notified::Elsewhere),
        Ok(Unchanged(_) | Unknown) => Ok(Notified::Failed { reason, recorded: false, cause }),
        Err(store) => Err(NotifyError::Unsettled { channel: cause, store }),
    }
}

/// Adds the history entry for a link that was not delivered, once, however often and from whichever source the failure
/// is reported.
async fn record_failure(
    store: &impl Changes,
    clock: &impl Clock,
    id: PaymentRequestId,
    event_id: &str,
    reason: DeliveryFailure,
) -> Result<DeliveryReportOutcome, StoreError> {
    let (operation, now) = (OperationId::of_undelivered_message(event_id), clock.now());
    let change = Change::new(Command::RecordFailedDelivery { reason }, now, Actor::System, operation);
    Ok(match store.change(id, &change).await? {
        // The store reports a repeat as applied too, because the response to the first write may have been lost. Only
        // an entry with our own time was written by this call.
        Changed::Applied(request)
            if request.failed_delivery().is_some_and(|entry| entry.at != change.recorded_at(request.created_at)) =>
        {
            DeliveryReportOutcome::Known(request)
        }
        Changed::Applied(request) => DeliveryReportOutcome::Applied(request),
        Changed::Unchanged(request) => DeliveryReportOutcome::Unchanged(request),
        Changed::NotFound => DeliveryReportOutcome::Unknown,
    })
}

/// The outcome of [`record_delivery_report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryReportOutcome {
    /// The failure was recorded in the request's history.
    Applied(Box<PaymentRequest>),
    /// The history already had an entry for the failure.
    Known(Box<PaymentRequest>),
    /// The report changes nothing: the request is no longer `Sent`. A customer who has clicked has the link.
    Unchanged(Box<PaymentRequest>),
    /// There is no such request.
    Unknown,
}

/// Records the report that a link which the channel had accepted will not arrive, in one write.
///
/// # Errors
/// The store failed; the channel must send the report again.
pub async fn record_delivery_report(
    store: &impl Changes,
    clock: &impl Clock,
    report: DeliveryReport,
) -> Result<DeliveryReportOutcome, UseCaseError> {
    let DeliveryReport { id, reason } = report;
    Ok(record_failure(store, clock, id, &link_event_id(id), reason).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::at;

    const MINUTE: Duration = Duration::from_mins(1);
    const RETRIES: RetrySchedule = RetrySchedule::new(&[MINUTE, Duration::from_mins(2)], Duration::from_secs(10));

    /// Returns the times at which the three runs on one event end if they all fail. Each run takes up to 25 seconds.
    fn runs(delay: i64, takes: i64) -> [i64; 3] {
        let second = delay + takes + 60_000;
        [delay + takes, second + takes, second + takes + 120_000 + takes]
    }

    #[test]
    fn the_last_run_before_the_deadline_is_known_to_be_the_last() {
        for link in [1_000, 30_000, 60_000, 90_000, 150_000, 200_000, 300_000, 900_000, 86_400_000] {
            for (delay, takes) in [(0, 0), (1_000, 500), (2_000, 20_000), (20_000, 15_000), (59_000, 0), (70_000, 100)]
            {
                let runs = runs(delay, takes).map(|end| (end, another_run_comes(&RETRIES, at(0), at(link), at(end))));
                let in_time: Vec<_> = runs.iter().filter(|(end, _)| *end < link).collect();
                if let Some((end, another)) = in_time.last() {
                    assert!(!another, "a link of {link} ms has no last run: {runs:?}, the last in time at {end}");
                }
            }
        }
    }

    #[test]
    fn a_link_of_five_minutes_has_all_three_runs() {
        let [first, second, third] =
            runs(1_000, 9_000).map(|end| another_run_comes(&RETRIES, at(0), at(300_000), at(end)));
        assert!(first && second && !third);
    }
}
