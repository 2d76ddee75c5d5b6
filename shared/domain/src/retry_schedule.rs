//! The retries of a function whose run on an event has failed.

use std::time::Duration;

/// The schedule by which the invoker of a function retries it on an event.
///
/// A run does not know its own number. But the pauses between runs have a lower bound, so the age of the event limits
/// it: until the first pause is over, the run can only be the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySchedule {
    pauses: &'static [Duration],
    leeway: Duration,
}

impl RetrySchedule {
    /// Builds a schedule from the pauses between the runs, none shorter than the one before. `leeway` is the greatest
    /// delay of the next run plus the least time that it needs to be useful.
    #[must_use]
    pub const fn new(pauses: &'static [Duration], leeway: Duration) -> Self {
        Self { pauses, leeway }
    }

    /// Returns whether a run on an event of this age can only be the first.
    #[must_use]
    pub fn is_first_run(&self, age: Duration) -> bool {
        self.pauses.first().is_none_or(|pause| age < *pause)
    }

    /// Returns the time within which another run is certain to follow one that fails on an event of this age; `None` if
    /// there may be no other.
    ///
    /// A delayed run may be mistaken for the last one. It then gives up too early, but what it reports is true at that
    /// moment. Giving up too late would report nothing.
    #[must_use]
    pub fn next_run_within(&self, age: Duration) -> Option<Duration> {
        // If this pause were already over, the event would be older than the pause. So this pause or a shorter one is
        // still to come.
        let pause = self.pauses.iter().find(|pause| age < **pause)?;
        Some(*pause + self.leeway)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_age_of_the_event_determines_which_run_it_can_be() {
        let schedule = RetrySchedule::new(const { &[seconds(60), seconds(120)] }, seconds(10));
        for (age, first, next) in [
            (0, true, Some(70)),
            (59, true, Some(70)),
            (60, false, Some(130)),
            (119, false, Some(130)),
            (120, false, None),
            (86_400, false, None),
        ] {
            assert_eq!(schedule.is_first_run(seconds(age)), first, "{age}");
            assert_eq!(schedule.next_run_within(seconds(age)), next.map(seconds), "{age}");
        }
    }

    #[test]
    fn a_function_without_retries_has_one_run() {
        let schedule = RetrySchedule::new(&[], seconds(10));
        assert!(schedule.is_first_run(seconds(86_400)));
        assert_eq!(schedule.next_run_within(Duration::ZERO), None);
    }
}
