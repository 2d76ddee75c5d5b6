//! The retry loop for every call that may be repeated.

use domain::Randomness;
use std::time::Duration;

/// Calls `attempt` until it succeeds, or until `pause_after` returns `None`, which makes the last error final.
///
/// `attempt` receives the error of the previous attempt, `None` at first. `pause_after` receives the number of attempts
/// so far and the last error, and returns how long to wait before the next attempt.
pub(crate) async fn retry<T, E, F: Future<Output = Result<T, E>>>(
    mut attempt: impl FnMut(Option<E>) -> F,
    mut pause_after: impl FnMut(u32, &E) -> Option<Duration>,
) -> Result<T, E> {
    let (mut attempts, mut previous) = (0, None);
    loop {
        let error = match attempt(previous).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        attempts += 1;
        let Some(pause) = pause_after(attempts, &error) else { return Err(error) };
        tokio::time::sleep(pause).await;
        previous = Some(error);
    }
}

/// Draws a random pause between zero and `first`, which is doubled once for every attempt so far: exponential backoff
/// with full jitter (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
pub(crate) fn full_jitter(randomness: &impl Randomness, first: Duration, attempts: u32) -> Duration {
    let longest = first.saturating_mul(2_u32.saturating_pow(attempts));
    let mut share = [0; 4];
    // Without random bytes there is no pause; the number of attempts still bounds the retries.
    randomness.fill(&mut share).unwrap_or_default();
    longest.mul_f64(f64::from(u32::from_be_bytes(share)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::SystemRandomness;
    use tokio::time::Instant;

    const PAUSE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn attempts_continue_until_one_succeeds_with_a_pause_before_each_retry() {
        let (started, mut seen) = (Instant::now(), Vec::new());
        let mut answers = vec![Err("first"), Err("second"), Ok(3)].into_iter();
        let result = retry(
            |previous| {
                seen.push((previous, started.elapsed()));
                std::future::ready(answers.next().unwrap())
            },
            |_, _| Some(PAUSE),
        );
        assert_eq!(result.await, Ok(3));
        assert_eq!(seen, [(None, Duration::ZERO), (Some("first"), PAUSE), (Some("second"), 2 * PAUSE)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_error_ends_the_attempts_at_once() {
        let mut counted = Vec::new();
        let result: Result<(), _> = retry(
            |previous: Option<u32>| std::future::ready(Err(previous.unwrap_or_default() + 1)),
            |attempts, error| {
                counted.push((attempts, *error));
                (*error < 3).then_some(PAUSE)
            },
        )
        .await;
        assert_eq!((result, counted), (Err(3), vec![(1, 1), (2, 2), (3, 3)]));
    }

    #[test]
    fn a_pause_is_random_between_zero_and_a_doubling_bound() {
        for (attempts, longest) in [(1, 200), (2, 400), (3, 800), (u32::MAX, 429_496_729_500)] {
            for _ in 0..100 {
                assert!(
                    full_jitter(&SystemRandomness, Duration::from_millis(100), attempts)
                        <= Duration::from_millis(longest)
                );
            }
        }
        let drawn: Vec<_> = (0..100).map(|_| full_jitter(&SystemRandomness, Duration::from_secs(1), 3)).collect();
        assert!(
            drawn.iter().any(|pause| *pause != drawn[0]),
            "all execution environments would retry at the same time"
        );
    }
}
