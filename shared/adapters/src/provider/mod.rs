//! Payment providers, chosen by `PAYMENT_PROVIDER`.

mod sandbox;

use crate::secrets::SecretError;
use domain::ports::{Checkout, Closing, PaymentProvider, ProviderError};
use domain::use_cases::pay::ProviderEvent;
use domain::{CheckoutId, Payment, PaymentRequest, PaymentRequestId, Timestamp};
use http::HeaderMap;
use runtime::{ConfigError, Environment};

pub use sandbox::{Sandbox, SandboxWebhooks};

/// What a webhook said, once its signature has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookEvent {
    /// Something about a payment request.
    Report(ProviderEvent),
    /// A payment that no request can have asked for: an amount out of bounds, an unknown currency.
    ImpossibleMoney(PaymentRequestId),
    /// Something that is none of ours; its type, for the log.
    Foreign(String),
}

/// A webhook that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Its signature is missing, wrong, or made at another time than now.
    #[error("the signature does not hold: {0}")]
    Signature(#[from] runtime::webhook::SignatureError),
    /// The secret to hold it against cannot be had. The provider sends the webhook again.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is signed, but not what the provider sends.
    #[error("the body cannot be read: {0}")]
    Unreadable(String),
}

/// The provider that a deployment is configured with.
#[derive(Debug, Clone)]
pub enum ConfiguredProvider {
    /// The stand-in that comes with the local runner.
    Sandbox(Sandbox),
}

impl ConfiguredProvider {
    /// The provider that `PAYMENT_PROVIDER` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("PAYMENT_PROVIDER")? {
            "sandbox" => Ok(Self::Sandbox(Sandbox::new(environment)?)),
            _ => Err(Environment::invalid("PAYMENT_PROVIDER", "sandbox")),
        }
    }

    /// Where its payment pages are, for the browser's policy on where a form may lead.
    #[must_use]
    pub fn checkout_origin(&self) -> &str {
        match self {
            Self::Sandbox(sandbox) => sandbox.checkout_origin(),
        }
    }
}

/// The webhooks of the provider that a deployment is configured with. Apart from the provider itself, because only the
/// function that takes them may know their secret.
#[derive(Debug, Clone)]
pub enum ConfiguredWebhooks {
    /// The stand-in that comes with the local runner.
    Sandbox(SandboxWebhooks),
}

impl ConfiguredWebhooks {
    /// The webhooks of the provider that `PAYMENT_PROVIDER` names.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("PAYMENT_PROVIDER")? {
            "sandbox" => Ok(Self::Sandbox(SandboxWebhooks::new(environment)?)),
            _ => Err(Environment::invalid("PAYMENT_PROVIDER", "sandbox")),
        }
    }

    /// The name their address ends with.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => sandbox::NAME,
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
        }
    }
}

impl PaymentProvider for ConfiguredProvider {
    async fn create_checkout(&self, request: &PaymentRequest, return_url: &str) -> Result<Checkout, ProviderError> {
        match self {
            Self::Sandbox(sandbox) => sandbox.create_checkout(request, return_url).await,
        }
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<Closing, ProviderError> {
        match self {
            Self::Sandbox(sandbox) => sandbox.close_checkout(checkout).await,
        }
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<(), ProviderError> {
        match self {
            Self::Sandbox(sandbox) => sandbox.refund(request, payment).await,
        }
    }
}
