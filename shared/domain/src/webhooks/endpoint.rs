//! The endpoints of integrators, and their secrets.

use super::address::Reach;
use super::schedule::ROTATION;
use crate::doors::{NoRandomness, Randomness};
use crate::event::DetailType;
use crate::invalid::Invalid;
use crate::people::WorkspaceId;
use crate::text::text;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use url::Url;

/// The number of endpoints that a workspace may have.
pub const ENDPOINTS_AT_MOST: usize = 20;

/// The number of secrets that sign at once: the current one, and the earlier ones of one day.
const SECRETS_AT_MOST: usize = 4;

/// An endpoint's identifier: `whe_` and 22 letters and digits, made of 128 random bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointId(String);

impl EndpointId {
    const PREFIX: &'static str = "whe_";

    /// Generates an identifier.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn random(randomness: &impl Randomness) -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        randomness.fill(&mut bytes)?;
        Ok(Self(format!("{}{}", Self::PREFIX, bs58::encode(bytes).into_string())))
    }

    /// Returns the identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for EndpointId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let rest = text.strip_prefix(Self::PREFIX);
        let is_one =
            |rest: &str| (16..=22).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if rest.is_some_and(is_one) { Ok(Self(text.to_owned())) } else { Err(Invalid("is not a webhook endpoint")) }
    }
}

impl TryFrom<String> for EndpointId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<EndpointId> for String {
    fn from(id: EndpointId) -> Self {
        id.0
    }
}

text!(
    /// What an endpoint is for, in its owner's words: 1 to 200 characters.
    EndpointDescription,
    1..=200_usize,
    |text| !text.chars().any(char::is_control),
    "must be at most 200 characters, none of them a control character"
);

/// The address of an endpoint, in the form in which it is called. It was allowed when it was registered.
/// [`EndpointUrl::address`] checks it again before each call.
///
/// Its `Debug` shows no path and no query, because such an address often holds a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndpointUrl(String);

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0.parse::<Url>().ok();
        write!(formatter, "EndpointUrl({})", url.as_ref().and_then(Url::host_str).unwrap_or_default())
    }
}

impl EndpointUrl {
    /// Parses the address of a new endpoint.
    ///
    /// # Errors
    /// [`Invalid`], with what the address must be.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, Invalid> {
        reach.parse(text).map(|url| Self(url.into()))
    }

    /// Returns the address, if it may be called.
    ///
    /// # Errors
    /// It is not one that may be called from here.
    pub fn address(&self, reach: Reach) -> Result<Url, Invalid> {
        reach.parse(&self.0)
    }

    /// Returns the address's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The kinds of events that an endpoint receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// Every kind, those of later releases included.
    All,
    /// These kinds, each named once.
    Only(Vec<DetailType>),
}

impl Subscription {
    /// Builds the subscription to these kinds.
    ///
    /// # Errors
    /// There is none, or one is named twice.
    pub fn only(kinds: Vec<DetailType>) -> Result<Self, Invalid> {
        let repeated = kinds.iter().enumerate().any(|(index, kind)| kinds.iter().skip(index + 1).any(|it| it == kind));
        if kinds.is_empty() {
            Err(Invalid("must name at least one kind of event; leave it out for all kinds"))
        } else if repeated {
            Err(Invalid("must name each kind of event once"))
        } else {
            Ok(Self::Only(kinds))
        }
    }

    /// Returns whether events of this kind belong to the subscription.
    #[must_use]
    pub fn includes(&self, kind: DetailType) -> bool {
        self.kinds().contains(&kind)
    }

    /// Returns the kinds.
    #[must_use]
    pub fn kinds(&self) -> &[DetailType] {
        match self {
            Self::All => &DetailType::ALL,
            Self::Only(kinds) => kinds,
        }
    }
}

/// The status of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EndpointStatus {
    /// It receives events.
    Enabled,
    /// It has failed for five days. It receives nothing until a replay enables it.
    Disabled,
}

/// The secret that signs deliveries: 32 random bytes. Its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// Generates a secret.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn random(randomness: &impl Randomness) -> Result<Self, NoRandomness> {
        let mut bytes = vec![0; 32];
        randomness.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Builds the secret of its bytes.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, which must reach neither a log nor an error.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningSecret(redacted)")
    }
}

/// A secret as it is stored: encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedSecret(pub String);

/// One of an endpoint's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSecret {
    /// The encrypted secret.
    pub sealed: SealedSecret,
    /// The time from which it signs no more; `None` for the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Timestamp>,
}

/// An endpoint of an integrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// The company that it belongs to.
    pub workspace: WorkspaceId,
    /// Its identifier.
    pub id: EndpointId,
    /// Its address.
    pub url: EndpointUrl,
    /// The events that it receives.
    pub events: Subscription,
    /// What it is for.
    pub description: Option<EndpointDescription>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Its secrets, the current one first.
    pub secrets: Vec<StoredSecret>,
    /// The time of its first failure since its last success.
    pub failing_since: Option<Timestamp>,
    /// The time from which it is disabled.
    pub disabled_at: Option<Timestamp>,
    /// The time up to which its pending deliveries were ended, because it was disabled.
    pub ended_at: Option<Timestamp>,
    /// The time before which it is not called, because it did not answer in time. From then on, one attempt at a time
    /// tries it, until it answers.
    pub slow_until: Option<Timestamp>,
}

impl WebhookEndpoint {
    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> EndpointStatus {
        if self.disabled_at.is_some() { EndpointStatus::Disabled } else { EndpointStatus::Enabled }
    }

    /// Returns the secrets that sign at `now`, the current one first.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &StoredSecret> {
        self.secrets.iter().filter(move |secret| secret.retires_at.is_none_or(|end| now < end))
    }

    /// Returns the secrets after a rotation at `now`: the new one, and the earlier ones until a day later.
    ///
    /// # Errors
    /// As many as may sign already. Returns the time until the first of them signs no more: each has its day.
    pub fn rotated(&self, new: SealedSecret, now: Timestamp) -> Result<Vec<StoredSecret>, Duration> {
        if self.signing(now).count() >= SECRETS_AT_MOST {
            let first = self.signing(now).filter_map(|secret| secret.retires_at).min();
            return Err(first.map_or(ROTATION, |end| end.saturating_duration_since(now)));
        }
        let retires_at = now.saturating_add(ROTATION);
        let earlier = self.signing(now).map(|secret| StoredSecret {
            sealed: secret.sealed.clone(),
            retires_at: Some(secret.retires_at.unwrap_or(retires_at)),
        });
        Ok(std::iter::once(StoredSecret { sealed: new, retires_at: None }).chain(earlier).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::SystemRandomness;

    #[test]
    fn an_identifier_is_its_own_text_and_nothing_else_is_one() {
        let id = EndpointId::random(&SystemRandomness).unwrap();
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        let no_prefix = id.as_str().trim_start_matches("whe_");
        for text in ["", "whe_", no_prefix, "whe_../../x", "whe_aaaaaaaaaaaaaaaaaaaaaaaaa", "WHE_aaaaaaaaaaaaaaa1"] {
            assert!(text.parse::<EndpointId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_not_shown_with_its_token() {
        let url = EndpointUrl::parse("https://crm.example.com/hooks/4711?key=hidden", Reach::Public).unwrap();
        assert_eq!(format!("{url:?}"), "EndpointUrl(crm.example.com)");
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = SigningSecret::random(&SystemRandomness).unwrap();
        assert_eq!(secret.reveal().len(), 32);
        assert_eq!(format!("{secret:?}"), "SigningSecret(redacted)");
    }

    #[test]
    fn after_a_rotation_both_secrets_sign_for_a_day() {
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        let sealed = |text: &str| SealedSecret(text.to_owned());
        let mut endpoint = WebhookEndpoint {
            workspace: "acme".parse().unwrap(),
            id: EndpointId::random(&SystemRandomness).unwrap(),
            url: EndpointUrl::parse("https://crm.example.com/", Reach::Public).unwrap(),
            events: Subscription::All,
            description: None,
            created_at: now,
            secrets: vec![StoredSecret { sealed: sealed("first"), retires_at: None }],
            failing_since: None,
            disabled_at: None,
            ended_at: None,
            slow_until: None,
        };
        let signing = |endpoint: &WebhookEndpoint, hours| {
            let at = now.saturating_add(Duration::from_hours(hours));
            endpoint.signing(at).map(|secret| secret.sealed.0.clone()).collect::<Vec<_>>()
        };
        endpoint.secrets = endpoint.rotated(sealed("second"), now).unwrap();
        assert_eq!(signing(&endpoint, 23), ["second", "first"]);
        assert_eq!(signing(&endpoint, 24), ["second"]);
        let later = |hours| now.saturating_add(Duration::from_hours(hours));
        endpoint.secrets = endpoint.rotated(sealed("third"), later(12)).unwrap();
        assert_eq!(signing(&endpoint, 23), ["third", "second", "first"]);
        assert_eq!(signing(&endpoint, 24), ["third", "second"], "each ends a day after it was replaced");
        assert_eq!(signing(&endpoint, 36), ["third"]);
        // A fourth rotation within a day would end the first secret before its time.
        endpoint.secrets = endpoint.rotated(sealed("fourth"), later(13)).unwrap();
        assert_eq!(endpoint.rotated(sealed("fifth"), later(14)), Err(Duration::from_hours(10)));
        endpoint.secrets = endpoint.rotated(sealed("fifth"), later(24)).unwrap();
        assert_eq!(signing(&endpoint, 24), ["fifth", "fourth", "third", "second"]);
    }

    #[test]
    fn a_subscription_names_each_kind_once() {
        let kind = DetailType::PaymentAttemptFailed;
        assert!(Subscription::only(vec![]).is_err() && Subscription::only(vec![kind, kind]).is_err());
        assert!(Subscription::only(vec![kind]).unwrap().includes(kind));
        assert!(!Subscription::only(vec![kind]).unwrap().includes(DetailType::PaymentRequestStatusChanged));
        assert!(DetailType::ALL.iter().all(|kind| Subscription::All.includes(*kind)));
    }
}
