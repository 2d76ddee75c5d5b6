//! The JSON Schemas of the types, for the description of the HTTP API (`events/openapi.json`). They are built for the
//! tests alone (decision 0029). Every bound is the constant that the validation uses.
//!
//! The schemas at the top describe what is answered, and what a filter takes. Those of what may be sent are stricter;
//! [`NewOrderNumber`], [`NewPhone`], [`NewCurrency`] and the optional texts are written for that.
//!
//! The patterns are those of ECMA-262 with the flag `u`, as JSON Schema asks for.

use crate::currency::Currency;
use crate::email::EmailAddress;
use crate::id::{IdempotencyKey, PaymentRequestId};
use crate::money::Amount;
use crate::people::{Actor, ActorType, AgentId, AgentName, WorkspaceId};
use crate::phone::Phone;
use crate::status::Status;
use crate::text::{ConversationId, CustomerName, Description, Metadata, MetadataText, OrderNumber, Reason};
use crate::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// The pattern of a text without control characters.
const NO_CONTROLS: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// The pattern of a workspace: no control characters, and no number sign.
const WORKSPACE: &str = r"^[^\u0000-\u001f#\u007f-\u009f]*$";
/// The pattern of a text without control characters and without those that reorder or hide others.
const KEEPS_ITS_ORDER: &str =
    r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$";
/// The pattern of a stored description: line feeds are its only control characters.
const LINES: &str = r"^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*$";
/// The pattern of a description that may be sent: on one or more lines, one of which is not empty.
const SENT_LINES: &str =
    r"^(?:[\r\n]*[^\u0000-\u001f\u007f-\u009f][^\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f]*)?$";
/// The pattern of an order number that may be sent: visible characters, and between them the spaces of Unicode's
/// category Zs, each by its code.
const VISIBLE: &str = concat!(
    r"^(?![ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000])",
    r"(?:(?!\p{Default_Ignorable_Code_Point})",
    r"[\p{L}\p{M}\p{N}\p{P}\p{S} \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000])+",
    r"(?<![ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000])$"
);
/// The pattern of an e-mail address that may be sent: the rules of [`EmailAddress`], or
/// nothing.
const EMAIL: &str = concat!(
    r"^(?:(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*",
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+)?$"
);
/// The pattern of an idempotency key. A header's value has no spaces around it.
const KEY: &str = r"^[!-~](?:[ -~]*[!-~])?$";
/// The pattern of an identifier, as it is written.
const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
/// The pattern of a time, as it is written.
const TIME: &str = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$";

fn text(length: &RangeInclusive<usize>, pattern: &str, description: &str) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": length.start(),
        "maxLength": length.end(),
        "pattern": pattern,
        "description": description,
    })
}

/// Implements [`JsonSchema`] for types that are written as texts.
macro_rules! texts {
    ($($name:ident, $pattern:expr, $description:expr;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                text(&$name::LENGTH, $pattern, $description)
            }
        }
    )*};
}

texts! {
    AgentId, NO_CONTROLS, "An agent's or a service's identifier at the identity provider (the `sub` claim).";
    AgentName, NO_CONTROLS, "An agent's display name.";
    WorkspaceId, WORKSPACE, "The identifier of one company (tenant).";
    OrderNumber, KEEPS_ITS_ORDER, "The number of the order being paid.";
    CustomerName, NO_CONTROLS, "The customer's name.";
    Description, LINES, "What is being paid for, on one or more lines.";
    ConversationId, KEEPS_ITS_ORDER, "The chat conversation that the request belongs to.";
    Reason, NO_CONTROLS, "The reason for a change, in a history entry.";
    IdempotencyKey, KEY, "A key that is used for one create and its retries, so that a retry creates nothing more.";
}

/// Implements [`JsonSchema`] for types by an expression.
macro_rules! schemas {
    ($($name:ty as $title:literal: $schema:expr;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema: fn(&mut SchemaGenerator) -> Schema = $schema;
                schema(generator)
            }
        }
    )*};
}

schemas! {
    PaymentRequestId as "PaymentRequestId": |_| json_schema!({
        "type": "string", "format": "uuid", "pattern": UUID, "description": "A payment request's identifier.",
    });
    Status as "Status": |_| json_schema!({
        "type": "string", "enum": Status::ALL.map(Status::as_str),
        "description": "A payment request's status. A later version may add one.",
    });
    Amount as "Amount": |_| json_schema!({
        "type": "integer", "minimum": Amount::RANGE.start(), "maximum": Amount::RANGE.end(),
        "description": "A whole number of the currency's minor unit, such as cents. It is written without a decimal \
                        point.",
    });
    Currency as "Currency": |_| json_schema!({
        "type": "string", "pattern": "^[A-Z]{3}$",
        "description": "A currency's code (ISO 4217). A stored request may have a currency that is no longer in use.",
    });
    Phone as "Phone": |_| phone("A phone number in international form (E.164).");
    Metadata as "Metadata": |_| metadata(
        "Key-value pairs that the integrator attaches. They are returned unchanged and never interpreted."
    );
    Timestamp as "Timestamp": |_| json_schema!({
        "type": "string", "format": "date-time", "pattern": TIME,
        "description": "A time (RFC 3339), in UTC with milliseconds.",
    });
    Actor as "Actor": |generator| ActorSchema::json_schema(generator);
}

/// The person or system that changed a request.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "it describes the fields that `Actor` is written with")]
struct ActorSchema {
    r#type: ActorType,
    /// Null for an actor without a token.
    id: Option<AgentId>,
}

fn phone(description: &str) -> Schema {
    let (least, most) = (Phone::DIGITS.start() - 1, Phone::DIGITS.end() - 1);
    let pattern = format!("^\\+[1-9][0-9]{{{least},{most}}}$");
    json_schema!({ "type": "string", "pattern": pattern, "description": description })
}

fn metadata(description: &str) -> Schema {
    let (most, pairs) = (MetadataText::LENGTH.end(), Metadata::PAIRS_AT_MOST);
    json_schema!({
        "type": "object",
        "maxProperties": pairs,
        "propertyNames": { "minLength": 1, "maxLength": most, "pattern": NO_CONTROLS },
        "additionalProperties": { "type": "string", "maxLength": most, "pattern": NO_CONTROLS },
        "description": description,
    })
}

/// The schema of an order number that may be sent.
#[derive(Debug)]
pub struct NewOrderNumber;

/// The schema of a phone number that may be sent.
#[derive(Debug)]
pub struct NewPhone;

/// The schema of a currency that may be sent.
#[derive(Debug)]
pub struct NewCurrency;

/// The schema of a customer's name that may be sent. An empty text and null count as missing, here and in the types
/// below.
#[derive(Debug)]
pub struct NewCustomerName;

/// The schema of a customer's e-mail address that may be sent.
#[derive(Debug)]
pub struct NewEmailAddress;

/// The schema of a description that may be sent.
#[derive(Debug)]
pub struct NewDescription;

/// The schema of a conversation that may be sent.
#[derive(Debug)]
pub struct NewConversationId;

/// The schema of metadata that may be sent.
#[derive(Debug)]
pub struct NewMetadata;

/// The schema of a time that a filter takes.
#[derive(Debug)]
pub struct TimeOrDate;

fn optional(mut schema: Schema, kind: &str) -> Schema {
    schema.insert("type".to_owned(), [kind, "null"].into());
    if kind == "string" {
        schema.remove("minLength");
    }
    schema
}

schemas! {
    NewOrderNumber as "NewOrderNumber": |_| text(
        &OrderNumber::LENGTH, VISIBLE,
        "The number of the order being paid: visible characters, with spaces only between them.",
    );
    NewPhone as "NewPhone": |_| {
        let mut schema = phone(
            "The number that the link is sent to, in international form (E.164). It must be a number that \
             libphonenumber calls valid, and of a country that `ALLOWED_COUNTRIES` allows."
        );
        schema.insert("format".to_owned(), "phone-number".into());
        schema
    };
    NewCurrency as "NewCurrency": |_| json_schema!({
        "type": "string", "enum": Currency::all_in_force().map(Currency::code).collect::<Vec<_>>(),
        "description": "The code of a currency in circulation (ISO 4217). The payment provider may accept fewer.",
    });
    NewCustomerName as "NewCustomerName": |_| optional(
        text(&CustomerName::LENGTH, NO_CONTROLS, "The customer's name. Empty counts as missing."), "string"
    );
    NewEmailAddress as "NewEmailAddress": |_| optional(
        text(
            &EmailAddress::LENGTH, EMAIL,
            "The customer's e-mail address, for a payment provider that wants one. No answer and no event carries it. \
             Empty counts as missing."
        ),
        "string"
    );
    NewDescription as "NewDescription": |_| optional(
        text(
            &Description::LENGTH, SENT_LINES,
            "What is being paid for. Empty counts as missing. Every line break counts as one character."
        ),
        "string"
    );
    NewConversationId as "NewConversationId": |_| optional(
        text(
            &ConversationId::LENGTH, KEEPS_ITS_ORDER,
            "The chat conversation that the request belongs to. Empty counts as missing."
        ),
        "string"
    );
    NewMetadata as "NewMetadata": |_| optional(
        metadata("Key-value pairs that are returned unchanged and never interpreted."), "object"
    );
    TimeOrDate as "TimeOrDate": |_| json_schema!({
        "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "string", "format": "date" }],
        "description": "A time (RFC 3339), or a date, which is its midnight in UTC.",
    });
}
