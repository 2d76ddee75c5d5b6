//! The whole system on one machine: `cargo run -p local`.
//!
//! The functions are the deployed ones, behind the same handlers; everything around them that AWS, the integrator's chat
//! and the payment provider would do is stood in for here. What there is to stand in for is read from the deployment
//! template.

mod aws;
mod backoff;
mod body;
mod bus;
mod checkout_page;
mod database_proxy;
mod delivery;
pub mod dynamodb;
pub mod environment;
pub mod functions;
mod gateway;
mod html;
mod listener;
mod pages;
mod pattern;
mod phone;
mod queue;
mod refusal;
mod sandbox;
mod schedule;
mod stage;
pub mod start;
pub mod store;
mod stream;
mod stripe;
pub mod template;
#[cfg(test)]
mod test;
mod time;
pub mod token;

pub use environment::{DEVELOPMENT_CHANNEL_SECRET, DEVELOPMENT_WEBHOOK_SECRET, EVENT_BUS_NAME};
pub use pattern::{Pattern, PatternError};
pub use start::{Local, Options, StartError, start};

use std::time::Duration;

/// An HTTP client for this machine's own services: whatever proxy the environment names is for the rest of the world.
fn client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(timeout).build()
}
