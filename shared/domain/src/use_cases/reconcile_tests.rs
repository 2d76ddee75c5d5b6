//! The rules of a reconciliation, over fakes of both sides.

use super::UseCaseError;
use super::reconcile::{
    DAY_MARGIN, DailyRun, Ended, LATE_MARGIN, LONGEST_WINDOW, Pass, SHORTEST_WINDOW, Step, reconcile,
};
use crate::difference::{Difference, DifferenceKind};
use crate::id::PaymentRequestId;
use crate::payment_request::{Payment, PaymentRequest};
use crate::ports::{
    CreatedRequests, FoundRequests, PaymentsPage, PayoutsPage, Place, ProviderError, ProviderPayment, Reads,
    Reconciliations, SettlementList, SettlementState, Settlements, Stage, StoreError, Window,
};
use crate::status::Status;
use crate::test_support::{FixedClock, at, at_once, money, request};
use crate::time::{Clock, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

const DAY: i64 = 24 * 60 * 60 * 1000;
/// The time of the run.
const NOW: i64 = 100 * DAY;
const PAGE: usize = 100;

/// Both sides in memory. Each call returns one page.
#[derive(Default)]
struct Sides {
    payments: Vec<ProviderPayment>,
    refunds: Vec<ProviderPayment>,
    disputes: Vec<ProviderPayment>,
    requests: Mutex<HashMap<PaymentRequestId, PaymentRequest>>,
    unreadable: HashSet<PaymentRequestId>,
    stored: Mutex<BTreeMap<String, Difference>>,
    places: Mutex<HashMap<String, Place>>,
    /// The number of further pages that the provider returns; after that, one cannot be read.
    pages: AtomicI64,
    /// The greatest number of payments or requests that one call returned.
    greatest: AtomicUsize,
    /// The number of single payments that the provider was asked for.
    asked: AtomicUsize,
}

impl Sides {
    fn new(requests: Vec<PaymentRequest>, payments: Vec<ProviderPayment>) -> Self {
        let requests = Mutex::new(requests.into_iter().map(|request| (request.id, request)).collect());
        Self { requests, payments, pages: AtomicI64::new(i64::MAX), ..Self::default() }
    }

    fn page<T: Clone>(&self, all: &[T], place: Option<&str>) -> (Vec<T>, Option<String>) {
        let start = place.map_or(0, |place| place.parse::<usize>().unwrap());
        let page: Vec<T> = all.iter().skip(start).take(PAGE).cloned().collect();
        self.greatest.fetch_max(page.len(), Ordering::Relaxed);
        let end = start + page.len();
        (page, (end < all.len()).then(|| end.to_string()))
    }

    fn kinds(&self) -> Vec<(DifferenceKind, String)> {
        let stored = self.stored.lock().unwrap();
        let mut kinds: Vec<_> = stored.values().map(|found| (found.kind, found.reference.clone())).collect();
        kinds.sort();
        kinds
    }

    /// Runs the daily run at a time, and returns how it ended and the new differences.
    fn run_at(&self, now: i64) -> (Result<Ended, UseCaseError>, Vec<Difference>) {
        self.run(&FixedClock(at(now)), Duration::MAX)
    }

    fn run(&self, clock: &impl Clock, at_most: Duration) -> (Result<Ended, UseCaseError>, Vec<Difference>) {
        let mut reported = Vec::new();
        let run = DailyRun { provider: "sandbox", retention: Duration::from_hours(365 * 24), at_most };
        let mut report = |_: &Step, new: &[Difference]| reported.extend_from_slice(new);
        let ended = at_once(reconcile(self, self, clock, run, &mut report));
        (ended, reported)
    }
}

impl Settlements for Sides {
    async fn settlements(
        &self,
        list: SettlementList,
        window: Window,
        place: Option<&str>,
    ) -> Result<PaymentsPage, ProviderError> {
        if self.pages.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(ProviderError::Unreadable("half a page".into()));
        }
        let all: Vec<_> = match list {
            SettlementList::Payments => self.payments.iter().filter(|one| window.contains(one.paid_at)).collect(),
            // The fakes do not know when they were made; the first pass gets them all.
            SettlementList::Refunds if window.to == at(NOW).saturating_sub(DAY_MARGIN) => self.refunds.iter().collect(),
            SettlementList::Disputes if window.to == at(NOW).saturating_sub(DAY_MARGIN) => {
                self.disputes.iter().collect()
            }
            _ => Vec::new(),
        };
        let (page, next) = self.page(&all, place);
        Ok(PaymentsPage { payments: page.into_iter().cloned().collect(), unknown: 0, next })
    }

    async fn payment(&self, reference: &str) -> Result<Option<ProviderPayment>, ProviderError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let all = self.payments.iter().chain(&self.refunds).chain(&self.disputes);
        Ok(all.into_iter().find(|payment| payment.reference == reference).cloned())
    }

    async fn payouts(&self, _: Window, _: Option<&str>) -> Result<PayoutsPage, ProviderError> {
        Ok(PayoutsPage::default())
    }
}

impl Reads for Sides {
    async fn get(&self, id: PaymentRequestId) -> Result<Option<PaymentRequest>, StoreError> {
        Ok(self.requests.lock().unwrap().get(&id).cloned())
    }
}

impl Reconciliations for Sides {
    async fn find_requests(&self, ids: &[PaymentRequestId]) -> Result<FoundRequests, StoreError> {
        let requests = self.requests.lock().unwrap();
        let readable = |id: &&PaymentRequestId| !self.unreadable.contains(id);
        let found = ids.iter().filter(readable).filter_map(|id| Some((*id, requests.get(id)?.clone())));
        Ok(FoundRequests { requests: found.collect(), unreadable: self.unreadable.clone() })
    }

    async fn requests_created(&self, window: Window, place: Option<&str>) -> Result<CreatedRequests, StoreError> {
        let requests = self.requests.lock().unwrap();
        let mut all: Vec<_> = requests.values().filter(|request| window.contains(request.created_at)).collect();
        all.sort_by_key(|request| request.id);
        let (page, next) = self.page(&all, place);
        Ok(CreatedRequests { requests: page.into_iter().cloned().collect(), next })
    }

    async fn record_difference(&self, difference: &Difference) -> Result<bool, StoreError> {
        let mut stored = self.stored.lock().unwrap();
        let is_new = !stored.contains_key(&difference.digest());
        stored.entry(difference.digest()).or_insert_with(|| difference.clone());
        Ok(is_new)
    }

    async fn place(&self, name: &str) -> Result<Option<Place>, StoreError> {
        Ok(self.places.lock().unwrap().get(name).cloned())
    }

    async fn keep_place(&self, name: &str, place: &Place) -> Result<(), StoreError> {
        self.places.lock().unwrap().insert(name.to_owned(), place.clone());
        Ok(())
    }
}

/// The time of the payments: within the first pass's window.
fn paid_at() -> Timestamp {
    at(NOW - DAY / 2)
}

/// Builds a request in this status, which a payment of this name pays if the status is one of a paid request.
fn requested(status: Status, name: &str) -> PaymentRequest {
    let mut request = request(status, 1_000);
    request.created_at = at(NOW - DAY / 2 - 60_000);
    if matches!(status, Status::Paid | Status::RefundDue | Status::Refunded) {
        request.payment = Some(Payment { provider: "sandbox".into(), reference: name.into(), paid_at: paid_at() });
    }
    request
}

/// Builds the provider's payment of a request over R250.00.
fn payment(id: PaymentRequestId, name: &str) -> ProviderPayment {
    ProviderPayment {
        reference: name.to_owned(),
        id,
        money: Some(money(25_000, "ZAR")),
        paid_at: paid_at(),
        state: SettlementState::Settled,
        refunded: None,
        disputed: false,
        fee: None,
        balance_entry: None,
        payout: None,
    }
}

/// Returns the kinds of differences of one request in this status and its payment, changed by `change`.
fn kinds(status: Status, change: impl FnOnce(&mut ProviderPayment, &mut PaymentRequest)) -> Vec<DifferenceKind> {
    let mut request = requested(status, "pay_1");
    let mut payment = payment(request.id, "pay_1");
    change(&mut payment, &mut request);
    let sides = Sides::new(vec![request], vec![payment]);
    let (ended, reported) = sides.run_at(NOW);
    assert!(matches!(ended, Ok(Ended::CaughtUp)), "{ended:?}");
    reported.into_iter().map(|difference| difference.kind).collect()
}

#[test]
fn what_agrees_or_settles_by_itself_is_no_difference() {
    let whole = Some(money(25_000, "ZAR"));
    assert_eq!(kinds(Status::Paid, |_, _| {}), []);
    assert_eq!(kinds(Status::RefundDue, |_, _| {}), [], "its refund is under way");
    assert_eq!(kinds(Status::RefundDue, |payment, _| payment.refunded = whole), [], "its report is in flight");
    assert_eq!(kinds(Status::Refunded, |payment, _| payment.refunded = whole), []);
    assert_eq!(kinds(Status::Processing, |_, _| {}), [], "it is asked about until it has settled");
    for status in [Status::Clicked, Status::Expired, Status::Canceled] {
        for state in [SettlementState::Pending, SettlementState::Failed] {
            assert_eq!(kinds(status, |payment, _| payment.state = state), [], "{status}");
        }
        assert_eq!(kinds(status, |payment, _| payment.refunded = whole), [], "{status}: the money has gone back");
    }
    assert_eq!(kinds(Status::Paid, |payment, _| payment.paid_at = at(NOW)), [], "too young");
    let old = |payment: &mut ProviderPayment, request: &mut PaymentRequest| {
        // A report came late, so both sides have another time. The provider's lies in the next window.
        payment.paid_at = at(NOW - 1);
        request.payment.as_mut().unwrap().paid_at = at(NOW - DAY / 2);
    };
    assert_eq!(kinds(Status::Paid, old), []);
}

#[test]
fn each_kind_of_difference_is_found() {
    use DifferenceKind::{AmountDiffers, Disputed, NotAtProvider, NotRecorded, NotRefunded, RefundedByPerson};
    let part = Some(money(1_000, "ZAR"));
    for status in [Status::Sent, Status::Clicked, Status::Expired, Status::Canceled] {
        assert_eq!(kinds(status, |_, _| {}), [NotRecorded], "{status}");
        assert_eq!(kinds(status, |payment, _| payment.refunded = part), [NotRecorded], "{status}");
        assert_eq!(kinds(status, |payment, _| payment.money = part), [AmountDiffers], "{status}");
        assert_eq!(kinds(status, |payment, _| payment.money = None), [AmountDiffers], "{status}");
    }
    assert_eq!(kinds(Status::Paid, |payment, _| payment.refunded = part), [RefundedByPerson]);
    assert_eq!(kinds(Status::Paid, |payment, _| payment.disputed = true), [Disputed]);
    assert_eq!(kinds(Status::Refunded, |_, _| {}), [NotRefunded]);
    assert_eq!(kinds(Status::Refunded, |payment, _| payment.refunded = part), [NotRefunded]);
    let other = |payment: &mut ProviderPayment, _: &mut PaymentRequest| payment.reference = "pay_2".to_owned();
    assert_eq!(kinds(Status::Paid, other), [NotRecorded, NotAtProvider], "a second payment, and none of the first");
    let usd = Some(money(25_000, "USD"));
    assert_eq!(kinds(Status::Expired, |payment, _| payment.money = usd), [AmountDiffers], "another currency");
    assert_eq!(kinds(Status::Paid, |payment, _| payment.state = SettlementState::Failed), [NotAtProvider]);
}

#[test]
fn a_request_that_may_have_been_deleted_is_not_missing_and_one_that_cannot_be_read_is_not_either() {
    let id = request(Status::Paid, 1_000).id;
    let missing = Sides::new(Vec::new(), vec![payment(id, "pay_1")]);
    assert!(missing.run_at(NOW).0.is_ok());
    assert_eq!(missing.kinds(), [(DifferenceKind::NotRecorded, "pay_1".to_owned())]);
    let deleted = Sides::new(Vec::new(), vec![payment(id, "pay_1")]);
    let run = DailyRun { provider: "sandbox", retention: Duration::from_hours(6), at_most: Duration::MAX };
    at_once(reconcile(&deleted, &deleted, &FixedClock(at(NOW)), run, &mut |_, _| {})).unwrap();
    assert_eq!(deleted.kinds(), []);
    let mut unreadable = Sides::new(Vec::new(), vec![payment(id, "pay_1")]);
    unreadable.unreadable.insert(id);
    assert!(unreadable.run_at(NOW).0.is_ok());
    assert_eq!(unreadable.kinds(), []);
}

#[test]
fn refunds_and_disputes_of_earlier_payments_are_found_by_their_own_lists() {
    let (mut refunded, mut disputed) = (requested(Status::Paid, "pay_1"), requested(Status::Paid, "pay_2"));
    let long_ago = at(NOW - 30 * DAY);
    for request in [&mut refunded, &mut disputed] {
        request.created_at = long_ago;
        request.payment.as_mut().unwrap().paid_at = long_ago;
    }
    let of = |request: &PaymentRequest, name| ProviderPayment { paid_at: long_ago, ..payment(request.id, name) };
    let by_person = ProviderPayment { refunded: Some(money(25_000, "ZAR")), ..of(&refunded, "pay_1") };
    let at_the_bank = ProviderPayment { disputed: true, ..of(&disputed, "pay_2") };
    let sides = Sides {
        refunds: vec![by_person],
        disputes: vec![at_the_bank],
        ..Sides::new(vec![refunded, disputed], Vec::new())
    };
    assert!(sides.run_at(NOW).0.is_ok());
    let expected =
        [(DifferenceKind::RefundedByPerson, "pay_1".to_owned()), (DifferenceKind::Disputed, "pay_2".to_owned())];
    assert_eq!(sides.kinds(), expected);
}

/// Builds a day's payments with 50 planted differences, and returns both with the planted ones.
fn day(count: usize) -> (Sides, Vec<(DifferenceKind, String)>) {
    let (mut requests, mut payments, mut planted) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        let name = format!("pay_{number:05}");
        let mut request = requested(Status::Paid, &name);
        let mut payment = payment(request.id, &name);
        let spoiled = number % (count / 50) == 7;
        match (spoiled, number / (count / 50) % 5) {
            (false, _) => {
                requests.push(request);
                payments.push(payment);
                continue;
            }
            (true, 0) => {
                (request.status, request.payment) = (Status::Expired, None);
                planted.push((DifferenceKind::NotRecorded, name));
            }
            (true, 1) => {
                planted.push((DifferenceKind::NotAtProvider, name));
                requests.push(request);
                continue;
            }
            (true, 2) => {
                payment.money = Some(money(24_999, "ZAR"));
                planted.push((DifferenceKind::AmountDiffers, name));
            }
            (true, 3) => {
                payment.refunded = payment.money;
                planted.push((DifferenceKind::RefundedByPerson, name));
            }
            (true, _) => {
                payment.disputed = true;
                planted.push((DifferenceKind::Disputed, name));
            }
        }
        requests.push(request);
        payments.push(payment);
    }
    planted.sort();
    (Sides::new(requests, payments), planted)
}

#[test]
fn a_day_of_10_000_payments_with_50_differences_names_exactly_those_page_by_page() {
    let (sides, planted) = day(10_000);
    assert_eq!(planted.len(), 50);
    let (ended, reported) = sides.run_at(NOW);
    assert!(matches!(ended, Ok(Ended::CaughtUp)), "{ended:?}");
    assert_eq!(sides.kinds(), planted);
    assert_eq!(reported.len(), 50);
    assert_eq!(sides.greatest.load(Ordering::Relaxed), PAGE, "no call returned more than a page");
    assert_eq!(sides.asked.load(Ordering::Relaxed), 50, "single payments are read for differences alone");

    // A rerun finds nothing to compare, and another one of the same window nothing new.
    assert_eq!(sides.run_at(NOW).1, []);
    sides.places.lock().unwrap().clear();
    assert_eq!(sides.run_at(NOW).1, []);
    assert_eq!(sides.kinds(), planted);
}

#[test]
fn a_run_that_stops_at_any_page_goes_on_from_its_place_and_neither_misses_nor_repeats() {
    for pages in 0..12 {
        let (sides, planted) = day(1_000);
        sides.pages.store(pages, Ordering::Relaxed);
        let (ended, first) = sides.run_at(NOW);
        if pages < 12 - 1 {
            assert!(matches!(ended, Err(UseCaseError::Provider(ProviderError::Unreadable(_)))), "{pages}: {ended:?}");
        }
        if pages > 0 {
            let place = sides.places.lock().unwrap()["sandbox"].clone();
            assert_ne!(place, Place::start(place.window), "{pages}: the place is kept");
        }
        sides.pages.store(i64::MAX, Ordering::Relaxed);
        let (ended, second) = sides.run_at(NOW);
        assert!(matches!(ended, Ok(Ended::CaughtUp)), "{ended:?}");
        assert_eq!(sides.kinds(), planted, "{pages}");
        assert_eq!(first.len() + second.len(), 50, "{pages}: each is reported once");
        // A page that is compared again looks at its differences again, and at nothing else.
        let asked = sides.asked.load(Ordering::Relaxed);
        assert!((50..=2 * 50).contains(&asked), "{pages}: {asked} single payments were read");
    }
}

#[test]
fn money_that_was_in_flight_in_its_window_is_compared_in_both_directions_three_weeks_later() {
    let mut flying = requested(Status::Processing, "pay_a");
    flying.payment = None;
    let (id, mut failed) = (flying.id, payment(flying.id, "pay_a"));
    failed.state = SettlementState::Pending;
    let mut sides = Sides::new(vec![flying], vec![failed]);
    assert_eq!(sides.run_at(NOW).1, []);
    // A report says that it has arrived, and the provider at last that it has not.
    *sides.requests.get_mut().unwrap().get_mut(&id).unwrap() =
        PaymentRequest { id, ..requested(Status::Paid, "pay_a") };
    sides.payments[0].state = SettlementState::Failed;
    let (_, found) = sides.run_at(NOW + i64::try_from(LATE_MARGIN.as_millis()).unwrap() + DAY);
    assert_eq!(sides.kinds(), [(DifferenceKind::NotAtProvider, "pay_a".to_owned())]);
    assert_eq!(found.len(), 1);
}

#[test]
fn a_status_that_this_version_does_not_know_makes_no_difference_of_a_payment_that_is_recorded() {
    let request = requested(Status::Paid, "pay_a");
    let mut unknown = payment(request.id, "pay_a");
    unknown.state = SettlementState::Pending;
    let sides = Sides::new(vec![request], vec![unknown]);
    assert_eq!(sides.run_at(NOW).1, []);
}

/// A clock that advances by a second at each look.
struct TickingClock(AtomicI64);

impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        at(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

#[test]
fn a_run_whose_time_is_over_stops_between_two_pages() {
    let (sides, planted) = day(1_000);
    let mut reported = 0;
    let mut runs = 0;
    loop {
        runs += 1;
        let (ended, new) = sides.run(&TickingClock(AtomicI64::new(NOW)), Duration::from_secs(5));
        reported += new.len();
        if ended.unwrap() == Ended::CaughtUp {
            break;
        }
    }
    assert!(runs > 1, "the time was over at least once");
    assert_eq!((sides.kinds(), reported), (planted, 50));
}

#[test]
fn windows_follow_each_other_without_a_gap_and_end_before_the_margin() {
    let sides = Sides::new(Vec::new(), Vec::new());
    let mut windows = Vec::new();
    for now in [NOW, NOW + DAY / 4, NOW + DAY, NOW + 4 * DAY] {
        let run = DailyRun { provider: "sandbox", retention: Duration::from_hours(365 * 24), at_most: Duration::MAX };
        let mut report = |step: &Step, _: &[Difference]| {
            if step.stage == Stage::Requests && step.window.to > at(now).saturating_sub(LATE_MARGIN) {
                windows.push(step.window);
            }
        };
        at_once(reconcile(&sides, &sides, &FixedClock(at(now)), run, &mut report)).unwrap();
        let late = sides.places.lock().unwrap()[&Pass::Late.name("sandbox")].clone();
        assert_eq!(late.stage, Stage::Done);
        assert!(late.window.to <= at(now).saturating_sub(LATE_MARGIN));
    }
    assert_eq!(windows[0].from, at(NOW).saturating_sub(DAY_MARGIN + LONGEST_WINDOW));
    assert_eq!(windows.last().unwrap().to, at(NOW + 4 * DAY).saturating_sub(DAY_MARGIN));
    for pair in windows.windows(2) {
        assert_eq!(pair[0].to, pair[1].from);
    }
    for window in &windows {
        let length = window.to.saturating_duration_since(window.from);
        assert!((SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&length), "{window:?}");
    }
}
