//! The environment of the functions: the process's own variables, and defaults that point to this machine's services.

use crate::cloud::aws::REGION;
use crate::cloud::bus::EVENT_BUS_NAME;
use crate::cloud::dynamodb::{LIVE_TABLE_NAME, SUMS_TABLE_NAME, TABLE_NAME, WEBHOOKS_TABLE_NAME};
use crate::cloud::queue::QUEUE_PATH;
use crate::cloud::sockets::{MANAGEMENT_PATH, STAGE};
use crate::stand_ins::StandIns;
use runtime::{ConfigError, Environment};
use stand_in_host::Host;

/// Adds the variables by which the functions find this machine's services. `dynamodb` is the URL of the embedded
/// DynamoDB.
///
/// # Errors
/// [`ConfigError`] if a variable is missing or invalid.
pub(super) fn for_functions(
    given: Environment,
    host: &Host,
    stand_ins: &StandIns,
    dynamodb: &str,
) -> Result<Environment, ConfigError> {
    Ok(stand_ins
        .configure(host, given)?
        .or("TABLE_NAME", TABLE_NAME)
        .or("SUMS_TABLE_NAME", SUMS_TABLE_NAME)
        .or("EVENT_BUS_NAME", EVENT_BUS_NAME)
        .or("PUBLIC_BASE_URL", &host.base_url)
        .or("SIGN_IN", "local")
        .or("WEBHOOKS_TABLE_NAME", WEBHOOKS_TABLE_NAME)
        .or("LIVE_TABLE_NAME", LIVE_TABLE_NAME)
        .or("LIVE_URL", format!("{}/{STAGE}", host.base_url.replacen("http:", "ws:", 1)))
        .or("WEBHOOK_QUEUE_URL", format!("{}{QUEUE_PATH}", host.own_url))
        // A developer's own endpoint is most likely on this machine.
        .or("WEBHOOK_ENDPOINTS_ON_LOOPBACK", "allowed")
        // The functions must not reach any real AWS account that this machine has access to.
        .with("AWS_REGION", REGION)
        .with("AWS_ACCESS_KEY_ID", "local")
        .with("AWS_SECRET_ACCESS_KEY", "local")
        .with("AWS_SESSION_TOKEN", "")
        .with("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)
        .with("AWS_ENDPOINT_URL_SQS", format!("{}/local/aws/sqs", host.own_url))
        .with("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", format!("{}{MANAGEMENT_PATH}", host.own_url))
        .with("AWS_ENDPOINT_URL_EVENTBRIDGE", format!("{}/local/aws/events", host.own_url)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stand_in_host::{Doors, DurableStore, ShutdownHandle};
    use std::time::Duration;

    fn made(given: Environment, functions_elsewhere: bool) -> Environment {
        let (_handle, shutdown) = ShutdownHandle::new();
        let host = Host {
            base_url: "http://127.0.0.1:1".to_owned(),
            own_url: "http://127.0.0.1:3".to_owned(),
            functions_elsewhere,
            store: DurableStore::open(None).unwrap(),
            doors: Doors::default(),
            client: stand_in_host::client(Duration::from_secs(1)).unwrap(),
            shutdown,
        };
        let stand_ins = StandIns::choose(&given).unwrap();
        for_functions(given, &host, &stand_ins, "http://127.0.0.1:2").unwrap()
    }

    /// The secrets that `Cargo.toml` gives the functions under `cargo lambda watch`.
    fn agreed(name: &str) -> String {
        let manifest = include_str!("../../../../Cargo.toml");
        let line = manifest.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap();
        line.trim_matches('"').to_owned()
    }

    #[test]
    fn a_set_variable_is_kept_and_a_local_one_is_overridden() {
        let given = Environment::default()
            .with("PUBLIC_BASE_URL", "https://pay.example.com")
            .with("SANDBOX_WEBHOOK_SECRET", "whsec_given")
            .with("AWS_ACCESS_KEY_ID", "a real one");
        let environment = made(given, false);
        assert_eq!(environment.get("PUBLIC_BASE_URL"), Some("https://pay.example.com"));
        assert_eq!(environment.get("SANDBOX_WEBHOOK_SECRET"), Some("whsec_given"));
        assert_eq!(environment.get("AWS_ACCESS_KEY_ID"), Some("local"));
        assert_eq!(environment.get("SANDBOX_PROVIDER_URL"), Some("http://127.0.0.1:3/sandbox"));
    }

    #[test]
    fn secrets_are_random_in_process_and_fixed_elsewhere() {
        for name in ["SANDBOX_WEBHOOK_SECRET", "CHANNEL_WEBHOOK_SECRET"] {
            let secret = |elsewhere| made(Environment::default(), elsewhere).get(name).map(str::to_owned);
            assert_ne!(secret(false), secret(false));
            assert_eq!(secret(true), Some(agreed(name)));
            for elsewhere in [false, true] {
                let environment = made(Environment::default(), elsewhere);
                assert!(runtime::webhook::Secrets::from_environment(&environment, name).is_ok());
            }
        }
        let stripe = || made(Environment::default().with("PAYMENT_PROVIDER", "stripe"), false);
        assert_ne!(stripe().get("STRIPE_WEBHOOK_SECRET"), stripe().get("STRIPE_WEBHOOK_SECRET"));
    }

    #[test]
    fn stripe_has_a_stand_in_unless_its_address_is_set() {
        let stripe = Environment::default().with("PAYMENT_PROVIDER", "stripe");
        let here = made(stripe.clone(), false);
        assert_eq!(here.get("STRIPE_API_URL"), Some("http://127.0.0.1:3/stripe"));
        assert_eq!(here.get("STRIPE_CHECKOUT_ORIGIN"), Some("http://127.0.0.1:1"));
        assert_eq!(here.get("SANDBOX_WEBHOOK_SECRET"), None);

        let elsewhere = made(stripe.with("STRIPE_API_URL", "https://api.stripe.com"), false);
        assert_eq!(elsewhere.get("STRIPE_API_URL"), Some("https://api.stripe.com"));
        assert_eq!(elsewhere.get("STRIPE_SECRET_KEY"), None, "a real account's key has no default");
    }

    #[test]
    fn paystack_has_a_stand_in_unless_its_address_is_set() {
        let paystack = Environment::default().with("PAYMENT_PROVIDER", "paystack");
        let here = made(paystack.clone(), false);
        assert_eq!(here.get("PAYSTACK_API_URL"), Some("http://127.0.0.1:3/paystack"));
        assert_eq!(here.get("PAYSTACK_CHECKOUT_ORIGIN"), Some("http://127.0.0.1:1"));
        assert!(here.get("PAYSTACK_SECRET_KEY").is_some_and(|key| key.starts_with("sk_test_")));
        assert_eq!(here.get("PAYSTACK_LIVEMODE"), Some("false"));
        let live = made(paystack.clone().with("PAYSTACK_SECRET_KEY", "sk_live_given"), false);
        assert_eq!(live.get("PAYSTACK_LIVEMODE"), Some("true"), "as the key says");
        assert_eq!(here.get("SANDBOX_WEBHOOK_SECRET"), None);

        let elsewhere = made(paystack.with("PAYSTACK_API_URL", "https://api.paystack.co"), false);
        assert_eq!(elsewhere.get("PAYSTACK_API_URL"), Some("https://api.paystack.co"));
        assert_eq!(elsewhere.get("PAYSTACK_SECRET_KEY"), None, "a real account's key has no default");
    }
}
