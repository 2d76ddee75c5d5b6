//! The operations of the HTTP API as the page shows them.

use crate::html::{Html, anchor, inline, json, words};
use crate::schema::{Field, Schemas};
use crate::shell::{self, Block};
use serde_json::Value;

/// The member of the description that has the operations of every method.
pub(crate) const ANY_METHOD: &str = "x-any-method";

/// The schema of the gateway's own answers.
const GATEWAY_MESSAGE: &str = "GatewayMessage";

/// The operations with one tag.
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) anchor: String,
    pub(crate) about: Html,
    pub(crate) operations: Vec<Operation>,
}

pub(crate) struct Operation {
    pub(crate) anchor: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) summary: String,
    pub(crate) about: Html,
    /// Whom the operation is for, in words.
    pub(crate) audience: &'static str,
    pub(crate) needs_token: bool,
    pub(crate) parameters: Vec<(&'static str, Field)>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) blocks: Vec<Block>,
}

/// What a request has as its body.
pub(crate) struct Body {
    pub(crate) required: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) examples: Vec<Example>,
}

pub(crate) struct Answer {
    pub(crate) status: String,
    pub(crate) about: Html,
    pub(crate) media_types: Vec<String>,
    /// The object that the answer has, if it is described on its own: its name and its anchor.
    pub(crate) object: Option<(String, String)>,
    pub(crate) headers: Vec<Field>,
    /// The codes of the problems, with their anchors.
    pub(crate) codes: Vec<(String, String)>,
    pub(crate) examples: Vec<Example>,
}

/// An example with its name.
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) json: Html,
}

/// A problem's code with its example.
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) anchor: String,
    pub(crate) status: u64,
    pub(crate) detail: String,
    pub(crate) json: Html,
}

/// Returns what a value of the description refers to, or the value itself.
fn resolved<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| description.pointer(pointer)).unwrap_or(value)
}

/// Returns every operation with its method and path.
fn all(description: &Value) -> Vec<(String, String, &Value)> {
    let items = description["paths"].as_object().into_iter().flatten();
    let named = items.flat_map(|(path, item)| {
        let item = item.as_object().into_iter().flatten();
        item.map(move |(method, operation)| (method.to_ascii_uppercase(), path.clone(), operation))
    });
    let any = description[ANY_METHOD].as_object().into_iter().flatten();
    named.chain(any.map(|(path, operation)| ("ANY".to_owned(), path.clone(), operation))).collect()
}

/// Returns the names of the schemas that answers have, in the order of the operations.
pub(crate) fn objects(description: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut operations = all(description);
    operations.sort_by_key(|(_, _, operation)| shell::place(id(operation)));
    for (_, _, operation) in operations {
        for answer in operation["responses"].as_object().into_iter().flatten().map(|(_, answer)| answer) {
            let content = resolved(description, answer)["content"].as_object();
            for media in content.into_iter().flatten().map(|(_, media)| media) {
                if let Some((_, name)) = media["schema"]["$ref"].as_str().and_then(|to| to.rsplit_once('/'))
                    && !names.iter().any(|known| known == name)
                {
                    names.push(name.to_owned());
                }
            }
        }
    }
    // The gateway's own answers come after those of the functions.
    names.sort_by_key(|name| name == GATEWAY_MESSAGE);
    names
}

fn id(operation: &Value) -> &str {
    operation["operationId"].as_str().unwrap_or_default()
}

/// Returns the operations by their tags: those for an integrator's programs, and those that are not.
pub(crate) fn sections(description: &Value, schemas: &Schemas<'_>) -> (Vec<Section>, Vec<Section>) {
    let mut operations = all(description);
    operations.sort_by_key(|(_, _, operation)| shell::place(id(operation)));
    let tags = description["tags"].as_array().into_iter().flatten();
    let sections = tags.filter_map(|tag| {
        let name = tag["name"].as_str()?;
        let own = operations.iter().filter(|(_, _, operation)| operation["tags"][0] == name);
        Some(Section {
            name: name.to_owned(),
            anchor: anchor(name),
            about: inline(tag["description"].as_str().unwrap_or_default()),
            operations: own.map(|(method, path, value)| operation(description, schemas, method, path, value)).collect(),
        })
    });
    let of_integrators = |section: &Section| {
        let audiences = ["integrator", "supervisor"].map(audience);
        section.operations.iter().any(|of| audiences.contains(&of.audience))
    };
    sections.filter(|section| !section.operations.is_empty()).partition(of_integrators)
}

fn audience(word: &str) -> &'static str {
    match word {
        "integrator" => "Your programs",
        "supervisor" => "Supervisors alone",
        "customer" => "Customer's browser",
        "provider" => "Payment provider alone",
        "channel" => "Message channel alone",
        "gateway" => "Gateway's own",
        _ => "Desk's browser",
    }
}

fn operation(description: &Value, schemas: &Schemas<'_>, method: &str, path: &str, value: &Value) -> Operation {
    let parameters = value["parameters"].as_array().into_iter().flatten().map(|parameter| {
        let place = match parameter["in"].as_str() {
            Some("path") => "path",
            Some("header") => "header",
            _ => "query",
        };
        let about = parameter["description"].as_str().unwrap_or_default();
        let name = parameter["name"].as_str().unwrap_or_default();
        (place, schemas.field(name, &parameter["schema"], about, parameter["required"] == true))
    });
    let body = value.get("requestBody").map(|body| {
        let content = &body["content"]["application/json"];
        Body {
            required: body["required"] == true,
            fields: schemas.fields(&content["schema"]),
            examples: examples(description, content),
        }
    });
    let answers = value["responses"].as_object().into_iter().flatten();
    Operation {
        anchor: anchor(id(value)),
        method: method.to_owned(),
        path: path.to_owned(),
        summary: value["summary"].as_str().unwrap_or_default().to_owned(),
        about: inline(value["description"].as_str().unwrap_or_default()),
        audience: audience(value["x-audience"].as_str().unwrap_or_default()),
        needs_token: value["security"].as_array().is_some_and(|schemes| !schemes.is_empty()),
        parameters: parameters.collect(),
        body,
        answers: answers
            .filter(|(status, _)| *status != "default")
            .map(|(status, value)| answer(description, schemas, status, resolved(description, value)))
            .collect(),
        blocks: [Some(shell::operation(method, path, value)), shell::as_service(method, path, value)]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn examples(description: &Value, content: &Value) -> Vec<Example> {
    let examples = content["examples"].as_object().into_iter().flatten();
    examples
        .map(|(name, example)| {
            let example = resolved(description, example);
            let name = example["summary"].as_str().map_or_else(|| words(name), str::to_owned);
            Example { name, json: json(&example["value"]) }
        })
        .collect()
}

fn answer(description: &Value, schemas: &Schemas<'_>, status: &str, value: &Value) -> Answer {
    let content = value["content"].as_object();
    let media = || content.into_iter().flatten();
    // The problem's examples are with the problems, and the gateway's are all alike.
    let own = || media().filter(|(kind, content)| !kind.contains("problem") && !is_of_gateway(content));
    let headers = value["headers"].as_object().into_iter().flatten().map(|(name, header)| {
        let header = resolved(description, header);
        let about = header["description"].as_str().unwrap_or_default();
        schemas.field(name, &header["schema"], about, header["required"] == true)
    });
    let codes = media().flat_map(|(_, content)| content["x-codes"].as_array().into_iter().flatten());
    let object = own().find_map(|(_, content)| content["schema"]["$ref"].as_str()?.rsplit('/').next());
    let json = own().filter(|(kind, _)| kind.ends_with("json"));
    Answer {
        status: status.to_owned(),
        about: inline(value["description"].as_str().unwrap_or_default()),
        media_types: own().map(|(kind, _)| kind.clone()).collect(),
        object: object.map(|name| (name.to_owned(), anchor(name))),
        headers: headers.collect(),
        codes: codes.filter_map(Value::as_str).map(|code| (code.to_owned(), problem_anchor(code))).collect(),
        examples: json.flat_map(|(_, content)| examples(description, content)).collect(),
    }
}

fn is_of_gateway(content: &Value) -> bool {
    let is_its = |schema: &Value| schema["$ref"].as_str().is_some_and(|to| to.ends_with(GATEWAY_MESSAGE));
    let schema = &content["schema"];
    is_its(schema) || schema["anyOf"].as_array().is_some_and(|choices| choices.iter().any(is_its))
}

fn problem_anchor(code: &str) -> String {
    format!("problem-{}", anchor(code))
}

/// Returns every problem, by status.
pub(crate) fn problems(description: &Value) -> Vec<Problem> {
    let examples = description["components"]["examples"].as_object().into_iter().flatten();
    let mut problems: Vec<Problem> = examples
        .map(|(code, example)| {
            let value = &example["value"];
            Problem {
                code: code.clone(),
                anchor: problem_anchor(code),
                status: value["status"].as_u64().unwrap_or_default(),
                detail: value["detail"].as_str().unwrap_or_default().to_owned(),
                json: json(value),
            }
        })
        .collect();
    problems.sort_by_key(|problem| problem.status);
    problems
}
