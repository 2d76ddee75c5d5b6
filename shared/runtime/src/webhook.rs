//! Standard Webhooks signatures (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>):
//! made with the first of several secrets, held against all of them, so that a secret can be rotated.

use crate::environment::{ConfigError, Environment};
use crate::hmac::equal_in_constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use http::{HeaderMap, HeaderValue};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use std::fmt;
use std::ops::RangeInclusive;

/// How far a webhook's timestamp may lie from now, in seconds, on either side.
const TOLERANCE_SECONDS: u64 = 300;
/// Standard Webhooks asks for secrets of 24 to 64 bytes, and a deployment's have to be.
const SECRET_BYTES: RangeInclusive<usize> = 24..=64;
/// On one machine, where a secret stands in a variable, a shorter one is somebody trying something out.
const TRIAL_SECRET_BYTES: RangeInclusive<usize> = 1..=64;

/// The secrets that webhooks are signed with; the newest first. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(Vec<Vec<u8>>);

/// A webhook whose signature does not hold. Nothing in it may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header that the signature needs is missing or cannot be read.
    #[error("a signature header is missing or unreadable")]
    Header,
    /// It was signed too long ago, or for a time to come.
    #[error("the timestamp is not within {TOLERANCE_SECONDS} seconds of now")]
    Time,
    /// No signature in it was made with a secret of ours.
    #[error("no signature matches")]
    Mismatch,
}

impl Secrets {
    /// One or more secrets from a variable, separated by spaces: `whsec_` and the base64 of 1 to 64 bytes each.
    ///
    /// # Errors
    /// Missing, or not of that form.
    pub fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::read(environment.require(name)?, name, &TRIAL_SECRET_BYTES)
    }

    /// One or more secrets of a deployment, of the same form with 24 to 64 bytes each, which came from where `name` says.
    ///
    /// # Errors
    /// Not of that form.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::read(text, name, &SECRET_BYTES)
    }

    fn read(text: &str, name: &str, sizes: &RangeInclusive<usize>) -> Result<Self, ConfigError> {
        let wrong =
            || Environment::invalid(name, "whsec_ and the base64 of 24 to 64 bytes, several separated by spaces");
        let secrets = text.split_whitespace().map(|secret| {
            let encoded = secret.strip_prefix("whsec_").ok_or_else(wrong)?;
            let bytes = STANDARD.decode(encoded).map_err(|_| wrong())?;
            if sizes.contains(&bytes.len()) { Ok(bytes) } else { Err(wrong()) }
        });
        let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
        if secrets.is_empty() { Err(wrong()) } else { Ok(Self(secrets)) }
    }

    /// Verifies a webhook over the bytes as they came, and answers its identifier. Constant time per signature.
    ///
    /// # Errors
    /// [`SignatureError`]
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<String, SignatureError> {
        let Signed { id, timestamp, signatures } = check_headers(headers, now)?;
        let mut matches = false;
        for secret in &self.0 {
            // Only a body that is not UTF-8 cannot be signed; no provider signs one.
            let expected = Webhook::from_bytes(secret.clone()).and_then(|webhook| webhook.sign(id, timestamp, body));
            let expected = expected.map_err(|_| SignatureError::Mismatch)?;
            for signature in signatures.split(' ') {
                matches |= equal_in_constant_time(signature.as_bytes(), expected.as_bytes());
            }
        }
        if matches && !id.is_empty() { Ok(id.to_owned()) } else { Err(SignatureError::Mismatch) }
    }

    /// The headers that a webhook goes out with.
    ///
    /// # Errors
    /// An identifier or body that cannot be signed: neither is text.
    pub fn sign(&self, id: &str, body: &[u8], now: Timestamp) -> Result<HeaderMap, SignatureError> {
        let timestamp = now.as_milliseconds().div_euclid(1000);
        let secret = self.0.first().ok_or(SignatureError::Mismatch)?;
        let webhook = Webhook::from_bytes(secret.clone()).map_err(|_| SignatureError::Mismatch)?;
        let signature = webhook.sign(id, timestamp, body).map_err(|_| SignatureError::Mismatch)?;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (HEADER_WEBHOOK_ID, id.to_owned()),
            (HEADER_WEBHOOK_TIMESTAMP, timestamp.to_string()),
            (HEADER_WEBHOOK_SIGNATURE, signature),
        ] {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| SignatureError::Header)?);
        }
        Ok(headers)
    }
}

/// The headers of a signed webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'a> {
    id: &'a str,
    /// In seconds since the Unix epoch.
    timestamp: i64,
    signatures: &'a str,
}

/// What can be refused without a secret: headers that are missing, unreadable, or were not signed just now.
///
/// # Errors
/// [`SignatureError::Header`], [`SignatureError::Time`]
pub fn check_headers(headers: &HeaderMap, now: Timestamp) -> Result<Signed<'_>, SignatureError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(SignatureError::Header);
    let (id, signatures) = (header(HEADER_WEBHOOK_ID)?, header(HEADER_WEBHOOK_SIGNATURE)?);
    // Read here and not left to the library, which computes with whatever number it is given and takes the time of
    // the machine.
    let timestamp: i64 = header(HEADER_WEBHOOK_TIMESTAMP)?.parse().map_err(|_| SignatureError::Header)?;
    check_time(timestamp, now)?;
    Ok(Signed { id, timestamp, signatures })
}

/// Whether a webhook was signed just now: `timestamp` is in seconds since the Unix epoch.
pub(crate) fn check_time(timestamp: i64, now: Timestamp) -> Result<(), SignatureError> {
    if timestamp.abs_diff(now.as_milliseconds().div_euclid(1000)) > TOLERANCE_SECONDS {
        return Err(SignatureError::Time);
    }
    Ok(())
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets({} redacted)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_was_signed_is_verified_and_says_its_identifier() {
        let headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
        assert_eq!(secrets(&[NEW]).verify(&headers, b"{}", now()), Ok("msg_1".to_owned()));
    }

    #[test]
    fn during_a_rotation_both_secrets_hold() {
        for signer in [OLD, NEW] {
            let headers = secrets(&[signer]).sign("msg_1", b"{}", now()).unwrap();
            assert!(secrets(&[NEW, OLD]).verify(&headers, b"{}", now()).is_ok());
        }
    }

    #[test]
    fn anything_changed_after_signing_is_a_forgery() {
        let headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
        assert_eq!(secrets(&[OLD]).verify(&headers, b"{}", now()), Err(SignatureError::Mismatch));
        assert_eq!(secrets(&[NEW]).verify(&headers, b"{ }", now()), Err(SignatureError::Mismatch));
        let mut other_id = headers.clone();
        other_id.insert(HEADER_WEBHOOK_ID, HeaderValue::from_static("msg_2"));
        assert_eq!(secrets(&[NEW]).verify(&other_id, b"{}", now()), Err(SignatureError::Mismatch));
        for name in [HEADER_WEBHOOK_ID, HEADER_WEBHOOK_TIMESTAMP, HEADER_WEBHOOK_SIGNATURE] {
            let mut without = headers.clone();
            without.remove(name);
            assert_eq!(secrets(&[NEW]).verify(&without, b"{}", now()), Err(SignatureError::Header), "{name}");
        }
    }

    #[test]
    fn the_time_may_differ_by_300_seconds_both_ways() {
        let headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
        for (seconds, right) in [(300, true), (301, false), (-300, true), (-301, false)] {
            assert_eq!(secrets(&[NEW]).verify(&headers, b"{}", after(seconds)).is_ok(), right, "{seconds}");
        }
    }

    #[test]
    fn no_number_breaks_the_check_of_the_time() {
        for timestamp in ["", "x", "1e9", "-9223372036854775808", "9223372036854775807", "99999999999999999999"] {
            let mut headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
            headers.insert(HEADER_WEBHOOK_TIMESTAMP, HeaderValue::from_str(timestamp).unwrap());
            assert!(secrets(&[NEW]).verify(&headers, b"{}", now()).is_err(), "{timestamp}");
        }
    }

    #[test]
    fn one_right_signature_among_several_is_enough() {
        let mut headers = secrets(&[NEW]).sign("msg_1", b"{}", now()).unwrap();
        let right = headers[HEADER_WEBHOOK_SIGNATURE].to_str().unwrap().to_owned();
        headers.insert(HEADER_WEBHOOK_SIGNATURE, HeaderValue::from_str(&format!("v1,AAAA v2,x {right}")).unwrap());
        assert!(secrets(&[NEW]).verify(&headers, b"{}", now()).is_ok());
    }

    #[test]
    fn weak_or_malformed_secrets_stop_the_function_at_its_start() {
        for text in ["", "whsec_", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "whsec_!!!!"] {
            let environment = Environment::default().with("SECRET", text);
            assert!(Secrets::from_environment(&environment, "SECRET").is_err(), "{text}");
            assert!(Secrets::parse(text, "SECRET").is_err(), "{text}");
        }
        assert!(Secrets::parse("whsec_AAAA", "SECRET").is_err(), "a deployment's secret cannot be guessed");
    }
}
