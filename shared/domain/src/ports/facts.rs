//! The port for facts: what must be remembered about a request besides its changes.

use crate::fact::Fact;
use crate::id::PaymentRequestId;
use crate::ports::{Changed, StoreError};

/// Facts of requests. Neither method changes the request: they add no history and no event.
pub trait Facts: Send + Sync {
    /// Records a fact. This is idempotent, also when a response was lost in between.
    ///
    /// Returns [`Changed::Unchanged`] if the request has none of the fact's [`Fact::required_statuses`], or has another
    /// fact that excludes this one ([`Fact::exclusive_text`]). Of several facts that exclude each other, at most one is
    /// recorded until it is retracted.
    fn record_fact(
        &self,
        id: PaymentRequestId,
        fact: &Fact,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// Retracts a fact, so that the request no longer has it. Retracting an absent fact is not an error.
    ///
    /// Returns [`Changed::Unchanged`] if the request has the fact, but none of the fact's [`Fact::required_statuses`].
    fn retract_fact(
        &self,
        id: PaymentRequestId,
        fact: &Fact,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}
