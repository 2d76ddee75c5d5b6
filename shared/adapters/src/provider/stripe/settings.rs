//! The settings of a deployment's Stripe account.

use crate::endpoint::Endpoint;
use crate::provider::mode::Mode;
use crate::secrets::{SecretSource, SecretValue};
use runtime::{ConfigError, Environment};
use secrecy::{ExposeSecret as _, SecretString};

const API_URL: &str = "https://api.stripe.com";
const CHECKOUT_ORIGIN: &str = "https://checkout.stripe.com";

/// The settings for calls to Stripe's API in the name of an account.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) keys: SecretSource<SecretKey>,
    pub(super) mode: Mode,
    /// The address of Stripe's API, without a trailing slash.
    pub(super) api_url: String,
    /// The origin of Stripe's payment pages, in the form that browsers write.
    pub(super) checkout_origin: String,
}

impl Account {
    /// Reads the account of `STRIPE_SECRET_KEY`, or of the secret at `STRIPE_SECRET_KEY_ARN`, in the mode of
    /// `STRIPE_LIVEMODE`. `STRIPE_API_URL` and `STRIPE_CHECKOUT_ORIGIN` default to Stripe's own.
    ///
    /// # Errors
    /// A variable is missing or invalid, or the key belongs to the other mode.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let (mode, keys) = (mode(environment)?, SecretSource::from_environment(environment, "STRIPE_SECRET_KEY")?);
        if let SecretSource::Fixed(key) = &keys
            && SecretKey::mode(key) != mode
        {
            return Err(Environment::invalid(
                "STRIPE_SECRET_KEY",
                "a key of the mode (live or test) that STRIPE_LIVEMODE selects",
            ));
        }
        let (api_url, checkout_origin) = (api_url(environment)?, checkout_origin(environment)?);
        Ok(Self { keys, mode, api_url, checkout_origin })
    }
}

/// A secret or restricted key of the account (<https://docs.stripe.com/keys>).
#[derive(Debug, Clone)]
pub(super) struct SecretKey(SecretString);

impl SecretKey {
    pub(super) fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns the key's mode, from its prefix.
    pub(super) fn mode(&self) -> Mode {
        Mode::of(self.expose_secret().get(3..).is_some_and(|rest| rest.starts_with("live_")))
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret() == other.expose_secret()
    }
}

impl SecretValue for SecretKey {
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        let rest = ["sk_live_", "sk_test_", "rk_live_", "rk_test_"].iter().find_map(|prefix| text.strip_prefix(prefix));
        if rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
            Ok(Self(text.into()))
        } else {
            Err(Environment::invalid(name, "a secret or restricted key of Stripe, such as rk_test_…"))
        }
    }
}

/// Reads the mode from `STRIPE_LIVEMODE`.
///
/// # Errors
/// The variable is missing or invalid.
pub(super) fn mode(environment: &Environment) -> Result<Mode, ConfigError> {
    Mode::from_environment(environment, "STRIPE_LIVEMODE")
}

/// Reads `STRIPE_API_URL`, and removes a trailing slash.
fn api_url(environment: &Environment) -> Result<String, ConfigError> {
    let text = environment.get("STRIPE_API_URL").unwrap_or(API_URL);
    Ok(Endpoint::base(text, "STRIPE_API_URL")?.into_string())
}

/// Reads `STRIPE_CHECKOUT_ORIGIN`, an origin in the form that browsers write.
fn checkout_origin(environment: &Environment) -> Result<String, ConfigError> {
    let text = environment.get("STRIPE_CHECKOUT_ORIGIN").unwrap_or(CHECKOUT_ORIGIN);
    Ok(Endpoint::origin(text, "STRIPE_CHECKOUT_ORIGIN")?.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Environment {
        Environment::default().with(name, value)
    }

    #[test]
    fn only_an_https_or_loopback_address_is_accepted() {
        assert_eq!(api_url(&Environment::default()).unwrap(), API_URL);
        assert_eq!(
            api_url(&with("STRIPE_API_URL", "http://127.0.0.1:8080/stripe/")).unwrap(),
            "http://127.0.0.1:8080/stripe"
        );
        for url in [
            "http://api.stripe.com",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://u:p@a.test",
            "https://a.test?b",
            "a.test",
        ] {
            assert!(api_url(&with("STRIPE_API_URL", url)).is_err(), "{url}");
        }
        assert_eq!(checkout_origin(&Environment::default()).unwrap(), CHECKOUT_ORIGIN);
        assert!(checkout_origin(&with("STRIPE_CHECKOUT_ORIGIN", "http://localhost:8080")).is_ok());
        for origin in [
            "http://pay.example.com",
            "https://pay.example.com/c",
            "https://PAY.example.com",
            "https://pay.example.com:443",
        ] {
            assert!(checkout_origin(&with("STRIPE_CHECKOUT_ORIGIN", origin)).is_err(), "{origin}");
        }
    }

    #[test]
    fn the_mode_of_a_key_is_known_and_the_key_is_never_shown() {
        for (text, mode) in [
            ("sk_live_1", Mode::Live),
            ("rk_live_1", Mode::Live),
            ("sk_test_1", Mode::Test),
            ("rk_test_1\n", Mode::Test),
        ] {
            let key = SecretKey::parse(text, "KEY").unwrap();
            assert_eq!(key.mode(), mode);
            assert!(!format!("{key:?}").contains(text.trim()));
        }
        for text in ["", "sk_test_", "pk_test_1", "sk_test_a b", "sk_test_\u{e9}", "whsec_1"] {
            let error = SecretKey::parse(text, "KEY").unwrap_err().to_string();
            assert!(error.contains("KEY") && (text.is_empty() || !error.contains(text)), "{text}");
        }
    }
}
