//! What the operations of the description share: answers, problems, headers, and examples from the snapshots.

use schemars::Schema;
use serde_json::{Map, Value, json};
use std::path::Path;

/// One operation of the description.
pub(super) struct Operation {
    /// The method in lower case, or `any`.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) body: Value,
}

/// Every problem's code, with the status that it is answered with. The test `contract::every_problem` has the same.
pub(super) const PROBLEMS: [(&str, u16); 15] = [
    ("malformed_body", 400),
    ("invalid_cursor", 400),
    ("unauthenticated", 401),
    ("forbidden", 403),
    ("not_found", 404),
    ("already_clicked", 409),
    ("already_canceled", 409),
    ("link_expired", 409),
    ("already_paid", 409),
    ("body_too_large", 413),
    ("unsupported_media_type", 415),
    ("validation_failed", 422),
    ("idempotency_key_reused", 422),
    ("too_many_requests", 429),
    ("temporarily_unavailable", 503),
];

/// The statuses that a function uses and the gateway may use by itself as well, with the gateway's words.
const OF_BOTH: [(u16, &str); 6] = [
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (404, "Not Found"),
    (413, "Request Entity Too Large"),
    (429, "Too Many Requests"),
    (503, "Service Unavailable"),
];

/// Returns the JSON of a snapshot, or of its body if it is a whole answer. So every example is a real answer.
pub(crate) fn snapshot(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("integration/snapshots/{name}.snap"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (_, text) = text.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    let body = if text.starts_with("HTTP ") { text.split_once("\n\n").unwrap().1 } else { text };
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the headers that answers refer to.
pub(super) fn headers() -> Value {
    json!({
        "Location": {
            "description": "Where the answer leads.",
            "required": true,
            "schema": { "type": "string", "format": "uri-reference" },
        },
        "Idempotency-Replayed": {
            "description": "`true` if an earlier call with the same key created the request; otherwise absent.",
            "schema": { "type": "string", "enum": ["true"] },
        },
        "Retry-After": {
            "description": "The seconds after which a repeat is useful. The gateway's own answers do not have it.",
            "schema": { "type": "integer", "minimum": 1 },
        },
    })
}

/// Returns references to these headers.
fn header_references(names: &[&str]) -> Value {
    let references =
        names.iter().map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })));
    Value::Object(references.collect())
}

/// The answers of an operation, by status.
#[derive(Default)]
pub(super) struct Answers(Map<String, Value>);

impl Answers {
    /// Adds an answer of this media type, with headers and examples by name.
    pub(super) fn with(
        mut self,
        status: u16,
        description: &str,
        media_type: &str,
        schema: impl Into<Value>,
        examples: &[(&str, Value)],
        headers: &[&str],
    ) -> Self {
        let named = examples.iter().map(|(name, value)| ((*name).to_owned(), json!({ "value": value })));
        let content = json!({ "schema": schema.into(), "examples": Value::Object(named.collect()) });
        self.bare(status, description, headers);
        self.0[&status.to_string()]["content"] = json!({ media_type: content });
        self
    }

    /// Adds an answer without a body.
    pub(super) fn empty(mut self, status: u16, description: &str, headers: &[&str]) -> Self {
        self.bare(status, description, headers);
        self
    }

    fn bare(&mut self, status: u16, description: &str, headers: &[&str]) {
        let mut answer = json!({ "description": description });
        if !headers.is_empty() {
            answer["headers"] = header_references(headers);
        }
        self.0.insert(status.to_string(), answer);
    }

    /// Adds an HTML page.
    pub(super) fn page(self, status: u16, description: &str, headers: &[&str]) -> Self {
        let example = Value::from("<!DOCTYPE html><html lang=\"en\">…</html>");
        self.with(status, description, "text/html", json!({ "type": "string" }), &[("page", example)], headers)
    }

    /// Adds the problems with these codes, those of one status together. Which codes these are is beside the schema:
    /// generators of clients do not merge a schema that narrows another.
    pub(super) fn problems(mut self, codes: &[&str]) -> Self {
        for code in codes {
            let known = PROBLEMS.iter().find(|(known, _)| known == code);
            let (_, status) = known.unwrap_or_else(|| panic!("{code} is not a problem's code"));
            let name = status.to_string();
            if !self.0.contains_key(&name) {
                let headers: &[&str] = if matches!(status, 429 | 503) { &["Retry-After"] } else { &[] };
                self.bare(*status, "", headers);
                let schema = json!({ "$ref": "#/components/schemas/Problem" });
                self.0[&name]["content"] =
                    json!({ "application/problem+json": { "schema": schema, "x-codes": [], "examples": {} } });
            }
            let title = problem(code)["title"].as_str().unwrap().to_owned();
            let answer = &mut self.0[&name];
            let description = answer["description"].as_str().unwrap();
            answer["description"] =
                if description.is_empty() { title.into() } else { format!("{description}. {title}").into() };
            let content = &mut answer["content"]["application/problem+json"];
            content["examples"][code] = json!({ "$ref": format!("#/components/examples/{code}") });
            content["x-codes"].as_array_mut().unwrap().push((*code).into());
        }
        self
    }

    /// Adds another media type to an answer.
    pub(super) fn or(mut self, status: u16, media_type: &str, schema: &Value) -> Self {
        self.0[&status.to_string()]["content"][media_type] = json!({ "schema": schema });
        self
    }

    /// Removes every body: those of the answers to a HEAD.
    pub(super) fn without_bodies(mut self) -> Self {
        self.0.values_mut().filter_map(Value::as_object_mut).for_each(|answer| drop(answer.remove("content")));
        self
    }

    /// Adds the gateway's own answers, and returns all of them.
    pub(super) fn finish(mut self) -> Value {
        for (status, text) in OF_BOTH {
            if let Some(content) = self.0.get_mut(&status.to_string()).and_then(|answer| answer.get_mut("content")) {
                let mut message = message(text);
                if let Some(problem) = content.get("application/problem+json") {
                    // Generators of clients read one media type of a status, the first one. So it has both forms.
                    message["schema"] = json!({ "anyOf": [message["schema"], problem["schema"]] });
                }
                content["application/json"] = message;
            }
        }
        self.0.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Gateway" }));
        Value::Object(self.0)
    }
}

/// Returns the body of an answer of the gateway.
fn message(text: &str) -> Value {
    json!({
        "schema": { "$ref": "#/components/schemas/GatewayMessage" },
        "examples": { "gateway": { "value": { "message": text } } },
    })
}

/// Returns the answers that operations refer to.
pub(super) fn responses() -> Value {
    json!({ "Gateway": {
        "description": "An answer of the gateway in front of the functions.",
        "content": { "application/json": message("Too Many Requests") },
    } })
}

/// Returns the example of a problem.
fn problem(code: &str) -> Value {
    snapshot(&format!("problems/{code}"))
}

/// Returns the examples that operations refer to: one of each problem.
pub(super) fn examples() -> Value {
    Value::Object(PROBLEMS.iter().map(|(code, _)| ((*code).to_owned(), json!({ "value": problem(code) }))).collect())
}

/// Returns a parameter of the query.
pub(super) fn query(name: &str, description: &str, schema: &Schema) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema, "allowEmptyValue": true })
}

/// Returns a parameter of the path, with an example.
pub(super) fn path(name: &str, description: &str, schema: impl Into<Value>, example: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description, "schema": schema.into(),
        "example": example,
    })
}

/// Writes every choice between described constants as an enumeration, which more tools understand.
pub(super) fn name_constants(schema: &mut Value) {
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array)
        && choices.iter().all(|choice| choice["const"].is_string())
    {
        let lines = choices.iter().map(|choice| {
            format!("- `{}`: {}", choice["const"].as_str().unwrap(), choice["description"].as_str().unwrap_or_default())
        });
        let lines: Vec<String> = lines.collect();
        let values: Vec<&Value> = choices.iter().map(|choice| &choice["const"]).collect();
        let title = schema["description"].as_str().unwrap_or_default();
        *schema = json!({
            "type": "string", "enum": values, "description": format!("{title}\n\n{}", lines.join("\n")),
        });
    }
}
