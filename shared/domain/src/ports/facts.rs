//! What has to be remembered about a request besides its changes.

use crate::fact::Fact;
use crate::id::PaymentRequestId;
use crate::ports::{Changed, StoreError};

/// The facts of requests. Neither method changes the request: no history, no event.
pub trait Facts: Send + Sync {
    /// Records a fact. Recording it twice is recording it once, also when an answer was lost in between.
    ///
    /// Answers [`Changed::Unchanged`] if the request does not have the fact's [`Fact::required_status`], or has another
    /// fact that excludes this one ([`Fact::exclusive_text`]). Of any number of facts that exclude each other at most
    /// one is recorded, until that one is retracted.
    fn record_fact(
        &self,
        id: PaymentRequestId,
        fact: &Fact,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// Retracts a fact, after which the request does not have it. Retracting a fact that is not there is no error.
    ///
    /// Answers [`Changed::Unchanged`] if the request has the fact, but not the fact's [`Fact::required_status`].
    fn retract_fact(
        &self,
        id: PaymentRequestId,
        fact: &Fact,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}
