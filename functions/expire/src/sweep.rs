//! The scheduled run: what ends within the coming minute, each at its moment.

use super::Expire;
use super::bulkhead::Bulkhead;
use domain::Timestamp;
use domain::ports::{Due, DueIndex as _};
use domain::use_cases::UseCaseError;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use runtime::telemetry::chain;
use std::collections::HashSet;
use tokio::time::{Instant, sleep, sleep_until};

/// A run that did not settle everything. The next one tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    /// What is due could not be looked up.
    #[error("what is due could not be looked up: {0}")]
    LookUp(#[source] UseCaseError),
    /// Some requests could not be settled; each was logged.
    #[error("{failed} of {due} requests could not be settled")]
    Settle {
        /// How many.
        failed: usize,
        /// Of how many.
        due: usize,
    },
}

impl Expire {
    /// Settles everything that becomes due within the look-ahead, at its moment. The index is read again as often as
    /// the shortest time limit needs, because with a short one a request can be made and end within one run.
    pub(crate) async fn sweep(&self) -> Result<(), SweepError> {
        let end = self.doors.now().saturating_add(self.lookahead);
        let bulkhead = Bulkhead::default();
        let mut seen: HashSet<Due> = HashSet::new();
        let mut settling = FuturesUnordered::new();
        let mut failed = 0;
        loop {
            let looked_up_at = Instant::now();
            match self.store.due(end).await {
                Ok(due) => settling
                    .extend(due.into_iter().filter(|due| seen.insert(*due)).map(|due| self.settle_at(due, &bulkhead))),
                // Whatever was found before still gets its turn; without anything, the run has failed.
                Err(error) if seen.is_empty() => return Err(SweepError::LookUp(error.into())),
                Err(error) => tracing::error!(cause = chain(&error), "what is due could not be looked up"),
            }
            let next = looked_up_at + self.limits.lookup_interval();
            let last = self.doors.now().saturating_add(next.saturating_duration_since(Instant::now())) >= end;
            let until = sleep_until(next);
            tokio::pin!(until);
            loop {
                tokio::select! {
                    Some(settled) = settling.next() => failed += usize::from(!settled),
                    () = &mut until, if !last => break,
                    else => break,
                }
            }
            if last {
                break;
            }
        }
        if failed == 0 { Ok(()) } else { Err(SweepError::Settle { failed, due: seen.len() }) }
    }

    async fn settle_at(&self, due: Due, bulkhead: &Bulkhead) -> bool {
        self.wait_until(due.due_at).await;
        match self.settle(due.id, bulkhead).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(id = %due.id, cause = chain(&error), "not settled; next try in a minute");
                false
            }
        }
    }

    /// Waits until the clock that deadlines are held against has reached a moment. The timer runs on another clock,
    /// which may be a little ahead of it.
    async fn wait_until(&self, moment: Timestamp) {
        loop {
            let left = moment.saturating_duration_since(self.doors.now());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}
