//! Puts the events of given payment requests on the bus once more, from their history.
//!
//! The stream forgets after 24 hours; a request's own history does not. Consumers drop what they have seen by its
//! `event_id`, so replaying too much does no harm.

use adapters::eventbridge::{BusError, Entry, EntryError};
use adapters::{DynamoDbStore, EventBus};
use domain::ports::{Reads as _, StoreError};
use domain::{PaymentRequestEvent, PaymentRequestId};
use runtime::{ConfigError, Environment};

/// A replay that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The request could not be read.
    #[error("request {id}: {error}")]
    Store {
        /// Which.
        id: PaymentRequestId,
        /// Why.
        #[source]
        error: StoreError,
    },
    /// There is no such request; its retention may be over.
    #[error("request {0}: there is no such request")]
    Unknown(PaymentRequestId),
    /// The call that puts an event on the bus failed.
    #[error("event {event_id}: {error}")]
    Bus {
        /// The event.
        event_id: String,
        /// Why.
        #[source]
        error: BusError,
    },
    /// The bus rejected an event.
    #[error("event {event_id}: {error}")]
    Event {
        /// The event.
        event_id: String,
        /// Why.
        #[source]
        error: EntryError,
    },
}

/// Replays each request's events after the first `after` of them, in their order. Answers how many were put on the bus.
///
/// # Errors
/// The first thing that went wrong; what came before it has been replayed, and all of it can be again.
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
            // One by one: of several in one call, a later one could be taken without an earlier one.
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
