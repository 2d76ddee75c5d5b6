//! The whole system on one machine: `cargo run -p local`.
//!
//! The functions are the deployed ones, behind the same handlers. Around them the runner plays the cloud ([`cloud`]),
//! which it reads from the deployment template, and everybody outside of the deployment ([`stand_ins`]). [`start`] puts
//! the parts together; each sees the others as a [`runner::Runner`].

mod cloud;
mod listener;
mod pages;
mod runner;
mod stand_ins;
mod start;
#[cfg(test)]
mod test;

pub use cloud::CloudError;
pub use cloud::dynamodb;
pub use cloud::functions::FunctionError;
pub use cloud::pattern::PatternError;
pub use cloud::template::{TemplateError, routes};
pub use cloud::tokens::KeyError;
pub use stand_in_host::{Doors, DurableStoreError, StandInError};
pub use start::{Local, Options, StartError, start};
