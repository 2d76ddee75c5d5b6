//! The ports that insert a request, and that read one.

use crate::id::PaymentRequestId;
use crate::payment_request::PaymentRequest;
use crate::ports::StoreError;

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
