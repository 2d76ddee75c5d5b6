//! The schema of the body, for the description of the HTTP API (`events/openapi.json`).

#![allow(dead_code, reason = "the fields describe a body that is read field by field")]

use domain::Amount;
use domain::schema::{
    NewConversationId, NewCurrency, NewCustomerName, NewDescription, NewEmailAddress, NewMetadata, NewOrderNumber,
    NewPhone,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// What a payment request is created from.
#[derive(JsonSchema)]
#[schemars(rename = "NewPaymentRequest", deny_unknown_fields)]
struct Body {
    order_number: NewOrderNumber,
    amount: Amount,
    currency: NewCurrency,
    customer: NewCustomer,
    #[schemars(skip_serializing_if = "is_missing")]
    description: NewDescription,
    #[schemars(skip_serializing_if = "is_missing")]
    conversation_id: NewConversationId,
    #[schemars(skip_serializing_if = "is_missing")]
    metadata: NewMetadata,
    /// The agent for whom a service sends. It is required of a service, and refused from a person, who sends for
    /// themselves.
    #[schemars(skip_serializing_if = "is_missing")]
    agent: NewAgent,
}

/// The person who is to pay.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NewCustomer {
    phone: NewPhone,
    #[schemars(skip_serializing_if = "is_missing")]
    name: NewCustomerName,
    #[schemars(skip_serializing_if = "is_missing")]
    email: NewEmailAddress,
}

/// The agent for whom a service sends.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NewAgent {
    id: domain::people::AgentId,
    name: domain::people::AgentName,
}

/// Returns the schema of the body.
pub fn body(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Body>()
}
