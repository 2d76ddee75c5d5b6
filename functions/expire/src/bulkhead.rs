//! How much is settled at once, and when the provider is left alone.

use domain::ports::ProviderError;
use domain::use_cases::expire::Settled;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Enough for a burst, few enough to leave the table and the provider standing.
const AT_ONCE: usize = 16;

/// The bulkheads of one run, with a circuit breaker. What waits for the provider has room of its own, so that a
/// provider that hangs keeps nothing from ending that is none of its business.
pub(crate) struct Bulkhead {
    table: Semaphore,
    provider: Semaphore,
    /// Calls to the provider in a row that were not answered.
    unanswered: AtomicUsize,
}

impl Default for Bulkhead {
    fn default() -> Self {
        Self { table: Semaphore::new(AT_ONCE), provider: Semaphore::new(AT_ONCE), unanswered: AtomicUsize::new(0) }
    }
}

impl Bulkhead {
    /// Waits for room at the table. There is none only while the semaphore is closed, which it never is.
    pub(crate) async fn at_the_table(&self) -> Option<SemaphorePermit<'_>> {
        self.table.acquire().await.ok()
    }

    /// Waits for room at the provider, as [`Self::at_the_table`].
    pub(crate) async fn at_the_provider(&self) -> Option<SemaphorePermit<'_>> {
        self.provider.acquire().await.ok()
    }

    /// Whether so many calls in a row were not answered as can be made at once. Then whoever can wait for the next run
    /// does, and those get their turn whose ten minutes are over.
    pub(crate) fn circuit_is_open(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_opens_when_as_many_calls_in_a_row_are_not_answered_as_can_be_made_at_once() {
        let unavailable = || Settled::Postponed(ProviderError::Unavailable("no answer".into()));
        let answers = [
            Settled::NotDue,
            Settled::Postponed(ProviderError::Refused("no".into())),
            Settled::Postponed(ProviderError::Unreadable("?".into())),
        ];
        let bulkhead = Bulkhead::default();
        for answer in answers {
            (1..AT_ONCE).for_each(|_| bulkhead.heard(&unavailable()));
            assert!(!bulkhead.circuit_is_open());
            bulkhead.heard(&answer);
        }
        (1..AT_ONCE).for_each(|_| bulkhead.heard(&unavailable()));
        assert!(!bulkhead.circuit_is_open(), "an answer in between counts");
        bulkhead.heard(&unavailable());
        assert!(bulkhead.circuit_is_open());
        bulkhead.heard(&Settled::NotDue);
        assert!(!bulkhead.circuit_is_open());
    }
}
