//! The environment that the functions are handed: the process's own where it says something, and this machine's services.

use adapters::{ChannelName, ProviderName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use runtime::{ConfigError, Environment};

/// The bus's name where `EVENT_BUS_NAME` does not give another.
pub const EVENT_BUS_NAME: &str = "chat2pay";

/// What the stand-in provider signs with while the functions run under `cargo lambda watch`, unless
/// `SANDBOX_WEBHOOK_SECRET` is set: both sides must know it beforehand. It protects nothing.
pub const DEVELOPMENT_WEBHOOK_SECRET: &str = "whsec_bG9jYWwtc2FuZGJveC1zZWNyZXQtZm9yLWRldg==";

/// What the channel signs with while the functions run under `cargo lambda watch`, unless `CHANNEL_WEBHOOK_SECRET` is set.
/// It protects nothing.
pub const DEVELOPMENT_CHANNEL_SECRET: &str = "whsec_bG9jYWwtY2hhbm5lbC1zZWNyZXQtZm9yLWRldg==";

/// The account's key at the stand-in for Stripe, unless `STRIPE_SECRET_KEY` is set. It protects nothing.
const DEVELOPMENT_STRIPE_KEY: &str = "sk_test_local0stand0in";

/// The payment provider that is stood in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandIn {
    /// The sandbox provider, below `/sandbox`.
    Sandbox,
    /// Stripe, below `/stripe`.
    Stripe,
    /// None: the functions call a provider elsewhere, such as Stripe's test mode.
    None,
}

impl StandIn {
    /// What `PAYMENT_PROVIDER` asks for. Where it is Stripe and `STRIPE_API_URL` says where, that is not here.
    pub(crate) fn of(given: &Environment) -> Self {
        let provider = given.get("PAYMENT_PROVIDER").and_then(|name| name.parse().ok());
        match provider.unwrap_or(ProviderName::Sandbox) {
            ProviderName::Sandbox => Self::Sandbox,
            ProviderName::Stripe if given.get("STRIPE_API_URL").is_some() => Self::None,
            ProviderName::Stripe => Self::Stripe,
        }
    }

    /// Adds what the functions need to find it.
    fn announce(self, given: Environment, base: &str, remote: bool) -> Result<Environment, ConfigError> {
        Ok(match self {
            Self::None => given,
            Self::Sandbox => given
                .or("SANDBOX_WEBHOOK_SECRET", secret("SANDBOX_WEBHOOK_SECRET", remote, DEVELOPMENT_WEBHOOK_SECRET)?)
                .with("PAYMENT_PROVIDER", ProviderName::Sandbox.as_str())
                .with("SANDBOX_PROVIDER_URL", format!("{base}/sandbox")),
            Self::Stripe => given
                .or("STRIPE_SECRET_KEY", DEVELOPMENT_STRIPE_KEY)
                .or("STRIPE_WEBHOOK_SECRET", random_secret("STRIPE_WEBHOOK_SECRET")?)
                .or("STRIPE_LIVEMODE", "false")
                .or("STRIPE_CHECKOUT_ORIGIN", base)
                .with("STRIPE_API_URL", format!("{base}/stripe")),
        })
    }
}

/// Adds to the given environment what the functions need to find this machine's services.
///
/// `remote` is whether the functions run elsewhere, with secrets that were agreed on beforehand.
///
/// # Errors
/// [`ConfigError::Invalid`] if the machine has no random numbers to make secrets of.
pub(crate) fn for_functions(
    given: Environment,
    base: &str,
    dynamodb: &str,
    remote: bool,
) -> Result<Environment, ConfigError> {
    let channel_secret = secret("CHANNEL_WEBHOOK_SECRET", remote, DEVELOPMENT_CHANNEL_SECRET)?;
    let given = StandIn::of(&given).announce(given, base, remote)?;
    Ok(given
        .or("TABLE_NAME", crate::dynamodb::TABLE_NAME)
        .or("EVENT_BUS_NAME", EVENT_BUS_NAME)
        .or("PUBLIC_BASE_URL", base)
        .or("CHANNEL_WEBHOOK_SECRET", channel_secret)
        .or("SIGN_IN", "local")
        .with("CHANNEL", ChannelName::Webhook.as_str())
        .with("CHANNEL_WEBHOOK_URL", format!("{base}/local/phone"))
        // Whatever account this machine can reach otherwise, the functions must not.
        .with("AWS_REGION", crate::aws::REGION)
        .with("AWS_ACCESS_KEY_ID", "local")
        .with("AWS_SECRET_ACCESS_KEY", "local")
        .with("AWS_SESSION_TOKEN", "")
        .with("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)
        .with("AWS_ENDPOINT_URL_EVENTBRIDGE", format!("{base}/local/aws/events")))
}

/// A webhook secret for this variable: the one that was agreed on beforehand, or a random one.
fn secret(name: &str, remote: bool, agreed: &str) -> Result<String, ConfigError> {
    if remote { Ok(agreed.to_owned()) } else { random_secret(name) }
}

/// A webhook secret of 32 bytes for this variable.
fn random_secret(name: &str) -> Result<String, ConfigError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Environment::invalid(name, "set, for this machine has no random numbers"))?;
    Ok(format!("whsec_{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(given: Environment, remote: bool) -> Environment {
        for_functions(given, "http://127.0.0.1:1", "http://127.0.0.1:2", remote).unwrap()
    }

    #[test]
    fn what_is_set_stays_and_what_must_be_local_is_local() {
        let given = Environment::default()
            .with("PUBLIC_BASE_URL", "https://pay.example.com")
            .with("SANDBOX_WEBHOOK_SECRET", "whsec_given")
            .with("AWS_ACCESS_KEY_ID", "a real one");
        let environment = made(given, false);
        assert_eq!(environment.get("PUBLIC_BASE_URL"), Some("https://pay.example.com"));
        assert_eq!(environment.get("SANDBOX_WEBHOOK_SECRET"), Some("whsec_given"));
        assert_eq!(environment.get("AWS_ACCESS_KEY_ID"), Some("local"));
        assert_eq!(environment.get("SANDBOX_PROVIDER_URL"), Some("http://127.0.0.1:1/sandbox"));
    }

    #[test]
    fn secrets_are_random_in_process_and_agreed_on_elsewhere() {
        let secret = |remote| made(Environment::default(), remote).get("SANDBOX_WEBHOOK_SECRET").map(str::to_owned);
        assert_ne!(secret(false), secret(false));
        assert_eq!(secret(true).as_deref(), Some(DEVELOPMENT_WEBHOOK_SECRET));
        let stripe = || made(Environment::default().with("PAYMENT_PROVIDER", "stripe"), false);
        assert_ne!(stripe().get("STRIPE_WEBHOOK_SECRET"), stripe().get("STRIPE_WEBHOOK_SECRET"));
        for (remote, name) in [(false, "CHANNEL_WEBHOOK_SECRET"), (true, "CHANNEL_WEBHOOK_SECRET")] {
            assert!(runtime::webhook::Secrets::from_environment(&made(Environment::default(), remote), name).is_ok());
        }
    }

    #[test]
    fn stripe_is_stood_in_for_unless_it_is_elsewhere() {
        let stripe = Environment::default().with("PAYMENT_PROVIDER", "stripe");
        assert_eq!(StandIn::of(&stripe), StandIn::Stripe);
        let here = made(stripe.clone(), false);
        assert_eq!(here.get("STRIPE_API_URL"), Some("http://127.0.0.1:1/stripe"));
        assert_eq!(here.get("STRIPE_CHECKOUT_ORIGIN"), Some("http://127.0.0.1:1"));
        assert_eq!(here.get("SANDBOX_WEBHOOK_SECRET"), None);

        let test_mode = stripe.with("STRIPE_API_URL", "https://api.stripe.com");
        assert_eq!(StandIn::of(&test_mode), StandIn::None);
        let elsewhere = made(test_mode, false);
        assert_eq!(elsewhere.get("STRIPE_API_URL"), Some("https://api.stripe.com"));
        assert_eq!(elsewhere.get("STRIPE_SECRET_KEY"), None, "the account's own key has to be given");
        assert_eq!(StandIn::of(&Environment::default()), StandIn::Sandbox);
    }
}
