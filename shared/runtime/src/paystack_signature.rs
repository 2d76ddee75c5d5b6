//! Paystack's webhook signatures (<https://paystack.com/docs/payments/webhooks/#verify-event-origin>). The account's
//! secret key signs, the same with which its interface is called. A signature has no time: whoever has seen a webhook
//! can send it again at any time.

use crate::environment::{ConfigError, Environment};
use crate::hmac::{equal_in_constant_time, hexadecimal_of_512_bits};
use crate::webhook::SignatureError;
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// The signature header: HMAC-SHA512 of the body in lower-case hexadecimal.
pub const PAYSTACK_SIGNATURE: &str = "x-paystack-signature";

/// The prefix of the secret keys of a live account.
const LIVE: &str = "sk_live_";
/// The prefix of the secret keys of a test account.
const TEST: &str = "sk_test_";
/// The minimum number of characters after the prefix for a deployment's key; Paystack's have 40.
const KEY_CHARACTERS: usize = 24;

/// The secret keys of one account and one mode, the newest first. All of them verify, so that a key can be replaced.
#[derive(Debug, Clone)]
pub struct SecretKeys(Arc<[SecretString]>);

impl SecretKeys {
    /// Reads one or more keys from a variable, separated by spaces. Each is `sk_test_` or `sk_live_` and at least one
    /// character: on one machine, short keys are accepted for experiments.
    ///
    /// # Errors
    /// [`ConfigError`] if the variable is missing, a key does not have that form, or keys belong to different modes.
    pub fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::read(environment.require(name)?, name, 1)
    }

    /// Parses one or more keys of a deployment, separated by spaces. Each is `sk_test_` or `sk_live_` and at least 24
    /// characters. `name` identifies the setting in errors.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if there is no key, one does not have that form, or they belong to different modes.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::read(text, name, KEY_CHARACTERS)
    }

    fn read(text: &str, name: &str, at_least: usize) -> Result<Self, ConfigError> {
        let right = |prefix: &str, key: &str| {
            key.strip_prefix(prefix).is_some_and(|rest| {
                rest.len() >= at_least && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
        };
        let all = |prefix| text.split_whitespace().all(|key| right(prefix, key));
        if text.split_whitespace().next().is_none() || !(all(LIVE) || all(TEST)) {
            return Err(Environment::invalid(
                name,
                "a secret key of Paystack, sk_test_… or sk_live_…; several of one mode separated by spaces",
            ));
        }
        Ok(Self(text.split_whitespace().map(SecretString::from).collect()))
    }

    /// Returns the newest key, with which Paystack's interface is called.
    #[must_use]
    pub fn newest(&self) -> &str {
        self.0.first().map_or("", |key| key.expose_secret())
    }

    /// Returns whether the keys belong to live mode, in which money is real.
    #[must_use]
    pub fn are_live(&self) -> bool {
        self.newest().starts_with(LIVE)
    }

    /// Verifies that a webhook was signed with one of the keys. Each comparison takes constant time.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`] if no key matches.
    pub fn verify(&self, webhook: &SignedBody<'_>) -> Result<(), SignatureError> {
        let mut matches = false;
        for key in self.0.iter() {
            let expected = hexadecimal_of_512_bits(key.expose_secret().as_bytes(), webhook.body);
            matches |= equal_in_constant_time(webhook.signature.as_bytes(), expected.as_bytes());
        }
        if matches { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// Returns the signature of a webhook to send, by the newest key.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        hexadecimal_of_512_bits(self.newest().as_bytes(), body)
    }
}

impl PartialEq for SecretKeys {
    fn eq(&self, other: &Self) -> bool {
        let texts = |keys: &Self| keys.0.iter().map(|key| key.expose_secret().to_owned()).collect::<Vec<_>>();
        texts(self) == texts(other)
    }
}

/// A received webhook that is not yet verified: its signature and raw body. [`SecretKeys::verify`] verifies exactly
/// these values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedBody<'a> {
    signature: &'a str,
    body: &'a [u8],
}

impl<'a> SignedBody<'a> {
    /// Reads a webhook's header. Rejects, before any key is needed, a header that is missing, repeated, or cannot be a
    /// signature.
    ///
    /// # Errors
    /// [`SignatureError::Header`]
    pub fn read(headers: &'a HeaderMap, body: &'a [u8]) -> Result<Self, SignatureError> {
        let mut values = headers.get_all(PAYSTACK_SIGNATURE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(SignatureError::Header) };
        let signature = value.to_str().map_err(|_| SignatureError::Header)?;
        let is_signature =
            signature.len() == 128 && signature.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_signature { Ok(Self { signature, body }) } else { Err(SignatureError::Header) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const OLD: &str = "sk_test_0000000000000000000000000000000000000old";
    const NEW: &str = "sk_test_0000000000000000000000000000000000000new";

    fn keys(text: &str) -> SecretKeys {
        SecretKeys::parse(text, "KEY").unwrap()
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            HeaderName::from_static(PAYSTACK_SIGNATURE),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        )])
    }

    fn verify(by: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), SignatureError> {
        keys(by).verify(&SignedBody::read(headers, body)?)
    }

    /// The signatures that Python makes: `hmac.new(key, body, hashlib.sha512).hexdigest()`.
    #[test]
    fn a_signature_by_another_implementation_is_valid() {
        for (body, signature) in [
            (
                r#"{"event":"charge.success","data":{"reference":"r-1"}}"#,
                "c7cc7916502715751d3e5ad2bd55477a5cc42983135031d4115103eff5702d47\
                 ef14a6108e5622644be57c6cabd149fec250b11e7433bcfe3cd1d70c7a59fad8",
            ),
            (
                "{\"n\":\"Thandi \u{e9}\"}\n",
                "5d0c98e9ef293b431dfd4a2beecc1648571f811a74f86cd111647e7edfbb86eb\
                 3acef796be89da5cf1b089100e52f2c1474b1cc36b6a1ee4f22ac291101cadc6",
            ),
        ] {
            assert_eq!(keys(NEW).sign(body.as_bytes()), signature);
            assert_eq!(verify(NEW, &headers(signature), body.as_bytes()), Ok(()));
        }
    }

    #[test]
    fn both_keys_are_valid_while_one_replaces_the_other() {
        for signed_by in [OLD, NEW] {
            let signature = headers(&keys(signed_by).sign(b"{}"));
            assert_eq!(verify(&format!("{NEW} {OLD}"), &signature, b"{}"), Ok(()));
        }
        assert_eq!(keys(&format!("{NEW}\n{OLD}")).newest(), NEW);
    }

    #[test]
    fn any_change_after_signing_invalidates_the_signature() {
        let right = keys(NEW).sign(b"{}");
        assert_eq!(verify(OLD, &headers(&right), b"{}"), Err(SignatureError::Mismatch));
        assert_eq!(verify(NEW, &headers(&right), b"{ }"), Err(SignatureError::Mismatch));
        let mut other = right.clone().into_bytes();
        other[127] = if other[127] == b'0' { b'1' } else { b'0' };
        assert_eq!(verify(NEW, &headers(&String::from_utf8(other).unwrap()), b"{}"), Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_missing_repeated_or_malformed_header_is_rejected() {
        let right = keys(NEW).sign(b"{}");
        let too_long = format!("{right}0");
        for value in ["", "00", &right[1..], &too_long, &right.to_uppercase(), &"g".repeat(128), &"\u{e9}".repeat(64)] {
            assert_eq!(verify(NEW, &headers(value), b"{}"), Err(SignatureError::Header), "{value}");
        }
        assert_eq!(verify(NEW, &HeaderMap::new(), b"{}"), Err(SignatureError::Header));
        let mut twice = headers(&right);
        twice.append(PAYSTACK_SIGNATURE, HeaderValue::from_str(&right).unwrap());
        assert_eq!(verify(NEW, &twice, b"{}"), Err(SignatureError::Header));
    }

    #[test]
    fn keys_of_another_kind_or_of_both_modes_stop_the_function_at_its_start() {
        let live = NEW.replace("test", "live");
        for text in ["", "sk_test_", "sk_test_short", "pk_test_0000000000000000000000000", &format!("{NEW} {live}")] {
            let error = SecretKeys::parse(text, "KEY").unwrap_err().to_string();
            assert!(error.contains("KEY") && !error.contains("0000"), "{error}");
        }
        assert!(keys(&live).are_live() && !keys(NEW).are_live());
        assert!(!format!("{:?}", keys(NEW)).contains("new"));
        let trial = Environment::default().with("KEY", "sk_test_1");
        assert!(SecretKeys::from_environment(&trial, "KEY").is_ok());
    }
}
