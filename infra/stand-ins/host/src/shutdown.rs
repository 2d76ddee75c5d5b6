//! How the process ends: it drains, and then it halts.
//!
//! While it drains nothing new is begun and what has begun is finished. When it halts, what has not finished is
//! dropped; whatever was acknowledged is stored, and goes on after the next start.

use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Ends the process's tasks. Dropping it halts them at once.
#[derive(Debug)]
pub struct ShutdownHandle(Shutdown);

/// What each task watches, and where background tasks are started.
#[derive(Debug, Clone)]
pub struct Shutdown {
    draining: CancellationToken,
    /// The parent of `draining`: whatever halts has also drained.
    halted: CancellationToken,
    tasks: TaskTracker,
}

impl ShutdownHandle {
    /// Makes a handle, and what watches it.
    #[must_use]
    pub fn new() -> (Self, Shutdown) {
        let halted = CancellationToken::new();
        let shutdown = Shutdown { draining: halted.child_token(), halted, tasks: TaskTracker::new() };
        (Self(shutdown.clone()), shutdown)
    }

    /// From now on nothing new may be begun.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Drops every task that has not ended.
    pub fn halt(&self) {
        self.0.halted.cancel();
    }

    /// Drains for as long as this at most, then halts, and returns once every task has ended.
    pub async fn stop(self, drain: Duration) {
        self.drain();
        self.0.tasks.close();
        if tokio::time::timeout(drain, self.0.tasks.wait()).await.is_err() {
            tracing::debug!("what had not finished goes on after the next start");
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
    /// Returns once nothing new may be begun.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Returns once everything has to end.
    pub async fn halted(&self) {
        self.halted.cancelled().await;
    }

    /// Returns whether nothing new may be begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Starts a background task. Draining waits for its end; halting drops it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let halted = self.halted.clone();
        self.tasks.spawn(async move {
            // Of a task that was dropped there is nothing to tell.
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
    async fn draining_finishes_what_has_begun_and_halting_drops_the_rest() {
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
    async fn a_handle_that_is_dropped_halts() {
        let (handle, shutdown) = ShutdownHandle::new();
        drop(handle);
        shutdown.halted().await;
        shutdown.draining().await;
    }
}
