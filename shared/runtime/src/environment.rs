//! Configuration, read once at init.
//!
//! Every function names what it needs; a variable that is missing or wrong stops it there with one line that names the
//! variable, so nothing ever runs half configured.

use domain::Doors;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What a function starts with: its variables, and the doors to time and randomness. In a deployment all of it is the
/// process's own. On one machine whoever starts the function hands it in.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    doors: Doors,
}

/// A variable that is missing or holds a value that cannot be used. Its text never holds the value, which may be a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, or empty.
    #[error("the environment variable {name} is missing")]
    Missing {
        /// The variable's name.
        name: String,
    },
    /// The variable is set to something else than it may hold.
    #[error("the environment variable {name} is invalid: it must be {expected}")]
    Invalid {
        /// The variable's name.
        name: String,
        /// What it may hold, in words.
        expected: String,
    },
}

impl Environment {
    /// The process's own variables. One that is not valid UTF-8 counts as missing.
    #[must_use]
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The same environment with one variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// The same environment with one variable set unless it already is.
    #[must_use]
    pub fn or(self, name: &str, value: impl Into<String>) -> Self {
        if self.get(name).is_some() { self } else { self.with(name, value) }
    }

    /// Returns the same environment with other doors to time and randomness.
    #[must_use]
    pub fn with_doors(mut self, doors: Doors) -> Self {
        self.doors = doors;
        self
    }

    /// Returns the doors to time and randomness.
    #[must_use]
    pub fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// A variable's value; an empty one counts as missing, as an optional template parameter arrives empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that has to be there.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if it is not.
    pub fn require(&self, name: &str) -> Result<&str, ConfigError> {
        self.get(name).ok_or_else(|| ConfigError::Missing { name: name.to_owned() })
    }

    /// Parses a variable that has to be there.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if it is not, [`ConfigError::Invalid`] if it is not a `T`.
    pub fn parse<T: FromStr>(&self, name: &str, expected: &str) -> Result<T, ConfigError> {
        self.require(name)?.parse().map_err(|_| Self::invalid(name, expected))
    }

    /// Parses a variable, or returns `default` if it is not set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if it is set to something that is not a `T`, or that `accept` refuses.
    pub fn parse_or<T: FromStr>(
        &self,
        name: &str,
        default: T,
        expected: &str,
        accept: impl FnOnce(&T) -> bool,
    ) -> Result<T, ConfigError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().ok().filter(accept).ok_or_else(|| Self::invalid(name, expected))
    }

    /// The error for a variable whose value cannot be used.
    #[must_use]
    pub fn invalid(name: &str, expected: &str) -> ConfigError {
        ConfigError::Invalid { name: name.to_owned(), expected: expected.to_owned() }
    }

    /// Every variable, for handing on to a function that runs elsewhere.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect(), doors: Doors::default() }
    }
}

/// Only the names: values may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.variables.keys()).finish()
    }
}
