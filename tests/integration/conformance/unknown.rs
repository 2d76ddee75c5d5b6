//! Values that this version does not know: each counts as "not yet", is counted, and loses nothing.

use super::provider::{About, EnumField, Page, Provider, RefundsEnd, Report};
use super::world::{Delivery, World};
use domain::ports::{SettlementList, SettlementState, Settlements as _, Window};
use domain::{Clock as _, Status, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::log::Log;

/// A value that no version of a provider has.
const UNKNOWN: &str = "value_of_tomorrow";

/// Sets an existing value, by names separated by dots; `*` stands for each element of a list. Returns whether there is
/// such a value.
fn set(object: &mut Value, path: &str) -> bool {
    let Some((name, rest)) = path.split_once('.') else {
        let Some(value) = object.get_mut(path).filter(|value| !value.is_null()) else { return false };
        *value = json!(UNKNOWN);
        return true;
    };
    match (name, object) {
        ("*", Value::Array(elements)) => elements.iter_mut().fold(false, |is_set, element| set(element, rest) | is_set),
        (_, object) => object.get_mut(name).is_some_and(|object| set(object, rest)),
    }
}

/// Answers the field's calls with the unknown value. Returns whether one was.
fn answer_unknown<P: Provider>(world: &World<P>, field: EnumField) -> Arc<AtomicBool> {
    let answered = Arc::<AtomicBool>::default();
    let seen = Arc::clone(&answered);
    world.wire.rewrite(move |call, mut answer| {
        if call.starts_with(field.call) && set(&mut answer, field.path) {
            seen.store(true, Ordering::SeqCst);
        }
        answer
    });
    answered
}

/// Has a request of a payment or a transfer ended while the field has an unknown value.
async fn payment<P: Provider>(world: &World<P>, log: &Log, field: EnumField, is_paid: bool) {
    let context = format!("{field:?}, paid: {is_paid}");
    let (id, page) = world.clicked().await;
    match field.about {
        About::Transfer => world.transfer(&page).await,
        _ if is_paid => assert_eq!(world.pay(&page).await, 303),
        _ => {}
    }
    let answered = answer_unknown(world, field);
    log.clear();
    world.end(&id).await;
    let status = world.status(&id).await;
    // What is known without the field may be recorded, and nothing else.
    let possible: &[Status] = match field.about {
        About::Transfer => &[Status::Clicked, Status::Processing],
        _ if is_paid => &[Status::Clicked, Status::Processing, Status::Paid],
        _ => &[Status::Clicked, Status::Expired],
    };
    assert!(possible.contains(&status), "{context}: {status}");
    if status == Status::Clicked && answered.load(Ordering::SeqCst) && is_paid {
        let log = log.take();
        assert!(log.contains("ProviderValueUnknown"), "{context}: it is counted: {log}");
    }
    world.wire.keep();
    if field.about == About::Transfer {
        world.settle(&page, true).await;
    }
    world.looked_at(&id).await;
    let end = if is_paid { Status::Paid } else { Status::Expired };
    world.assert_end(&id, end, &context).await;
}

/// Refunds a payment while the field has an unknown value: when the refund is requested, or asked about later.
///
/// Returns whether the value was counted. Another answer may have told what this one did not.
async fn refund<P: Provider>(world: &World<P>, log: &Log, field: EnumField, is_requested: bool) -> bool {
    let context = format!("{field:?}, requested: {is_requested}");
    let (id, page) = world.due().await;
    if P::REFUNDS_TAKE_TIME {
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Wait).await;
        if is_requested {
            world.handlers.refund_due(&id).await.unwrap();
        }
    }
    let answered = answer_unknown(world, field);
    log.clear();
    drop(world.handlers.refund_due(&id).await);
    if answered.load(Ordering::SeqCst) {
        assert_eq!(world.status(&id).await, Status::RefundDue, "{context}: it is not complete yet");
    }
    let is_counted = log.take().contains("ProviderValueUnknown");
    world.wire.keep();
    if P::REFUNDS_TAKE_TIME {
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Succeed).await;
    }
    world.looked_at(&id).await;
    world.assert_end(&id, Status::Refunded, &context).await;
    assert_eq!(world.taken(&id).await[0].refunds, 1, "{context}");
    is_counted
}

pub(super) async fn values_in_an_answer_count_as_not_yet_and_lose_nothing<P: Provider>() {
    let (log, _guard) = Log::of_this_thread();
    let world = World::<P>::start().await;
    for field in P::ENUMS.iter().copied() {
        match field.about {
            About::Payment => {
                payment(&world, &log, field, true).await;
                payment(&world, &log, field, false).await;
            }
            About::Transfer => payment(&world, &log, field, true).await,
            About::Refund => {
                let at_once = refund(&world, &log, field, false).await;
                let later = refund(&world, &log, field, true).await;
                assert!(at_once || later, "{field:?} is in no answer, or not counted");
            }
            About::Lists => {}
        }
    }
}

/// Makes a report, and returns the request, its page and its status before it.
async fn reported<P: Provider>(world: &World<P>, report: Report) -> (String, Page, Status) {
    if report == Report::Refunded {
        let (id, page) = world.due().await;
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Wait).await;
        world.handlers.refund_due(&id).await.unwrap();
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Succeed).await;
        return (id, page, Status::RefundDue);
    }
    let (id, page) = world.clicked().await;
    match report {
        Report::InFlight => world.transfer(&page).await,
        _ => assert_eq!(world.pay(&page).await, 303),
    }
    (id, page, Status::Clicked)
}

pub(super) async fn values_in_a_report_count_as_not_yet_and_lose_nothing<P: Provider>() {
    let (log, _guard) = Log::of_this_thread();
    for (report, path) in P::REPORTED_ENUMS {
        for is_delivered_later in [true, false] {
            let world = World::<P>::start().await;
            let (id, page, before) = reported(&world, *report).await;
            let mut event = world.report(&id, *report).await.event();
            assert!(set(&mut event, path), "{report:?} has no {path}: {event}");
            log.clear();
            let answer = world.send(&Delivery::signed::<P>(event.to_string())).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert_eq!(world.status(&id).await, before, "{path}: not yet");
            let log = log.take();
            let is_counted = ["ProviderValueUnknown", "WebhookIgnored"].iter().any(|metric| log.contains(metric));
            assert!(is_counted, "{path}: it is counted: {log}");
            if is_delivered_later {
                world.deliver(&id, *report).await;
                assert_ne!(world.status(&id).await, before, "{path}: the genuine report counts");
            }
            if *report == Report::InFlight {
                world.settle(&page, true).await;
            }
            world.looked_at(&id).await;
            let end = if before == Status::RefundDue { Status::Refunded } else { Status::Paid };
            world.assert_end(&id, end, &format!("{report:?} {path}")).await;
        }
    }
}

pub(super) async fn values_in_a_list_count_as_not_yet<P: Provider>() {
    let world = World::<P>::start().await;
    let (id, page) = world.clicked().await;
    assert_eq!(world.pay(&page).await, 303);
    for field in P::ENUMS.iter().copied().filter(|field| field.about == About::Lists) {
        let answered = answer_unknown(&world, field);
        let hour = Duration::from_hours(1);
        let window =
            Window { from: SystemClock.now().saturating_sub(hour), to: SystemClock.now().saturating_add(hour) };
        let (mut place, mut found) = (None, None);
        loop {
            let page = world.adapter().settlements(SettlementList::Payments, window, place.as_deref()).await.unwrap();
            assert!(page.payments.is_empty() || page.unknown > 0, "it is counted: {page:?}");
            found = found.or_else(|| page.payments.into_iter().find(|payment| payment.id.to_string() == id));
            place = page.next;
            if place.is_none() {
                break;
            }
        }
        assert!(answered.load(Ordering::SeqCst), "{field:?} is in no answer");
        assert_eq!(found.unwrap().state, SettlementState::Pending, "{field:?}");
    }
}
