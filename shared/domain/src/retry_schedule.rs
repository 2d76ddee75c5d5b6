//! The repeated runs of a function that failed on an event.

use std::time::Duration;

/// When whoever invokes a function runs it again on an event on which it failed.
///
/// A run is not told which one it is. But the pauses between runs have a lower bound, so the age of the event says what
/// the run can be: before the first pause is over, only the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySchedule {
    pauses: &'static [Duration],
    leeway: Duration,
}

impl RetrySchedule {
    /// Makes a schedule of the pauses after each failed run but the last, none shorter than the one before. `leeway` is
    /// what the next run may be late by, together with what it needs at least to be of any use.
    #[must_use]
    pub const fn new(pauses: &'static [Duration], leeway: Duration) -> Self {
        Self { pauses, leeway }
    }

    /// Returns whether a run on an event of this age can only be the first.
    #[must_use]
    pub fn is_first_run(&self, age: Duration) -> bool {
        self.pauses.first().is_none_or(|pause| age < *pause)
    }

    /// Returns how long after a run that fails on an event of this age another is sure to have come; none if none may
    /// come.
    ///
    /// A run that came late may be taken for the last although it is not. Whoever believes so gives up too early, and
    /// tells the truth of that moment; to give up too late would tell nobody.
    #[must_use]
    pub fn next_run_within(&self, age: Duration) -> Option<Duration> {
        // Had this pause been over already, the event would be older than it. So this one or a shorter one is still to
        // come.
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
    fn the_age_of_the_event_says_which_run_it_can_be() {
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
    fn a_function_that_is_never_run_again_has_one_run() {
        let schedule = RetrySchedule::new(&[], seconds(10));
        assert!(schedule.is_first_run(seconds(86_400)));
        assert_eq!(schedule.next_run_within(Duration::ZERO), None);
    }
}
