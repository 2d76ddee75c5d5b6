//! The only access to time and to randomness.
//!
//! Every function and the local runner read the clock and draw random bytes through [`Doors`] alone. So a test, or a
//! simulation replayed from a seed, can control both by passing its own `Doors`. Waiting is not part of it: the async
//! runtime's timers can be paused.

use crate::time::{Clock, SystemClock, Timestamp};
use std::fmt;
use std::sync::Arc;

/// The source of random bytes.
pub trait Randomness: Send + Sync {
    /// Fills all of `bytes` with random bytes.
    ///
    /// # Errors
    /// [`NoRandomness`]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The error of a source of randomness that returned no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes are available")]
pub struct NoRandomness;

/// The operating system's source of random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_| NoRandomness)
    }
}

/// A clock and a source of randomness. The default is the machine's own.
#[derive(Clone)]
pub struct Doors {
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Doors {
    /// Builds `Doors` from a clock and a source of randomness.
    #[must_use]
    pub fn new(clock: impl Clock + 'static, randomness: impl Randomness + 'static) -> Self {
        Self { clock: Arc::new(clock), randomness: Arc::new(randomness) }
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fills all of `bytes` with random bytes.
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
