//! The use cases that notify the customer, or record for the agent that the customer was not notified.

use super::UseCaseError;
use crate::delivery::{DeliveryFailure, DeliveryReport};
use crate::doors::{NoRandomness, Randomness};
use crate::event::{LINK_VERSION, PaymentRequestEvent, link_event_id};
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

/// The age up to which the event of a link is fresh. A receiver that drops repeats gets a fresh link without a claim.
const FRESH: Duration = Duration::from_secs(3);

/// The time after its event at which the last attempt to deliver a fresh link without a claim ends. Nothing is stored
/// about such an attempt, so the text of a cancellation waits until then.
const UNCLAIMED_ATTEMPTS: Duration = Duration::from_secs(5);

/// The greatest difference between the clocks of two runs. Clocks that are synchronized differ by milliseconds.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);

/// The pause between two looks at whether a claimed link has been delivered.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The longest time that a run takes: the timeout of the function.
pub const RUN_AT_MOST: Duration = Duration::from_mins(1);

/// The outcome of [`notify`].
#[derive(Debug)]
pub enum Notified {
    /// The message was handed over.
    Delivered {
        /// The store's failure to record that the message's run has ended. A repeated event then finds a run that may
        /// have been cut off.
        unsettled: Option<StoreError>,
    },
    /// The event brings the customer no message.
    NoMessage,
    /// The link had expired or been clicked before the message could be delivered. It is not sent: a dead link is worse
    /// than none, and a customer who has read that a request is canceled must not be asked to pay it next.
    TooLate,
    /// The message is about a cancellation, and the link may still be in flight. The message is not sent yet, because
    /// the link could arrive after it.
    LinkInFlight {
        /// The time at which to look again.
        look_again_at: Timestamp,
    },
    /// Another run has claimed the message, or it is known what became of it.
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
/// The link never follows the text that its request is canceled, although the two events may arrive in any order. A
/// link is sent only if a read or a claim finds that the request was not canceled, and a cancellation's text is sent
/// only when every attempt that began with such a finding has ended (decision 0020). `link_delivered` says that the
/// caller knows that the link was delivered, so that a channel that drops repeats needs no waiting.
///
/// # Errors
/// [`NotifyError`]
pub async fn notify(
    store: &(impl Reads + Changes + Facts),
    channel: &impl Channel,
    doors: &(impl Clock + Randomness),
    retries: &RetrySchedule,
    event: &PaymentRequestEvent,
    link_delivered: bool,
) -> Result<Notified, NotifyError> {
    let Some(text) = message::text(event) else { return Ok(Notified::NoMessage) };
    let message = Message { event, text, attempts_end: None };
    let age = doors.now().saturating_duration_since(event.occurred_at);
    if message.deadline().is_some_and(|deadline| doors.now() >= deadline) {
        return Ok(Notified::TooLate);
    }
    if event.status == Status::Canceled {
        let Some(request) = store.get(event.id).await? else { return Ok(Notified::Unknown) };
        if let Some(look_again_at) = link_in_flight(channel, &request, event.occurred_at, doors.now(), link_delivered) {
            return Ok(Notified::LinkInFlight { look_again_at });
        }
    }
    match event.link {
        None if channel.drops_repeats() => send(store, channel, doors, retries, &message, None).await,
        Some(_) if channel.drops_repeats() && age <= FRESH => {
            send_fresh_link(store, channel, doors, retries, message).await
        }
        _ => send_claimed(store, channel, doors, retries, message).await,
    }
}

/// Returns when to look again at a canceled request whose link may still be in flight; `None` if it cannot be.
///
/// Since `canceled_at`, only a run that looked at the request before can still send the link:
/// - with a claim, which the run settles or gives back at its end. A run that was cut off does neither.
/// - without a claim, if the link was fresh and the channel drops repeats. Once it was delivered, only repeats can be
///   in flight.
fn link_in_flight(
    channel: &impl Channel,
    request: &PaymentRequest,
    canceled_at: Timestamp,
    now: Timestamp,
    link_delivered: bool,
) -> Option<Timestamp> {
    let end = |begin: Timestamp, longest| {
        let end = begin.saturating_add(longest).saturating_add(CLOCK_DIFFERENCE);
        (now < end).then_some(end)
    };
    let claimed = is_claimed(request, LINK_VERSION) && !is_settled(request, LINK_VERSION);
    let claimed = if claimed { end(canceled_at, RUN_AT_MOST) } else { None };
    let unclaimed =
        if channel.drops_repeats() && !link_delivered { end(request.created_at, UNCLAIMED_ATTEMPTS) } else { None };
    // Only a claim can end before its time.
    unclaimed.or(claimed.map(|end| end.min(now.saturating_add(LOOK_AGAIN))))
}

fn is_claimed(request: &PaymentRequest, message: usize) -> bool {
    request.facts.iter().any(|fact| matches!(fact, Fact::MessageClaimed { version, .. } if *version == message))
}

fn is_settled(request: &PaymentRequest, message: usize) -> bool {
    request.facts.contains(&Fact::MessageSettled { version: message })
}

/// Sends a fresh link through a channel that drops repeats, without a claim: an ordinary life costs no further write.
async fn send_fresh_link(
    store: &(impl Reads + Changes + Facts),
    channel: &impl Channel,
    doors: &(impl Clock + Randomness),
    retries: &RetrySchedule,
    message: Message<'_>,
) -> Result<Notified, NotifyError> {
    let event = message.event;
    let Some(request) = store.get(event.id).await? else { return Ok(Notified::Unknown) };
    // Whoever has clicked within seconds has got the link in another way. For them this message changes nothing.
    if request.history.iter().any(|entry| entry.status == Status::Canceled) {
        return Ok(Notified::TooLate);
    }
    let end = event.occurred_at.saturating_add(UNCLAIMED_ATTEMPTS);
    let message = Message { attempts_end: Some(end), ..message };
    match channel.deliver(&message).await {
        // A slow receiver needs more time, for which a claim is needed.
        Err(ChannelError::Unavailable(_)) if doors.now() >= end => {
            send_claimed(store, channel, doors, retries, Message { attempts_end: None, ..message }).await
        }
        outcome => conclude(store, doors, retries, event, None, outcome).await,
    }
}

/// Claims a message and sends it, unless its link's request is no longer `Sent`, or what became of it is known.
async fn send_claimed(
    store: &(impl Changes + Facts),
    channel: &impl Channel,
    doors: &(impl Clock + Randomness),
    retries: &RetrySchedule,
    message: Message<'_>,
) -> Result<Notified, NotifyError> {
    let event = message.event;
    let claim = Fact::MessageClaimed { version: event.version, run: RunId::random(doors)? };
    let (request, is_ours) = match store.record_fact(event.id, &claim).await? {
        Changed::Applied(request) => (request, true),
        Changed::Unchanged(request) if is_settled(&request, event.version) => return Ok(Notified::Elsewhere),
        // The other run may have been cut off before it sent the message. If it was not, the receiver drops the repeat.
        Changed::Unchanged(request) if channel.drops_repeats() => (request, false),
        Changed::Unchanged(request) => return claimed_elsewhere(store, doors, retries, event, &request).await,
        Changed::NotFound => return Ok(Notified::Unknown),
    };
    if event.link.is_some() && request.status != Status::Sent {
        // Otherwise the text that the request is canceled would wait for this run.
        if is_ours {
            settle(store, event, Some(&claim)).await?;
        }
        return Ok(Notified::TooLate);
    }
    send(store, channel, doors, retries, &message, Some(&claim)).await
}

/// Hands a message over and concludes its run.
async fn send(
    store: &(impl Changes + Facts),
    channel: &impl Channel,
    clock: &impl Clock,
    retries: &RetrySchedule,
    message: &Message<'_>,
    claim: Option<&Fact>,
) -> Result<Notified, NotifyError> {
    let outcome = channel.deliver(message).await;
    let is_shared = channel.drops_repeats() && message.event.link.is_some();
    conclude(store, clock, retries, message.event, claim.filter(|_| outcome.is_ok() || !is_shared), outcome).await
}

/// Records what the channel's answer means for the claim, and for the history. `claim` is the claim that has ended.
///
/// Through a channel that drops repeats, several runs may send one link under one claim. A failed one leaves the claim
/// as it is: another may be in flight, and the text of a cancellation has to wait for it.
async fn conclude(
    store: &(impl Changes + Facts),
    clock: &impl Clock,
    retries: &RetrySchedule,
    event: &PaymentRequestEvent,
    claim: Option<&Fact>,
    outcome: Result<(), ChannelError>,
) -> Result<Notified, NotifyError> {
    let Err(error) = outcome else {
        // The message is out. A failure of the store must not make another run look as if it were not.
        return Ok(Notified::Delivered { unsettled: settle(store, event, claim).await.err() });
    };
    if let Some(reason) = given_up(retries, event, &error, clock.now()) {
        let failed = fail(store, clock, event, reason, error).await?;
        settle(store, event, claim).await?;
        return Ok(failed);
    }
    if let Some(claim) = claim
        && let Err(store) = store.retract_fact(event.id, claim).await
    {
        return Err(NotifyError::Unsettled { channel: error, store });
    }
    Err(error.into())
}

/// Records that the run which claimed a message has ended.
async fn settle(store: &impl Facts, event: &PaymentRequestEvent, claim: Option<&Fact>) -> Result<(), StoreError> {
    if claim.is_some() {
        store.record_fact(event.id, &Fact::MessageSettled { version: event.version }).await?;
    }
    Ok(())
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

/// Handles a message that another run has claimed and not settled.
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

    /// Returns the times at which the three runs on one event end if they all fail. Each run takes up to a minute.
    fn runs(delay: i64, takes: i64) -> [i64; 3] {
        let second = delay + takes + 60_000;
        [delay + takes, second + takes, second + takes + 120_000 + takes]
    }

    #[test]
    fn the_last_run_before_the_deadline_is_known_to_be_the_last() {
        for link in [1_000, 30_000, 60_000, 90_000, 150_000, 200_000, 300_000, 900_000, 86_400_000] {
            for (delay, takes) in
                [(0, 0), (1_000, 500), (2_000, 20_000), (20_000, 15_000), (500, 60_000), (59_000, 0), (70_000, 100)]
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
