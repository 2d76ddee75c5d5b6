//! The port for the index of deadlines.

use crate::id::PaymentRequestId;
use crate::ports::StoreError;
use crate::time::Timestamp;

/// An entry of the index of deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Due {
    /// The request.
    pub id: PaymentRequestId,
    /// The request's deadline.
    pub due_at: Timestamp,
}

/// The index of open requests by deadline.
pub trait DueIndex: Send + Sync {
    /// Returns every open request whose deadline is at or before `latest`, earliest first. The index is eventually
    /// consistent, so it may miss the writes of the last moments; the caller must poll again.
    fn due(&self, latest: Timestamp) -> impl Future<Output = Result<Vec<Due>, StoreError>> + Send;
}
