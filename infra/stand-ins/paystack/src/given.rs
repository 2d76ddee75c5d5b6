//! What a call gives: the JSON or the form of its body, or its query. Unknown names are rejected.

use super::error::ApiError;
use serde_json::{Map, Value};

/// The media type of a form. Everything else is read as JSON, because Paystack's own client sends JSON without a type.
const FORM: &str = "application/x-www-form-urlencoded";

/// The named values of a call.
pub(super) struct Given(Map<String, Value>);

impl Given {
    /// Reads a body.
    pub(super) fn from_body(body: &[u8], content_type: &str, known: &[&str]) -> Result<Self, ApiError> {
        if content_type.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(FORM)) {
            return Self::from_pairs(body, known);
        }
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Self(values).checked(known),
            _ => Err(ApiError::invalid("The body has to be a JSON object")),
        }
    }

    /// Reads a query or a form. A name that ends with `[]` is an element of a list.
    pub(super) fn from_pairs(text: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_bytes(text).map_err(|_| ApiError::invalid("The parameters cannot be read"))?;
        let mut values = Map::new();
        for (name, value) in pairs {
            match name.strip_suffix("[]") {
                Some(list) => match values.entry(list).or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(elements) => elements.push(value.into()),
                    _ => return Err(ApiError::invalid(format!("{list} has to be a list"))),
                },
                None => {
                    values.insert(name, value.into());
                }
            }
        }
        Self(values).checked(known)
    }

    fn checked(self, known: &[&str]) -> Result<Self, ApiError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(ApiError::invalid(format!("{unknown} is not a parameter that the stand-in supports"))),
            None => Ok(self),
        }
    }

    /// Returns a value as it was given; null counts as missing.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns an optional text, which must not be empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(ApiError::invalid(format!("{name} has to be a text that is not empty"))),
        }
    }

    /// Returns an optional text that must be one of these.
    pub(super) fn one_of(&self, name: &str, choices: &[&str]) -> Result<Option<&str>, ApiError> {
        match self.text(name)? {
            Some(text) if !choices.contains(&text) => {
                Err(ApiError::invalid(format!("{name} has to be one of {}", choices.join(", "))))
            }
            text => Ok(text),
        }
    }

    /// Returns an optional integer, given as a number or in digits.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let integer = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_i64(),
        };
        integer.map(Some).ok_or_else(|| ApiError::invalid(format!("{name} has to be an integer")))
    }

    /// Returns an optional URL.
    pub(super) fn url(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Ok(Some(text));
        }
        Err(ApiError::invalid(format!("{name} has to be a fully qualified URL")))
    }

    /// Returns the optional elements of a list of texts, which must all be among these.
    pub(super) fn list(&self, name: &str, choices: &[&str]) -> Result<Vec<String>, ApiError> {
        let invalid = || ApiError::invalid(format!("{name} has to be a list of {}", choices.join(", ")));
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(elements)) => elements
                .iter()
                .map(|element| element.as_str().filter(|text| choices.contains(text)).map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(invalid),
            Some(_) => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["amount", "channels", "email", "callback_url"];

    fn message(error: &ApiError) -> String {
        error.body()["message"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_body_is_json_whatever_its_type_unless_it_is_a_form() {
        for content_type in ["", "application/json", "text/plain"] {
            let given = Given::from_body(br#"{"amount":100,"email":null}"#, content_type, KNOWN).unwrap();
            assert_eq!((given.integer("amount").unwrap(), given.text("email").unwrap()), (Some(100), None));
        }
        let form = b"amount=100&channels%5B%5D=card&channels[]=ussd";
        let given = Given::from_body(form, "application/x-www-form-urlencoded; charset=utf-8", KNOWN).unwrap();
        assert_eq!(given.integer("amount").unwrap(), Some(100));
        assert_eq!(given.list("channels", &["card", "ussd"]).unwrap(), ["card", "ussd"]);
        assert_eq!(Given::from_body(b" \n", "", KNOWN).unwrap().text("email").unwrap(), None);
    }

    #[test]
    fn an_unknown_name_and_a_body_that_is_no_object_are_rejected() {
        let refused = |body: &[u8]| message(&Given::from_body(body, "", KNOWN).err().unwrap());
        assert!(refused(br#"{"amounts":1}"#).starts_with("amounts is not a parameter"));
        for body in [&b"["[..], b"[]", b"1", b"amount=1", b"\xff"] {
            assert_eq!(refused(body), "The body has to be a JSON object");
        }
    }

    #[test]
    fn a_value_of_the_wrong_form_is_rejected_by_name() {
        let body = br#"{"amount":1.5,"email":"","channels":["card","x"],"callback_url":"ftp://x"}"#;
        let given = Given::from_body(body, "", KNOWN).unwrap();
        assert!(message(&given.integer("amount").unwrap_err()).starts_with("amount has"));
        assert!(message(&given.text("email").unwrap_err()).starts_with("email has"));
        assert!(message(&given.list("channels", &["card"]).unwrap_err()).starts_with("channels has"));
        assert!(message(&given.url("callback_url").unwrap_err()).starts_with("callback_url has"));
        assert!(message(&given.one_of("callback_url", &["a", "b"]).unwrap_err()).ends_with("one of a, b"));
    }
}
