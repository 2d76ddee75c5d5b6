//! What is announced on the bus: one event per history entry.

use crate::currency::Currency;
use crate::id::PaymentRequestId;
use crate::money::{Amount, Money};
use crate::payment_request::PaymentRequest;
use crate::people::{Actor, Agent, Customer, WorkspaceId};
use crate::status::Status;
use crate::text::{ConversationId, Metadata, OrderNumber, Reason};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The `source` of every event.
pub const SOURCE: &str = "chat2pay";

/// The kinds of events, as the bus names them (`detail-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DetailType {
    /// A history entry that changes the status.
    PaymentRequestStatusChanged,
    /// A history entry for an attempt to pay that failed.
    PaymentAttemptFailed,
    /// A history entry for a link that did not reach the customer.
    PaymentLinkDeliveryFailed,
}

impl DetailType {
    /// Returns its name on the bus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentRequestStatusChanged => "PaymentRequestStatusChanged",
            Self::PaymentAttemptFailed => "PaymentAttemptFailed",
            Self::PaymentLinkDeliveryFailed => "PaymentLinkDeliveryFailed",
        }
    }
}

/// The customer's link while it is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The address of the customer's page.
    pub url: String,
    /// The deadline that runs.
    pub expires_at: Timestamp,
}

/// An event's `detail`. Its schemas are the files under `events/schemas`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRequestEvent {
    /// `<id>#<version>`: a consumer drops what it has seen.
    pub event_id: String,
    /// The request.
    pub id: PaymentRequestId,
    /// The history entry's place, counted from 1.
    pub version: usize,
    /// The status after it.
    pub status: Status,
    /// The status before it; none for the first.
    pub previous_status: Option<Status>,
    /// The time of the change.
    pub occurred_at: Timestamp,
    /// Whoever made the change.
    pub actor: Actor,
    /// The reason, where there is one.
    pub reason: Option<Reason>,
    /// The company that the request belongs to.
    pub workspace: WorkspaceId,
    /// The agent who sent the request.
    pub agent: Agent,
    /// The order being paid.
    pub order_number: OrderNumber,
    /// The amount, in minor units.
    pub amount: Amount,
    /// Its currency.
    pub currency: Currency,
    /// The person who is to pay.
    pub customer: Customer,
    /// The chat conversation that the request belongs to.
    pub conversation_id: Option<ConversationId>,
    /// The integrator's own pairs of texts.
    pub metadata: Metadata,
    /// The link, in the `sent` event alone.
    pub link: Option<Link>,
}

/// Returns the identifier of a history entry's event, by the entry's place counted from 1. A consumer drops what it has
/// seen.
pub(crate) fn event_id(id: PaymentRequestId, version: usize) -> String {
    format!("{id}#{version}")
}

/// Returns the identifier of the event that brings a request's link: its first.
#[must_use]
pub fn link_event_id(id: PaymentRequestId) -> String {
    event_id(id, LINK_VERSION)
}

/// The place of the history entry whose event brings the link.
const LINK_VERSION: usize = 1;

impl PaymentRequestEvent {
    /// Returns the events of a request's history, oldest first, without those of its first `seen` entries.
    ///
    /// `public_base_url` is where the customer's pages are, without a slash at its end.
    pub fn of_history<'a>(
        request: &'a PaymentRequest,
        seen: usize,
        public_base_url: &'a str,
    ) -> impl Iterator<Item = Self> + 'a {
        let previous = std::iter::once(None).chain(request.history.iter().map(|entry| Some(entry.status)));
        request.history.iter().zip(previous).enumerate().skip(seen).map(move |(index, (entry, previous_status))| {
            let version = index + 1;
            let link = (version == LINK_VERSION)
                .then(|| Link { url: link_url(request, public_base_url), expires_at: request.link_deadline });
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

    /// Returns which kind of event it is.
    #[must_use]
    pub fn detail_type(&self) -> DetailType {
        match (self.previous_status, self.status) {
            // Before the click there is no attempt to pay, so what leaves `sent` as it was is about the link.
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

/// Returns the address of the customer's page.
#[must_use]
pub fn link_url(request: &PaymentRequest, public_base_url: &str) -> String {
    format!("{public_base_url}/p/{}", request.token.reveal())
}
