//! The port for changes of one request.

use crate::id::PaymentRequestId;
use crate::payment_request::PaymentRequest;
use crate::ports::StoreError;
use crate::transition::Change;

/// The outcome of a conditional write to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The write was applied, by this call or by an earlier one of the same write. Holds the request as it is now.
    Applied(Box<PaymentRequest>),
    /// Nothing was changed. Holds the request as it was at that moment. The loser of a race reads in it which change
    /// won.
    Unchanged(Box<PaymentRequest>),
    /// There is no such request within the write's scope.
    NotFound,
}

/// Changes of requests.
pub trait Changes: Send + Sync {
    /// Applies a change if the transition table allows it at the moment of the write. The status, the deadline, the
    /// history and the change's fact ([`Change::fact`]) are written together or not at all. Of any number of
    /// conflicting changes exactly one is applied; every other returns the request as the winner left it.
    ///
    /// The times of the history never fall: a change by a slower clock is recorded with the time of the change before
    /// it ([`Change::recorded_at`]). Deadlines are compared with the change's own time alone. Every attempt to apply
    /// the change begins and ends within [`WRITE_GRACE`](crate::limits::WRITE_GRACE), less a second for the difference
    /// between clocks.
    fn change(&self, id: PaymentRequestId, change: &Change)
    -> impl Future<Output = Result<Changed, StoreError>> + Send;
}
