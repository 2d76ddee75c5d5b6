//! The use cases that send back what was paid twice.
//!
//! A provider without idempotency keys may have several payment pages for one request, and a customer may pay on two of
//! them. The first payment counts. Every other is remembered as a fact, and goes back by the next look.

use super::UseCaseError;
use super::expire::{Settled, Waiting, postpone};
use crate::fact::Fact;
use crate::payment_request::{Payment, PaymentRequest};
use crate::ports::{Changed, Facts, Looks, PaymentProvider, Refunding, StoreError};
use crate::time::{Clock, Timestamp};
use crate::transition::STATUS_CHANGES_AT_MOST;

/// Remembers a payment of a request that another payment has paid, and schedules the look that sends it back. If the
/// process stops between the writes, the repeated report makes the second one.
///
/// # Errors
/// The store failed.
pub(super) async fn remember(
    store: &(impl Facts + Looks),
    request: &PaymentRequest,
    payment: &Payment,
    now: Timestamp,
) -> Result<(), UseCaseError> {
    if request.has_fact(&Fact::second_payment_returned(&payment.provider, &payment.reference)) {
        return Ok(());
    }
    let fact = Fact::second_payment(payment);
    for _ in 0..STATUS_CHANGES_AT_MOST {
        let Changed::Applied(request) = store.record_fact(request.id, &fact).await? else { return Ok(()) };
        if !matches!(store.schedule_look(&request, now, None).await?, Changed::Unchanged(_)) {
            return Ok(());
        }
    }
    Err(StoreError::kept_changing().into())
}

/// Sends back every payment beyond the first. A refund that the provider has accepted is left to it: should it fail
/// later, the provider reports that.
///
/// # Errors
/// The store failed.
pub(super) async fn send_back(
    store: &(impl Facts + Looks),
    provider: &impl PaymentProvider,
    clock: &impl Clock,
    mut request: PaymentRequest,
) -> Result<Settled, UseCaseError> {
    let payments: Vec<Payment> = request.second_payments().collect();
    for payment in payments {
        match provider.refund(&request, &payment).await {
            Ok(Refunding::Done | Refunding::UnderWay | Refunding::StatusUnknown) => {}
            Ok(Refunding::WaitsForFunds) => {
                let waiting = |request| Settled::Waiting(request, Waiting::RefundFunds);
                return postpone(store, &request, clock.now(), None, waiting).await;
            }
            Err(error) => {
                let postponed = |request| Settled::Postponed(request, error);
                return postpone(store, &request, clock.now(), None, postponed).await;
            }
        }
        let returned = Fact::second_payment_returned(&payment.provider, &payment.reference);
        match store.record_fact(request.id, &returned).await? {
            Changed::Applied(changed) => request = *changed,
            Changed::Unchanged(_) | Changed::NotFound => return Ok(Settled::NotDue),
        }
    }
    // A request that waits for its provider otherwise is looked at again at once.
    let now = clock.now();
    let changed = if request.waits_for_provider(now) {
        store.schedule_look(&request, now, None).await?
    } else {
        store.end_looks(&request).await?
    };
    Ok(match changed {
        Changed::Applied(request) => Settled::SentBack(request),
        Changed::Unchanged(_) | Changed::NotFound => Settled::NotDue,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout_attempt::CheckoutAttempt;
    use crate::id::CheckoutId;
    use crate::ports::{Changes as _, Checkout, CheckoutState, Closes, ProviderError};
    use crate::status::Status;
    use crate::test_support::{FakeStore, FixedClock, at, at_once, doors_at, money, request};
    use crate::use_cases::look::look;
    use crate::use_cases::pay::{ProviderEvent, ProviderEventOutcome, record_provider_event};
    use crate::use_cases::payments::paid;
    use std::sync::Mutex;

    const DEADLINE: i64 = 900_000;
    const PAID_AT: i64 = 100_000;

    /// A provider that keeps the references of what it refunded, or refunds nothing while it is away.
    #[derive(Default)]
    struct Refunds {
        is_away: Mutex<bool>,
        refunded: Mutex<Vec<String>>,
        state: Option<CheckoutState>,
    }

    impl PaymentProvider for Refunds {
        fn name(&self) -> &'static str {
            "paystack"
        }

        fn closes(&self) -> Closes {
            Closes::Never
        }

        async fn create_checkout(
            &self,
            _: &PaymentRequest,
            _: &str,
            _: CheckoutAttempt,
        ) -> Result<Checkout, ProviderError> {
            Err(ProviderError::Refused("this provider only refunds".into()))
        }

        async fn find_checkout(
            &self,
            request: &PaymentRequest,
            _: &str,
            attempts: CheckoutAttempt,
            _: Option<CheckoutId>,
        ) -> Result<Option<CheckoutId>, ProviderError> {
            Ok(Some(CheckoutId(format!("{}-{}", request.id, attempts.get()))))
        }

        async fn check_checkout(&self, _: &CheckoutId) -> Result<CheckoutState, ProviderError> {
            Ok(self.state.clone().unwrap_or(CheckoutState::Open))
        }

        async fn close_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
            self.check_checkout(checkout).await
        }

        async fn refund(&self, _: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
            if *self.is_away.lock().unwrap() {
                return Err(ProviderError::Unavailable("no answer".into()));
            }
            self.refunded.lock().unwrap().push(payment.reference.clone());
            Ok(Refunding::UnderWay)
        }
    }

    fn payment(reference: &str) -> Payment {
        Payment { provider: "paystack".to_owned(), reference: reference.to_owned(), paid_at: at(PAID_AT) }
    }

    fn store(status: Status) -> FakeStore {
        FakeStore::of(request(status, DEADLINE))
    }

    /// Reports money that has arrived.
    fn report(store: &FakeStore, reference: &str) -> ProviderEventOutcome {
        let id = store.request.lock().unwrap().id;
        let event = ProviderEvent::Paid { id, payment: payment(reference), money: money(25_000, "ZAR") };
        at_once(record_provider_event(store, &FixedClock(at(PAID_AT + 1_000)), event)).unwrap()
    }

    fn look_at(store: &FakeStore, provider: &Refunds, now: i64) -> Settled {
        let request = store.request.lock().unwrap().clone();
        at_once(look(store, provider, &doors_at(now), "https://pay.example.com", request)).unwrap()
    }

    #[test]
    fn what_is_paid_twice_goes_back_once_however_often_it_is_reported() {
        let (store, provider) = (store(Status::Clicked), Refunds::default());
        assert!(matches!(report(&store, "a-1"), ProviderEventOutcome::Applied(_)));
        for _ in 0..2 {
            assert!(matches!(report(&store, "a-2"), ProviderEventOutcome::SecondPayment(_)));
        }
        *provider.is_away.lock().unwrap() = true;
        assert!(matches!(look_at(&store, &provider, DEADLINE), Settled::Postponed(..)));
        *provider.is_away.lock().unwrap() = false;
        assert!(matches!(look_at(&store, &provider, DEADLINE), Settled::SentBack(_)));
        report(&store, "a-2");
        let end = store.end();
        assert_eq!((end.status, end.due_at, end.version()), (Status::Paid, None, 2));
        assert_eq!(*provider.refunded.lock().unwrap(), ["a-2"]);
    }

    #[test]
    fn a_second_payment_that_only_the_provider_knows_goes_back() {
        let (payment, others) = (payment("a-1"), vec![payment("a-2"), payment("a-3")]);
        let state = Some(CheckoutState::Paid { payment, money: money(25_000, "ZAR"), others });
        let (store, provider) = (store(Status::Clicked), Refunds { state, ..Refunds::default() });
        assert!(matches!(look_at(&store, &provider, DEADLINE), Settled::Changed(_)));
        assert!(matches!(look_at(&store, &provider, DEADLINE), Settled::SentBack(_)));
        assert_eq!(*provider.refunded.lock().unwrap(), ["a-2", "a-3"]);
        assert_eq!((store.end().status, store.end().due_at), (Status::Paid, None));
    }

    #[test]
    fn both_payments_of_a_canceled_request_go_back_in_whatever_order_the_refunds_end() {
        for report_comes_first in [true, false] {
            let (store, provider) = (store(Status::Canceled), Refunds::default());
            report(&store, "a-1");
            report(&store, "a-2");
            let id = store.request.lock().unwrap().id;
            let refunded = |reference: &str| {
                let (reference, money) = (reference.to_owned(), money(25_000, "ZAR"));
                let event = ProviderEvent::Refunded { id, reference, money };
                at_once(record_provider_event(&store, &FixedClock(at(DEADLINE)), event)).unwrap()
            };
            if report_comes_first {
                assert!(matches!(refunded("a-1"), ProviderEventOutcome::Applied(_)));
                assert!(store.end().due_at.is_some(), "the other one is still to be sent back");
            }
            look_at(&store, &provider, DEADLINE);
            assert!(matches!(refunded("a-2"), ProviderEventOutcome::Unchanged(_)), "its refund is expected");
            if !report_comes_first {
                look_at(&store, &provider, DEADLINE);
                refunded("a-1");
            }
            let end = store.end();
            assert_eq!((end.status, end.due_at), (Status::Refunded, None), "{report_comes_first}");
            assert!(provider.refunded.lock().unwrap().contains(&"a-2".to_owned()));
        }
    }

    #[test]
    fn a_report_that_comes_again_after_a_stop_between_the_writes_makes_the_missing_one() {
        let store = store(Status::Clicked);
        report(&store, "a-1");
        let request = store.request.lock().unwrap().clone();
        at_once(store.record_fact(request.id, &Fact::second_payment(&payment("a-2")))).unwrap();
        assert_eq!(store.end().due_at, None, "the process stopped here");
        report(&store, "a-2");
        assert!(store.end().due_at.is_some());
    }

    #[test]
    fn a_payment_that_another_one_overtook_is_a_second_payment_too() {
        let state =
            Some(CheckoutState::Paid { payment: payment("a-1"), money: money(25_000, "ZAR"), others: Vec::new() });
        let (store, provider) = (store(Status::Clicked), Refunds { state, ..Refunds::default() });
        let seen = store.request.lock().unwrap().clone();
        let change = paid(payment("a-2"), money(25_000, "ZAR"), at(PAID_AT));
        at_once(store.change(seen.id, &change)).unwrap();
        at_once(look(&store, &provider, &doors_at(DEADLINE), "https://pay.example.com", seen)).unwrap();
        look_at(&store, &provider, DEADLINE);
        assert_eq!(*provider.refunded.lock().unwrap(), ["a-1"]);
    }
}
