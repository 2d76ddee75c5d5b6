//! The addresses of the systems outside AWS that are sent personal data or secrets.

use regex_lite::Regex;
use runtime::{ConfigError, Environment};
use url::Url;

/// Encrypted, or on this machine. Any other address could be read on the way. User information is left out: it would be
/// a secret in plain text, and the HTTP client does not send it.
///
/// The patterns of `infra/template.yaml` are made of the same parts. The table of `tests/template/addresses.json` is
/// held against both.
const SECURE: &str = r"(https://[A-Za-z0-9.-]+|http://(127\.0\.0\.1|localhost|\[::1\]))(:[0-9]{1,5})?";
/// A path, of the characters that RFC 3986 allows in one.
const PATH: &str = r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?";
/// A query, likewise.
const QUERY: &str = r"(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?";

/// The address of a system that is sent personal data or secrets: `https`, or `http` on the loopback interface alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    /// Parses an address that paths are appended to. It has no query, and trailing slashes are removed.
    ///
    /// # Errors
    /// The address has another form; the error names the variable.
    pub(crate) fn base(text: &str, name: &str) -> Result<Self, ConfigError> {
        let expected = "an https address without a query, or an http one on the loopback interface";
        Self::without_trailing_slashes(text, &[SECURE, PATH], name, expected)
    }

    /// Parses a complete address, which may have a query. Trailing slashes are removed.
    ///
    /// # Errors
    /// The address has another form; the error names the variable.
    pub(crate) fn complete(text: &str, name: &str) -> Result<Self, ConfigError> {
        let expected = "an https address, or an http one on the loopback interface";
        Self::without_trailing_slashes(text, &[SECURE, PATH, QUERY], name, expected)
    }

    fn without_trailing_slashes(text: &str, parts: &[&str], name: &str, expected: &str) -> Result<Self, ConfigError> {
        parse(text, parts).ok_or_else(|| Environment::invalid(name, expected))?;
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// Parses an origin in the form that browsers write, or with a trailing slash.
    ///
    /// # Errors
    /// The address has another form; the error names the variable.
    pub(crate) fn origin(text: &str, name: &str) -> Result<Self, ConfigError> {
        let expected = "an https origin, or an http one on the loopback interface";
        let origin = parse(text, &[SECURE, "/?"]).map(|url| url.origin().ascii_serialization());
        let origin = origin.filter(|origin| origin == text.trim_end_matches('/'));
        origin.map(Self).ok_or_else(|| Environment::invalid(name, expected))
    }

    /// Returns the address as text.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Returns whether an address is below an origin in the form that browsers write, without user information.
pub(crate) fn is_below(address: &str, origin: &str) -> bool {
    address.parse::<Url>().is_ok_and(|url| {
        url.origin().ascii_serialization() == origin && url.username().is_empty() && url.password().is_none()
    })
}

/// Parses an address that consists of these parts.
fn parse(text: &str, parts: &[&str]) -> Option<Url> {
    let pattern = Regex::new(&format!("^(?:{})$", parts.concat())).ok()?;
    pattern.is_match(text).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parse = fn(&str, &str) -> Result<Endpoint, ConfigError>;

    #[test]
    fn the_address_is_kept_without_slashes_at_its_end() {
        for (parse, text, kept) in [
            (Endpoint::base as Parse, "https://api.example.com/v1/", "https://api.example.com/v1"),
            (Endpoint::base, "http://127.0.0.1:8080/stripe", "http://127.0.0.1:8080/stripe"),
            (Endpoint::complete, "https://chat.example.com/hook?of=acme", "https://chat.example.com/hook?of=acme"),
            (Endpoint::origin, "https://pay.example.com/", "https://pay.example.com"),
            (Endpoint::origin, "http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(parse(text, "X").unwrap().into_string(), kept);
        }
    }

    #[test]
    fn the_error_names_the_variable_and_not_its_value() {
        for parse in [Endpoint::base as Parse, Endpoint::complete, Endpoint::origin] {
            let error = parse("http://chat.example.com", "CHANNEL_WEBHOOK_URL").unwrap_err().to_string();
            assert!(error.contains("CHANNEL_WEBHOOK_URL") && !error.contains("chat.example.com"), "{error}");
        }
    }
}
