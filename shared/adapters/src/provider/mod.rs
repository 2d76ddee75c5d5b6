//! Payment providers, chosen by `PAYMENT_PROVIDER`.

mod sandbox;
mod stripe;

use crate::WebhookError;
use domain::ports::{Checkout, Closing, PaymentProvider, ProviderError, Refunding};
use domain::use_cases::pay::ProviderEvent;
use domain::{CheckoutId, Money, Payment, PaymentRequest, PaymentRequestId, Timestamp};
use http::HeaderMap;
use runtime::{ConfigError, Environment};

pub use sandbox::{Sandbox, SandboxWebhooks};
pub use stripe::{Stripe, StripeWebhooks};

/// What a webhook said, once its signature has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookEvent {
    /// Something about a payment request.
    Report(ProviderEvent),
    /// A payment that no request can have asked for: an amount out of bounds, an unknown currency.
    ImpossibleMoney(PaymentRequestId),
    /// A refund of ours that the provider had taken on has failed after all.
    RefundFailed(PaymentRequestId),
    /// Something about a request of ours of which there is nothing to do; its type, for the log.
    Nothing(String),
    /// Something of the provider's test mode where money is real, or the other way round; its type, for the log.
    OtherMode(String),
    /// Something that is none of ours; its type, for the log.
    Foreign(String),
}

/// The provider that a deployment is configured with.
#[derive(Debug, Clone)]
pub enum ConfiguredProvider {
    /// The stand-in that comes with the local runner.
    Sandbox(Sandbox),
    /// Stripe.
    Stripe(Stripe),
}

/// The name of no provider that there is.
fn unknown_provider() -> ConfigError {
    Environment::invalid("PAYMENT_PROVIDER", "sandbox or stripe")
}

impl ConfiguredProvider {
    /// The provider that `PAYMENT_PROVIDER` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("PAYMENT_PROVIDER")? {
            sandbox::NAME => Ok(Self::Sandbox(Sandbox::new(environment)?)),
            stripe::NAME => Ok(Self::Stripe(Stripe::new(environment)?)),
            _ => Err(unknown_provider()),
        }
    }

    /// Where its payment pages are, for the browser's policy on where a form may lead.
    #[must_use]
    pub fn checkout_origin(&self) -> &str {
        match self {
            Self::Sandbox(sandbox) => sandbox.checkout_origin(),
            Self::Stripe(stripe) => stripe.checkout_origin(),
        }
    }
}

/// The webhooks of the provider that a deployment is configured with. Apart from the provider itself, because only the
/// function that takes them may know their secret.
#[derive(Debug, Clone)]
pub enum ConfiguredWebhooks {
    /// The stand-in that comes with the local runner.
    Sandbox(SandboxWebhooks),
    /// Stripe.
    Stripe(StripeWebhooks),
}

impl ConfiguredWebhooks {
    /// The webhooks of the provider that `PAYMENT_PROVIDER` names.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("PAYMENT_PROVIDER")? {
            sandbox::NAME => Ok(Self::Sandbox(SandboxWebhooks::new(environment)?)),
            stripe::NAME => Ok(Self::Stripe(StripeWebhooks::new(environment)?)),
            _ => Err(unknown_provider()),
        }
    }

    /// The name their address ends with.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => sandbox::NAME,
            Self::Stripe(_) => stripe::NAME,
        }
    }

    /// Verifies a webhook and reads what it says. The signature is checked over the raw bytes, before anything in them
    /// is looked at.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn read(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<WebhookEvent, WebhookError> {
        match self {
            Self::Sandbox(webhooks) => webhooks.read(headers, body, now).await,
            Self::Stripe(webhooks) => webhooks.read(headers, body, now).await,
        }
    }
}

/// What money the provider that a deployment is configured with takes. Apart from the provider itself: it needs neither a
/// secret nor the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptedMoney {
    /// All that there is.
    Any,
    /// What Stripe takes.
    Stripe,
}

/// Money that the provider does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyRefusal {
    /// The field that has to change: `currency` or `amount`.
    pub field: &'static str,
    /// What it has to be, as the end of a sentence about it.
    pub message: String,
}

impl AcceptedMoney {
    /// What the provider that `PAYMENT_PROVIDER` names takes.
    ///
    /// # Errors
    /// The variable is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("PAYMENT_PROVIDER")? {
            sandbox::NAME => Ok(Self::Any),
            stripe::NAME => Ok(Self::Stripe),
            _ => Err(unknown_provider()),
        }
    }

    /// Checks an amount before anybody is asked for it.
    ///
    /// # Errors
    /// [`MoneyRefusal`]
    pub fn check(self, money: Money) -> Result<(), MoneyRefusal> {
        match self {
            Self::Any => Ok(()),
            Self::Stripe => stripe::check(money),
        }
    }
}

impl PaymentProvider for ConfiguredProvider {
    async fn create_checkout(&self, request: &PaymentRequest, return_url: &str) -> Result<Checkout, ProviderError> {
        match self {
            Self::Sandbox(sandbox) => sandbox.create_checkout(request, return_url).await,
            Self::Stripe(stripe) => stripe.create_checkout(request, return_url).await,
        }
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<Closing, ProviderError> {
        match self {
            Self::Sandbox(sandbox) => sandbox.close_checkout(checkout).await,
            Self::Stripe(stripe) => stripe.close_checkout(checkout).await,
        }
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
        match self {
            Self::Sandbox(sandbox) => sandbox.refund(request, payment).await,
            Self::Stripe(stripe) => stripe.refund(request, payment).await,
        }
    }
}
