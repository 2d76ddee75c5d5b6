//! The one door to time and the one door to randomness.
//!
//! Every function and the local runner read the clock and draw random bytes through [`Doors`] alone, so that whoever
//! hands them in owns both: a test, or a simulation that replays a life from a seed. Waiting is not among them. It is
//! the async runtime's, whose timers can be paused.

use crate::time::{Clock, SystemClock, Timestamp};
use std::fmt;
use std::sync::Arc;

/// The source of random bytes.
pub trait Randomness: Send + Sync {
    /// Fills all of `bytes`.
    ///
    /// # Errors
    /// [`NoRandomness`]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The error of a source that has no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source of random bytes failed")]
pub struct NoRandomness;

/// The operating system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_| NoRandomness)
    }
}

/// Both doors. The default ones are the machine's own.
#[derive(Clone)]
pub struct Doors {
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Doors {
    /// Opens these doors.
    #[must_use]
    pub fn new(clock: impl Clock + 'static, randomness: impl Randomness + 'static) -> Self {
        Self { clock: Arc::new(clock), randomness: Arc::new(randomness) }
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fills all of `bytes` with random ones.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.randomness.fill(bytes)
    }
}

impl Default for Doors {
    fn default() -> Self {
        Self::new(SystemClock, SystemRandomness)
    }
}

impl Clock for Doors {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }
}

impl Randomness for Doors {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        Self::fill(self, bytes)
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Doors").finish_non_exhaustive()
    }
}
