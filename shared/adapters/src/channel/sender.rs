//! The delivery of a message, with retries where they cannot deliver it twice.

use crate::aws::INITIAL_BACKOFF;
use crate::retry::{full_jitter, retry};
use crate::secrets::SecretError;
use domain::ports::{Cause, ChannelError, Message};
use domain::{DeliveryFailure, Doors, Timestamp};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The number of attempts for one message within one run of the function.
const ATTEMPTS: u32 = 4;
/// The time after the first attempt within which the last one must begin. With the longest attempt, a message takes 13
/// seconds at most.
const RETRY_WITHIN: Duration = Duration::from_secs(3);
/// The timeout of one attempt: reading a secret and one call, or a call that is repeated with a rotated token.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// A channel that sends messages.
pub(super) trait Sender: Send + Sync {
    /// Returns whether a message that is handed over twice is delivered once: see
    /// [`domain::ports::Channel::drops_repeats`].
    fn drops_repeats(&self) -> bool;

    /// Returns the access to time and randomness.
    fn doors(&self) -> &Doors;

    /// Sends a message in one attempt.
    fn send(&self, message: &Message<'_>) -> impl Future<Output = Result<(), ChannelError>> + Send;
}

/// Delivers a message, retrying while the channel is unavailable: see [`domain::ports::Channel::deliver`].
pub(super) async fn deliver(sender: &impl Sender, message: &Message<'_>) -> Result<(), ChannelError> {
    let started = Instant::now();
    let doors = sender.doors();
    let has_come = |end: Option<Timestamp>| end.is_some_and(|end| doors.now() >= end);
    let is_over = || has_come(message.deadline()) || has_come(message.attempts_end);
    let longest = || {
        let left = message.attempts_end.map(|end| end.saturating_duration_since(doors.now()));
        left.unwrap_or(ATTEMPT_TIMEOUT).min(ATTEMPT_TIMEOUT)
    };
    let attempt = |previous: Option<ChannelError>| async move {
        if let Some(error) = previous.filter(|_| is_over()) {
            return Err(error);
        }
        if has_come(message.attempts_end) {
            return Err(ChannelError::Unavailable("the time for its attempts was over before the first".into()));
        }
        match timeout(longest(), sender.send(message)).await {
            Ok(result) => result,
            Err(elapsed) if sender.drops_repeats() => Err(ChannelError::Unavailable(elapsed.into())),
            Err(elapsed) => Err(ChannelError::Unconfirmed(elapsed.into())),
        }
    };
    retry(attempt, |attempts, error| {
        let pause = full_jitter(doors, INITIAL_BACKOFF, attempts);
        let again = matches!(error, ChannelError::Unavailable(_))
            && attempts < ATTEMPTS
            && started.elapsed() + pause <= RETRY_WITHIN
            && !is_over();
        if again {
            tracing::warn!(%error, event_id = message.event.event_id, "message not sent yet: retrying");
        }
        again.then_some(pause)
    })
    .await
}

/// Builds the error for a rejection that is not the customer's fault.
pub(super) fn refused(cause: impl Into<Cause>) -> ChannelError {
    ChannelError::Refused { reason: DeliveryFailure::ChannelRefused, cause: cause.into() }
}

/// A channel whose secret cannot be read has sent nothing.
impl From<SecretError> for ChannelError {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Unavailable { .. } | SecretError::Misconfigured { .. } => Self::Unavailable(error.into()),
            SecretError::Invalid(_) => refused(error),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns the outcome of a message in one word, after checking that the error does not contain the number that the
    /// tests use.
    pub(in super::super) fn meaning(outcome: Result<(), ChannelError>) -> &'static str {
        let Err(error) = outcome else { return "sent" };
        let text = error.to_string();
        assert!(!text.contains("27831234567"), "{text}");
        match error {
            ChannelError::Refused { reason, .. } => reason.code(),
            ChannelError::Unavailable(_) => "again",
            ChannelError::Unconfirmed(_) => "unknown",
        }
    }
}
