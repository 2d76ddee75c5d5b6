//! Links that do not reach the customer.

use crate::id::PaymentRequestId;
use crate::text::Reason;

/// The reason why the message with a link did not reach the customer, as the agent and other systems read it. The codes
/// are the whole set: a channel's own words, which may hold a phone number, stay within its adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryFailure {
    /// The channel cannot write to this number at all.
    InvalidRecipient,
    /// The customer has asked to get no more messages.
    RecipientOptedOut,
    /// Nobody has this number on this channel.
    NotOnChannel,
    /// WhatsApp delivers free text for 24 hours after the customer's last message, and they are over.
    OutsideConversationWindow,
    /// The channel refuses for a reason of its own: the account, its credit, its settings, the message.
    ChannelRefused,
    /// The channel could not be reached, or had no room, for as long as it was worth trying.
    ChannelUnavailable,
    /// Nobody can say whether it arrived: the channel's answer was lost.
    DeliveryUnconfirmed,
    /// The channel accepted it and could not deliver it: the phone is off, out of reach, or blocks it.
    Undelivered,
}

/// A channel's later report that a message with a link, which it had accepted, will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The request whose link it is.
    pub id: PaymentRequestId,
    /// The reason that the channel gives.
    pub reason: DeliveryFailure,
}

impl DeliveryFailure {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::InvalidRecipient,
        Self::RecipientOptedOut,
        Self::NotOnChannel,
        Self::OutsideConversationWindow,
        Self::ChannelRefused,
        Self::ChannelUnavailable,
        Self::DeliveryUnconfirmed,
        Self::Undelivered,
    ];

    /// Returns the code in the history and in events.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRecipient => "invalid_recipient",
            Self::RecipientOptedOut => "recipient_opted_out",
            Self::NotOnChannel => "not_on_channel",
            Self::OutsideConversationWindow => "outside_conversation_window",
            Self::ChannelRefused => "channel_refused",
            Self::ChannelUnavailable => "channel_unavailable",
            Self::DeliveryUnconfirmed => "delivery_unconfirmed",
            Self::Undelivered => "undelivered",
        }
    }

    /// Returns the failure with this code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.code() == code)
    }

    /// Returns whether the channel cannot reach this one customer, so that no later try does better and no operator can
    /// mend it.
    #[must_use]
    pub const fn is_the_recipients(self) -> bool {
        match self {
            Self::InvalidRecipient
            | Self::RecipientOptedOut
            | Self::NotOnChannel
            | Self::OutsideConversationWindow
            | Self::Undelivered => true,
            Self::ChannelRefused | Self::ChannelUnavailable | Self::DeliveryUnconfirmed => false,
        }
    }

    /// Returns the reason that it leaves in the history.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        Reason::fitted(self.code())
    }
}
