//! The description of the HTTP API (OpenAPI 3.1), built from the types that answer, and the check that an answer is as
//! it says.
//!
//! [`operations`] has the routes, [`parts`] what they share. The committed file is `events/openapi.json`.
//! `tests/openapi/run --write` writes it.

pub mod conformance;
mod operations;
mod parts;

use parts::Operation;
pub(crate) use parts::snapshot;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The committed description, from the project's root.
pub const FILE: &str = "events/openapi.json";

/// The member of the description that has the operations of every method, by path. OpenAPI has neither an operation
/// for every method nor a parameter for the rest of a path.
pub const ANY_METHOD: &str = "x-any-method";

/// What the description says about itself.
const ABOUT: &str = "\
A chat desk's agent sends a customer a payment request; the customer pays through a link in the chat.

Money is a whole number of the currency's minor unit with an ISO 4217 code. Times are RFC 3339 in UTC with \
milliseconds. A client ignores members and statuses that it does not know: a later version may add \
some. Unknown members and parameters of a request are refused.

Every failure that a function answers is a problem (RFC 9457). The gateway in front of the functions answers by itself \
without a valid token (401), past its throttle (429), for a path without a route (404), and for a request that is too \
large (413, 431). Its body is `GatewayMessage`.

Every other method and path at or below `/p` is answered with the page of an unknown link: `x-any-method` has those \
operations, which OpenAPI cannot describe.";

/// The tags: the name, whom the routes are for, and what they are.
const TAGS: [(&str, &str); 7] = [
    ("Payment requests", "For an integrator's programs, and for the desk's pages."),
    ("Reports", "For supervisors."),
    ("Live updates", "For pages that show payment requests: each change arrives over a WebSocket."),
    ("Webhook endpoints", "For supervisors: the addresses that receive events, and what was delivered to them."),
    ("Customer's pages", "For the customer's browser, not for programs: the pages behind a link."),
    ("Provider and channel", "For the payment provider and the message channel, not for an integrator's programs."),
    ("Desk's pages", "For the browsers of agents and supervisors, not for programs: static files."),
];

/// Returns what a value of the description refers to, or the value itself.
#[must_use]
pub fn resolved<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.map_or(value, |pointer| description.pointer(pointer).unwrap())
}

/// Asserts that a committed file is this description. With `WRITE_OPENAPI` in the environment, writes it before.
pub fn assert_committed(file: &str, description: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = serde_json::to_string_pretty(description).unwrap() + "\n";
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{file} is not what the code says: tests/openapi/run --write writes it");
}

/// Builds the description.
#[must_use]
pub fn description() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.for_serialize().into_generator();
    let (mut paths, mut any_method) = (Map::new(), Map::new());
    for operation in operations::all(&mut generator) {
        let Operation { method, path, body } = operation;
        if method == "any" {
            any_method.insert(path.to_owned(), body);
        } else {
            paths.entry(path).or_insert_with(|| json!({}))[method] = body;
        }
    }
    let tags: Vec<Value> =
        TAGS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "chat2pay",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [
            {
                "url": "https://{host}",
                "description": "A deployment. The stack's output `ApiUrl` is its address.",
                "variables": { "host": { "default": "pay.example.com" } },
            },
            { "url": "http://127.0.0.1:8080", "description": "The local runner, `cargo run -p local`." },
        ],
        "tags": tags,
        "paths": paths,
        ANY_METHOD: any_method,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the identity provider, with the claims `sub`, `name`, `workspace` and \
                                    `role` (`agent`, `supervisor` or `service`). The role decides what may be done.",
                },
            },
            "examples": parts::examples(),
            "headers": parts::headers(),
            "responses": parts::responses(),
            "schemas": schemas(&mut generator),
        },
    })
}

/// Returns the named schemas. Every problem's code is named in the schema of problems.
fn schemas(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut schemas = generator.take_definitions(true);
    schemas["Problem"]["properties"]["code"]["enum"] = json!(parts::PROBLEMS.map(|(code, _)| code));
    schemas.insert(
        "GatewayMessage".to_owned(),
        json!({
            "type": "object",
            "description": "What the gateway in front of the functions answers by itself.",
            "properties": { "message": { "type": "string" } },
            "required": ["message"],
        }),
    );
    schemas.values_mut().for_each(parts::name_constants);
    schemas
}
