//! Configuration, read once when a function starts.
//!
//! Every function requests the variables that it needs. A missing or invalid variable stops the function at its start
//! with one line that names the variable, so that no function runs half configured.

use domain::Doors;
use std::any::Any;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

/// The variables of a function, and its access to time and randomness. In a deployment both are the process's own. On
/// one machine the local runner provides them.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    doors: Doors,
    /// What the clients of one function share, a value of each type.
    shared: Arc<Mutex<Vec<Arc<dyn Any + Send + Sync>>>>,
}

/// An environment variable that is missing or invalid. The error text never contains the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, or empty.
    #[error("the environment variable {name} is missing")]
    Missing {
        /// The variable's name.
        name: String,
    },
    /// The variable's value is not allowed.
    #[error("the environment variable {name} is invalid: it must be {expected}")]
    Invalid {
        /// The variable's name.
        name: String,
        /// A description of the allowed values.
        expected: String,
    },
}

impl Environment {
    /// Reads the process's environment variables. A variable that is not valid UTF-8 counts as missing.
    #[must_use]
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Returns the environment with one variable set, replacing an earlier value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        // It was made by the earlier variables.
        self.shared = Arc::default();
        self
    }

    /// Returns the environment with one variable set, unless the variable already has a value.
    #[must_use]
    pub fn or(self, name: &str, value: impl Into<String>) -> Self {
        if self.get(name).is_some() { self } else { self.with(name, value) }
    }

    /// Returns the environment with its access to time and randomness replaced.
    #[must_use]
    pub fn with_doors(mut self, doors: Doors) -> Self {
        self.doors = doors;
        self
    }

    /// Returns the access to time and randomness.
    #[must_use]
    pub fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// Returns the one value of its type that is made from this environment, such as an HTTP client that all clients of
    /// a function share. The first caller makes it.
    ///
    /// # Errors
    /// The value cannot be made.
    pub fn shared<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> Result<T, ConfigError>,
    ) -> Result<Arc<T>, ConfigError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = shared.iter().find_map(|other| other.clone().downcast().ok()) {
            return Ok(there);
        }
        let value = Arc::new(make()?);
        shared.push(value.clone());
        Ok(value)
    }

    /// Returns the same variables and doors, with shared values of their own.
    #[must_use]
    pub fn separate(&self) -> Self {
        Self { shared: Arc::default(), ..self.clone() }
    }

    /// Returns a variable's value. An empty value counts as missing, because an optional template parameter that is not
    /// set arrives as an empty string.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the value of a required variable.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if the variable is not set or is empty.
    pub fn require(&self, name: &str) -> Result<&str, ConfigError> {
        self.get(name).ok_or_else(|| ConfigError::Missing { name: name.to_owned() })
    }

    /// Parses a required variable. `expected` describes the allowed values in the error.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if the variable is not set, [`ConfigError::Invalid`] if its value is not a `T`.
    pub fn parse<T: FromStr>(&self, name: &str, expected: &str) -> Result<T, ConfigError> {
        self.require(name)?.parse().map_err(|_| Self::invalid(name, expected))
    }

    /// Parses an optional variable, or returns `default` if it is not set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if the value is not a `T`, or if `accept` returns false for it.
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

    /// Builds the error for a variable whose value is not allowed.
    #[must_use]
    pub fn invalid(name: &str, expected: &str) -> ConfigError {
        ConfigError::Invalid { name: name.to_owned(), expected: expected.to_owned() }
    }

    /// Iterates over all variables, so that they can be passed to a function in another process.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().collect(), ..Self::default() }
    }
}

/// Prints the variables' names only, because the values may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_value_is_made_once_and_again_after_a_change() {
        let environment = Environment::default().with("A", "1");
        let made = environment.shared(|| Ok(String::from("first"))).unwrap();
        let never = || -> Result<String, ConfigError> { panic!("it was made twice") };
        assert!(Arc::ptr_eq(&made, &environment.clone().shared(never).unwrap()));
        let other_type = environment.shared(|| Ok(2_u8)).unwrap();
        assert_eq!(*other_type, 2);
        let changed = environment.clone().with("A", "2").shared(|| Ok(String::from("second"))).unwrap();
        assert_eq!((changed.as_str(), made.as_str()), ("second", "first"));
    }

    #[test]
    fn a_shared_value_that_cannot_be_made_is_tried_again() {
        let environment = Environment::default();
        let failed = environment.shared::<u8>(|| Err(Environment::invalid("A", "a number")));
        assert!(failed.is_err());
        assert_eq!(*environment.shared(|| Ok(1_u8)).unwrap(), 1);
    }
}
