//! The environment that the functions are handed: the process's own where it says something, and this machine's services.

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
    let (webhook_secret, channel_secret) = if remote {
        (DEVELOPMENT_WEBHOOK_SECRET.to_owned(), DEVELOPMENT_CHANNEL_SECRET.to_owned())
    } else {
        (random_secret("SANDBOX_WEBHOOK_SECRET")?, random_secret("CHANNEL_WEBHOOK_SECRET")?)
    };
    Ok(given
        .or("TABLE_NAME", crate::dynamodb::TABLE_NAME)
        .or("EVENT_BUS_NAME", EVENT_BUS_NAME)
        .or("PUBLIC_BASE_URL", base)
        .or("SANDBOX_WEBHOOK_SECRET", webhook_secret)
        .or("CHANNEL_WEBHOOK_SECRET", channel_secret)
        .or("SIGN_IN", "local")
        .with("PAYMENT_PROVIDER", "sandbox")
        .with("SANDBOX_PROVIDER_URL", format!("{base}/sandbox"))
        .with("CHANNEL", "webhook")
        .with("CHANNEL_WEBHOOK_URL", format!("{base}/local/phone"))
        // Whatever account this machine can reach otherwise, the functions must not.
        .with("AWS_REGION", crate::aws::REGION)
        .with("AWS_ACCESS_KEY_ID", "local")
        .with("AWS_SECRET_ACCESS_KEY", "local")
        .with("AWS_SESSION_TOKEN", "")
        .with("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)
        .with("AWS_ENDPOINT_URL_EVENTBRIDGE", format!("{base}/local/aws/events")))
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
        for (remote, name) in [(false, "CHANNEL_WEBHOOK_SECRET"), (true, "CHANNEL_WEBHOOK_SECRET")] {
            assert!(runtime::webhook::Secrets::from_environment(&made(Environment::default(), remote), name).is_ok());
        }
    }
}
