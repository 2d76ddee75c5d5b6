//! Ways to the customer, chosen by `CHANNEL`.

mod answer;
mod clickatell;
mod reports;
mod sms;
mod token;
mod webhook;
mod whatsapp;

use crate::http_client::pause;
use crate::secrets::SecretError;
use domain::ports::{Cause, Channel, ChannelError, Message};
use domain::{Clock, DeliveryFailure, SystemClock};
use runtime::{ConfigError, Environment};
use std::time::Duration;
use tokio::time::{Instant, timeout};

pub use clickatell::{ClickatellChannel, ClickatellReports};
pub use reports::ConfiguredReports;
pub use sms::{SmsChannel, SmsReports};
pub use webhook::{ChatReports, WebhookChannel};
pub use whatsapp::{WhatsAppChannel, WhatsAppReports};

const WEBHOOK: &str = "webhook";
const SMS: &str = "sms";
const WHATSAPP: &str = "whatsapp";
const CLICKATELL: &str = "clickatell";

/// The name of no channel that there is.
fn unknown_channel() -> ConfigError {
    Environment::invalid("CHANNEL", "webhook, sms, whatsapp or clickatell")
}

/// Tries of one message within one run of the function, the first included.
const TRIES: u32 = 4;
/// No try begins later than this after the first. With the longest try and a write of five seconds before and after, a run takes
/// 23 seconds at most: below the function's timeout of 25.
const TRY_AGAIN_WITHIN: Duration = Duration::from_secs(3);
/// One try: a secret that is read and a call, or a call that is made again with a newer token.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// The channel that a deployment is configured with.
#[derive(Debug, Clone)]
pub enum ConfiguredChannel {
    /// The integrator's own chat, told by a signed webhook.
    Webhook(WebhookChannel),
    /// Text messages by AWS End User Messaging.
    Sms(SmsChannel),
    /// WhatsApp by Meta's Cloud API.
    WhatsApp(WhatsAppChannel),
    /// Text messages or WhatsApp by Clickatell.
    Clickatell(ClickatellChannel),
}

impl ConfiguredChannel {
    /// The channel that `CHANNEL` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("CHANNEL")? {
            WEBHOOK => Ok(Self::Webhook(WebhookChannel::new(environment)?)),
            SMS => Ok(Self::Sms(SmsChannel::new(environment)?)),
            WHATSAPP => Ok(Self::WhatsApp(WhatsAppChannel::new(environment)?)),
            CLICKATELL => Ok(Self::Clickatell(ClickatellChannel::new(environment)?)),
            _ => Err(unknown_channel()),
        }
    }

    async fn try_once(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        match self {
            Self::Webhook(channel) => channel.post(message).await,
            Self::Sms(channel) => channel.send(message).await,
            Self::WhatsApp(channel) => channel.send(message).await,
            Self::Clickatell(channel) => channel.send(message).await,
        }
    }
}

impl Channel for ConfiguredChannel {
    /// The integrator's chat keeps the identifiers it has seen. Of the others none documents that it would: neither
    /// `SendTextMessage` nor the Cloud API takes an identifier of the caller's, and Clickatell has one for tracking alone.
    fn drops_repeats(&self) -> bool {
        matches!(self, Self::Webhook(_))
    }

    async fn deliver(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        let started = Instant::now();
        let mut tries = 0;
        loop {
            let error = match timeout(TRY_TIMEOUT, self.try_once(message)).await {
                Ok(Err(error @ ChannelError::Unavailable(_))) => error,
                Ok(settled) => return settled,
                Err(elapsed) if self.drops_repeats() => ChannelError::Unavailable(elapsed.into()),
                Err(elapsed) => return Err(ChannelError::Unconfirmed(elapsed.into())),
            };
            tries += 1;
            let pause = pause(tries);
            if tries == TRIES || started.elapsed() + pause > TRY_AGAIN_WITHIN {
                return Err(error);
            }
            tracing::warn!(%error, event_id = message.event.event_id, "tried again after a pause");
            tokio::time::sleep(pause).await;
            if message.deadline().is_some_and(|deadline| SystemClock.now() >= deadline) {
                return Err(error);
            }
        }
    }
}

/// A refusal for a reason of the channel's own.
fn refused(cause: impl Into<Cause>) -> ChannelError {
    ChannelError::Refused { reason: DeliveryFailure::ChannelRefused, cause: cause.into() }
}

/// Without its secret nothing is sent.
fn secret_error(error: SecretError) -> ChannelError {
    match error {
        SecretError::Unavailable(_) => ChannelError::Unavailable(error.into()),
        SecretError::Wrong(_) => refused(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a message in one word, after a look whether the error shows the number that the tests write to.
    pub(super) fn meaning(outcome: Result<(), ChannelError>) -> &'static str {
        let Err(error) = outcome else { return "sent" };
        let text = error.to_string();
        assert!(!text.contains("27831234567"), "{text}");
        match error {
            ChannelError::Refused { reason, .. } => reason.code(),
            ChannelError::Unavailable(_) => "again",
            ChannelError::Unconfirmed(_) => "unknown",
        }
    }
}
