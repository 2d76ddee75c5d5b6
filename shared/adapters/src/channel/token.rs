//! The access token or key by which a channel authenticates us.

use crate::secrets::SecretValue;
use runtime::{ConfigError, Environment};
use secrecy::{ExposeSecret as _, SecretString};

/// An access token or key, in the form of a header's value.
#[derive(Debug, Clone)]
pub(super) struct Token(SecretString);

impl Token {
    pub(super) fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret() == other.expose_secret()
    }
}

impl SecretValue for Token {
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(Environment::invalid(name, "a token of visible ASCII characters without spaces"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_unchanged_and_never_shown() {
        let token = Token::parse(" EAAJB-1_2== \n", "TOKEN").unwrap();
        assert_eq!(token.expose_secret(), "EAAJB-1_2==");
        assert!(!format!("{token:?}").contains("EAA"));
        for text in ["", "  ", "two words", "line\nbreak", "t\u{e9}"] {
            let error = Token::parse(text, "TOKEN").unwrap_err().to_string();
            assert!(error.contains("TOKEN") && (text.trim().is_empty() || !error.contains(text)), "{text}");
        }
    }
}
