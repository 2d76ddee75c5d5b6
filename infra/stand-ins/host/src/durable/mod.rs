//! Durable storage: the store, and the queues in it.

mod backoff;
mod queue;
mod store;

pub use backoff::backoff;
pub use queue::{Attempt, Job, NewJob, Queue, Work};
pub use store::{DurableStore, DurableStoreError, keep_dead_letter};
