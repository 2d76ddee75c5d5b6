//! What people and time do with payment requests, one module each.

pub mod cancel;
pub mod click;
pub mod create;
pub mod expire;
pub mod list;
pub mod notify;
pub mod pay;
pub mod refund;
pub mod report;

use crate::OperationId;
use crate::ports::{ProviderError, StoreError};

/// A use case did not come to its end. Every one of them can be run again from its start.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The payment provider failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The payment provider failed, and then the store with what follows from that.
    #[error("{provider}; and what follows from it could not be stored: {store}")]
    Unsettled {
        /// What happened first.
        provider: ProviderError,
        /// What happened then.
        #[source]
        store: StoreError,
    },
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

fn operation() -> Result<OperationId, UseCaseError> {
    Ok(OperationId::random()?)
}
