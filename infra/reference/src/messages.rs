//! The events and webhooks as the page shows them.

use crate::html::{Html, anchor, inline, json, words};
use crate::operations::Example;
use crate::schema::{Field, Schemas};
use serde_json::Value;

/// An event of the bus.
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) anchor: String,
    pub(crate) title: String,
    pub(crate) about: Html,
    /// The fields of the event's detail.
    pub(crate) fields: Vec<Field>,
    pub(crate) examples: Vec<Example>,
}

/// A place where messages go.
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) anchor: String,
    /// Who sends, and who receives.
    pub(crate) direction: &'static str,
    /// Whether chat2pay sends, and the reader receives.
    pub(crate) sent: bool,
    pub(crate) address: Option<String>,
    pub(crate) about: Html,
    /// The fields that every body has, if the messages carry events.
    pub(crate) fields: Vec<Field>,
    pub(crate) messages: Vec<Message>,
}

pub(crate) struct Message {
    pub(crate) name: String,
    /// The anchor of the event that the message carries, if it carries one.
    pub(crate) event: Option<String>,
    pub(crate) about: Html,
    pub(crate) fields: Vec<Field>,
    pub(crate) examples: Vec<Example>,
    /// Whether the examples are folded at first.
    pub(crate) folded: bool,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn event_anchor(name: &str) -> String {
    format!("event-{}", anchor(name))
}

/// Returns the messages of a channel.
fn messages<'a>(description: &'a Value, channel: &'a Value) -> impl Iterator<Item = &'a Value> {
    let messages = channel["messages"].as_object().into_iter().flatten();
    messages.filter_map(|(_, message)| description.pointer(text(&message["$ref"]).strip_prefix('#')?))
}

/// Returns the messages of a channel, the change of a status first.
fn in_order<'a>(description: &'a Value, channel: &'a Value) -> Vec<&'a Value> {
    let mut messages: Vec<_> = messages(description, channel).collect();
    messages.sort_by_key(|message| message["name"] != "PaymentRequestStatusChanged");
    messages
}

/// Returns the payloads of a message's examples.
fn examples(message: &Value) -> Vec<Example> {
    let examples = message["examples"].as_array().into_iter().flatten();
    examples.map(|example| Example { name: words(text(&example["name"])), json: json(&example["payload"]) }).collect()
}

/// Returns the events of the bus, the change of a status first.
pub(crate) fn events(description: &Value, schemas: &Schemas<'_>) -> Vec<Event> {
    in_order(description, &description["channels"]["bus"])
        .into_iter()
        .map(|message| {
            let name = text(&message["name"]);
            Event {
                name: name.to_owned(),
                anchor: event_anchor(name),
                title: text(&message["title"]).to_owned(),
                about: inline(text(&message["summary"])),
                fields: schemas.fields(schemas.named(name)),
                examples: examples(message),
            }
        })
        .collect()
}

/// Returns the places where webhooks go.
pub(crate) fn webhooks(description: &Value, schemas: &Schemas<'_>) -> Vec<Channel> {
    let operations = || description["operations"].as_object().into_iter().flatten().map(|(_, operation)| operation);
    ["statusWebhooks", "channelWebhook", "deliveryReports"]
        .into_iter()
        .map(|name| {
            let reference = format!("#/channels/{name}");
            let receives = operations().any(|of| of["channel"]["$ref"] == *reference && of["action"] == "receive");
            let direction = if receives { "Your chat posts it to chat2pay" } else { "chat2pay posts it to you" };
            let channel = channel(description, schemas, name, direction);
            let fields = match name {
                "statusWebhooks" => schemas.fields(schemas.named("StatusWebhook")),
                _ => Vec::new(),
            };
            Channel { sent: !receives, fields, ..channel }
        })
        .collect()
}

/// Returns the connection over which live updates come.
pub(crate) fn live_updates(description: &Value, schemas: &Schemas<'_>) -> Channel {
    channel(description, schemas, "liveUpdates", "chat2pay sends changes, and your page pings")
}

fn channel(description: &Value, schemas: &Schemas<'_>, name: &str, direction: &'static str) -> Channel {
    let channel = &description["channels"][name];
    Channel {
        name: text(&channel["title"]).to_owned(),
        anchor: anchor(name),
        direction,
        sent: true,
        address: channel["address"].as_str().map(str::to_owned),
        about: inline(text(&channel["description"])),
        fields: Vec::new(),
        messages: in_order(description, channel)
            .into_iter()
            .map(|message| self::message(description, schemas, message))
            .collect(),
    }
}

fn message(description: &Value, schemas: &Schemas<'_>, message: &Value) -> Message {
    let name = text(&message["name"]);
    let is_event = description["channels"]["bus"]["messages"].get(name).is_some();
    Message {
        name: name.to_owned(),
        event: is_event.then(|| event_anchor(name)),
        about: inline(text(&message["summary"])),
        folded: is_event && name != "PaymentRequestStatusChanged",
        fields: match &message["payload"] {
            _ if is_event => Vec::new(),
            payload if payload.get("properties").is_some() => schemas.fields(payload),
            _ => schemas.fields(schemas.named(name)),
        },
        examples: examples(message).into_iter().take(if is_event { 1 } else { usize::MAX }).collect(),
    }
}
