//! The use cases that record a payment provider's reports.

use super::UseCaseError;
use super::payments::{paid, process};
use crate::fact::Fact;
use crate::id::{OperationId, PaymentRequestId};
use crate::money::Money;
use crate::payment_request::{Payment, PaymentRequest};
use crate::people::Actor;
use crate::ports::{Changed, Changes, Facts, Links, Reads, StoreError};
use crate::status::Status;
use crate::text::Reason;
use crate::time::{Clock, Timestamp};
use crate::transition::{Change, Command, STATUS_CHANGES_AT_MOST};

/// A provider's report, with a verified signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderEvent {
    /// The customer has done their part of a payment, and its money is in flight.
    Processing {
        /// The request being paid.
        id: PaymentRequestId,
        /// The payment.
        payment: Payment,
        /// The amount and its currency.
        money: Money,
    },
    /// Money has arrived.
    Paid {
        /// The request being paid.
        id: PaymentRequestId,
        /// The payment.
        payment: Payment,
        /// The amount and its currency.
        money: Money,
    },
    /// Money that was in flight will not arrive.
    PaymentFailed {
        /// The request that was being paid.
        id: PaymentRequestId,
        /// The provider of the payment.
        provider: String,
        /// The provider's own identifier of the payment.
        reference: String,
    },
    /// Refunded money has arrived.
    Refunded {
        /// The request that had been paid.
        id: PaymentRequestId,
        /// The provider's own identifier of the payment.
        reference: String,
        /// The amount that has gone back, and its currency.
        money: Money,
    },
    /// The provider has accepted refunds of a payment, requested by chat2pay or by a person. The report does not say
    /// whether their money has arrived.
    RefundTaken {
        /// The request that had been paid.
        id: PaymentRequestId,
        /// The provider's own identifier of the payment.
        reference: String,
        /// The total amount of the refunds, and its currency.
        money: Money,
    },
    /// An attempt to pay has failed.
    AttemptFailed {
        /// The request that was being paid.
        id: PaymentRequestId,
        /// The provider's identifier of this report. A repeated report is about the same attempt.
        report: String,
        /// The reason, in the provider's words.
        reason: Option<Reason>,
    },
}

/// The outcome of [`record_provider_event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderEventOutcome {
    /// The report was recorded in the request's history. [`Status::RefundDue`] means that the money came too late.
    Applied(Box<PaymentRequest>),
    /// The report changes nothing: it is a repeat, or the request has moved on.
    Unchanged(Box<PaymentRequest>),
    /// The amount or currency differs from the request's, so the payment does not count. A person must check it.
    Mismatch(Box<PaymentRequest>),
    /// The request had already been paid by another payment, so this one is too much. A person must check it.
    SecondPayment(Box<PaymentRequest>),
    /// Money of the request was refunded, but not the whole of a payment whose refund was due. So a person sent it.
    RefundNotDue(Box<PaymentRequest>),
    /// There is no such request.
    Unknown,
}

/// Records a report: in one write, for a refund after one read. A payment in flight takes a second write, and so does
/// the failure of a payment that changes nothing but has to be remembered.
///
/// # Errors
/// The store failed; the provider must send the report again.
pub async fn record_provider_event(
    store: &(impl Links + Reads + Changes + Facts),
    clock: &impl Clock,
    event: ProviderEvent,
) -> Result<ProviderEventOutcome, UseCaseError> {
    use ProviderEventOutcome::{Applied, Mismatch, SecondPayment, Unchanged, Unknown};
    let now = clock.now();
    match event {
        ProviderEvent::Processing { id, payment, money } => Ok(match process(store, id, payment, money, now).await? {
            Changed::Applied(request) => Applied(request),
            Changed::Unchanged(request) if request.details.money != money => Mismatch(request),
            Changed::Unchanged(request) => Unchanged(request),
            Changed::NotFound => Unknown,
        }),
        ProviderEvent::Paid { id, payment, money } => {
            let reference = payment.reference.clone();
            Ok(match store.change(id, &paid(payment, money, now)).await? {
                Changed::Applied(request) => Applied(request),
                Changed::Unchanged(request) if request.details.money != money => Mismatch(request),
                Changed::Unchanged(request)
                    if request.payment.as_ref().is_some_and(|payment| payment.reference != reference) =>
                {
                    SecondPayment(request)
                }
                Changed::Unchanged(request) => Unchanged(request),
                Changed::NotFound => Unknown,
            })
        }
        ProviderEvent::PaymentFailed { id, provider, reference } => {
            record_failed_payment(store, id, provider, reference, now).await
        }
        ProviderEvent::Refunded { id, reference, money } => {
            record_refund(store, id, &reference, money, now, Evidence::Arrived).await
        }
        ProviderEvent::RefundTaken { id, reference, money } => {
            record_refund(store, id, &reference, money, now, Evidence::Accepted).await
        }
        ProviderEvent::AttemptFailed { id, report, reason } => {
            let command = Command::RecordFailedAttempt { reason };
            let change = Change::new(command, now, Actor::Provider, OperationId::of_message(&report));
            apply(store, id, &change).await
        }
    }
}

/// Records that a payment failed. Where the failure changes nothing, it is remembered as a fact alone: nothing is
/// announced and no page changes, but a late report that this payment is in flight is then not waited for.
///
/// The fact's mark is the identifier of the change too (decision 0017). So the fact is recorded only in a status that
/// the failure does not change. If the request moves on in between, the change is tried again.
async fn record_failed_payment(
    store: &(impl Changes + Facts),
    id: PaymentRequestId,
    provider: String,
    reference: String,
    now: Timestamp,
) -> Result<ProviderEventOutcome, UseCaseError> {
    let fact = Fact::payment_failed(&provider, &reference);
    let operation = OperationId::of_failed_payment(&provider, &reference);
    let change = Change::new(Command::FailPayment { provider, reference }, now, Actor::Provider, operation);
    for _ in 0..STATUS_CHANGES_AT_MOST {
        match apply(store, id, &change).await? {
            ProviderEventOutcome::Unchanged(request) if !request.has_fact(&fact) => {
                match store.record_fact(id, &fact).await? {
                    Changed::Applied(request) => return Ok(ProviderEventOutcome::Unchanged(request)),
                    Changed::Unchanged(_) => {}
                    Changed::NotFound => return Ok(ProviderEventOutcome::Unknown),
                }
            }
            outcome => return Ok(outcome),
        }
    }
    Err(StoreError::kept_changing().into())
}

/// The state of a refund that a report proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// The refunded money has arrived.
    Arrived,
    /// The provider has accepted the refund.
    Accepted,
}

/// Records that a due refund is complete, whether chat2pay or a person requested it. The amount due and its payment do
/// not change any more, so they can be read before the write.
///
/// A refund with [`Fact::RefundRequested`] was requested by chat2pay, and is complete when its money has arrived. About
/// a person's refund the provider reports only that it was accepted, so that counts as complete.
async fn record_refund(
    store: &(impl Reads + Changes),
    id: PaymentRequestId,
    reference: &str,
    money: Money,
    now: Timestamp,
    evidence: Evidence,
) -> Result<ProviderEventOutcome, UseCaseError> {
    let Some(request) = store.get(id).await? else { return Ok(ProviderEventOutcome::Unknown) };
    let payment = request.payment.as_ref().filter(|payment| payment.reference == reference);
    match (request.status, payment) {
        (Status::Refunded, Some(_)) => Ok(ProviderEventOutcome::Unchanged(Box::new(request))),
        (Status::RefundDue, Some(_)) if evidence == Evidence::Accepted && request.has_fact(&Fact::RefundRequested) => {
            Ok(ProviderEventOutcome::Unchanged(Box::new(request)))
        }
        (Status::RefundDue, Some(payment)) if request.details.money == money => {
            let operation = OperationId::of_message(&format!("{}:{reference}:refunded", payment.provider));
            let change = Change::new(Command::CompleteRefund, now, Actor::Provider, operation);
            apply(store, id, &change).await
        }
        _ => Ok(ProviderEventOutcome::RefundNotDue(Box::new(request))),
    }
}

/// Applies `change` and maps the store's answer to [`ProviderEventOutcome`].
async fn apply(
    store: &impl Changes,
    id: PaymentRequestId,
    change: &Change,
) -> Result<ProviderEventOutcome, UseCaseError> {
    Ok(match store.change(id, change).await? {
        Changed::Applied(request) => ProviderEventOutcome::Applied(request),
        Changed::Unchanged(request) => ProviderEventOutcome::Unchanged(request),
        Changed::NotFound => ProviderEventOutcome::Unknown,
    })
}
