//! Stub.
use runtime::{ConfigError, Environment, Function};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// Builds the function from its environment.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Err(environment.require("NOT_WRITTEN_YET").map(|_| ()).unwrap_err())
}
