//! One request: stored for the first time, and read.

use crate::id::PaymentRequestId;
use crate::payment_request::PaymentRequest;
use crate::ports::StoreError;

/// The outcome of [`Inserts::insert`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// The request is stored now.
    New,
    /// There already was one with this identifier, unchanged by the call.
    Existing(Box<PaymentRequest>),
}

/// New requests.
pub trait Inserts: Send + Sync {
    /// Stores a new request unless there is one with its identifier. Of any number of concurrent inserts of one
    /// identifier exactly one answers [`Inserted::New`]; that stays so when the answer is lost and the call is repeated
    /// under the same operation.
    fn insert(&self, request: &PaymentRequest) -> impl Future<Output = Result<Inserted, StoreError>> + Send;
}

/// Requests as they are now.
pub trait Reads: Send + Sync {
    /// Returns the request as it is now (a consistent read).
    fn get(&self, id: PaymentRequestId) -> impl Future<Output = Result<Option<PaymentRequest>, StoreError>> + Send;
}
