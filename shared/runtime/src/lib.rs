//! What every function shares: configuration, telemetry, caller identity, problem+json, webhook signatures.

pub mod environment;
pub mod function;

pub use environment::{ConfigError, Environment};
pub use function::{BoxFuture, Function, InvocationError, run};
