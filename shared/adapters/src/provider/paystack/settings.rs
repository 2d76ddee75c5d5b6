//! The settings of a deployment's Paystack account.

use crate::endpoint::Endpoint;
use crate::names::names;
use crate::provider::mode::Mode;
use crate::secrets::{SecretSource, SecretValue};
use domain::EmailAddress;
use runtime::paystack_signature::SecretKeys;
use runtime::{ConfigError, Environment};

const API_URL: &str = "https://api.paystack.co";
const CHECKOUT_ORIGIN: &str = "https://checkout.paystack.com";

/// The settings for calls to Paystack's interface in the name of an account.
#[derive(Debug, Clone)]
pub(super) struct PaystackAccount {
    pub(super) keys: SecretSource<SecretKeys>,
    pub(super) mode: Mode,
    /// The address of Paystack's interface, without a trailing slash.
    pub(super) api_url: String,
}

impl PaystackAccount {
    /// Reads the account of `PAYSTACK_SECRET_KEY`, or of the secret at `PAYSTACK_SECRET_KEY_ARN`, in the mode of
    /// `PAYSTACK_LIVEMODE`. `PAYSTACK_API_URL` defaults to Paystack's own.
    ///
    /// # Errors
    /// A variable is missing or invalid, or the key belongs to the other mode.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let mode = Mode::from_environment(environment, "PAYSTACK_LIVEMODE")?;
        let keys: SecretSource<SecretKeys> = SecretSource::from_environment(environment, "PAYSTACK_SECRET_KEY")?;
        if let SecretSource::Fixed(key) = &keys
            && Mode::of(key.are_live()) != mode
        {
            return Err(Environment::invalid(
                "PAYSTACK_SECRET_KEY",
                "a key of the mode (live or test) that PAYSTACK_LIVEMODE selects",
            ));
        }
        let api_url = environment.get("PAYSTACK_API_URL").unwrap_or(API_URL);
        Ok(Self { keys, mode, api_url: Endpoint::base(api_url, "PAYSTACK_API_URL")?.into_string() })
    }
}

/// The settings of the payment pages.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    /// The origin of Paystack's payment pages, in the form that browsers write.
    pub(super) origin: String,
    /// The address that Paystack gets for a customer without one of their own.
    pub(super) fallback_email: EmailAddress,
    /// The payment methods that customers are offered; those of the account if empty.
    pub(super) channels: Vec<ChannelOption>,
}

impl Pages {
    /// Reads `PAYSTACK_CHECKOUT_ORIGIN`, which defaults to Paystack's own, `PAYSTACK_FALLBACK_EMAIL`, and
    /// `PAYSTACK_CHANNELS`, which defaults to all of the account.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let origin = environment.get("PAYSTACK_CHECKOUT_ORIGIN").unwrap_or(CHECKOUT_ORIGIN);
        let origin = Endpoint::origin(origin, "PAYSTACK_CHECKOUT_ORIGIN")?.into_string();
        let fallback_email = environment.parse("PAYSTACK_FALLBACK_EMAIL", "an e-mail address")?;
        let channels = environment.get("PAYSTACK_CHANNELS").unwrap_or_default().split_whitespace();
        let channels: Result<Vec<ChannelOption>, _> = channels.map(str::parse).collect();
        let expected = || format!("one or more of {}, separated by spaces", ChannelOption::alternatives());
        let channels = channels.map_err(|_| Environment::invalid("PAYSTACK_CHANNELS", &expected()))?;
        Ok(Self { origin, fallback_email, channels })
    }
}

names! {
    /// A payment method that Paystack can offer to customers
    /// (`channels` in <https://paystack.com/docs/api/transaction/#initialize>).
    pub(super) enum ChannelOption {
        /// Cards.
        Card = "card",
        /// Apple Pay.
        ApplePay = "apple_pay",
        /// The customer's bank account, with the bank's own confirmation.
        Bank = "bank",
        /// A transfer by the customer to an account number of Paystack's.
        BankTransfer = "bank_transfer",
        /// Capitec Pay in South Africa.
        CapitecPay = "capitec_pay",
        /// Instant EFT in South Africa.
        Eft = "eft",
        /// Mobile money, such as M-Pesa.
        MobileMoney = "mobile_money",
        /// PayAttitude in Nigeria.
        PayAttitude = "payattitude",
        /// A code that the customer scans.
        Qr = "qr",
        /// A code that the customer dials.
        Ussd = "ussd",
    }
}

impl SecretValue for SecretKeys {
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::parse(text, name)
    }

    fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::from_environment(environment, name)
    }
}
