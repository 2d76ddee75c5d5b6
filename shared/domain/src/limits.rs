//! The configured limits: of time, and of the requests that an agent may create.

use std::num::NonZeroU32;
use std::time::Duration;

/// The duration of each part of a request's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time from creation until an unclicked link expires.
    pub link: Duration,
    /// The time from the click until an unpaid payment page expires.
    pub checkout: Duration,
    /// The time from a request's end until it is deleted.
    pub retention: Duration,
}

/// The number of requests that one agent may create in a minute; `None` for any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreationLimit(Option<NonZeroU32>);

/// The period that [`CreationLimit`] counts in.
pub(crate) const CREATION_PERIOD: Duration = Duration::from_mins(1);

impl CreationLimit {
    /// Builds the limit from a number of requests in a minute; 0 means any number.
    #[must_use]
    pub const fn per_minute(requests: u32) -> Self {
        Self(NonZeroU32::new(requests))
    }

    /// Returns the number of requests in a minute; `None` for any number.
    #[must_use]
    pub fn requests(self) -> Option<usize> {
        self.0.and_then(|requests| usize::try_from(requests.get()).ok())
    }
}

/// The time for which a request past its deadline waits for an unavailable provider. After it, the request expires
/// without the provider's confirmation.
pub const PROVIDER_GRACE: Duration = Duration::from_mins(10);

/// The time after a deadline within which a write that began before the deadline may still be applied: five seconds for
/// the write with all of its retries, and one for clocks that differ and for a call that is still on its way when its
/// caller gives up (decision 0019). Only after it does a read show a `Sent` as expired whose expiry is not written.
pub const WRITE_GRACE: Duration = Duration::from_secs(6);

/// The time after which the provider is asked for the first time about a request that waits for its word. Every report
/// normally comes within seconds.
pub const FIRST_LOOK: Duration = Duration::from_mins(1);

/// The longest time between two looks at a request that waits for its provider's word.
pub const LONGEST_LOOK: Duration = Duration::from_hours(6);

/// The time for which an expired request is looked at while its checkout may still be paid. The pages of providers that
/// cannot close them are forgotten sooner; money that arrives later is still found by its report or by reconciliation.
pub const LOOKS_AT_EXPIRED: Duration = Duration::from_hours(7 * 24);

/// The least time between two calls to the provider that a customer's presses and checks of one request cause.
pub const CALL_INTERVAL: Duration = Duration::from_secs(3);

/// A generous upper bound of the time that a provider needs to confirm a payment: the slowest methods take weeks.
pub const LONGEST_PROCESSING: Duration = Duration::from_hours(92 * 24);

/// The time for which a link is kept after both time limits. Its removal is the second, independent mechanism of
/// expiry.
pub const LINK_MARGIN: Duration = Duration::from_mins(1);

impl Limits {
    /// Returns how long a link is kept after its creation.
    #[must_use]
    pub fn link_kept(&self) -> Duration {
        self.link + self.checkout + LINK_MARGIN
    }

    /// Returns the interval between two lookups of due requests: a third of the shortest limit, from one second to a
    /// minute. So a request created right after one lookup is seen by another before its deadline.
    #[must_use]
    pub fn lookup_interval(&self) -> Duration {
        Duration::from_secs((self.link.min(self.checkout).as_secs() / 3).clamp(1, 60))
    }
}
