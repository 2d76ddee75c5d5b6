//! The configured time limits.

use std::time::Duration;

/// How long each part of a request's life lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From creation until the link ends unclicked.
    pub link: Duration,
    /// From the click until the payment page ends unpaid.
    pub checkout: Duration,
    /// From a request's end until it is removed.
    pub retention: Duration,
}

/// How long a request past its deadline waits for a provider that cannot be reached, before it ends without the
/// provider's confirmation.
pub const PROVIDER_GRACE: Duration = Duration::from_mins(10);

/// How long a provider may take to confirm a payment, generously: the slowest methods take weeks.
pub const LONGEST_PROCESSING: Duration = Duration::from_hours(92 * 24);

/// How long a link stays known after both time limits. Its removal is the second, independent mechanism of expiry.
pub const LINK_MARGIN: Duration = Duration::from_mins(1);

impl Limits {
    /// Returns how long a link stays known after its creation.
    #[must_use]
    pub fn link_kept(&self) -> Duration {
        self.link + self.checkout + LINK_MARGIN
    }

    /// Returns how often to look up what is due, so that a request made right after one look is seen by another before
    /// its deadline: a third of the shortest limit, from one second to a minute.
    #[must_use]
    pub fn lookup_interval(&self) -> Duration {
        Duration::from_secs((self.link.min(self.checkout).as_secs() / 3).clamp(1, 60))
    }
}
