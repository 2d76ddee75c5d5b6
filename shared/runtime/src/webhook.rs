//! Standard Webhooks signatures
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>). Of several secrets
//! all verify, and the first or all sign, so that a secret can be rotated.

use crate::environment::{ConfigError, Environment};
use crate::hmac::{code, equal_in_constant_time};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretSlice};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The limit of a webhook's body, in bytes. Stripe's events alone have 22 KB and more
/// (<https://github.com/mozilla/fxa/issues/8227>).
pub const WEBHOOK_AT_MOST: usize = 256 * 1024;

/// The header with the webhook's identifier, the same for every delivery attempt.
const ID: &str = "webhook-id";
/// The header with the time of signing, in seconds since the Unix epoch.
const TIMESTAMP: &str = "webhook-timestamp";
/// The header with one or more signatures, separated by spaces: `v1,` and the base64 of an HMAC-SHA256.
const SIGNATURE: &str = "webhook-signature";

/// The beginning of a secret's text.
const PREFIX: &str = "whsec_";
/// The maximum difference between a webhook's timestamp and now, in seconds, in either direction.
const TOLERANCE_SECONDS: u64 = 300;
/// The size of a deployment's secrets in bytes: Standard Webhooks requires 24 to 64.
const SECRET_BYTES: RangeInclusive<usize> = 24..=64;
/// The size in bytes of a secret read from a variable on one machine, where short ones are accepted for experiments.
const TRIAL_SECRET_BYTES: RangeInclusive<usize> = 1..=64;

/// The secrets that sign and verify webhooks, the newest first.
#[derive(Debug, Clone)]
pub struct Secrets(Arc<[SecretSlice<u8>]>);

/// The reason why a webhook's signature is invalid. Nothing in such a webhook may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A signature header is missing or cannot be read.
    #[error("a signature header is missing or malformed")]
    Header,
    /// The timestamp is too far in the past or in the future.
    #[error("the timestamp differs from the current time by more than {TOLERANCE_SECONDS} seconds")]
    Time,
    /// No signature was made with one of the configured secrets.
    #[error("no signature matches the secret")]
    Mismatch,
}

impl Secrets {
    /// Reads one or more secrets from a variable, separated by spaces. Each is `whsec_` and the base64 of 1 to 64
    /// bytes.
    ///
    /// # Errors
    /// [`ConfigError`] if the variable is missing or a secret does not have that form.
    pub fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::read(environment.require(name)?, name, &TRIAL_SECRET_BYTES)
    }

    /// Parses one or more secrets of a deployment, separated by spaces. Each is `whsec_` and the base64 of 24 to 64
    /// bytes. `name` identifies the setting in errors.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if there is no secret, or one does not have that form.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::read(text, name, &SECRET_BYTES)
    }

    /// Builds the secrets of their bytes, the newest first.
    #[must_use]
    pub fn of(secrets: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(secrets.into_iter().map(SecretSlice::from).collect())
    }

    fn read(text: &str, name: &str, sizes: &RangeInclusive<usize>) -> Result<Self, ConfigError> {
        let wrong =
            || Environment::invalid(name, "whsec_ and the base64 of 24 to 64 bytes, several separated by spaces");
        let secrets = text.split_whitespace().map(|secret| {
            let encoded = secret.strip_prefix(PREFIX).ok_or_else(wrong)?;
            let bytes = SecretSlice::from(STANDARD.decode(encoded).map_err(|_| wrong())?);
            if sizes.contains(&bytes.expose_secret().len()) { Ok(bytes) } else { Err(wrong()) }
        });
        let secrets = secrets.collect::<Result<Arc<[_]>, _>>()?;
        if secrets.is_empty() { Err(wrong()) } else { Ok(Self(secrets)) }
    }

    /// Verifies that one of the webhook's signatures was made with one of the secrets. Each comparison takes constant
    /// time.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`] if no signature matches.
    pub fn verify(&self, webhook: &SignedWebhook<'_>) -> Result<(), SignatureError> {
        let mut matches = false;
        for secret in self.0.iter() {
            let expected = signature(secret, webhook.id, webhook.timestamp, webhook.body);
            for signature in webhook.signatures.split(' ') {
                matches |= equal_in_constant_time(signature.as_bytes(), expected.as_bytes());
            }
        }
        if matches { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// Builds the signature headers of a webhook to send, signed with the first secret.
    ///
    /// # Errors
    /// [`SignatureError::Header`] if the identifier is not a valid header value.
    pub fn sign(&self, id: &str, body: &[u8], now: Timestamp) -> Result<HeaderMap, SignatureError> {
        signed(self.0.get(..1).unwrap_or_default(), id, body, now)
    }

    /// Builds the signature headers of a webhook to send, signed with each of the secrets, so that a receiver may know
    /// either while they are rotated.
    ///
    /// # Errors
    /// [`SignatureError::Header`] if the identifier is not a valid header value.
    pub fn sign_with_all(&self, id: &str, body: &[u8], now: Timestamp) -> Result<HeaderMap, SignatureError> {
        signed(&self.0, id, body, now)
    }
}

/// Returns a secret in the form in which receivers configure it: `whsec_` and base64.
#[must_use]
pub fn secret_text(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

/// Builds the signature headers of a webhook, signed with these secrets.
fn signed(secrets: &[SecretSlice<u8>], id: &str, body: &[u8], now: Timestamp) -> Result<HeaderMap, SignatureError> {
    if secrets.is_empty() {
        return Err(SignatureError::Mismatch);
    }
    let timestamp = seconds(now).to_string();
    let signatures: Vec<_> = secrets.iter().map(|secret| signature(secret, id, &timestamp, body)).collect();
    let mut headers = HeaderMap::new();
    for (name, value) in [(ID, id), (TIMESTAMP, &timestamp), (SIGNATURE, &signatures.join(" "))] {
        headers.insert(name, HeaderValue::from_str(value).map_err(|_| SignatureError::Header)?);
    }
    Ok(headers)
}

/// A received webhook that is not yet verified: its signature headers and raw body. [`Secrets::verify`] verifies
/// exactly these values, because the headers are read only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedWebhook<'a> {
    id: &'a str,
    timestamp: &'a str,
    signatures: &'a str,
    body: &'a [u8],
}

impl<'a> SignedWebhook<'a> {
    /// Reads a webhook's headers. Rejects, before any secret is needed, missing or unreadable headers and a time of
    /// signing outside the tolerance.
    ///
    /// # Errors
    /// [`SignatureError::Header`] for the headers, [`SignatureError::Time`] for the time of signing.
    pub fn read(headers: &'a HeaderMap, body: &'a [u8], now: Timestamp) -> Result<Self, SignatureError> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(SignatureError::Header);
        let (id, timestamp, signatures) = (header(ID)?, header(TIMESTAMP)?, header(SIGNATURE)?);
        if id.is_empty() {
            return Err(SignatureError::Header);
        }
        check_time(timestamp, now)?;
        Ok(Self { id, timestamp, signatures, body })
    }

    /// Returns the webhook's identifier, which is the same for every delivery attempt.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }
}

/// Computes the signature over `<id>.<timestamp>.<body>`.
fn signature(secret: &SecretSlice<u8>, id: &str, timestamp: &str, body: &[u8]) -> String {
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    format!("v1,{}", STANDARD.encode(code(secret.expose_secret(), &parts)))
}

/// Checks that a webhook's timestamp is within `TOLERANCE_SECONDS` of now. `timestamp` is in seconds since the Unix
/// epoch.
///
/// # Errors
/// [`SignatureError::Header`] if it is not a whole number, [`SignatureError::Time`] if it is outside the tolerance.
pub(crate) fn check_time(timestamp: &str, now: Timestamp) -> Result<(), SignatureError> {
    let timestamp: i64 = timestamp.parse().map_err(|_| SignatureError::Header)?;
    if timestamp.abs_diff(seconds(now)) > TOLERANCE_SECONDS { Err(SignatureError::Time) } else { Ok(()) }
}

/// Returns a time in whole seconds since the Unix epoch, rounded down.
pub(crate) fn seconds(moment: Timestamp) -> i64 {
    moment.as_milliseconds().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use standardwebhooks::Webhook;

    fn secrets(texts: &[&[u8]]) -> Secrets {
        let texts: Vec<String> = texts.iter().map(|bytes| format!("whsec_{}", STANDARD.encode(bytes))).collect();
        Secrets::from_environment(&Environment::default().with("SECRET", texts.join(" ")), "SECRET").unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-05T10:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(now().as_milliseconds() + 1000 * seconds).unwrap()
    }

    const OLD: &[u8] = &[1; 24];
    const NEW: &[u8] = &[2; 32];

    /// Verifies a webhook with these secrets, and returns its identifier.
    fn verify(by: &[&[u8]], headers: &HeaderMap, body: &[u8], at: Timestamp) -> Result<String, SignatureError> {
        let webhook = SignedWebhook::read(headers, body, at)?;
        secrets(by).verify(&webhook)?;
        Ok(webhook.id().to_owned())
    }

    #[test]
    fn a_signed_webhook_is_verified_and_has_its_identifier() {
        let headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
        assert_eq!(verify(&[NEW], &headers, b"{}", now()), Ok("msg_1".to_owned()));
    }

    proptest! {
        /// The expected value comes from the library of the authors of Standard Webhooks.
        #[test]
        fn a_signature_matches_the_reference_library(
            secret in proptest::collection::vec(any::<u8>(), 24..=64),
            id in "[!-~]{1,40}",
            body in ".*",
            at in 0_i64..4_000_000_000_000,
        ) {
            let at = Timestamp::from_milliseconds(at).unwrap();
            let headers = secrets(&[&secret]).sign(&id, body.as_bytes(), at).unwrap();
            let reference = Webhook::from_bytes(secret.clone()).unwrap();
            let signature = reference.sign(&id, seconds(at), body.as_bytes()).unwrap();
            prop_assert_eq!(headers[SIGNATURE].to_str().unwrap(), signature);
            prop_assert_eq!(verify(&[&secret], &headers, body.as_bytes(), at), Ok(id));
        }
    }

    #[test]
    fn both_secrets_are_valid_during_a_rotation() {
        for signer in [OLD, NEW] {
            let headers = secrets(&[signer]).sign("msg_1", b"{}", now()).unwrap();
            assert!(verify(&[NEW, OLD], &headers, b"{}", now()).is_ok());
        }
    }

    #[test]
    fn a_webhook_that_is_signed_twice_is_verified_by_either_secret() {
        let both = Secrets::of([NEW.to_vec(), OLD.to_vec()]);
        let headers = both.sign_with_all("msg_1", b"{}", now()).unwrap();
        assert_eq!(headers[SIGNATURE].to_str().unwrap().split(' ').count(), 2);
        for secret in [NEW, OLD] {
            assert_eq!(verify(&[secret], &headers, b"{}", now()), Ok("msg_1".to_owned()));
            let reference = Webhook::new(&secret_text(secret)).unwrap();
            let expected = reference.sign("msg_1", seconds(now()), b"{}").unwrap();
            assert!(headers[SIGNATURE].to_str().unwrap().contains(&expected));
        }
        assert_eq!(verify(&[b"another secret of 24 bytes"], &headers, b"{}", now()), Err(SignatureError::Mismatch));
        assert!(Secrets::of([]).sign_with_all("msg_1", b"{}", now()).is_err());
    }

    #[test]
    fn any_change_after_signing_invalidates_the_signature() {
        let headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
        assert_eq!(verify(&[OLD], &headers, b"{}", now()), Err(SignatureError::Mismatch));
        assert_eq!(verify(&[NEW], &headers, b"{ }", now()), Err(SignatureError::Mismatch));
        let mut other_id = headers.clone();
        other_id.insert(ID, HeaderValue::from_static("msg_2"));
        assert_eq!(verify(&[NEW], &other_id, b"{}", now()), Err(SignatureError::Mismatch));
        for name in [ID, TIMESTAMP, SIGNATURE] {
            let mut without = headers.clone();
            without.remove(name);
            assert_eq!(verify(&[NEW], &without, b"{}", now()), Err(SignatureError::Header), "{name}");
        }
    }

    #[test]
    fn the_timestamp_may_differ_by_300_seconds_either_way() {
        let headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
        for (seconds, right) in [(300, true), (301, false), (-300, true), (-301, false)] {
            assert_eq!(verify(&[NEW], &headers, b"{}", after(seconds)).is_ok(), right, "{seconds}");
        }
    }

    #[test]
    fn no_timestamp_breaks_the_check_of_the_time() {
        for timestamp in ["", "x", "1e9", "-9223372036854775808", "9223372036854775807", "99999999999999999999"] {
            let mut headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
            headers.insert(TIMESTAMP, HeaderValue::from_str(timestamp).unwrap());
            assert!(verify(&[NEW], &headers, b"{}", now()).is_err(), "{timestamp}");
        }
    }

    #[test]
    fn one_valid_signature_among_several_is_enough() {
        let mut headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
        let right = headers[SIGNATURE].to_str().unwrap().to_owned();
        headers.insert(SIGNATURE, HeaderValue::from_str(&format!("v1,AAAA v2,x {right}")).unwrap());
        assert!(verify(&[NEW], &headers, b"{}", now()).is_ok());
    }

    #[test]
    fn a_weak_or_malformed_secret_stops_the_function_at_its_start() {
        for text in ["", "whsec_", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "whsec_!!!!"] {
            let environment = Environment::default().with("SECRET", text);
            assert!(Secrets::from_environment(&environment, "SECRET").is_err(), "{text}");
            assert!(Secrets::parse(text, "SECRET").is_err(), "{text}");
        }
        assert!(Secrets::parse("whsec_AAAA", "SECRET").is_err(), "a secret that can be guessed is rejected");
        let shown = format!("{:?}", secrets(&[NEW, OLD]));
        assert!(shown.contains("REDACTED") && !shown.contains('2') && !shown.contains("AgIC"), "{shown}");
    }
}
