//! The table's stream → the event bus: the stream is the outbox, and this carries it out.

use adapters::EventBus;
use adapters::dynamodb::stream::{ImageError, is_request, request_of_image};
use adapters::eventbridge::{ENTRIES_PER_CALL, Entry, EntryError};
use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::{Doors, PaymentRequestEvent};
use runtime::telemetry::{Metric, chain, count};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};
use serde_json::json;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The source of records that can never become events. A rule of the bus takes them to the dead-letter queue.
const DEAD_LETTER_SOURCE: &str = "chat2pay.dead-letter";

struct Publish {
    bus: EventBus,
    doors: Doors,
    public_base_url: String,
}

/// Builds the function.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(Publish {
        bus: EventBus::new(environment)?,
        doors: environment.doors(),
        public_base_url: runtime::config::public_base_url(environment)?,
    }))
}

/// An entry, with what it takes to keep one request's events in order and to start again from it.
struct Pending {
    subject: String,
    sequence_number: String,
    entry: Entry,
}

impl Function for Publish {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let event: Event = serde_json::from_str(event).map_err(InvocationError::Event)?;
            let mut response = DynamoDbEventResponse::default();
            if let Err(failed) = self.publish(event.records).await {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = Some(failed);
                response.batch_item_failures = vec![failure];
            }
            serde_json::to_string(&response).map_err(InvocationError::Answer)
        })
    }
}

impl Publish {
    /// Puts every event of these records on the bus, in their order.
    ///
    /// # Errors
    /// The sequence number of the first record that did not get there. The stream delivers again from it on, so what
    /// came after it is put on the bus a second time; consumers drop it by its `event_id`.
    async fn publish(&self, records: Vec<EventRecord>) -> Result<(), String> {
        let mut batch: Vec<Pending> = Vec::new();
        for record in records {
            for pending in self.events(record) {
                // Entries of one call are taken or refused each for itself. Two of the same request in one call could
                // leave the second on the bus without the first.
                if batch.len() == ENTRIES_PER_CALL || batch.iter().any(|other| other.subject == pending.subject) {
                    self.put(std::mem::take(&mut batch)).await?;
                }
                batch.push(pending);
            }
        }
        self.put(batch).await
    }

    async fn put(&self, batch: Vec<Pending>) -> Result<(), String> {
        if batch.is_empty() {
            return Ok(());
        }
        let (entries, sequence_numbers): (Vec<Entry>, Vec<String>) =
            batch.into_iter().map(|pending| (pending.entry, pending.sequence_number)).unzip();
        let results = match self.bus.put(&entries).await {
            Ok(results) => results,
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    events = entries.len(),
                    "no event published; the stream delivers them again"
                );
                return Err(sequence_numbers.into_iter().next().unwrap_or_default());
            }
        };
        let failures: Vec<(&String, &EntryError)> = sequence_numbers
            .iter()
            .zip(&results)
            .filter_map(|(number, result)| Some((number, result.as_ref().err()?)))
            .collect();
        match failures.first() {
            None => {
                tracing::info!(events = entries.len(), "events published");
                Ok(())
            }
            // The batch is in the order of the stream, so the first failure is the lowest.
            Some((number, error)) => {
                tracing::error!(
                    %error,
                    failed = failures.len(),
                    events = entries.len(),
                    "some events not published; the stream delivers them again"
                );
                Err((*number).clone())
            }
        }
    }

    fn events(&self, record: EventRecord) -> Vec<Pending> {
        let change = record.change;
        let sequence_number = change.sequence_number.unwrap_or_default();
        // Links are announced by the request they lead to, and what is removed is announced by nothing.
        if !is_request(&change.keys) || change.new_image.is_empty() {
            return Vec::new();
        }
        let read = || -> Result<_, ImageError> {
            Ok(request_of_image(change.new_image)?.zip(Some(request_of_image(change.old_image)?)))
        };
        match read() {
            Ok(None) => Vec::new(),
            Ok(Some((new, old))) => {
                let seen = old.map_or(0, |request| request.version());
                let events = PaymentRequestEvent::of_history(&new, seen, &self.public_base_url);
                events
                    .map(|event| Pending {
                        subject: event.id.to_string(),
                        sequence_number: sequence_number.clone(),
                        entry: Entry::from(&event),
                    })
                    .collect()
            }
            // It will not be readable the next time either. It must not hold up the shard, and must not be lost: the
            // bus takes its address to the dead-letter queue.
            Err(error) => {
                count(Metric::DeadLetter);
                tracing::error!(%error, sequence_number, "a stream record can never become an event");
                let entry = Entry {
                    source: DEAD_LETTER_SOURCE,
                    detail_type: "StreamRecordUnreadable",
                    time: self.doors.now(),
                    detail: json!({
                        "event_source_arn": record.event_source_arn,
                        "sequence_number": sequence_number,
                        "keys": change.keys.into_inner(),
                        "error": error.to_string(),
                    })
                    .to_string(),
                };
                vec![Pending { subject: sequence_number.clone(), sequence_number, entry }]
            }
        }
    }
}
