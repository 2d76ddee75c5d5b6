//! Any of the functions under the real Lambda runtime, with its own log: the first argument is the function's name.

use runtime::{ConfigError, Environment, Function};
use std::process::ExitCode;

type Make = fn(&Environment) -> Result<Box<dyn Function>, ConfigError>;

/// Every function by its name.
const FUNCTIONS: [(&str, Make); 11] = [
    (cancel::NAME, cancel::function),
    (create::NAME, create::function),
    (delivery_report::NAME, delivery_report::function),
    (desk::NAME, desk::function),
    (expire::NAME, expire::function),
    (link_click::NAME, link_click::function),
    (notify::NAME, notify::function),
    (payment_webhook::NAME, payment_webhook::function),
    (publish::NAME, publish::function),
    (query::NAME, query::function),
    (refund::NAME, refund::function),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    match FUNCTIONS.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => runtime::run(make).await,
        None => ExitCode::FAILURE,
    }
}
