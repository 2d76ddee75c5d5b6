//! The payment provider says what became of the money.

use super::UseCaseError;
use super::payments::{paid, process};
use crate::fact::Fact;
use crate::id::{OperationId, PaymentRequestId};
use crate::money::Money;
use crate::payment_request::{Payment, PaymentRequest};
use crate::people::Actor;
use crate::ports::{Changed, Changes, Links, Reads};
use crate::status::Status;
use crate::text::Reason;
use crate::time::{Clock, Timestamp};
use crate::transition::{Change, Command};

/// A provider's report, once its signature has been verified.
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
    /// Money that was in flight will not come.
    PaymentFailed {
        /// The request that was being paid.
        id: PaymentRequestId,
        /// The provider of the payment.
        provider: String,
        /// The provider's own identifier of the payment.
        reference: String,
    },
    /// Money has gone back.
    Refunded {
        /// The request that had been paid.
        id: PaymentRequestId,
        /// The provider's own identifier of the payment.
        reference: String,
        /// The amount that has gone back, and its currency.
        money: Money,
    },
    /// The provider has accepted refunds of a payment, from us or from a person. It does not say whether their money
    /// has gone back.
    RefundTaken {
        /// The request that had been paid.
        id: PaymentRequestId,
        /// The provider's own identifier of the payment.
        reference: String,
        /// The amount that goes back in all, and its currency.
        money: Money,
    },
    /// An attempt to pay has failed.
    AttemptFailed {
        /// The request that was being paid.
        id: PaymentRequestId,
        /// The provider's identifier of this report: the same report again is the same attempt.
        report: String,
        /// The reason, in the provider's words.
        reason: Option<Reason>,
    },
}

/// The outcome of [`record_provider_event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderEventOutcome {
    /// It is in the request's history. [`Status::RefundDue`] means that the money came too late.
    Applied(Box<PaymentRequest>),
    /// It changes nothing: a repeat, or a request that it no longer concerns.
    Unchanged(Box<PaymentRequest>),
    /// The money is not what was asked for, so it does not pay the request. A person has to look.
    Mismatch(Box<PaymentRequest>),
    /// The request had been paid by another payment already, so this one is too much. A person has to look.
    SecondPayment(Box<PaymentRequest>),
    /// Money of the request went back, but not the whole of a payment whose refund was due: a person sent it.
    RefundNotDue(Box<PaymentRequest>),
    /// There is no such request.
    Unknown,
}

/// Records a report: one write, for a refund after one read, and a second one for a payment whose money is in flight.
///
/// # Errors
/// The store failed; the provider has to send the report again.
pub async fn record_provider_event(
    store: &(impl Links + Reads + Changes),
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
            let operation = OperationId::of_failed_payment(&provider, &reference);
            let command = Command::FailPayment { provider, reference };
            apply(store, id, &Change::new(command, now, Actor::Provider, operation)).await
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

/// What a report proves about a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// The money has gone back.
    Arrived,
    /// The provider has accepted the refund.
    Accepted,
}

/// Records that the money of a request for which a refund is due has gone back, whether we sent it or a person did.
/// What is due and of which payment does not change any more, so it can be read before the write.
///
/// Our own refund is known by [`Fact::RefundRequested`], and is done when its money has gone back. Of a person's refund
/// the provider says no more than that it accepted it, so that has to do.
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
