//! The customer opens the link, and goes on to pay.

use super::{UseCaseError, operation};
use crate::event::link_url;
use crate::ports::{Changed, PaymentProvider, ProviderError, Store};
use crate::{Actor, Change, Clock, Command, Limits, LinkToken, PaymentRequest, Status};

/// What became of a click.
#[derive(Debug)]
pub enum Clicked {
    /// The customer goes to the payment page at this address.
    Checkout {
        /// Where.
        url: String,
    },
    /// There is a page to show instead: the request as it stands, being paid, paid or ended.
    Settled(Box<PaymentRequest>),
    /// The payment provider does not answer. The click counts; pressing again goes on from here.
    ProviderFailed(Box<PaymentRequest>, ProviderError),
    /// The link is not known.
    NotFound,
}

/// Finds the request behind a link, changing nothing.
///
/// # Errors
/// The store failed.
pub async fn look(store: &impl Store, token: &LinkToken) -> Result<Option<PaymentRequest>, UseCaseError> {
    match store.find_link(token).await? {
        Some(id) => Ok(store.get(id).await?),
        None => Ok(None),
    }
}

/// Claims the request for the customer, then gets them to its payment page.
///
/// The claim comes first, so that an agent who cancels in the same moment is told the truth. Every step after it can be
/// repeated: the provider answers with the same checkout for the same request, so whatever stopped in between is healed
/// by pressing again. One read and two writes; a further click is one read and one refused write.
///
/// # Errors
/// The store failed.
pub async fn click(
    store: &impl Store,
    provider: &impl PaymentProvider,
    clock: &impl Clock,
    limits: &Limits,
    public_base_url: &str,
    token: &LinkToken,
) -> Result<Clicked, UseCaseError> {
    let Some(id) = store.find_link(token).await? else { return Ok(Clicked::NotFound) };
    let now = clock.now();
    let claim = Command::Click { checkout_limit: limits.checkout };
    let request = match store.change(id, &Change::new(claim, now, Actor::Customer, operation()?)).await? {
        Changed::Applied(request) => request,
        Changed::Unchanged(request) if request.status == Status::Clicked && request.is_live(now) => request,
        Changed::Unchanged(request) => return Ok(Clicked::Settled(request)),
        Changed::NotFound => return Ok(Clicked::NotFound),
    };
    let checkout = match provider.create_checkout(&request, &link_url(&request, public_base_url)).await {
        Ok(checkout) => checkout,
        Err(error) => return Ok(Clicked::ProviderFailed(request, error)),
    };
    if request.checkout.as_ref() != Some(&checkout.id) {
        match store.remember_checkout(id, &checkout.id).await? {
            Changed::Applied(_) => {}
            Changed::Unchanged(request) => return Ok(Clicked::Settled(request)),
            Changed::NotFound => return Ok(Clicked::NotFound),
        }
    }
    Ok(Clicked::Checkout { url: checkout.url })
}
