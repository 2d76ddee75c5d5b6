//! Code shared by all functions: configuration, telemetry, caller identity, problem responses, request parsing, webhook
//! signatures.

mod api_event;
pub mod assets;
pub mod bus_event;
pub mod caller;
pub mod config;
mod content_coding;
pub mod environment;
pub mod fields;
pub mod function;
pub mod hmac;
pub mod http_function;
pub mod json;
pub mod paystack_signature;
pub mod problem;
pub mod representation;
pub mod stripe_signature;
pub mod telemetry;
pub mod webhook;
pub mod webhook_error;

pub use environment::{ConfigError, Environment};
pub use function::{BoxFuture, Function, InvocationError, run};
pub use http_function::{HttpFunction, HttpHandler};
pub use lambda_http::{Body, Request, RequestExt};
pub use problem::{FieldError, Problem};
