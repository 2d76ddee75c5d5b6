//! The schemas of the answers and the parameters, for the description of the HTTP API (`events/openapi.json`).

use crate::report::ReportView;
use crate::{LIMIT, LIMIT_AT_MOST, List};
use domain::people::AgentId;
use domain::schema::TimeOrDate;
use domain::{ConversationId, OrderNumber, Phone, Status};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Returns the schema of a list.
pub fn list(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<List<'_>>()
}

/// Returns the schema of a report.
pub fn report(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ReportView<'_>>()
}

/// Returns the parameters of a list: the name, what it means, and the schema of each.
pub fn list_parameters(generator: &mut SchemaGenerator) -> Vec<(&'static str, &'static str, Schema)> {
    let limit = json_schema!({ "type": "integer", "minimum": 1, "maximum": LIMIT_AT_MOST, "default": LIMIT });
    vec![
        (
            "agent",
            "The agent whose requests are listed. An agent gets only their own.",
            generator.subschema_for::<AgentId>(),
        ),
        (
            "q",
            "Only requests that this text finds: by their order number, by the customer's phone number in any form, or \
             by a part of the customer's name. Case and accents do not count.",
            json_schema!({ "type": "string", "maxLength": 200 }),
        ),
        ("status", "Only requests with this status.", generator.subschema_for::<Status>()),
        ("phone", "Only requests to this phone number.", generator.subschema_for::<Phone>()),
        ("order_number", "Only requests of this order.", generator.subschema_for::<OrderNumber>()),
        ("conversation_id", "Only requests of this conversation.", generator.subschema_for::<ConversationId>()),
        ("from", "The start of the times of creation, inclusive.", generator.subschema_for::<TimeOrDate>()),
        ("to", "Their end, exclusive. It must not be before the start.", generator.subschema_for::<TimeOrDate>()),
        ("limit", "The largest number of requests on the page.", limit),
        ("cursor", "The `next_cursor` of the page before, with the same filters.", json_schema!({ "type": "string" })),
    ]
}

/// Returns the parameters of a report: the name, what it means, and the schema of each.
pub fn report_parameters(generator: &mut SchemaGenerator) -> Vec<(&'static str, &'static str, Schema)> {
    let include = json_schema!({ "type": "string", "pattern": "^(?:clicks|days)(?:,(?:clicks|days))*$" });
    vec![
        (
            "from",
            "The start of the period, inclusive: at most 92 days before its end, by default seven.",
            generator.subschema_for::<TimeOrDate>(),
        ),
        (
            "to",
            "The end of the period, exclusive; by default the end of today.",
            generator.subschema_for::<TimeOrDate>(),
        ),
        ("include", "What else to report: `clicks`, `days`, or both with a comma between.", include),
    ]
}
