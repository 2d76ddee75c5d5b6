//! The use case that asks the provider about a request that waits for its word.

use super::UseCaseError;
use super::checkouts::{Asked, check, close};
use super::expire::{Settled, Waiting, postpone, settle_unpaid};
use super::payments::{Observed, fail, record_state};
use super::refund::{Refunded, refund};
use super::second_payments::send_back;
use crate::doors::Randomness;
use crate::fact::Fact;
use crate::limits::LOOKS_AT_EXPIRED;
use crate::payment_request::{Payment, PaymentRequest};
use crate::ports::{
    Changed, Changes, CheckoutState, Closes, Facts, Links, Looks, PaymentProvider, ProviderError, Reads,
};
use crate::status::Status;
use crate::time::{Clock, Timestamp};

/// Asks the provider what became of a request, and records it. So nothing waits for a report alone: whichever report
/// was lost, a look has the same effect.
///
/// A look that settles nothing sets the time of the next, at growing intervals ([`PaymentRequest::next_look`]).
///
/// # Errors
/// The store failed.
pub async fn look(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    public_base_url: &str,
    request: PaymentRequest,
) -> Result<Settled, UseCaseError> {
    if request.second_payments().next().is_none() {
        return look_by_status(store, provider, doors, public_base_url, request).await;
    }
    let Some((request, obstacle)) = send_back(store, provider, request).await? else { return Ok(Settled::NotDue) };
    if request.status.is_settled() && request.status != Status::Expired {
        return match obstacle {
            Some(obstacle) => postpone(store, &request, doors.now(), None, |request| obstacle.settled(request)).await,
            None => end(store, &request, Settled::SentBack).await,
        };
    }
    let settled = look_by_status(store, provider, doors, public_base_url, request).await?;
    // A request that has ended now still waits for its second payments.
    if let (Some(_), Some(request)) = (obstacle, settled.request().filter(|request| request.due_at.is_none())) {
        store.schedule_look(request, request.next_look(doors.now()), None).await?;
    }
    Ok(settled)
}

async fn look_by_status(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    public_base_url: &str,
    request: PaymentRequest,
) -> Result<Settled, UseCaseError> {
    match request.status {
        Status::Clicked => settle_unpaid(store, provider, doors, public_base_url, request).await,
        Status::Processing => look_at_payment(store, provider, doors, public_base_url, request).await,
        Status::Expired => look_at_expired(store, provider, doors, public_base_url, request).await,
        Status::RefundDue => look_at_refund(store, provider, doors, request).await,
        // Reports said that the second payments have gone back.
        Status::Paid | Status::Refunded if request.due_at.is_some() => end(store, &request, Settled::SentBack).await,
        Status::Sent | Status::Paid | Status::Canceled | Status::Refunded => Ok(Settled::NotDue),
    }
}

/// Asks about money in flight.
async fn look_at_payment(
    store: &(impl Links + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    public_base_url: &str,
    request: PaymentRequest,
) -> Result<Settled, UseCaseError> {
    let request = match look_at_awaited(store, provider, doors, request).await? {
        Awaited::Waits(request) => *request,
        Awaited::Settled(settled) => return Ok(settled),
        // It has failed. Another page may be paid, or in flight.
        Awaited::Failed(request) => {
            let looked = look_at_expired(store, provider, doors, public_base_url, *request.clone()).await?;
            return Ok(if matches!(looked, Settled::Changed(_)) { looked } else { Settled::Changed(request) });
        }
    };
    let Asked { checkout, state } = check(store, provider, public_base_url, &request).await?;
    let now = doors.now();
    let observed = match state {
        // The money in flight was paid somewhere.
        Ok(CheckoutState::Closed) if checkout.is_none() => {
            let error = ProviderError::Unreadable("the checkout of a payment in flight is unknown".into());
            return postpone(store, &request, now, None, |request| Settled::Postponed(request, error)).await;
        }
        // A page on which nobody can pay any more, and nothing in flight: the payment that was has failed.
        Ok(CheckoutState::Closed) => {
            // An item of release 0.1 does not say which payment it was.
            let (provider, reference) = match request.in_flight.clone() {
                Some(Payment { provider, reference, .. }) => (provider, reference),
                None => (provider.name().to_owned(), request.id.to_string()),
            };
            Observed::Payment(fail(store, request.id, (provider, reference), false, now).await?)
        }
        Ok(state) => record_state(store, &request, provider, state, now).await?,
        Err(error) => {
            let postponed = |request| Settled::Postponed(request, error);
            return postpone(store, &request, now, checkout.as_ref(), postponed).await;
        }
    };
    match observed {
        Observed::Payment(Changed::Applied(request)) if request.status != Status::Processing => {
            Ok(Settled::Changed(request))
        }
        Observed::Payment(Changed::NotFound) => Ok(Settled::NotDue),
        Observed::Mismatched => {
            postpone(store, &request, now, checkout.as_ref(), Settled::Mismatched).await?;
            Ok(Settled::Mismatched(Box::new(request)))
        }
        Observed::Payment(_) | Observed::Unpaid { .. } => {
            let waiting = |request| Settled::Waiting(request, Waiting::Money);
            postpone(store, &request, now, checkout.as_ref(), waiting).await
        }
    }
}

/// What has become of the one payment that a request waits for.
enum Awaited {
    /// It is in flight, or the state of the one page says what has become of it.
    Waits(Box<PaymentRequest>),
    /// It has failed, and the request has expired.
    Failed(Box<PaymentRequest>),
    /// It has arrived, or the provider does not say.
    Settled(Settled),
}

/// Asks about the payment in flight by itself, where a request may have several pages. What happened on another page
/// must not hide what has become of it.
async fn look_at_awaited(
    store: &(impl Links + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    request: PaymentRequest,
) -> Result<Awaited, UseCaseError> {
    let Some(payment) = request.in_flight.clone() else { return Ok(Awaited::Waits(Box::new(request))) };
    let state = provider.check_page_of(&payment).await;
    let now = doors.now();
    let has_failed = match state {
        Ok(None | Some(CheckoutState::Processing { .. })) => false,
        Ok(Some(state @ CheckoutState::Paid(_))) => {
            return Ok(match record_state(store, &request, provider, state, now).await? {
                Observed::Payment(Changed::Applied(request)) => Awaited::Settled(Settled::Changed(request)),
                Observed::Payment(Changed::NotFound) => Awaited::Settled(Settled::NotDue),
                _ => Awaited::Waits(Box::new(request)),
            });
        }
        Ok(Some(CheckoutState::Failed { .. } | CheckoutState::Closed)) => true,
        // The customer may be about to choose another way to pay, until the deadline.
        Ok(Some(CheckoutState::Open)) => request.is_overdue(now),
        Err(error) => {
            let postponed = |request| Settled::Postponed(request, error);
            return Ok(Awaited::Settled(postpone(store, &request, now, None, postponed).await?));
        }
    };
    if !has_failed {
        return Ok(Awaited::Waits(Box::new(request)));
    }
    let Payment { provider: name, reference, .. } = payment;
    let page_is_open = provider.closes() == Closes::Never;
    Ok(match fail(store, request.id, (name, reference), page_is_open, now).await? {
        Changed::Applied(request) => Awaited::Failed(request),
        Changed::Unchanged(_) | Changed::NotFound => Awaited::Settled(Settled::NotDue),
    })
}

/// Asks about a request that expired while the provider could not confirm that nobody can pay any more.
async fn look_at_expired(
    store: &(impl Links + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    public_base_url: &str,
    request: PaymentRequest,
) -> Result<Settled, UseCaseError> {
    let Asked { checkout, state } = close(store, provider, public_base_url, &request).await?;
    let now = doors.now();
    let is_in_flight = matches!(state, Ok(CheckoutState::Processing { .. }));
    let observed = match state {
        Ok(state) => record_state(store, &request, provider, state, now).await?,
        Err(error) if is_forgotten(&request, now) => {
            return end(store, &request, |request| Settled::ExpiredUnconfirmed(request, error)).await;
        }
        Err(error) => {
            let postponed = |request| Settled::Postponed(request, error);
            return postpone(store, &request, now, checkout.as_ref(), postponed).await;
        }
    };
    let waiting = match observed {
        Observed::Payment(Changed::Applied(request)) if request.status != Status::Expired => {
            return Ok(Settled::Changed(request));
        }
        // The customer did their part too late: the money is judged when it comes.
        Observed::Payment(Changed::Applied(found) | Changed::Unchanged(found))
            if is_in_flight && found.status == Status::Expired =>
        {
            Waiting::Money
        }
        Observed::Payment(Changed::NotFound) => return Ok(Settled::NotDue),
        // A report says that money has arrived, and the provider does not know of it yet, or never will.
        Observed::Unpaid { .. } if request.money_has_arrived() && is_forgotten(&request, now) => {
            return end(store, &request, Settled::Mismatched).await;
        }
        Observed::Unpaid { .. } if request.money_has_arrived() => Waiting::Money,
        Observed::Payment(_) | Observed::Unpaid { is_open: false } => {
            return end(store, &request, Settled::Confirmed).await;
        }
        // Another page may be paid as well.
        Observed::Mismatched if provider.closes() == Closes::Never && !is_forgotten(&request, now) => Waiting::OpenPage,
        Observed::Mismatched => return end(store, &request, Settled::Mismatched).await,
        Observed::Unpaid { is_open: true } if is_forgotten(&request, now) => {
            return end(store, &request, Settled::Confirmed).await;
        }
        Observed::Unpaid { is_open: true } => {
            // Whoever pays from now on is late, even if the provider does not say when they did.
            if provider.closes() == Closes::Never
                && !request.has_fact(&Fact::UnpaidAtDeadline)
                && request.is_overdue(now)
            {
                store.record_fact(request.id, &Fact::UnpaidAtDeadline).await?;
            }
            Waiting::OpenPage
        }
    };
    postpone(store, &request, now, checkout.as_ref(), |request| Settled::Waiting(request, waiting)).await
}

/// Returns whether a request expired so long ago that the provider is no longer asked for ever about it, unless it says
/// that money is in flight.
fn is_forgotten(request: &PaymentRequest, now: Timestamp) -> bool {
    now.saturating_duration_since(request.updated_at()) > LOOKS_AT_EXPIRED
}

/// Ends the looks at a request, and returns this outcome; [`Settled::NotDue`] if the request has changed in the
/// meantime.
async fn end(
    store: &impl Looks,
    request: &PaymentRequest,
    outcome: impl FnOnce(Box<PaymentRequest>) -> Settled + Send,
) -> Result<Settled, UseCaseError> {
    Ok(match store.end_looks(request).await? {
        Changed::Applied(request) => outcome(request),
        Changed::Unchanged(_) | Changed::NotFound => Settled::NotDue,
    })
}

/// Requests a due refund again, or asks what became of it: for the provider both are the same call.
async fn look_at_refund(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    request: PaymentRequest,
) -> Result<Settled, UseCaseError> {
    let refunded = refund(store, provider, doors, request.id).await;
    let now = doors.now();
    let waiting = match refunded {
        Ok(Refunded::Done(request)) => return Ok(Settled::Changed(request)),
        Ok(Refunded::NotDue) => return Ok(Settled::NotDue),
        Ok(Refunded::UnderWay(_)) => Waiting::Refund,
        Ok(Refunded::WaitsForFunds(_)) => Waiting::RefundFunds,
        Ok(Refunded::StatusUnknown(_)) => Waiting::RefundStatusUnknown,
        Err(UseCaseError::Provider(error)) => {
            return postpone(store, &request, now, None, |request| Settled::Postponed(request, error)).await;
        }
        Err(error) => return Err(error),
    };
    postpone(store, &request, now, None, |request| Settled::Waiting(request, waiting)).await
}
