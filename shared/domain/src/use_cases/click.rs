//! The use case of a customer who opens the link and continues to the payment page.

use super::UseCaseError;
use super::checkouts::is_known;
use super::expire::{Settled, expire_overdue, settle_unpaid};
use crate::checkout_attempt::CheckoutAttempt;
use crate::doors::Randomness;
use crate::event::link_url;
use crate::id::OperationId;
use crate::limits::{CALL_INTERVAL, Limits};
use crate::payment_request::PaymentRequest;
use crate::people::Actor;
use crate::ports::{Changed, Changes, Closes, Facts, Link, Links, Looks, PaymentProvider, ProviderError, Reads};
use crate::status::Status;
use crate::time::{Clock, Timestamp};
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
    /// There is no payment page. Holds the request, which is being paid, is paid or has ended; or it is still `Clicked`
    /// past its deadline, because the provider cannot say yet whether it was paid.
    Settled(Box<PaymentRequest>),
    /// The same, after this press asked the provider. Holds also what came of that, for the log.
    Asked(Box<PaymentRequest>, Box<Settled>),
    /// The payment provider failed. The click is recorded, and another click continues from here. Another press may
    /// have succeeded, unless this attempt was the first.
    ProviderFailed(Box<PaymentRequest>, ProviderError, CheckoutAttempt),
    /// The provider was called for this request a moment ago, and has not returned a payment page yet. The click is
    /// recorded, and another click continues from here.
    Busy(Box<PaymentRequest>),
    /// The link is unknown.
    NotFound,
}

/// Finds the request that a link leads to, without changing it.
///
/// # Errors
/// The store failed.
pub async fn look(store: &(impl Links + Reads), token: &LinkToken) -> Result<Option<PaymentRequest>, UseCaseError> {
    match store.find_link(token).await? {
        Some(link) => Ok(store.get(link.id).await?),
        None => Ok(None),
    }
}

/// Claims the request for the customer, then returns the address of its payment page.
///
/// The claim comes first, so that an agent who cancels at the same moment gets the true status. Every later step is
/// idempotent: the provider returns the same checkout for the same request, so another click recovers from any failure
/// in between. The first click takes one read and two writes. A later one takes two reads if the payment page is known;
/// otherwise it calls the provider at most once in every [`crate::limits::CALL_INTERVAL`].
///
/// A click past the deadline writes the expiry before the customer is told: until that is written, a click or a cancel
/// that began before the deadline may still be applied.
///
/// # Errors
/// The store failed.
pub async fn click(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    limits: &Limits,
    public_base_url: &str,
    token: &LinkToken,
) -> Result<Clicked, UseCaseError> {
    let Some(link) = store.find_link(token).await? else { return Ok(Clicked::NotFound) };
    let (id, now) = (link.id, doors.now());
    if let Some(url) = &link.checkout_url {
        // Only a claimed request has a checkout, so there is nothing to claim.
        let Some(request) = store.get(id).await? else { return Ok(Clicked::NotFound) };
        if request.status == Status::Clicked && request.is_live(now) {
            return Ok(Clicked::Checkout { url: url.clone() });
        }
        return ended(store, provider, doors, public_base_url, request, &link, now).await;
    }
    let claim = Command::Click { checkout_limit: limits.checkout };
    let claim = Change::new(claim, now, Actor::Customer, OperationId::random(doors)?);
    let (found, is_first) = match store.change(id, &claim).await? {
        // The table allows clicking in this status, so the deadline has passed.
        Changed::Unchanged(request) if request.status == Status::Sent => {
            (expire_overdue(store, doors, id, now).await?, false)
        }
        Changed::Applied(request) => (Some(request), true),
        Changed::Unchanged(request) => (Some(request), false),
        Changed::NotFound => (None, false),
    };
    let request = match found {
        Some(request) if request.status == Status::Clicked && request.is_live(now) => request,
        Some(request) => return ended(store, provider, doors, public_base_url, *request, &link, now).await,
        None => return Ok(Clicked::NotFound),
    };
    // Where each call makes another page, the first one gets its time before there is a second.
    let is_under_way = !provider.repeats_pages() && now < request.updated_at().saturating_add(CALL_INTERVAL);
    let attempt = match is_first {
        true => Some(CheckoutAttempt::FIRST),
        false if is_under_way => None,
        false => store.begin_attempt(token, now).await?,
    };
    let Some(attempt) = attempt else { return Ok(Clicked::Busy(request)) };
    let checkout = match provider.create_checkout(&request, &link_url(&request, public_base_url), attempt).await {
        Ok(checkout) => checkout,
        Err(error) => return Ok(Clicked::ProviderFailed(request, error, attempt)),
    };
    store.set_checkout(token, &checkout, attempt).await?;
    // The page of any other provider says that it is closed. This one would take the money, only to send it back.
    if provider.closes() == Closes::Never && !request.is_live(doors.now()) {
        return Ok(Clicked::Settled(request));
    }
    Ok(Clicked::Checkout { url: checkout.url })
}

/// Returns the outcome for a request on which nobody can click any more. If its time to pay is over and its end is not
/// written yet, the provider is asked first, within the budget of calls. If no payment page has become known, nobody
/// was led to one, and its end is left to the look at its deadline.
async fn ended(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    public_base_url: &str,
    request: PaymentRequest,
    link: &Link,
    now: Timestamp,
) -> Result<Clicked, UseCaseError> {
    let id = request.id;
    let asks = request.status == Status::Clicked && is_known(&request, link);
    if !asks || !store.take_call(&request.token, now).await? {
        return Ok(Clicked::Settled(Box::new(request)));
    }
    let settled = settle_unpaid(store, provider, doors, public_base_url, request).await?;
    Ok(store.get(id).await?.map_or(Clicked::NotFound, |request| Clicked::Asked(Box::new(request), Box::new(settled))))
}
