//! The events that are published on the bus: one per history entry.

use crate::currency::Currency;
use crate::id::PaymentRequestId;
use crate::invalid::Invalid;
use crate::money::{Amount, Money};
use crate::payment_request::PaymentRequest;
use crate::people::{Actor, Agent, Customer, WorkspaceId};
use crate::status::Status;
use crate::text::{ConversationId, Metadata, OrderNumber, Reason};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The `source` of every event.
pub const SOURCE: &str = "chat2pay";

/// The kinds of events, each with its `detail-type` on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DetailType {
    /// A status change.
    PaymentRequestStatusChanged,
    /// A failed attempt to pay.
    PaymentAttemptFailed,
    /// A link that did not reach the customer.
    PaymentLinkDeliveryFailed,
    /// A difference between what the provider knows and what is stored here.
    ReconciliationDifferenceFound,
}

impl DetailType {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::PaymentRequestStatusChanged,
        Self::PaymentAttemptFailed,
        Self::PaymentLinkDeliveryFailed,
        Self::ReconciliationDifferenceFound,
    ];

    /// Returns the kind's `detail-type` on the bus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentRequestStatusChanged => "PaymentRequestStatusChanged",
            Self::PaymentAttemptFailed => "PaymentAttemptFailed",
            Self::PaymentLinkDeliveryFailed => "PaymentLinkDeliveryFailed",
            Self::ReconciliationDifferenceFound => "ReconciliationDifferenceFound",
        }
    }
}

impl FromStr for DetailType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(Invalid("is not a kind of event"))
    }
}

/// The customer's link while it is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Link {
    /// The address of the customer's page.
    #[cfg_attr(feature = "schema", schemars(url))]
    pub url: String,
    /// The link's deadline.
    pub expires_at: Timestamp,
}

/// An event's `detail`. Its JSON schemas are in `events/schemas`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRequestEvent {
    /// `<id>#<version>`. A consumer recognizes a repeated event by it.
    pub event_id: String,
    /// The request's identifier.
    pub id: PaymentRequestId,
    /// The history entry's position, counted from 1.
    pub version: usize,
    /// The status after the change.
    pub status: Status,
    /// The status before the change; `None` for the first entry.
    pub previous_status: Option<Status>,
    /// The time of the change.
    pub occurred_at: Timestamp,
    /// The person or system that made the change.
    pub actor: Actor,
    /// The reason, if the change has one.
    pub reason: Option<Reason>,
    /// The workspace that the request belongs to.
    pub workspace: WorkspaceId,
    /// The agent who sent the request.
    pub agent: Agent,
    /// The order being paid.
    pub order_number: OrderNumber,
    /// The amount, in minor units.
    pub amount: Amount,
    /// The amount's currency.
    pub currency: Currency,
    /// The person who is to pay.
    pub customer: Customer,
    /// The chat conversation that the request belongs to.
    pub conversation_id: Option<ConversationId>,
    /// The integrator's own key-value pairs.
    pub metadata: Metadata,
    /// The link, in the `sent` event only.
    pub link: Option<Link>,
}

/// Returns the identifier of a history entry's event, from the entry's position counted from 1. A consumer recognizes a
/// repeated event by it.
pub(crate) fn event_id(id: PaymentRequestId, version: usize) -> String {
    format!("{id}#{version}")
}

/// Returns the identifier of the event that carries a request's link: the first event.
#[must_use]
pub fn link_event_id(id: PaymentRequestId) -> String {
    event_id(id, LINK_VERSION)
}

/// The position of the history entry whose event carries the link.
pub(crate) const LINK_VERSION: usize = 1;

impl PaymentRequestEvent {
    /// Returns the events of a request's history, oldest first, without those of its first `seen` entries.
    ///
    /// `public_base_url` is the address of the customer's pages, without a trailing slash.
    pub fn of_history<'a>(
        request: &'a PaymentRequest,
        seen: usize,
        public_base_url: &'a str,
    ) -> impl Iterator<Item = Self> + 'a {
        let previous = std::iter::once(None).chain(request.history.iter().map(|entry| Some(entry.status)));
        request.history.iter().zip(previous).enumerate().skip(seen).map(move |(index, (entry, previous_status))| {
            let version = index + 1;
            let link = (version == LINK_VERSION)
                .then(|| Link { url: link_url(request, public_base_url), expires_at: request.click_deadline });
            Self {
                event_id: event_id(request.id, version),
                id: request.id,
                version,
                status: entry.status,
                previous_status,
                occurred_at: entry.at,
                actor: entry.actor.clone(),
                reason: entry.reason.clone(),
                workspace: request.workspace.clone(),
                agent: request.agent.clone(),
                order_number: request.details.order_number.clone(),
                amount: request.details.money.amount,
                currency: request.details.money.currency,
                customer: request.details.customer.clone(),
                conversation_id: request.details.conversation_id.clone(),
                metadata: request.details.metadata.clone(),
                link,
            }
        })
    }

    /// Returns the event's kind.
    #[must_use]
    pub fn detail_type(&self) -> DetailType {
        match (self.previous_status, self.status) {
            // There is no attempt to pay before the click, so an entry that leaves `sent` unchanged is about the link.
            (Some(Status::Sent), Status::Sent) => DetailType::PaymentLinkDeliveryFailed,
            (Some(before), after) if before == after => DetailType::PaymentAttemptFailed,
            _ => DetailType::PaymentRequestStatusChanged,
        }
    }

    /// Returns the amount in its currency.
    #[must_use]
    pub fn money(&self) -> Money {
        Money { amount: self.amount, currency: self.currency }
    }
}

/// Returns the address of the customer's page for a request.
#[must_use]
pub fn link_url(request: &PaymentRequest, public_base_url: &str) -> String {
    format!("{public_base_url}/p/{}", request.token.reveal())
}

/// Returns the address to which a customer comes back who gave up on the provider's payment page.
#[must_use]
pub fn back_url(link: &str) -> String {
    format!("{link}?back")
}

/// Returns the address to which a customer comes back from the provider's payment page otherwise.
#[must_use]
pub fn done_url(link: &str) -> String {
    format!("{link}?done")
}
