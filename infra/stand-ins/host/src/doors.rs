//! Identifiers, generated through the injected access to time and randomness. Nothing else in the runner or a stand-in
//! reads a clock or draws random bytes.

pub use domain::{Clock, Doors, NoRandomness, Randomness};

use uuid::Uuid;

/// Generation of the identifiers that a stand-in assigns.
pub trait Identifiers {
    /// Generates a random UUID (version 4).
    ///
    /// # Panics
    /// If no random bytes are available, because identifiers could then collide.
    fn uuid(&self) -> Uuid;

    /// Generates an identifier with a prefix that names its kind, such as `pay_`.
    ///
    /// # Panics
    /// If no random bytes are available, as [`Identifiers::uuid`].
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

    /// A counter in place of randomness, as the owner of the randomness would inject it.
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
    fn the_caller_of_the_doors_controls_time_and_identifiers() {
        let moment: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        let doors = || Doors::new(Standing(moment), Counter(Mutex::new(0)));
        assert_eq!(doors().now(), moment);
        assert_eq!(doors().identifier("pay_"), "pay_01010101010141018101010101010101");
        let own = doors();
        assert_ne!(own.uuid(), own.uuid());
        assert_eq!(doors().uuid(), doors().uuid());
    }

    #[test]
    fn the_default_identifiers_are_random_uuids() {
        let doors = Doors::default();
        assert_ne!(doors.uuid(), doors.uuid());
        assert_eq!(doors.uuid().get_version_num(), 4);
    }
}
