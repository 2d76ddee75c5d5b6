//! Ways to the customer, chosen by `CHANNEL`.
//!
//! A channel is one module here, with a [`Sender`] of messages and with [`Reports`] of what became of them. Whatever
//! differs by channel is asked for in this file alone: another channel is one more name below, and the compiler points
//! at every place that has to know it.

mod clickatell;
mod exchange;
mod reports;
mod sender;
mod sms;
mod token;
mod webhook;
mod whatsapp;

use self::reports::Reports;
use self::sender::Sender;
use crate::names::names;
use domain::ports::{Channel, ChannelError, Message};
use domain::{DeliveryReport, Timestamp};
use http::HeaderMap;
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};

pub use self::clickatell::{ClickatellChannel, ClickatellReports};
pub use self::sms::{SmsChannel, SmsReports};
pub use self::webhook::{ChatReports, WebhookChannel};
pub use self::whatsapp::{WhatsAppChannel, WhatsAppReports};

names! {
    /// The name of a channel: in `CHANNEL`, and in the address of its reports.
    pub enum ChannelName {
        /// The integrator's own chat, by signed webhooks.
        Webhook = "webhook",
        /// Text messages by AWS End User Messaging.
        Sms = "sms",
        /// WhatsApp by Meta's Cloud API.
        WhatsApp = "whatsapp",
        /// Text messages or WhatsApp by Clickatell.
        Clickatell = "clickatell",
    }
}

impl ChannelName {
    /// Reads `CHANNEL`.
    ///
    /// # Errors
    /// The variable is missing or names no known channel.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        environment.parse("CHANNEL", &Self::alternatives())
    }
}

/// Evaluates an expression for the sender, or for the reports, of whichever channel it is.
macro_rules! with_channel {
    ($value:expr, $channel:ident => $expression:expr) => {
        match $value {
            Self::Webhook($channel) => $expression,
            Self::Sms($channel) => $expression,
            Self::WhatsApp($channel) => $expression,
            Self::Clickatell($channel) => $expression,
        }
    };
}

/// The channel that a deployment is configured with.
#[derive(Debug, Clone)]
pub enum ConfiguredChannel {
    /// See [`ChannelName::Webhook`].
    Webhook(WebhookChannel),
    /// See [`ChannelName::Sms`].
    Sms(SmsChannel),
    /// See [`ChannelName::WhatsApp`].
    WhatsApp(WhatsAppChannel),
    /// See [`ChannelName::Clickatell`].
    Clickatell(ClickatellChannel),
}

impl ConfiguredChannel {
    /// Builds the channel that `CHANNEL` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(match ChannelName::from_environment(environment)? {
            ChannelName::Webhook => Self::Webhook(WebhookChannel::from_environment(environment)?),
            ChannelName::Sms => Self::Sms(SmsChannel::from_environment(environment)?),
            ChannelName::WhatsApp => Self::WhatsApp(WhatsAppChannel::from_environment(environment)?),
            ChannelName::Clickatell => Self::Clickatell(ClickatellChannel::from_environment(environment)?),
        })
    }
}

impl Channel for ConfiguredChannel {
    fn drops_repeats(&self) -> bool {
        with_channel!(self, channel => channel.drops_repeats())
    }

    async fn deliver(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        with_channel!(self, channel => sender::deliver(channel, message).await)
    }
}

/// The reports of the channel that a deployment is configured with. Apart from the channel itself: the function that
/// receives reports need not be able to send a message.
#[derive(Debug, Clone)]
pub enum ConfiguredReports {
    /// The integrator's own chat reports by a signed webhook.
    Webhook(ChatReports),
    /// AWS reports by a notification within the account.
    Sms(SmsReports),
    /// Meta reports by a signed webhook.
    WhatsApp(WhatsAppReports),
    /// Clickatell reports by a callback.
    Clickatell(ClickatellReports),
}

impl ConfiguredReports {
    /// Builds the reports of the channel that `CHANNEL` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(match ChannelName::from_environment(environment)? {
            ChannelName::Webhook => Self::Webhook(ChatReports::from_environment(environment)?),
            ChannelName::Sms => Self::Sms(SmsReports),
            ChannelName::WhatsApp => Self::WhatsApp(WhatsAppReports::from_environment(environment)?),
            ChannelName::Clickatell => Self::Clickatell(ClickatellReports::from_environment(environment)?),
        })
    }

    /// The channel, with whose name the reports' address ends.
    #[must_use]
    pub fn channel(&self) -> ChannelName {
        match self {
            Self::Webhook(_) => ChannelName::Webhook,
            Self::Sms(_) => ChannelName::Sms,
            Self::WhatsApp(_) => ChannelName::WhatsApp,
            Self::Clickatell(_) => ChannelName::Clickatell,
        }
    }

    /// The most bytes of a report that comes over HTTP; none if no report comes that way.
    #[must_use]
    pub fn body_at_most(&self) -> Option<usize> {
        with_channel!(self, reports => reports.body_at_most())
    }

    /// Verifies what came over HTTP, and reads which links will not arrive. What arrived, and what is about other
    /// messages, is nothing to report.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<DeliveryReport>, WebhookError> {
        with_channel!(self, reports => reports.read(headers, body, now).await)
    }

    /// Returns the challenge by which the channel finds out whose an address is, if `token` is the one that was agreed
    /// on; none if it is not, or if the channel sends no challenges.
    #[must_use]
    pub fn challenge<'a>(&self, token: &str, challenge: &'a str) -> Option<&'a str> {
        with_channel!(self, reports => reports.verifies(token)).then_some(challenge)
    }

    /// Whether reports come as notifications within the AWS account.
    #[must_use]
    pub fn come_as_notifications(&self) -> bool {
        with_channel!(self, reports => reports.come_as_notifications())
    }

    /// Reads which link will not arrive, if any, from a notification within the AWS account.
    ///
    /// # Errors
    /// It is not a report of the channel's.
    pub fn read_notification(&self, message: &str) -> Result<Option<DeliveryReport>, serde_json::Error> {
        with_channel!(self, reports => reports.read_notification(message))
    }
}
