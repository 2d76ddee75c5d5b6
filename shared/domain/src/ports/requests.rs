//! The ports that insert a request, that read one, and that look at an agent's latest ones.

use crate::id::PaymentRequestId;
use crate::payment_request::PaymentRequest;
use crate::people::{AgentId, WorkspaceId};
use crate::ports::StoreError;
use crate::time::Timestamp;

/// The outcome of [`Inserts::insert`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// The request was stored.
    New,
    /// A request with this identifier exists already. Holds it; the call did not change it.
    Existing(Box<PaymentRequest>),
}

/// Inserts of new requests.
pub trait Inserts: Send + Sync {
    /// Stores a new request unless one with its identifier exists. Of any number of concurrent inserts of one
    /// identifier, exactly one returns [`Inserted::New`]. A retry under the same operation after a lost response keeps
    /// that guarantee.
    fn insert(&self, request: &PaymentRequest) -> impl Future<Output = Result<Inserted, StoreError>> + Send;
}

/// Reads of single requests.
pub trait Reads: Send + Sync {
    /// Returns the request as it is now (a consistent read); `None` if there is none.
    fn get(&self, id: PaymentRequestId) -> impl Future<Output = Result<Option<PaymentRequest>, StoreError>> + Send;
}

/// The times at which an agent's latest requests were created.
pub trait Creations: Send + Sync {
    /// Returns when an agent's latest requests were created, newest first: those after `since`, at most `at_most`. The
    /// read is eventually consistent, so it may miss the requests of the last moments.
    fn latest_creations(
        &self,
        workspace: &WorkspaceId,
        agent: &AgentId,
        since: Timestamp,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<Timestamp>, StoreError>> + Send;
}
