//! Facts: what must be remembered about a request besides its changes.
//!
//! A change moves a request and stays in its history. A fact does neither: no event announces it and no page shows it.
//! Guards and use cases read it. To add a kind of fact, add a variant of [`Fact`] with its stored text; the compiler
//! then reports every other place to change.

mod marks;

use crate::id::{RunId, digest};
use crate::payment_request::Payment;
use crate::status::Status;

/// A fact about a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A run has claimed a message, so that no other run sends it too.
    MessageClaimed {
        /// The version of the request whose event carries the message.
        version: usize,
        /// The run that sends the message.
        run: RunId,
    },
    /// The run that claimed a message has ended, and what became of the message is known: it was sent, or it was
    /// abandoned. A claim without this fact belongs to a run that is still in progress or was cut off.
    MessageSettled {
        /// The version of the request whose event carries the message.
        version: usize,
    },
    /// The provider reported that a payment failed, so its money is no longer expected.
    PaymentFailed(PaymentDigest),
    /// The provider reported that a payment's money has arrived, but not when the customer did their part. The provider
    /// is asked for it, or another report says it.
    PaymentArrived(PaymentDigest),
    /// chat2pay requested the refund of late money. The provider's later reports of a refund are then about this one,
    /// not about one that a person made.
    RefundRequested,
    /// The request was paid once more, after another payment had paid it. This one goes back.
    SecondPayment {
        /// The payment's provider.
        provider: String,
        /// The provider's own identifier of the payment.
        reference: String,
    },
    /// A second payment has gone back.
    SecondPaymentReturned(PaymentDigest),
    /// At or after the deadline, the provider said that nobody had paid yet, and the page stays open. A later payment
    /// on it is late, even if the provider does not report its time.
    UnpaidAtDeadline,
    /// A stored text that belongs to no kind above: a fact of another release, or the second text of an exclusive fact.
    /// It is kept, and no guard reads it.
    Other(String),
}

/// A payment at its provider, as 72 bits of a digest: a reference may be long, and items should stay small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentDigest(String);

/// The statuses that a failed payment does not change, so that it is remembered as a fact alone. In any other status
/// the failure is a change, which brings the fact along: recorded by itself there, it would hide the change that is
/// due.
const NOT_ENDED_BY_A_FAILED_PAYMENT: &[Status] =
    &[Status::Sent, Status::Paid, Status::Canceled, Status::Expired, Status::RefundDue, Status::Refunded];

const CLAIMED: &str = "claimed";
const SETTLED: &str = "settled";
const PAYMENT_FAILED: &str = "payment_failed";
const PAYMENT_ARRIVED: &str = "payment_arrived";
const REFUND_REQUESTED: &str = "refund_requested";
const SECOND_PAYMENT: &str = "second_payment";
const SECOND_PAYMENT_RETURNED: &str = "second_payment_returned";
const UNPAID_AT_DEADLINE: &str = "unpaid_at_deadline";

impl Fact {
    /// Builds the fact that a provider's payment failed.
    #[must_use]
    pub fn payment_failed(provider: &str, reference: &str) -> Self {
        Self::PaymentFailed(PaymentDigest(digest(&format!("{provider}:{reference}:failed"))))
    }

    /// Builds the fact that the money of a provider's payment arrived.
    #[must_use]
    pub fn payment_arrived(payment: &Payment) -> Self {
        Self::PaymentArrived(PaymentDigest(digest(&format!("{}:{}", payment.provider, payment.reference))))
    }

    /// Builds the fact that a payment came after another one had paid the request.
    #[must_use]
    pub fn second_payment(payment: &Payment) -> Self {
        Self::SecondPayment { provider: payment.provider.clone(), reference: payment.reference.clone() }
    }

    /// Builds the fact that a second payment has gone back.
    #[must_use]
    pub fn second_payment_returned(provider: &str, reference: &str) -> Self {
        Self::SecondPaymentReturned(PaymentDigest(digest(&format!("{provider}:{reference}:returned"))))
    }

    /// Parses a stored text; an unknown one becomes [`Self::Other`].
    #[must_use]
    pub fn from_text(text: String) -> Self {
        // A text that differs from what a known kind writes, such as `claimed:01:…`, does not belong to that kind.
        parse(&text).filter(|fact| fact.text() == text).unwrap_or(Self::Other(text))
    }

    /// Returns the text by which the fact is stored. It must never change for a kind that was released.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::MessageClaimed { version, run } => format!("{CLAIMED}:{version}:{}", run.as_str()),
            Self::MessageSettled { version } => format!("{SETTLED}:{version}"),
            Self::PaymentFailed(PaymentDigest(payment)) => format!("{PAYMENT_FAILED}:{payment}"),
            Self::PaymentArrived(PaymentDigest(payment)) => format!("{PAYMENT_ARRIVED}:{payment}"),
            Self::RefundRequested => REFUND_REQUESTED.to_owned(),
            Self::UnpaidAtDeadline => UNPAID_AT_DEADLINE.to_owned(),
            Self::SecondPayment { provider, reference } => format!("{SECOND_PAYMENT}:{provider}:{reference}"),
            Self::SecondPaymentReturned(PaymentDigest(payment)) => format!("{SECOND_PAYMENT_RETURNED}:{payment}"),
            Self::Other(text) => text.clone(),
        }
    }

    /// Returns the second text of an exclusive fact; `None` for other facts. All facts that exclude each other share
    /// it, and a request can hold it only once, so only the fact that was stored with it counts.
    #[must_use]
    pub fn exclusive_text(&self) -> Option<String> {
        match self {
            Self::MessageClaimed { version, .. } => Some(format!("{CLAIMED}:{version}")),
            Self::MessageSettled { .. }
            | Self::PaymentFailed(_)
            | Self::PaymentArrived(_)
            | Self::RefundRequested
            | Self::SecondPayment { .. }
            | Self::SecondPaymentReturned(_)
            | Self::UnpaidAtDeadline
            | Self::Other(_) => None,
        }
    }

    /// Returns every text by which the fact is stored.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.text()).chain(self.exclusive_text())
    }

    /// Returns the statuses of which a request must have one for the fact to be recorded or retracted; `None` if any
    /// will do.
    #[must_use]
    pub const fn required_statuses(&self) -> Option<&'static [Status]> {
        match self {
            Self::RefundRequested => Some(&[Status::RefundDue]),
            Self::UnpaidAtDeadline => Some(&[Status::Expired]),
            Self::PaymentFailed(_) => Some(NOT_ENDED_BY_A_FAILED_PAYMENT),
            // In any other status the money's arrival is a change, whenever the customer did their part.
            Self::PaymentArrived(_) => Some(&[Status::Clicked, Status::Expired]),
            Self::MessageClaimed { .. }
            | Self::MessageSettled { .. }
            | Self::SecondPayment { .. }
            | Self::SecondPaymentReturned(_)
            | Self::Other(_) => None,
        }
    }
}

fn parse(text: &str) -> Option<Fact> {
    let mut parts = text.splitn(3, ':');
    match (parts.next()?, parts.next(), parts.next()) {
        (CLAIMED, Some(version), Some(run)) => {
            Some(Fact::MessageClaimed { version: version.parse().ok()?, run: RunId::from_text(run.to_owned()) })
        }
        (SETTLED, Some(version), None) => Some(Fact::MessageSettled { version: version.parse().ok()? }),
        (PAYMENT_FAILED, Some(payment), None) => Some(Fact::PaymentFailed(PaymentDigest(payment.to_owned()))),
        (PAYMENT_ARRIVED, Some(payment), None) => Some(Fact::PaymentArrived(PaymentDigest(payment.to_owned()))),
        (REFUND_REQUESTED, None, None) => Some(Fact::RefundRequested),
        (UNPAID_AT_DEADLINE, None, None) => Some(Fact::UnpaidAtDeadline),
        (SECOND_PAYMENT, Some(provider), Some(reference)) => {
            Some(Fact::SecondPayment { provider: provider.to_owned(), reference: reference.to_owned() })
        }
        (SECOND_PAYMENT_RETURNED, Some(payment), None) => {
            Some(Fact::SecondPaymentReturned(PaymentDigest(payment.to_owned())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transition::{CommandKind, TRANSITIONS};
    use proptest::prelude::*;

    fn claim() -> Fact {
        Fact::MessageClaimed { version: 1, run: RunId::from_text("7aXkQ2bZ".to_owned()) }
    }

    #[test]
    fn each_kind_keeps_the_stored_text_of_its_first_release() {
        for (fact, texts) in [
            (claim(), &["claimed:1:7aXkQ2bZ", "claimed:1"][..]),
            (Fact::MessageSettled { version: 1 }, &["settled:1"]),
            (Fact::payment_failed("sandbox", "pay_1"), &["payment_failed:3RTDXS7xWKqSj"]),
            (Fact::RefundRequested, &["refund_requested"]),
            (
                Fact::SecondPayment { provider: "paystack".to_owned(), reference: "a:1-2".to_owned() },
                &["second_payment:paystack:a:1-2"],
            ),
            (Fact::second_payment_returned("paystack", "a-2"), &["second_payment_returned:5TcSo6L2pMDu"]),
            (Fact::UnpaidAtDeadline, &["unpaid_at_deadline"]),
            (Fact::Other("seen:on:the:moon".to_owned()), &["seen:on:the:moon"]),
        ] {
            assert_eq!(fact.texts().collect::<Vec<_>>(), texts);
            assert_eq!(Fact::from_text(fact.text()), fact);
        }
    }

    #[test]
    fn the_condition_that_excludes_other_claims_is_not_a_claim_itself() {
        let text = claim().exclusive_text().unwrap();
        assert_eq!(Fact::from_text(text.clone()), Fact::Other(text));
    }

    #[test]
    fn a_text_that_no_kind_writes_has_no_kind() {
        for text in [
            "claimed:01:7aXk",
            "claimed:+1:7aXk",
            "claimed:1",
            "settled:01",
            "settled:1:7aXk",
            "settled",
            "payment_failed:a:b",
            "refund_requested:",
            "",
        ] {
            assert_eq!(Fact::from_text(text.to_owned()), Fact::Other(text.to_owned()));
        }
    }

    #[test]
    fn failed_payments_are_distinguished_by_provider_and_reference() {
        let failed = Fact::payment_failed("stripe", "pi_1");
        assert_eq!(failed, Fact::payment_failed("stripe", "pi_1"));
        assert_ne!(failed, Fact::payment_failed("stripe", "pi_2"));
        assert_ne!(failed, Fact::payment_failed("sandbox", "pi_1"));
    }

    #[test]
    fn a_failed_payment_is_either_a_change_or_a_fact_alone_in_every_status() {
        let alone = Fact::payment_failed("stripe", "pi_1").required_statuses().unwrap();
        for status in Status::ALL {
            let changes = TRANSITIONS.iter().any(|row| row.from == status && row.on == CommandKind::FailPayment);
            assert_ne!(changes, alone.contains(&status), "{status}");
        }
    }

    proptest! {
        #[test]
        fn every_stored_text_is_kept_unchanged(
            text in prop_oneof![
                ".{0,40}",
                "(claimed|settled|payment_failed|refund_requested|second_payment)(:[0-9a-z]{0,3}){0,4}",
            ],
        ) {
            prop_assert_eq!(Fact::from_text(text.clone()).text(), text);
        }
    }
}
