//! The status of a payment request.

use crate::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A payment request's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The link was sent, and the customer has not clicked it.
    Sent,
    /// The customer continued to the payment page.
    Clicked,
    /// The customer has done their part, and the provider's confirmation of the money is pending.
    Processing,
    /// The provider confirmed the money.
    Paid,
    /// The agent canceled the request.
    Canceled,
    /// The deadline passed, or the payment in flight failed.
    Expired,
    /// Money arrived although the request had already ended.
    RefundDue,
    /// That money was refunded.
    Refunded,
}

impl Status {
    /// Every status, in the order of a request's life.
    pub const ALL: [Self; 8] = [
        Self::Sent,
        Self::Clicked,
        Self::Processing,
        Self::Paid,
        Self::Canceled,
        Self::Expired,
        Self::RefundDue,
        Self::Refunded,
    ];

    /// Returns the status's name in the interface, the store and the events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Clicked => "clicked",
            Self::Processing => "processing",
            Self::Paid => "paid",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::RefundDue => "refund_due",
            Self::Refunded => "refunded",
        }
    }

    /// Returns whether a deadline runs: the customer can act, and the request can expire. While a payment is processing
    /// no deadline runs, because only the provider can complete it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Sent | Self::Clicked)
    }

    /// Returns whether the status is terminal, so that retention begins. Only late money can still change it.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Paid | Self::Canceled | Self::Expired | Self::Refunded)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(Invalid("must be one of sent, clicked, processing, paid, canceled, expired, refund_due, refunded"))
    }
}
