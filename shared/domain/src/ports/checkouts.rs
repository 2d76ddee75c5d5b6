//! Which checkout belongs to a request.

use crate::id::{CheckoutId, PaymentRequestId};
use crate::ports::{Changed, StoreError};

/// The checkouts of clicked requests.
pub trait Checkouts: Send + Sync {
    /// Sets which checkout belongs to a clicked request. It is no change of the request: no history, no event.
    ///
    /// Answers [`Changed::Unchanged`] if the request is not clicked any more.
    fn set_checkout(
        &self,
        id: PaymentRequestId,
        checkout: &CheckoutId,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}
