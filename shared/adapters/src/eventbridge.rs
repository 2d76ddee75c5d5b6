//! The event bus.

use crate::aws::client_config;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::DisplayErrorContext;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use domain::event::SOURCE;
use domain::{PaymentRequestEvent, Timestamp};
use runtime::{ConfigError, Environment};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// `PutEvents` takes at most so many entries
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>).
pub const ENTRIES_PER_CALL: usize = 10;

/// One event to put on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who says it.
    pub source: &'static str,
    /// Which kind it is.
    pub detail_type: &'static str,
    /// When it happened.
    pub time: Timestamp,
    /// The event itself, JSON.
    pub detail: String,
}

impl From<&PaymentRequestEvent> for Entry {
    fn from(event: &PaymentRequestEvent) -> Self {
        Self {
            source: SOURCE,
            detail_type: event.detail_type().as_str(),
            time: event.occurred_at,
            // Texts, numbers and maps with text keys: there is nothing in it that JSON cannot hold.
            detail: serde_json::to_string(event).unwrap_or_default(),
        }
    }
}

/// An entry that did not get onto the bus; the same again may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The whole call failed.
    #[error("the event bus is unavailable: {0}")]
    Call(String),
    /// The bus took the call but not this entry.
    #[error("the event bus refused the entry: {0}")]
    Entry(String),
}

/// The bus that events are put on.
#[derive(Debug, Clone)]
pub struct EventBus {
    client: Client,
    name: String,
    /// When the bus was last seen to exist.
    seen: Arc<Mutex<Option<Instant>>>,
}

/// How long the bus is taken to exist once it was seen.
const SEEN_FOR: Duration = Duration::from_mins(1);

impl EventBus {
    /// The bus that the environment names: `EVENT_BUS_NAME` in `AWS_REGION`, at `AWS_ENDPOINT_URL_EVENTBRIDGE` if that
    /// is set.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::from_conf(client_config!(aws_sdk_eventbridge, environment, "AWS_ENDPOINT_URL_EVENTBRIDGE")),
            name: environment.require("EVENT_BUS_NAME")?.to_owned(),
            seen: Arc::default(),
        })
    }

    /// Makes sure that there is a bus, about once a minute: `PutEvents` answers success for one that does not exist
    /// (<https://github.com/aws/aws-cli/issues/9186>), and what was put there would be lost in silence.
    async fn look(&self) -> Result<(), EntryError> {
        let mut seen = self.seen.lock().await;
        if seen.is_some_and(|at| at.elapsed() < SEEN_FOR) {
            return Ok(());
        }
        let bus = self.client.describe_event_bus().name(&self.name).send().await;
        bus.map_err(|error| EntryError::Call(DisplayErrorContext(&error).to_string()))?;
        *seen = Some(Instant::now());
        Ok(())
    }

    /// Puts at most [`ENTRIES_PER_CALL`] entries on the bus. The call can succeed while entries fail, so there is a
    /// result for each, in the order of the entries.
    pub async fn put(&self, entries: &[Entry]) -> Vec<Result<(), EntryError>> {
        if let Err(error) = self.look().await {
            return entries.iter().map(|_| Err(error.clone())).collect();
        }
        let requests = entries.iter().map(|entry| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.name)
                .source(entry.source)
                .detail_type(entry.detail_type)
                .time(DateTime::from_millis(entry.time.as_milliseconds()))
                .detail(&entry.detail)
                .build()
        });
        match self.client.put_events().set_entries(Some(requests.collect())).send().await {
            Ok(output) => {
                let answers = output.entries.unwrap_or_default();
                (0..entries.len())
                    .map(|index| match answers.get(index) {
                        Some(answer) if answer.event_id.is_some() => Ok(()),
                        Some(answer) => Err(EntryError::Entry(format!(
                            "{}: {}",
                            answer.error_code.as_deref().unwrap_or("no code"),
                            answer.error_message.as_deref().unwrap_or("no message"),
                        ))),
                        None => Err(EntryError::Entry("no answer for it".to_owned())),
                    })
                    .collect()
            }
            Err(error) => {
                let error = EntryError::Call(DisplayErrorContext(&error).to_string());
                entries.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }
}
