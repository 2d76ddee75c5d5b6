//! Identifiers, made through the doors to time and randomness. Nothing else in the runner or a stand-in reads a clock
//! or draws a random byte.

pub use domain::{Clock, Doors, NoRandomness, Randomness};

use uuid::Uuid;

/// The identifiers that a stand-in gives out.
pub trait Identifiers {
    /// Makes a random UUID (version 4).
    ///
    /// # Panics
    /// There are no random bytes, so that no two identifiers could be told apart.
    fn uuid(&self) -> Uuid;

    /// Makes an identifier of a kind that its prefix tells, such as `pay_`.
    ///
    /// # Panics
    /// As [`Identifiers::uuid`].
    fn identifier(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.uuid().simple())
    }
}

impl Identifiers for Doors {
    #[expect(clippy::panic, reason = "without random bytes the process is of no use, as for `Uuid::new_v4`")]
    fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        if let Err(error) = self.fill(&mut bytes) {
            panic!("{error}");
        }
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;
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
