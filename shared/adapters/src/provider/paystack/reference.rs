//! The references of transactions. Paystack accepts each only once, so every attempt to create a checkout has one of
//! its own: `<request id>-<number of the attempt>`.

use domain::ports::ProviderError;
use domain::{CheckoutAttempt, CheckoutId, PaymentRequestId};
use std::fmt;

/// The reference of one attempt's transaction.
///
/// As a [`CheckoutId`], the reference of the last attempt stands for the transactions of this and of every earlier
/// attempt: the answer to any of them may have been lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) id: PaymentRequestId,
    pub(super) attempt: CheckoutAttempt,
}

impl Reference {
    /// Parses a reference; `None` if it is none of ours. Other systems may use the same account.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, attempt) = text.rsplit_once('-')?;
        let attempt = CheckoutAttempt::new(attempt.parse().ok()?).ok()?;
        let reference = Self { id: id.parse().ok()?, attempt };
        // Only the canonical form is a reference: `+1` and `01` are numbers too.
        (reference.to_string() == text).then_some(reference)
    }

    /// Returns the reference in a checkout's identifier.
    ///
    /// # Errors
    /// The checkout was created at another provider.
    pub(super) fn of_checkout(checkout: &CheckoutId) -> Result<Self, ProviderError> {
        let CheckoutId(text) = checkout;
        Self::parse(text).ok_or_else(|| ProviderError::Refused("the checkout is not one of Paystack's".into()))
    }

    /// Iterates over the references of this and of every earlier attempt, the first one first.
    pub(super) fn up_to_this(self) -> impl Iterator<Item = Self> {
        let attempts = (1..=self.attempt.get()).filter_map(|number| CheckoutAttempt::new(number.into()).ok());
        attempts.map(move |attempt| Self { attempt, ..self })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.id, self.attempt.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01938f4e-5f2a-7c3d-9e4b-0123456789ab";

    #[test]
    fn only_the_canonical_form_is_a_reference() {
        let reference = Reference::parse(&format!("{ID}-12")).unwrap();
        assert_eq!((reference.to_string(), reference.attempt.get()), (format!("{ID}-12"), 12));
        let upper = format!("{}-1", ID.to_uppercase());
        for text in ["", "-1", ID, "T685312322670591", &upper].map(str::to_owned).into_iter().chain(
            ["-0", "-01", "-+1", "--1", "-1 ", "-65536", "-", "-1/refund", "-1?x"].map(|rest| format!("{ID}{rest}")),
        ) {
            assert_eq!(Reference::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn a_checkout_stands_for_every_attempt_so_far() {
        let last = Reference::of_checkout(&CheckoutId(format!("{ID}-3"))).unwrap();
        let all: Vec<_> = last.up_to_this().map(|reference| reference.to_string()).collect();
        assert_eq!(all, [1, 2, 3].map(|attempt| format!("{ID}-{attempt}")));
        assert!(Reference::of_checkout(&CheckoutId("cs_test_1".to_owned())).is_err());
    }
}
