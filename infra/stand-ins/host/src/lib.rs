//! The interface between the local runner and its stand-ins, and code that the stand-ins share.
//!
//! A stand-in plays a party outside the deployment, such as a payment provider. It sees the runner as a [`Host`], is
//! started through [`StandIn`], and depends on no other part of the runner. It has its own tables, routes and
//! background tasks.

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

/// The process that runs the stand-ins, as far as they depend on it. Clones refer to the same host.
#[derive(Clone)]
pub struct Host {
    /// The base URL of the process for everybody else, without a trailing slash.
    pub base_url: String,
    /// The base URL for calls within the process, without a trailing slash. It has the same routes, and a listener of
    /// its own: a call that a request waits for must not wait behind other requests.
    pub own_url: String,
    /// Whether the functions run in another process, with secrets agreed in advance.
    pub functions_elsewhere: bool,
    /// The store for data that outlives the process.
    pub store: DurableStore,
    /// The access to time and randomness.
    pub doors: Doors,
    /// The HTTP client for calls to the functions' routes.
    pub client: reqwest::Client,
    /// The shutdown signal, which also starts background tasks.
    pub shutdown: Shutdown,
}

impl Host {
    /// Returns the URL of a function's route: the variable's value, such as a deployment's URL, or else `path` on this
    /// process.
    #[must_use]
    pub fn function_url(&self, environment: &Environment, variable: &str, path: &str) -> String {
        environment.get(variable).map_or_else(|| format!("{}{path}", self.own_url), str::to_owned)
    }

    /// Returns a webhook secret for a variable that is not set: a random one, or `agreed` if the functions run
    /// elsewhere, because those have to know it in advance.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for `variable` if the machine provides no random numbers.
    pub fn webhook_secret(&self, variable: &str, agreed: &str) -> Result<String, ConfigError> {
        if self.functions_elsewhere { Ok(agreed.to_owned()) } else { self.random_webhook_secret(variable) }
    }

    /// Generates a random webhook secret of 32 bytes for a variable that is not set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for `variable` if the machine provides no random numbers.
    pub fn random_webhook_secret(&self, variable: &str) -> Result<String, ConfigError> {
        let mut bytes = [0; 32];
        let filled = self.doors.fill(&mut bytes);
        filled.map_err(|_| Environment::invalid(variable, "set, because this machine provides no random bytes"))?;
        Ok(format!("whsec_{}", STANDARD.encode(bytes)))
    }
}

/// A party outside the deployment, emulated within this process.
pub trait StandIn: Sync {
    /// Returns the value of the variable that selects this stand-in: `PAYMENT_PROVIDER` for a payment provider,
    /// `CHANNEL` for a chat.
    fn name(&self) -> &'static str;

    /// Returns whether the functions are configured to call the real party. The stand-in is then not started.
    fn is_elsewhere(&self, _given: &Environment) -> bool {
        false
    }

    /// Adds the variables by which the functions find the stand-in.
    ///
    /// # Errors
    /// [`ConfigError`] if a variable is missing or invalid.
    fn configure(&self, host: &Host, given: Environment) -> Result<Environment, ConfigError>;

    /// Creates the stand-in's tables, starts its background tasks and returns its routes. `environment` is the
    /// functions' environment.
    ///
    /// # Errors
    /// [`StandInError`] with the variable or the store's failure that prevented the start.
    fn start<'a>(&'a self, host: &'a Host, environment: &'a Environment)
    -> BoxFuture<'a, Result<Router, StandInError>>;
}

/// The reason why a stand-in could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StandInError {
    /// [`ConfigError`] if a variable is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its tables could not be created or read.
    #[error(transparent)]
    Store(#[from] DurableStoreError),
}

/// Builds an HTTP client for this machine's own services. It ignores the proxy variables of the environment, which are
/// for the rest of the world.
///
/// # Errors
/// [`reqwest::Error`] if no TLS implementation is available.
pub fn client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(timeout).build()
}
