//! The bus → the channel to the customer: sends the message of an event.

mod links;

use crate::links::Links;
use adapters::{ConfiguredChannel, DynamoDbStore};
use domain::use_cases::notify::{Notified, NotifyError, notify};
use domain::{Doors, PaymentRequestEvent, RetrySchedule, gsm, message};
use runtime::bus_event::payment_request_event;
use runtime::telemetry::{Metric, chain, count};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// Lambda's schedule of retries after a failed asynchronous invocation: one minute after the first run, and two minutes
/// after the second. The third run is the last
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>). The leeway of ten seconds
/// covers Lambda's delay and the least time that a run needs to send a message.
pub const LAMBDA_RETRIES: RetrySchedule =
    RetrySchedule::new(&[Duration::from_mins(1), Duration::from_mins(2)], Duration::from_secs(10));

/// The time for which one run waits for a link in flight before it sends the text of a cancellation. With it and all of
/// its calls, a run takes 50 seconds at most: below the function's timeout of a minute.
const WAIT_AT_MOST: Duration = Duration::from_secs(15);

/// The error for a cancellation's text that still waits for the link. Lambda retries its event.
#[derive(Debug, thiserror::Error)]
#[error("the text of a cancellation waits: its link may still be in flight")]
struct LinkInFlight;

struct Notify {
    store: DynamoDbStore,
    doors: Doors,
    channel: ConfiguredChannel,
    links: Links,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(Notify {
        store: DynamoDbStore::new(environment)?,
        doors: environment.doors(),
        channel: ConfiguredChannel::new(environment)?,
        links: Links::default(),
    }))
}

impl Function for Notify {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let event = payment_request_event(event)?;
            let event_id = &event.event_id;
            match self.notify_after_link(&event).await {
                Ok(Notified::TooLate) => {
                    tracing::warn!(event_id, "message not sent: its link has ended or has been clicked");
                }
                Ok(Notified::Failed { reason, recorded, cause }) => {
                    count(Metric::DeliveryFailed);
                    let (reason, error) = (reason.code(), chain(&cause));
                    tracing::error!(event_id, reason, recorded, error, "message abandoned");
                }
                Ok(Notified::LinkInFlight { .. }) => return Err(InvocationError::work(LinkInFlight)),
                Ok(Notified::Delivered { unsettled }) => {
                    if let Some(error) = unsettled {
                        let error = chain(&error);
                        tracing::warn!(event_id, error, "message delivered, but its delivery was not recorded");
                    }
                    // Carriers charge for each part of a text message. This is why the texts use only characters of
                    // GSM 03.38.
                    let parts = message::text(&event).map_or(0, |text| gsm::parts(&text));
                    tracing::info!(event_id, parts, "message delivered");
                }
                Ok(notified) => tracing::info!(event_id, ?notified, "no message sent"),
                // After an error Lambda retries the event, and finally moves it to the dead-letter queue for a person.
                Err(error) => return Err(InvocationError::work(error)),
            }
            Ok("null".to_owned())
        })
    }
}

impl Notify {
    /// Sends the message of an event, and waits before it while the link of a canceled request may be in flight.
    async fn notify_after_link(&self, event: &PaymentRequestEvent) -> Result<Notified, NotifyError> {
        let started = Instant::now();
        let run = event.link.is_some().then(|| self.links.begin(event.id));
        loop {
            let delivered = self.links.is_delivered(event.id);
            let notified = notify(&self.store, &self.channel, &self.doors, &LAMBDA_RETRIES, event, delivered).await?;
            if let (Some(run), Notified::Delivered { .. }) = (&run, &notified) {
                run.record_delivery();
            }
            let Notified::LinkInFlight { look_again_at } = notified else { return Ok(notified) };
            let pause = look_again_at.saturating_duration_since(self.doors.now());
            if started.elapsed() + pause > WAIT_AT_MOST {
                return Ok(notified);
            }
            sleep(pause).await;
        }
    }
}
