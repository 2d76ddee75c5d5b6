//! Parsing of Stripe's parameters: a form whose names nest by brackets, such as `line_items[0][quantity]`.

use super::error::ApiError;
use std::collections::BTreeMap;

/// The maximum number of pairs in one metadata map (<https://docs.stripe.com/api/metadata>).
const METADATA_PAIRS: usize = 50;
const METADATA_KEY_CHARACTERS: usize = 40;
const METADATA_VALUE_CHARACTERS: usize = 500;
/// The maximum length of any text.
const TEXT_CHARACTERS: usize = 5_000;

/// The parameters of a call, by their full names.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Parses a form or query. The index of a list element may be omitted, as in `expand[]`. A name that matches no
    /// pattern in `known` is rejected; in a pattern, `[]` matches any list index and `[*]` any map key.
    pub(super) fn read(text: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_bytes(text).map_err(|_| ApiError::refused("The parameters cannot be parsed."))?;
        let mut parameters = BTreeMap::new();
        for (place, (name, value)) in pairs.into_iter().enumerate() {
            if !known.iter().any(|known| matches(&name, known)) {
                return Err(ApiError::parameter(
                    "parameter_unknown",
                    &name,
                    format!("Received unknown parameter: {name}"),
                ));
            }
            parameters.insert(name.replacen("[]", &format!("[{place}]"), 1), value);
        }
        Ok(Self(parameters))
    }

    /// Returns a canonical form of the parameters, equal for two calls that differ only in the parameters' order.
    pub(super) fn fingerprint(&self) -> String {
        serde_urlencoded::to_string(&self.0).unwrap_or_default()
    }

    /// Returns an optional text, which must not be empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.0.get(name).map(String::as_str) {
            Some("") => Err(ApiError::parameter(
                "parameter_invalid_empty",
                name,
                format!("You passed an empty string for '{name}'."),
            )),
            Some(text) if text.chars().count() > TEXT_CHARACTERS => {
                Err(ApiError::invalid(name, format!("Invalid string: it must be at most {TEXT_CHARACTERS} characters")))
            }
            text => Ok(text),
        }
    }

    /// Returns an optional text of at most this many characters.
    pub(super) fn text_of_at_most(&self, name: &str, characters: usize) -> Result<Option<&str>, ApiError> {
        match self.text(name)? {
            Some(text) if text.chars().count() > characters => {
                Err(ApiError::invalid(name, format!("Invalid string: it must be at most {characters} characters")))
            }
            text => Ok(text),
        }
    }

    /// Returns an optional text that must be one of these.
    pub(super) fn one_of(&self, name: &str, choices: &[&str]) -> Result<Option<&str>, ApiError> {
        match self.text(name)? {
            Some(text) if !choices.contains(&text) => {
                Err(ApiError::invalid(name, format!("Invalid {name}: must be one of {}", choices.join(", "))))
            }
            text => Ok(text),
        }
    }

    /// Returns an optional truth value.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| ApiError::invalid(name, format!("Invalid boolean: {text}")))
    }

    /// Returns a required text.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// Returns an optional integer.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let invalid = |_| ApiError::parameter("parameter_invalid_integer", name, format!("Invalid integer: {text}"));
        text.parse().map(Some).map_err(invalid)
    }

    /// Returns a required integer.
    pub(super) fn required_integer(&self, name: &str) -> Result<i64, ApiError> {
        self.integer(name)?.ok_or_else(|| missing(name))
    }

    /// Returns an optional URL.
    pub(super) fn url(&self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if !reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(ApiError::parameter("url_invalid", name, "Not a valid URL"));
        }
        Ok(Some(text.to_owned()))
    }

    /// Returns the elements of a list of texts.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let prefix = format!("{name}[");
        let elements = self.0.iter().filter(|(name, _)| name.starts_with(&prefix));
        elements.map(|(_, value)| value.as_str()).collect()
    }

    /// Returns whether any parameter is nested below this name.
    pub(super) fn has(&self, name: &str) -> bool {
        let prefix = format!("{name}[");
        self.0.keys().any(|name| name.starts_with(&prefix))
    }

    /// Returns the merchant's own key-value pairs below this name.
    pub(super) fn metadata(&self, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let prefix = format!("{name}[");
        let mut metadata = BTreeMap::new();
        for (whole, value) in &self.0 {
            let Some(key) = whole.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(']')) else { continue };
            let fits = key.chars().count() <= METADATA_KEY_CHARACTERS
                && value.chars().count() <= METADATA_VALUE_CHARACTERS
                && metadata.len() < METADATA_PAIRS;
            if !fits {
                let message = "Metadata can have up to 50 keys of up to 40 characters, with values of up to 500.";
                return Err(ApiError::invalid(whole, message));
            }
            metadata.insert(key.to_owned(), value.clone());
        }
        Ok(metadata)
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::parameter("parameter_missing", name, format!("Missing required param: {name}."))
}

/// Returns whether a name matches a pattern.
fn matches(name: &str, form: &str) -> bool {
    let (mut parts, mut wanted) = (name.split('['), form.split('['));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some("]")) if part.trim_end_matches(']').bytes().all(|byte| byte.is_ascii_digit()) => {}
            (Some(part), Some("*]")) if part.len() > 1 && part.ends_with(']') => {}
            (Some(part), Some(wanted)) if part == wanted => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["mode", "expires_at", "metadata[*]", "expand[]", "line_items[][price_data][currency]"];

    fn read(text: &str) -> Result<Parameters, ApiError> {
        Parameters::read(text.as_bytes(), KNOWN)
    }

    fn refusal(error: &ApiError) -> (String, String) {
        let body = error.body();
        let word = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        (word("code"), word("param"))
    }

    #[test]
    fn names_nest_by_brackets_and_list_indices_may_be_empty() {
        let parameters = read(
            "mode=payment&metadata%5Ba%5D=1&expand[]=x&expand[]=y&expand[0]=z&line_items[0][price_data][currency]=zar",
        )
        .unwrap();
        assert_eq!(parameters.required("mode").unwrap(), "payment");
        assert_eq!(parameters.metadata("metadata").unwrap(), BTreeMap::from([("a".to_owned(), "1".to_owned())]));
        let mut expanded = parameters.list("expand");
        expanded.sort_unstable();
        assert_eq!(expanded, ["x", "y", "z"]);
        assert_eq!(parameters.text("line_items[0][price_data][currency]").unwrap(), Some("zar"));
        assert!(parameters.has("line_items[0]") && !parameters.has("line_items[1]"));
    }

    #[test]
    fn an_unknown_parameter_is_rejected_by_name() {
        for name in ["modes", "metadata", "metadata[a][b]", "line_items[x][price_data][currency]", "expand[0][1]"] {
            let error = read(&format!("{name}=1")).unwrap_err();
            assert_eq!(refusal(&error), ("parameter_unknown".to_owned(), name.to_owned()));
        }
    }

    #[test]
    fn a_value_of_the_wrong_form_is_rejected_by_name() {
        let parameters = read("mode=&expires_at=soon").unwrap();
        let code = |error: ApiError| refusal(&error).0;
        assert_eq!(code(parameters.required("mode").unwrap_err()), "parameter_invalid_empty");
        assert_eq!(code(parameters.integer("expires_at").unwrap_err()), "parameter_invalid_integer");
        assert_eq!(code(parameters.url("expires_at").unwrap_err()), "url_invalid");
        assert_eq!(code(parameters.required("other").unwrap_err()), "parameter_missing");
        let long = read(&format!("metadata[a]={}", "x".repeat(501))).unwrap();
        assert_eq!(refusal(&long.metadata("metadata").unwrap_err()), (String::new(), "metadata[a]".to_owned()));
        let invalid = |error: ApiError| assert_eq!(refusal(&error), (String::new(), "mode".to_owned()));
        let parameters = read("mode=nonsense").unwrap();
        invalid(parameters.one_of("mode", &["payment"]).unwrap_err());
        invalid(parameters.boolean("mode").unwrap_err());
        invalid(parameters.text_of_at_most("mode", 7).unwrap_err());
        assert_eq!(parameters.text_of_at_most("mode", 8).unwrap(), Some("nonsense"));
        invalid(read(&format!("mode={}", "x".repeat(5_001))).unwrap().text("mode").unwrap_err());
    }

    #[test]
    fn the_order_of_parameters_does_not_distinguish_calls() {
        assert_eq!(
            read("mode=a&expires_at=1").unwrap().fingerprint(),
            read("expires_at=1&mode=a").unwrap().fingerprint()
        );
        assert_ne!(read("mode=a").unwrap().fingerprint(), read("mode=b").unwrap().fingerprint());
    }
}
