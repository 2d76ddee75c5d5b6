//! What the local runner offers to the stand-ins that run in it, and what they share.
//!
//! A stand-in plays somebody outside of the deployment, such as a payment provider. It sees the runner as a [`Host`]
//! and is started through [`StandIn`]; it knows nothing of the runner's other parts. Its tables, routes and background
//! tasks are its own.

pub mod checkout_page;
pub mod doors;
pub mod durable;
pub mod shutdown;
pub mod web;
pub mod webhook;

pub use doors::{Doors, Identifiers};
pub use durable::{DurableStore, DurableStoreError};
pub use shutdown::{Shutdown, ShutdownHandle};

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runtime::{BoxFuture, ConfigError, Environment};
use std::time::Duration;

/// The process that stand-ins run in, as far as they have to do with it. Clones are the same host.
#[derive(Clone)]
pub struct Host {
    /// Where the process answers, without a slash at the end.
    pub base_url: String,
    /// Whether the functions run in another process, with secrets that both were given beforehand.
    pub functions_elsewhere: bool,
    /// Where everything is kept that outlives the process.
    pub store: DurableStore,
    /// The ways to time and randomness.
    pub doors: Doors,
    /// For calls to the functions' routes.
    pub client: reqwest::Client,
    /// When to end, and where background tasks are started.
    pub shutdown: Shutdown,
}

impl Host {
    /// Returns where a route of the functions is: what the variable says, for a deployment's own address, or this
    /// process.
    #[must_use]
    pub fn function_url(&self, environment: &Environment, variable: &str, path: &str) -> String {
        environment.get(variable).map_or_else(|| format!("{}{path}", self.base_url), str::to_owned)
    }

    /// Makes a webhook secret for a variable that is not set. It is random, unless the functions run elsewhere: those
    /// know `agreed` beforehand.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if the machine has no random numbers to make a secret of.
    pub fn webhook_secret(&self, variable: &str, agreed: &str) -> Result<String, ConfigError> {
        if self.functions_elsewhere { Ok(agreed.to_owned()) } else { self.random_webhook_secret(variable) }
    }

    /// Makes a random webhook secret of 32 bytes for a variable that is not set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if the machine has no random numbers to make a secret of.
    pub fn random_webhook_secret(&self, variable: &str) -> Result<String, ConfigError> {
        let mut bytes = [0; 32];
        let filled = self.doors.fill(&mut bytes);
        filled.map_err(|_| Environment::invalid(variable, "set, for this machine has no random numbers"))?;
        Ok(format!("whsec_{}", STANDARD.encode(bytes)))
    }
}

/// Somebody outside of the deployment, played within this process.
pub trait StandIn: Sync {
    /// The value of the variable that asks for it: `PAYMENT_PROVIDER` for a payment provider, `CHANNEL` for a chat.
    fn name(&self) -> &'static str;

    /// Returns whether the functions are told to call the one that is stood in for, which then is not started here.
    fn is_elsewhere(&self, _given: &Environment) -> bool {
        false
    }

    /// Adds the variables by which the functions find it.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    fn configure(&self, host: &Host, given: Environment) -> Result<Environment, ConfigError>;

    /// Creates its tables, starts its background tasks and returns its routes. `environment` is what the functions are
    /// handed.
    ///
    /// # Errors
    /// [`StandInError`] saying what stands in the way.
    fn start<'a>(&'a self, host: &'a Host, environment: &'a Environment)
    -> BoxFuture<'a, Result<Router, StandInError>>;
}

/// A stand-in that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StandInError {
    /// A variable is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its tables could not be created, or read.
    #[error(transparent)]
    Store(#[from] DurableStoreError),
}

/// Builds an HTTP client for this machine's own services, past any proxy that the environment names: that is for the
/// rest of the world.
///
/// # Errors
/// There is no TLS to be had.
pub fn client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(timeout).build()
}
