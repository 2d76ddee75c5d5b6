//! How much is settled at once.

use domain::ports::ProviderError;
use domain::use_cases::expire::Settled;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Enough for a burst, few enough to leave the table and the provider standing.
const AT_ONCE: usize = 16;

/// The room of one run. What waits for the provider has room of its own, so that a provider that hangs keeps nothing from ending that
/// is none of its business.
pub(crate) struct Room {
    table: Semaphore,
    provider: Semaphore,
    /// Calls to the provider in a row that were not answered.
    unanswered: AtomicUsize,
}

impl Default for Room {
    fn default() -> Self {
        Self { table: Semaphore::new(AT_ONCE), provider: Semaphore::new(AT_ONCE), unanswered: AtomicUsize::new(0) }
    }
}

impl Room {
    /// Waits for room at the table. There is none only while the semaphore is closed, which it never is.
    pub(crate) async fn at_the_table(&self) -> Option<SemaphorePermit<'_>> {
        self.table.acquire().await.ok()
    }

    /// Waits for room at the provider, as [`Self::at_the_table`].
    pub(crate) async fn at_the_provider(&self) -> Option<SemaphorePermit<'_>> {
        self.provider.acquire().await.ok()
    }

    /// Whether the provider has not answered anybody of a whole room in a row. Then whoever can wait for the next run does, and those
    /// get their turn whose ten minutes are over.
    pub(crate) fn provider_is_silent(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) >= AT_ONCE
    }

    /// Takes note of whether the provider answered.
    pub(crate) fn heard(&self, settled: &Settled) {
        if let Settled::Postponed(ProviderError::Unavailable(_))
        | Settled::ExpiredUnconfirmed(_, ProviderError::Unavailable(_)) = settled
        {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        } else {
            self.unanswered.store(0, Ordering::Relaxed);
        }
    }
}
