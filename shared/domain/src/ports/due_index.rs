//! The ports for the index of what is due: deadlines, and looks at the provider.

use crate::id::{CheckoutId, PaymentRequestId};
use crate::payment_request::PaymentRequest;
use crate::ports::{Changed, StoreError};
use crate::status::Status;
use crate::time::Timestamp;
use std::ops::Range;

/// An entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Due {
    /// The request.
    pub id: PaymentRequestId,
    /// The request's deadline or, once that is over, the time of the next look at its provider.
    pub due_at: Timestamp,
}

/// A period of time in the index, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuePeriod {
    /// The earliest time.
    pub earliest: Timestamp,
    /// The latest time.
    pub latest: Timestamp,
}

/// The index of the requests for which something is due. It has several partitions, and each is read on its own.
pub trait DueIndex: Send + Sync {
    /// The number of entries on a full page.
    const PAGE: usize;

    /// Returns the numbers of the partitions.
    fn partitions(&self) -> Range<u8>;

    /// Returns the next page of one partition: what is due in the period, earliest first, beginning after the entry
    /// `after`. A page that is not full is the last one. The index is eventually consistent, so it may miss the writes
    /// of the last moments; the caller must poll again.
    fn due(
        &self,
        partition: u8,
        period: DuePeriod,
        after: Option<Due>,
    ) -> impl Future<Output = Result<Vec<Due>, StoreError>> + Send;

    /// Returns how many requests of each status wait for a look at their provider, whenever that is.
    fn waiting(&self) -> impl Future<Output = Result<Vec<(Status, usize)>, StoreError>> + Send;
}

/// The next looks at the provider. Neither method is a change of the request: they add no history and no event.
pub trait Looks: Send + Sync {
    /// Sets the time of a request's next look, and keeps the checkout with the request: the link, which has it too, is
    /// deleted in time.
    ///
    /// Returns [`Changed::Unchanged`] if the request has changed since it was `seen`: that change has set the time.
    fn schedule_look(
        &self,
        seen: &PaymentRequest,
        next: Timestamp,
        checkout: Option<&CheckoutId>,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// Ends the looks at a request whose provider has nothing to add.
    ///
    /// Returns [`Changed::Unchanged`] if the request is no longer as in `seen`.
    fn end_looks(&self, seen: &PaymentRequest) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}
