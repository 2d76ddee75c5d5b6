//! The number of a call that may create a request's checkout.

use crate::invalid::Invalid;
use std::num::NonZeroU16;

/// The number of a call that may create a request's checkout, from 1. A later call has a higher number, and each number
/// is stored before its call is made: so whatever became of the answers, it is known how many calls there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckoutAttempt(NonZeroU16);

impl CheckoutAttempt {
    /// The first press's attempt. The status `clicked` says that it was made, so its number needs no write of its own.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// Builds an attempt from its number.
    ///
    /// # Errors
    /// The number is 0 or above 65,535.
    pub fn new(number: i64) -> Result<Self, Invalid> {
        let number = u16::try_from(number).ok().and_then(NonZeroU16::new);
        number.map(Self).ok_or(Invalid("is not the number of an attempt"))
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// Returns the attempt after this one. One request has at most a few hundred: one in every
    /// [`CALL_INTERVAL`](crate::limits::CALL_INTERVAL) until its deadline.
    #[must_use]
    pub const fn saturating_next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_has_a_number_from_1_to_65535() {
        for number in [i64::MIN, -1, 0, 65_536, i64::MAX] {
            assert!(CheckoutAttempt::new(number).is_err(), "{number}");
        }
        assert_eq!(CheckoutAttempt::new(1), Ok(CheckoutAttempt::FIRST));
        assert_eq!(CheckoutAttempt::FIRST.saturating_next().get(), 2);
        let last = CheckoutAttempt::new(65_535).unwrap();
        assert_eq!(last.saturating_next(), last);
    }
}
