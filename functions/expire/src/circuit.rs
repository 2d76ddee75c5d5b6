//! When the provider is no longer called, because it does not answer.

use super::AT_ONCE;
use domain::ports::ProviderError;
use domain::use_cases::expire::Settled;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an open circuit keeps calls back before it lets some through, to see whether the provider answers again.
/// Shorter than the interval of the schedule, so that every run tries.
const PROBE_AFTER: Duration = Duration::from_secs(20);

/// A circuit breaker for the calls to the provider. Scheduled runs and batches of the stream share it, so that one that
/// has found out that the provider hangs spares the others.
#[derive(Debug, Default)]
pub(crate) struct Circuit(Mutex<Unanswered>);

/// The consecutive calls that have gone unanswered.
#[derive(Debug, Default)]
struct Unanswered {
    calls: usize,
    latest: Option<Instant>,
}

impl Circuit {
    /// Returns whether calls are kept back: [`AT_ONCE`] consecutive ones have gone unanswered, the latest within
    /// [`PROBE_AFTER`]. Requests still within `PROVIDER_GRACE` are then postponed; requests past it are still settled.
    pub(crate) fn is_open(&self) -> bool {
        let unanswered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unanswered.calls >= AT_ONCE && unanswered.latest.is_some_and(|latest| latest.elapsed() < PROBE_AFTER)
    }

    /// Records whether the provider answered, if that is known: any answer closes the circuit.
    pub(crate) fn record(&self, answered: Option<bool>) {
        let mut unanswered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answered {
            Some(true) => *unanswered = Unanswered::default(),
            Some(false) => {
                *unanswered = Unanswered { calls: unanswered.calls.saturating_add(1), latest: Some(Instant::now()) };
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

    #[tokio::test(start_paused = true)]
    async fn the_circuit_opens_after_as_many_unanswered_calls_as_can_be_in_flight_and_lets_some_through_later() {
        let circuit = Circuit::default();
        for _ in 0..2 {
            (1..AT_ONCE).for_each(|_| circuit.record(Some(false)));
            assert!(!circuit.is_open());
            circuit.record(Some(true));
        }
        (1..AT_ONCE).for_each(|_| circuit.record(Some(false)));
        assert!(!circuit.is_open(), "an answer resets the count of unanswered calls");
        circuit.record(Some(false));
        assert!(circuit.is_open());
        circuit.record(provider_answered(&Settled::NotDue));
        assert!(circuit.is_open(), "an outcome that says nothing of the provider leaves the circuit as it is");
        tokio::time::advance(PROBE_AFTER).await;
        assert!(!circuit.is_open(), "after a while, it is asked again");
        circuit.record(Some(false));
        assert!(circuit.is_open(), "one more call without an answer opens it again");
        circuit.record(Some(true));
        assert!(!circuit.is_open());
    }
}
