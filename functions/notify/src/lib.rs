//! The bus → the customer's chat channel.

use adapters::ConfiguredChannel;
use domain::use_cases::notify::{Notified, notify};
use domain::{PaymentRequestEvent, SystemClock};
use runtime::bus_event::BusEvent;
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct Notify {
    channel: ConfiguredChannel,
}

/// Builds the function.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(Notify { channel: ConfiguredChannel::new(environment)? }))
}

impl Function for Notify {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let event: PaymentRequestEvent = BusEvent::read(event)?;
            // An error leaves the event with the bus, which delivers it again and in the end keeps it for a person.
            let notified = notify(&self.channel, &SystemClock, &event).await.map_err(InvocationError::work)?;
            if notified == Notified::TooLate {
                tracing::warn!(event_id = event.event_id, "the link had ended before its message could be delivered");
            } else {
                tracing::info!(event_id = event.event_id, ?notified, "handled");
            }
            Ok("null".to_owned())
        })
    }
}
