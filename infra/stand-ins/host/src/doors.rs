//! The one door to time and the one to randomness. Nothing else in the runner reads a clock or draws a random byte, so
//! whoever hands these in owns both.
//!
//! Waiting is not among them: it is tokio's, which can be paused.

pub use domain::Clock;

use domain::Timestamp;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// Where randomness comes from.
pub trait Randomness: Send + Sync {
    /// Fills all of `bytes`.
    ///
    /// # Errors
    /// [`NoRandomness`]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The machine has no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no random numbers")]
pub struct NoRandomness;

/// The operating system's randomness.
struct SystemRandomness;

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

impl Default for Doors {
    #[expect(clippy::disallowed_types, reason = "this is the door")]
    fn default() -> Self {
        Self::new(domain::SystemClock, SystemRandomness)
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Doors").finish_non_exhaustive()
    }
}

impl Doors {
    /// Opens these.
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

    /// Makes a random UUID (version 4).
    ///
    /// # Panics
    /// The machine has no random numbers, so that no two identifiers could be told apart.
    #[expect(clippy::panic, reason = "without random numbers the process is of no use, as for `Uuid::new_v4`")]
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        if let Err(error) = self.fill(&mut bytes) {
            panic!("{error}");
        }
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Makes an identifier of a kind that its prefix tells, such as `pay_`.
    ///
    /// # Panics
    /// As [`Doors::uuid`].
    #[must_use]
    pub fn identifier(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.uuid().simple())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Counts: what an owner of the randomness would hand in.
    struct Counter(Mutex<u8>);

    impl Randomness for Counter {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            let mut last = self.0.lock().unwrap();
            *last += 1;
            bytes.fill(*last);
            Ok(())
        }
    }

    struct Standing(Timestamp);

    impl Clock for Standing {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    #[test]
    fn whoever_hands_in_the_doors_owns_time_and_identifiers() {
        let moment: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        let doors = || Doors::new(Standing(moment), Counter(Mutex::new(0)));
        assert_eq!(doors().now(), moment);
        assert_eq!(doors().identifier("pay_"), "pay_01010101010141018101010101010101");
        let own = doors();
        assert_ne!(own.uuid(), own.uuid());
        assert_eq!(doors().uuid(), doors().uuid());
    }

    #[test]
    fn the_machines_own_identifiers_are_random_uuids() {
        let doors = Doors::default();
        assert_ne!(doors.uuid(), doors.uuid());
        assert_eq!(doors.uuid().get_version_num(), 4);
    }
}
