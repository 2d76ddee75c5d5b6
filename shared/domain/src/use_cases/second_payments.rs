//! The use cases that send back what was paid twice.
//!
//! A provider without idempotency keys may have several payment pages for one request, and a customer may pay on two of
//! them. The first payment counts. Every other is remembered as a fact, and goes back by the next look.

use super::UseCaseError;
use super::expire::{Settled, Waiting};
use crate::fact::Fact;
use crate::payment_request::{Payment, PaymentRequest};
use crate::ports::{Changed, Facts, Looks, PaymentProvider, ProviderError, Refunding, StoreError};
use crate::time::Timestamp;
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
    // It is known, and its look is to come.
    if request.has_fact(&fact) && request.due_at.is_some() {
        return Ok(());
    }
    for _ in 0..STATUS_CHANGES_AT_MOST {
        let Changed::Applied(request) = store.record_fact(request.id, &fact).await? else { return Ok(()) };
        if !matches!(store.schedule_look(&request, now, None).await?, Changed::Unchanged(_)) {
            return Ok(());
        }
    }
    Err(StoreError::kept_changing().into())
}

/// What keeps a second payment from going back.
pub(super) enum Obstacle {
    /// The provider has accepted the refund, and waits.
    Waiting(Waiting),
    /// The provider is unavailable, or refuses.
    Error(ProviderError),
}

impl Obstacle {
    /// Returns the outcome of a look that met this obstacle.
    pub(super) fn settled(self, request: Box<PaymentRequest>) -> Settled {
        match self {
            Self::Waiting(waiting) => Settled::Waiting(request, waiting),
            Self::Error(error) => Settled::Postponed(request, error),
        }
    }
}

/// Sends back every payment beyond the first. Each is tried, whatever becomes of the others, and each is asked about
/// until it has gone back: a refund that the provider has accepted may still fail. Returns the request with what has
/// gone back, and the last obstacle; `None` if the request was deleted.
///
/// # Errors
/// The store failed.
pub(super) async fn send_back(
    store: &impl Facts,
    provider: &impl PaymentProvider,
    mut request: PaymentRequest,
) -> Result<Option<(PaymentRequest, Option<Obstacle>)>, UseCaseError> {
    let payments: Vec<Payment> = request.second_payments().collect();
    let mut obstacle = None;
    for payment in payments {
        match provider.refund(&request, &payment).await {
            Ok(Refunding::Done) => {
                let returned = Fact::second_payment_returned(&payment.provider, &payment.reference);
                match store.record_fact(request.id, &returned).await? {
                    Changed::Applied(changed) | Changed::Unchanged(changed) => request = *changed,
                    Changed::NotFound => return Ok(None),
                }
            }
            Ok(Refunding::UnderWay) => obstacle = Some(Obstacle::Waiting(Waiting::Refund)),
            Ok(Refunding::WaitsForFunds) => obstacle = Some(Obstacle::Waiting(Waiting::RefundFunds)),
            Ok(Refunding::StatusUnknown) => obstacle = Some(Obstacle::Waiting(Waiting::RefundStatusUnknown)),
            Err(error) => obstacle = Some(Obstacle::Error(error)),
        }
    }
    Ok(Some((request, obstacle)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout_attempt::CheckoutAttempt;
    use crate::id::CheckoutId;
    use crate::ports::{Arrival, Changes as _, Checkout, CheckoutState, Closes};
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
        /// The references of payments whose refunds are rejected, and of those whose refunds have arrived.
        rejects: Mutex<Vec<String>>,
        arrived: Mutex<Vec<String>>,
        refunded: Mutex<Vec<String>>,
        state: Option<CheckoutState>,
        /// The state of the page of the payment in flight.
        page: Option<CheckoutState>,
    }

    impl PaymentProvider for Refunds {
        fn name(&self) -> &'static str {
            "paystack"
        }

        fn closes(&self) -> Closes {
            Closes::Never
        }

        fn repeats_pages(&self) -> bool {
            false
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

        async fn check_page_of(&self, _: &Payment) -> Result<Option<CheckoutState>, ProviderError> {
            Ok(self.page.clone())
        }

        async fn close_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
            self.check_checkout(checkout).await
        }

        async fn refund(&self, _: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
            if *self.is_away.lock().unwrap() {
                return Err(ProviderError::Unavailable("no answer".into()));
            }
            if self.rejects.lock().unwrap().contains(&payment.reference) {
                return Err(ProviderError::Refused("no".into()));
            }
            let mut refunded = self.refunded.lock().unwrap();
            if !refunded.contains(&payment.reference) {
                refunded.push(payment.reference.clone());
            }
            let has_arrived = self.arrived.lock().unwrap().contains(&payment.reference);
            Ok(if has_arrived { Refunding::Done } else { Refunding::UnderWay })
        }
    }

    fn payment(reference: &str) -> Payment {
        Payment { provider: "paystack".to_owned(), reference: reference.to_owned(), paid_at: at(PAID_AT) }
    }

    fn arrival(reference: &str) -> Arrival {
        Arrival::at_its_time(payment(reference), money(25_000, "ZAR"))
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

    /// Tells the provider that everything has gone back, and looks.
    fn look_after_arrival(store: &FakeStore, provider: &Refunds, now: i64) -> Settled {
        provider.arrived.lock().unwrap().extend(["a-1", "a-2", "a-3"].map(str::to_owned));
        look_at(store, provider, now)
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
        assert!(matches!(look_at(&store, &provider, DEADLINE), Settled::Waiting(_, Waiting::Refund)));
        assert!(matches!(look_after_arrival(&store, &provider, DEADLINE), Settled::SentBack(_)));
        report(&store, "a-2");
        let end = store.end();
        assert_eq!((end.status, end.due_at, end.version()), (Status::Paid, None, 2));
        assert_eq!(*provider.refunded.lock().unwrap(), ["a-2"]);
    }

    #[test]
    fn a_second_payment_that_only_the_provider_knows_goes_back() {
        let state = Some(CheckoutState::Paid(["a-1", "a-2", "a-3"].map(arrival).into()));
        let (store, provider) = (store(Status::Clicked), Refunds { state, ..Refunds::default() });
        assert!(matches!(look_at(&store, &provider, DEADLINE), Settled::Changed(_)));
        assert!(matches!(look_after_arrival(&store, &provider, DEADLINE), Settled::SentBack(_)));
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
            assert!(matches!(refunded("a-2"), ProviderEventOutcome::Applied(_)), "its refund is expected");
            assert!(matches!(refunded("a-2"), ProviderEventOutcome::Unchanged(_)), "it is known");
            if !report_comes_first {
                refunded("a-1");
            }
            look_at(&store, &provider, DEADLINE);
            let end = store.end();
            assert_eq!((end.status, end.due_at), (Status::Refunded, None), "{report_comes_first}");
            assert!(provider.refunded.lock().unwrap().contains(&"a-2".to_owned()));
        }
    }

    #[test]
    fn a_refund_that_is_rejected_keeps_no_other_payment_from_going_back() {
        let state = Some(CheckoutState::Paid(["a-1", "a-2", "a-3"].map(arrival).into()));
        let (store, provider) = (store(Status::Expired), Refunds { state, ..Refunds::default() });
        provider.rejects.lock().unwrap().push("a-2".to_owned());
        for reference in ["a-1", "a-2", "a-3"] {
            let event = ProviderEvent::Paid {
                id: store.request.lock().unwrap().id,
                payment: Payment { paid_at: at(DEADLINE + 1), ..payment(reference) },
                money: money(25_000, "ZAR"),
            };
            at_once(record_provider_event(&store, &FixedClock(at(DEADLINE + 1)), event)).unwrap();
        }
        assert!(matches!(look_after_arrival(&store, &provider, DEADLINE + 2), Settled::Changed(_)));
        assert_eq!(*provider.refunded.lock().unwrap(), ["a-3", "a-1"]);
        let end = store.end();
        assert!(end.status == Status::Refunded && end.due_at.is_some(), "the rejected one is tried again: {end:?}");
        provider.rejects.lock().unwrap().clear();
        assert!(matches!(look_at(&store, &provider, DEADLINE + 3), Settled::SentBack(_)));
        assert_eq!(store.end().due_at, None);
    }

    #[test]
    fn a_payment_of_another_amount_neither_hides_the_right_one_nor_goes_back() {
        for wrong_comes_first in [true, false] {
            let wrong = Arrival { money: money(24_999, "ZAR"), ..arrival("a-1") };
            let mut arrivals = vec![wrong, arrival("a-2")];
            if !wrong_comes_first {
                arrivals.reverse();
            }
            let state = Some(CheckoutState::Paid(arrivals));
            let (store, provider) = (store(Status::Clicked), Refunds { state, ..Refunds::default() });
            look_at(&store, &provider, DEADLINE);
            let end = store.end();
            assert_eq!((end.status, end.payment.unwrap().reference.as_str()), (Status::Paid, "a-2"));
            assert!(provider.refunded.lock().unwrap().is_empty());
        }
    }

    /// A request with one payment in flight, begun in time, and another that was made too late.
    fn one_in_flight_and_one_late() -> FakeStore {
        let store = store(Status::Clicked);
        let id = store.request.lock().unwrap().id;
        let event = ProviderEvent::Processing { id, payment: payment("a-1"), money: money(25_000, "ZAR") };
        at_once(record_provider_event(&store, &FixedClock(at(PAID_AT)), event)).unwrap();
        let late = Payment { paid_at: at(DEADLINE + 1), ..payment("a-2") };
        let event = ProviderEvent::Paid { id, payment: late, money: money(25_000, "ZAR") };
        let outcome = at_once(record_provider_event(&store, &FixedClock(at(DEADLINE + 2)), event)).unwrap();
        assert!(matches!(outcome, ProviderEventOutcome::SecondPayment(_)), "{outcome:?}");
        store
    }

    /// A provider at which the late payment has arrived, with this state of the other one's page.
    fn with_page(page: CheckoutState) -> Refunds {
        let late = Arrival::at_its_time(Payment { paid_at: at(DEADLINE + 1), ..payment("a-2") }, money(25_000, "ZAR"));
        let provider = Refunds { state: Some(CheckoutState::Paid(vec![late])), page: Some(page), ..Refunds::default() };
        provider.arrived.lock().unwrap().push("a-2".to_owned());
        provider
    }

    #[test]
    fn a_late_payment_hides_nothing_of_the_one_that_is_waited_for() {
        let in_flight = CheckoutState::Processing { payment: payment("a-1"), money: money(25_000, "ZAR") };
        let failed = CheckoutState::Failed { references: vec!["a-1".to_owned()] };
        for (page, end) in [
            (in_flight, Status::Processing),
            (CheckoutState::Paid(vec![arrival("a-1")]), Status::Paid),
            // As if the failure had been seen first.
            (failed, Status::Refunded),
            (CheckoutState::Open, Status::Refunded),
        ] {
            let (store, provider) = (one_in_flight_and_one_late(), with_page(page.clone()));
            for second in 3..8 {
                look_at(&store, &provider, DEADLINE + second);
            }
            assert_eq!(store.end().status, end, "{page:?}");
            assert_eq!(*provider.refunded.lock().unwrap(), ["a-2"], "{page:?}");
        }
    }

    #[test]
    fn a_second_payment_goes_back_although_the_first_one_arrives_meanwhile() {
        let (store, provider) = (one_in_flight_and_one_late(), Refunds::default());
        provider.rejects.lock().unwrap().push("a-2".to_owned());
        look_at(&store, &provider, DEADLINE + 3);
        assert!(matches!(report(&store, "a-1"), ProviderEventOutcome::Applied(_)));
        assert!(store.end().status == Status::Paid && store.end().due_at.is_some());
        provider.rejects.lock().unwrap().clear();
        assert!(matches!(look_after_arrival(&store, &provider, DEADLINE + 4), Settled::SentBack(_)));
        assert_eq!((store.end().payment.unwrap().reference, store.end().due_at), ("a-1".to_owned(), None));
    }

    #[test]
    fn a_second_payment_that_is_seen_again_is_not_looked_at_sooner() {
        let (store, provider) = (one_in_flight_and_one_late(), with_page(CheckoutState::Open));
        provider.arrived.lock().unwrap().clear();
        let page = CheckoutState::Processing { payment: payment("a-1"), money: money(25_000, "ZAR") };
        let provider = Refunds { page: Some(page), ..provider };
        for _ in 0..3 {
            let now = DEADLINE + 3;
            look_at(&store, &provider, now);
            assert!(store.end().due_at.unwrap() > at(now), "the next look is later");
        }
    }

    #[test]
    fn whoever_pays_after_the_page_was_seen_unpaid_is_late() {
        for begins_with_failure in [true, false] {
            let failed = begins_with_failure.then(|| CheckoutState::Failed { references: vec!["a-1".to_owned()] });
            let provider = Refunds { state: Some(CheckoutState::Open), page: failed, ..Refunds::default() };
            let store = store(if begins_with_failure { Status::Clicked } else { Status::Expired });
            let id = store.request.lock().unwrap().id;
            let in_flight = || ProviderEvent::Processing { id, payment: payment("a-1"), money: money(25_000, "ZAR") };
            if begins_with_failure {
                at_once(record_provider_event(&store, &FixedClock(at(PAID_AT)), in_flight())).unwrap();
            }
            look_at(&store, &provider, DEADLINE + 1);
            assert_eq!(store.end().status, Status::Expired);
            at_once(record_provider_event(&store, &FixedClock(at(DEADLINE + 2)), in_flight())).unwrap();
            assert_eq!(store.end().status, Status::Expired, "in flight again, and too late");
            let event = ProviderEvent::Arrived {
                id,
                payment: Payment { paid_at: at(DEADLINE + 3), ..payment("a-1") },
                earliest: Some(at(PAID_AT)),
                money: money(25_000, "ZAR"),
            };
            at_once(record_provider_event(&store, &FixedClock(at(DEADLINE + 4)), event)).unwrap();
            let arrived = Arrival {
                payment: Payment { paid_at: at(DEADLINE + 3), ..payment("a-1") },
                earliest: at(PAID_AT),
                money: money(25_000, "ZAR"),
            };
            let provider = Refunds { state: Some(CheckoutState::Paid(vec![arrived])), ..Refunds::default() };
            look_at(&store, &provider, DEADLINE + 5);
            assert_eq!(store.end().status, Status::RefundDue, "begins with a failure: {begins_with_failure}");
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
        let state = Some(CheckoutState::Paid(vec![arrival("a-1")]));
        let (store, provider) = (store(Status::Clicked), Refunds { state, ..Refunds::default() });
        let seen = store.request.lock().unwrap().clone();
        let change = paid(payment("a-2"), money(25_000, "ZAR"), at(PAID_AT));
        at_once(store.change(seen.id, &change)).unwrap();
        at_once(look(&store, &provider, &doors_at(DEADLINE), "https://pay.example.com", seen)).unwrap();
        look_at(&store, &provider, DEADLINE);
        assert_eq!(*provider.refunded.lock().unwrap(), ["a-1"]);
    }
}
