//! Facts: what has to be remembered about a request besides its changes.
//!
//! A change moves a request and stays in its history. A fact does neither: no event announces it and no page shows it.
//! Guards and use cases read it. A new kind of fact is a variant of [`Fact`] with its stored text; everything else
//! follows from the compiler's questions.

mod marks;

use crate::id::{RunId, digest};
use crate::status::Status;

/// Something to remember about a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A run has claimed a message, so that no other run sends it too.
    MessageClaimed {
        /// The version of the request whose event brings the message.
        version: usize,
        /// The run that sends it.
        run: RunId,
    },
    /// The provider has said that a payment failed, so nobody waits for its money.
    PaymentFailed(PaymentDigest),
    /// The provider was asked to send late money back. What it then reports of a refund is about ours, not about one
    /// that a person made.
    RefundRequested,
    /// A stored text that no kind above has: a fact of another release, or one of two texts of an exclusive fact. It is
    /// kept, and no guard reads it.
    Other(String),
}

/// A payment at its provider, as 72 bits of a digest: a reference may be long, and an item is to stay small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentDigest(String);

const CLAIMED: &str = "claimed";
const PAYMENT_FAILED: &str = "payment_failed";
const REFUND_REQUESTED: &str = "refund_requested";

impl Fact {
    /// Makes the fact that a provider's payment failed.
    #[must_use]
    pub fn payment_failed(provider: &str, reference: &str) -> Self {
        Self::PaymentFailed(PaymentDigest(digest(&format!("{provider}:{reference}:failed"))))
    }

    /// Returns the fact with this stored text.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        // A text that a known kind would write otherwise, such as `claimed:01:…`, is not of that kind.
        parse(&text).filter(|fact| fact.text() == text).unwrap_or(Self::Other(text))
    }

    /// Returns the text by which the fact is stored. It never changes for a kind that was ever released.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::MessageClaimed { version, run } => format!("{CLAIMED}:{version}:{}", run.as_str()),
            Self::PaymentFailed(PaymentDigest(payment)) => format!("{PAYMENT_FAILED}:{payment}"),
            Self::RefundRequested => REFUND_REQUESTED.to_owned(),
            Self::Other(text) => text.clone(),
        }
    }

    /// Returns the second text of an exclusive fact, the same for all facts that exclude each other: a request holds it
    /// once, and while it does, only the fact that brought it counts.
    #[must_use]
    pub fn exclusive_text(&self) -> Option<String> {
        match self {
            Self::MessageClaimed { version, .. } => Some(format!("{CLAIMED}:{version}")),
            Self::PaymentFailed(_) | Self::RefundRequested | Self::Other(_) => None,
        }
    }

    /// Returns every text by which the fact is stored.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.text()).chain(self.exclusive_text())
    }

    /// Returns the status that a request has to have while the fact is recorded or retracted; none if any will do.
    #[must_use]
    pub const fn required_status(&self) -> Option<Status> {
        match self {
            Self::RefundRequested => Some(Status::RefundDue),
            Self::MessageClaimed { .. } | Self::PaymentFailed(_) | Self::Other(_) => None,
        }
    }
}

fn parse(text: &str) -> Option<Fact> {
    let mut parts = text.splitn(3, ':');
    match (parts.next()?, parts.next(), parts.next()) {
        (CLAIMED, Some(version), Some(run)) => {
            Some(Fact::MessageClaimed { version: version.parse().ok()?, run: RunId::from_text(run.to_owned()) })
        }
        (PAYMENT_FAILED, Some(payment), None) => Some(Fact::PaymentFailed(PaymentDigest(payment.to_owned()))),
        (REFUND_REQUESTED, None, None) => Some(Fact::RefundRequested),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim() -> Fact {
        Fact::MessageClaimed { version: 1, run: RunId::from_text("7aXkQ2bZ".to_owned()) }
    }

    #[test]
    fn each_kind_is_stored_by_the_text_that_it_was_released_with() {
        for (fact, texts) in [
            (claim(), &["claimed:1:7aXkQ2bZ", "claimed:1"][..]),
            (Fact::payment_failed("sandbox", "pay_1"), &["payment_failed:3RTDXS7xWKqSj"]),
            (Fact::RefundRequested, &["refund_requested"]),
            (Fact::Other("seen:on:the:moon".to_owned()), &["seen:on:the:moon"]),
        ] {
            assert_eq!(fact.texts().collect::<Vec<_>>(), texts);
            assert_eq!(Fact::from_text(fact.text()), fact);
        }
    }

    #[test]
    fn what_excludes_other_claims_is_not_a_claim_itself() {
        let text = claim().exclusive_text().unwrap();
        assert_eq!(Fact::from_text(text.clone()), Fact::Other(text));
    }

    #[test]
    fn a_text_that_no_kind_writes_is_of_no_kind() {
        for text in ["claimed:01:7aXk", "claimed:+1:7aXk", "claimed:1", "payment_failed:a:b", "refund_requested:", ""] {
            assert_eq!(Fact::from_text(text.to_owned()), Fact::Other(text.to_owned()));
        }
    }

    #[test]
    fn failed_payments_are_told_apart_by_provider_and_reference() {
        let failed = Fact::payment_failed("stripe", "pi_1");
        assert_eq!(failed, Fact::payment_failed("stripe", "pi_1"));
        assert_ne!(failed, Fact::payment_failed("stripe", "pi_2"));
        assert_ne!(failed, Fact::payment_failed("sandbox", "pi_1"));
    }

    proptest! {
        #[test]
        fn every_stored_text_is_kept_as_it_is(
            text in prop_oneof![".{0,40}", "(claimed|payment_failed|refund_requested)(:[0-9a-z]{0,3}){0,4}"],
        ) {
            prop_assert_eq!(Fact::from_text(text.clone()).text(), text);
        }
    }
}
