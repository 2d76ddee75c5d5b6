//! The modes of an account.

use runtime::{ConfigError, Environment};

/// Whether money is real. Providers keep the two modes apart, but an endpoint can receive events of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Live,
    Test,
}

impl Mode {
    /// Reads the mode from the variable `name`, such as `STRIPE_LIVEMODE`.
    ///
    /// # Errors
    /// The variable is missing, or neither `true` nor `false`.
    pub(super) fn from_environment(environment: &Environment, name: &'static str) -> Result<Self, ConfigError> {
        match environment.require(name)? {
            "true" => Ok(Self::Live),
            "false" => Ok(Self::Test),
            _ => Err(Environment::invalid(name, "true or false")),
        }
    }

    /// Returns the mode of something that says whether it is live.
    pub(super) const fn of(is_live: bool) -> Self {
        if is_live { Self::Live } else { Self::Test }
    }
}
