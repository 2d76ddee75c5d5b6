//! The customer hears about it in the chat, or the agent hears that the customer did not.

use super::UseCaseError;
use crate::event::link_event_id;
use crate::ports::{Changed, Channel, ChannelError, Claim, Claimed, Message, Store, StoreError};
use crate::{
    Actor, Change, Clock, Command, DeliveryFailure, DeliveryReport, OperationId, PaymentRequest, PaymentRequestEvent,
    PaymentRequestId, Status, Timestamp, message,
};
use std::time::Duration;

/// Lambda runs a function that failed on an event a second time so much later, and a third and last time
/// [`SECOND_WAIT`] after that (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
const FIRST_WAIT: Duration = Duration::from_mins(1);
/// See [`FIRST_WAIT`].
const SECOND_WAIT: Duration = Duration::from_mins(2);
/// What a run needs at least to be of any use, and what Lambda may be late by.
const LEEWAY: Duration = Duration::from_secs(10);

/// An event that is older than this has waited, for the bus or for the channel, and what it says may not be so any more.
const FRESH: Duration = Duration::from_secs(5);

/// What became of it.
#[derive(Debug)]
pub enum Notified {
    /// The message was handed over.
    Delivered,
    /// The event brings the customer no message.
    Nothing,
    /// Nobody waits for the link any more: it had ended or been clicked before the message could be delivered. A dead link is
    /// worse than none, and whoever reads that a request is canceled must not be asked to pay it next.
    TooLate,
    /// Another run has taken the message on, or has given it up.
    Elsewhere,
    /// There is no such request.
    Unknown,
    /// The message is given up.
    Failed {
        /// Why, as the agent is told.
        reason: DeliveryFailure,
        /// Whether the request's history tells of it. It does not when the message had no link, or when the request had
        /// moved on: whoever has clicked has the link.
        recorded: bool,
        /// What happened, for the log.
        cause: ChannelError,
    },
}

/// The message was not delivered, and a later run may do better.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The channel failed.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The store failed, and nothing was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The channel failed, and then the store with what follows from that.
    #[error("{channel}; and what follows from it could not be stored: {store}")]
    Unsettled {
        /// What happened first.
        channel: ChannelError,
        /// What happened then.
        #[source]
        store: StoreError,
    },
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Sends the customer the text that belongs to an event: at least once through a channel that drops repeats, at most once
/// through any other.
///
/// A link that is given up leaves an entry in its request's history, once however often the event comes.
///
/// # Errors
/// [`NotifyError`]
pub async fn notify(
    store: &impl Store,
    channel: &impl Channel,
    clock: &impl Clock,
    event: &PaymentRequestEvent,
) -> Result<Notified, NotifyError> {
    let Some(text) = message::text(event) else { return Ok(Notified::Nothing) };
    let message = Message { event, text };
    if message.until().is_some_and(|until| clock.now() >= until) {
        return Ok(Notified::TooLate);
    }
    let claim = if channel.drops_repeats() { None } else { Some(Claim::new(&event.event_id)?) };
    let request = match &claim {
        Some(claim) => match store.claim(event.id, claim).await? {
            Claimed::Won(request) => Some(*request),
            Claimed::Taken(request) => return taken(store, clock, event, &request).await,
            Claimed::NotFound => return Ok(Notified::Unknown),
        },
        // Without a claim nothing is known but what the event says. One that comes at once is believed.
        None if event.link.is_some() && clock.now().saturating_duration_since(event.occurred_at) > FRESH => {
            let Some(request) = store.get(event.id).await? else { return Ok(Notified::Unknown) };
            Some(request)
        }
        None => None,
    };
    if event.link.is_some() && request.is_some_and(|request| request.status != Status::Sent) {
        return Ok(Notified::TooLate);
    }
    let Err(error) = channel.deliver(&message).await else { return Ok(Notified::Delivered) };
    if let Some(reason) = given_up(event, &error, clock.now()) {
        return fail(store, clock, event, reason, error).await;
    }
    if let Some(claim) = &claim
        && let Err(store) = store.release(event.id, claim).await
    {
        return Err(NotifyError::Unsettled { channel: error, store });
    }
    Err(error.into())
}

/// Whether this failure is the last word on a message, and then why.
fn given_up(event: &PaymentRequestEvent, error: &ChannelError, now: Timestamp) -> Option<DeliveryFailure> {
    match (error, &event.link) {
        (ChannelError::Unconfirmed(_), _) => Some(DeliveryFailure::DeliveryUnconfirmed),
        (ChannelError::Refused { reason, .. }, link) if link.is_some() || reason.is_the_recipients() => Some(*reason),
        (ChannelError::Unavailable(_), Some(link)) if !another_run_comes(event.occurred_at, link.expires_at, now) => {
            Some(DeliveryFailure::ChannelUnavailable)
        }
        // What stands between the channel and texts without a link an operator hears of, by the dead-letter queue.
        _ => None,
    }
}

/// Whether Lambda runs the function on this event once more, and early enough for the link.
///
/// A function is not told which run it is, but its waits have a lower bound: before the first minute is over a run can only
/// be the first, and after three minutes it may be the last. A run in between is taken for the second, or, when it comes
/// late, for the last: to give up a run too early tells the agent the truth of that moment, to give up one too late tells
/// nobody.
fn another_run_comes(occurred_at: Timestamp, until: Timestamp, now: Timestamp) -> bool {
    let age = now.saturating_duration_since(occurred_at);
    let wait = match age {
        age if age < FIRST_WAIT => FIRST_WAIT,
        age if age < SECOND_WAIT => SECOND_WAIT,
        _ => return false,
    };
    now.saturating_add(wait + LEEWAY) < until
}

/// A message that another run has taken on. If that run was cut off, nobody but this one can say so; it cannot be still at
/// work a minute after the event, when Lambda runs the function again.
async fn taken(
    store: &impl Store,
    clock: &impl Clock,
    event: &PaymentRequestEvent,
    request: &PaymentRequest,
) -> Result<Notified, NotifyError> {
    let recent = clock.now().saturating_duration_since(event.occurred_at) < FIRST_WAIT;
    let missed = event.link.is_none() || (request.status == Status::Sent && request.failed_delivery().is_none());
    if recent || !missed {
        return Ok(Notified::Elsewhere);
    }
    let cause = ChannelError::Unconfirmed("an earlier run took it on and was cut off".into());
    fail(store, clock, event, DeliveryFailure::DeliveryUnconfirmed, cause).await
}

/// Writes down that a message is given up, if it is the one with the link. A claim to it stays.
async fn fail(
    store: &impl Store,
    clock: &impl Clock,
    event: &PaymentRequestEvent,
    reason: DeliveryFailure,
    cause: ChannelError,
) -> Result<Notified, NotifyError> {
    if event.link.is_none() {
        return Ok(Notified::Failed { reason, recorded: false, cause });
    }
    match write_down(store, clock, event.id, &event.event_id, reason).await {
        Ok(Recorded::Applied(_)) => Ok(Notified::Failed { reason, recorded: true, cause }),
        Ok(Recorded::Known(_)) => Ok(Notified::Elsewhere),
        Ok(Recorded::Nothing(_) | Recorded::Unknown) => Ok(Notified::Failed { reason, recorded: false, cause }),
        Err(store) => Err(NotifyError::Unsettled { channel: cause, store }),
    }
}

/// Adds the entry of a link that does not arrive, once however often and from wherever that is said.
async fn write_down(
    store: &impl Store,
    clock: &impl Clock,
    id: PaymentRequestId,
    event_id: &str,
    reason: DeliveryFailure,
) -> Result<Recorded, StoreError> {
    let (operation, now) = (OperationId::of_undelivered_message(event_id), clock.now());
    let change = Change::new(Command::FailDelivery { reason }, now, Actor::System, operation);
    Ok(match store.change(id, &change).await? {
        // The store takes a repeat for the change itself, whose answer may have been lost. What we wrote bears our time.
        Changed::Applied(request) if request.failed_delivery().is_some_and(|entry| entry.at != now) => {
            Recorded::Known(request)
        }
        Changed::Applied(request) => Recorded::Applied(request),
        Changed::Unchanged(request) => Recorded::Nothing(request),
        Changed::NotFound => Recorded::Unknown,
    })
}

/// What became of a channel's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// The request's history tells of it.
    Applied(Box<PaymentRequest>),
    /// The history told of it already.
    Known(Box<PaymentRequest>),
    /// It changes nothing: the request has moved on, and whoever has clicked has the link.
    Nothing(Box<PaymentRequest>),
    /// There is no such request.
    Unknown,
}

/// Records that a link which the channel had taken will not arrive: one write.
///
/// # Errors
/// The store failed; the channel has to send the report again.
pub async fn record(store: &impl Store, clock: &impl Clock, report: DeliveryReport) -> Result<Recorded, UseCaseError> {
    let DeliveryReport { id, reason } = report;
    Ok(write_down(store, clock, id, &link_event_id(id), reason).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::at;

    /// The runs that Lambda makes of a failing function, each of which takes up to 25 seconds.
    fn runs(delay: i64, takes: i64) -> [i64; 3] {
        let second = delay + takes + 60_000;
        [delay + takes, second + takes, second + takes + 120_000 + takes]
    }

    #[test]
    fn the_last_run_that_comes_in_time_knows_that_it_is_the_last() {
        for link in [1_000, 30_000, 60_000, 90_000, 150_000, 200_000, 300_000, 900_000, 86_400_000] {
            for (delay, takes) in [(0, 0), (1_000, 500), (2_000, 20_000), (20_000, 15_000), (59_000, 0), (70_000, 100)]
            {
                let runs = runs(delay, takes).map(|end| (end, another_run_comes(at(0), at(link), at(end))));
                let in_time: Vec<_> = runs.iter().filter(|(end, _)| *end < link).collect();
                if let Some((end, another)) = in_time.last() {
                    assert!(!another, "nobody is told of a link of {link} ms: {runs:?}, the last in time at {end}");
                }
            }
        }
    }

    #[test]
    fn a_link_of_five_minutes_has_all_three_runs() {
        let [first, second, third] = runs(1_000, 9_000).map(|end| another_run_comes(at(0), at(300_000), at(end)));
        assert!(first && second && !third);
    }
}
