//! What a channel knows us by.

use crate::secrets::SecretValue;
use runtime::{ConfigError, Environment};
use std::fmt;

/// An access token or key, as it stands in a header. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl SecretValue for Token {
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Environment::invalid(name, "a token: visible ASCII characters without spaces"))
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_as_it_is_and_never_shown() {
        let token = Token::parse(" EAAJB-1_2== \n", "TOKEN").unwrap();
        assert_eq!(token.reveal(), "EAAJB-1_2==");
        assert!(!format!("{token:?}").contains("EAA"));
        for text in ["", "  ", "two words", "line\nbreak", "t\u{e9}"] {
            let error = Token::parse(text, "TOKEN").unwrap_err().to_string();
            assert!(error.contains("TOKEN") && (text.trim().is_empty() || !error.contains(text)), "{text}");
        }
    }
}
