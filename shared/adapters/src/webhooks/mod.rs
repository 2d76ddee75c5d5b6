//! The adapters of status webhooks: the table of endpoints and deliveries, the queue of attempts, the calls to the
//! endpoints, and the encryption of their secrets.

mod item;
pub mod queue;
mod sender;
mod table;
mod vault;

pub use queue::TaskQueue;
pub use sender::EndpointSender;
pub use table::WebhooksTable;
pub use vault::EncryptedSecrets;

use domain::webhooks::Reach;
use runtime::{ConfigError, Environment};

/// The variable with which the local runner allows endpoints on the loopback interface. No deployment has it.
const LOOPBACK: &str = "WEBHOOK_ENDPOINTS_ON_LOOPBACK";

/// Reads which addresses an endpoint may have: `WEBHOOK_ENDPOINTS_ON_LOOPBACK`, `allowed` on one machine.
///
/// # Errors
/// [`ConfigError::Invalid`] for any other value.
pub fn reach(environment: &Environment) -> Result<Reach, ConfigError> {
    match environment.get(LOOPBACK) {
        None => Ok(Reach::Public),
        Some("allowed") => Ok(Reach::PublicAndLoopback),
        Some(_) => Err(Environment::invalid(LOOPBACK, "allowed, or not set")),
    }
}
