//! Delivery of webhooks from a stand-in to a merchant.

use crate::durable::Attempt;
use reqwest::RequestBuilder;
use runtime::{ConfigError, Environment};

/// Whether a stand-in provider tells the merchant anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Webhooks {
    /// It sends its webhooks.
    On,
    /// It sends none: each webhook is lost, to try what a lost report does.
    Off,
}

impl Webhooks {
    /// Reads `SANDBOX_WEBHOOKS`: `on` (the default) or `off`. It is for the stand-in of every provider.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for any other value.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        const NAME: &str = "SANDBOX_WEBHOOKS";
        Self::parse(environment.get(NAME)).ok_or_else(|| Environment::invalid(NAME, "on or off"))
    }

    /// Parses `on`, which a missing value means too, or `off`.
    pub(crate) fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("on") => Some(Self::On),
            Some("off") => Some(Self::Off),
            Some(_) => None,
        }
    }

    /// Makes one attempt to deliver a webhook. Any response other than a success counts as failed and is retried. A
    /// webhook that is not to be sent is lost, and counts as delivered.
    pub async fn deliver(self, webhook: RequestBuilder) -> Attempt {
        if self == Self::Off {
            tracing::info!("webhook lost: SANDBOX_WEBHOOKS is off");
            return Attempt::Done;
        }
        match webhook.send().await {
            Ok(response) if response.status().is_success() => Attempt::Done,
            Ok(response) => Attempt::Failed(format!("the merchant answered {}", response.status())),
            Err(error) => Attempt::Failed(error.without_url().to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_sent_unless_they_are_switched_off() {
        let read = |value: &str| Webhooks::from_environment(&Environment::default().with("SANDBOX_WEBHOOKS", value));
        assert_eq!(Webhooks::from_environment(&Environment::default()).unwrap(), Webhooks::On);
        assert_eq!(read("on").unwrap(), Webhooks::On);
        assert_eq!(read("off").unwrap(), Webhooks::Off);
        assert!(read("OFF").unwrap_err().to_string().contains("SANDBOX_WEBHOOKS"));
    }
}
