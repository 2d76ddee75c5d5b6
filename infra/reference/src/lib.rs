//! The reference pages, made from the two descriptions of the contract: `events/openapi.json` and
//! `events/asyncapi.json`.
//!
//! [`files`] returns static files that load nothing from elsewhere. The local runner serves them at `/docs`, and
//! `cargo run -p reference -- DIR` writes them for any web server.

mod html;
mod messages;
mod operations;
mod schema;
mod shell;
mod signature;

use askama::Template;
use html::Html;
use messages::{Channel, Event};
use operations::{Problem, Section};
use schema::{Field, Schemas};
use serde_json::Value;
use shell::Block;

/// The description of the HTTP API.
const OPENAPI: &str = include_str!("../../../events/openapi.json");
/// The description of events and webhooks.
const ASYNCAPI: &str = include_str!("../../../events/asyncapi.json");
/// The style sheet: first what the desk's pages have in common, so that all pages look alike.
const STYLE: &str =
    concat!(include_str!("../../../functions/desk/assets/shared/base.css"), include_str!("../templates/reference.css"));
const SCRIPT: &str = include_str!("../templates/reference.js");

/// The statuses of a payment request, and what each of them means.
const STATUSES: [(&str, &str); 8] = [
    ("sent", "The link is out, and nobody has clicked. The request can be canceled."),
    ("clicked", "The customer went on to the payment page."),
    ("processing", "The customer has done their part, and the provider still confirms the money."),
    ("paid", "The provider confirmed the money."),
    ("canceled", "The agent canceled the request."),
    ("expired", "The time ran out: `not_clicked`, `not_paid` or `payment_failed` is the reason."),
    ("refund_due", "Money arrived although the request had already ended."),
    ("refunded", "That money went back."),
];

/// The reason why the pages cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// A description is not JSON.
    #[error("a description cannot be read: {0}")]
    Description(#[from] serde_json::Error),
    /// The template cannot be rendered.
    #[error("the page cannot be rendered: {0}")]
    Page(#[from] askama::Error),
}

/// Where the pages are served, and what they say about it.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The address of the local runner that the commands call, without a slash at its end.
    pub base_url: String,
    /// What stands before the names of the files in the page's links: nothing, or a path with a slash at its end.
    pub folder: String,
    /// Where the link back to the runner's start page leads, if there is one.
    pub home: Option<String>,
}

impl Default for Setting {
    /// Returns the setting for static files: the local runner at its usual address, and files side by side.
    fn default() -> Self {
        Self { base_url: "http://127.0.0.1:8080".to_owned(), folder: String::new(), home: None }
    }
}

/// A file of the reference.
#[derive(Debug, Clone)]
pub struct File {
    /// The name of the file, such as `index.html`.
    pub name: &'static str,
    /// The content type.
    pub content_type: &'static str,
    /// The content.
    pub text: String,
}

/// The whole page.
#[derive(Template)]
#[template(path = "reference.html")]
struct ReferencePage<'a> {
    setting: &'a Setting,
    version: String,
    about: Html,
    sign_in: Block,
    problems: Vec<Problem>,
    problem_fields: Vec<Field>,
    statuses: Vec<(&'static str, Html)>,
    sections: Vec<Section>,
    others: Vec<Section>,
    objects: Vec<Object>,
    events_about: Html,
    envelope: Vec<Field>,
    events: Vec<Event>,
    events_block: Block,
    live_updates: Channel,
    channels: Vec<Channel>,
    webhook_headers: Vec<Field>,
    verify: Block,
}

/// An object that several answers have, described once.
struct Object {
    name: String,
    anchor: String,
    about: Html,
    fields: Vec<Field>,
}

/// Makes the reference's files. `index.html` is the page.
///
/// # Errors
/// [`ReferenceError`] if a description is no JSON or the page cannot be rendered.
pub fn files(setting: &Setting) -> Result<Vec<File>, ReferenceError> {
    let (openapi, asyncapi): (Value, Value) = (serde_json::from_str(OPENAPI)?, serde_json::from_str(ASYNCAPI)?);
    let page = page(setting, &openapi, &asyncapi).render()?;
    Ok(vec![
        File { name: "index.html", content_type: "text/html; charset=utf-8", text: page },
        File { name: "reference.css", content_type: "text/css; charset=utf-8", text: STYLE.to_owned() },
        File { name: "reference.js", content_type: "text/javascript; charset=utf-8", text: SCRIPT.to_owned() },
        File { name: "openapi.json", content_type: "application/json", text: OPENAPI.to_owned() },
        File { name: "asyncapi.json", content_type: "application/json", text: ASYNCAPI.to_owned() },
    ])
}

fn page<'a>(setting: &'a Setting, openapi: &Value, asyncapi: &Value) -> ReferencePage<'a> {
    let names = operations::objects(openapi);
    let schemas = Schemas::new(openapi, &names);
    let objects = names.iter().map(|name| Object {
        name: name.clone(),
        anchor: html::anchor(name),
        about: html::markdown(html::first_paragraph(schemas.named(name)["description"].as_str().unwrap_or_default())),
        fields: schemas.fields(schemas.named(name)),
    });
    let (sections, others) = operations::sections(openapi, &schemas);
    let message_schemas = Schemas::new(asyncapi, &[]);
    ReferencePage {
        setting,
        version: openapi["info"]["version"].as_str().unwrap_or_default().to_owned(),
        about: about(openapi),
        sign_in: shell::sign_in(&setting.base_url),
        problems: operations::problems(openapi),
        problem_fields: schemas.fields(schemas.named("Problem")),
        statuses: STATUSES.iter().map(|(status, meaning)| (*status, html::inline(meaning))).collect(),
        sections,
        others,
        objects: objects.filter(|object| object.name != "Problem").collect(),
        events_about: html::markdown(asyncapi["info"]["description"].as_str().unwrap_or_default()),
        envelope: message_schemas.fields(message_schemas.named("Event")),
        events: messages::events(asyncapi, &message_schemas),
        events_block: shell::events(),
        live_updates: messages::live_updates(asyncapi, &message_schemas),
        channels: messages::webhooks(asyncapi, &message_schemas),
        webhook_headers: message_schemas.fields(message_schemas.named("WebhookHeaders")),
        verify: signature::verify(asyncapi),
    }
}

/// Returns what the HTTP API's description says about itself, without what it says about the form of its own file.
fn about(openapi: &Value) -> Html {
    let text = openapi["info"]["description"].as_str().unwrap_or_default();
    let kept = text.split("\n\n").filter(|paragraph| !paragraph.contains(operations::ANY_METHOD));
    html::markdown(&kept.collect::<Vec<_>>().join("\n\n"))
}

#[cfg(test)]
mod tests;
