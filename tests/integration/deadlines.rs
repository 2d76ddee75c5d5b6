//! Deadlines and times between machines: a refusal is final although other writes are slow, a filter and what it
//! returns agree, and no history goes backwards whichever clock wrote it.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::limits::WRITE_GRACE;
use domain::ports::{Changed, Changes as _};
use domain::{
    Actor, Change, Clock, Command, Doors, Money, OperationId, Payment, PaymentRequest, Status, SystemClock, Timestamp,
};
use futures::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tests::handlers::{Handlers, assert_possible};
use tests::proxy::Fault;
use tests::system::{Random, shifted};

/// What somebody does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Click,
    Cancel,
    Get,
    List,
    Page,
    Report,
    Sweep,
    LinkRemoved,
}

impl Deed {
    /// Returns how many writes precede the one that can record the expiry; `None` if the deed writes nothing.
    const fn writes_before_the_expiry(self) -> Option<usize> {
        match self {
            Self::Click | Self::Cancel => Some(1),
            Self::Sweep | Self::LinkRemoved => Some(0),
            Self::Get | Self::List | Self::Page | Self::Report => None,
        }
    }

    /// Does it, and returns the status that the answer says is final; `None` if it says that of none.
    async fn told(self, handlers: &Handlers, id: &str, token: &str) -> Option<Status> {
        match self {
            Self::Click | Self::Page => {
                let answer = if self == Self::Click { handlers.click(token).await } else { handlers.open(token).await };
                let page = answer.body.as_str().unwrap();
                match answer.status {
                    200 => None,
                    303 => Some(Status::Clicked),
                    410 if page.contains("This link has expired") => Some(Status::Expired),
                    410 if page.contains("This request was canceled") => Some(Status::Canceled),
                    _ => panic!("{answer:?}"),
                }
            }
            Self::Cancel => {
                let answer = handlers.cancel(id).await;
                match (answer.status, answer.code()) {
                    (200, _) | (409, "already_canceled") => Some(Status::Canceled),
                    (409, "already_clicked") => Some(Status::Clicked),
                    (409, "link_expired") => Some(Status::Expired),
                    _ => panic!("{answer:?}"),
                }
            }
            Self::Get => ended(&handlers.get(id).await.body["status"]),
            Self::List => ended(&handlers.list("supervisor").await.body["items"][0]["status"]),
            Self::Report => {
                let report = handlers.read("/reports/agents", "supervisor").await.body;
                let statuses = report["total"]["statuses"].as_object().unwrap();
                assert_eq!(statuses.len(), 1, "one request has one status: {report}");
                ended(&json!(statuses.keys().next().unwrap()))
            }
            Self::Sweep => {
                handlers.expire_what_is_due().await;
                None
            }
            Self::LinkRemoved => {
                handlers.link_removed(id).await;
                None
            }
        }
    }
}

/// Returns a status that a read shows, if it is no open one.
fn ended(status: &Value) -> Option<Status> {
    Some(status.as_str().unwrap().parse::<Status>().unwrap()).filter(|status| !status.is_open())
}

/// A click or a cancel begins a millisecond before the deadline, and its write is held on its way. Somebody else acts
/// at the deadline. The held write lands after the other's answer, or between the other's two writes. Whatever either
/// is told stays true.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_what_a_slow_write_can_still_change() {
    use Deed::{Cancel, Click, Get, LinkRemoved, List, Page, Report, Sweep};
    for slow in [Click, Cancel] {
        for other in [Click, Cancel, Get, List, Page, Report, Sweep, LinkRemoved] {
            race(slow, other, false).await;
            if other.writes_before_the_expiry().is_some() {
                race(slow, other, true).await;
            }
        }
    }
}

async fn race(slow: Deed, other: Deed, between: bool) {
    let case = format!("slow {slow:?}, then {other:?}, landing {}", if between { "between" } else { "after" });
    let handlers = Handlers::start().await;
    let (id, token) = handlers.sent().await;
    let deadline = handlers.stored(&id).await.deadline;
    let (in_time, too_late) = (handlers.at(shifted(deadline, -1)), handlers.at(deadline));
    let held = handlers.proxy.hold_write_after(0);
    let slow = tokio::spawn({
        let (id, token) = (id.clone(), token.clone());
        async move { slow.told(&in_time, &id, &token).await }
    });
    held.arrived().await;
    let (slow, other) = if between {
        let expiry = handlers.proxy.hold_write_after(other.writes_before_the_expiry().unwrap());
        let release = async {
            expiry.arrived().await;
            held.release();
            let slow = slow.await.unwrap();
            expiry.release();
            slow
        };
        tokio::join!(release, other.told(&too_late, &id, &token))
    } else {
        let other = other.told(&too_late, &id, &token).await;
        held.release();
        (slow.await.unwrap(), other)
    };
    let request = handlers.stored(&id).await;
    assert_possible(&request);
    assert_eq!(request.version(), 2, "{case}: {:?}", request.history);
    assert_eq!(slow, Some(request.status), "{case}: the slow one");
    assert!(other.is_none_or(|told| told == request.status), "{case}: told {other:?}, but {:?}", request.history);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_whose_answers_are_lost_is_written_once_and_is_the_truth() {
    let single = [Fault::AnswerLost, Fault::RequestLost];
    for faults in single.into_iter().flat_map(|fault| [vec![fault], vec![Fault::None, fault], vec![fault; 2]]) {
        for deed in [Deed::Cancel, Deed::Click] {
            let handlers = Handlers::start().await;
            let (id, token) = handlers.sent().await;
            let too_late = handlers.at(handlers.stored(&id).await.deadline);
            handlers.proxy.fail_next_writes(&faults);
            assert_eq!(deed.told(&too_late, &id, &token).await, Some(Status::Expired), "{deed:?} {faults:?}");
            let request = handlers.stored(&id).await;
            assert_possible(&request);
            assert_eq!((request.status, request.version()), (Status::Expired, 2), "{deed:?} {faults:?}");
            assert!(handlers.time_to_live(&id).await.is_some(), "it is removed one day");
            let item = handlers.item(&format!("REQ#{id}")).await;
            assert!(!item.contains_key("due_shard"), "nothing is left for the sweep");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_who_are_too_late_are_told_of_one_expiry() {
    let handlers = Handlers::start().await;
    let (id, token) = handlers.sent().await;
    let too_late = handlers.at(handlers.stored(&id).await.deadline);
    let deeds = [Deed::Cancel, Deed::Click, Deed::LinkRemoved].repeat(4);
    let told = join_all(deeds.iter().map(|deed| deed.told(&too_late, &id, &token))).await;
    assert!(told.iter().flatten().all(|status| *status == Status::Expired), "{told:?}");
    assert_eq!(handlers.stored(&id).await.version(), 2);
}

/// A read before that time must wait for the expiry. After it, the read is right without one.
#[tokio::test]
async fn a_link_past_its_deadline_reads_as_sent_until_no_write_can_still_land() {
    let handlers = Handlers::start().await;
    let (id, token) = handlers.sent().await;
    let over = handlers.stored(&id).await.deadline.saturating_add(WRITE_GRACE);
    for (now, status) in [(shifted(over, -1), "sent"), (over, "expired")] {
        let machine = handlers.at(now);
        let request = machine.get(&id).await.body;
        assert_eq!((&request["status"], &request["version"]), (&json!(status), &json!(1)));
        assert_eq!(request["link"].is_null(), status == "expired", "{request}");
        let page = machine.open(&token).await;
        let text = page.body.as_str().unwrap();
        assert!(!text.contains("<button"), "{text}");
        assert_eq!(page.status, if status == "sent" { 200 } else { 410 });
        for filter in ["sent", "expired"] {
            let found = machine.read(&format!("/payment-requests?status={filter}"), "agent").await.body;
            assert_eq!(found["items"].as_array().unwrap().len(), usize::from(filter == status), "{found}");
        }
        let report = machine.read("/reports/agents", "supervisor").await.body;
        assert_eq!(report["total"]["statuses"][status]["count"], 1, "{report}");
    }
    assert_eq!(handlers.stored(&id).await.version(), 1, "a read changes nothing");
}

/// A clock that goes on by ten milliseconds whenever it is read.
struct SteppingClock(AtomicI64);

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(self.0.fetch_add(10, Ordering::Relaxed)).unwrap()
    }
}

#[tokio::test]
async fn a_filter_and_what_it_returns_use_one_moment() {
    let handlers = Handlers::start().await;
    let (id, _) = handlers.sent().await;
    let over = handlers.stored(&id).await.deadline.saturating_add(WRITE_GRACE).as_milliseconds();
    for begins in (-50..=50).step_by(10) {
        let mut found = 0;
        for status in ["sent", "expired"] {
            let machine = handlers.with_clock(SteppingClock(AtomicI64::new(over + begins)));
            let answer = machine.read(&format!("/payment-requests?status={status}"), "supervisor").await.body;
            let items = answer["items"].as_array().unwrap();
            assert!(items.iter().all(|item| item["status"] == status), "{status} at {begins}: {answer}");
            found += items.len();
        }
        assert_eq!(found, 1, "at {begins}");
    }
}

fn payment(reference: &str, paid_at: Timestamp) -> Payment {
    Payment { provider: "sandbox".into(), reference: reference.into(), paid_at }
}

/// Builds a change of a random kind.
fn change(random: &mut Random, now: Timestamp) -> Change {
    let money = Money { amount: 25_000.try_into().unwrap(), currency: "ZAR".parse().unwrap() };
    let payment = payment(["p", "q"][random.below(2)], shifted(now, i64::try_from(random.below(200)).unwrap() - 100));
    let command = match random.below(10) {
        0 | 1 => Command::Click { checkout_limit: Duration::from_mins(15) },
        2 => Command::Cancel,
        3 => Command::ExpireUnclicked,
        4 => Command::Process { payment, money },
        5 => Command::Pay { earliest: payment.paid_at, is_assumed: false, payment, money },
        6 => Command::FailPayment { provider: payment.provider, reference: payment.reference, page_is_open: false },
        7 => Command::CompleteRefund,
        _ => Command::RecordFailedAttempt { reason: None },
    };
    Change::new(command, now, Actor::System, OperationId::random(&Doors::default()).unwrap())
}

fn assert_in_order(request: &PaymentRequest) {
    assert!(request.history.is_sorted_by_key(|entry| entry.at), "{:?}", request.history);
}

/// Each change comes from a machine of its own, whose clock differs by up to a tenth of a second. Now and then the item
/// is one that release 0.1 wrote, without the time of its last change.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_applies_what_the_table_allows_and_records_times_that_never_go_backwards() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    for seed in 1..=40 {
        let mut random = Random::new(seed);
        let (id, _) = handlers.sent().await;
        let mut before = handlers.stored(&id).await;
        let mut time = before.deadline.as_milliseconds() - 300;
        for _ in 0..16 {
            time += i64::try_from(random.below(60)).unwrap();
            let skew = i64::try_from(random.below(200)).unwrap() - 100;
            let change = change(&mut random, Timestamp::from_milliseconds(time + skew).unwrap());
            if random.below(4) == 0 {
                forget_time_of_last_change(&handlers, &id).await;
            }
            let expected = change.transition(&before);
            let after = match (expected, store.change(before.id, &change).await.unwrap()) {
                (Some(row), Changed::Applied(after)) => {
                    let mut history = before.history.clone();
                    history.push(change.entry(row, change.recorded_at(before.updated_at())));
                    assert_eq!(after.history, history, "{seed}");
                    *after
                }
                (None, Changed::Unchanged(after)) => {
                    assert_eq!(*after, before, "{seed}");
                    *after
                }
                (row, changed) => panic!("{seed}: the table says {row:?}, the store {changed:?}"),
            };
            assert_possible(&after);
            assert_in_order(&after);
            before = after;
        }
    }
}

async fn forget_time_of_last_change(handlers: &Handlers, id: &str) {
    let update = handlers.database_client().update_item().table_name(local::dynamodb::TABLE_NAME);
    let update = update.key("pk", AttributeValue::S(format!("REQ#{id}")));
    update.update_expression("REMOVE updated_at").send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_whose_clocks_differ_write_one_history_that_never_goes_backwards() {
    let handlers = Handlers::start().await;
    let now = SystemClock.now();
    let machines: Vec<Arc<Handlers>> =
        (0..6).map(|machine| handlers.at(shifted(now, 60_000 - 30 * i64::from(machine)))).collect();
    for round in 0..10 {
        let answer = machines[round % 6].create(None).await.body;
        let id = answer["id"].as_str().unwrap();
        let token = answer["link"]["url"].as_str().unwrap().rsplit('/').next().unwrap();
        // The machine that created the request has one of the fastest clocks, or one of the slowest.
        let clicks = join_all(machines.iter().map(|machine| machine.click(token))).await;
        assert!(clicks.iter().all(|click| click.status == 303), "{clicks:?}");
        let reports = machines
            .iter()
            .enumerate()
            .map(|(index, machine)| async move { machine.fail_attempt(id, &format!("msg_{round}_{index}")).await });
        assert!(join_all(reports).await.iter().all(|report| report.status == 200));
        let paid = join_all(machines.iter().map(|machine| machine.pay(id, now))).await;
        assert!(paid.iter().all(|report| report.status == 200), "{paid:?}");
        let request = handlers.stored(id).await;
        assert_possible(&request);
        assert_in_order(&request);
        assert_eq!((request.status, request.version()), (Status::Paid, 9));
    }
}

/// The common life has one clock, or clocks that differ by less than a person needs to act. It pays nothing for the
/// others.
#[tokio::test]
async fn only_a_slower_clock_writes_again() {
    let handlers = Handlers::start().await;
    for (slower_by, writes) in [(0, 3), (50, 5)] {
        let (id, token) = handlers.sent().await;
        let machine = handlers.at(shifted(handlers.stored(&id).await.created_at, -slower_by));
        handlers.proxy.take_calls();
        machine.click(&token).await;
        machine.pay(&id, SystemClock.now()).await;
        let calls = handlers.proxy.take_calls();
        assert_eq!(calls.iter().filter(|call| call.is_write()).count(), writes, "{calls:?}");
        assert_in_order(&handlers.stored(&id).await);
    }
}
