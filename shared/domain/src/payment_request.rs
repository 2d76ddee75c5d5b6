//! The payment request itself.

use crate::limits::PROVIDER_GRACE;
use crate::transition::PAYMENT_FAILED;
use crate::{
    Actor, Agent, Caller, CheckoutId, ConversationId, Customer, Description, Fingerprint, LinkToken, Metadata, Money,
    OperationId, OrderNumber, PaymentRequestId, Reason, Status, Timestamp, WorkspaceId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What the agent asks the customer to pay. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The order being paid.
    pub order_number: OrderNumber,
    /// How much.
    pub money: Money,
    /// By whom.
    pub customer: Customer,
    /// What for.
    pub description: Option<Description>,
    /// The chat conversation it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// What the integrator attached.
    pub metadata: Metadata,
}

impl Details {
    /// The digest that tells these details from others under the same idempotency key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let amount = self.money.amount.minor_units().to_string();
        let optional =
            |text: Option<&str>| text.map_or(["0".to_owned(), String::new()], |text| ["1".to_owned(), text.to_owned()]);
        let mut fields = vec![
            self.order_number.as_str().to_owned(),
            amount,
            self.money.currency.code().to_owned(),
            self.customer.phone.as_str().to_owned(),
        ];
        fields.extend(optional(self.customer.name.as_ref().map(crate::CustomerName::as_str)));
        fields.extend(optional(self.description.as_ref().map(Description::as_str)));
        fields.extend(optional(self.conversation_id.as_ref().map(ConversationId::as_str)));
        fields.extend(self.metadata.iter().flat_map(|(key, value)| [key.to_owned(), value.to_owned()]));
        Fingerprint::of(fields.iter().map(String::as_str))
    }
}

/// One change of a request, as it stays in its history for good. Its version is its place there, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The status after the change; the same as before it for a failed attempt to pay.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// Why, where there is something to say.
    pub reason: Option<Reason>,
}

/// Money that the provider says has arrived, or is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Who took it, such as `sandbox`.
    pub provider: String,
    /// The provider's own identifier of the payment.
    pub reference: String,
    /// The provider's own time at which the customer paid. With a payment method that takes time this is when they did
    /// their part, however long the money then takes: that is not their doing, so they are not late because of it.
    pub paid_at: Timestamp,
}

/// A payment request with its whole history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRequest {
    /// Which.
    pub id: PaymentRequestId,
    /// Whose.
    pub workspace: WorkspaceId,
    /// Who sent it.
    pub agent: Agent,
    /// What is to be paid.
    pub details: Details,
    /// The secret in the customer's link.
    pub token: LinkToken,
    /// When it was sent.
    pub created_at: Timestamp,
    /// The status as stored: a `Sent` whose deadline has passed is shown as expired, see [`Self::status_at`].
    pub status: Status,
    /// When the link ended or ends if nobody clicks.
    pub link_deadline: Timestamp,
    /// The deadline that runs while the request is open; afterwards the last one that ran.
    pub deadline: Timestamp,
    /// Every change, oldest first.
    pub history: Vec<HistoryEntry>,
    /// The changes already made, by their identifiers.
    pub operations: BTreeSet<OperationId>,
    /// The checkout at the provider, once it is known to exist.
    pub checkout: Option<CheckoutId>,
    /// The money, once it has arrived.
    pub payment: Option<Payment>,
    /// The digest of its details, if it was created under an idempotency key.
    pub fingerprint: Option<Fingerprint>,
}

impl PaymentRequest {
    /// A new request, just sent.
    #[must_use]
    pub fn new(
        id: PaymentRequestId,
        sender: Caller,
        details: Details,
        token: LinkToken,
        now: Timestamp,
        link_limit: Duration,
        operation: OperationId,
    ) -> Self {
        let Caller { workspace, agent, .. } = sender;
        let sent = HistoryEntry { status: Status::Sent, at: now, actor: Actor::Agent(agent.id.clone()), reason: None };
        Self {
            id,
            workspace,
            agent,
            details,
            token,
            created_at: now,
            status: Status::Sent,
            link_deadline: now.saturating_add(link_limit),
            deadline: now.saturating_add(link_limit),
            history: vec![sent],
            operations: BTreeSet::from([operation]),
            checkout: None,
            payment: None,
            fingerprint: None,
        }
    }

    /// How many changes there have been, the sending included.
    #[must_use]
    pub fn version(&self) -> usize {
        self.history.len()
    }

    /// When the last of them was.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        self.history.last().map_or(self.created_at, |entry| entry.at)
    }

    /// The true status at a moment: a link past its deadline has expired, whether or not that was written yet. A clicked
    /// request past its deadline still is what it was, because only the provider can say whether it was paid.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        if self.status == Status::Sent && self.is_overdue(now) { Status::Expired } else { self.status }
    }

    /// The entry that tells that the link did not reach the customer. There is at most one, right after the request was sent: before
    /// the click nothing else leaves a request as it is.
    #[must_use]
    pub fn failed_delivery(&self) -> Option<&HistoryEntry> {
        self.history.get(1).filter(|entry| entry.status == Status::Sent)
    }

    /// Whether the last thing that happened is that the payment which was waited for failed.
    #[must_use]
    pub fn payment_failed(&self) -> bool {
        let reason = self.history.last().and_then(|entry| entry.reason.as_ref());
        self.status == Status::Expired && reason.is_some_and(|reason| reason.as_str() == PAYMENT_FAILED)
    }

    /// Whether the request's deadline has come. It belongs to the time after it.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        now >= self.deadline
    }

    /// Whether the provider's word on how the request ended is still worth waiting for: for [`PROVIDER_GRACE`] after its deadline.
    #[must_use]
    pub fn may_wait_for_provider(&self, now: Timestamp) -> bool {
        now < self.deadline.saturating_add(PROVIDER_GRACE)
    }

    /// Whether the customer can go on to pay.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.status.is_open() && !self.is_overdue(now)
    }
}
