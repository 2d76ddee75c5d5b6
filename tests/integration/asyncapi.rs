//! The description of events and webhooks, `events/asyncapi.json`: it is what the code says, it has every schema, and
//! its examples are valid. That every event is as described is checked where the tests read the bus
//! ([`tests::asyncapi`]).

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tests::asyncapi::{FILE, SCHEMAS, check, description};
use tests::openapi::{assert_committed, resolved};

/// The stand-in provider's own webhooks: an integrator never meets them.
const OF_STAND_INS: [&str; 1] = ["sandbox-webhook"];

/// Returns every message with its name.
fn messages() -> Vec<(String, Value)> {
    description()["components"]["messages"].as_object().unwrap().clone().into_iter().collect()
}

#[test]
fn the_committed_description_is_what_the_code_says() {
    assert_committed(FILE, &description());
}

#[test]
fn every_schema_is_in_the_description() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/schemas");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.map(|name| name.trim_end_matches(".schema.json").to_owned()).collect();
    let described = SCHEMAS.iter().chain(&OF_STAND_INS).map(|name| (*name).to_owned()).collect();
    assert_eq!(files, described);
}

#[test]
fn every_message_has_examples_and_each_is_valid_by_the_description_and_by_its_own_schema() {
    for (name, message) in messages() {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            check(&name, "payload", &example["payload"]).unwrap();
            assert_eq!(message.get("headers").is_some(), example.get("headers").is_some(), "{name}: {example}");
            if let Some(headers) = example.get("headers") {
                check(&name, "headers", headers).unwrap();
            }
            if name.starts_with("live.") {
                // The request is one of the HTTP API, and its description's.
                continue;
            }
            let payload = &example["payload"];
            let (kind, own) = match name.strip_prefix("webhook.") {
                Some(kind) => (kind, &payload["data"]),
                None if payload.get("detail").is_some() => (name.as_str(), &payload["detail"]),
                None => (name.as_str(), payload),
            };
            crate::events::assert_valid(kind, own);
        }
    }
}

#[test]
fn every_status_and_every_reason_to_expire_has_an_example() {
    let described = description();
    let schema = &described["components"]["schemas"]["PaymentRequestStatusChanged"];
    let statuses: BTreeSet<&str> =
        schema["properties"]["status"]["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let examples = described["components"]["messages"]["PaymentRequestStatusChanged"]["examples"].as_array().unwrap();
    let details = examples.iter().map(|example| &example["payload"]["detail"]);
    assert_eq!(details.clone().filter_map(|detail| detail["status"].as_str()).collect::<BTreeSet<_>>(), statuses);
    let reasons = details.filter(|detail| detail["status"] == "expired").filter_map(|detail| detail["reason"].as_str());
    assert_eq!(reasons.collect::<BTreeSet<_>>(), BTreeSet::from(["not_clicked", "not_paid", "payment_failed"]));
}

#[test]
fn every_channel_and_operation_leads_to_messages_that_are_there() {
    let described = description();
    let mut reached = BTreeSet::new();
    for (name, operation) in described["operations"].as_object().unwrap() {
        let channel = resolved(&described, &operation["channel"]);
        let messages = operation["messages"].as_array().unwrap();
        // A channel in both directions has an operation for each.
        let of_channel = channel["messages"].as_object().unwrap().len();
        assert!(!messages.is_empty() && messages.len() <= of_channel, "{name}");
        for message in messages {
            reached.insert(resolved(&described, resolved(&described, message))["name"].to_string());
        }
    }
    let all: BTreeSet<String> = messages().iter().map(|(_, message)| message["name"].to_string()).collect();
    assert_eq!(reached, all);
}

#[test]
fn a_message_that_is_not_described_is_noticed() {
    let described = description();
    let example = |message: &str| described["components"]["messages"][message]["examples"][0].clone();
    let event = example("PaymentRequestStatusChanged")["payload"].clone();
    assert_eq!(check("PaymentRequestStatusChanged", "payload", &event), Ok(()));
    for (pointer, wrong) in [
        ("/detail-type", json!("PaymentAttemptFailed")),
        ("/source", json!("another")),
        ("/time", json!("2026-01-05T10:00:00.000Z")),
        ("/resources", json!(["x"])),
        ("/detail/status", json!("lost")),
        ("/detail/link", Value::Null),
        ("/detail/customer", json!({ "phone": "083", "name": null })),
        ("/detail/occurred_at", json!("2026-01-05T10:00:00Z")),
    ] {
        let mut broken = event.clone();
        *broken.pointer_mut(pointer).unwrap() = wrong;
        assert!(check("PaymentRequestStatusChanged", "payload", &broken).is_err(), "{broken}");
    }
    let mut more = event.clone();
    more["detail"]["new_member"] = json!(1);
    assert!(check("PaymentRequestStatusChanged", "payload", &more).is_err(), "a member that nobody has described");
    assert!(check("PaymentAttemptFailed", "payload", &event).is_err());
    assert!(check("PaymentRequestLost", "payload", &event).is_err());
    let webhook = example("webhook.PaymentRequestStatusChanged");
    for (part, name, wrong) in [
        ("payload", "type", json!("PaymentAttemptFailed")),
        ("payload", "timestamp", json!(1_767_607_200)),
        ("payload", "data", json!({})),
        ("headers", "webhook-timestamp", json!("2026-01-05")),
        ("headers", "webhook-signature", json!("v1a,AAAA")),
    ] {
        let mut broken = webhook[part].clone();
        broken[name] = wrong;
        assert!(check("webhook.PaymentRequestStatusChanged", part, &broken).is_err(), "{broken}");
    }
}
