//! The payment request.

use crate::fact::Fact;
use crate::id::{CheckoutId, Fingerprint, OperationId, PaymentRequestId};
use crate::limits::{FIRST_LOOK, LONGEST_LOOK, PROVIDER_GRACE, WRITE_GRACE};
use crate::money::Money;
use crate::people::{Actor, Agent, Customer, Sender, WorkspaceId};
use crate::status::Status;
use crate::text::{ConversationId, CustomerName, Description, Metadata, OrderNumber, Reason};
use crate::time::Timestamp;
use crate::token::LinkToken;
use crate::transition::PAYMENT_FAILED;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What the agent asks the customer to pay. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The order being paid.
    pub order_number: OrderNumber,
    /// The amount and its currency.
    pub money: Money,
    /// The person who is to pay.
    pub customer: Customer,
    /// What is being paid for.
    pub description: Option<Description>,
    /// The chat conversation that it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// The integrator's own key-value pairs.
    pub metadata: Metadata,
}

impl Details {
    /// Returns the digest that distinguishes these details from others under the same idempotency key.
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
        fields.extend(optional(self.customer.name.as_ref().map(CustomerName::as_str)));
        fields.extend(optional(self.description.as_ref().map(Description::as_str)));
        fields.extend(optional(self.conversation_id.as_ref().map(ConversationId::as_str)));
        fields.extend(self.metadata.iter().flat_map(|(key, value)| [key.to_owned(), value.to_owned()]));
        // A single field at the end. Without an address, the digest is that of releases that knew none; and no metadata
        // can look like an address, because it comes in pairs.
        fields.extend(self.customer.email.as_ref().map(|email| email.as_str().to_owned()));
        Fingerprint::of(fields.iter().map(String::as_str))
    }
}

/// One change of a request, kept in the history for good. Its version is its position there, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The status after the change. A failed attempt to pay and a failed delivery leave it unchanged.
    pub status: Status,
    /// The time of the change.
    pub at: Timestamp,
    /// The person or system that made the change.
    pub actor: Actor,
    /// The reason, if the change has one.
    pub reason: Option<Reason>,
}

/// Money that the provider reports as arrived or in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Payment {
    /// The name of the provider, such as `sandbox`.
    pub provider: String,
    /// The provider's own identifier of the payment.
    pub reference: String,
    /// The provider's own time at which the customer paid. With a payment method that takes time, this is when the
    /// customer did their part: a slow transfer does not make the customer late.
    pub paid_at: Timestamp,
}

/// A payment request with its whole history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRequest {
    /// The request's identifier.
    pub id: PaymentRequestId,
    /// The workspace that the request belongs to.
    pub workspace: WorkspaceId,
    /// The agent who sent the request.
    pub agent: Agent,
    /// What the customer is asked to pay.
    pub details: Details,
    /// The secret in the customer's link.
    pub token: LinkToken,
    /// The time at which the request was sent.
    pub created_at: Timestamp,
    /// The stored status. A `Sent` long past its deadline is shown as expired, see [`Self::status_at`].
    pub status: Status,
    /// The first deadline, by which the customer must click. The customer's message and the first event state it.
    pub click_deadline: Timestamp,
    /// The current deadline while the request is open, and the last one afterwards. Late money is judged by it.
    pub deadline: Timestamp,
    /// When something is due for the request: its deadline while that runs, afterwards the next look at the provider.
    /// `None` once the provider has nothing to add.
    pub due_at: Option<Timestamp>,
    /// Every change, oldest first.
    pub history: Vec<HistoryEntry>,
    /// The identifiers of the applied changes. In items that release 0.1 wrote, some identifiers are facts, see
    /// [`Self::has_fact`].
    pub operations: BTreeSet<OperationId>,
    /// The stored facts. Look a fact up by [`Self::has_fact`].
    pub facts: BTreeSet<Fact>,
    /// The checkout at the provider, if the request itself has it: a look that settled nothing keeps it here. Until
    /// then the link has it ([`crate::ports::Links`]).
    pub checkout: Option<CheckoutId>,
    /// The payment whose money is or was in flight, with the customer's time.
    pub in_flight: Option<Payment>,
    /// The payment, once its money has arrived.
    pub payment: Option<Payment>,
    /// The digest of the details, if the request was created under an idempotency key.
    pub fingerprint: Option<Fingerprint>,
}

impl PaymentRequest {
    /// Builds a request that was just sent.
    #[must_use]
    pub fn new(
        id: PaymentRequestId,
        sender: Sender,
        details: Details,
        token: LinkToken,
        now: Timestamp,
        link_limit: Duration,
        operation: OperationId,
    ) -> Self {
        let Sender { caller, agent } = sender;
        let sent = HistoryEntry { status: Status::Sent, at: now, actor: caller.actor(), reason: None };
        let deadline = now.saturating_add(link_limit);
        Self {
            id,
            workspace: caller.workspace,
            agent,
            details,
            token,
            created_at: now,
            status: Status::Sent,
            click_deadline: deadline,
            deadline,
            due_at: Some(deadline),
            history: vec![sent],
            operations: BTreeSet::from([operation]),
            facts: BTreeSet::new(),
            checkout: None,
            in_flight: None,
            payment: None,
            fingerprint: None,
        }
    }

    /// Returns the number of changes so far, the sending included.
    #[must_use]
    pub fn version(&self) -> usize {
        self.history.len()
    }

    /// Returns the time of the last change.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        self.history.last().map_or(self.created_at, |entry| entry.at)
    }

    /// Returns the status to show at `now`, which was read from the clock before the request was read from the store.
    ///
    /// A `Sent` past its deadline stays `Sent` until its expiry is written or [`WRITE_GRACE`] is over: until then, a
    /// click or a cancel that began in time may still be applied. A `Clicked` past its deadline stays `Clicked`,
    /// because only the provider knows whether it was paid.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        let is_over = self.status == Status::Sent && now >= self.deadline.saturating_add(WRITE_GRACE);
        if is_over { Status::Expired } else { self.status }
    }

    /// Returns the history entry of a failed delivery of the link. There is at most one, right after the request was
    /// sent: before the click no other change leaves the status as it is.
    #[must_use]
    pub fn failed_delivery(&self) -> Option<&HistoryEntry> {
        self.history.get(1).filter(|entry| entry.status == Status::Sent)
    }

    /// Returns whether the request expired because its payment failed. A later entry that leaves the status as it is
    /// does not change why it expired: release 0.1 added one for a payment that failed after the expiry.
    #[must_use]
    pub fn payment_failed(&self) -> bool {
        let expired = self.history.iter().rev().take_while(|entry| entry.status == Status::Expired).last();
        let reason = expired.and_then(|entry| entry.reason.as_ref());
        self.status == Status::Expired && reason.is_some_and(|reason| reason.as_str() == PAYMENT_FAILED)
    }

    /// Returns whether `now` is at or after the deadline; the deadline itself is already too late.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        now >= self.deadline
    }

    /// Returns whether to keep waiting for the provider to confirm how the request ended: until [`PROVIDER_GRACE`]
    /// after the deadline.
    #[must_use]
    pub fn may_wait_for_provider(&self, now: Timestamp) -> bool {
        now < self.deadline.saturating_add(PROVIDER_GRACE)
    }

    /// Returns whether the provider still has to say how the request ends: its money is in flight or due back, it was
    /// paid twice, or its time is over and its checkout may still be paid.
    #[must_use]
    pub fn waits_for_provider(&self, now: Timestamp) -> bool {
        match self.status {
            Status::Clicked => self.is_overdue(now),
            Status::Processing | Status::RefundDue => true,
            Status::Expired => self.due_at.is_some(),
            Status::Sent | Status::Canceled => false,
            Status::Paid | Status::Refunded => self.due_at.is_some() || self.second_payments().next().is_some(),
        }
    }

    /// Returns whether the request has expired while the customer may still pay on a page that is already open: its
    /// provider cannot close it, or has not confirmed that it is closed. Such a payment is refunded.
    #[must_use]
    pub fn payment_page_may_be_open(&self) -> bool {
        self.status == Status::Expired && self.due_at.is_some()
    }

    /// Returns whether a report says that money has arrived, without saying whether the customer was in time.
    #[must_use]
    pub fn money_has_arrived(&self) -> bool {
        self.payment.is_none() && self.facts.iter().any(|fact| matches!(fact, Fact::PaymentArrived(_)))
    }

    /// Returns whether another payment than this one has paid the request.
    #[must_use]
    pub fn is_paid_by_another(&self, payment: &Payment) -> bool {
        self.payment.as_ref().is_some_and(|own| own.reference != payment.reference)
    }

    /// Returns whether the request waits for the money of another payment than this one.
    #[must_use]
    pub fn waits_for_another(&self, payment: &Payment) -> bool {
        self.status == Status::Processing
            && self.in_flight.as_ref().is_some_and(|in_flight| in_flight.reference != payment.reference)
    }

    /// Returns the customer's time of this payment, if its money was seen in flight, and if nobody saw the page unpaid
    /// after the deadline: then the customer has paid again, and late.
    #[must_use]
    pub fn time_in_flight(&self, payment: &Payment) -> Option<Timestamp> {
        let Some(in_flight) = &self.in_flight else {
            // Release 0.1 did not store the payment, only that it was in time.
            return (self.status == Status::Processing).then_some(payment.paid_at.min(self.deadline));
        };
        let is_same = in_flight.provider == payment.provider && in_flight.reference == payment.reference;
        (is_same && !self.has_fact(&Fact::UnpaidAtDeadline)).then_some(in_flight.paid_at)
    }

    /// Returns whether the payment with this reference came after another one had paid the request.
    #[must_use]
    pub fn was_paid_twice_by(&self, reference: &str) -> bool {
        self.facts
            .iter()
            .any(|fact| matches!(fact, Fact::SecondPayment { reference: second, .. } if second == reference))
    }

    /// Returns the payments that came after another one had paid the request, and which have not gone back
    /// yet. Their times are not known any more; each has the time of the last change.
    pub fn second_payments(&self) -> impl Iterator<Item = Payment> {
        self.facts.iter().filter_map(|fact| match fact {
            Fact::SecondPayment { provider, reference }
                if !self.facts.contains(&Fact::second_payment_returned(provider, reference)) =>
            {
                let (provider, reference) = (provider.clone(), reference.clone());
                Some(Payment { provider, reference, paid_at: self.updated_at() })
            }
            _ => None,
        })
    }

    /// Returns when the provider is asked again after a look at `now` that settled nothing: after as long as the
    /// request has waited already, at least [`FIRST_LOOK`] and at most [`LONGEST_LOOK`]. A request that has not ended
    /// yet is looked at more often: its agent and its customer are waiting.
    #[must_use]
    pub fn next_look(&self, now: Timestamp) -> Timestamp {
        if self.status == Status::Clicked {
            return now.saturating_add(FIRST_LOOK);
        }
        let waited = now.saturating_duration_since(self.updated_at());
        now.saturating_add(waited.clamp(FIRST_LOOK, LONGEST_LOOK))
    }

    /// Returns whether the customer can continue to the payment page at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.status.is_open() && !self.is_overdue(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::request;

    #[test]
    fn another_email_address_is_another_request_and_none_has_the_digest_of_earlier_releases() {
        let mut details = request(Status::Sent, 1).details;
        let without = details.fingerprint();
        let of = |fields: &[&str]| Fingerprint::of(fields.iter().copied());
        let earlier = ["10045", "25000", "ZAR", "+27831234567", "1", "Thandi", "0", "", "0", ""];
        assert_eq!(without, of(&earlier));
        let mut known = vec![without];
        for address in ["thandi@example.com", "thabo@example.com"] {
            details.customer.email = Some(address.parse().unwrap());
            let fingerprint = details.fingerprint();
            assert!(!known.contains(&fingerprint), "{address}");
            known.push(fingerprint);
        }
    }
}
