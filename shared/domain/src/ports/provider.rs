//! Whoever takes the money.

use crate::id::CheckoutId;
use crate::money::Money;
use crate::payment_request::{Payment, PaymentRequest};
use crate::ports::Cause;

/// The error for a call that the provider did not carry out.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider did not answer in time, refused for load, or cannot be reached. The same call again is safe.
    #[error("the payment provider is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The provider refused, and will again.
    #[error("the payment provider refused: {0}")]
    Refused(#[source] Cause),
    /// The provider accepts no payment of this amount. There is no checkout for it, and there will be none.
    #[error("the payment provider does not accept the amount: {0}")]
    AmountNotAccepted(#[source] Cause),
    /// The provider's answer makes no sense.
    #[error("the payment provider's answer cannot be read: {0}")]
    Unreadable(#[source] Cause),
}

/// A payment page at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The provider's identifier of it.
    pub id: CheckoutId,
    /// The address at which the customer pays.
    pub url: String,
}

/// The outcome of [`PaymentProvider::close_checkout`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// Nobody can pay on it any more, and nobody has.
    Closed,
    /// It had been paid.
    Paid {
        /// The payment.
        payment: Payment,
        /// The amount and its currency.
        money: Money,
    },
    /// The customer has done their part, so nobody can pay on it any more, and the money is in flight.
    Processing {
        /// The payment.
        payment: Payment,
        /// The amount and its currency.
        money: Money,
    },
}

/// The outcome of [`PaymentProvider::refund`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refunding {
    /// The money has gone back.
    Done,
    /// The provider has accepted the refund, and reports by itself when the money has gone back.
    UnderWay,
    /// The provider has accepted the refund, and waits until there is enough money in the account: a person has to put
    /// some there.
    WaitsForFunds,
}

/// Whoever takes the money.
pub trait PaymentProvider: Send + Sync {
    /// Returns the payment page for a request, the same one however often it is asked for: the request's identifier is
    /// the provider's idempotency key. `return_url` is where the customer comes back to.
    fn create_checkout(
        &self,
        request: &PaymentRequest,
        return_url: &str,
    ) -> impl Future<Output = Result<Checkout, ProviderError>> + Send;

    /// Closes a payment page for good, or says that it was paid or is being paid. Closing twice is closing once.
    fn close_checkout(&self, checkout: &CheckoutId) -> impl Future<Output = Result<Closing, ProviderError>> + Send;

    /// Sends a payment back, once however often it is asked for. A refund that failed after it had been accepted is
    /// sent anew.
    fn refund(
        &self,
        request: &PaymentRequest,
        payment: &Payment,
    ) -> impl Future<Output = Result<Refunding, ProviderError>> + Send;
}
