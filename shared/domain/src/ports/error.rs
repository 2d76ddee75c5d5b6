//! Errors of the store, whichever of its ports they come from.

use std::error::Error;

/// An error's cause, for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The error for a call that the store did not carry out. Whether a write was applied is then unknown; sending the same
/// write again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store did not answer in time, refused for load, or cannot be reached.
    #[error("the store is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The store refused the call itself: a wrong table name, a missing permission, a defect.
    #[error("the store refused the call: {0}")]
    Refused(#[source] Cause),
    /// The store holds something that is not a payment request.
    #[error("a stored item cannot be read: {0}")]
    Corrupt(#[source] Cause),
}
