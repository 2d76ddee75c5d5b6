//! Exponential backoff between attempts.

use crate::doors::Doors;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Returns the pause after `attempts` consecutive failures. The pause doubles each time, up to 30 seconds. A random
/// share of up to half of it is subtracted, so that jobs that failed together do not retry together.
#[must_use]
pub fn backoff(attempts: u32, doors: &Doors) -> Duration {
    let ceiling = FIRST.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(LONGEST);
    // Without randomness, the waits are only less spread.
    let mut random = [0; 1];
    let share = doors.fill(&mut random).map_or(0.0, |()| f64::from(random[0]) / 255.0);
    ceiling.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_and_stays_within_half_a_minute() {
        let doors = Doors::default();
        assert!((Duration::from_millis(50)..=FIRST).contains(&backoff(1, &doors)));
        assert!((Duration::from_millis(400)..=Duration::from_millis(800)).contains(&backoff(4, &doors)));
        for attempts in [10, 33, 1000, u32::MAX] {
            assert!((LONGEST / 2..=LONGEST).contains(&backoff(attempts, &doors)), "{attempts}");
        }
    }
}
