//! The port for the sums of reports over closed periods.

use crate::people::WorkspaceId;
use crate::ports::StoreError;
use crate::sums::{MadeSums, Period, Sums};
use crate::time::Timestamp;
use std::collections::HashMap;

/// What is stored about a period of a workspace. The default is what is known of a period without an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The number of times that the period's sums were dropped; `None` if they never were.
    pub drops: Option<u64>,
    /// The latest time at which they were dropped because a request was inserted.
    pub inserted_at: Option<Timestamp>,
    /// The sums; `None` if there are none of a form that this version reads.
    pub sums: Option<Sums>,
    /// The time from which the sums must not be used any more.
    pub valid_until: Option<Timestamp>,
}

/// What became of sums that were to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// They are kept.
    Kept,
    /// They are not, because the period's sums were dropped since it was read.
    Dropped,
    /// They are not, because they are larger than an item may be.
    TooLarge,
}

/// The sums of closed periods.
pub trait KeptSums: Send + Sync {
    /// Returns what is stored about these periods of a workspace, each as of a moment after the call began. A period
    /// without an item is absent.
    fn read_sums(
        &self,
        workspace: &WorkspaceId,
        periods: &[Period],
    ) -> impl Future<Output = Result<HashMap<Period, Kept>, StoreError>> + Send;

    /// Keeps the sums of a period, unless the period's sums were dropped since `read` was.
    fn keep_sums(
        &self,
        workspace: &WorkspaceId,
        period: Period,
        read: &Kept,
        made: &MadeSums,
    ) -> impl Future<Output = Result<Keeping, StoreError>> + Send;

    /// Drops the sums of a period, and every sum that is being made of it. `inserted` says that a request was inserted
    /// into it. To do so twice is harmless.
    fn drop_sums(
        &self,
        workspace: &WorkspaceId,
        period: Period,
        inserted: bool,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
