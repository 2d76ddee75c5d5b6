//! One request's changes.

use crate::id::PaymentRequestId;
use crate::payment_request::PaymentRequest;
use crate::ports::StoreError;
use crate::transition::Change;

/// The outcome of a conditional write to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The write was applied, by this call or by an earlier one of the same write. Holds the request as it is now.
    Applied(Box<PaymentRequest>),
    /// Nothing happened. Holds the request as it was at that moment, which is the reason: whoever lost a race reads in
    /// it what won.
    Unchanged(Box<PaymentRequest>),
    /// There is no such request within the write's scope.
    NotFound,
}

/// The changes of requests.
pub trait Changes: Send + Sync {
    /// Makes a change if the transition table allows it at the moment of the write: the status, the deadline, the
    /// history and the fact that the change brings ([`Change::fact`]) move in one step, or nothing does. Of any number
    /// of conflicting changes exactly one is applied, and every other is answered with the request that made it lose.
    fn change(&self, id: PaymentRequestId, change: &Change)
    -> impl Future<Output = Result<Changed, StoreError>> + Send;
}
