//! Parsing of request bodies (strict JSON objects) and query strings. All invalid fields are reported together.

use crate::http_function::body;
use crate::problem::{FieldError, Problem, UNKNOWN_FIELD};
use domain::Invalid;
use http::header::CONTENT_TYPE;
use lambda_http::Request;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The fields of one object. Each read removes its field; a field that is still left at the end is unknown and
/// rejected.
#[derive(Debug)]
pub struct Fields {
    values: Map<String, Value>,
    prefix: String,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Parses the JSON object in a request's body.
    ///
    /// # Errors
    /// Checked in this order: 413 if the body is too long, 415 if its content type is not JSON, 400 if it is not an
    /// object with distinct names.
    pub fn of_body(request: &Request) -> Result<Self, Problem> {
        let bytes = body(request)?;
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::UnsupportedMediaType("The request must be sent as JSON."));
        }
        match serde_json::from_slice::<Strict>(bytes) {
            Ok(Strict(Value::Object(values))) => Ok(Self::of(values, String::new())),
            Ok(_) => Err(Problem::MalformedBody("The request cannot be read: it must be a JSON object.")),
            Err(_) => Err(Problem::MalformedBody(
                "The request cannot be read: it must be one JSON object without duplicate names.",
            )),
        }
    }

    /// Parses the parameters of a query string.
    ///
    /// # Errors
    /// [`Problem::ValidationFailed`] if a parameter is given twice.
    pub fn of_query(request: &Request) -> Result<Self, Problem> {
        let mut fields = Self::of(Map::new(), String::new());
        // Parsing cannot fail: bytes that are not percent-encoded UTF-8 become replacement characters.
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(request.uri().query().unwrap_or_default()).unwrap_or_default();
        for (name, value) in pairs {
            // A form submits an empty field as an empty value. For a known parameter, empty therefore counts as absent.
            let value = if value.is_empty() { Value::Null } else { Value::String(value) };
            if fields.values.insert(name.clone(), value).is_some() {
                fields.refuse(&name, "must be given once");
            }
        }
        Ok(fields)
    }

    fn of(values: Map<String, Value>, prefix: String) -> Self {
        Self { values, prefix, errors: Vec::new() }
    }

    /// Records an error for a field.
    pub fn refuse(&mut self, name: &str, message: impl Into<String>) {
        // The name is the caller's input, so that at most its first 64 characters are repeated.
        let name: String = name.chars().take(64).collect();
        self.errors.push(FieldError::new(format!("{}{name}", self.prefix), message));
    }

    /// Records an error if the request has a field, even if it is null.
    pub fn refuse_if_given(&mut self, name: &str, message: &str) {
        if self.values.remove(name).is_some() {
            self.refuse(name, message);
        }
    }

    /// Reads an optional field with `read`, and records an error if `read` fails. Null counts as absent.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Invalid>) -> Option<T> {
        match self.values.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => read(value).map_err(|error| self.refuse(name, error.message())).ok(),
        }
    }

    /// Reads a required field with `read`, and records an error if the field is missing, null or invalid.
    pub fn required<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Invalid>) -> Option<T> {
        if matches!(self.values.get(name), None | Some(Value::Null)) {
            self.values.remove(name);
            self.refuse(name, "is missing");
            return None;
        }
        self.optional(name, read)
    }

    /// Reads a required object; `read` reads its fields. Fields of the object that `read` leaves over are rejected.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        match self.values.remove(name) {
            Some(Value::Object(values)) => {
                let mut fields = Self::of(values, format!("{}{name}.", self.prefix));
                let value = read(&mut fields);
                fields.refuse_the_rest();
                self.errors.append(&mut fields.errors);
                value
            }
            None | Some(Value::Null) => {
                self.refuse(name, "is missing");
                None
            }
            Some(_) => {
                self.refuse(name, "must be given as a group of fields");
                None
            }
        }
    }

    /// Records an error for every field that was not read: the request has no such field.
    fn refuse_the_rest(&mut self) {
        for (name, _) in std::mem::take(&mut self.values) {
            self.refuse(&name, UNKNOWN_FIELD);
        }
    }

    /// Returns `value` if no error was recorded and no unknown field is left.
    ///
    /// # Errors
    /// [`Problem::ValidationFailed`] with the errors of all invalid fields.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        self.refuse_the_rest();
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::ValidationFailed(self.errors)),
        }
    }
}

/// A JSON value in which no object repeats a name. The default parser silently keeps the last of two equal names; an
/// attacker could exploit two systems that disagree about which one counts.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((name, Strict(value))) = map.next_entry::<String, Strict>()? {
            if values.insert(name, value).is_some() {
                return Err(A::Error::custom("a name is given twice"));
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(media_type: &str, body: &[u8]) -> Request {
        http::Request::builder().header(CONTENT_TYPE, media_type).body(body.to_vec().into()).unwrap()
    }

    #[test]
    fn a_body_is_one_json_object_with_distinct_names() {
        assert!(Fields::of_body(&request("application/json; charset=utf-8", b"{\"a\":1}")).is_ok());
        let deep = "[".repeat(10_000);
        for body in [
            &b""[..],
            b"{",
            b"[]",
            b"null",
            b"{\"a\":1,\"a\":2}",
            b"{\"a\":{\"b\":1,\"b\":2}}",
            b"\xff\xfe",
            b"{\"a\":\"\xff\"}",
            b"{} {}",
            deep.as_bytes(),
            b"{\"a\":1e999}",
        ] {
            let problem = Fields::of_body(&request("application/json", body)).unwrap_err();
            assert_eq!(problem.code(), "malformed_body", "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn an_empty_parameter_counts_as_absent_and_a_repeated_one_is_rejected() {
        let of = |query: &str| {
            let request = http::Request::builder()
                .uri(format!("https://a.test/x?{query}"))
                .body(lambda_http::Body::Empty)
                .unwrap();
            let mut fields = Fields::of_query(&request).unwrap();
            let agent = fields.optional("agent", Ok);
            fields.finish(Some(agent))
        };
        assert_eq!(of("agent=").unwrap(), None);
        assert_eq!(of("agent=a%20b").unwrap(), Some("a b".into()));
        assert!(of("agent=a&agent=b").is_err());
        assert!(of("agent=a&agent=").is_err());
        assert!(of("agent=a&who=b").is_err());
        assert!(of("agent=a&who=").is_err(), "an unknown parameter is rejected, empty or not");
    }

    #[test]
    fn the_size_is_checked_before_the_content_type_and_that_before_the_syntax() {
        let long = vec![b' '; 16 * 1024 + 1];
        assert_eq!(Fields::of_body(&request("text/plain", &long)).unwrap_err().code(), "body_too_large");
        assert_eq!(Fields::of_body(&request("text/plain", b"{")).unwrap_err().code(), "unsupported_media_type");
        assert_eq!(Fields::of_body(&request("application/jsonx", b"{}")).unwrap_err().code(), "unsupported_media_type");
    }

    #[test]
    fn one_answer_names_every_invalid_field() {
        let mut fields =
            Fields::of_body(&request("application/json", br#"{"amount":2.5,"who":{"x":1},"extra":null}"#)).unwrap();
        let amount =
            fields.required("amount", |value| value.as_i64().ok_or_else(|| domain::Amount::new(0).unwrap_err()));
        let who = fields.object("who", |who| who.required("name", |_| Ok(())));
        fields.required("missing", |_| Ok(()));
        let Err(Problem::ValidationFailed(errors)) = fields.finish(amount.zip(who)) else {
            panic!("the input has to be rejected")
        };
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(names, ["amount", "who.name", "who.x", "missing", "extra"]);
    }
}
