//! The use cases that record a payment provider's reports.

use super::UseCaseError;
use super::payments::{change_and_look, fail, paid, paid_by_assumption, paid_within, process};
use super::second_payments::remember;
use crate::fact::Fact;
use crate::id::{OperationId, PaymentRequestId};
use crate::money::Money;
use crate::payment_request::{Payment, PaymentRequest};
use crate::people::Actor;
use crate::ports::{Arrival, Changed, Changes, Facts, Links, Looks, Reads, StoreError};
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
    /// Money has arrived, and the report does not say exactly when the customer did their part.
    Arrived {
        /// The request being paid.
        id: PaymentRequestId,
        /// The payment. Its time is the latest at which the customer can have done their part.
        payment: Payment,
        /// The earliest such time, if the report has one.
        earliest: Option<Timestamp>,
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
    /// The money has arrived, and it is not known whether the customer was in time. The provider is asked at the next
    /// look.
    TimeUnknown(Box<PaymentRequest>),
    /// The request had already been paid by another payment, so this one goes back.
    SecondPayment(Box<PaymentRequest>),
    /// Money of the request was refunded, but not the whole of a payment whose refund was due. So a person sent it.
    RefundNotDue(Box<PaymentRequest>),
    /// There is no such request.
    Unknown,
}

/// Records a report: in one write, for a refund and for money whose time is in doubt after one read. A payment in
/// flight takes a second write, and so does the failure of a payment that changes nothing but has to be remembered.
///
/// # Errors
/// The store failed; the provider must send the report again.
pub async fn record_provider_event(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    clock: &impl Clock,
    event: ProviderEvent,
) -> Result<ProviderEventOutcome, UseCaseError> {
    use ProviderEventOutcome::{Applied, Mismatch, Unchanged, Unknown};
    let now = clock.now();
    match event {
        ProviderEvent::Processing { id, payment, money } => Ok(match process(store, id, payment, money, now).await? {
            Changed::Applied(request) => Applied(request),
            Changed::Unchanged(request) if request.details.money != money => Mismatch(request),
            Changed::Unchanged(request) => Unchanged(request),
            Changed::NotFound => Unknown,
        }),
        ProviderEvent::Paid { id, payment, money } => record_payment(store, id, paid(payment, money, now)).await,
        ProviderEvent::Arrived { id, payment, earliest, money } => {
            record_arrival(store, id, payment, earliest, money, now).await
        }
        ProviderEvent::PaymentFailed { id, provider, reference } => {
            Ok(outcome(fail(store, id, (provider, reference), false, now).await?))
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

/// Records that a payment's money has arrived, by a report that does not say exactly when the customer did their part:
/// at the payment's time at the latest, and at `earliest` at the earliest. The times of a payment decide whether it
/// counts, and not the order of its reports. So they are taken from where they are known:
///
/// - The report that the money is in flight has come before: it said when.
/// - The customer was in time, or too late, whenever it was within these bounds; or the status does not ask for it.
/// - Otherwise the arrival is remembered as a fact. The report that the money was in flight may still come, and the
///   provider is asked at once.
async fn record_arrival(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    id: PaymentRequestId,
    payment: Payment,
    earliest: Option<Timestamp>,
    money: Money,
    now: Timestamp,
) -> Result<ProviderEventOutcome, UseCaseError> {
    let fact = Fact::payment_arrived(&payment);
    if let Some(earliest) = earliest {
        // Most payments are made long before the deadline, so that no read is needed.
        let outcome =
            record_payment(store, id, paid_within(Arrival { payment: payment.clone(), earliest, money }, now)).await?;
        match &outcome {
            ProviderEventOutcome::Unchanged(request) if request.payment.is_none() => {}
            _ => return Ok(outcome),
        }
    }
    for _ in 0..STATUS_CHANGES_AT_MOST {
        let Some(request) = store.get(id).await? else { return Ok(ProviderEventOutcome::Unknown) };
        if let Some(paid_at) = request.time_in_flight(&payment) {
            return record_payment(store, id, paid(Payment { paid_at, ..payment }, money, now)).await;
        }
        if is_judged(&request, &payment, earliest) {
            let outcome = record_payment(store, id, paid_by_assumption(payment.clone(), money, now)).await?;
            match &outcome {
                // The report that the money is in flight was recorded in between.
                ProviderEventOutcome::Unchanged(request) if request.time_in_flight(&payment).is_some() => continue,
                _ => return Ok(outcome),
            }
        }
        if request.details.money != money {
            return Ok(ProviderEventOutcome::Mismatch(Box::new(request)));
        }
        let Changed::Applied(request) = store.record_fact(id, &fact).await? else { continue };
        // The report that the money is in flight was recorded right before the fact, and did not find it.
        if request.time_in_flight(&payment).is_some() || is_judged(&request, &payment, earliest) {
            continue;
        }
        return Ok(match store.schedule_look(&request, now, None).await? {
            Changed::Applied(request) => ProviderEventOutcome::TimeUnknown(request),
            Changed::Unchanged(_) => continue,
            Changed::NotFound => ProviderEventOutcome::Unknown,
        });
    }
    Err(StoreError::kept_changing().into())
}

/// Returns whether a payment of which only a range of times is known is judged as if it had been made at its end: the
/// range is on one side of the deadline, or the deadline does not matter any more.
fn is_judged(request: &PaymentRequest, payment: &Payment, earliest: Option<Timestamp>) -> bool {
    let matters = matches!(request.status, Status::Clicked | Status::Expired);
    let is_in_time = payment.paid_at <= request.deadline;
    let is_late = earliest.is_some_and(|earliest| earliest > request.deadline);
    !matters || is_in_time || is_late
}

/// Records money that has arrived.
async fn record_payment(
    store: &(impl Changes + Facts + Looks),
    id: PaymentRequestId,
    change: Change,
) -> Result<ProviderEventOutcome, UseCaseError> {
    use ProviderEventOutcome::{Applied, Mismatch, SecondPayment, Unchanged, Unknown};
    let request = match change_and_look(store, id, &change).await? {
        Changed::Applied(request) => return Ok(Applied(request)),
        Changed::Unchanged(request) => request,
        Changed::NotFound => return Ok(Unknown),
    };
    Ok(match change.command.payment() {
        Some((_, money)) if money != request.details.money => Mismatch(request),
        Some((payment, _)) if request.is_paid_by_another(payment) || request.waits_for_another(payment) => {
            remember(store, &request, payment, change.at).await?;
            SecondPayment(request)
        }
        _ => Unchanged(request),
    })
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
    store: &(impl Reads + Changes + Facts + Looks),
    id: PaymentRequestId,
    reference: &str,
    money: Money,
    now: Timestamp,
    evidence: Evidence,
) -> Result<ProviderEventOutcome, UseCaseError> {
    let Some(request) = store.get(id).await? else { return Ok(ProviderEventOutcome::Unknown) };
    let payment = request.payment.as_ref().filter(|payment| payment.reference == reference);
    let second = request.second_payments().find(|payment| payment.reference == reference);
    if let Some(payment) = second {
        // What has gone back is known at once. The next look ends the looks.
        return match evidence {
            Evidence::Arrived if request.details.money == money => {
                let returned = Fact::second_payment_returned(&payment.provider, reference);
                Ok(outcome(store.record_fact(id, &returned).await?))
            }
            _ => Ok(ProviderEventOutcome::Unchanged(Box::new(request))),
        };
    }
    if request.was_paid_twice_by(reference) {
        return Ok(ProviderEventOutcome::Unchanged(Box::new(request)));
    }
    match (request.status, payment) {
        (Status::Refunded, Some(_)) => Ok(ProviderEventOutcome::Unchanged(Box::new(request))),
        (Status::RefundDue, Some(_)) if evidence == Evidence::Accepted && request.has_fact(&Fact::RefundRequested) => {
            Ok(ProviderEventOutcome::Unchanged(Box::new(request)))
        }
        (Status::RefundDue, Some(payment)) if request.details.money == money => {
            let operation = OperationId::of_message(&format!("{}:{reference}:refunded", payment.provider));
            let change = Change::new(Command::CompleteRefund, now, Actor::Provider, operation);
            Ok(outcome(change_and_look(store, id, &change).await?))
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
    Ok(outcome(store.change(id, change).await?))
}

fn outcome(changed: Changed) -> ProviderEventOutcome {
    match changed {
        Changed::Applied(request) => ProviderEventOutcome::Applied(request),
        Changed::Unchanged(request) => ProviderEventOutcome::Unchanged(request),
        Changed::NotFound => ProviderEventOutcome::Unknown,
    }
}
