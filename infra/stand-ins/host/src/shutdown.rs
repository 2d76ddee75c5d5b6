//! The shutdown of the process in two phases: it drains, and then it halts.
//!
//! While it drains, no new work begins, and work in flight is finished. When it halts, unfinished work is dropped.
//! Acknowledged work is stored, and continues after the next start.

use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Stops the process's tasks. Dropping the handle halts them immediately.
#[derive(Debug)]
pub struct ShutdownHandle(Shutdown);

/// The shutdown signal that each task watches. It also starts background tasks.
#[derive(Debug, Clone)]
pub struct Shutdown {
    draining: CancellationToken,
    /// The parent of `draining`, so that halting also drains.
    halted: CancellationToken,
    tasks: TaskTracker,
}

impl ShutdownHandle {
    /// Creates a handle and the signal that it controls.
    #[must_use]
    pub fn new() -> (Self, Shutdown) {
        let halted = CancellationToken::new();
        let shutdown = Shutdown { draining: halted.child_token(), halted, tasks: TaskTracker::new() };
        (Self(shutdown.clone()), shutdown)
    }

    /// Signals that no new work may begin.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Drops every task that has not finished.
    pub fn halt(&self) {
        self.0.halted.cancel();
    }

    /// Drains for at most `drain`, then halts, and returns once every task has ended.
    pub async fn stop(self, drain: Duration) {
        self.drain();
        self.0.tasks.close();
        if tokio::time::timeout(drain, self.0.tasks.wait()).await.is_err() {
            tracing::debug!("unfinished work is resumed after the next start");
        }
        self.halt();
        self.0.tasks.wait().await;
    }
}

impl Drop for ShutdownHandle {
    fn drop(&mut self) {
        self.halt();
    }
}

impl Shutdown {
    /// Waits until no new work may begin.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Waits until all work has to end.
    pub async fn halted(&self) {
        self.halted.cancelled().await;
    }

    /// Returns whether draining has begun, so that no new work may begin.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Starts a background task. Draining waits for it to finish; halting drops it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let halted = self.halted.clone();
        self.tasks.spawn(async move {
            // The result of a dropped task is not reported.
            halted.run_until_cancelled_owned(task).await.unwrap_or_default();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::sync::oneshot;

    #[tokio::test(start_paused = true)]
    async fn draining_finishes_the_started_work_and_halting_drops_the_rest() {
        let (handle, shutdown) = ShutdownHandle::new();
        let (finished, end) = oneshot::channel();
        let drained = shutdown.clone();
        shutdown.spawn(async move {
            drained.draining().await;
            finished.send(()).unwrap();
        });
        let (held, dropped) = oneshot::channel::<()>();
        shutdown.spawn(async move {
            pending::<()>().await;
            drop(held);
        });
        assert!(!shutdown.is_draining());
        handle.stop(Duration::from_secs(3)).await;
        end.await.unwrap();
        dropped.await.unwrap_err();
        assert!(shutdown.is_draining());
    }

    #[tokio::test]
    async fn a_dropped_handle_halts() {
        let (handle, shutdown) = ShutdownHandle::new();
        drop(handle);
        shutdown.halted().await;
        shutdown.draining().await;
    }
}
