//! The way to the customer's chat.

use crate::delivery::DeliveryFailure;
use crate::event::PaymentRequestEvent;
use crate::id::PaymentRequestId;
use crate::ports::Cause;
use crate::time::Timestamp;

/// A message for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The event that the message is about. A receiver recognises a repeat by its `event_id`.
    pub event: &'a PaymentRequestEvent,
    /// The text that the customer reads.
    pub text: String,
}

impl Message<'_> {
    /// Returns the deadline of the link in the message, from which on the message is worth nothing.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.event.link.as_ref().map(|link| link.expires_at)
    }

    /// Returns the request whose link is in the message; none for other messages. Only of these is a channel's later
    /// report worth recording.
    #[must_use]
    pub fn link_of(&self) -> Option<PaymentRequestId> {
        self.event.link.as_ref().map(|_| self.event.id)
    }
}

/// The error for a message that was not delivered, or of which that is unknown. No text of an error holds a phone
/// number or a message.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The channel cannot be reached or refuses for load. The same message again is safe: it was not sent, or its
    /// receiver would drop the repeat.
    #[error("the channel is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The channel refused the message, which was not sent, and will again.
    #[error("the channel refused the message ({code}): {cause}", code = reason.code())]
    Refused {
        /// The reason, as the agent reads it.
        reason: DeliveryFailure,
        /// The reason, for the log.
        #[source]
        cause: Cause,
    },
    /// The channel's answer was lost or makes no sense. The message may have been sent, so the same again could send it
    /// twice.
    #[error("nobody knows whether the message was sent: {0}")]
    Unconfirmed(#[source] Cause),
}

/// The way to the customer's chat.
pub trait Channel: Send + Sync {
    /// Returns whether handing over a message twice delivers it once. A message for a channel that cannot promise this
    /// is claimed before it is handed over ([`Fact::MessageClaimed`](crate::fact::Fact::MessageClaimed)), and such a
    /// channel never tries again by itself after a try whose outcome is unknown.
    fn drops_repeats(&self) -> bool;

    /// Hands a message over, if need be with several tries, none of which begins after [`Message::deadline`].
    fn deliver(&self, message: &Message<'_>) -> impl Future<Output = Result<(), ChannelError>> + Send;
}
