//! The use case of a customer who opens the link and continues to the payment page.

use super::UseCaseError;
use super::expire::expire_overdue;
use crate::doors::Randomness;
use crate::event::link_url;
use crate::id::OperationId;
use crate::limits::Limits;
use crate::payment_request::PaymentRequest;
use crate::people::Actor;
use crate::ports::{Changed, Changes, Checkouts, Links, PaymentProvider, ProviderError, Reads};
use crate::status::Status;
use crate::time::Clock;
use crate::token::LinkToken;
use crate::transition::{Change, Command};

/// The outcome of [`click`].
#[derive(Debug)]
pub enum Clicked {
    /// The customer continues to the payment page at this address.
    Checkout {
        /// The payment page's address.
        url: String,
    },
    /// There is no payment page. Holds the request, which is being paid, is paid or has ended.
    Settled(Box<PaymentRequest>),
    /// The payment provider is unavailable. The click is recorded, and another click continues from here.
    ProviderFailed(Box<PaymentRequest>, ProviderError),
    /// The link is unknown.
    NotFound,
}

/// Finds the request that a link leads to, without changing it.
///
/// # Errors
/// The store failed.
pub async fn look(store: &(impl Links + Reads), token: &LinkToken) -> Result<Option<PaymentRequest>, UseCaseError> {
    match store.find_link(token).await? {
        Some(id) => Ok(store.get(id).await?),
        None => Ok(None),
    }
}

/// Claims the request for the customer, then returns the address of its payment page.
///
/// The claim comes first, so that an agent who cancels at the same moment gets the true status. Every later step is
/// idempotent: the provider returns the same checkout for the same request, so another click recovers from any failure
/// in between. The first click takes one read and two writes; another click takes one read and one rejected write. A
/// click past the deadline writes the expiry before the customer is told: until that is written, a click or a cancel
/// that began before the deadline may still be applied.
///
/// # Errors
/// The store failed.
pub async fn click(
    store: &(impl Links + Changes + Checkouts),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    limits: &Limits,
    public_base_url: &str,
    token: &LinkToken,
) -> Result<Clicked, UseCaseError> {
    let Some(id) = store.find_link(token).await? else { return Ok(Clicked::NotFound) };
    let now = doors.now();
    let claim = Command::Click { checkout_limit: limits.checkout };
    let claim = Change::new(claim, now, Actor::Customer, OperationId::random(doors)?);
    let found = match store.change(id, &claim).await? {
        // The table allows clicking in this status, so the deadline has passed.
        Changed::Unchanged(request) if request.status == Status::Sent => expire_overdue(store, doors, id, now).await?,
        Changed::Applied(request) | Changed::Unchanged(request) => Some(request),
        Changed::NotFound => None,
    };
    let request = match found {
        Some(request) if request.status == Status::Clicked && request.is_live(now) => request,
        Some(request) => return Ok(Clicked::Settled(request)),
        None => return Ok(Clicked::NotFound),
    };
    let checkout = match provider.create_checkout(&request, &link_url(&request, public_base_url)).await {
        Ok(checkout) => checkout,
        Err(error) => return Ok(Clicked::ProviderFailed(request, error)),
    };
    if request.checkout.as_ref() != Some(&checkout.id) {
        match store.set_checkout(id, &checkout.id).await? {
            Changed::Applied(_) => {}
            Changed::Unchanged(request) => return Ok(Clicked::Settled(request)),
            Changed::NotFound => return Ok(Clicked::NotFound),
        }
    }
    Ok(Clicked::Checkout { url: checkout.url })
}
