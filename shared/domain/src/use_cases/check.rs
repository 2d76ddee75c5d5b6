//! The use case of a customer who comes back from paying, and asks whether it worked.

use super::UseCaseError;
use super::checkouts::{check as ask, is_known};
use super::payments::{Observed, record_state};
use crate::payment_request::PaymentRequest;
use crate::ports::{Changed, Changes, Facts, Links, Looks, PaymentProvider, ProviderError, Reads};
use crate::status::Status;
use crate::time::Clock;
use crate::token::LinkToken;

/// The outcome of [`check`].
#[derive(Debug)]
pub enum Checked {
    /// The provider was asked, and its word is recorded. Holds the request as it is now.
    Asked(Box<PaymentRequest>),
    /// The provider was not asked: it has nothing to say about the request, or was asked a moment ago, or no payment
    /// page has become known, so that nobody was led to one.
    Known(Box<PaymentRequest>),
    /// The provider reports a payment of another amount or currency. A person must check it.
    Mismatched(Box<PaymentRequest>),
    /// The provider could not say.
    ProviderFailed(Box<PaymentRequest>, ProviderError),
    /// The link is unknown.
    NotFound,
}

/// Asks the provider about the payment of a link's request, and changes the request as the provider's report would. So
/// a lost report costs the customer no waiting.
///
/// Checks share the budget of presses ([`Links::take_call`]): a storm of them costs the provider nothing. A check never
/// creates a payment page.
///
/// # Errors
/// The store failed.
pub async fn check(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    clock: &impl Clock,
    public_base_url: &str,
    token: &LinkToken,
) -> Result<Checked, UseCaseError> {
    let Some(link) = store.find_link(token).await? else { return Ok(Checked::NotFound) };
    let Some(request) = store.get(link.id).await? else { return Ok(Checked::NotFound) };
    let now = clock.now();
    let asks = match request.status {
        Status::Clicked | Status::Processing => true,
        Status::Expired => request.waits_for_provider(now),
        Status::Sent | Status::Paid | Status::Canceled | Status::RefundDue | Status::Refunded => false,
    };
    if !asks || !is_known(&request, &link) || !store.take_call(token, now).await? {
        return Ok(Checked::Known(Box::new(request)));
    }
    let state = match ask(store, provider, public_base_url, &request).await?.state {
        Ok(state) => state,
        Err(error) => return Ok(Checked::ProviderFailed(Box::new(request), error)),
    };
    Ok(match record_state(store, &request, provider, state, clock.now()).await? {
        Observed::Payment(Changed::Applied(request) | Changed::Unchanged(request)) => Checked::Asked(request),
        Observed::Payment(Changed::NotFound) => Checked::NotFound,
        Observed::Mismatched => Checked::Mismatched(Box::new(request)),
        Observed::Unpaid { .. } => Checked::Asked(Box::new(request)),
    })
}
