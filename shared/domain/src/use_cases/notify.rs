//! The customer hears about it in the chat.

use crate::ports::{Channel, ChannelError, Message};
use crate::{Clock, PaymentRequestEvent, message};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notified {
    /// The message was handed over.
    Delivered,
    /// The event brings the customer no message.
    Nothing,
    /// The link had ended before the message could be delivered: a dead link is worse than none.
    TooLate,
}

/// Sends the customer the text that belongs to an event.
///
/// # Errors
/// The channel failed.
pub async fn notify(
    channel: &impl Channel,
    clock: &impl Clock,
    event: &PaymentRequestEvent,
) -> Result<Notified, ChannelError> {
    let Some(text) = message::text(event) else { return Ok(Notified::Nothing) };
    if event.link.as_ref().is_some_and(|link| clock.now() >= link.expires_at) {
        return Ok(Notified::TooLate);
    }
    channel.deliver(&Message { event, text }).await?;
    Ok(Notified::Delivered)
}
