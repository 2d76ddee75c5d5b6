//! Ways to the customer's chat, chosen by `CHANNEL`.

mod webhook;

use domain::ports::{Channel, ChannelError, Message};
use runtime::{ConfigError, Environment};

pub use webhook::WebhookChannel;

/// The channel that a deployment is configured with.
#[derive(Debug, Clone)]
pub enum ConfiguredChannel {
    /// The integrator's own chat, told by a signed webhook.
    Webhook(WebhookChannel),
}

impl ConfiguredChannel {
    /// The channel that `CHANNEL` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("CHANNEL")? {
            "webhook" => Ok(Self::Webhook(WebhookChannel::new(environment)?)),
            _ => Err(Environment::invalid("CHANNEL", "webhook")),
        }
    }
}

impl Channel for ConfiguredChannel {
    async fn deliver(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        match self {
            Self::Webhook(channel) => channel.deliver(message).await,
        }
    }
}
