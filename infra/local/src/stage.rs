//! How far the runner is on its way out.

use tokio::sync::watch;

/// One way, from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Everything works.
    Running,
    /// Nothing new is begun; what has begun is finished.
    Draining,
    /// What has not finished is dropped. Whatever was acknowledged is stored and goes on after the next start.
    Halted,
}

/// Tells the runner's tasks to end.
#[derive(Debug)]
pub(crate) struct Switch(watch::Sender<Phase>);

/// What each task watches.
#[derive(Debug, Clone)]
pub(crate) struct Stage(watch::Receiver<Phase>);

impl Switch {
    /// A switch at its start, and what watches it.
    pub(crate) fn new() -> (Self, Stage) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (Self(sender), Stage(receiver))
    }

    /// Nothing new may be begun.
    pub(crate) fn drain(&self) {
        self.0.send_replace(Phase::Draining);
    }

    /// Everything ends.
    pub(crate) fn halt(&self) {
        self.0.send_replace(Phase::Halted);
    }
}

impl Stage {
    /// Returns once nothing new may be begun.
    pub(crate) async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Returns once everything has to end.
    pub(crate) async fn halted(&self) {
        self.reached(Phase::Halted).await;
    }

    /// Whether nothing new may be begun.
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    async fn reached(&self, phase: Phase) {
        // A switch that was dropped without having been used means the same as a halt.
        self.0.clone().wait_for(|now| *now >= phase).await.ok();
    }
}
