//! Paystack, by its hosted checkout: card data never reaches chat2pay.
//!
//! A checkout is one transaction or several, because Paystack accepts each reference only once and a lost answer loses
//! the address of the page ([`reference`]). A payment is a transaction, and its reference identifies it. Both the
//! reference and the metadata that we set identify the request.
//!
//! Paystack's pages never close. Its webhooks are signed without a time, so anybody can replay one.
//! So a report only counts once Paystack, asked for the transaction, confirms it.

mod client;
mod currency;
mod objects;
mod reference;
mod refunds;
mod settings;
mod settlements;
mod webhook;

use self::client::{ApiRequest, Client, PaystackError, Reason};
use self::objects::{Data, Outcome, Transaction};
use self::reference::Reference;
use self::settings::{ChannelOption, Pages, PaystackAccount};
use super::answer::InvalidResponse;
use super::budget::within_budget;
use super::{MoneyRefusal, ProviderName};
use crate::endpoint::is_below;
use crate::json::FromObject;
use crate::trust::Trust;
use domain::event::{back_url, done_url};
use domain::ports::{Arrival, Checkout, CheckoutState, Closes, PaymentProvider, ProviderError, Refunding};
use domain::{CheckoutAttempt, CheckoutId, Doors, Money, Payment, PaymentRequest};
use futures::{StreamExt as _, TryStreamExt as _};
use runtime::json::{Object, Unreadable};
use runtime::{ConfigError, Environment};
use serde_json::{Value, json};
use std::sync::Arc;

pub use self::webhook::PaystackWebhooks;

/// The provider's name in a payment.
const NAME: &str = ProviderName::Paystack.as_str();

/// The number of a checkout's transactions that are asked for at the same time.
const AT_ONCE: usize = 8;

/// The client of one Paystack account.
#[derive(Debug, Clone)]
pub struct Paystack {
    client: Client,
    /// The client of a request's first attempt to create a checkout.
    first_attempt: Client,
    pages: Option<Pages>,
}

/// The answer to `transaction/initialize`.
struct Initialized {
    authorization_url: String,
    reference: String,
}

impl FromObject for Initialized {
    fn from_object(data: &Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self { authorization_url: data.required("authorization_url")?, reference: data.required("reference")? })
    }
}

/// Checks that Paystack accepts an amount.
///
/// # Errors
/// Paystack does not accept it.
pub(super) fn check(money: Money) -> Result<(), MoneyRefusal> {
    currency::to_paystack(money)?;
    Ok(())
}

impl Paystack {
    /// Builds the client from the environment.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let pages = Pages::from_environment(environment)?;
        Ok(Self { pages: Some(pages), ..Self::without_pages(environment)? })
    }

    /// Builds a client that asks for transactions and creates no checkouts, which needs fewer variables.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    fn without_pages(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self::new(PaystackAccount::from_environment(environment)?, &Trust::of(environment)?, environment.doors()))
    }

    /// Builds the client of this account.
    fn new(account: PaystackAccount, trust: &Arc<Trust>, doors: Doors) -> Self {
        let client = Client::new(account, trust, doors);
        Self { first_attempt: client.clone(), client, pages: None }
    }

    /// See [`ConfiguredProvider::for_presses`](super::ConfiguredProvider::for_presses).
    pub(super) fn for_presses(self) -> Self {
        Self { client: self.client.without_retries(), ..self }
    }

    pub(super) fn checkout_origin(&self) -> &str {
        self.pages.as_ref().map_or("", |pages| &pages.origin)
    }

    /// Returns the transaction with a reference; `None` if Paystack knows none that we have created, because the
    /// attempt has never reached it.
    async fn verify(&self, reference: Reference) -> Result<Option<Transaction>, ProviderError> {
        let call = ApiRequest::get(format!("/transaction/verify/{reference}"));
        let Data(transaction) = match self.client.send::<Data<Transaction>>(&call).await {
            Err(PaystackError::Refused(error)) if error.is_unknown_transaction() => return Ok(None),
            result => result?,
        };
        if transaction.reference != Some(reference) {
            return Err(InvalidResponse("a transaction has another reference than was asked for").into());
        }
        if !transaction.is_of(self.client.mode) {
            return Err(InvalidResponse("a transaction is of the other mode than the account").into());
        }
        // Whoever has the account's public key can use our references, but has to know the metadata too.
        Ok(Some(transaction).filter(|transaction| transaction.ours().is_some()))
    }

    /// Returns the outcome of each of a checkout's transactions that Paystack knows.
    async fn outcomes(&self, last: Reference) -> Result<Vec<Outcome>, ProviderError> {
        let verified = futures::stream::iter(last.up_to_this()).map(async |reference| {
            let transaction = self.verify(reference).await?;
            transaction.map(|transaction| transaction.outcome(reference)).transpose().map_err(ProviderError::from)
        });
        let outcomes: Vec<Option<Outcome>> = verified.buffered(AT_ONCE).try_collect().await?;
        Ok(outcomes.into_iter().flatten().collect())
    }
}

impl PaymentProvider for Paystack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn closes(&self) -> Closes {
        Closes::Never
    }

    /// Each attempt has a transaction of its own, and each transaction a page.
    fn repeats_pages(&self) -> bool {
        false
    }

    /// Creates the transaction of this attempt. Its checkout stands for those of earlier attempts too.
    async fn create_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempt: CheckoutAttempt,
    ) -> Result<Checkout, ProviderError> {
        let pages = self.pages.as_ref().ok_or_else(|| ProviderError::Refused("this client has no pages".into()))?;
        let reference = Reference { id: request.id, attempt };
        let body = transaction_parameters(request, link, reference, pages)?;
        let client = if attempt == CheckoutAttempt::FIRST { &self.first_attempt } else { &self.client };
        let call = ApiRequest::post("/transaction/initialize", body);
        let Data(initialized) = within_budget(async {
            match client.send::<Data<Initialized>>(&call).await {
                Ok(initialized) => Ok(initialized),
                Err(PaystackError::Refused(error)) => Err(match error.reason() {
                    // The transaction exists, and the answer with its address was lost. The next attempt has another
                    // reference.
                    Some(Reason::DuplicateReference) => {
                        ProviderError::Unavailable(PaystackError::Refused(error).into())
                    }
                    Some(Reason::Money) => ProviderError::AmountNotAccepted(PaystackError::Refused(error).into()),
                    _ => PaystackError::Refused(error).into(),
                }),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        if initialized.reference != reference.to_string() {
            return Err(InvalidResponse("a transaction has another reference than was asked for").into());
        }
        // The customer's button must not lead anywhere else.
        if !is_below(&initialized.authorization_url, &pages.origin) {
            return Err(InvalidResponse("a page's address is not below PAYSTACK_CHECKOUT_ORIGIN").into());
        }
        Ok(Checkout { id: CheckoutId(reference.to_string()), url: initialized.authorization_url })
    }

    /// Returns the checkout of all attempts without asking: whether one of them has reached Paystack is known when the
    /// checkout is checked. The known checkout may be of a later attempt, once the link that counts them is deleted.
    async fn find_checkout(
        &self,
        request: &PaymentRequest,
        _link: &str,
        attempts: CheckoutAttempt,
        known: Option<CheckoutId>,
    ) -> Result<Option<CheckoutId>, ProviderError> {
        let known = known.as_ref().map(Reference::of_checkout).transpose()?;
        let attempt = known.map_or(attempts, |known| known.attempt.max(attempts));
        Ok(Some(CheckoutId(Reference { id: request.id, attempt }.to_string())))
    }

    async fn check_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        let last = Reference::of_checkout(checkout)?;
        within_budget(async { state_of(self.outcomes(last).await?) }).await
    }

    async fn check_page_of(&self, payment: &Payment) -> Result<Option<CheckoutState>, ProviderError> {
        let Some(reference) = Reference::parse(&payment.reference) else { return Ok(None) };
        let transaction = within_budget(self.verify(reference)).await?;
        // A transaction that Paystack knew does not vanish.
        let transaction = transaction.ok_or(InvalidResponse("a transaction in flight is no longer known"))?;
        state_of(vec![transaction.outcome(reference)?]).map(Some)
    }

    /// Returns the checkout's state: Paystack cannot close a page.
    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        self.check_checkout(checkout).await
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
        match Reference::parse(&payment.reference) {
            Some(reference) if reference.id == request.id => {
                let reason = if request.is_paid_by_another(payment) {
                    "The order had already been paid."
                } else {
                    "The payment request had already ended."
                };
                within_budget(self.refund_once(reference, reason)).await
            }
            _ => Err(ProviderError::Refused("the payment is not one of Paystack's".into())),
        }
    }
}

/// Builds the parameters of a transaction.
fn transaction_parameters(
    request: &PaymentRequest,
    link: &str,
    reference: Reference,
    pages: &Pages,
) -> Result<Value, ProviderError> {
    let details = &request.details;
    // This fails for a request that was created with another provider, or under earlier limits of Paystack.
    let amount = currency::to_paystack(details.money)
        .map_err(|refusal| ProviderError::AmountNotAccepted(format!("{refusal:?}").into()))?;
    let order = json!({
        "display_name": "Order",
        "variable_name": "order_number",
        "value": details.order_number.as_str(),
    });
    let mut parameters = json!({
        "email": details.customer.email.as_ref().unwrap_or(&pages.fallback_email).as_str(),
        "amount": amount,
        "currency": details.money.currency.code(),
        "reference": reference.to_string(),
        "callback_url": done_url(link),
        "metadata": {
            "payment_request_id": request.id.to_string(),
            "cancel_action": back_url(link),
            "custom_fields": [order],
        },
    });
    if !pages.channels.is_empty() {
        let channels = pages.channels.iter().copied().map(ChannelOption::as_str).collect::<Vec<_>>();
        parameters["channels"] = channels.into();
    }
    Ok(parameters)
}

/// Returns the state of a checkout from those of its transactions, the first one first. The customer may have paid on
/// several pages. What is in flight counts before what has failed: the customer has tried again on another page.
///
/// # Errors
/// A transaction's status is unknown and none is paid, or no request can have asked for any of the amounts.
fn state_of(outcomes: Vec<Outcome>) -> Result<CheckoutState, ProviderError> {
    let (mut paid, mut in_flight, mut references) = (Vec::new(), None, Vec::new());
    let mut is_unknown = false;
    for outcome in outcomes {
        match outcome {
            Outcome::Paid { payment, earliest, money } => paid.push((payment, earliest, money)),
            Outcome::InFlight { payment, money } => in_flight = in_flight.or(Some((payment, money))),
            Outcome::Failed { reference } => references.push(reference),
            Outcome::Open => {}
            Outcome::Unknown => is_unknown = true,
        }
    }
    let impossible = InvalidResponse("a transaction's amount cannot have been requested");
    if !paid.is_empty() {
        // The order of attempts stays among payments of the same second.
        paid.sort_by_key(|(payment, ..)| payment.paid_at);
        let arrivals = paid
            .into_iter()
            .filter_map(|(payment, earliest, money)| money.map(|money| Arrival { payment, earliest, money }));
        let arrivals: Vec<Arrival> = arrivals.collect();
        return if arrivals.is_empty() { Err(impossible.into()) } else { Ok(CheckoutState::Paid(arrivals)) };
    }
    if is_unknown {
        return Err(InvalidResponse("a transaction has an unknown status or mode").into());
    }
    Ok(match in_flight {
        Some((payment, money)) => CheckoutState::Processing { payment, money: money.ok_or(impossible)? },
        None if !references.is_empty() => CheckoutState::Failed { references },
        // Also if no attempt has reached Paystack: another one may be about to.
        None => CheckoutState::Open,
    })
}

#[cfg(test)]
mod tests;
