//! A missing or invalid variable stops a function at its start, with one log line that names the variable and never its
//! value.

use adapters::{ChannelName, ProviderName};
use runtime::{ConfigError, Environment, Function};
use serde_json::Value;
use std::collections::BTreeSet;

type Make = fn(&Environment) -> Result<Box<dyn Function>, ConfigError>;

const SETTINGS: &[(&str, &str)] = &[
    ("TABLE_NAME", "chat2pay"),
    ("SUMS_TABLE_NAME", "chat2pay-sums"),
    ("EVENT_BUS_NAME", "chat2pay"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("PUBLIC_BASE_URL", "https://pay.example.com"),
    ("PAYMENT_PROVIDER", "sandbox"),
    ("SANDBOX_PROVIDER_URL", "https://sandbox.example.com"),
    ("SANDBOX_WEBHOOK_SECRET", "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz"),
    ("CHANNEL", "webhook"),
    ("CHANNEL_WEBHOOK_URL", "https://chat.example.com"),
    ("CHANNEL_WEBHOOK_SECRET", "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz"),
    ("LINK_TTL_SECONDS", "300"),
    ("CHECKOUT_TTL_SECONDS", "900"),
    ("RETENTION_DAYS", "365"),
    ("EXPIRY_LOOKAHEAD_SECONDS", "60"),
    ("WEBHOOKS_TABLE_NAME", "chat2pay-webhooks"),
    ("WEBHOOK_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/1/chat2pay"),
    ("WEBHOOK_ENCRYPTION_KEY", "a-key-that-is-longer-than-32-characters"),
    ("LIVE_TABLE_NAME", "chat2pay-live"),
    ("LIVE_URL", "wss://live.example.com/live"),
    ("SIGN_IN", "oauth"),
    ("SIGN_IN_ISSUER", "https://id.example.com"),
    ("SIGN_IN_CLIENT_ID", "desk"),
];

const STORE: &[&str] = &["TABLE_NAME", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const WEBHOOKS: &[&str] = &["WEBHOOKS_TABLE_NAME", "WEBHOOK_QUEUE_URL", "WEBHOOK_ENCRYPTION_KEY"];
const PROVIDER: &[&str] = &["PAYMENT_PROVIDER", "SANDBOX_PROVIDER_URL", "PUBLIC_BASE_URL"];

/// Returns each function with the variables that it requires.
fn functions() -> Vec<(&'static str, Make, Vec<&'static str>)> {
    vec![
        (create::NAME, create::function, [STORE, &["PUBLIC_BASE_URL", "PAYMENT_PROVIDER"]].concat()),
        (cancel::NAME, cancel::function, [STORE, &["PUBLIC_BASE_URL"]].concat()),
        (query::NAME, query::function, [STORE, &["SUMS_TABLE_NAME", "PUBLIC_BASE_URL"]].concat()),
        (link_click::NAME, link_click::function, [STORE, PROVIDER].concat()),
        (live::NAME, live::function, [STORE, &["LIVE_TABLE_NAME", "LIVE_URL", "PUBLIC_BASE_URL"]].concat()),
        (
            payment_webhook::NAME,
            payment_webhook::function,
            [STORE, &["PAYMENT_PROVIDER", "SANDBOX_WEBHOOK_SECRET"]].concat(),
        ),
        (expire::NAME, expire::function, [STORE, PROVIDER].concat()),
        (refund::NAME, refund::function, [STORE, PROVIDER].concat()),
        (reconcile::NAME, reconcile::function, [STORE, PROVIDER].concat()),
        (
            publish::NAME,
            publish::function,
            [&STORE[1..], &["SUMS_TABLE_NAME", "EVENT_BUS_NAME", "PUBLIC_BASE_URL"]].concat(),
        ),
        (webhook_endpoints::NAME, webhook_endpoints::function, [&STORE[1..], WEBHOOKS].concat()),
        (webhooks::NAME, webhooks::function, [&STORE[1..], WEBHOOKS].concat()),
        (desk::NAME, desk::function, vec!["SIGN_IN", "SIGN_IN_ISSUER", "SIGN_IN_CLIENT_ID"]),
        (
            notify::NAME,
            notify::function,
            [STORE, &["CHANNEL", "CHANNEL_WEBHOOK_URL", "CHANNEL_WEBHOOK_SECRET"]].concat(),
        ),
        (delivery_report::NAME, delivery_report::function, [STORE, &["CHANNEL", "CHANNEL_WEBHOOK_SECRET"]].concat()),
    ]
}

/// The settings that replace the sandbox provider's when Stripe is used.
const STRIPE_SETTINGS: &[(&str, &str)] = &[
    ("PAYMENT_PROVIDER", "stripe"),
    ("STRIPE_SECRET_KEY", "rk_test_123"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_0000000000000000000000000000test"),
    ("STRIPE_LIVEMODE", "false"),
];

/// The settings that replace the sandbox provider's when Paystack is used.
const PAYSTACK_SETTINGS: &[(&str, &str)] = &[
    ("PAYMENT_PROVIDER", "paystack"),
    ("PAYSTACK_SECRET_KEY", "sk_test_123"),
    ("PAYSTACK_LIVEMODE", "false"),
    ("PAYSTACK_FALLBACK_EMAIL", "payments@example.com"),
    ("PAYSTACK_CHANNELS", "card bank_transfer"),
];

/// Returns the settings of a deployment with this provider.
fn settings_with(provider: ProviderName) -> Vec<(&'static str, &'static str)> {
    match provider {
        ProviderName::Sandbox => SETTINGS.to_vec(),
        ProviderName::Stripe => settings_of(STRIPE_SETTINGS),
        ProviderName::Paystack => settings_of(PAYSTACK_SETTINGS),
    }
}

/// Returns the functions to test with this provider, each with the variables that it requires.
fn functions_with(provider: ProviderName) -> Vec<(&'static str, Make, Vec<&'static str>)> {
    match provider {
        ProviderName::Sandbox => functions(),
        ProviderName::Stripe => functions_with_stripe(),
        ProviderName::Paystack => functions_with_paystack(),
    }
}

/// Returns the functions that use the provider, each with the variables that it requires for Stripe.
fn functions_with_stripe() -> Vec<(&'static str, Make, Vec<&'static str>)> {
    const KEY: &[&str] = &["PAYMENT_PROVIDER", "STRIPE_SECRET_KEY", "STRIPE_LIVEMODE"];
    const WEBHOOKS: &[&str] = &["PAYMENT_PROVIDER", "STRIPE_WEBHOOK_SECRET", "STRIPE_LIVEMODE"];
    vec![
        (create::NAME, create::function, [STORE, &["PUBLIC_BASE_URL", "PAYMENT_PROVIDER"]].concat()),
        (link_click::NAME, link_click::function, [STORE, KEY, &["PUBLIC_BASE_URL"]].concat()),
        (payment_webhook::NAME, payment_webhook::function, [STORE, WEBHOOKS].concat()),
        (expire::NAME, expire::function, [STORE, KEY, &["PUBLIC_BASE_URL"]].concat()),
        (refund::NAME, refund::function, [STORE, KEY].concat()),
        (reconcile::NAME, reconcile::function, [STORE, KEY].concat()),
    ]
}

/// Returns the functions that use the provider, each with the variables that it requires for Paystack. The key signs
/// webhooks too.
fn functions_with_paystack() -> Vec<(&'static str, Make, Vec<&'static str>)> {
    const WEBHOOKS: &[&str] = &["PAYMENT_PROVIDER", "PAYSTACK_SECRET_KEY", "PAYSTACK_LIVEMODE"];
    let all = [WEBHOOKS, &["PAYSTACK_FALLBACK_EMAIL"]].concat();
    vec![
        (create::NAME, create::function, [STORE, &["PUBLIC_BASE_URL", "PAYMENT_PROVIDER"]].concat()),
        (link_click::NAME, link_click::function, [STORE, &all, &["PUBLIC_BASE_URL"]].concat()),
        (payment_webhook::NAME, payment_webhook::function, [STORE, WEBHOOKS].concat()),
        (expire::NAME, expire::function, [STORE, &all, &["PUBLIC_BASE_URL"]].concat()),
        (refund::NAME, refund::function, [STORE, &all].concat()),
        (reconcile::NAME, reconcile::function, [STORE, &all].concat()),
    ]
}

/// Returns the settings with these in place of the sandbox provider's.
fn settings_of(provider: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let others = SETTINGS.iter().filter(|(name, _)| *name != "PAYMENT_PROVIDER" && !name.starts_with("SANDBOX_"));
    others.chain(provider).copied().collect()
}

fn environment(settings: impl Iterator<Item = (&'static str, &'static str)>) -> Environment {
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn a_function_starts_with_its_required_variables_and_names_a_missing_one() {
    for &provider in ProviderName::ALL {
        let settings = settings_with(provider);
        for (function, make, needed) in functions_with(provider) {
            assert!(make(&environment(settings.iter().copied())).is_ok(), "{function}");
            let mut missed = BTreeSet::new();
            for (missing, _) in &settings {
                let rest = environment(settings.iter().copied().filter(|(name, _)| name != missing));
                if let Err(error) = make(&rest) {
                    let line = error.to_string();
                    assert!(line.contains(missing) && !line.contains('\n'), "{function} without {missing}: {line}");
                    missed.insert(*missing);
                }
            }
            assert_eq!(missed, needed.into_iter().collect(), "{function}");
        }
    }
}

#[tokio::test]
async fn an_invalid_variable_is_named_and_its_value_is_not() {
    for &provider in ProviderName::ALL {
        let wrong: &[_] = match provider {
            ProviderName::Sandbox => &[
                ("LINK_TTL_SECONDS", "0"),
                ("CHECKOUT_TTL_SECONDS", "fifteen minutes"),
                ("RETENTION_DAYS", "-1"),
                ("EXPIRY_LOOKAHEAD_SECONDS", "1e3"),
                ("PUBLIC_BASE_URL", "pay.example.com"),
                ("PUBLIC_BASE_URL", "https://pay.example.com?x"),
                ("PUBLIC_BASE_URL", "https://pay.example.com#x"),
                ("PUBLIC_BASE_URL", "https://user@pay.example.com"),
                ("PUBLIC_BASE_URL", "https://pay.example.com/a b"),
                ("PAYMENT_PROVIDER", "somebody"),
                ("SANDBOX_PROVIDER_URL", "ftp://sandbox.example.com"),
                ("SANDBOX_WEBHOOK_SECRET", "my-secret"),
                ("CHANNEL", "pigeon"),
                ("CHANNEL_WEBHOOK_URL", "http://"),
                ("CHANNEL_WEBHOOK_SECRET", "whsec_not base64"),
                ("WEBHOOK_ENCRYPTION_KEY", "my-secret"),
                ("WEBHOOK_ENDPOINTS_ON_LOOPBACK", "everywhere"),
            ],
            ProviderName::Stripe => &[
                ("STRIPE_LIVEMODE", "yes"),
                ("STRIPE_SECRET_KEY", "rk_live_456"),
                ("STRIPE_WEBHOOK_SECRET", "my-secret"),
                ("STRIPE_API_URL", "http://stripe.example.com"),
                ("STRIPE_CHECKOUT_ORIGIN", "https://checkout.example.com/path"),
            ],
            ProviderName::Paystack => &[
                ("PAYSTACK_LIVEMODE", "yes"),
                ("PAYSTACK_SECRET_KEY", "sk_live_456"),
                ("PAYSTACK_FALLBACK_EMAIL", "nobody at example"),
                ("PAYSTACK_CHANNELS", "cheque"),
                ("PAYSTACK_API_URL", "http://paystack.example.com"),
                ("PAYSTACK_CHECKOUT_ORIGIN", "https://checkout.example.com/path"),
            ],
        };
        expect_refused(&settings_with(provider), functions_with(provider), wrong);
    }
}

/// A function that needs no time limit ignores an invalid one. The retention, too, is read only by the functions that
/// end requests.
#[tokio::test]
async fn an_invalid_time_limit_stops_only_the_functions_that_read_it() {
    let expected = [
        ("LINK_TTL_SECONDS", &["create", "query", "link-click", "expire"][..]),
        ("CHECKOUT_TTL_SECONDS", &["create", "query", "link-click", "expire"]),
        (
            "RETENTION_DAYS",
            &["create", "cancel", "query", "link-click", "payment-webhook", "expire", "refund", "reconcile"],
        ),
    ];
    for (name, stopped) in expected {
        let settings = environment(SETTINGS.iter().copied()).with(name, "0");
        let functions = functions().into_iter().filter(|(_, make, _)| make(&settings).is_err());
        assert_eq!(functions.map(|(function, ..)| function).collect::<Vec<_>>(), stopped, "{name}");
    }
}

fn expect_refused(
    settings: &[(&'static str, &'static str)],
    functions: Vec<(&'static str, Make, Vec<&'static str>)>,
    wrong: &[(&'static str, &str)],
) {
    let mut refused = BTreeSet::new();
    for (function, make, _) in functions {
        for (name, value) in wrong {
            if let Err(error) = make(&environment(settings.iter().copied()).with(name, *value)) {
                let line = error.to_string();
                assert!(line.contains(name) && !line.contains(&format!(" {value}")), "{function}: {line}");
                refused.insert(*name);
            }
        }
    }
    assert_eq!(
        refused,
        wrong.iter().map(|(name, _)| *name).collect(),
        "each invalid variable stops every function that reads it"
    );
}

/// A variable's name, a valid value, and an invalid one.
type Needed = (&'static str, &'static str, &'static str);

/// Returns the variables that a channel's reports require.
fn needed_for_reports(channel: ChannelName) -> &'static [Needed] {
    match channel {
        ChannelName::Webhook => &[("CHANNEL_WEBHOOK_SECRET", "whsec_dGVzdA==", "whsec_not base64")],
        ChannelName::Sms => &[],
        ChannelName::WhatsApp => {
            &[("WHATSAPP_APP_SECRET", "0123456789abcdef", "two words"), ("WHATSAPP_VERIFY_TOKEN", "ours", "two words")]
        }
        ChannelName::Clickatell => &[("CLICKATELL_API_KEY", "77fb==", "two words")],
    }
}

/// Returns the variables that a channel requires for sending.
fn needed_for_messages(channel: ChannelName) -> &'static [Needed] {
    match channel {
        ChannelName::Webhook => &[
            ("CHANNEL_WEBHOOK_URL", "https://chat.example.com", "chat.example.com"),
            ("CHANNEL_WEBHOOK_SECRET", "whsec_dGVzdA==", "whsec_not base64"),
        ],
        ChannelName::Sms => {
            &[("SMS_ORIGINATION_IDENTITY", "arn:aws:sms-voice:us-east-1:1:pool/pool-1", "a pool of numbers")]
        }
        ChannelName::WhatsApp => &[
            ("WHATSAPP_PHONE_NUMBER_ID", "106540352242922", "+27831234567"),
            ("WHATSAPP_ACCESS_TOKEN", "EAAJB", "two words"),
        ],
        ChannelName::Clickatell => {
            &[("CLICKATELL_CHANNEL", "sms", "pigeon"), ("CLICKATELL_API_KEY", "77fb==", "two words")]
        }
    }
}

/// Returns the optional variables of a channel, each with an invalid value.
fn optional_for_messages(channel: ChannelName) -> &'static [(&'static str, &'static str)] {
    match channel {
        ChannelName::Webhook => &[],
        ChannelName::Sms => &[("SMS_CONFIGURATION_SET", "a b")],
        ChannelName::WhatsApp => &[("WHATSAPP_API_URL", "http://graph.facebook.com/v25.0")],
        ChannelName::Clickatell => &[("CLICKATELL_API_URL", "ftp://platform.clickatell.com")],
    }
}

#[tokio::test]
async fn each_channel_starts_with_its_required_variables_and_names_missing_and_invalid_ones() {
    for &channel in ChannelName::ALL {
        starts_with_these_alone(delivery_report::function, channel, needed_for_reports(channel));
        let all = starts_with_these_alone(notify::function, channel, needed_for_messages(channel));
        for (of, name, wrong) in ChannelName::ALL
            .iter()
            .flat_map(|of| optional_for_messages(*of).iter().map(move |(name, wrong)| (*of, name, wrong)))
        {
            let result = notify::function(&all.clone().with(name, *wrong));
            assert_eq!(result.is_err_and(|error| error.to_string().contains(name)), of == channel, "{channel} {name}");
        }
    }
}

/// Asserts that a function starts with the store's settings and these of a channel, and that it does not start if one
/// of these is missing or invalid. Returns all settings.
fn starts_with_these_alone(make: Make, channel: ChannelName, settings: &[Needed]) -> Environment {
    let store = environment(SETTINGS.iter().copied().filter(|(name, _)| STORE.contains(name)));
    let all =
        settings.iter().fold(store.with("CHANNEL", channel.as_str()), |all, (name, right, _)| all.with(name, *right));
    assert!(make(&all).is_ok(), "{channel}");
    for (name, _, wrong) in settings {
        for value in ["", wrong] {
            let line = make(&all.clone().with(name, value)).err().unwrap().to_string();
            assert!(line.contains(name) && !line.contains('\n'), "{channel} with {name}={value}: {line}");
            assert!(value.is_empty() || !line.contains(value), "{line}");
        }
    }
    all
}

/// The template's parameters are held against the same table.
#[tokio::test]
async fn personal_data_and_secrets_are_sent_encrypted_or_stay_on_the_machine() {
    let addresses: Vec<Value> = serde_json::from_str(include_str!("../template/addresses.json")).unwrap();
    let with = |settings: &[(&'static str, &'static str)], more: &[(&'static str, &'static str)]| {
        environment(settings.iter().chain(more).copied())
    };
    let whatsapp =
        with(SETTINGS, &[("CHANNEL", "whatsapp"), ("WHATSAPP_PHONE_NUMBER_ID", "1"), ("WHATSAPP_ACCESS_TOKEN", "t")]);
    let clickatell =
        with(SETTINGS, &[("CHANNEL", "clickatell"), ("CLICKATELL_CHANNEL", "sms"), ("CLICKATELL_API_KEY", "k")]);
    let endpoints: [(&str, &str, Make, Environment); 8] = [
        ("CHANNEL_WEBHOOK_URL", "complete", notify::function, with(SETTINGS, &[])),
        ("WHATSAPP_API_URL", "base", notify::function, whatsapp),
        ("CLICKATELL_API_URL", "base", notify::function, clickatell),
        ("SANDBOX_PROVIDER_URL", "base", link_click::function, with(SETTINGS, &[])),
        ("STRIPE_API_URL", "base", link_click::function, with(&settings_of(STRIPE_SETTINGS), &[])),
        ("STRIPE_CHECKOUT_ORIGIN", "origin", link_click::function, with(&settings_of(STRIPE_SETTINGS), &[])),
        ("PAYSTACK_API_URL", "base", link_click::function, with(&settings_of(PAYSTACK_SETTINGS), &[])),
        ("PAYSTACK_CHECKOUT_ORIGIN", "origin", link_click::function, with(&settings_of(PAYSTACK_SETTINGS), &[])),
    ];
    for (name, kind, make, settings) in endpoints {
        for row in &addresses {
            let address = row["address"].as_str().unwrap();
            let accepted = row["accepted_as"].as_array().unwrap().iter().any(|accepted| accepted == kind);
            let result = make(&settings.clone().with(name, address));
            let line = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert_eq!(result.is_ok(), accepted, "{name}={address}: {line}");
            assert!(line.is_empty() || line.contains(name), "{line}");
        }
    }
}
/// Returns the pattern of the parameter `PublicBaseUrl`, which has to match the whole value.
fn pattern_of_the_template() -> regex::Regex {
    let template = include_str!("../../infra/template.yaml");
    let (_, parameter) = template.split_once("\n  PublicBaseUrl:\n").unwrap();
    let (_, pattern) = parameter.split_once("AllowedPattern: >-\n").unwrap();
    regex::Regex::new(&format!("^(?:{})$", pattern.lines().next().unwrap().trim())).unwrap()
}

fn functions_take(address: &str) -> bool {
    let environment = Environment::default().with("PUBLIC_BASE_URL", address);
    runtime::config::public_base_url(&environment).is_ok()
}

#[test]
fn an_address_that_makes_dead_links_is_refused_by_the_functions_and_by_the_template() {
    let template = pattern_of_the_template();
    for (address, functions, deployment) in [
        ("https://pay.example.com", true, true),
        ("https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", true, true),
        ("https://pay.example.com:8443", true, true),
        ("https://pay.example.com:65535", true, true),
        ("https://xn--zahlung-b1a.example", true, true),
        ("http://127.0.0.1:8080", true, true),
        ("http://localhost", true, true),
        ("http://a1b2c3.execute-api.localhost:4566", true, true),
        // The functions take more than a deployment does: a path, a slash at the end, and http anywhere.
        ("https://pay.example.com/stage", true, false),
        ("https://pay.example.com/", true, false),
        ("http://pay.example.com", true, false),
        ("HTTPS://pay.example.com", true, false),
        ("http://[::1]:8080", true, false),
        ("https://pay.example.com?x", false, false),
        ("https://pay.example.com/?x", false, false),
        ("https://pay.example.com/p?x=1", false, false),
        ("https://pay.example.com#x", false, false),
        ("https://pay.example.com/#", false, false),
        ("https://user@pay.example.com", false, false),
        ("https://user:secret@pay.example.com", false, false),
        ("https://@pay.example.com", false, false),
        ("https://pay.example.com ", false, false),
        (" https://pay.example.com", false, false),
        ("https://pay example.com", false, false),
        ("https://pay.example.com/a b", false, false),
        ("https://pay.example.com\n", false, false),
        ("https://pay.example.com\\p", false, false),
        ("https://pay.example.com\"", false, false),
        ("https://<pay.example.com>", false, false),
        ("https://pay.example.com:", false, false),
        ("https://pay.example.com:0", false, false),
        ("https://pay.example.com:65536", false, false),
        ("https://pay.example.com:+80", false, false),
        ("https://pay.example.com:http", false, false),
        ("https://pay..example.com", false, false),
        ("https://.example.com", false, false),
        ("https://pay.example.com.", false, false),
        ("https://zählung.example", false, false),
        ("https://[::1", false, false),
        ("https://", false, false),
        ("https:///p", false, false),
        ("https:pay.example.com", false, false),
        ("https//pay.example.com", false, false),
        ("ftp://pay.example.com", false, false),
        ("pay.example.com", false, false),
        ("javascript:alert(1)", false, false),
    ] {
        assert_eq!(functions_take(address), functions, "{address:?}");
        assert_eq!(template.is_match(address), deployment, "{address:?} in the template");
    }
}

#[test]
fn the_template_takes_no_address_that_the_functions_refuse() {
    let template = pattern_of_the_template();
    let (mut taken, mut refused) = (0, 0);
    for address in ["https://pay.example.com:8443", "http://a.localhost:65535", "http://127.0.0.1", "https://a-b.c"] {
        for at in 0..=address.len() {
            for inserted in
                ["", "?", "#", "@", ":", "/", " ", ".", "-", "_", "%", "[", "9", "a", "\n", "\0", "é", "::", "//"]
            {
                for cut in 0..3.min(address.len() + 1 - at) {
                    let changed = format!("{}{inserted}{}", &address[..at], &address[at + cut..]);
                    if template.is_match(&changed) {
                        taken += 1;
                        assert!(functions_take(&changed), "{changed:?}");
                    } else {
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(taken > 300 && refused > 300, "{taken} of {} show little", taken + refused);
}
