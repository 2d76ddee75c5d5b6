//! The HTTP API's rate limit: token buckets, as in a deployment
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html>). A route with settings of
//! its own has a bucket of its own. AWS does not say whether the others share one. Here they do, which is the worse
//! case.

use domain::Timestamp;
use runtime::{ConfigError, Environment};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

const RATE: &str = "REQUESTS_PER_SECOND";
const BURST: &str = "REQUEST_BURST";
/// The burst in relation to the rate, if it is not set: that of the template's defaults.
const BURST_PER_RATE: u32 = 2;
/// A whole token, so that the bucket can count in parts of one.
const TOKEN: u64 = 1000;

/// The buckets of tokens, all with the same limits. Each request takes one token.
#[derive(Debug)]
pub(super) struct Throttle {
    /// The tokens that are added in a second, or the thousandths of a token in a millisecond.
    rate: u64,
    /// The capacity, in thousandths of a token.
    capacity: u64,
    /// The buckets of the routes that have their own, by the routes' keys.
    own: BTreeMap<String, Mutex<Bucket>>,
    /// The bucket of all other routes.
    shared: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// What is left, in thousandths of a token.
    left: u64,
    /// The time at which the bucket was last filled, in milliseconds since the Unix epoch.
    filled_at: i64,
}

impl Throttle {
    /// Reads `REQUESTS_PER_SECOND` and `REQUEST_BURST`. Without a rate there is no limit. `alone` are the keys of the
    /// routes that have their own.
    ///
    /// # Errors
    /// [`ConfigError`] if one of them is not a whole number from 1 on.
    pub(super) fn from_environment(
        environment: &Environment,
        alone: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(rate) = number(environment, RATE)? else { return Ok(None) };
        let burst = number(environment, BURST)?.unwrap_or_else(|| rate.saturating_mul(BURST_PER_RATE));
        Ok(Some(Self::new(rate, burst, alone, now)))
    }

    fn new(rate: u32, burst: u32, alone: &BTreeSet<String>, now: Timestamp) -> Self {
        let capacity = u64::from(burst) * TOKEN;
        let bucket = || Mutex::new(Bucket { left: capacity, filled_at: now.as_milliseconds() });
        let own = alone.iter().map(|route| (route.clone(), bucket())).collect();
        Self { rate: rate.into(), capacity, own, shared: bucket() }
    }

    /// Takes a token for a request of the route with this key, and returns false if none is left.
    pub(super) fn admits(&self, route: &str, now: Timestamp) -> bool {
        let mut bucket = self.own.get(route).unwrap_or(&self.shared).lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_milliseconds();
        let elapsed = u64::try_from(now.saturating_sub(bucket.filled_at)).unwrap_or(0);
        bucket.left = self.capacity.min(bucket.left.saturating_add(elapsed.saturating_mul(self.rate)));
        bucket.filled_at = bucket.filled_at.max(now);
        match bucket.left.checked_sub(TOKEN) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }
}

fn number(environment: &Environment, name: &str) -> Result<Option<u32>, ConfigError> {
    let read = |text: &str| text.parse().ok().filter(|number| *number > 0);
    match environment.get(name) {
        None => Ok(None),
        Some(text) => read(text).map(Some).ok_or_else(|| Environment::invalid(name, "a whole number from 1 on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(1_767_607_200_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_burst_is_admitted_at_once_and_the_rate_in_the_long_run() {
        let throttle = Throttle::new(10, 3, &BTreeSet::new(), at(0));
        let admitted = |moment| throttle.admits("GET /", at(moment));
        assert_eq!([0, 0, 0, 0].map(admitted), [true, true, true, false]);
        assert_eq!([99, 100, 100].map(admitted), [false, true, false]);
        // Time that goes backwards fills nothing, and neither does time that was counted before.
        assert_eq!([50, 100, 200].map(admitted), [false, false, true]);
        assert_eq!([9_000, 9_000, 9_000, 9_000].map(admitted), [true, true, true, false]);
    }

    #[test]
    fn a_route_with_a_limit_of_its_own_is_not_starved_by_others() {
        let throttle = Throttle::new(1, 1, &BTreeSet::from(["POST /p".to_owned()]), at(0));
        let admitted = |route| throttle.admits(route, at(0));
        assert_eq!(["GET /a", "GET /b", "POST /p", "POST /p"].map(admitted), [true, false, true, false]);
    }

    #[test]
    fn there_is_no_limit_unless_one_is_set() {
        let read = |environment: Environment| Throttle::from_environment(&environment, &BTreeSet::new(), at(0));
        assert!(read(Environment::default()).unwrap().is_none());
        let throttle = read(Environment::default().with(RATE, "1")).unwrap().unwrap();
        assert_eq!([0, 0, 0].map(|moment| throttle.admits("GET /", at(moment))), [true, true, false]);
        for (name, wrong) in [(RATE, "0"), (RATE, "many"), (BURST, "-1"), (BURST, "0")] {
            let error = read(Environment::default().with(RATE, "1").with(name, wrong)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
