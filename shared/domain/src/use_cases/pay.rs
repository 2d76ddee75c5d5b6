//! The payment provider says what became of the money.

use super::UseCaseError;
use crate::limits::LONGEST_PROCESSING;
use crate::ports::{Changed, Store};
use crate::{
    Actor, Change, Clock, Command, Money, OperationId, Payment, PaymentRequest, PaymentRequestId, Reason, Status,
    Timestamp,
};

/// What a provider reports, once its signature has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderEvent {
    /// The customer has done their part of a payment, and its money is on its way.
    Processing {
        /// For which request.
        id: PaymentRequestId,
        /// The payment.
        payment: Payment,
        /// How much it is.
        money: Money,
    },
    /// Money has arrived.
    Paid {
        /// For which request.
        id: PaymentRequestId,
        /// The payment.
        payment: Payment,
        /// How much it was.
        money: Money,
    },
    /// Money that was on its way will not come.
    PaymentFailed {
        /// For which request.
        id: PaymentRequestId,
        /// Who would have taken it.
        provider: String,
        /// The provider's own identifier of the payment.
        reference: String,
    },
    /// Money has gone back.
    Refunded {
        /// Of which request.
        id: PaymentRequestId,
        /// The provider's own identifier of the payment.
        reference: String,
        /// How much of it.
        money: Money,
    },
    /// Refunds of a payment were taken on, by ourselves or by a person. Whether their money has gone back it does not say.
    RefundTaken {
        /// Of which request.
        id: PaymentRequestId,
        /// The provider's own identifier of the payment.
        reference: String,
        /// How much of it in all.
        money: Money,
    },
    /// An attempt to pay has failed.
    AttemptFailed {
        /// For which request.
        id: PaymentRequestId,
        /// The provider's identifier of this report: the same report again is the same attempt.
        report: String,
        /// Why, in the provider's words.
        reason: Option<Reason>,
    },
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is in the request's history. [`crate::Status::RefundDue`] means that the money came too late.
    Applied(Box<PaymentRequest>),
    /// It changes nothing: a repeat, or a request that it no longer concerns.
    Nothing(Box<PaymentRequest>),
    /// The money is not what was asked for, so it does not pay the request. A person has to look.
    Mismatch(Box<PaymentRequest>),
    /// The request had been paid by another payment already, so this one is too much. A person has to look.
    SecondPayment(Box<PaymentRequest>),
    /// Money of the request went back, but not the whole of a payment whose refund was due: a person sent it.
    RefundNotDue(Box<PaymentRequest>),
    /// There is no such request.
    Unknown,
}

/// Records a report: one write, for a refund after one read, and a second one for a payment whose money is on its way.
///
/// # Errors
/// The store failed; the provider has to send the report again.
pub async fn record(store: &impl Store, clock: &impl Clock, event: ProviderEvent) -> Result<Recorded, UseCaseError> {
    let now = clock.now();
    match event {
        ProviderEvent::Processing { id, payment, money } => Ok(match process(store, id, payment, money, now).await? {
            Changed::Applied(request) => Recorded::Applied(request),
            Changed::Unchanged(request) if request.details.money != money => Recorded::Mismatch(request),
            Changed::Unchanged(request) => Recorded::Nothing(request),
            Changed::NotFound => Recorded::Unknown,
        }),
        ProviderEvent::Paid { id, payment, money } => {
            let reference = payment.reference.clone();
            Ok(match store.change(id, &paid_change(payment, money, now)).await? {
                Changed::Applied(request) => Recorded::Applied(request),
                Changed::Unchanged(request) if request.details.money != money => Recorded::Mismatch(request),
                Changed::Unchanged(request)
                    if request.payment.as_ref().is_some_and(|payment| payment.reference != reference) =>
                {
                    Recorded::SecondPayment(request)
                }
                Changed::Unchanged(request) => Recorded::Nothing(request),
                Changed::NotFound => Recorded::Unknown,
            })
        }
        ProviderEvent::PaymentFailed { id, provider, reference } => {
            let failure = OperationId::of_failed_payment(&provider, &reference);
            record_simply(store, id, &Change::new(Command::FailPayment, now, Actor::Provider, failure)).await
        }
        ProviderEvent::Refunded { id, reference, money } => {
            record_refund(store, id, &reference, money, now, Evidence::Arrived).await
        }
        ProviderEvent::RefundTaken { id, reference, money } => {
            record_refund(store, id, &reference, money, now, Evidence::Taken).await
        }
        ProviderEvent::AttemptFailed { id, report, reason } => {
            let command = Command::FailAttempt { reason };
            let change = Change::new(command, now, Actor::Provider, OperationId::of_message(&report));
            record_simply(store, id, &change).await
        }
    }
}

/// How much a report says about a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// The money has gone back.
    Arrived,
    /// The provider has taken the refund on.
    Taken,
}

/// The money of a request for which a refund is due has gone back, whether we sent it or a person was faster. What is due
/// and of which payment does not change any more, so it can be read before the write.
///
/// Of our own refund, which is marked before it is asked for, we hear when its money has gone back. Of a person's we hear no more than
/// that it was taken on.
async fn record_refund(
    store: &impl Store,
    id: PaymentRequestId,
    reference: &str,
    money: Money,
    now: Timestamp,
    evidence: Evidence,
) -> Result<Recorded, UseCaseError> {
    let Some(request) = store.get(id).await? else { return Ok(Recorded::Unknown) };
    let payment = request.payment.as_ref().filter(|payment| payment.reference == reference);
    match (request.status, payment) {
        (Status::Refunded, Some(_)) => Ok(Recorded::Nothing(Box::new(request))),
        (Status::RefundDue, Some(_))
            if evidence == Evidence::Taken && request.operations.contains(&OperationId::of_asked_refund()) =>
        {
            Ok(Recorded::Nothing(Box::new(request)))
        }
        (Status::RefundDue, Some(payment)) if request.details.money == money => {
            let operation = OperationId::of_message(&format!("{}:{reference}:refunded", payment.provider));
            let change = Change::new(Command::CompleteRefund, now, Actor::Provider, operation);
            record_simply(store, id, &change).await
        }
        _ => Ok(Recorded::RefundNotDue(Box::new(request))),
    }
}

/// Makes a change of which there is nothing to say but whether it was made.
async fn record_simply(store: &impl Store, id: PaymentRequestId, change: &Change) -> Result<Recorded, UseCaseError> {
    Ok(match store.change(id, change).await? {
        Changed::Applied(request) => Recorded::Applied(request),
        Changed::Unchanged(request) => Recorded::Nothing(request),
        Changed::NotFound => Recorded::Unknown,
    })
}

/// Writes down that a payment's money is on its way, which is the same change from wherever it is reported, and keeps the
/// customer's link for as long as that may take: it would be gone a minute after both time limits, and whoever waits for
/// their money to arrive could not look any more. Between the two writes anything may stop; a repeat of the report counts
/// as applied too, and makes up for it.
pub(super) async fn process(
    store: &impl Store,
    id: PaymentRequestId,
    payment: Payment,
    money: Money,
    now: Timestamp,
) -> Result<Changed, UseCaseError> {
    let operation = OperationId::of_message(&format!("{}:{}:processing", payment.provider, payment.reference));
    let change = Change::new(Command::Process { payment, money }, now, Actor::Provider, operation);
    let changed = store.change(id, &change).await?;
    if let Changed::Applied(request) = &changed
        && request.status == Status::Processing
    {
        store.keep_link(&request.token, id, now.saturating_add(LONGEST_PROCESSING)).await?;
    }
    Ok(changed)
}

/// The change that a payment makes, the same one however often and from wherever it is reported.
pub(crate) fn paid_change(payment: Payment, money: Money, now: Timestamp) -> Change {
    let operation = OperationId::of_message(&format!("{}:{}", payment.provider, payment.reference));
    Change::new(Command::Pay { payment, money }, now, Actor::Provider, operation)
}
