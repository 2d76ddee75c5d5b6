//! How the use cases find a request's checkout, and ask the provider about it.

use super::UseCaseError;
use crate::checkout_attempt::CheckoutAttempt;
use crate::event::link_url;
use crate::id::CheckoutId;
use crate::payment_request::PaymentRequest;
use crate::ports::{CheckoutState, Closes, Link, Links, Looks, PaymentProvider, ProviderError};

/// The provider's answer about a request's checkout.
pub(super) struct Asked {
    /// The checkout, if there is one.
    pub(super) checkout: Option<CheckoutId>,
    /// Its state.
    pub(super) state: Result<CheckoutState, ProviderError>,
}

/// Closes a request's checkout if the provider can, and returns its state. The time of the request is over, so nobody
/// is to pay on it any more.
pub(super) async fn close(
    store: &impl Links,
    provider: &impl PaymentProvider,
    public_base_url: &str,
    request: &PaymentRequest,
) -> Result<Asked, UseCaseError> {
    let closes = provider.closes() == Closes::OnDemand;
    ask(store, provider, public_base_url, request, closes).await
}

/// Returns the state of a request's checkout, and changes nothing at the provider.
pub(super) async fn check(
    store: &impl Links,
    provider: &impl PaymentProvider,
    public_base_url: &str,
    request: &PaymentRequest,
) -> Result<Asked, UseCaseError> {
    ask(store, provider, public_base_url, request, false).await
}

async fn ask(
    store: &impl Links,
    provider: &impl PaymentProvider,
    public_base_url: &str,
    request: &PaymentRequest,
    closes: bool,
) -> Result<Asked, UseCaseError> {
    // An earlier look has found the checkout of all attempts, and there are no further ones after the deadline.
    let (attempts, known) = match &request.checkout {
        Some(checkout) => (CheckoutAttempt::FIRST, Some(checkout.clone())),
        None => match store.find_link(&request.token).await? {
            Some(link) => (link.attempts, link.checkout),
            None => (CheckoutAttempt::FIRST, None),
        },
    };
    let link = link_url(request, public_base_url);
    Ok(match provider.find_checkout(request, &link, attempts, known).await {
        Ok(Some(checkout)) => {
            let state = if closes {
                provider.close_checkout(&checkout).await
            } else {
                provider.check_checkout(&checkout).await
            };
            Asked { checkout: Some(checkout), state }
        }
        // No checkout exists, so nobody can pay.
        Ok(None) | Err(ProviderError::AmountNotAccepted(_)) => {
            Asked { checkout: None, state: Ok(CheckoutState::Closed) }
        }
        Err(error) => Asked { checkout: None, state: Err(error) },
    })
}

/// Keeps the checkout of a request with the request itself, before its link is deleted, or from the deleted `link`. The
/// number of attempts is known to the link alone, and a provider without idempotency keys has a page for each. Where
/// there was one attempt at most, nothing is lost with the link.
///
/// # Errors
/// The store failed.
pub async fn keep_checkout(
    store: &(impl Links + Looks),
    provider: &impl PaymentProvider,
    public_base_url: &str,
    request: &PaymentRequest,
    link: Option<Link>,
) -> Result<(), UseCaseError> {
    let Some(due_at) = request.due_at.filter(|_| request.checkout.is_none() && !provider.repeats_pages()) else {
        return Ok(());
    };
    let link = match link {
        Some(link) => Some(link),
        None => store.find_link(&request.token).await?,
    };
    let Some(Link { checkout, attempts, .. }) = link.filter(|link| link.attempts > CheckoutAttempt::FIRST) else {
        return Ok(());
    };
    let address = link_url(request, public_base_url);
    if let Ok(Some(checkout)) = provider.find_checkout(request, &address, attempts, checkout).await {
        // Whoever has changed the request in the meantime has asked about it, and keeps the checkout.
        store.schedule_look(request, due_at, Some(&checkout)).await?;
    }
    Ok(())
}

/// Returns whether a request's checkout is stored: with its link, and after a look with the request too.
pub(super) fn is_known(request: &PaymentRequest, link: &Link) -> bool {
    request.checkout.is_some() || link.checkout.is_some()
}
