//! The scheduled run: settles each request that is due within the coming minute, at its deadline.
//!
//! What is due is read in pages, and becomes a task only when its moment and a place have come. So a run needs as much
//! memory for a million requests that are due as for ten.

use super::partition::{Partition, Times};
use super::{AT_ONCE, Expire, log_outcome, unless_unreadable};
use domain::ports::{Due, DueIndex as _, Reads as _, StoreError};
use domain::use_cases::UseCaseError;
use domain::use_cases::expire::{Found, Settled, expire_unclicked};
use domain::{PaymentRequest, PaymentRequestId, Status};
use futures::StreamExt as _;
use futures::stream::{self, select_all};
use runtime::telemetry::{Metric, add, chain};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::Instant;

/// The interval of the schedule. A run that has more to do than it can leaves the rest to the next one.
const SCHEDULE: Duration = Duration::from_mins(1);
/// How long a run may begin new work once the next one has begun. What both find is settled once.
const OVERLAP: Duration = Duration::from_secs(2);
/// How many requests may wait for a call to the provider. Those beyond are left to the next run.
const WAITING_AT_MOST: usize = 50_000;
/// How many of them are kept as they were read, a few kilobytes each. The others are read again.
const KEPT_AT_MOST: usize = 64;

/// The error of a run that did not settle every request. The next run retries.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    /// The index of due requests could not be read whole.
    #[error("not all due requests could be read: {0}")]
    LookUp(#[source] StoreError),
    /// Some requests were not settled; each was logged.
    #[error("{failed} of {due} requests could not be settled")]
    Settle {
        /// The requests that were not settled.
        failed: usize,
        /// All requests that were due.
        due: usize,
    },
}

/// A request that waits for a call to the provider.
enum WaitsForCall {
    /// As it was read.
    Kept(Box<PaymentRequest>),
    /// It has to be read again.
    Left(PaymentRequestId),
}

/// What a run has found out so far.
#[derive(Default)]
struct Progress {
    due: AtomicUsize,
    failed: AtomicUsize,
    unread: Mutex<Option<StoreError>>,
    /// The requests whose time to pay was over in this run, and whose provider could not say whether they were paid.
    overdue: Mutex<HashSet<PaymentRequestId>>,
}

impl Progress {
    fn fail(&self, id: PaymentRequestId, error: &UseCaseError) {
        tracing::error!(%id, cause = chain(error), "request not settled: the next run retries");
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Records what became of a request whose time to pay is over.
    fn record_overdue(&self, id: PaymentRequestId, settled: &Settled) {
        let mut overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(settled, Settled::Postponed(..) | Settled::Waiting(..)) {
            overdue.insert(id);
        } else {
            overdue.remove(&id);
        }
    }
}

impl Expire {
    /// Settles every request that becomes due within the lookahead, at its deadline. It reads the index again as often
    /// as the shortest time limit needs: with a short one, a request can be created and expire within one run.
    pub(crate) async fn sweep(&self) -> Result<(), SweepError> {
        let times = Times {
            end: self.doors.now().saturating_add(self.lookahead),
            interval: self.limits.lookup_interval(),
            stop_at: Instant::now() + self.lookahead.max(SCHEDULE) + OVERLAP,
        };
        let partitions = self.store.partitions();
        let due = partitions.map(|number| Partition::new(&self.store, &self.doors, number, times).due().boxed());
        let progress = Progress::default();
        let (waiting, to_call) = mpsc::channel(WAITING_AT_MOST);
        // A provider that hangs delays only the requests that need it.
        let expiring = async {
            // The senders end with it, and so does the stream of those that wait.
            let waiting = waiting;
            let expire = async |due| self.expire_if_unclicked(due, &waiting, &progress).await;
            select_all(due).for_each_concurrent(AT_ONCE, expire).await;
        };
        let calling = self.call_for(to_call, times.stop_at, &progress);
        futures::join!(expiring, calling);
        add(Metric::OverdueWaiting, progress.overdue.into_inner().unwrap_or_else(PoisonError::into_inner).len());
        self.count_waiting().await;
        if let Some(error) = progress.unread.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(SweepError::LookUp(error));
        }
        match progress.failed.into_inner() {
            0 => Ok(()),
            failed => Err(SweepError::Settle { failed, due: progress.due.into_inner() }),
        }
    }

    /// Expires a request that nobody has clicked. Any other one waits for a call to the provider.
    async fn expire_if_unclicked(
        &self,
        due: Result<Due, StoreError>,
        waiting: &Sender<WaitsForCall>,
        progress: &Progress,
    ) {
        let id = match due {
            Ok(due) => due.id,
            Err(error) => {
                *progress.unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return;
            }
        };
        progress.due.fetch_add(1, Ordering::Relaxed);
        match unless_unreadable(id, expire_unclicked(&self.store, &self.doors, id).await) {
            Ok(Some(Found::Settled(settled))) => log_outcome(id, &settled),
            Ok(Some(Found::Waits(request))) => {
                let kept = waiting.max_capacity() - waiting.capacity() < KEPT_AT_MOST;
                let waits = if kept { WaitsForCall::Kept(request) } else { WaitsForCall::Left(id) };
                // What finds no place is still due, and the next run finds it.
                drop(waiting.try_send(waits));
            }
            Ok(None) => {}
            Err(error) => progress.fail(id, &error),
        }
    }

    /// Calls the provider for the requests that wait for it, until the run stops.
    async fn call_for(&self, waiting: Receiver<WaitsForCall>, stop_at: Instant, progress: &Progress) {
        let waiting = stream::unfold(waiting, |mut waiting| async move {
            waiting.recv().await.filter(|_| Instant::now() < stop_at).map(|waits| (waits, waiting))
        });
        let settle = async |waits| {
            let (id, settled) = match waits {
                WaitsForCall::Kept(request) => (request.id, self.call(request, progress).await.map(Some)),
                WaitsForCall::Left(id) => (id, self.read_and_call(id, progress).await),
            };
            match unless_unreadable(id, settled) {
                Ok(Some(Some(settled))) => log_outcome(id, &settled),
                Ok(_) => {}
                Err(error) => progress.fail(id, &error),
            }
        };
        waiting.for_each_concurrent(AT_ONCE, settle).await;
    }

    async fn read_and_call(&self, id: PaymentRequestId, progress: &Progress) -> Result<Option<Settled>, UseCaseError> {
        let request = self.store.get(id).await?;
        let Some(request) = request.filter(|request| request.waits_for_provider(self.doors.now())) else {
            return Ok(None);
        };
        self.call(Box::new(request), progress).await.map(Some)
    }

    async fn call(&self, request: Box<PaymentRequest>, progress: &Progress) -> Result<Settled, UseCaseError> {
        let (id, was_clicked) = (request.id, request.status == Status::Clicked);
        let settled = self.look(request).await?;
        if was_clicked {
            progress.record_overdue(id, &settled);
        }
        Ok(settled)
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
}

/// Returns the metric of how many requests in a status wait for their provider.
fn waiting_metric(status: Status) -> Metric {
    match status {
        Status::Processing => Metric::ProcessingWaiting,
        Status::RefundDue => Metric::RefundsWaiting,
        _ => Metric::UnconfirmedWaiting,
    }
}
