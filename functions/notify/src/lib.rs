//! The bus → the way to the customer.

use adapters::{ConfiguredChannel, DynamoDbStore};
use domain::use_cases::notify::{Notified, notify};
use domain::{Doors, PaymentRequestEvent, RetrySchedule, gsm, message};
use runtime::bus_event::BusEvent;
use runtime::telemetry::{Metric, chain, count};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};
use std::time::Duration;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// When Lambda runs a function again that failed on an event: a minute after the first run and two minutes after the
/// second, which is followed by the last
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>). The leeway is what Lambda may
/// be late by, and what a run needs at least to send a message.
pub const LAMBDA_RETRIES: RetrySchedule =
    RetrySchedule::new(&[Duration::from_mins(1), Duration::from_mins(2)], Duration::from_secs(10));

struct Notify {
    store: DynamoDbStore,
    doors: Doors,
    channel: ConfiguredChannel,
}

/// Builds the function.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(Notify {
        store: DynamoDbStore::new(environment)?,
        doors: environment.doors(),
        channel: ConfiguredChannel::new(environment)?,
    }))
}

impl Function for Notify {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let event: PaymentRequestEvent = BusEvent::read(event)?;
            let event_id = &event.event_id;
            match notify(&self.store, &self.channel, &self.doors, &LAMBDA_RETRIES, &event).await {
                Ok(Notified::TooLate) => {
                    tracing::warn!(event_id, "nobody waits for the link any more; its message was not sent");
                }
                Ok(Notified::Failed { reason, recorded, cause }) => {
                    count(Metric::DeliveryFailed);
                    let (reason, error) = (reason.code(), chain(&cause));
                    tracing::error!(event_id, reason, recorded, error, "the message was given up");
                }
                Ok(Notified::Delivered) => {
                    // What a carrier charges for, and the reason why texts keep to GSM 03.38.
                    let parts = message::text(&event).map_or(0, |text| gsm::parts(&text));
                    tracing::info!(event_id, parts, "message delivered");
                }
                Ok(notified) => tracing::info!(event_id, ?notified, "handled"),
                // An error leaves the event with the bus, which delivers it again and in the end keeps it for a person.
                Err(error) => return Err(InvocationError::work(error)),
            }
            Ok("null".to_owned())
        })
    }
}
