//! The whole system on one machine: `cargo run -p local`.
//!
//! The functions are the deployed ones, behind the same handlers. Around them the runner emulates the cloud
//! ([`cloud`]), configured from the deployment template, and the parties outside the deployment ([`stand_ins`]).
//! [`start`] assembles the parts; each part sees the others through [`runner::Runner`].

mod cloud;
mod listener;
mod pages;
mod private_file;
mod runner;
mod stand_ins;
mod start;
#[cfg(test)]
mod test;

pub use cloud::CloudError;
pub use cloud::dynamodb;
pub use cloud::functions::{FUNCTIONS, FunctionError, Make};
pub use cloud::pattern::PatternError;
pub use cloud::template::{TemplateError, authorized_routes, routes};
pub use cloud::tokens::KeyError;
pub use stand_in_host::{Doors, DurableStoreError, StandInError};
pub use start::{Local, Options, StartError, start};
