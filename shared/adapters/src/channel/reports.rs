//! What channels say later of messages that they had taken.

use super::clickatell::ClickatellReports;
use super::sms::SmsReports;
use super::webhook::ChatReports;
use super::whatsapp::WhatsAppReports;
use super::{CLICKATELL, SMS, WEBHOOK, WHATSAPP, unknown_channel};
use crate::WebhookError;
use domain::{DeliveryReport, Timestamp};
use http::HeaderMap;
use runtime::{ConfigError, Environment};

/// Reports of single messages.
const REPORT_AT_MOST: usize = 16 * 1024;
/// Clickatell may report several messages at once.
const CALLBACK_AT_MOST: usize = 256 * 1024;
/// Meta sends what has gathered at once, all messages of the account and of its customers included
/// (<https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks>). What is refused as too long comes again just as
/// long. In base64 this is 4 MiB of the 6 MB that Lambda takes.
const NOTIFICATION_AT_MOST: usize = 3 * 1024 * 1024;

/// The reports of the channel that a deployment is configured with. Apart from the channel itself: whoever hears that a
/// message did not arrive need not be able to send one.
#[derive(Debug, Clone)]
pub enum ConfiguredReports {
    /// The integrator's own chat says so by a signed webhook.
    Webhook(ChatReports),
    /// AWS says so by a notification within the account.
    Sms(SmsReports),
    /// Meta says so by a signed webhook.
    WhatsApp(WhatsAppReports),
    /// Clickatell says so by a callback.
    Clickatell(ClickatellReports),
}

impl ConfiguredReports {
    /// The reports of the channel that `CHANNEL` names, with its own variables.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("CHANNEL")? {
            WEBHOOK => Ok(Self::Webhook(ChatReports::new(environment)?)),
            SMS => Ok(Self::Sms(SmsReports)),
            WHATSAPP => Ok(Self::WhatsApp(WhatsAppReports::new(environment)?)),
            CLICKATELL => Ok(Self::Clickatell(ClickatellReports::new(environment)?)),
            _ => Err(unknown_channel()),
        }
    }

    /// The name that their address ends with; none for reports that come by another way.
    #[must_use]
    pub fn address(&self) -> Option<&'static str> {
        match self {
            Self::Webhook(_) => Some(WEBHOOK),
            Self::Sms(_) => None,
            Self::WhatsApp(_) => Some(WHATSAPP),
            Self::Clickatell(_) => Some(CLICKATELL),
        }
    }

    /// How many bytes a report may have that comes over HTTP.
    #[must_use]
    pub fn body_at_most(&self) -> usize {
        match self {
            Self::Webhook(_) | Self::Sms(_) => REPORT_AT_MOST,
            Self::WhatsApp(_) => NOTIFICATION_AT_MOST,
            Self::Clickatell(_) => CALLBACK_AT_MOST,
        }
    }

    /// Verifies what came over HTTP, and reads which links will not arrive. What arrived, and what is about other messages, is
    /// nothing to report.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<DeliveryReport>, WebhookError> {
        match self {
            Self::Webhook(reports) => reports.read(headers, body, now).await,
            Self::Sms(_) => Ok(Vec::new()),
            Self::WhatsApp(reports) => reports.read(headers, body).await,
            Self::Clickatell(reports) => reports.read(body).await,
        }
    }

    /// Answers the question by which Meta finds out whose an address is: with the challenge, if the token is the one that was
    /// agreed on.
    #[must_use]
    pub fn challenge<'a>(&self, token: &str, challenge: &'a str) -> Option<&'a str> {
        match self {
            Self::WhatsApp(reports) if reports.knows(token) => Some(challenge),
            _ => None,
        }
    }
}
