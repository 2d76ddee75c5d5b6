//! Marks: the form in which release 0.1 stored facts, as identifiers among a request's operations.
//!
//! Release 0.2 honours the marks that it finds, and writes marks beside the facts. So 0.1 finds everything that it
//! needs, both during a deployment with 0.2 and after a rollback.
//!
//! Remove this code in two steps; the compiler finds what depends on it:
//!
//! - with the release after 0.2, [`Fact::marks_to_write`]: from then on only facts are written;
//! - once no item written by 0.1 is stored any more, the rest of this module.

use super::{Fact, PaymentDigest};
use crate::event::event_id;
use crate::id::{OperationId, PaymentRequestId};
use crate::payment_request::PaymentRequest;

impl Fact {
    /// Returns the fact's mark; `None` if the kind of fact has none.
    fn mark(&self) -> Option<OperationId> {
        match self {
            Self::MessageClaimed { run, .. } => Some(OperationId::from_text(run.as_str().to_owned())),
            Self::PaymentFailed(PaymentDigest(payment)) => Some(OperationId::from_text(payment.clone())),
            Self::RefundRequested => Some(OperationId::of_message("refund:asked")),
            // Release 0.1 does not know these facts.
            Self::MessageSettled { .. }
            | Self::PaymentArrived(_)
            | Self::SecondPayment { .. }
            | Self::SecondPaymentReturned(_)
            | Self::UnpaidAtDeadline
            | Self::Other(_) => None,
        }
    }

    /// Returns the mark of [`Fact::exclusive_text`] in the request with this identifier.
    #[must_use]
    pub fn exclusive_mark(&self, id: PaymentRequestId) -> Option<OperationId> {
        match self {
            Self::MessageClaimed { version, .. } => {
                Some(OperationId::of_message(&format!("{}:claimed", event_id(id, *version))))
            }
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

    /// Returns every mark of this fact in the request with this identifier: those to look for, and to delete when the
    /// fact is retracted.
    #[must_use]
    pub fn marks(&self, id: PaymentRequestId) -> Vec<OperationId> {
        self.mark().into_iter().chain(self.exclusive_mark(id)).collect()
    }

    /// Returns the marks to write beside this fact. Remove this with the release after 0.2.
    #[must_use]
    pub fn marks_to_write(&self, id: PaymentRequestId) -> Vec<OperationId> {
        self.marks(id)
    }
}

impl PaymentRequest {
    /// Returns whether the request has a fact, as a fact or as a mark.
    #[must_use]
    pub fn has_fact(&self, fact: &Fact) -> bool {
        self.facts.contains(fact) || fact.mark().is_some_and(|mark| self.operations.contains(&mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RunId;
    use crate::status::Status;
    use crate::test_support::request;

    /// The identifiers that 0.1 wrote for these facts, as they are in its stored items.
    #[test]
    fn the_marks_are_those_of_release_0_1() {
        let id: PaymentRequestId = "019b8d9e-8000-7000-8000-000000000001".parse().unwrap();
        let claim = Fact::MessageClaimed { version: 1, run: RunId::from_text("3CX4QRb7f1hTs".to_owned()) };
        for (fact, marks) in [
            (claim, &["3CX4QRb7f1hTs", "46TYJN3iqqQmE"][..]),
            (Fact::payment_failed("sandbox", "pay_1"), &["3RTDXS7xWKqSj"]),
            (Fact::RefundRequested, &["2fPtcyAfHu8K7"]),
            (Fact::Other("seen:on:the:moon".to_owned()), &[]),
        ] {
            let found = fact.marks(id);
            assert_eq!(found.iter().map(OperationId::as_str).collect::<Vec<_>>(), marks, "{fact:?}");
        }
    }

    #[test]
    fn a_fact_is_recognized_in_either_form() {
        let facts = [
            Fact::MessageClaimed { version: 1, run: RunId::from_text("7aXkQ2bZ".to_owned()) },
            Fact::payment_failed("sandbox", "pay_1"),
            Fact::RefundRequested,
        ];
        for fact in facts {
            let mut request = request(Status::Sent, 1_000);
            assert!(!request.has_fact(&fact), "{fact:?}");
            request.operations.extend(fact.marks(request.id));
            assert!(request.has_fact(&fact), "{fact:?} by its mark");
            request.operations.clear();
            request.facts.insert(fact.clone());
            assert!(request.has_fact(&fact), "{fact:?} by itself");
        }
    }

    /// A run must not mistake the mark of another run's claim to the same message for its own.
    #[test]
    fn a_claim_belongs_to_one_run() {
        let mut request = request(Status::Sent, 1_000);
        let [ours, theirs] =
            ["ours", "theirs"].map(|run| Fact::MessageClaimed { version: 1, run: RunId::from_text(run.to_owned()) });
        request.operations.extend(theirs.marks(request.id));
        request.facts.insert(theirs.clone());
        assert!(request.has_fact(&theirs) && !request.has_fact(&ours));
    }
}
