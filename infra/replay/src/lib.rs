//! Publishes the events of given payment requests again, rebuilt from the requests' history.
//!
//! The table's stream keeps records for 24 hours only; a request's history is kept for its whole retention. Replaying
//! an event twice is harmless, because consumers deduplicate by `event_id`.

use adapters::eventbridge::{BusError, Entry, EntryError};
use adapters::{DynamoDbStore, EventBus};
use domain::ports::{Reads as _, StoreError};
use domain::{PaymentRequestEvent, PaymentRequestId};
use runtime::{ConfigError, Environment};

/// The reason why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// An environment variable is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The request could not be read.
    #[error("request {id}: {error}")]
    Store {
        /// The request's identifier.
        id: PaymentRequestId,
        /// The cause.
        #[source]
        error: StoreError,
    },
    /// The request does not exist; its retention may be over.
    #[error("request {0} does not exist")]
    Unknown(PaymentRequestId),
    /// The call to `PutEvents` failed.
    #[error("event {event_id}: {error}")]
    Bus {
        /// The event's identifier.
        event_id: String,
        /// The cause.
        #[source]
        error: BusError,
    },
    /// The bus accepted the call, and rejected the event.
    #[error("event {event_id}: {error}")]
    Event {
        /// The event's identifier.
        event_id: String,
        /// The cause.
        #[source]
        error: EntryError,
    },
}

/// Publishes each request's events after its first `after` ones again, in order. Returns how many were published.
///
/// # Errors
/// [`ReplayError`] at the first failure. The events before it have been published; the whole replay can safely be
/// repeated.
pub async fn replay(environment: &Environment, ids: &[PaymentRequestId], after: usize) -> Result<usize, ReplayError> {
    let (store, bus) = (DynamoDbStore::new(environment)?, EventBus::new(environment)?);
    let public_base_url = runtime::config::public_base_url(environment)?;
    let mut replayed = 0;
    for id in ids {
        let request = store.get(*id).await.map_err(|error| ReplayError::Store { id: *id, error })?;
        let request = request.ok_or(ReplayError::Unknown(*id))?;
        let events: Vec<PaymentRequestEvent> =
            PaymentRequestEvent::of_history(&request, after, &public_base_url).collect();
        for event in events {
            // One event for each call: the bus could accept a later event of a batch and reject an earlier one.
            let results = bus.put(&[Entry::from(&event)]).await;
            let results = results.map_err(|error| ReplayError::Bus { event_id: event.event_id.clone(), error })?;
            for result in results {
                result.map_err(|error| ReplayError::Event { event_id: event.event_id.clone(), error })?;
            }
            replayed += 1;
        }
    }
    Ok(replayed)
}
