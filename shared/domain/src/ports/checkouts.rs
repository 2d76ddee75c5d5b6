//! The port for the checkouts of requests.

use crate::id::{CheckoutId, PaymentRequestId};
use crate::ports::{Changed, StoreError};

/// The checkouts of clicked requests.
pub trait Checkouts: Send + Sync {
    /// Sets the checkout of a clicked request. This is not a change of the request: it adds no history and no event.
    ///
    /// Returns [`Changed::Unchanged`] if the request is no longer clicked.
    fn set_checkout(
        &self,
        id: PaymentRequestId,
        checkout: &CheckoutId,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}
