//! When a failed delivery is attempted again, and how long things around deliveries last.

use crate::doors::Randomness;
use crate::time::Timestamp;
use std::time::Duration;

/// The pauses after the first failures of a delivery. The last one also follows every later failure.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(8),
];

/// The time from the first attempt to the last one.
const ATTEMPTED_FOR: Duration = Duration::from_hours(24);

/// If less than this is left of the 24 hours, no further attempt is scheduled.
const SHORTEST_LAST_PAUSE: Duration = Duration::from_mins(1);

/// The longest wait that a receiver may ask for with `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(8);

/// The share of a pause by which it is randomly shorter or longer, so that what failed together is not repeated
/// together.
const JITTER: f64 = 0.1;

/// The time without a success after which an endpoint is disabled.
pub const FAILING_AT_MOST: Duration = Duration::from_hours(5 * 24);

/// The time for which a delivery stays in the log.
pub const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// The time for which an endpoint's earlier secret goes on signing after a rotation.
pub const ROTATION: Duration = Duration::from_hours(24);

/// The time for which an attempt is claimed: longer than a function may run.
pub const LEASE: Duration = Duration::from_mins(1);

/// The longest time by which a queue delays a message. A later one is delayed again when it arrives.
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// The time after which a task is late: an earlier run of it failed, or an operator moved it back from the dead
/// letters. It is shorter than the 270 seconds after which the queue hands a message over again, and longer than a task
/// waits for its turn in a queue that keeps up.
pub const LATE: Duration = Duration::from_mins(4);

/// The time after which an attempt is overdue, so that its task must have been lost: longer than a queue delays one.
pub const OVERDUE: Duration = Duration::from_mins(20);

/// The time for which a delivery stays stored at least after it was replayed, so that it outlasts its round of
/// attempts.
pub const KEPT_AFTER_REPLAY: Duration = Duration::from_hours(48);

/// Returns the pause between two attempts at an endpoint that does not answer in time and has failed for `failing_for`.
/// It grows with that time, from 30 seconds to 5 minutes.
#[must_use]
pub fn probe_pause(failing_for: Duration) -> Duration {
    (failing_for / 10).clamp(Duration::from_secs(30), Duration::from_mins(5))
}

/// Returns the time of the next attempt after the failure at `now`; `None` if it was the last one. `first` is the time
/// of the first attempt, `failures` the number of failures so far, and `retry_after` the wait that the receiver asked
/// for.
pub fn next_attempt(
    randomness: &impl Randomness,
    first: Timestamp,
    failures: u32,
    now: Timestamp,
    retry_after: Option<Duration>,
) -> Option<Timestamp> {
    let end = first.saturating_add(ATTEMPTED_FOR);
    if now.saturating_add(SHORTEST_LAST_PAUSE) >= end {
        return None;
    }
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(index).or(PAUSES.last()).copied().unwrap_or(SHORTEST_LAST_PAUSE);
    let mut share = [0; 4];
    // Without random bytes the pause is at its shortest; the attempts still end in time.
    randomness.fill(&mut share).unwrap_or_default();
    let share = f64::from(u32::from_be_bytes(share)) / f64::from(u32::MAX);
    let pause = pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * share);
    let pause = pause.max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER));
    Some(now.saturating_add(pause).min(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::{NoRandomness, SystemRandomness};

    fn first() -> Timestamp {
        "2026-01-05T10:00:00Z".parse().unwrap()
    }

    /// Fills with the same byte, so that the jitter is at its least, in the middle or at its most.
    struct Always(u8);

    impl Randomness for Always {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn the_pauses_grow_and_the_last_attempt_is_24_hours_after_the_first() {
        for randomness in [Always(0), Always(0x80), Always(0xff)] {
            let (mut now, mut failures, mut pauses) = (first(), 1, Vec::new());
            while let Some(next) = next_attempt(&randomness, first(), failures, now, None) {
                pauses.push(next.saturating_duration_since(now));
                (now, failures) = (next, failures + 1);
            }
            assert_eq!(now, first().saturating_add(ATTEMPTED_FOR), "{pauses:?}");
            assert!((8..=10).contains(&pauses.len()), "{pauses:?}");
            assert!(pauses[..7].is_sorted(), "{pauses:?}");
            assert!((4_500..=5_500).contains(&pauses[0].as_millis()), "{pauses:?}");
        }
    }

    #[test]
    fn an_endpoint_that_does_not_answer_is_tried_less_and_less_often() {
        let pause = |seconds| probe_pause(Duration::from_secs(seconds)).as_secs();
        assert_eq!([0, 300, 600, 3_000, 86_400].map(pause), [30, 30, 60, 300, 300]);
    }

    #[test]
    fn what_failed_together_is_not_repeated_together() {
        let next = || next_attempt(&SystemRandomness, first(), 4, first(), None);
        let drawn: Vec<_> = (0..50).map(|_| next()).collect();
        assert!(drawn.iter().any(|next| *next != drawn[0]));
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_within_bounds() {
        let after = |seconds| next_attempt(&Always(0), first(), 1, first(), Some(Duration::from_secs(seconds)));
        assert_eq!(after(1), Some(first().saturating_add(Duration::from_millis(4_500))), "not for a shorter one");
        assert_eq!(after(600), Some(first().saturating_add(Duration::from_mins(10))));
        assert_eq!(after(u64::MAX), Some(first().saturating_add(LONGEST_RETRY_AFTER)));
        let late = first().saturating_add(Duration::from_hours(23));
        let end = first().saturating_add(ATTEMPTED_FOR);
        assert_eq!(next_attempt(&Always(0), first(), 1, late, Some(LONGEST_RETRY_AFTER)), Some(end));
    }
}
