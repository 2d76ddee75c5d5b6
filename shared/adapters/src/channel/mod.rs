//! Channels to the customer, chosen by `CHANNEL`.
//!
//! A channel is one module here, with a [`Sender`] of messages and the [`Reports`] of their delivery. Only this file
//! distinguishes between channels. To add a channel, add a name below; the compiler then reports every other place to
//! change.

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
use domain::Timestamp;
use domain::ports::{Channel, ChannelError, Message};
use http::HeaderMap;
use runtime::json::Unreadable;
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};

pub use self::clickatell::{ClickatellChannel, ClickatellReports};
pub use self::reports::{ReportedOutcome, UnknownPart};
pub use self::sms::{SmsChannel, SmsReports};
pub use self::webhook::{ChatReports, WebhookChannel};
pub use self::whatsapp::{WhatsAppChannel, WhatsAppReports};

names! {
    /// The name of a channel, in `CHANNEL` and in the URL of its reports.
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
    /// Reads the channel's name from `CHANNEL`.
    ///
    /// # Errors
    /// The variable is missing or names no known channel.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        environment.parse("CHANNEL", &Self::alternatives())
    }
}

/// Evaluates an expression for the sender or the reports of any channel.
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
    /// Builds the channel that `CHANNEL` names, from its own variables.
    ///
    /// # Errors
    /// A variable is missing or invalid.
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

/// The reports of the channel that a deployment is configured with. They are separate from the channel, because the
/// function that receives reports does not need the right to send messages.
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
    /// Builds the reports of the channel that `CHANNEL` names, from its own variables.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(match ChannelName::from_environment(environment)? {
            ChannelName::Webhook => Self::Webhook(ChatReports::from_environment(environment)?),
            ChannelName::Sms => Self::Sms(SmsReports),
            ChannelName::WhatsApp => Self::WhatsApp(WhatsAppReports::from_environment(environment)?),
            ChannelName::Clickatell => Self::Clickatell(ClickatellReports::from_environment(environment)?),
        })
    }

    /// Returns the channel's name, with which the URL of its reports ends.
    #[must_use]
    pub fn channel(&self) -> ChannelName {
        match self {
            Self::Webhook(_) => ChannelName::Webhook,
            Self::Sms(_) => ChannelName::Sms,
            Self::WhatsApp(_) => ChannelName::WhatsApp,
            Self::Clickatell(_) => ChannelName::Clickatell,
        }
    }

    /// Returns the maximum size of a report over HTTP, in bytes; `None` if the channel does not report over HTTP.
    #[must_use]
    pub fn body_at_most(&self) -> Option<usize> {
        with_channel!(self, reports => reports.body_at_most())
    }

    /// Returns whether a report's sender is known before its body is read. Anybody can send what is not signed.
    #[must_use]
    pub fn are_signed(&self) -> bool {
        with_channel!(self, reports => reports.are_signed())
    }

    /// Verifies a webhook and returns the links that will not arrive, and the parts that this version does not know.
    /// Reports of delivered messages and of messages without a link are ignored.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<ReportedOutcome>, WebhookError> {
        with_channel!(self, reports => reports.read(headers, body, now).await)
    }

    /// Returns the challenge with which the channel verifies the owner of the webhook's address, if `token` is the
    /// agreed one. Returns `None` if it is not, or if the channel sends no challenges.
    #[must_use]
    pub fn challenge<'a>(&self, token: &str, challenge: &'a str) -> Option<&'a str> {
        with_channel!(self, reports => reports.verifies(token)).then_some(challenge)
    }

    /// Returns whether the channel reports by notifications within the AWS account.
    #[must_use]
    pub fn come_as_notifications(&self) -> bool {
        with_channel!(self, reports => reports.come_as_notifications())
    }

    /// Reads a notification within the AWS account; `None` if it says nothing that has to be recorded or counted.
    ///
    /// # Errors
    /// The notification is not a report of this channel.
    pub fn read_notification(&self, message: &str) -> Result<Option<ReportedOutcome>, Unreadable> {
        with_channel!(self, reports => reports.read_notification(message))
    }
}
