//! Payments that take time: the customer has paid, and the provider is still waiting for the money.

use crate::events::assert_published;
use domain::{Clock as _, PaymentRequest, Status, SystemClock, Timestamp};
use futures::future::join_all;
use http::Method;
use serde_json::json;
use std::time::Duration;
use tests::examples::Examples;
use tests::handlers::{Handlers, assert_possible};
use tests::provider::OnClose;
use tests::proxy::Fault;
use tests::system::{Answer, Random, System, id, link, now, phone, processing, shifted, time};

/// Creates a request that expired after the provider closed its checkout unpaid. Returns its identifier and its
/// deadline.
async fn expired(handlers: &Handlers) -> (String, Timestamp) {
    let (id, _) = handlers.clicked().await;
    let deadline = handlers.stored(&id).await.deadline;
    tests::until(deadline).await;
    handlers.link_removed(&id).await;
    assert_eq!(handlers.stored(&id).await.status, Status::Expired);
    (id, deadline)
}

fn statuses(request: &PaymentRequest) -> Vec<Status> {
    request.history.iter().map(|entry| entry.status).collect()
}

fn last_reason(request: &PaymentRequest) -> Option<&str> {
    request.history.last().unwrap().reason.as_ref().map(domain::Reason::as_str)
}

#[tokio::test]
async fn a_bank_transfer_is_shown_as_processing_until_its_money_arrives() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let sue = system.user(&alice.workspace, "sue", "supervisor").await;
    let sent = alice.sent_to(&phone).await;
    system.wait_for_texts(&phone, 1).await;
    let checkout = system.click(link(&sent)).await;
    assert!(system.page(Method::GET, &checkout).await.text().contains("value=\"processing\""));
    let back = system.settle(&checkout, "processing").await;
    assert_eq!((back.status, back.header("location")), (303, format!("{}?done", link(&sent)).as_str()));

    let waiting = alice.wait_for(id(&sent), "processing").await;
    let mut examples = Examples::of(&alice.workspace, &phone);
    // A processing request has no deadline and no payment yet.
    examples.assert("requests/processing", &waiting);
    examples.assert("events/processing", &system.wait_for_events(id(&sent), 3).await[2]);
    let page = system.page(Method::GET, link(&sent)).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Your payment is being processed") && !page.text().contains("<button"), "{page:?}");
    let pressed = system.press(link(&sent)).await;
    assert_eq!(
        (pressed.status, pressed.header("location")),
        (303, link(&sent)),
        "the press redirects to the page, not to a checkout"
    );
    alice.cancel(id(&sent)).await.problem(409, "already_clicked");
    assert_eq!(alice.listed(&[("status", "processing")]).await.0, [id(&sent)]);
    let report = Answer::of(sue.request(Method::GET, "/reports/agents?include=clicks")).await.json();
    let counted = json!({ "processing": { "count": 1, "value": { "ZAR": 25_000 } } });
    assert_eq!((&report["total"]["statuses"], &report["total"]["clicked"]), (&counted, &json!(1)));
    // The stand-in neither accepts a second payment nor closes a checkout with a payment in flight.
    assert_eq!(system.settle(&checkout, "succeeded").await.status, 303);
    let closing = Answer::of(system.request(Method::POST, &format!("{checkout}/close"))).await.json();
    assert_eq!((&closing["status"], &closing["amount"]), (&json!("processing"), &json!(25_000)));
    assert_eq!(alice.read(id(&sent)).await, waiting);

    for _ in 0..2 {
        let back = system.settle_transfer(&checkout, "succeeded").await;
        assert_eq!((back.status, back.header("location")), (303, format!("{}?done", link(&sent)).as_str()));
    }
    let done = alice.wait_for(id(&sent), "paid").await;
    Examples::of(&alice.workspace, &phone).assert("requests/processing-then-paid", &done);
    assert_eq!(done["payment"]["reference"], closing["payment_id"]);
    assert_eq!(done["payment"]["paid_at"], closing["paid_at"], "the time of payment, not of arrival");
    assert_published(&system.wait_for_events(id(&sent), 4).await, &done);
    let texts = system.wait_for_texts(&phone, 2).await;
    assert_eq!(
        texts[1..],
        ["Thank you. We received your payment of R250.00 for order 10045."],
        "no text is sent before the money arrives"
    );
}

#[tokio::test]
async fn a_failed_bank_transfer_ends_the_request_and_the_page_shows_why() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let sent = alice.sent_to(&phone).await;
    let checkout = system.click(link(&sent)).await;
    assert_eq!(
        system.settle_transfer(&checkout, "failed").await.status,
        422,
        "the checkout has no payment in flight yet"
    );
    system.settle(&checkout, "processing").await;
    alice.wait_for(id(&sent), "processing").await;
    assert_eq!(system.settle_transfer(&checkout, "lost").await.status, 422);
    assert_eq!(system.settle_transfer(&checkout, "failed").await.status, 303);
    let failed = alice.wait_for(id(&sent), "expired").await;
    let mut examples = Examples::of(&alice.workspace, &phone);
    examples.assert("requests/expired-payment-failed", &failed);
    let events = system.wait_for_events(id(&sent), 4).await;
    assert_published(&events, &failed);
    examples.assert("events/expired-payment-failed", &events[3]);
    let page = system.page(Method::GET, link(&sent)).await;
    assert_eq!(page.status, 410);
    assert!(page.text().contains("Your payment did not go through"), "{page:?}");
    assert_eq!(system.press(link(&sent)).await.status, 410);
    assert_eq!(
        system.settle_transfer(&checkout, "succeeded").await.status,
        410,
        "a failed transfer cannot succeed later"
    );
    alice.cancel(id(&sent)).await.problem(409, "link_expired");
    assert_eq!(system.wait_for_texts(&phone, 1).await.len(), 1);
}

#[tokio::test]
async fn another_amount_or_currency_does_not_make_a_request_processing() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    system.click(link(&sent)).await;
    let before = alice.read(id(&sent)).await;
    for (field, wrong) in [("amount", json!(24_999)), ("currency", json!("USD")), ("amount", json!(0))] {
        let mut report = processing(&sent, "pay_1", now());
        report["data"][field] = wrong;
        assert_eq!(system.webhook(&report).await.status, 200);
        assert_eq!(alice.read(id(&sent)).await, before, "{report}");
    }
}

/// No checkout exists before the click, so no payment can be in flight. Money that arrives all the same is accepted as
/// usual.
#[tokio::test]
async fn an_unclicked_or_canceled_request_does_not_become_processing() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let (sent, canceled) = (alice.sent().await, alice.sent().await);
    alice.cancel(id(&canceled)).await;
    for request in [&sent, &canceled] {
        let before = alice.read(id(request)).await;
        assert_eq!(system.webhook(&processing(request, "pay_1", now())).await.status, 200);
        assert_eq!(alice.read(id(request)).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processing_request_has_no_deadline_and_is_stored_until_it_ends() {
    for arrives in [true, false] {
        let handlers = Handlers::with_limits(1, 1).await;
        let (id, token) = handlers.clicked().await;
        let deadline = handlers.stored(&id).await.deadline;
        handlers.process(&id, SystemClock.now()).await;
        tests::until(deadline).await;
        handlers.expire_what_is_due().await;
        handlers.link_removed(&id).await;
        let request = handlers.stored(&id).await;
        assert_eq!((request.status, request.version()), (Status::Processing, 3));
        assert!(!handlers.provider.has_closed(&id));
        assert!(handlers.due().await.is_empty());
        assert_eq!(handlers.time_to_live(&id).await, None);
        assert_eq!(handlers.cancel(&id).await.code(), "already_clicked");
        let pressed = handlers.click(&token).await;
        assert_eq!((pressed.status, handlers.provider.checkouts()), (303, 1));
        assert_eq!(pressed.headers["location"], format!("https://pay.example.com/p/{token}"));
        // An earlier declined card is reported late. The customer has already paid, so the report adds no failed
        // attempt.
        assert_eq!(handlers.fail_attempt(&id, "msg_slow").await.status, 200);
        assert_eq!(handlers.stored(&id).await.version(), 3);

        let report = if arrives { handlers.pay(&id, deadline).await } else { handlers.fail_payment(&id).await };
        assert_eq!(report.status, 200);
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(request.status, if arrives { Status::Paid } else { Status::Expired });
        assert!(handlers.time_to_live(&id).await.is_some(), "a terminal request has a time to live");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_can_open_the_page_while_the_money_is_in_flight() {
    let weeks = SystemClock.now().saturating_add(Duration::from_hours(90 * 24)).as_seconds_ceiling();
    // The report arrives in time, or after the link's item was removed, or from the provider when the checkout is
    // closed.
    for way in ["in time", "after the link", "at closing"] {
        let handlers = Handlers::with_limits(300, 1).await;
        let (id, token) = handlers.clicked().await;
        let deadline = handlers.stored(&id).await.deadline;
        assert!(handlers.link_time_to_live(&token).await < weeks);
        match way {
            "in time" => drop(handlers.process(&id, SystemClock.now()).await),
            "after the link" => {
                handlers.remove_link(&token).await;
                assert_eq!(handlers.open(&token).await.status, 404);
                assert_eq!(handlers.process(&id, SystemClock.now()).await.status, 200);
            }
            _ => {
                handlers.provider.on_close(&id, OnClose::Processing(deadline, 25_000));
                tests::until(deadline).await;
                handlers.expire_what_is_due().await;
            }
        }
        assert_eq!(handlers.stored(&id).await.status, Status::Processing, "{way}");
        assert!(handlers.link_time_to_live(&token).await >= weeks, "{way}");
        assert_eq!(handlers.open(&token).await.status, 200, "{way}");
        handlers.pay(&id, deadline).await;
        assert_eq!(handlers.open(&token).await.status, 200, "a receipt");
    }
}

#[tokio::test]
async fn a_link_that_could_not_be_prolonged_is_prolonged_by_the_repeated_report() {
    let handlers = Handlers::start().await;
    let (id, token) = handlers.clicked().await;
    let before = handlers.link_time_to_live(&token).await;
    handlers.proxy.fail_next_writes(&[&[Fault::None], &[Fault::RequestLost; 4][..]].concat());
    assert_eq!(handlers.process(&id, SystemClock.now()).await.status, 503);
    assert_eq!(handlers.stored(&id).await.status, Status::Processing);
    assert_eq!(handlers.link_time_to_live(&token).await, before);
    assert_eq!(handlers.process(&id, SystemClock.now()).await.status, 200);
    assert!(handlers.link_time_to_live(&token).await > before);
    assert_eq!(handlers.stored(&id).await.version(), 3);
    // Once the money has arrived, a repeated report no longer prolongs the link.
    handlers.pay(&id, SystemClock.now()).await;
    handlers.remove_link(&token).await;
    assert_eq!(handlers.process(&id, SystemClock.now()).await.status, 200);
    assert_eq!(handlers.open(&token).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_with_money_in_flight_at_closing_becomes_processing() {
    let handlers = Handlers::with_limits(300, 1).await;
    let ((waiting, _), (other_amount, _)) = tokio::join!(handlers.clicked(), handlers.clicked());
    for (id, amount) in [(&waiting, 25_000), (&other_amount, 24_999)] {
        let deadline = handlers.stored(id).await.deadline;
        handlers.provider.on_close(id, OnClose::Processing(deadline, amount));
        tests::until(deadline).await;
        handlers.link_removed(id).await;
    }
    let request = handlers.stored(&waiting).await;
    assert_possible(&request);
    assert_eq!((request.status, request.version(), request.payment), (Status::Processing, 3, None));
    // The provider's own report arrives later and changes nothing; the money then does.
    handlers.process(&waiting, request.deadline).await;
    assert_eq!(handlers.stored(&waiting).await.version(), 3);
    handlers.pay(&waiting, request.deadline).await;
    assert_eq!(handlers.stored(&waiting).await.status, Status::Paid);

    let request = handlers.stored(&other_amount).await;
    assert_eq!((request.status, last_reason(&request)), (Status::Expired, Some("not_paid")));
}

/// The provider could not be reached in time. Later it reports what the customer had done, and when.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_request_resumes_if_it_was_paid_in_time_and_late_money_is_refunded() {
    let handlers = Handlers::with_limits(300, 1).await;
    let ((in_time, deadline), (late, late_deadline)) = tokio::join!(expired(&handlers), expired(&handlers));

    handlers.process(&in_time, deadline).await;
    let request = handlers.stored(&in_time).await;
    assert_possible(&request);
    assert_eq!((request.status, request.version()), (Status::Processing, 4));
    assert_eq!(handlers.time_to_live(&in_time).await, None, "a processing request is not removed");
    handlers.pay(&in_time, deadline).await;
    assert_eq!(handlers.stored(&in_time).await.status, Status::Paid);

    let after = late_deadline.saturating_add(Duration::from_millis(1));
    handlers.process(&late, after).await;
    assert_eq!(handlers.stored(&late).await.status, Status::Expired);
    handlers.pay(&late, after).await;
    assert_eq!(handlers.stored(&late).await.status, Status::RefundDue);
    assert_eq!(handlers.time_to_live(&late).await, None, "a request whose refund is due is not removed");
}

/// Each report arrives three times, in any order. The request always ends in the status of its money.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_reports_in_any_order_end_in_the_status_of_the_money() {
    const PROCESSING: u8 = 0;
    const PAID: u8 = 1;
    const FAILED: u8 = 2;
    let handlers = Handlers::with_limits(300, 1).await;
    let handlers = &handlers;
    for (kinds, end) in [
        (&[PROCESSING, PAID][..], Status::Paid),
        (&[PROCESSING, FAILED], Status::Expired),
        (&[PROCESSING, PAID, FAILED], Status::Paid),
    ] {
        join_all((1..=12).map(|seed| async move {
            let mut random = Random::new(seed);
            let (id, deadline) = if seed % 2 == 0 {
                expired(handlers).await
            } else {
                let id = handlers.clicked().await.0;
                let deadline = handlers.stored(&id).await.deadline;
                (id, deadline)
            };
            let mut left: Vec<u8> = kinds.iter().copied().cycle().take(kinds.len() * 3).collect();
            let mut order = Vec::new();
            while !left.is_empty() {
                let report = left.swap_remove(random.below(left.len()));
                order.push(report);
                let answer = match report {
                    PROCESSING => handlers.process(&id, deadline).await,
                    PAID => handlers.pay(&id, deadline).await,
                    _ => handlers.fail_payment(&id).await,
                };
                assert_eq!(answer.status, 200);
            }
            let request = handlers.stored(&id).await;
            assert_possible(&request);
            assert_eq!(request.status, end, "{order:?}: {:?}", request.history);
            let count = |status| statuses(&request).into_iter().filter(|entry| *entry == status).count();
            assert!(count(Status::Processing) <= 1 && count(Status::Paid) <= 1, "{order:?}: {:?}", request.history);
            if end == Status::Expired {
                // A payment that is known to have failed when it is reported as in flight is not waited for, so an
                // expired request keeps its reason.
                let failed_first = order.iter().find(|report| **report != PAID) == Some(&FAILED);
                let expired_before = seed % 2 == 0;
                let reason = if expired_before && failed_first { "not_paid" } else { "payment_failed" };
                assert_eq!(last_reason(&request), Some(reason), "{order:?}");
            }
        }))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_reported_after_the_request_ended_is_stored_as_a_fact_and_changes_no_page() {
    let handlers = Handlers::start().await;
    let ((unclicked, unclicked_token), (unpaid, unpaid_token), (canceled, canceled_token)) =
        tokio::join!(handlers.sent(), handlers.clicked(), handlers.sent());
    let late = handlers.at(shifted(handlers.stored(&unpaid).await.deadline, 1));
    for id in [&unclicked, &unpaid] {
        late.link_removed(id).await;
    }
    handlers.cancel(&canceled).await;
    for (id, token) in [(unclicked, unclicked_token), (unpaid, unpaid_token), (canceled, canceled_token)] {
        let (before, page, shown) =
            (handlers.stored(&id).await, late.open(&token).await.body, late.get(&id).await.body);
        for _ in 0..2 {
            assert_eq!(late.fail_payment(&id).await.status, 200);
            late.process(&id, before.deadline).await;
        }
        let after = handlers.stored(&id).await;
        assert_eq!(
            (after.status, &after.history),
            (before.status, &before.history),
            "nobody waits for what has failed"
        );
        assert!(after.has_fact(&domain::Fact::payment_failed("sandbox", &format!("pay_{id}"))));
        assert_eq!((late.open(&token).await.body, late.get(&id).await.body), (page, shown));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_of_a_delayed_payment_and_the_deadline_loses_neither() {
    let handlers = Handlers::with_limits(300, 1).await;
    let handlers = &handlers;
    join_all((0..40).map(|round| async move {
        let (id, _) = handlers.clicked().await;
        let deadline = handlers.stored(&id).await.deadline;
        // The customer paid at the last moment or just after it. The provider knows when the checkout is closed, or
        // only later.
        let in_time = round % 2 == 0;
        let paid_at = if in_time { deadline } else { deadline.saturating_add(Duration::from_millis(1)) };
        if round % 3 == 0 {
            handlers.provider.on_close(&id, OnClose::Processing(paid_at, 25_000));
        }
        tests::until(deadline).await;
        let (report, failures) = if round % 4 < 2 {
            tokio::join!(handlers.process(&id, paid_at), handlers.link_removed(&id))
        } else {
            let (failures, report) = tokio::join!(handlers.link_removed(&id), handlers.process(&id, paid_at));
            (report, failures)
        };
        assert_eq!((report.status, &failures["batchItemFailures"]), (200, &json!([])));
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        let expired_first = statuses(&request).contains(&Status::Expired);
        let waits = in_time || !expired_first;
        assert_eq!(request.status, if waits { Status::Processing } else { Status::Expired }, "{:?}", request.history);
        handlers.pay(&id, paid_at).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(request.status, if waits { Status::Paid } else { Status::RefundDue }, "{:?}", request.history);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reports_of_a_delayed_payment_are_each_recorded_once() {
    let handlers = Handlers::start().await;
    for _ in 0..15 {
        let (id, _) = handlers.clicked().await;
        let paid_at = SystemClock.now();
        let answers = join_all((0..6).map(|report| {
            let (handlers, id) = (&handlers, &id);
            async move {
                if report % 2 == 0 { handlers.process(id, paid_at).await } else { handlers.pay(id, paid_at).await }
            }
        }))
        .await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        let found = statuses(&request);
        let both = [Status::Sent, Status::Clicked, Status::Processing, Status::Paid];
        assert!(found == both || found == [Status::Sent, Status::Clicked, Status::Paid], "{found:?}");
    }
}

/// The page of the stand-in ends a transfer just as a direct call does.
#[tokio::test]
async fn the_stand_ins_page_offers_both_outcomes_of_a_transfer() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let checkout = system.click(link(&sent)).await;
    system.settle(&checkout, "processing").await;
    let page = system.page(Method::GET, &checkout).await;
    assert!(page.text().contains("/settle\"") && page.text().contains("value=\"failed\""), "{page:?}");
    assert!(!page.text().contains("value=\"processing\""), "{page:?}");
    let unknown = format!("{}/sandbox/checkouts/chk_unknown", system.base());
    assert_eq!(system.settle_transfer(&unknown, "succeeded").await.status, 404);
    let waiting = alice.wait_for(id(&sent), "processing").await;
    assert!(time(&waiting["updated_at"]) <= shifted(now(), 1));
}
