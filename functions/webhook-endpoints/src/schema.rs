//! The schemas of the bodies, the answers and the parameters, for the description of the HTTP API
//! (`events/openapi.json`).

#![allow(dead_code, reason = "the fields describe bodies that are read field by field")]

use crate::body::{LIMIT, LIMIT_AT_MOST};
use crate::view::{DeliveryList, EndpointList, NewEndpointView};
use domain::event::DetailType;
use domain::schema::TimeOrDate;
use domain::webhooks::DeliveryStatus;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// What a webhook endpoint is registered from.
#[derive(JsonSchema)]
#[schemars(rename = "NewWebhookEndpoint", deny_unknown_fields)]
struct NewEndpoint {
    /// The address that webhooks are posted to: a public one that begins with `https://`, without a user name, a
    /// password or a fragment.
    #[schemars(length(min = 9, max = 2048), url)]
    url: String,
    /// The kinds of events that are sent there; all of them, those of later releases included, if it is left out.
    #[schemars(length(min = 1))]
    #[schemars(skip_serializing_if = "is_missing")]
    events: Option<UniqueKinds>,
    /// What it is for. Empty counts as missing.
    #[schemars(length(max = 200), regex(pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$"))]
    #[schemars(skip_serializing_if = "is_missing")]
    description: Option<String>,
}

struct UniqueKinds;

impl JsonSchema for UniqueKinds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UniqueKinds".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<DetailType>();
        json_schema!({ "type": "array", "items": items, "uniqueItems": true })
    }
}

/// One event that is delivered again.
#[derive(JsonSchema)]
#[schemars(rename = "ReplayOfOne", deny_unknown_fields)]
struct ReplayOfOne {
    /// The event's identifier, as the log has it. Not together with `since`.
    event_id: String,
}

/// Every event since a moment, which is delivered again.
#[derive(JsonSchema)]
#[schemars(rename = "ReplayOfMany", deny_unknown_fields)]
struct ReplayOfMany {
    /// The time of the first event, or its date. Not in the future, and not together with `event_id`.
    since: TimeOrDate,
}

/// Which events are delivered again: either `event_id` or `since`.
#[derive(JsonSchema)]
#[schemars(rename = "WebhookReplay", untagged)]
enum Replay {
    One(ReplayOfOne),
    Many(ReplayOfMany),
}

/// Returns the schema of a new endpoint.
pub fn new_endpoint(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<NewEndpoint>()
}

/// Returns the schema of an endpoint with its secret.
pub fn endpoint_with_secret(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<NewEndpointView<'_>>()
}

/// Returns the schema of the list of endpoints.
pub fn endpoints(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<EndpointList<'_>>()
}

/// Returns the schema of a page of the log.
pub fn deliveries(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<DeliveryList<'_>>()
}

/// Returns the schema of what is replayed.
pub fn replay(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Replay>()
}

/// Returns the parameters of the log: the name, what it means, and the schema of each.
pub fn deliveries_parameters(generator: &mut SchemaGenerator) -> Vec<(&'static str, &'static str, Schema)> {
    let limit = json_schema!({ "type": "integer", "minimum": 1, "maximum": LIMIT_AT_MOST, "default": LIMIT });
    vec![
        ("status", "Only deliveries with this status.", generator.subschema_for::<DeliveryStatus>()),
        ("limit", "The largest number of deliveries on the page. A page may have fewer, and still a next one.", limit),
        ("cursor", "The `next_cursor` of the page before, with the same filter.", json_schema!({ "type": "string" })),
    ]
}
