//! The description of what chat2pay publishes and exchanges as messages (AsyncAPI 3.0): the events on the bus, the
//! status webhooks, the live messages, and the webhook channel. It is built from the schemas in `events/schemas`, and
//! its examples are snapshots of real events.
//!
//! The committed file is `events/asyncapi.json`. `tests/openapi/run --write` writes it.

use crate::openapi::snapshot;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

/// The committed description, from the project's root.
pub const FILE: &str = "events/asyncapi.json";

/// The schemas that are part of the description, by the names of their files. Those of the events are the events'
/// detail types too.
pub const SCHEMAS: [&str; 6] = [
    "PaymentAttemptFailed",
    "PaymentLinkDeliveryFailed",
    "PaymentRequestStatusChanged",
    "ReconciliationDifferenceFound",
    "message.failed",
    "message.requested",
];

/// Each event of the bus: its detail type, what it is about, and the snapshots that are its examples.
const EVENTS: [(&str, &str, &[&str]); 4] = [
    (
        "PaymentRequestStatusChanged",
        "A payment request got another status",
        &[
            "sent",
            "clicked",
            "processing",
            "paid",
            "canceled",
            "expired-not-clicked",
            "expired-not-paid",
            "expired-payment-failed",
            "refund-due",
            "refunded",
        ],
    ),
    ("PaymentAttemptFailed", "An attempt to pay failed, and the customer may try again", &["attempt-failed"]),
    (
        "PaymentLinkDeliveryFailed",
        "The text with the link did not reach the customer",
        &["undelivered-undelivered", "undelivered-invalid_recipient"],
    ),
    (
        "ReconciliationDifferenceFound",
        "The payment provider and chat2pay differ about a payment",
        &["difference-found"],
    ),
];

/// What the description says about itself.
const ABOUT: &str = "\
What happens to payment requests, as messages: events on an EventBridge bus, the same events as webhooks to an \
address of your own, and the texts for customers as webhooks to your chat.

Every message comes at least once. Drop those whose identifier you have seen. The versions of one request's events \
count from 1 without gaps, and the order of their arrival is not that of the versions.

A consumer ignores members, statuses and types that it does not know: a later version may add some. The schemas are \
strict, so that chat2pay's own tests notice a member that nobody has described.";

/// The description as it was built, for the checks of real messages.
static DESCRIPTION: LazyLock<Value> = LazyLock::new(description);

/// Builds the description.
#[must_use]
pub fn description() -> Value {
    let mut schemas = Map::new();
    for name in SCHEMAS {
        bundle(name, &mut schemas);
    }
    schemas.insert("Event".to_owned(), envelope());
    schemas.insert("StatusWebhook".to_owned(), status_webhook());
    schemas.insert("WebhookHeaders".to_owned(), webhook_headers());
    let mut messages = Map::new();
    for (name, title, examples) in EVENTS {
        messages.insert(name.to_owned(), bus_message(name, title, examples));
        messages.insert(webhook_name(name), webhook_message(name, title, examples));
    }
    messages.insert("message.requested".to_owned(), message_requested());
    messages.insert("message.failed".to_owned(), message_failed());
    messages.insert("live.changed".to_owned(), live_changed());
    messages.insert("live.ping".to_owned(), live_ping());
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:chat2pay:messages",
        "info": {
            "title": "chat2pay's events and webhooks",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0" },
            "tags": [{ "name": "events" }, { "name": "live updates" }, { "name": "webhooks" }],
        },
        "defaultContentType": "application/json",
        "servers": servers(),
        "channels": channels(),
        "operations": operations(),
        "components": { "messages": messages, "schemas": schemas },
    })
}

/// Returns the name of the message that has an event as a webhook.
fn webhook_name(detail_type: &str) -> String {
    format!("webhook.{detail_type}")
}

fn servers() -> Value {
    json!({
        "bus": {
            "host": "events.{region}.amazonaws.com",
            "protocol": "eventbridge",
            "description": "Amazon EventBridge in the account of the deployment.",
            "variables": { "region": { "default": "us-east-1", "description": "The deployment's region." } },
        },
        "api": {
            "host": "{host}",
            "protocol": "https",
            "description": "A deployment of chat2pay. The stack's output `ApiUrl` is its address.",
            "variables": { "host": { "default": "pay.example.com", "description": "The deployment's host." } },
        },
        "live": {
            "host": "{host}",
            "protocol": "wss",
            "description": "The live updates of a deployment. `POST /live/tickets` of the HTTP API answers with the \
                            whole address, which is good for one connection within 30 seconds.",
            "variables": { "host": { "default": "live.example.com", "description": "The host in that address." } },
        },
        "integrator": {
            "host": "{host}",
            "protocol": "https",
            "description": "A server of yours, which receives webhooks.",
            "variables": { "host": { "default": "crm.example.com", "description": "Your host." } },
        },
    })
}

/// Returns references to messages, by their names.
fn references(names: impl Iterator<Item = String>) -> Value {
    names.map(|name| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") }))).collect()
}

fn channels() -> Value {
    let kinds = || EVENTS.iter().map(|(name, ..)| *name);
    json!({
        "bus": {
            "title": "The bus",
            "address": "chat2pay",
            "description": "The bus that `EVENT_BUS_NAME` names; the stack's output is `EventBusName`. A rule that \
                            matches the source `chat2pay` gets every event.",
            "servers": [{ "$ref": "#/servers/bus" }],
            "messages": references(kinds().map(str::to_owned)),
            "tags": [{ "name": "events" }],
        },
        "liveUpdates": {
            "title": "Live updates",
            "address": "/live",
            "description": "One connection for each page. It ends with the caller's token, after two hours at most.",
            "servers": [{ "$ref": "#/servers/live" }],
            "messages": references(["live.changed".to_owned(), "live.ping".to_owned()].into_iter()),
            "tags": [{ "name": "live updates" }],
        },
        "statusWebhooks": {
            "title": "Status webhooks",
            "address": null,
            "description": "The `url` of a webhook endpoint, which a supervisor has set. Any 2xx accepts a delivery; \
                            anything else, and a timeout, is retried for 24 hours.",
            "servers": [{ "$ref": "#/servers/integrator" }],
            "messages": references(kinds().map(webhook_name)),
            "tags": [{ "name": "webhooks" }],
        },
        "channelWebhook": {
            "title": "The channel's webhook",
            "address": null,
            "description": "`CHANNEL_WEBHOOK_URL`, where your chat takes texts for customers. Any 2xx accepts a text; \
                            400, 410 and 422 reject it; anything else, and a timeout, is retried.",
            "servers": [{ "$ref": "#/servers/integrator" }],
            "messages": references(["message.requested".to_owned()].into_iter()),
            "tags": [{ "name": "webhooks" }],
        },
        "deliveryReports": {
            "title": "Delivery reports",
            "address": "/delivery-reports/webhook",
            "description": "Where your chat reports a text that it has accepted and then cannot deliver.",
            "servers": [{ "$ref": "#/servers/api" }],
            "messages": references(["message.failed".to_owned()].into_iter()),
            "tags": [{ "name": "webhooks" }],
        },
    })
}

fn operations() -> Value {
    let of = |action: &str, channel: &str, title: &str, summary: &str, names: Vec<String>| {
        let messages = names.iter().map(|name| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") }));
        json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{channel}") },
            "title": title,
            "summary": summary,
            "messages": messages.collect::<Vec<_>>(),
        })
    };
    let posted = |mut operation: Value| {
        operation["bindings"] = json!({ "http": { "method": "POST", "bindingVersion": "0.3.0" } });
        operation
    };
    let kinds = || EVENTS.iter().map(|(name, ..)| *name);
    json!({
        "publishEvent": of(
            "send",
            "bus",
            "Publish an event",
            "chat2pay puts every event on the bus, at least once, in order per request.",
            kinds().map(str::to_owned).collect(),
        ),
        "notifyOfChange": of(
            "send",
            "liveUpdates",
            "Notify a page of a change",
            "chat2pay sends every change of the payment requests that the caller may see.",
            vec!["live.changed".to_owned()],
        ),
        "receivePing": of(
            "receive",
            "liveUpdates",
            "Keep the connection",
            "The page sends it every five minutes. It gets no answer.",
            vec!["live.ping".to_owned()],
        ),
        "deliverStatusWebhook": posted(of(
            "send",
            "statusWebhooks",
            "Deliver an event to a webhook endpoint",
            "chat2pay posts each event of the endpoint's types to its address.",
            kinds().map(webhook_name).collect(),
        )),
        "requestMessage": posted(of(
            "send",
            "channelWebhook",
            "Ask the chat to send a text",
            "chat2pay posts each text for a customer to the integrator's chat.",
            vec!["message.requested".to_owned()],
        )),
        "receiveDeliveryReport": posted(of(
            "receive",
            "deliveryReports",
            "Report that a text did not arrive",
            "The integrator's chat posts it to chat2pay, signed with the channel's secret.",
            vec!["message.failed".to_owned()],
        )),
    })
}

/// Adds a schema and its definitions, with every reference leading to the description's own schemas. Definitions that
/// several schemas have in common are there once; one that differs gets its schema's name before its own.
fn bundle(name: &str, schemas: &mut Map<String, Value>) {
    let mut schema = committed(name);
    let members = schema.as_object_mut().unwrap();
    members.remove("$schema");
    let id = members.remove("$id").unwrap();
    members.insert("x-schema-id".to_owned(), id);
    let Some(Value::Object(definitions)) = members.remove("$defs") else { panic!("{name} has no definitions") };
    let own = |definition: &str| {
        let same = schemas.get(definition).is_none_or(|known| *known == adapted(&definitions[definition], &plain));
        if same { plain(definition) } else { format!("{name}.{definition}") }
    };
    let names: Map<String, Value> = definitions.keys().map(|key| (key.clone(), own(key).into())).collect();
    let rename = |definition: &str| names[definition].as_str().unwrap().to_owned();
    let schema = adapted(&schema, &rename);
    for (key, definition) in &definitions {
        schemas.insert(rename(key), adapted(definition, &rename));
    }
    schemas.insert(name.to_owned(), schema);
}

fn plain(name: &str) -> String {
    name.to_owned()
}

/// Returns a schema as draft 7 has it, which is the draft that AsyncAPI's own schemas extend: nothing stands beside a
/// reference. `rename` gives the names of the definitions.
fn adapted(schema: &Value, rename: &dyn Fn(&str) -> String) -> Value {
    match schema {
        Value::Array(parts) => parts.iter().map(|part| adapted(part, rename)).collect(),
        Value::Object(members) => {
            let mut members: Map<String, Value> =
                members.iter().map(|(name, member)| (name.clone(), adapted(member, rename))).collect();
            if let Some(definition) = members.get("$ref").and_then(|to| to.as_str()?.strip_prefix("#/$defs/")) {
                let reference = json!({ "$ref": format!("#/components/schemas/{}", rename(definition)) });
                if members.len() == 1 {
                    return reference;
                }
                members.remove("$ref");
                members.insert("allOf".to_owned(), json!([reference]));
            }
            Value::Object(members)
        }
        other => other.clone(),
    }
}

/// Reads a schema of `events/schemas`.
fn committed(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/schemas/{name}.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn envelope() -> Value {
    json!({
        "title": "Event",
        "description": "The envelope that EventBridge puts around every event.",
        "type": "object",
        "additionalProperties": false,
        "required": [
            "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
        ],
        "properties": {
            "version": { "description": "The envelope's version.", "const": "0" },
            "id": {
                "description": "The bus's own identifier. An event that is published a second time has another one.",
                "type": "string",
                "minLength": 1,
            },
            "detail-type": {
                "description": "What has happened.",
                "enum": EVENTS.map(|(name, ..)| name),
            },
            "source": { "const": "chat2pay" },
            "account": { "description": "The AWS account.", "type": "string", "pattern": "^[0-9]{12}$" },
            "time": {
                "description": "When the event was put on the bus. It has no more than seconds.",
                "type": "string",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
            },
            "region": { "description": "The AWS region.", "type": "string", "minLength": 1 },
            "resources": { "description": "Always empty.", "type": "array", "maxItems": 0 },
            "detail": { "description": "The event itself, by its own schema.", "type": "object" },
        },
    })
}

fn status_webhook() -> Value {
    json!({
        "title": "StatusWebhook",
        "description": "The body of a status webhook, as Standard Webhooks has it.",
        "type": "object",
        "additionalProperties": false,
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": { "description": "What has happened.", "enum": EVENTS.map(|(name, ..)| name) },
            "timestamp": {
                "description": "When it happened.",
                "allOf": [{ "$ref": "#/components/schemas/time" }],
            },
            "data": { "description": "The event: the `detail` that is on the bus.", "type": "object" },
        },
    })
}

fn webhook_headers() -> Value {
    json!({
        "title": "WebhookHeaders",
        "description": "The headers of Standard Webhooks (https://www.standardwebhooks.com).",
        "type": "object",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": {
                "description": "The message's identifier, the same at every attempt: drop what you have seen.",
                "type": "string",
                "minLength": 1,
                "maxLength": 256,
            },
            "webhook-timestamp": {
                "description": "When this attempt was made, in seconds since 1970. Reject one that is more than five \
                                minutes away.",
                "type": "string",
                "pattern": "^[0-9]+$",
            },
            "webhook-signature": {
                "description": "`v1,` and the base64 of HMAC-SHA256 over `webhook-id`, `webhook-timestamp` and the \
                                body as it arrived, with dots between them. The key is what the secret's text has \
                                after `whsec_`, decoded from base64. While a secret is rotated there are several, with \
                                a space between them; one that is right is enough.",
                "type": "string",
                "pattern": "^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)*$",
            },
        },
    })
}

/// Returns the event of a snapshot with its envelope. Some snapshots have no more than the detail.
fn event(detail_type: &str, name: &str) -> Value {
    let mut event = snapshot("events/sent");
    event["detail-type"] = detail_type.into();
    event.as_object_mut().unwrap().extend(snapshot(&format!("events/{name}")).as_object().unwrap().clone());
    event
}

/// Returns the name of an example: that of its snapshot, or of the reason why a text was not delivered.
fn example_name(snapshot: &str) -> &str {
    snapshot.strip_prefix("undelivered-").unwrap_or(snapshot)
}

fn bus_message(name: &str, title: &str, examples: &[&str]) -> Value {
    let detail = json!({ "$ref": format!("#/components/schemas/{name}") });
    let examples: Vec<Value> = examples
        .iter()
        .map(|example| json!({ "name": example_name(example), "payload": event(name, example) }))
        .collect();
    json!({
        "name": name,
        "title": title,
        "summary": committed(name)["description"],
        "contentType": "application/json",
        "payload": {
            "allOf": [
                { "$ref": "#/components/schemas/Event" },
                { "type": "object", "properties": { "detail-type": { "const": name }, "detail": detail } },
            ],
        },
        "examples": examples,
    })
}

/// Returns the headers of an example. The signature is none.
fn example_headers(id: &Value) -> Value {
    json!({
        "webhook-id": id,
        "webhook-timestamp": "1767607200",
        "webhook-signature": "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    })
}

fn webhook_message(name: &str, title: &str, examples: &[&str]) -> Value {
    let data = json!({ "$ref": format!("#/components/schemas/{name}") });
    let examples = examples.iter().map(|example| {
        let detail = &event(name, example)["detail"];
        let payload = json!({ "type": name, "timestamp": detail["occurred_at"], "data": detail });
        json!({ "name": example_name(example), "headers": example_headers(&detail["event_id"]), "payload": payload })
    });
    json!({
        "name": name,
        "title": title,
        "summary": format!("The event `{name}` as a webhook. Its data is the detail of the event on the bus."),
        "contentType": "application/json",
        "headers": { "$ref": "#/components/schemas/WebhookHeaders" },
        "payload": {
            "allOf": [
                { "$ref": "#/components/schemas/StatusWebhook" },
                { "type": "object", "properties": { "type": { "const": name }, "data": data } },
            ],
        },
        "examples": examples.collect::<Vec<_>>(),
    })
}

/// Builds a message of the webhook channel, which is described by a schema of its own.
fn channel_message(name: &str, title: &str, examples: &[Value]) -> Value {
    json!({
        "name": name,
        "title": title,
        "summary": committed(name)["description"],
        "contentType": "application/json",
        "headers": { "$ref": "#/components/schemas/WebhookHeaders" },
        "payload": { "$ref": format!("#/components/schemas/{name}") },
        "examples": examples,
    })
}

fn message_requested() -> Value {
    let examples = ["sent", "canceled", "paid"].map(|name| {
        let request = snapshot(&format!("messages/webhook-{name}"));
        let headers = request["headers"].as_array().unwrap().iter();
        let headers = headers.map(|line| line.as_str().unwrap().split_once(": ").unwrap());
        let headers: Map<String, Value> = headers
            .filter(|(name, _)| name.starts_with("webhook-"))
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        json!({ "name": name, "headers": headers, "payload": request["body"] })
    });
    channel_message("message.requested", "A text for a customer", &examples)
}

fn message_failed() -> Value {
    let example = snapshot("webhooks/message-failed");
    // An identifier of the chat's own.
    let headers = example_headers(&"msg_2KWPBgLlAfxdpx2AI54pPJ85f4W".into());
    let examples = [json!({ "name": "failed", "headers": headers, "payload": example })];
    channel_message("message.failed", "A text did not reach the customer", &examples)
}

fn live_changed() -> Value {
    let request = json!({
        "type": "object",
        "description": "The payment request as the HTTP API returns it: `PaymentRequest` in openapi.json.",
        "required": ["id", "status", "version"],
    });
    live_message(
        "live.changed",
        "A payment request changed",
        "The request as it is now. A page that receives an older `version` than it has ignores it.",
        &json!({ "type": { "const": "changed" }, "request": request }),
        &json!({ "type": "changed", "request": snapshot("api/create") }),
    )
}

fn live_ping() -> Value {
    let ping = json!({ "type": { "const": "ping" } });
    live_message("live.ping", "A ping", "It keeps the connection.", &ping, &json!({ "type": "ping" }))
}

fn live_message(name: &str, title: &str, summary: &str, properties: &Value, example: &Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({
        "name": name,
        "title": title,
        "summary": summary,
        "contentType": "application/json",
        "payload": { "type": "object", "properties": properties, "required": required },
        "examples": [{ "name": "example", "payload": example }],
    })
}

/// The validators of the parts of messages, each compiled once.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Asserts that an event of the bus is as the description says.
pub fn assert_event(event: &Value) {
    let name = event["detail-type"].as_str().unwrap_or_default();
    if let Err(difference) = check(name, "payload", event) {
        panic!("not as {FILE} describes it: {difference}\n{event}");
    }
}

/// Checks a part of a message, `payload` or `headers`.
///
/// # Errors
/// Every difference, with its place.
pub fn check(message: &str, part: &str, value: &Value) -> Result<(), String> {
    let Some(schema) = DESCRIPTION["components"]["messages"][message].get(part) else {
        return Err(format!("{message:?} has no {part}"));
    };
    let validator = {
        let mut validators = VALIDATORS.lock().unwrap();
        let validator = validators.entry(format!("{message} {part}")).or_insert_with(|| {
            let root = json!({ "allOf": [schema], "components": DESCRIPTION["components"] });
            Arc::new(jsonschema::draft7::options().should_validate_formats(true).build(&root).unwrap())
        });
        Arc::clone(validator)
    };
    let differences: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {:?}", error.masked(), error.instance_path().to_string()))
        .collect();
    if differences.is_empty() { Ok(()) } else { Err(format!("{message}: {}", differences.join("; "))) }
}
