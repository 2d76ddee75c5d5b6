//! The changes that a payment makes. They are the same whether the provider reports the payment or is asked for it.

use super::UseCaseError;
use super::second_payments::remember;
use crate::fact::Fact;
use crate::id::{OperationId, PaymentRequestId};
use crate::limits::LONGEST_PROCESSING;
use crate::money::Money;
use crate::payment_request::{Payment, PaymentRequest};
use crate::people::Actor;
use crate::ports::{
    Arrival, Changed, Changes, CheckoutState, Closes, Facts, Links, Looks, PaymentProvider, StoreError,
};
use crate::status::Status;
use crate::time::Timestamp;
use crate::transition::{Change, Command, STATUS_CHANGES_AT_MOST};

/// Returns the change for money that has arrived, when the customer's time is known.
pub(super) fn paid(payment: Payment, money: Money, now: Timestamp) -> Change {
    paid_within(Arrival::at_its_time(payment, money), now)
}

/// Returns the change for money that has arrived, when the customer did their part between `earliest` and the payment's
/// time. It is the same however often the payment is reported.
pub(super) fn paid_within(arrival: Arrival, now: Timestamp) -> Change {
    pay(arrival, false, now)
}

/// Returns the change for money that has arrived, when the customer's time is not known and nobody saw the money in
/// flight in time. The time of its arrival stands for it.
pub(super) fn paid_by_assumption(payment: Payment, money: Money, now: Timestamp) -> Change {
    pay(Arrival::at_its_time(payment, money), true, now)
}

fn pay(Arrival { payment, earliest, money }: Arrival, is_assumed: bool, now: Timestamp) -> Change {
    let operation = OperationId::of_message(&format!("{}:{}", payment.provider, payment.reference));
    Change::new(Command::Pay { payment, earliest, is_assumed, money }, now, Actor::Provider, operation)
}

/// Records the payments that the provider lists for a request, the earliest first. The first of the request's amount
/// pays it, and the others of that amount go back. One of another amount is never recorded.
async fn record_arrivals(
    store: &(impl Changes + Facts + Looks),
    request: &PaymentRequest,
    arrivals: Vec<Arrival>,
    now: Timestamp,
) -> Result<Observed, UseCaseError> {
    let mut matching = arrivals.into_iter().filter(|arrival| arrival.money == request.details.money);
    let Some(first) = matching.next() else { return Ok(Observed::Mismatched) };
    let changed = record_arrival(store, request.id, &first, now).await?;
    if let Changed::Applied(request) | Changed::Unchanged(request) = &changed {
        look_for_money(store, request, now).await?;
        for Arrival { payment, .. } in std::iter::once(first).chain(matching) {
            if request.is_paid_by_another(&payment) || request.waits_for_another(&payment) {
                remember(store, request, &payment, now).await?;
            }
        }
    }
    Ok(Observed::Payment(changed))
}

async fn record_arrival(
    store: &impl Changes,
    id: PaymentRequestId,
    arrival: &Arrival,
    now: Timestamp,
) -> Result<Changed, UseCaseError> {
    // The provider's report of this payment has the same operation, so the second of the two changes nothing.
    let mut change = paid_within(arrival.clone(), now);
    for _ in 0..STATUS_CHANGES_AT_MOST {
        let request = match store.change(id, &change).await? {
            Changed::Unchanged(request) if request.payment.is_none() => request,
            changed => return Ok(changed),
        };
        let Arrival { payment, money, .. } = arrival.clone();
        change = match request.time_in_flight(&payment) {
            Some(paid_at) => paid(Payment { paid_at, ..payment }, money, now),
            None if request.status == Status::Processing => return Ok(Changed::Unchanged(request)),
            None => paid_by_assumption(payment, money, now),
        };
    }
    Err(StoreError::kept_changing().into())
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
    store: &(impl Links + Changes + Looks),
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
            return change_and_look(store, id, &paid(payment, money, now)).await;
        }
        store.keep_link(&request.token, id, now.saturating_add(LONGEST_PROCESSING)).await?;
    }
    Ok(changed)
}

/// Records that a payment failed. Where the failure changes nothing, it is remembered as a fact alone: nothing is
/// announced and no page changes, but a late report that this payment is in flight is then not waited for.
/// `page_is_open` says whether the customer may still pay on the page: then the provider is asked about it again.
///
/// The fact's mark is the identifier of the change too (decision 0017). So the fact is recorded only in a status that
/// the failure does not change. If the request moves on in between, the change is tried again.
pub(super) async fn fail(
    store: &(impl Changes + Facts + Looks),
    id: PaymentRequestId,
    (provider, reference): (String, String),
    page_is_open: bool,
    now: Timestamp,
) -> Result<Changed, UseCaseError> {
    let fact = Fact::payment_failed(&provider, &reference);
    let operation = OperationId::of_failed_payment(&provider, &reference);
    let command = Command::FailPayment { provider, reference, page_is_open };
    let change = Change::new(command, now, Actor::Provider, operation);
    for _ in 0..STATUS_CHANGES_AT_MOST {
        match change_and_look(store, id, &change).await? {
            Changed::Unchanged(request) if !request.has_fact(&fact) => match store.record_fact(id, &fact).await? {
                Changed::Applied(request) => return Ok(Changed::Unchanged(request)),
                Changed::Unchanged(_) => {}
                Changed::NotFound => return Ok(Changed::NotFound),
            },
            changed => return Ok(changed),
        }
    }
    Err(StoreError::kept_changing().into())
}

/// Applies a change that may end a request, and schedules a look if money of it is not settled ([`look_for_money`]).
///
/// # Errors
/// The store failed.
pub(super) async fn change_and_look(
    store: &(impl Changes + Looks),
    id: PaymentRequestId,
    change: &Change,
) -> Result<Changed, UseCaseError> {
    let changed = store.change(id, change).await?;
    if let Changed::Applied(request) = &changed {
        look_for_money(store, request, change.at).await?;
    }
    Ok(changed)
}

/// Has the provider asked at once about a request that a change took out of the index, although money of it is not
/// settled: the request has expired and a report says that money has arrived, or it was paid twice.
async fn look_for_money(store: &impl Looks, request: &PaymentRequest, now: Timestamp) -> Result<(), UseCaseError> {
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
    provider: &impl PaymentProvider,
    state: CheckoutState,
    now: Timestamp,
) -> Result<Observed, UseCaseError> {
    let never_closes = provider.closes() == Closes::Never;
    Ok(match state {
        CheckoutState::Paid(arrivals) => record_arrivals(store, request, arrivals, now).await?,
        CheckoutState::Processing { money, .. } if money != request.details.money => Observed::Mismatched,
        CheckoutState::Processing { payment, money } => {
            Observed::Payment(process(store, request.id, payment, money, now).await?)
        }
        CheckoutState::Failed { references } => match failed(request, references, never_closes) {
            Some(reference) => {
                let payment = (provider.name().to_owned(), reference);
                Observed::Payment(fail(store, request.id, payment, never_closes, now).await?)
            }
            // The customer may try again on the page.
            None => Observed::Unpaid { is_open: true },
        },
        CheckoutState::Open => Observed::Unpaid { is_open: true },
        CheckoutState::Closed => Observed::Unpaid { is_open: false },
    })
}

/// Returns the failed payment for which the request waits. On a page that never closes, a customer may try again after
/// any other failure, so that it ends nothing.
fn failed(request: &PaymentRequest, mut references: Vec<String>, never_closes: bool) -> Option<String> {
    let awaited = request.in_flight.as_ref().filter(|_| request.status == Status::Processing);
    match (never_closes, awaited) {
        (true, Some(payment)) => references.into_iter().find(|reference| *reference == payment.reference),
        (true, None) if request.status != Status::Processing => None,
        _ => references.pop(),
    }
}
