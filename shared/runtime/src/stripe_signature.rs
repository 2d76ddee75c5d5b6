//! Stripe's own signatures of webhooks (<https://docs.stripe.com/webhooks#verify-manually>): not those of Standard Webhooks,
//! although the secrets look alike.

use crate::environment::{ConfigError, Environment};
use crate::hmac::{equal_in_constant_time, hexadecimal};
use crate::webhook::{SignatureError, check_time};
use domain::Timestamp;
use http::HeaderMap;
use std::fmt;

/// The header that carries a signature: `t=<seconds>,v1=<hex>`, with more `v1` while the endpoint's secret is rolled, and
/// other schemes that are none of ours.
pub const STRIPE_SIGNATURE: &str = "stripe-signature";

/// What stands before every signing secret.
const PREFIX: &str = "whsec_";
/// A deployment's secret has at least so many characters after its prefix; Stripe's have 32 and more.
const SECRET_CHARACTERS: usize = 24;

/// The signing secrets of a webhook endpoint; the newest first. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecrets(Vec<String>);

impl SigningSecrets {
    /// One or more secrets from a variable, separated by spaces: `whsec_` and at least one character each, for on one
    /// machine somebody may be trying something out.
    ///
    /// # Errors
    /// Missing, or not of that form.
    pub fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::read(environment.require(name)?, name, 1)
    }

    /// One or more secrets of a deployment, of the same form with at least 24 characters each, which came from where
    /// `name` says.
    ///
    /// # Errors
    /// Not of that form.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::read(text, name, SECRET_CHARACTERS)
    }

    fn read(text: &str, name: &str, at_least: usize) -> Result<Self, ConfigError> {
        let secrets: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let right = |secret: &String| secret.strip_prefix(PREFIX).is_some_and(|rest| rest.len() >= at_least);
        if secrets.is_empty() || !secrets.iter().all(right) {
            return Err(Environment::invalid(
                name,
                "whsec_ and 24 or more characters, as Stripe shows it; several separated by spaces",
            ));
        }
        Ok(Self(secrets))
    }

    /// Verifies a webhook over the bytes as they came. Constant time per signature.
    ///
    /// # Errors
    /// [`SignatureError`]
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
        let Signed { timestamp, parts } = check_headers(headers, now)?;
        let mut matches = false;
        for secret in &self.0 {
            let expected = signature(secret, timestamp, body);
            for (_, signature) in parts.iter().filter(|(scheme, _)| *scheme == "v1") {
                matches |= equal_in_constant_time(signature.as_bytes(), expected.as_bytes());
            }
        }
        if matches { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// The value of the header that a webhook goes out with, signed with the first secret.
    #[must_use]
    pub fn sign(&self, body: &[u8], now: Timestamp) -> String {
        let timestamp = now.as_milliseconds().div_euclid(1000).to_string();
        let secret = self.0.first().map(String::as_str).unwrap_or_default();
        format!("t={timestamp},v1={}", signature(secret, &timestamp, body))
    }
}

/// The header of a signed webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<'a> {
    /// In seconds since the Unix epoch, as it was signed.
    timestamp: &'a str,
    /// Every part of the header: its scheme and its value.
    parts: Vec<(&'a str, &'a str)>,
}

/// What can be refused without a secret: a header that is missing, unreadable, or was not signed just now.
///
/// # Errors
/// [`SignatureError::Header`], [`SignatureError::Time`]
pub fn check_headers(headers: &HeaderMap, now: Timestamp) -> Result<Signed<'_>, SignatureError> {
    let mut values = headers.get_all(STRIPE_SIGNATURE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(SignatureError::Header) };
    let parts: Vec<(&str, &str)> =
        value.to_str().unwrap_or_default().split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let mut timestamps = parts.iter().filter(|(scheme, _)| *scheme == "t").map(|(_, value)| *value);
    // Two times would leave open which of them was signed.
    let (Some(timestamp), None) = (timestamps.next(), timestamps.next()) else {
        return Err(SignatureError::Header);
    };
    check_time(timestamp.parse().map_err(|_| SignatureError::Header)?, now)?;
    Ok(Signed { timestamp, parts })
}

/// HMAC-SHA256 over `<timestamp>.<body>`, in hexadecimal. The key is the secret's text, its prefix included.
fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    hexadecimal(secret.as_bytes(), &[timestamp.as_bytes(), b".", body])
}

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningSecrets({} redacted)", self.0.len())
    }
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

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(STRIPE_SIGNATURE), HeaderValue::from_str(value).unwrap())])
    }

    /// The signature that Stripe's official Python client 16.1.0 makes of this secret, time and body
    /// (`stripe.WebhookSignature.generate_signature_header`).
    #[test]
    fn a_signature_of_stripes_official_client_holds() {
        let official = "t=1767607200,v1=fdcd63288e85d101818053fc907b4eaf21e6e70235e1b3a73a9ecdced6819837";
        assert_eq!(secrets(NEW).sign(b"{\"id\":\"evt_1\"}", now()), official);
        assert_eq!(secrets(NEW).verify(&headers(official), b"{\"id\":\"evt_1\"}", now()), Ok(()));
    }

    #[test]
    fn during_a_rotation_both_secrets_and_both_signatures_hold() {
        let (old, new) = (secrets(OLD).sign(b"{}", now()), secrets(NEW).sign(b"{}", now()));
        for value in [&old, &new] {
            assert_eq!(secrets(&format!("{NEW} {OLD}")).verify(&headers(value), b"{}", now()), Ok(()));
        }
        let (_, old) = old.split_once(',').unwrap();
        assert_eq!(secrets(NEW).verify(&headers(&format!("{new},{old},v0=00")), b"{}", now()), Ok(()));
        assert_eq!(secrets(OLD).verify(&headers(&format!("{new},{old},v0=00")), b"{}", now()), Ok(()));
    }

    #[test]
    fn anything_changed_after_signing_is_a_forgery() {
        let right = secrets(NEW).sign(b"{}", now());
        let later = right.replacen(
            &format!("t={}", now().as_milliseconds() / 1000),
            &format!("t={}", now().as_milliseconds() / 1000 + 1),
            1,
        );
        assert_eq!(secrets(OLD).verify(&headers(&right), b"{}", now()), Err(SignatureError::Mismatch));
        assert_eq!(secrets(NEW).verify(&headers(&right), b"{ }", now()), Err(SignatureError::Mismatch));
        assert_eq!(secrets(NEW).verify(&headers(&later), b"{}", now()), Err(SignatureError::Mismatch));
        assert_eq!(
            secrets(NEW).verify(&headers(&right.replace("v1", "v0")), b"{}", now()),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn the_time_may_differ_by_300_seconds_both_ways() {
        let value = headers(&secrets(NEW).sign(b"{}", now()));
        for (seconds, right) in [(300, true), (301, false), (-300, true), (-301, false)] {
            assert_eq!(secrets(NEW).verify(&value, b"{}", after(seconds)).is_ok(), right, "{seconds}");
        }
    }

    #[test]
    fn a_header_that_leaves_anything_open_is_none() {
        let right = secrets(NEW).sign(b"{}", now());
        for value in ["", "t=", "t=x,v1=00", "v1=00", "t=-9223372036854775808,v1=00", "t=99999999999999999999,v1=00"] {
            assert!(secrets(NEW).verify(&headers(value), b"{}", now()).is_err(), "{value}");
        }
        assert_eq!(secrets(NEW).verify(&headers(&format!("t=1,{right}")), b"{}", now()), Err(SignatureError::Header));
        assert_eq!(secrets(NEW).verify(&HeaderMap::new(), b"{}", now()), Err(SignatureError::Header));
        let mut twice = headers(&right);
        twice.append(STRIPE_SIGNATURE, HeaderValue::from_str(&right).unwrap());
        assert_eq!(secrets(NEW).verify(&twice, b"{}", now()), Err(SignatureError::Header));
    }

    #[test]
    fn weak_or_malformed_secrets_stop_the_function_at_its_start() {
        for text in ["", "whsec_", "sk_test_00000000000000000000000000", "whsec_short", &format!("{NEW} nonsense")] {
            assert!(SigningSecrets::parse(text, "SECRET").is_err(), "{text}");
        }
        assert!(!format!("{:?}", secrets(NEW)).contains("new0"));
    }
}
