//! The scheduled run: settles each request that is due within the coming minute, at its deadline.

use super::Expire;
use super::gates::Gates;
use domain::ports::{Due, DueIndex as _};
use domain::use_cases::UseCaseError;
use domain::{Status, Timestamp};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use runtime::telemetry::{Metric, add, chain};
use std::collections::HashSet;
use tokio::time::{Instant, sleep, sleep_until};

/// The error of a run that did not settle every request. The next run retries.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    /// The index of due requests could not be read.
    #[error("the due requests could not be read: {0}")]
    LookUp(#[source] UseCaseError),
    /// Some requests were not settled; each was logged.
    #[error("{failed} of {due} requests could not be settled")]
    Settle {
        /// The requests that were not settled.
        failed: usize,
        /// All requests that were due.
        due: usize,
    },
}

impl Expire {
    /// Settles every request that becomes due within the lookahead, at its deadline. It reads the index again as often
    /// as the shortest time limit needs: with a short one, a request can be created and expire within one run.
    pub(crate) async fn sweep(&self) -> Result<(), SweepError> {
        let end = self.doors.now().saturating_add(self.lookahead);
        let gates = Gates::default();
        let mut seen: HashSet<Due> = HashSet::new();
        let mut settling = FuturesUnordered::new();
        let mut failed = 0;
        loop {
            let looked_up_at = Instant::now();
            match self.store.due(end).await {
                Ok(due) => settling
                    .extend(due.into_iter().filter(|due| seen.insert(*due)).map(|due| self.settle_at(due, &gates))),
                // Requests that were found before are still settled; a run that found none has failed.
                Err(error) if seen.is_empty() => return Err(SweepError::LookUp(error.into())),
                Err(error) => {
                    tracing::error!(cause = chain(&error), "due requests not read: the run keeps those it has");
                }
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
        add(Metric::OverdueWaiting, gates.overdue());
        self.count_waiting().await;
        if failed == 0 { Ok(()) } else { Err(SweepError::Settle { failed, due: seen.len() }) }
    }

    /// Records how many requests wait for their provider. A run that cannot count them has done its work all the same.
    async fn count_waiting(&self) {
        match self.store.waiting().await {
            Ok(waiting) => {
                for (status, requests) in waiting {
                    add(waiting_metric(status), requests);
                }
            }
            Err(error) => tracing::error!(cause = chain(&error), "waiting requests not counted"),
        }
    }

    async fn settle_at(&self, due: Due, gates: &Gates) -> bool {
        self.wait_until(due.due_at).await;
        match self.settle(due.id, gates).await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(id = %due.id, cause = chain(&error), "request not settled: the next run retries");
                false
            }
        }
    }

    /// Waits until the clock that judges deadlines has reached `moment`. The timer runs on another clock, which may be
    /// slightly ahead of it.
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

/// Returns the metric of how many requests in a status wait for their provider.
fn waiting_metric(status: Status) -> Metric {
    match status {
        Status::Processing => Metric::ProcessingWaiting,
        Status::RefundDue => Metric::RefundsWaiting,
        _ => Metric::UnconfirmedWaiting,
    }
}
