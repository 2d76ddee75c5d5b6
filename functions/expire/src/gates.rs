//! How many requests one run settles at once, and when it stops calling the provider.

use domain::PaymentRequestId;
use domain::ports::ProviderError;
use domain::use_cases::expire::Settled;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The number of requests that are settled at once: enough for a burst, few enough for the table and the provider.
pub(crate) const AT_ONCE: usize = 16;

/// The gates of one run. The provider has a gate of its own, so that one that hangs delays only the requests that need
/// it.
#[derive(Default)]
pub(crate) struct Gates {
    /// The gate to the table.
    pub(crate) store: StoreGate,
    /// The gate to the provider.
    pub(crate) provider: ProviderGate,
    /// The requests whose time to pay was over in this run, and whose provider could not say whether they were paid.
    overdue: Mutex<HashSet<PaymentRequestId>>,
}

impl Gates {
    /// Records what became of a request whose time to pay is over.
    pub(crate) fn record_overdue(&self, id: PaymentRequestId, settled: &Settled) {
        let mut overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(settled, Settled::Postponed(..) | Settled::Waiting(..)) {
            overdue.insert(id);
        } else {
            overdue.remove(&id);
        }
    }

    /// Returns how many requests are overdue at the end of the run.
    pub(crate) fn overdue(&self) -> usize {
        self.overdue.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Bounds how many requests are written at once.
pub(crate) struct StoreGate(Semaphore);

impl Default for StoreGate {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl StoreGate {
    /// Waits for a permit to write. It returns none only if the semaphore is closed, which it never is.
    pub(crate) async fn acquire_store_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.0.acquire().await.ok()
    }
}

/// Bounds how many calls to the provider are in flight, and breaks the circuit when it does not answer.
pub(crate) struct ProviderGate {
    permits: Semaphore,
    /// Consecutive calls that have gone unanswered.
    unanswered: AtomicUsize,
}

impl Default for ProviderGate {
    fn default() -> Self {
        Self { permits: Semaphore::new(AT_ONCE), unanswered: AtomicUsize::new(0) }
    }
}

impl ProviderGate {
    /// Waits for a permit to call the provider. It returns none only if the semaphore is closed, which it never is.
    pub(crate) async fn acquire_provider_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// Returns true once [`AT_ONCE`] consecutive provider calls have gone unanswered. Requests still within
    /// `PROVIDER_GRACE` are then postponed to the next run; requests past it are still settled.
    pub(crate) fn circuit_is_open(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) >= AT_ONCE
    }

    /// Records whether the provider answered, if that is known: any answer closes the circuit.
    pub(crate) fn record_answer(&self, answered: Option<bool>) {
        match answered {
            Some(true) => self.unanswered.store(0, Ordering::Relaxed),
            Some(false) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
            None => {}
        }
    }
}

/// Returns whether the provider answered the calls that led to this outcome; `None` if the outcome does not say.
pub(crate) fn provider_answered(settled: &Settled) -> Option<bool> {
    match settled {
        Settled::Postponed(_, ProviderError::Unavailable(_))
        | Settled::ExpiredUnconfirmed(_, ProviderError::Unavailable(_)) => Some(false),
        // Somebody else has changed the request.
        Settled::NotDue => None,
        Settled::Expired(_)
        | Settled::Changed(_)
        | Settled::Confirmed(_)
        | Settled::SentBack(_)
        | Settled::Waiting(..)
        | Settled::Postponed(..)
        | Settled::Mismatched(_)
        | Settled::ExpiredUnconfirmed(..) => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_opens_after_as_many_unanswered_calls_as_can_be_in_flight() {
        let gate = ProviderGate::default();
        for _ in 0..2 {
            (1..AT_ONCE).for_each(|_| gate.record_answer(Some(false)));
            assert!(!gate.circuit_is_open());
            gate.record_answer(Some(true));
        }
        (1..AT_ONCE).for_each(|_| gate.record_answer(Some(false)));
        assert!(!gate.circuit_is_open(), "an answer resets the count of unanswered calls");
        gate.record_answer(Some(false));
        assert!(gate.circuit_is_open());
        gate.record_answer(provider_answered(&Settled::NotDue));
        assert!(gate.circuit_is_open(), "an outcome that says nothing of the provider leaves the circuit as it is");
        gate.record_answer(Some(true));
        assert!(!gate.circuit_is_open());
    }
}
