//! When a link does not reach the customer.

use crate::{PaymentRequestId, Reason};

/// Why the message with a link did not reach the customer, as the agent and other systems are told. Their codes are the
/// whole set: a channel's own words, which may hold a phone number, go no further than its adapter.
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
    /// The channel took it and could not bring it: the phone is off, out of reach, or blocks it.
    Undelivered,
}

/// What a channel says later of a message with a link that it had taken: that it will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The request whose link it is.
    pub id: PaymentRequestId,
    /// Why.
    pub reason: DeliveryFailure,
}

impl DeliveryFailure {
    /// Each of them.
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

    /// Its code in the history and in events.
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

    /// The failure with this code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.code() == code)
    }

    /// Whether it is this one customer whom the channel cannot bring a message, and not an operator's to mend. Then no later try
    /// does better.
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

    /// The reason it leaves in the history.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        Reason::fitted(self.code())
    }
}
