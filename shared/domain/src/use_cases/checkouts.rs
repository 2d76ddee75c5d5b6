//! How the use cases find a request's checkout, and ask the provider about it.

use super::UseCaseError;
use crate::event::link_url;
use crate::id::CheckoutId;
use crate::payment_request::PaymentRequest;
use crate::ports::{CheckoutState, Closes, Links, PaymentProvider, ProviderError};

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
    let checkout = match find(store, provider, public_base_url, request).await? {
        Ok(checkout) => checkout,
        Err(state) => return Ok(Asked { checkout: None, state }),
    };
    let state = match provider.closes() {
        Closes::OnDemand => provider.close_checkout(&checkout).await,
        Closes::AtItsTime | Closes::Never => provider.check_checkout(&checkout).await,
    };
    Ok(Asked { checkout: Some(checkout), state })
}

/// Returns the state of a request's checkout, and changes nothing at the provider.
pub(super) async fn check(
    store: &impl Links,
    provider: &impl PaymentProvider,
    public_base_url: &str,
    request: &PaymentRequest,
) -> Result<Asked, UseCaseError> {
    Ok(match find(store, provider, public_base_url, request).await? {
        Ok(checkout) => Asked { state: provider.check_checkout(&checkout).await, checkout: Some(checkout) },
        Err(state) => Asked { checkout: None, state },
    })
}

/// Finds a request's checkout: the request has it after a look, its link before. Without either, it may be about to be
/// created, or the link was deleted: then the provider is asked for it, which returns the one that there is.
async fn find(
    store: &impl Links,
    provider: &impl PaymentProvider,
    public_base_url: &str,
    request: &PaymentRequest,
) -> Result<Result<CheckoutId, Result<CheckoutState, ProviderError>>, UseCaseError> {
    if let Some(checkout) = &request.checkout {
        return Ok(Ok(checkout.clone()));
    }
    if let Some(checkout) = store.find_link(&request.token).await?.and_then(|link| link.checkout) {
        return Ok(Ok(checkout.id));
    }
    Ok(match provider.create_checkout(request, &link_url(request, public_base_url)).await {
        Ok(checkout) => Ok(checkout.id),
        // The provider creates no checkout for this amount, so nobody can pay.
        Err(ProviderError::AmountNotAccepted(_)) => Err(Ok(CheckoutState::Closed)),
        Err(error) => Err(Err(error)),
    })
}
