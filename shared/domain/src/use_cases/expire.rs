//! The use cases that end a payment request whose deadline has passed.

use super::UseCaseError;
use super::payments::{paid, process};
use crate::doors::Randomness;
use crate::event::link_url;
use crate::id::{OperationId, PaymentRequestId};
use crate::payment_request::PaymentRequest;
use crate::people::Actor;
use crate::ports::{Changed, Changes, Closing, Links, PaymentProvider, ProviderError, StoreError};
use crate::status::Status;
use crate::time::{Clock, Timestamp};
use crate::transition::{Change, CheckoutClosed, Command};

/// The outcome for a request whose deadline may have passed.
#[derive(Debug)]
pub enum Settled {
    /// The request has expired.
    Expired(Box<PaymentRequest>),
    /// The provider reports that the request was paid.
    Paid(Box<PaymentRequest>),
    /// The provider reports that the customer has done their part. The money is in flight, and no deadline runs any
    /// more.
    Processing(Box<PaymentRequest>),
    /// The request's deadline has not passed, or the request has ended otherwise.
    NotDue,
    /// The provider is unavailable; retry later.
    Postponed(ProviderError),
    /// The provider reports a payment, arrived or in flight, with another amount or currency. The request has expired,
    /// and a person must check the payment.
    Mismatched(Box<PaymentRequest>),
    /// The request has expired without the provider's confirmation, which had been missing for ten minutes.
    ExpiredUnconfirmed(Box<PaymentRequest>, ProviderError),
}

/// The outcome of [`expire_unclicked`].
#[derive(Debug)]
pub enum Found {
    /// The request has expired, or is not due.
    Settled(Settled),
    /// The customer has clicked, and the time to pay is over: [`settle_unpaid`] determines the outcome.
    Unpaid(Box<PaymentRequest>),
}

/// Expires a request past its deadline that nobody has clicked, in a single write: most expiring requests were never
/// clicked.
///
/// # Errors
/// The store failed.
pub async fn expire_unclicked(
    store: &impl Changes,
    doors: &(impl Clock + Randomness),
    id: PaymentRequestId,
) -> Result<Found, UseCaseError> {
    let now = doors.now();
    let change = Change::new(Command::ExpireUnclicked, now, Actor::System, OperationId::random(doors)?);
    Ok(match store.change(id, &change).await? {
        Changed::Applied(request) => Found::Settled(Settled::Expired(request)),
        Changed::Unchanged(request) if request.status == Status::Clicked && request.is_overdue(now) => {
            Found::Unpaid(request)
        }
        Changed::Unchanged(_) | Changed::NotFound => Found::Settled(Settled::NotDue),
    })
}

/// Writes the expiry of a request that a command at `now` found `Sent` past its deadline, and returns the request as it
/// is then; `None` if it no longer exists. Whoever is refused because the time is over is told by this outcome:
/// expired, or what became of it by a write that began in time and was applied a little later.
///
/// # Errors
/// The store failed.
pub(super) async fn expire_overdue(
    store: &impl Changes,
    doors: &(impl Clock + Randomness),
    id: PaymentRequestId,
    now: Timestamp,
) -> Result<Option<Box<PaymentRequest>>, UseCaseError> {
    let change = Change::new(Command::ExpireUnclicked, now, Actor::System, OperationId::random(doors)?);
    match store.change(id, &change).await? {
        Changed::Unchanged(request) if request.status == Status::Sent => Err(StoreError::kept_changing().into()),
        Changed::Applied(request) | Changed::Unchanged(request) => Ok(Some(request)),
        Changed::NotFound => Ok(None),
    }
}

/// Ends a request whose time to pay is over.
///
/// The checkout is closed at the provider first, so that nobody can pay for a request that has ended. If it was paid in
/// the meantime, the request becomes paid, or processing while the money is in flight.
///
/// # Errors
/// The store failed.
pub async fn settle_unpaid(
    store: &(impl Links + Changes),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    public_base_url: &str,
    request: PaymentRequest,
) -> Result<Settled, UseCaseError> {
    let closing = close(provider, public_base_url, &request).await;
    let now = doors.now();
    let (proof, note) = match closing {
        Ok(Closing::Closed) => (CheckoutClosed::confirmed(), Note::None),
        Ok(Closing::Paid { payment, money }) if money == request.details.money => {
            // The provider's webhook for this payment has the same operation, so the second of the two changes nothing.
            return Ok(match store.change(request.id, &paid(payment, money, now)).await? {
                Changed::Applied(request) => Settled::Paid(request),
                Changed::Unchanged(_) | Changed::NotFound => Settled::NotDue,
            });
        }
        Ok(Closing::Processing { payment, money }) if money == request.details.money => {
            return Ok(match process(store, request.id, payment, money, now).await? {
                Changed::Applied(request) => Settled::Processing(request),
                Changed::Unchanged(_) | Changed::NotFound => Settled::NotDue,
            });
        }
        // The payment does not match the request: it never counts as paid, and expires all the same.
        Ok(Closing::Paid { .. } | Closing::Processing { .. }) => (CheckoutClosed::confirmed(), Note::Mismatched),
        Err(error) => match CheckoutClosed::unconfirmed(&request, now) {
            Some(proof) => (proof, Note::Unconfirmed(error)),
            None => return Ok(Settled::Postponed(error)),
        },
    };
    let change = Change::new(Command::ExpireUnpaid(proof), now, Actor::System, OperationId::random(doors)?);
    Ok(match (store.change(request.id, &change).await?, note) {
        (Changed::Applied(request), Note::None) => Settled::Expired(request),
        (Changed::Applied(request), Note::Mismatched) => Settled::Mismatched(request),
        (Changed::Applied(request), Note::Unconfirmed(error)) => Settled::ExpiredUnconfirmed(request, error),
        (Changed::Unchanged(_) | Changed::NotFound, _) => Settled::NotDue,
    })
}

/// The circumstances of an expiry.
enum Note {
    None,
    Mismatched,
    Unconfirmed(ProviderError),
}

/// Closes a request's checkout. A clicked request without a known checkout may be about to get one. Then the checkout
/// is created and closed, so that nobody can pay on it.
async fn close(
    provider: &impl PaymentProvider,
    public_base_url: &str,
    request: &PaymentRequest,
) -> Result<Closing, ProviderError> {
    if let Some(checkout) = &request.checkout {
        return provider.close_checkout(checkout).await;
    }
    match provider.create_checkout(request, &link_url(request, public_base_url)).await {
        Ok(checkout) => provider.close_checkout(&checkout.id).await,
        // The provider creates no checkout for this amount, so nobody can pay.
        Err(ProviderError::AmountNotAccepted(_)) => Ok(Closing::Closed),
        Err(error) => Err(error),
    }
}
