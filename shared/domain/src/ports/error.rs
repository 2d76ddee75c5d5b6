//! The errors that all ports of the store share.

use std::error::Error;

/// An error's cause, for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The error for a call that the store did not complete. Whether a write was applied is then unknown; retrying the same
/// write is always safe.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store did not respond in time, is overloaded, or cannot be reached.
    #[error("the store is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The store rejected the call: a wrong table name, a missing permission, a defect.
    #[error("the store rejected the call: {0}")]
    Refused(#[source] Cause),
    /// The store holds an item that is not a payment request.
    #[error("a stored item is invalid: {0}")]
    Corrupt(#[source] Cause),
}

impl StoreError {
    /// Builds the error for a request that changed between the attempts of a write more often than a request can.
    #[must_use]
    pub fn kept_changing() -> Self {
        Self::Unavailable("the request kept changing".into())
    }
}
