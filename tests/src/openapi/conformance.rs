//! The check that an answer is as the description says: its route, status, media type, headers and body.

use super::{ANY_METHOD, FILE, description, resolved};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// The description, with every named object closed: a test has to notice a member that nobody has described, and a
/// client has to ignore it.
static STRICT: LazyLock<Value> = LazyLock::new(|| {
    let mut description = description();
    for schema in description["components"]["schemas"].as_object_mut().unwrap().values_mut() {
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema["additionalProperties"] = false.into();
        }
    }
    description
});

/// An operation with the segments of its path. It has no method if it is for all of them.
struct Described {
    path: Vec<&'static str>,
    method: Option<&'static str>,
    operation: &'static Value,
}

/// The operations of the description, those first that come first at the gateway.
static OPERATIONS: LazyLock<Vec<Described>> = LazyLock::new(|| {
    let described = |path: &'static String, method, operation| {
        let path = segments(path).collect();
        Described { path, method, operation }
    };
    let items = STRICT["paths"].as_object().unwrap().iter();
    let named = items.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (path, Some(method.as_str()), operation))
    });
    let any = STRICT[ANY_METHOD].as_object().unwrap().iter().map(|(path, operation)| (path, None, operation));
    let mut all: Vec<_> =
        named.chain(any).map(|(path, method, operation)| described(path, method, operation)).collect();
    all.sort_by_key(|Described { path, method, .. }| {
        let parameters = path.iter().filter(|segment| segment.starts_with('{')).count();
        (path.last().unwrap().ends_with("+}"), parameters, method.is_none())
    });
    all
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn matches(pattern: &[&str], given: &[&str]) -> bool {
    let one = |(pattern, given): (&&str, &&str)| pattern == given || (pattern.starts_with('{') && !given.is_empty());
    match pattern.split_last() {
        Some((last, before)) if last.ends_with("+}") => given.len() > before.len() && before.iter().zip(given).all(one),
        _ => pattern.len() == given.len() && pattern.iter().zip(given).all(one),
    }
}

/// Returns the operation that describes a request, with its name.
fn operation(method: &Method, path: &str) -> Option<(String, &'static Value)> {
    let path = percent_decode_str(path).decode_utf8_lossy();
    let path = path.split('?').next().unwrap_or_default();
    let given: Vec<&str> = segments(path).collect();
    let method = method.as_str().to_ascii_lowercase();
    let takes = |of: Option<&str>| of.is_none_or(|of| of == method);
    let found = OPERATIONS.iter().find(|described| takes(described.method) && matches(&described.path, &given))?;
    Some((format!("{method} /{}", found.path.join("/")), found.operation))
}

/// Returns whether a path is the API's. The others are the local runner's own.
fn is_of_the_api(path: &str) -> bool {
    let first = segments(path).next().unwrap_or_default();
    OPERATIONS.iter().any(|described| described.path.first() == Some(&first))
}

/// Returns whether the description has an operation for a request with this method and path.
#[must_use]
pub fn has_operation(method: &Method, path: &str) -> bool {
    operation(method, path).is_some()
}

/// Asserts that an answer to a request with this method and path is as described.
pub fn assert(method: &Method, path: &str, status: u16, headers: &HeaderMap, body: &[u8]) {
    if let Err(difference) = check(method, path, status, headers, body) {
        let body: String = String::from_utf8_lossy(body).chars().take(2_000).collect();
        panic!("not as {FILE} describes it: {method} {path}: {difference}\n{status} {headers:?}\n{body}");
    }
}

/// Checks an answer to a request with this method and path.
///
/// # Errors
/// What is not as described.
pub fn check(method: &Method, path: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    // A preflight request (CORS) is answered by the gateway alone, from the template's settings.
    if *method == Method::OPTIONS || !is_of_the_api(path) {
        return Ok(());
    }
    let no_route = json!({ "responses": { "404": { "$ref": "#/components/responses/Gateway" } } });
    let (name, operation) = match operation(method, path) {
        Some((name, operation)) => (name, operation.clone()),
        None => ("a path without a route".to_owned(), no_route),
    };
    let responses = &operation["responses"];
    let described = match (responses.get(status.to_string()), responses.get("default")) {
        (Some(described), _) => described,
        (None, Some(default)) if status >= 400 => default,
        _ => return Err(format!("{name} is not described to answer with {status}")),
    };
    let described = resolved(&STRICT, described);
    for (header, reference) in described["headers"].as_object().into_iter().flatten() {
        if resolved(&STRICT, reference)["required"] == true && !headers.contains_key(header) {
            return Err(format!("{name} is described to answer {status} with the header {header}"));
        }
    }
    // The gateway leaves out the body of the answer to a HEAD.
    if *method == Method::HEAD {
        return if body.is_empty() { Ok(()) } else { Err("the answer to a HEAD has a body".to_owned()) };
    }
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let Some(content) = described["content"].as_object() else {
        let empty = body.is_empty() && essence.is_empty();
        return if empty { Ok(()) } else { Err(format!("{name} is described to answer {status} without a body")) };
    };
    let Some(content) = content.get(essence) else {
        return Err(format!("{name} is not described to answer {status} with {media_type:?}"));
    };
    let value: Value = if essence.ends_with("json") {
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?
    } else if content["schema"]["type"] == "string" {
        return Ok(());
    } else {
        return Err(format!("{name} answers {status} with {essence}, which this check cannot read"));
    };
    if let Some(codes) = content["x-codes"].as_array()
        && (!codes.contains(&value["code"]) || value["status"] != status)
    {
        return Err(format!("{name} is not described to answer {status} with the problem {}", value["code"]));
    }
    // For generators of clients, `application/json` is described with both forms of a failure. Each answer has one.
    let gateway = json!({ "$ref": "#/components/schemas/GatewayMessage" });
    let is_gateways = status >= 400 && essence == "application/json";
    let schema = if is_gateways { &gateway } else { &content["schema"] };
    validate(&format!("{name} {status} {essence}"), schema, &value)
}

/// Validates a value against a schema of the description; `name` is the schema's, which is compiled once.
///
/// # Errors
/// Every difference, with its place.
pub fn validate(name: &str, schema: &Value, value: &Value) -> Result<(), String> {
    let validator = {
        let mut validators = VALIDATORS.lock().unwrap();
        Arc::clone(validators.entry(name.to_owned()).or_insert_with(|| Arc::new(compiled(schema))))
    };
    let differences: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {:?}", error.masked(), error.instance_path().to_string()))
        .collect();
    if differences.is_empty() { Ok(()) } else { Err(format!("{name}: {}", differences.join("; "))) }
}

/// Compiles a schema of the description.
#[must_use]
pub fn compiled(schema: &Value) -> Validator {
    let root = json!({ "allOf": [schema], "components": STRICT["components"] });
    jsonschema::draft202012::options().should_validate_formats(true).build(&root).unwrap()
}
