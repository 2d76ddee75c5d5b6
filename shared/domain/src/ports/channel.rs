//! The port for messages to the customer's chat.

use crate::delivery::DeliveryFailure;
use crate::event::PaymentRequestEvent;
use crate::id::PaymentRequestId;
use crate::ports::Cause;
use crate::time::Timestamp;

/// A message for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The event that the message is about. A receiver recognizes a repeat by its `event_id`.
    pub event: &'a PaymentRequestEvent,
    /// The text that the customer reads.
    pub text: String,
    /// The end of the time in which the message may be handed over, if that is before its [`Message::deadline`].
    pub attempts_end: Option<Timestamp>,
}

impl Message<'_> {
    /// Returns the deadline of the link in the message; `None` for other messages. The message is useless from then on.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.event.link.as_ref().map(|link| link.expires_at)
    }

    /// Returns the request whose link is in the message; `None` for other messages. Later delivery reports are only
    /// recorded for messages with a link.
    #[must_use]
    pub fn link_of(&self) -> Option<PaymentRequestId> {
        self.event.link.as_ref().map(|_| self.event.id)
    }
}

/// The error for a message that was not delivered, or whose delivery is unknown. No error text holds a phone number or
/// a message.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The channel is unreachable or overloaded. A retry is safe: the message was not sent, or the receiver drops the
    /// repeat.
    #[error("the channel is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The channel rejected the message, did not send it, and would reject it again.
    #[error("the channel rejected the message ({code}): {cause}", code = reason.code())]
    Refused {
        /// The reason that the agent reads.
        reason: DeliveryFailure,
        /// The cause, for the log.
        #[source]
        cause: Cause,
    },
    /// The channel's response was lost or is invalid. The message may have been sent, so a retry could send it twice.
    #[error("it is unknown whether the message was sent: {0}")]
    Unconfirmed(#[source] Cause),
}

/// A channel to the customer's chat.
pub trait Channel: Send + Sync {
    /// Returns whether a message that is handed over twice is delivered once. For a channel that does not guarantee
    /// this, the message is claimed first ([`Fact::MessageClaimed`](crate::fact::Fact::MessageClaimed)), and the
    /// channel never retries by itself when the outcome of an attempt is unknown.
    fn drops_repeats(&self) -> bool;

    /// Hands a message over, with retries if necessary. No attempt begins after [`Message::deadline`], and none lasts
    /// beyond [`Message::attempts_end`].
    fn deliver(&self, message: &Message<'_>) -> impl Future<Output = Result<(), ChannelError>> + Send;
}
