//! Tests that hold for several use cases: a refusal is final, the times of a history never go backwards, and a failed
//! payment of an ended request is a fact alone.

use super::cancel::{Canceled, cancel};
use super::click::{Clicked, click};
use super::expire::{Found, Settled, expire_unclicked};
use super::pay::{ProviderEvent, ProviderEventOutcome, record_provider_event};
use crate::fact::Fact;
use crate::id::OperationId;
use crate::limits::Limits;
use crate::payment_request::{Payment, PaymentRequest};
use crate::people::{Actor, Agent, Caller, Identity};
use crate::status::Status;
use crate::test_support::{FakeProvider, FakeStore, apply, at, at_once, doors_at, money, request};
use crate::transition::{CancelRefusal, Change, CheckoutClosed, Command};
use proptest::prelude::*;
use std::time::Duration;

const DEADLINE: i64 = 300_000;
const LIMITS: Limits = Limits {
    link: Duration::from_millis(DEADLINE.unsigned_abs()),
    checkout: Duration::from_mins(15),
    retention: Duration::from_hours(24),
};

/// Somebody who acts on a request around its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Cancels,
    Clicks,
    Reads,
    Sweeps,
}

/// Lets somebody act at `now`, and returns the status that they are told as final; `None` if they are told none.
fn told(who: Who, store: &FakeStore, now: i64) -> Option<Status> {
    let doors = doors_at(now);
    let before = store.request.lock().unwrap().clone();
    match who {
        Who::Cancels => {
            let agent = Agent { id: "sara".parse().unwrap(), name: "Sara".parse().unwrap() };
            let caller = Caller { workspace: before.workspace.clone(), identity: Identity::Supervisor(agent) };
            match at_once(cancel(store, &doors, &caller, before.id)).unwrap() {
                Canceled::Done(_) | Canceled::Refused(CancelRefusal::AlreadyCanceled) => Some(Status::Canceled),
                Canceled::Refused(CancelRefusal::AlreadyClicked) => Some(Status::Clicked),
                Canceled::Refused(CancelRefusal::LinkExpired) => Some(Status::Expired),
                other => panic!("{other:?}"),
            }
        }
        Who::Clicks => {
            match at_once(click(store, &FakeProvider, &doors, &LIMITS, "https://pay.example", &before.token)).unwrap() {
                Clicked::Checkout { .. } => Some(Status::Clicked),
                Clicked::Settled(request) | Clicked::Asked(request, _) => Some(request.status),
                other => panic!("{other:?}"),
            }
        }
        Who::Reads => Some(before.status_at(at(now))).filter(|status| !status.is_open()),
        Who::Sweeps => match at_once(expire_unclicked(store, &doors, before.id)).unwrap() {
            Found::Settled(Settled::Expired(request)) => Some(request.status),
            Found::Settled(Settled::NotDue) => None,
            other => panic!("{other:?}"),
        },
    }
}

fn changed_by(command: Command, now: i64) -> Change {
    Change::new(command, at(now), Actor::Customer, OperationId::random(&doors_at(now)).unwrap())
}

/// A slow click or cancel that began in time lands before the other's first write, between its two writes, or after its
/// answer. Whatever status the other is told is the one that the request keeps.
#[test]
fn nobody_is_told_what_a_write_that_began_in_time_can_still_change() {
    let slow = [Command::Click { checkout_limit: LIMITS.checkout }, Command::Cancel];
    for slow in slow.map(|command| changed_by(command, DEADLINE - 1)) {
        for who in [Who::Cancels, Who::Clicks, Who::Reads, Who::Sweeps] {
            for (lands_after, now) in (0..3).flat_map(|writes| (-1..2).map(move |late| (writes, DEADLINE + late))) {
                let store = FakeStore::of(request(Status::Sent, DEADLINE));
                store.apply_before_write(lands_after, slow.clone());
                let told = told(who, &store, now);
                let ended = store.end();
                let case = format!("{:?} lands after {lands_after} writes, {who:?} at {now}", slow.command.kind());
                assert!(told.is_none_or(|told| told == ended.status), "{case}: told {told:?}, but {:?}", ended.history);
                assert_eq!(ended.version(), 2, "{case}");
            }
        }
    }
}

#[test]
fn two_who_are_too_late_at_once_are_told_the_same() {
    for (one, other) in [(Who::Cancels, Who::Clicks), (Who::Clicks, Who::Cancels), (Who::Cancels, Who::Cancels)] {
        let store = FakeStore::of(request(Status::Sent, DEADLINE));
        // The other's expiry lands between the two writes of the first.
        store.apply_before_write(1, changed_by(Command::ExpireUnclicked, DEADLINE));
        assert_eq!(told(one, &store, DEADLINE), Some(Status::Expired));
        assert_eq!(told(other, &store, DEADLINE), Some(Status::Expired));
        assert_eq!(store.end().version(), 2);
    }
}

#[test]
fn only_who_is_too_late_writes_more_than_once() {
    for (status, who, now, writes) in [
        (Status::Sent, Who::Cancels, DEADLINE - 1, 1),
        (Status::Sent, Who::Clicks, DEADLINE - 1, 2),
        (Status::Sent, Who::Reads, DEADLINE, 0),
        (Status::Sent, Who::Cancels, DEADLINE, 2),
        (Status::Sent, Who::Clicks, DEADLINE, 2),
        (Status::Expired, Who::Cancels, DEADLINE, 1),
        (Status::Expired, Who::Clicks, DEADLINE, 1),
    ] {
        let store = FakeStore::of(request(status, DEADLINE));
        told(who, &store, now);
        assert_eq!(store.writes(), writes, "{who:?} of {status} at {now}");
    }
}

fn payment(paid_at: i64) -> Payment {
    Payment { provider: "sandbox".into(), reference: "p".into(), paid_at: at(paid_at) }
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Click { checkout_limit: LIMITS.checkout }),
        Just(Command::Cancel),
        Just(Command::ExpireUnclicked),
        Just(Command::ExpireUnpaid(CheckoutClosed::confirmed())),
        (0..2 * DEADLINE)
            .prop_map(|paid_at| Command::Process { payment: payment(paid_at), money: money(25_000, "ZAR") }),
        (0..2 * DEADLINE).prop_map(|paid_at| Command::Pay {
            payment: payment(paid_at),
            earliest: at(paid_at),
            is_assumed: false,
            money: money(25_000, "ZAR"),
        }),
        Just(Command::FailPayment { provider: "sandbox".into(), reference: "q".into(), page_is_open: false }),
        Just(Command::RecordFailedAttempt { reason: None }),
        Just(Command::CompleteRefund),
    ]
}

proptest! {
    /// Each change comes from a machine of its own, whose clock differs by up to a second.
    #[test]
    fn the_times_of_a_history_never_go_backwards_and_each_deadline_holds(
        changes in prop::collection::vec((command(), 0..2_000_i64, -1_000..1_000_i64), 1..20),
        created_at in -1_000..1_000_i64,
    ) {
        let mut request = request(Status::Sent, DEADLINE);
        request.history[0].at = at(created_at);
        let mut time = DEADLINE - 5_000;
        for (command, pause, skew) in changes {
            time += pause;
            let (before, change) = (request.clone(), changed_by(command, time + skew));
            if !apply(&mut request, &change) {
                prop_assert_eq!(&request, &before);
                continue;
            }
            prop_assert!(request.updated_at() >= before.updated_at().max(change.at));
            if before.status == Status::Sent {
                let entry = request.history.last().unwrap();
                match entry.status {
                    Status::Clicked | Status::Canceled => prop_assert!(entry.at < before.deadline),
                    Status::Expired => prop_assert!(entry.at >= before.deadline),
                    _ => {}
                }
            }
        }
        prop_assert!(request.history.is_sorted_by_key(|entry| entry.at), "{:?}", request.history);
    }
}

fn report_failure(store: &FakeStore) -> ProviderEventOutcome {
    let id = store.request.lock().unwrap().id;
    let event = ProviderEvent::PaymentFailed { id, provider: "sandbox".into(), reference: "p".into() };
    at_once(record_provider_event(store, &doors_at(DEADLINE + 1), event)).unwrap()
}

/// Returns what a person and the bus see of a request.
fn seen(request: &PaymentRequest) -> (Status, usize, bool) {
    (request.status, request.version(), request.payment_failed())
}

#[test]
fn a_failed_payment_that_changes_nothing_is_a_fact_alone() {
    for status in Status::ALL {
        let store = FakeStore::of(request(status, DEADLINE));
        let before = store.end();
        let outcomes = [report_failure(&store), report_failure(&store)];
        let after = store.end();
        assert!(after.has_fact(&Fact::payment_failed("sandbox", "p")), "{status}");
        if matches!(status, Status::Clicked | Status::Processing) {
            assert_eq!(seen(&after), (Status::Expired, 2, true), "{status}");
        } else {
            assert_eq!(seen(&after), seen(&before), "{status}");
            assert!(matches!(outcomes[0], ProviderEventOutcome::Unchanged(_)), "{status}: {outcomes:?}");
            assert_eq!(store.writes(), 3, "the second report finds the fact: {status}");
        }
    }
}

/// The report that the same payment is in flight gets in between the two writes of its failure. The request must not
/// wait for it.
#[test]
fn a_failed_payment_is_not_waited_for_whichever_report_gets_in_between() {
    for writes in 0..3 {
        let store = FakeStore::of(request(Status::Expired, DEADLINE));
        let process = Command::Process { payment: payment(DEADLINE), money: money(25_000, "ZAR") };
        store.apply_before_write(writes, changed_by(process, DEADLINE + 1));
        report_failure(&store);
        let ended = store.end();
        assert_eq!(ended.status, Status::Expired, "after {writes} writes: {:?}", ended.history);
        assert_eq!(ended.payment_failed(), writes < 2, "only a payment that was waited for has failed");
    }
}
