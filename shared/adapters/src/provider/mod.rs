//! Payment providers, chosen by `PAYMENT_PROVIDER`.
//!
//! A provider is one module here, with a client that implements the port [`PaymentProvider`], its webhooks, and the
//! money that it accepts. What providers share is in `answer`, `budget`, `mode` and `money`. Only this file
//! distinguishes between providers. To add a provider, add a name below; the compiler then reports every other place to
//! change.

mod answer;
mod budget;
mod mode;
mod money;
mod paystack;
mod sandbox;
mod settlements;
mod stripe;
#[cfg(test)]
mod test_support;

use crate::names::names;
use domain::ports::{Checkout, CheckoutState, Closes, PaymentProvider, ProviderError, Refunding};
use domain::use_cases::pay::ProviderEvent;
use domain::{CheckoutAttempt, CheckoutId, Money, Payment, PaymentRequest, PaymentRequestId, Timestamp};
use http::HeaderMap;
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};

pub use paystack::{Paystack, PaystackWebhooks};
pub use sandbox::{Sandbox, SandboxWebhooks};
pub use stripe::{Stripe, StripeWebhooks};

names! {
    /// The name of a payment provider, in `PAYMENT_PROVIDER`, in the URL of its webhooks and in a payment's `provider`.
    pub enum ProviderName {
        /// The sandbox provider, which comes with the local runner.
        Sandbox = "sandbox",
        /// Stripe, by its hosted Checkout.
        Stripe = "stripe",
        /// Paystack, by its hosted checkout.
        Paystack = "paystack",
    }
}

impl ProviderName {
    /// Reads the provider's name from `PAYMENT_PROVIDER`.
    ///
    /// # Errors
    /// The variable is missing or names no known provider.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        environment.parse("PAYMENT_PROVIDER", &Self::alternatives())
    }

    /// Checks that the provider accepts an amount, before a customer is asked for it. The check needs neither a secret
    /// nor the network.
    ///
    /// # Errors
    /// [`MoneyRefusal`]
    pub fn check(self, money: Money) -> Result<(), MoneyRefusal> {
        match self {
            Self::Sandbox => Ok(()),
            Self::Stripe => stripe::check(money),
            Self::Paystack => paystack::check(money),
        }
    }
}

/// The error for money that the provider does not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyRefusal {
    /// The invalid field: `currency` or `amount`.
    pub field: &'static str,
    /// What the field must be, as the end of a sentence about it.
    pub message: String,
}

/// The content of a webhook whose signature has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A report about a payment request.
    Report(ProviderEvent),
    /// A payment that no request can have asked for, because its amount is out of bounds or its currency unknown.
    ImpossibleMoney(PaymentRequestId),
    /// A refund that chat2pay requested and the provider had accepted has failed.
    RefundFailed(PaymentRequestId),
    /// A report about a request of ours with a value that this version does not know. It counts as "not yet": the
    /// request stays as it is until another report comes, or the provider is asked.
    ValueUnknown {
        /// The request.
        id: PaymentRequestId,
        /// The event's type, for the log.
        kind: String,
        /// The field with the unknown value.
        field: &'static str,
    },
    /// An event about a request of ours that changes nothing. Holds its type, for the log.
    Ignored(String),
    /// An event of the provider's test mode in a deployment where money is real, or the other way round. Holds its
    /// type, for the log.
    OtherMode(String),
    /// An event that is not about a request of ours. Holds its type, for the log.
    Unrelated(String),
}

/// Evaluates an expression for the client or the webhooks of any provider.
macro_rules! with_provider {
    ($value:expr, $provider:ident => $expression:expr) => {
        match $value {
            Self::Sandbox($provider) => $expression,
            Self::Stripe($provider) => $expression,
            Self::Paystack($provider) => $expression,
        }
    };
}

/// The client of the provider that a deployment is configured with.
#[derive(Debug, Clone)]
pub enum ConfiguredProvider {
    /// See [`ProviderName::Sandbox`].
    Sandbox(Sandbox),
    /// See [`ProviderName::Stripe`].
    Stripe(Stripe),
    /// See [`ProviderName::Paystack`].
    Paystack(Paystack),
}

impl ConfiguredProvider {
    /// Builds the client of the provider that `PAYMENT_PROVIDER` names, from its own variables.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(match ProviderName::from_environment(environment)? {
            ProviderName::Sandbox => Self::Sandbox(Sandbox::from_environment(environment)?),
            ProviderName::Stripe => Self::Stripe(Stripe::from_environment(environment)?),
            ProviderName::Paystack => Self::Paystack(Paystack::from_environment(environment)?),
        })
    }

    /// Returns the client for what customers cause by their presses. It retries a request's first attempt to create a
    /// checkout and nothing else: the customer presses again, and a storm of presses must not become one of calls.
    #[must_use]
    pub fn for_presses(self) -> Self {
        match self {
            // Its client never retries.
            Self::Sandbox(_) => self,
            Self::Stripe(stripe) => Self::Stripe(stripe.for_presses()),
            Self::Paystack(paystack) => Self::Paystack(paystack.for_presses()),
        }
    }

    /// Returns the origin of the provider's payment pages, for the Content Security Policy's `form-action`.
    #[must_use]
    pub fn checkout_origin(&self) -> &str {
        with_provider!(self, provider => provider.checkout_origin())
    }
}

impl PaymentProvider for ConfiguredProvider {
    fn name(&self) -> &'static str {
        with_provider!(self, provider => provider.name())
    }

    fn closes(&self) -> Closes {
        with_provider!(self, provider => provider.closes())
    }

    async fn create_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempt: CheckoutAttempt,
    ) -> Result<Checkout, ProviderError> {
        with_provider!(self, provider => provider.create_checkout(request, link, attempt).await)
    }

    async fn find_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempts: CheckoutAttempt,
        known: Option<CheckoutId>,
    ) -> Result<Option<CheckoutId>, ProviderError> {
        with_provider!(self, provider => provider.find_checkout(request, link, attempts, known).await)
    }

    async fn check_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        with_provider!(self, provider => provider.check_checkout(checkout).await)
    }

    fn repeats_pages(&self) -> bool {
        with_provider!(self, provider => provider.repeats_pages())
    }

    async fn check_page_of(&self, payment: &Payment) -> Result<Option<CheckoutState>, ProviderError> {
        with_provider!(self, provider => provider.check_page_of(payment).await)
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        with_provider!(self, provider => provider.close_checkout(checkout).await)
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
        with_provider!(self, provider => provider.refund(request, payment).await)
    }
}

/// The webhooks of the provider that a deployment is configured with. They are separate from the client, because only
/// the function that receives webhooks may know their secret, where they have one of their own.
#[derive(Debug, Clone)]
pub enum ConfiguredWebhooks {
    /// See [`ProviderName::Sandbox`].
    Sandbox(SandboxWebhooks),
    /// See [`ProviderName::Stripe`].
    Stripe(StripeWebhooks),
    /// See [`ProviderName::Paystack`].
    Paystack(PaystackWebhooks),
}

impl ConfiguredWebhooks {
    /// Builds the webhooks of the provider that `PAYMENT_PROVIDER` names, from its own variables.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(match ProviderName::from_environment(environment)? {
            ProviderName::Sandbox => Self::Sandbox(SandboxWebhooks::from_environment(environment)?),
            ProviderName::Stripe => Self::Stripe(StripeWebhooks::from_environment(environment)?),
            ProviderName::Paystack => Self::Paystack(PaystackWebhooks::from_environment(environment)?),
        })
    }

    /// Returns the provider's name, with which the URL of its webhooks ends.
    #[must_use]
    pub fn provider(&self) -> ProviderName {
        match self {
            Self::Sandbox(_) => ProviderName::Sandbox,
            Self::Stripe(_) => ProviderName::Stripe,
            Self::Paystack(_) => ProviderName::Paystack,
        }
    }

    /// Verifies and parses a webhook. The signature is verified over the raw bytes, before anything in them is parsed.
    /// Where a signature proves too little, the provider is asked whether the webhook is true.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn read(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<WebhookEvent, WebhookError> {
        with_provider!(self, webhooks => webhooks.read(headers, body, now).await)
    }
}
