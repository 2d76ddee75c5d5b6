//! Failures to deliver the message with a link.

use crate::id::PaymentRequestId;
use crate::text::Reason;

/// The reason why the message with a link did not reach the customer, as the agent and other systems read it. The set
/// of codes is closed. A channel's own error text stays within its adapter, because it may hold a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryFailure {
    /// The channel cannot send to this number at all.
    InvalidRecipient,
    /// The customer has opted out of messages.
    RecipientOptedOut,
    /// The number has no account on this channel.
    NotOnChannel,
    /// The 24 hours after the customer's last message, in which WhatsApp delivers free text, are over.
    OutsideConversationWindow,
    /// The channel rejected the message for a reason that is not the customer's: the account, its credit, its settings,
    /// the message.
    ChannelRefused,
    /// The channel was unreachable or overloaded until the retries ended.
    ChannelUnavailable,
    /// The channel's response was lost, so the message may or may not have arrived.
    DeliveryUnconfirmed,
    /// The channel accepted the message but could not deliver it: the phone is off, out of reach, or blocks it.
    Undelivered,
}

/// A channel's later report that a message with a link, which it had accepted, will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The request that the link belongs to.
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

    /// Returns the failure's code in the history and in events.
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

    /// Returns the failure with this code; `None` for an unknown code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.code() == code)
    }

    /// Returns whether the failure is about this one customer: neither a retry nor an operator can then help.
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

    /// Returns the reason to record in the history.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        Reason::fitted(self.code())
    }
}
