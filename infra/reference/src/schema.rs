//! A JSON Schema as a list of fields: one for each member, by its path, such as `customer.phone`.

use crate::html::{Html, anchor, inline};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The depth at which a schema that contains itself is cut off.
const DEPTH: usize = 6;
/// The number of values that are shown at once. More are folded.
const VALUES: usize = 12;
/// A pattern that is longer explains nothing to a person.
const PATTERN: usize = 20;
/// From this number of members on, members of one and the same form are shown as one.
const ALIKE: usize = 4;

/// A member of an object, a parameter or a header.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) path: String,
    pub(crate) kind: String,
    /// The object that the field has, if that is described on its own: its name and its anchor.
    pub(crate) object: Option<(String, String)>,
    pub(crate) required: bool,
    pub(crate) about: Html,
    /// The values that are allowed, if they are few.
    pub(crate) values: Vec<String>,
    /// The values that are allowed, if they are many.
    pub(crate) folded: Vec<String>,
    pub(crate) limits: Vec<String>,
}

/// What a schema says, with its references and its parts put together.
#[derive(Default, Clone)]
struct View {
    kinds: BTreeSet<String>,
    about: String,
    object: Option<String>,
    properties: Map<String, Value>,
    required: BTreeSet<String>,
    items: Option<Value>,
    others: Option<Value>,
    values: Vec<String>,
    limits: Vec<String>,
}

/// The schemas of a description.
pub(crate) struct Schemas<'a> {
    description: &'a Value,
    /// The schemas that are described on their own.
    objects: &'a [String],
}

impl<'a> Schemas<'a> {
    pub(crate) fn new(description: &'a Value, objects: &'a [String]) -> Self {
        Self { description, objects }
    }

    /// Returns the schema with this name, or JSON's `null`.
    pub(crate) fn named(&self, name: &str) -> &'a Value {
        &self.description["components"]["schemas"][name]
    }

    /// Returns the fields of an object, those of its members behind each.
    pub(crate) fn fields(&self, schema: &Value) -> Vec<Field> {
        let mut fields = Vec::new();
        self.members("", &self.view(schema), 0, &mut fields);
        fields
    }

    /// Returns a parameter or a header as a field.
    pub(crate) fn field(&self, name: &str, schema: &Value, about: &str, required: bool) -> Field {
        let mut view = self.view(schema);
        if !about.is_empty() {
            about.clone_into(&mut view.about);
        }
        described(name.to_owned(), &view, required)
    }

    fn members(&self, path: &str, view: &View, depth: usize, fields: &mut Vec<Field>) {
        let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let alike = view.properties.len() >= ALIKE && {
            let mut members = view.properties.values();
            let first = members.next();
            first.is_some_and(|first| first.get("$ref").is_some()) && members.all(|member| Some(member) == first)
        };
        if alike && let Some(member) = view.properties.values().next() {
            let inner = self.view(member);
            let mut field = described(under("{name}"), &inner, false);
            field.values = view.properties.keys().cloned().collect();
            fields.push(field);
            self.members(&under("{name}"), &inner, depth + 1, fields);
            return;
        }
        let ordered = view.properties.iter().filter(|(name, _)| view.required.contains(*name));
        let optional = view.properties.iter().filter(|(name, _)| !view.required.contains(*name));
        for (name, member) in ordered.chain(optional) {
            let (path, mut inner) = (under(name), self.view(member));
            let items = inner.items.as_ref().map(|items| self.view(items));
            if let Some(items) = &items {
                inner.object.clone_from(&items.object);
            }
            fields.push(described(path.clone(), &inner, view.required.contains(name)));
            if depth < DEPTH && inner.object.is_none() {
                self.members(&path, &inner, depth + 1, fields);
                if let Some(items) = items {
                    self.members(&format!("{path}[]"), &items, depth + 1, fields);
                }
            }
        }
    }

    fn view(&self, schema: &Value) -> View {
        let mut view = View::default();
        self.merge(schema, &mut view, 0);
        view
    }

    /// Adds what a schema says, and what it refers to. A description or limits that are there already stay.
    fn merge(&self, schema: &Value, view: &mut View, depth: usize) {
        if depth > DEPTH {
            return;
        }
        if let Some(about) = schema["description"].as_str()
            && view.about.is_empty()
        {
            about.clone_into(&mut view.about);
        }
        own(schema, view);
        if let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix("#/components/schemas/")) {
            if self.objects.iter().any(|object| object == name) {
                view.object = Some(name.to_owned());
            }
            self.merge(self.named(name), view, depth + 1);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.merge(part, view, depth + 1);
            // What a condition says about a member that nothing else describes.
            for branch in ["then", "else"] {
                for (name, member) in part[branch]["properties"].as_object().into_iter().flatten() {
                    complete(name, member, view);
                }
            }
        }
        for choice in ["anyOf", "oneOf"] {
            let before = view.required.clone();
            let mut in_all: Option<BTreeSet<String>> = None;
            for part in schema[choice].as_array().into_iter().flatten() {
                view.required.clone_from(&before);
                self.merge(part, view, depth + 1);
                in_all = Some(in_all.map_or(view.required.clone(), |seen| &seen & &view.required));
            }
            // A member is required if every form requires it.
            view.required = in_all.unwrap_or(before);
        }
    }
}

/// Adds a condition's form of a member whose own schema has no form.
fn complete(name: &str, member: &Value, view: &mut View) {
    let Some(known) = view.properties.get(name) else { return };
    let bare = known.as_object().is_some_and(|known| known.keys().all(|key| key == "description" || key == "anyOf"));
    if bare && (member.get("$ref").is_some() || member.get("type").is_some()) {
        let mut choices = known["anyOf"].as_array().cloned().unwrap_or_default();
        choices.push(member.clone());
        let known = known.clone();
        view.properties[name] = serde_json::json!({ "description": known["description"], "anyOf": choices });
    }
}

/// Adds what a schema says by itself.
fn own(schema: &Value, view: &mut View) {
    match &schema["type"] {
        Value::String(kind) => drop(view.kinds.insert(kind.clone())),
        Value::Array(kinds) => view.kinds.extend(kinds.iter().filter_map(Value::as_str).map(str::to_owned)),
        _ => {}
    }
    let values = schema["enum"].as_array().cloned().into_iter().flatten();
    for value in values.chain(schema.get("const").cloned()) {
        view.kinds.insert(kind_of(&value).to_owned());
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !value.is_null() && !view.values.contains(&text) {
            view.values.push(text);
        }
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        view.properties.insert(name.clone(), member.clone());
    }
    view.required
        .extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    if schema["items"].is_object() {
        view.items = Some(schema["items"].clone());
    }
    if schema["additionalProperties"].is_object() {
        view.others = Some(schema["additionalProperties"].clone());
    }
    if view.limits.is_empty() {
        view.limits = limits(schema);
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn limits(schema: &Value) -> Vec<String> {
    let number = |name: &str| schema[name].as_i64();
    let range = |least: Option<i64>, most: Option<i64>, of: &str| match (least, most) {
        (Some(least), Some(most)) if least == most => Some(format!("exactly {most}{of}")),
        (Some(least), Some(most)) => Some(format!("{least} to {}{of}", grouped(most))),
        (None, Some(most)) => Some(format!("at most {}{of}", grouped(most))),
        (Some(least), None) if least > 1 => Some(format!("at least {least}{of}")),
        (_, None) => None,
    };
    // The width of a number in a program says nothing to a caller.
    let most = number("maximum").filter(|most| *most != i64::from(u16::MAX));
    let mut limits: Vec<String> = [
        range(number("minLength"), number("maxLength"), " characters"),
        range(number("minimum"), most, ""),
        range(number("minItems"), number("maxItems"), " items"),
        range(number("minProperties"), number("maxProperties"), " pairs"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match schema["format"].as_str() {
        Some("date-time") => limits.push("RFC 3339".to_owned()),
        Some("date") => limits.push("yyyy-mm-dd".to_owned()),
        Some("uuid") => limits.push("UUID".to_owned()),
        Some("uri" | "uri-reference") => limits.push("address".to_owned()),
        _ => {
            let pattern = schema["pattern"].as_str().filter(|pattern| pattern.len() <= PATTERN);
            limits
                .extend(pattern.filter(|pattern| !pattern.contains("\\u")).map(|pattern| format!("matches {pattern}")));
        }
    }
    limits.extend(schema.get("default").map(|value| format!("{value} by default")));
    limits
}

/// Returns a number with a comma between thousands.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn described(path: String, view: &View, required: bool) -> Field {
    let mut kinds: Vec<String> = view.kinds.iter().filter(|kind| *kind != "null").cloned().collect();
    if kinds == ["array"] {
        kinds = vec!["list".to_owned()];
    }
    if view.others.is_some() {
        kinds = vec!["object of pairs".to_owned()];
    }
    if view.kinds.contains("null") {
        kinds.push("null".to_owned());
    }
    let many = view.values.len() > VALUES;
    Field {
        path,
        kind: kinds.join(" or "),
        object: view.object.as_ref().map(|name| (name.clone(), anchor(name))),
        required,
        about: inline(crate::html::first_paragraph(&view.about)),
        values: if many { Vec::new() } else { view.values.clone() },
        folded: if many { view.values.clone() } else { Vec::new() },
        limits: view.limits.clone(),
    }
}
