//! The changes that a payment makes. They are the same whether the provider reports the payment or is asked for it.

use super::UseCaseError;
use super::second_payments::remember;
use crate::fact::Fact;
use crate::id::{OperationId, PaymentRequestId};
use crate::limits::LONGEST_PROCESSING;
use crate::money::Money;
use crate::payment_request::{Payment, PaymentRequest};
use crate::people::Actor;
use crate::ports::{Changed, Changes, CheckoutState, Facts, Links, Looks, StoreError};
use crate::status::Status;
use crate::time::Timestamp;
use crate::transition::{Change, Command, STATUS_CHANGES_AT_MOST};

/// Returns the change for money that has arrived, when the customer's time is known.
pub(super) fn paid(payment: Payment, money: Money, now: Timestamp) -> Change {
    let earliest = payment.paid_at;
    paid_within(payment, earliest, money, now)
}

/// Returns the change for money that has arrived, when the customer did their part between `earliest` and the payment's
/// time. It is the same however often the payment is reported.
pub(super) fn paid_within(payment: Payment, earliest: Timestamp, money: Money, now: Timestamp) -> Change {
    let operation = OperationId::of_message(&format!("{}:{}", payment.provider, payment.reference));
    Change::new(Command::Pay { payment, earliest, money }, now, Actor::Provider, operation)
}

/// Records that a payment's money is in flight, and keeps the customer's link for as long as that may take. Otherwise
/// the link would be deleted a minute after both time limits, and the customer could no longer look up the payment.
///
/// If the money has arrived already, by a report that did not say when the customer did their part
/// ([`Fact::PaymentArrived`]), this report says it, and the request is paid.
///
/// If the process stops between the writes, a repeated report makes the missing ones, because a repeat counts as
/// applied too.
pub(super) async fn process(
    store: &(impl Links + Changes),
    id: PaymentRequestId,
    payment: Payment,
    money: Money,
    now: Timestamp,
) -> Result<Changed, UseCaseError> {
    let operation = OperationId::of_message(&format!("{}:{}:processing", payment.provider, payment.reference));
    let change = Change::new(Command::Process { payment: payment.clone(), money }, now, Actor::Provider, operation);
    let changed = store.change(id, &change).await?;
    if let Changed::Applied(request) = &changed
        && request.status == Status::Processing
    {
        if request.has_fact(&Fact::payment_arrived(&payment)) {
            return Ok(store.change(id, &paid(payment, money, now)).await?);
        }
        store.keep_link(&request.token, id, now.saturating_add(LONGEST_PROCESSING)).await?;
    }
    Ok(changed)
}

/// Records that a payment failed. Where the failure changes nothing, it is remembered as a fact alone: nothing is
/// announced and no page changes, but a late report that this payment is in flight is then not waited for.
///
/// The fact's mark is the identifier of the change too (decision 0017). So the fact is recorded only in a status that
/// the failure does not change. If the request moves on in between, the change is tried again.
pub(super) async fn fail(
    store: &(impl Changes + Facts + Looks),
    id: PaymentRequestId,
    provider: String,
    reference: String,
    now: Timestamp,
) -> Result<Changed, UseCaseError> {
    let fact = Fact::payment_failed(&provider, &reference);
    let operation = OperationId::of_failed_payment(&provider, &reference);
    let change = Change::new(Command::FailPayment { provider, reference }, now, Actor::Provider, operation);
    for _ in 0..STATUS_CHANGES_AT_MOST {
        match store.change(id, &change).await? {
            Changed::Unchanged(request) if !request.has_fact(&fact) => match store.record_fact(id, &fact).await? {
                Changed::Applied(request) => return Ok(Changed::Unchanged(request)),
                Changed::Unchanged(_) => {}
                Changed::NotFound => return Ok(Changed::NotFound),
            },
            Changed::Applied(request) => {
                look_for_money(store, &request, now).await?;
                return Ok(Changed::Applied(request));
            }
            changed => return Ok(changed),
        }
    }
    Err(StoreError::kept_changing().into())
}

/// Has the provider asked at once about a request that a change took out of the index, although money of it is not
/// settled: the request has expired and a report says that money has arrived, or it was paid twice.
pub(super) async fn look_for_money(
    store: &impl Looks,
    request: &PaymentRequest,
    now: Timestamp,
) -> Result<(), UseCaseError> {
    let has_arrived = request.status == Status::Expired && request.money_has_arrived();
    let is_unsettled = has_arrived || request.second_payments().next().is_some();
    if is_unsettled && request.due_at.is_none() {
        // Whoever has changed the request in the meantime has set the look, or has settled it.
        store.schedule_look(request, now, None).await?;
    }
    Ok(())
}

/// What the state of a request's checkout has changed.
#[derive(Debug)]
pub(super) enum Observed {
    /// The provider reports a payment, which was recorded; [`Changed::Unchanged`] if it changes nothing.
    Payment(Changed),
    /// The provider reports a payment of another amount or currency, which is never recorded.
    Mismatched,
    /// Nobody has paid. Holds whether somebody still can.
    Unpaid {
        /// Whether the checkout is open.
        is_open: bool,
    },
}

/// Records what the provider says of a request's checkout, as its report would be recorded.
pub(super) async fn record_state(
    store: &(impl Links + Changes + Facts + Looks),
    request: &PaymentRequest,
    provider: &str,
    state: CheckoutState,
    now: Timestamp,
) -> Result<Observed, UseCaseError> {
    Ok(match state {
        CheckoutState::Paid { money, .. } | CheckoutState::Processing { money, .. }
            if money != request.details.money =>
        {
            Observed::Mismatched
        }
        // The provider's report of this payment has the same operation, so the second of the two changes nothing.
        CheckoutState::Paid { payment, money, others } => {
            let changed = store.change(request.id, &paid(payment.clone(), money, now)).await?;
            if let Changed::Applied(request) | Changed::Unchanged(request) = &changed {
                for payment in std::iter::once(&payment).chain(&others) {
                    if request.is_paid_by_another(payment) {
                        remember(store, request, payment, now).await?;
                    }
                }
            }
            Observed::Payment(changed)
        }
        CheckoutState::Processing { payment, money } => {
            Observed::Payment(process(store, request.id, payment, money, now).await?)
        }
        CheckoutState::Failed { reference } => {
            Observed::Payment(fail(store, request.id, provider.to_owned(), reference, now).await?)
        }
        CheckoutState::Open => Observed::Unpaid { is_open: true },
        CheckoutState::Closed => Observed::Unpaid { is_open: false },
    })
}
