//! Differences between what a payment provider knows and what is stored here.

use crate::event::DetailType;
use crate::id::{PaymentRequestId, digest};
use crate::money::Money;
use crate::people::WorkspaceId;
use crate::status::Status;
use crate::text::OrderNumber;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Paid there and not here: the request is missing, or is not paid by this payment.
    NotRecorded,
    /// Paid here and not there.
    NotAtProvider,
    /// The payment has another amount or currency than its request.
    AmountDiffers,
    /// Refunded there, at least in part, and here still `paid`: a person sent the refund.
    RefundedByPerson,
    /// Refunded here and not there, or not as a whole.
    NotRefunded,
    /// The customer disputes the payment at their bank.
    Disputed,
}

impl DifferenceKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::NotRecorded,
        Self::NotAtProvider,
        Self::AmountDiffers,
        Self::RefundedByPerson,
        Self::NotRefunded,
        Self::Disputed,
    ];

    /// Returns the kind's code in events and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRecorded => "not_recorded",
            Self::NotAtProvider => "not_at_provider",
            Self::AmountDiffers => "amount_differs",
            Self::RefundedByPerson => "refunded_by_person",
            Self::NotRefunded => "not_refunded",
            Self::Disputed => "disputed",
        }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One difference, about one payment at a provider. It is stored and published once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The kind.
    pub kind: DifferenceKind,
    /// The name of the provider, such as `stripe`.
    pub provider: String,
    /// The provider's own identifier of the payment.
    pub reference: String,
    /// The time at which the difference was found.
    pub found_at: Timestamp,
    /// The time of the payment: the provider's, or ours if the provider knows none.
    pub paid_at: Timestamp,
    /// The request that the payment is of.
    pub id: PaymentRequestId,
    /// The request's workspace; `None` if there is no such request.
    pub workspace: Option<WorkspaceId>,
    /// The request's order; `None` if there is no such request.
    pub order_number: Option<OrderNumber>,
    /// The request's stored status; `None` if there is no such request.
    pub status: Option<Status>,
    /// The money that was requested; `None` if there is no such request.
    pub requested: Option<Money>,
    /// The money that was paid at the provider; `None` if the provider has no such payment, or if no request can have
    /// asked for it.
    pub paid: Option<Money>,
    /// The money that has gone back at the provider; `None` if none has.
    pub refunded: Option<Money>,
}

impl Difference {
    /// Returns the digest of kind, provider and reference. Two differences with the same digest are the same one.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&format!("{}:{}:{}", self.kind, self.provider, self.reference))
    }

    /// Returns the event that announces the difference.
    #[must_use]
    pub fn event(&self) -> DifferenceEvent {
        let Self { kind, found_at, provider, reference, id, status, requested, paid, refunded, paid_at, .. } =
            self.clone();
        DifferenceEvent {
            event_id: format!("difference#{}", self.digest()),
            id,
            kind,
            occurred_at: found_at,
            workspace: self.workspace.clone(),
            order_number: self.order_number.clone(),
            status,
            provider,
            reference,
            paid_at,
            requested,
            paid,
            refunded,
        }
    }
}

/// The `detail` of the event about a difference. Its JSON schema is in `events/schemas`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferenceEvent {
    /// `difference#<digest>`. A consumer recognizes a repeated event by it.
    pub event_id: String,
    /// See [`Difference::id`].
    pub id: PaymentRequestId,
    /// See [`Difference::kind`].
    pub kind: DifferenceKind,
    /// See [`Difference::found_at`].
    pub occurred_at: Timestamp,
    /// See [`Difference::workspace`].
    pub workspace: Option<WorkspaceId>,
    /// See [`Difference::order_number`].
    pub order_number: Option<OrderNumber>,
    /// See [`Difference::status`].
    pub status: Option<Status>,
    /// See [`Difference::provider`].
    pub provider: String,
    /// See [`Difference::reference`].
    pub reference: String,
    /// See [`Difference::paid_at`].
    pub paid_at: Timestamp,
    /// See [`Difference::requested`].
    pub requested: Option<Money>,
    /// See [`Difference::paid`].
    pub paid: Option<Money>,
    /// See [`Difference::refunded`].
    pub refunded: Option<Money>,
}

impl DifferenceEvent {
    /// The event's kind.
    pub const DETAIL_TYPE: DetailType = DetailType::ReconciliationDifferenceFound;
}
