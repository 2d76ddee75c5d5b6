//! The use cases of a payment request, one module each.

pub mod cancel;
pub mod check;
pub mod checkouts;
pub mod click;
pub mod create;
#[cfg(test)]
mod deadline_tests;
pub mod expire;
pub mod list;
pub mod live;
pub mod look;
pub mod notify;
pub mod pay;
mod payments;
pub mod reconcile;
#[cfg(test)]
mod reconcile_tests;
pub mod refund;
pub mod report;
pub mod resume_looks;
mod second_payments;
pub mod sums;
pub mod webhooks;

use crate::doors::NoRandomness;
use crate::ports::{ProviderError, QueueError, SocketError, StoreError, VaultError};

/// The error of a use case that did not complete. Every use case can be retried from its start.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The payment provider failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The payment provider failed, and then the store failed to record the consequence.
    #[error("{provider}; the outcome could not be stored: {store}")]
    Unsettled {
        /// The provider's failure, which came first.
        provider: ProviderError,
        /// The store's failure, which came second.
        #[source]
        store: StoreError,
    },
    /// The queue of deliveries failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A secret could not be encrypted or decrypted.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The gateway of live updates failed.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The source of randomness failed, so that no identifier could be generated.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl UseCaseError {
    /// Returns whether the cause is a stored request that this version cannot read. A retry cannot help then.
    #[must_use]
    pub fn is_unreadable_item(&self) -> bool {
        matches!(self, Self::Store(StoreError::Corrupt(_)) | Self::Unsettled { store: StoreError::Corrupt(_), .. })
    }
}
