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
    let found = match known(store, request).await? {
        Some(checkout) => Ok(checkout),
        // It may be about to be created, or the link was deleted: the provider then returns the existing one.
        None => provider.create_checkout(request, &link_url(request, public_base_url)).await.map(|created| created.id),
    };
    Ok(match found {
        Ok(checkout) => {
            let state = if closes {
                provider.close_checkout(&checkout).await
            } else {
                provider.check_checkout(&checkout).await
            };
            Asked { checkout: Some(checkout), state }
        }
        // No checkout exists and none can be created, so nobody can pay.
        Err(ProviderError::AmountNotAccepted(_)) => Asked { checkout: None, state: Ok(CheckoutState::Closed) },
        Err(error) => Asked { checkout: None, state: Err(error) },
    })
}

/// Returns a request's checkout if it is stored: with the request after a look, with its link before.
async fn known(store: &impl Links, request: &PaymentRequest) -> Result<Option<CheckoutId>, UseCaseError> {
    if let Some(checkout) = &request.checkout {
        return Ok(Some(checkout.clone()));
    }
    let link = store.find_link(&request.token).await?;
    Ok(link.and_then(|link| link.checkout).map(|checkout| checkout.id))
}
