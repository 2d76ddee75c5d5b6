//! Payment providers, chosen by `PAYMENT_PROVIDER`.
//!
//! A provider is one module here, with a client that implements the port [`PaymentProvider`], its webhooks, and what
//! money it accepts. Whatever differs by provider is asked for in this file alone: another provider is one more name
//! below, and the compiler points at every place that has to know it.

mod sandbox;
mod stripe;

use crate::names::names;
use domain::ports::{Checkout, Closing, PaymentProvider, ProviderError, Refunding};
use domain::use_cases::pay::ProviderEvent;
use domain::{CheckoutId, Money, Payment, PaymentRequest, PaymentRequestId, Timestamp};
use http::HeaderMap;
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};

pub use sandbox::{Sandbox, SandboxWebhooks};
pub use stripe::{Stripe, StripeWebhooks};

names! {
    /// The name of a payment provider: in `PAYMENT_PROVIDER`, in its webhooks' address and in a payment's `provider`.
    pub enum ProviderName {
        /// The stand-in that comes with the local runner.
        Sandbox = "sandbox",
        /// Stripe.
        Stripe = "stripe",
    }
}

impl ProviderName {
    /// Reads `PAYMENT_PROVIDER`.
    ///
    /// # Errors
    /// The variable is missing or names no known provider.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        environment.parse("PAYMENT_PROVIDER", &Self::alternatives())
    }

    /// Checks that the provider accepts an amount, before a customer is asked for it. It needs neither a secret nor the
    /// network.
    ///
    /// # Errors
    /// [`MoneyRefusal`]
    pub fn check(self, money: Money) -> Result<(), MoneyRefusal> {
        match self {
            Self::Sandbox => Ok(()),
            Self::Stripe => stripe::check(money),
        }
    }
}

/// Money that the provider does not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyRefusal {
    /// The field that has to change: `currency` or `amount`.
    pub field: &'static str,
    /// What it has to be, as the end of a sentence about it.
    pub message: String,
}

/// What a webhook says, once its signature has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A report about a payment request.
    Report(ProviderEvent),
    /// A payment that no request can have asked for: an amount out of bounds, an unknown currency.
    ImpossibleMoney(PaymentRequestId),
    /// A refund of ours that the provider had accepted has failed after all.
    RefundFailed(PaymentRequestId),
    /// An event about a request of ours that changes nothing; its type, for the log.
    Ignored(String),
    /// An event of the provider's test mode where money is real, or the other way round; its type, for the log.
    OtherMode(String),
    /// An event that is not about a request of ours; its type, for the log.
    Unrelated(String),
}

/// Evaluates an expression for the client, or for the webhooks, of whichever provider it is.
macro_rules! with_provider {
    ($value:expr, $provider:ident => $expression:expr) => {
        match $value {
            Self::Sandbox($provider) => $expression,
            Self::Stripe($provider) => $expression,
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
}

impl ConfiguredProvider {
    /// Builds the client of the provider that `PAYMENT_PROVIDER` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(match ProviderName::from_environment(environment)? {
            ProviderName::Sandbox => Self::Sandbox(Sandbox::from_environment(environment)?),
            ProviderName::Stripe => Self::Stripe(Stripe::from_environment(environment)?),
        })
    }

    /// The origin of its payment pages, for the browser's policy on where a form may lead.
    #[must_use]
    pub fn checkout_origin(&self) -> &str {
        with_provider!(self, provider => provider.checkout_origin())
    }
}

impl PaymentProvider for ConfiguredProvider {
    async fn create_checkout(&self, request: &PaymentRequest, return_url: &str) -> Result<Checkout, ProviderError> {
        with_provider!(self, provider => provider.create_checkout(request, return_url).await)
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<Closing, ProviderError> {
        with_provider!(self, provider => provider.close_checkout(checkout).await)
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
        with_provider!(self, provider => provider.refund(request, payment).await)
    }
}

/// The webhooks of the provider that a deployment is configured with. Apart from the client, because only the function
/// that receives webhooks may know their secret.
#[derive(Debug, Clone)]
pub enum ConfiguredWebhooks {
    /// See [`ProviderName::Sandbox`].
    Sandbox(SandboxWebhooks),
    /// See [`ProviderName::Stripe`].
    Stripe(StripeWebhooks),
}

impl ConfiguredWebhooks {
    /// Builds the webhooks of the provider that `PAYMENT_PROVIDER` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(match ProviderName::from_environment(environment)? {
            ProviderName::Sandbox => Self::Sandbox(SandboxWebhooks::from_environment(environment)?),
            ProviderName::Stripe => Self::Stripe(StripeWebhooks::from_environment(environment)?),
        })
    }

    /// The provider, with whose name the webhooks' address ends.
    #[must_use]
    pub fn provider(&self) -> ProviderName {
        match self {
            Self::Sandbox(_) => ProviderName::Sandbox,
            Self::Stripe(_) => ProviderName::Stripe,
        }
    }

    /// Verifies a webhook and reads what it says. The signature is checked over the raw bytes, before anything in them
    /// is parsed.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn read(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<WebhookEvent, WebhookError> {
        with_provider!(self, webhooks => webhooks.read(headers, body, now).await)
    }
}
