//! Stripe's webhook signatures (<https://docs.stripe.com/webhooks#verify-manually>). They differ from those of Standard
//! Webhooks, although the secrets look alike.

use crate::environment::{ConfigError, Environment};
use crate::hmac::{equal_in_constant_time, hexadecimal};
use crate::webhook::{SignatureError, check_time, seconds};
use domain::Timestamp;
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// The signature header: `t=<seconds>,v1=<hex>`. It has several `v1` entries while the endpoint's secret is rotated.
/// Entries of other schemes are ignored.
pub const STRIPE_SIGNATURE: &str = "stripe-signature";

/// The prefix of every signing secret.
const PREFIX: &str = "whsec_";
/// The minimum number of characters after the prefix for a deployment's secret; Stripe's have 32 or more.
const SECRET_CHARACTERS: usize = 24;

/// The signing secrets of a webhook endpoint, the newest first.
#[derive(Debug, Clone)]
pub struct SigningSecrets(Arc<[SecretString]>);

impl SigningSecrets {
    /// Reads one or more secrets from a variable, separated by spaces. Each is `whsec_` and at least one character: on
    /// one machine, short secrets are accepted for experiments.
    ///
    /// # Errors
    /// [`ConfigError`] if the variable is missing or a secret does not have that form.
    pub fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::read(environment.require(name)?, name, 1)
    }

    /// Parses one or more secrets of a deployment, separated by spaces. Each is `whsec_` and at least 24 characters.
    /// `name` identifies the setting in errors.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if there is no secret, or one does not have that form.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::read(text, name, SECRET_CHARACTERS)
    }

    fn read(text: &str, name: &str, at_least: usize) -> Result<Self, ConfigError> {
        let right = |secret: &str| secret.strip_prefix(PREFIX).is_some_and(|rest| rest.len() >= at_least);
        if text.split_whitespace().next().is_none() || !text.split_whitespace().all(right) {
            return Err(Environment::invalid(
                name,
                "whsec_ and 24 or more characters, as Stripe shows it; several separated by spaces",
            ));
        }
        Ok(Self(text.split_whitespace().map(SecretString::from).collect()))
    }

    /// Verifies that one of the event's signatures was made with one of the secrets. Each comparison takes constant
    /// time.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`] if no signature matches.
    pub fn verify(&self, event: &SignedEvent<'_>) -> Result<(), SignatureError> {
        let mut matches = false;
        for secret in self.0.iter() {
            let expected = signature(secret, event.timestamp, event.body);
            for signature in &event.signatures {
                matches |= equal_in_constant_time(signature.as_bytes(), expected.as_bytes());
            }
        }
        if matches { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// Returns the signature header's value for a webhook to send, signed with the first secret.
    #[must_use]
    pub fn sign(&self, body: &[u8], now: Timestamp) -> String {
        let timestamp = seconds(now).to_string();
        let signature = self.0.first().map(|secret| signature(secret, &timestamp, body)).unwrap_or_default();
        format!("t={timestamp},v1={signature}")
    }
}

/// A received event that is not yet verified: the parsed signature header and the raw body. [`SigningSecrets::verify`]
/// verifies exactly these values, because the header is parsed only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEvent<'a> {
    /// The time of signing in seconds since the Unix epoch, as the exact text that was signed.
    timestamp: &'a str,
    /// The signatures of the scheme `v1`.
    signatures: Vec<&'a str>,
    body: &'a [u8],
}

impl<'a> SignedEvent<'a> {
    /// Parses an event's headers. Rejects, before any secret is needed, a missing or unreadable header and a time of
    /// signing outside the tolerance.
    ///
    /// # Errors
    /// [`SignatureError::Header`] for the header, [`SignatureError::Time`] for the time of signing.
    pub fn read(headers: &'a HeaderMap, body: &'a [u8], now: Timestamp) -> Result<Self, SignatureError> {
        let mut values = headers.get_all(STRIPE_SIGNATURE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(SignatureError::Header) };
        let (mut timestamp, mut signatures) = (None, Vec::new());
        for part in value.to_str().map_err(|_| SignatureError::Header)?.split(',') {
            match part.trim().split_once('=') {
                // With two timestamps it would be ambiguous which one was signed.
                Some(("t", _)) if timestamp.is_some() => return Err(SignatureError::Header),
                Some(("t", seconds)) => timestamp = Some(seconds),
                Some(("v1", signature)) => signatures.push(signature),
                Some(_) | None => {}
            }
        }
        let timestamp = timestamp.ok_or(SignatureError::Header)?;
        check_time(timestamp, now)?;
        Ok(Self { timestamp, signatures, body })
    }
}

/// Computes HMAC-SHA256 over `<timestamp>.<body>`, in hexadecimal. The key is the secret's text, its prefix included.
fn signature(secret: &SecretString, timestamp: &str, body: &[u8]) -> String {
    hexadecimal(secret.expose_secret().as_bytes(), &[timestamp.as_bytes(), b".", body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const OLD: &str = "whsec_0000000000000000000000000000old0";
    const NEW: &str = "whsec_0000000000000000000000000000new0";

    fn secrets(text: &str) -> SigningSecrets {
        SigningSecrets::parse(text, "SECRET").unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-05T10:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(now().as_milliseconds() + 1000 * seconds).unwrap()
    }

    /// Verifies an event with these secrets.
    fn verify(by: &str, headers: &HeaderMap, body: &[u8], at: Timestamp) -> Result<(), SignatureError> {
        secrets(by).verify(&SignedEvent::read(headers, body, at)?)
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(STRIPE_SIGNATURE), HeaderValue::from_str(value).unwrap())])
    }

    /// The signature that Stripe's official Python client 16.1.0 makes of this secret, time and body
    /// (`stripe.WebhookSignature.generate_signature_header`).
    #[test]
    fn a_signature_by_stripes_official_client_is_valid() {
        let official = "t=1767607200,v1=fdcd63288e85d101818053fc907b4eaf21e6e70235e1b3a73a9ecdced6819837";
        assert_eq!(secrets(NEW).sign(b"{\"id\":\"evt_1\"}", now()), official);
        assert_eq!(verify(NEW, &headers(official), b"{\"id\":\"evt_1\"}", now()), Ok(()));
    }

    #[test]
    fn both_secrets_and_both_signatures_are_valid_during_a_rotation() {
        let (old, new) = (secrets(OLD).sign(b"{}", now()), secrets(NEW).sign(b"{}", now()));
        for value in [&old, &new] {
            assert_eq!(verify(&format!("{NEW} {OLD}"), &headers(value), b"{}", now()), Ok(()));
        }
        let (_, old) = old.split_once(',').unwrap();
        assert_eq!(verify(NEW, &headers(&format!("{new},{old},v0=00")), b"{}", now()), Ok(()));
        assert_eq!(verify(OLD, &headers(&format!("{new},{old},v0=00")), b"{}", now()), Ok(()));
    }

    #[test]
    fn any_change_after_signing_invalidates_the_signature() {
        let right = secrets(NEW).sign(b"{}", now());
        let later = right.replacen(
            &format!("t={}", now().as_milliseconds() / 1000),
            &format!("t={}", now().as_milliseconds() / 1000 + 1),
            1,
        );
        assert_eq!(verify(OLD, &headers(&right), b"{}", now()), Err(SignatureError::Mismatch));
        assert_eq!(verify(NEW, &headers(&right), b"{ }", now()), Err(SignatureError::Mismatch));
        assert_eq!(verify(NEW, &headers(&later), b"{}", now()), Err(SignatureError::Mismatch));
        assert_eq!(verify(NEW, &headers(&right.replace("v1", "v0")), b"{}", now()), Err(SignatureError::Mismatch));
    }

    #[test]
    fn the_timestamp_may_differ_by_300_seconds_either_way() {
        let value = headers(&secrets(NEW).sign(b"{}", now()));
        for (seconds, right) in [(300, true), (301, false), (-300, true), (-301, false)] {
            assert_eq!(verify(NEW, &value, b"{}", after(seconds)).is_ok(), right, "{seconds}");
        }
    }

    #[test]
    fn a_missing_repeated_or_malformed_header_is_rejected() {
        let right = secrets(NEW).sign(b"{}", now());
        for value in ["", "t=", "t=x,v1=00", "v1=00", "t=-9223372036854775808,v1=00", "t=99999999999999999999,v1=00"] {
            assert!(verify(NEW, &headers(value), b"{}", now()).is_err(), "{value}");
        }
        assert_eq!(verify(NEW, &headers(&format!("t=1,{right}")), b"{}", now()), Err(SignatureError::Header));
        assert_eq!(verify(NEW, &HeaderMap::new(), b"{}", now()), Err(SignatureError::Header));
        let mut twice = headers(&right);
        twice.append(STRIPE_SIGNATURE, HeaderValue::from_str(&right).unwrap());
        assert_eq!(verify(NEW, &twice, b"{}", now()), Err(SignatureError::Header));
    }

    #[test]
    fn a_weak_or_malformed_secret_stops_the_function_at_its_start() {
        for text in ["", "whsec_", "sk_test_00000000000000000000000000", "whsec_short", &format!("{NEW} nonsense")] {
            assert!(SigningSecrets::parse(text, "SECRET").is_err(), "{text}");
        }
        assert!(!format!("{:?}", secrets(NEW)).contains("new0"));
    }
}
