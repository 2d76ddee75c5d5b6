//! Which requests' deadlines come next.

use crate::id::PaymentRequestId;
use crate::ports::StoreError;
use crate::time::Timestamp;

/// An entry of the index of what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Due {
    /// The request.
    pub id: PaymentRequestId,
    /// The time at which it has to be looked at: its deadline.
    pub due_at: Timestamp,
}

/// The index of open requests by deadline.
pub trait DueIndex: Send + Sync {
    /// Returns every open request that is due at or before `latest`, earliest first. It may miss what was written
    /// within the last moments; whoever relies on it asks again.
    fn due(&self, latest: Timestamp) -> impl Future<Output = Result<Vec<Due>, StoreError>> + Send;
}
