//! The port for the payment provider.

use crate::checkout_attempt::CheckoutAttempt;
use crate::id::CheckoutId;
use crate::money::Money;
use crate::payment_request::{Payment, PaymentRequest};
use crate::ports::Cause;
use crate::time::Timestamp;

/// The error for a call that the provider did not complete.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider did not respond in time, is overloaded, or cannot be reached. Retrying the call is safe.
    #[error("the payment provider is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The provider rejected the call, and would reject it again.
    #[error("the payment provider rejected the call: {0}")]
    Refused(#[source] Cause),
    /// The provider does not accept this amount, or a checkout that ends at this time. No checkout exists, and none can
    /// be created.
    #[error("the payment provider does not accept the amount: {0}")]
    AmountNotAccepted(#[source] Cause),
    /// The provider's response is invalid.
    #[error("the payment provider's answer is invalid: {0}")]
    Unreadable(#[source] Cause),
}

/// A payment page at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The checkout's identifier at the provider.
    pub id: CheckoutId,
    /// The address at which the customer pays.
    pub url: String,
}

/// The state of a payment page at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckoutState {
    /// The page is unpaid, and the customer may still pay on it.
    Open,
    /// The page is unpaid and closed, so nobody can pay on it any more.
    Closed,
    /// The page is paid. A customer may have paid on the pages of several attempts: these are all payments, at least
    /// one, the earliest first.
    Paid(Vec<Arrival>),
    /// The customer has done their part and the money is in flight.
    Processing {
        /// The payment.
        payment: Payment,
        /// The amount and its currency.
        money: Money,
    },
    /// The customer had done their part and the payment failed, and nothing else is paid or in flight. Nobody can pay
    /// on the page any more, unless the provider's pages never close.
    Failed {
        /// The provider's own identifiers of the payments, at least one.
        references: Vec<String>,
    },
}

/// A payment whose money has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The payment. Its time is the latest at which the customer can have done their part.
    pub payment: Payment,
    /// The earliest such time; the same if the provider says exactly when it was.
    pub earliest: Timestamp,
    /// The amount and its currency.
    pub money: Money,
}

impl Arrival {
    /// Builds the arrival of a payment whose time the provider knows exactly.
    #[must_use]
    pub fn at_its_time(payment: Payment, money: Money) -> Self {
        Self { earliest: payment.paid_at, payment, money }
    }
}

/// How a provider's payment pages close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closes {
    /// When chat2pay asks for it ([`PaymentProvider::close_checkout`]).
    OnDemand,
    /// By themselves, at the deadline that the request had when the page was created.
    AtItsTime,
    /// Never while a customer may have them open.
    Never,
}

/// The outcome of [`PaymentProvider::refund`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refunding {
    /// The refunded money has arrived.
    Done,
    /// The provider has accepted the refund, and will report when it is complete.
    UnderWay,
    /// The provider has accepted the refund, and will send it once a person has done something: added funds to the
    /// account, or said where to send the money.
    WaitsForFunds,
    /// The provider has accepted the refund, and reports a status that this version does not know. It counts as under
    /// way.
    StatusUnknown,
}

/// A payment provider.
pub trait PaymentProvider: Send + Sync {
    /// Returns the provider's name, as in [`Payment::provider`].
    fn name(&self) -> &'static str;

    /// Returns how the provider's payment pages close.
    fn closes(&self) -> Closes;

    /// Returns whether repeated calls of [`PaymentProvider::create_checkout`] return the same page, as those of a
    /// provider with idempotency keys do.
    fn repeats_pages(&self) -> bool;

    /// Returns the payment page for a request. The customer returns from it to [`back_url`](crate::event::back_url) of
    /// `link` if they gave up there, and to [`done_url`](crate::event::done_url) otherwise.
    ///
    /// Repeated calls return the same page where the provider has idempotency keys: the request's identifier is the
    /// key. Any other provider is told the attempt, so that it can tell the calls apart; its checkout's identifier
    /// stands for those of all attempts up to this one.
    fn create_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempt: CheckoutAttempt,
    ) -> impl Future<Output = Result<Checkout, ProviderError>> + Send;

    /// Returns the checkout of a request for which `attempts` calls of [`PaymentProvider::create_checkout`] may have
    /// been made, answered or not. Returns `None` if the request has no checkout, so that nobody can pay. `known` is
    /// the checkout of one of these attempts, if one was answered.
    ///
    /// `known` may be of a later attempt than `attempts`: a look that found a checkout keeps it, and not the number.
    /// Then it is returned, as it stands for more attempts. An answer that cannot be read is an error, never `None`.
    ///
    /// A provider with idempotency keys has one checkout of all attempts. If it is not known, and the provider closes
    /// [`Closes::OnDemand`], it is created: otherwise a call that is still in flight could create one afterwards.
    fn find_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempts: CheckoutAttempt,
        known: Option<CheckoutId>,
    ) -> impl Future<Output = Result<Option<CheckoutId>, ProviderError>> + Send;

    /// Returns the state of a payment page, and changes nothing.
    fn check_checkout(
        &self,
        checkout: &CheckoutId,
    ) -> impl Future<Output = Result<CheckoutState, ProviderError>> + Send;

    /// Returns the state of the page on which a payment in flight was made; `None` from a provider with one page for
    /// each request, whose state says it.
    fn check_page_of(
        &self,
        _payment: &Payment,
    ) -> impl Future<Output = Result<Option<CheckoutState>, ProviderError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Closes a payment page for good, unless it is paid or a payment is in flight. Returns its state afterwards, which
    /// is not [`CheckoutState::Open`]. This is idempotent. It is called only for providers that close
    /// [`Closes::OnDemand`].
    fn close_checkout(
        &self,
        checkout: &CheckoutId,
    ) -> impl Future<Output = Result<CheckoutState, ProviderError>> + Send;

    /// Refunds a payment. This is idempotent, but a refund that failed after it was accepted is requested again.
    fn refund(
        &self,
        request: &PaymentRequest,
        payment: &Payment,
    ) -> impl Future<Output = Result<Refunding, ProviderError>> + Send;
}
