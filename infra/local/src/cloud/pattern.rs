//! EventBridge's event patterns. The filters on the table's stream use the same syntax.
//!
//! Only the operators that the template uses are supported: exact values, `prefix`, `exists`, `anything-but`. Any other
//! operator is rejected when the pattern is parsed, so that no pattern is applied only in part.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A parsed event pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern(BTreeMap<String, Node>);

/// The reason why a pattern was rejected.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// The text is not JSON.
    #[error("it is not JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// A field holds neither a list of allowed values nor a nested pattern.
    #[error("its field {0:?} must contain a list or a nested pattern")]
    Field(String),
    /// The whole pattern is not an object with at least one field.
    #[error("it is not an object with at least one field")]
    Empty,
    /// The operator is not supported, or not with this operand.
    #[error("its operator {0} is not supported")]
    Operator(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Nested(Pattern),
    /// The field matches if one of these matches.
    Leaf(Vec<Condition>),
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Equals(Value),
    Prefix(String),
    AnythingBut(Vec<Value>),
    Exists(bool),
}

impl Pattern {
    /// Parses a pattern's JSON text.
    ///
    /// # Errors
    /// [`PatternError`] if it is not a pattern, or uses an operator that is not supported.
    pub(crate) fn from_json(text: &str) -> Result<Self, PatternError> {
        Self::from_value(&serde_json::from_str(text).map_err(PatternError::Json)?)
    }

    /// Parses a pattern from a JSON value.
    ///
    /// # Errors
    /// [`PatternError`] if it is not a pattern, or uses an operator that is not supported.
    pub(crate) fn from_value(value: &Value) -> Result<Self, PatternError> {
        let Some(fields) = value.as_object().filter(|fields| !fields.is_empty()) else {
            return Err(PatternError::Empty);
        };
        fields
            .iter()
            .map(|(name, value)| Ok((name.clone(), Node::read(name, value)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns whether the event matches every field of the pattern. Fields that the pattern does not name may have any
    /// value.
    #[must_use]
    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.0.iter().all(|(name, node)| node.matches(event.get(name)))
    }
}

impl Node {
    fn read(name: &str, value: &Value) -> Result<Self, PatternError> {
        if name.starts_with('$') {
            return Err(PatternError::Operator(name.to_owned()));
        }
        match value {
            Value::Object(_) => Pattern::from_value(value).map(Self::Nested),
            Value::Array(conditions) if !conditions.is_empty() => {
                conditions.iter().map(Condition::read).collect::<Result<_, _>>().map(Self::Leaf)
            }
            _ => Err(PatternError::Field(name.to_owned())),
        }
    }

    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Nested(pattern) => pattern.matches(value.unwrap_or(&Value::Null)),
            Self::Leaf(conditions) => conditions.iter().any(|condition| condition.matches(value)),
        }
    }
}

impl Condition {
    /// Parses one element of a field's list: an exact value, or an operator such as `prefix`.
    fn read(value: &Value) -> Result<Self, PatternError> {
        match value {
            Value::Object(operator) => Self::operator(operator),
            Value::Array(_) => Err(PatternError::Operator("of a list within a list".to_owned())),
            exact => Ok(Self::Equals(exact.clone())),
        }
    }

    fn operator(operator: &Map<String, Value>) -> Result<Self, PatternError> {
        let mut members = operator.iter();
        match (members.next(), members.next()) {
            (Some((name, operand)), None) => match (name.as_str(), operand) {
                ("prefix", Value::String(prefix)) => Ok(Self::Prefix(prefix.clone())),
                ("exists", Value::Bool(exists)) => Ok(Self::Exists(*exists)),
                ("anything-but", Value::Array(values)) if values.iter().all(is_plain) => {
                    Ok(Self::AnythingBut(values.clone()))
                }
                ("anything-but", value) if is_plain(value) => Ok(Self::AnythingBut(vec![value.clone()])),
                (other, _) => Err(PatternError::Operator(other.to_owned())),
            },
            _ => Err(PatternError::Operator("of none or several names".to_owned())),
        }
    }

    /// Returns whether the event's value meets the condition. As in EventBridge, a list matches if one of its elements
    /// does.
    fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            // `exists` is true for values only, not for an object that contains other fields.
            (Self::Exists(exists), value) => *exists == value.is_some_and(|value| !value.is_object()),
            (_, None | Some(Value::Object(_))) => false,
            (condition, Some(Value::Array(elements))) => elements.iter().any(|element| condition.accepts(element)),
            (condition, Some(value)) => condition.accepts(value),
        }
    }

    fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Equals(exact) => exact == value,
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
            Self::AnythingBut(refused) => !refused.contains(value),
            Self::Exists(exists) => *exists,
        }
    }
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(pattern: &Value, event: &Value) -> bool {
        Pattern::from_value(pattern).unwrap().matches(event)
    }

    #[test]
    fn every_named_field_must_match_and_other_fields_are_ignored() {
        let pattern = json!({ "source": ["chat2pay"], "detail": { "status": ["paid", "sent"] } });
        assert!(matches(&pattern, &json!({ "source": "chat2pay", "detail": { "status": "sent", "more": 1 } })));
        assert!(!matches(&pattern, &json!({ "source": "other", "detail": { "status": "sent" } })));
        assert!(!matches(&pattern, &json!({ "source": "chat2pay", "detail": { "status": "expired" } })));
        assert!(!matches(&pattern, &json!({ "source": "chat2pay", "detail": null })));
        assert!(!matches(&pattern, &json!({ "source": "chat2pay" })));
    }

    #[test]
    fn a_list_in_the_event_matches_by_any_of_its_elements() {
        let pattern = json!({ "tags": ["b"] });
        assert!(matches(&pattern, &json!({ "tags": ["a", "b"] })));
        assert!(!matches(&pattern, &json!({ "tags": ["a"] })));
    }

    #[test]
    fn each_operator_has_its_documented_meaning() {
        let prefix = json!({ "key": [{ "prefix": "REQ#" }] });
        assert!(matches(&prefix, &json!({ "key": "REQ#1" })));
        assert!(!matches(&prefix, &json!({ "key": "LINK#1" })));
        assert!(!matches(&prefix, &json!({ "key": 7 })));

        let exists = json!({ "a": [{ "exists": true }], "b": [{ "exists": false }] });
        assert!(matches(&exists, &json!({ "a": null })));
        assert!(!matches(&exists, &json!({ "a": 1, "b": 1 })));
        assert!(!matches(&exists, &json!({})));

        let anything_but = json!({ "a": [{ "anything-but": ["x", "y"] }] });
        assert!(matches(&anything_but, &json!({ "a": "z" })));
        assert!(!matches(&anything_but, &json!({ "a": "x" })));
        assert!(!matches(&anything_but, &json!({})));
        assert!(matches(&json!({ "a": [{ "anything-but": 1 }] }), &json!({ "a": 2 })));
    }

    #[test]
    fn values_are_equal_only_with_their_type() {
        assert!(matches(&json!({ "n": [1] }), &json!({ "n": 1 })));
        assert!(!matches(&json!({ "n": ["1"] }), &json!({ "n": 1 })));
        assert!(matches(&json!({ "n": [null] }), &json!({ "n": null })));
        assert!(!matches(&json!({ "n": [null] }), &json!({})));
    }

    #[test]
    fn an_unsupported_pattern_is_rejected() {
        for pattern in [
            json!({ "a": [{ "suffix": "x" }] }),
            json!({ "a": [{ "numeric": [">", 1] }] }),
            json!({ "a": [{ "prefix": "x", "exists": true }] }),
            json!({ "a": [{ "prefix": { "equals-ignore-case": "x" } }] }),
            json!({ "a": [{ "anything-but": { "prefix": "x" } }] }),
            json!({ "$or": [{ "a": [1] }] }),
            json!({ "a": "x" }),
            json!({ "a": [] }),
            json!({}),
            json!([]),
        ] {
            assert!(Pattern::from_value(&pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::from_json("{").is_err());
    }
}
