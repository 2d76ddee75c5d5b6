//! Money through Paystack: the deployed handlers against the stand-in, with calls and webhooks that are lost, repeated
//! or reordered.

use adapters::ConfiguredProvider;
use domain::limits::{CALL_INTERVAL, LONGEST_LOOK};
use domain::ports::{SettlementList, Settlements as _, Window};
use domain::{Clock as _, Currency, PaymentRequest, Status, SystemClock, Timestamp};
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tests::handlers::{Handlers, assert_possible};
use tests::paystack::{Delivery, Fault, KEY, Paystack, page_of, signature};
use tests::proxy::{reads_and_writes, write_units};
use tests::system::Random;

/// The number of attempts for each call to Paystack that can be repeated.
const ATTEMPTS: usize = 4;

fn statuses(request: &PaymentRequest) -> Vec<Status> {
    request.history.iter().map(|entry| entry.status).collect()
}

/// Returns the reference of an attempt to create a request's page.
fn reference(id: &str, attempt: usize) -> String {
    format!("{id}-{attempt}")
}

/// Creates a request, clicks its link, and returns its identifier and its page.
async fn clicked(handlers: &Handlers) -> (String, String) {
    let (id, token) = handlers.sent().await;
    let answer = handlers.click(&token).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    (id, page_of(answer.headers["location"].as_str().unwrap()))
}

/// Delivers every webhook three times in a random order, and asserts that each was accepted.
async fn storm(handlers: &Handlers, webhooks: &[Delivery], random: &mut Random) {
    let mut all = [webhooks, webhooks, webhooks].concat();
    for place in (1..all.len()).rev() {
        all.swap(place, random.below(place + 1));
    }
    let answers = all.iter().map(|delivery| handlers.paystack_webhook(Some(&delivery.signature), &delivery.body));
    for answer in join_all(answers).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Runs `expire` at every moment at which the request is due until this one, as the schedule does.
async fn look_until(handlers: &Arc<Handlers>, id: &str, end: Timestamp) {
    while let Some(due_at) = handlers.stored(id).await.due_at.filter(|due_at| *due_at <= end) {
        handlers.at(due_at).expire_what_is_due().await;
    }
}

/// Pays for a request through a transaction that was not created by a click, which works for a request that has ended.
/// Returns its page.
async fn paid_by_hand(paystack: &Paystack, id: &str, attempt: usize, amount: i64) -> String {
    let order = json!({ "email": "thandi@example.com", "amount": amount, "currency": "ZAR",
        "reference": reference(id, attempt), "metadata": { "payment_request_id": id } });
    let (status, answer) = paystack.call(Method::POST, "/transaction/initialize", &order).await;
    assert_eq!(status, 200, "{answer}");
    let page = page_of(answer["data"]["authorization_url"].as_str().unwrap());
    assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
    page
}

/// Refunds what is left of a payment as a person does in the Dashboard.
async fn refund_by_hand(paystack: &Paystack, reference: &str) {
    let (status, answer) = paystack.call(Method::POST, "/refund", &json!({ "transaction": reference })).await;
    assert_eq!(status, 200, "{answer}");
}

/// Creates a request whose refund is due, because it was canceled and paid all the same. Returns its identifier and the
/// page that was paid. Its refunds end as told.
async fn due(paystack: &Paystack, handlers: &Handlers, end: &str) -> (String, String) {
    let (id, _) = handlers.sent().await;
    handlers.cancel(&id).await;
    let page = paid_by_hand(paystack, &id, 1, 25_000).await;
    assert_eq!(paystack.press(&page, "refunds", end).await, 303);
    assert_eq!(paystack.deliver(handlers, &id, "charge.success").await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    (id, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_costs_as_much_as_with_the_sandbox_and_two_calls_to_paystack() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, token) = handlers.sent().await;
    let create = handlers.proxy.take_calls();
    let answer = handlers.click(&token).await;
    let page = page_of(answer.headers["location"].as_str().unwrap());
    let click = handlers.proxy.take_calls();
    assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
    assert_eq!(paystack.deliver(&handlers, &id, "charge.success").await.status, 200);
    let pay = handlers.proxy.take_calls();
    assert_eq!([&create, &click, &pay].map(|calls| reads_and_writes(calls)), [(1, 2), (1, 2), (0, 1)]);
    let life = [create, click, pay].concat();
    assert!(write_units(&life) <= 11.0, "{life:?}");
    let first = reference(&id, 1);
    let verified = format!("GET /transaction/verify/{first}");
    assert_eq!(paystack.take_calls(), ["POST /transaction/initialize", &verified]);

    let request = handlers.stored(&id).await;
    assert_eq!(statuses(&request), [Status::Sent, Status::Clicked, Status::Paid]);
    let payment = request.payment.unwrap();
    assert_eq!((payment.provider.as_str(), &payment.reference), ("paystack", &first));
    assert!(payment.paid_at <= SystemClock.now() && payment.paid_at.as_milliseconds() % 1000 == 0);
    let size = handlers.item_size(&id).await;
    assert!(size <= 1024, "{size} bytes: each further kilobyte costs another unit with every write");
    let transaction = paystack.transaction(&first).await;
    assert_eq!(transaction["customer"]["email"], "payments@example.com", "the customer has none of their own");
    let back = transaction["metadata"]["cancel_action"].as_str().unwrap();
    assert!(back.starts_with(&format!("https://pay.example.com/p/{token}")), "{back}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_presses_at_once_make_one_page() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (_, token) = handlers.sent().await;
    let presses = join_all((0..10).map(|_| handlers.click(&token))).await;
    let mut pages = Vec::new();
    for press in presses {
        match press.status {
            303 => pages.push(press.headers["location"].as_str().unwrap().to_owned()),
            _ => assert_eq!((press.status, press.headers["retry-after"].as_str()), (503, Some("3")), "{press:?}"),
        }
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert_eq!(paystack.take_calls(), ["POST /transaction/initialize"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_click_leads_to_the_same_page() {
    let (_paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (_, token) = handlers.sent().await;
    let first = handlers.click(&token).await;
    assert_eq!(first.status, 303);
    for again in join_all((0..5).map(|_| handlers.click(&token))).await {
        assert_eq!((again.status, &again.headers["location"]), (303, &first.headers["location"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_declined_card_another_card_pays_on_the_same_page() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, token) = handlers.sent().await;
    let page = page_of(handlers.click(&token).await.headers["location"].as_str().unwrap());
    assert_eq!(paystack.press(&page, "pay", "declined").await, 303);
    // Paystack reports nothing, and a check finds a page that is still open.
    handlers.at(SystemClock.now().saturating_add(CALL_INTERVAL)).check(&token).await;
    assert_eq!(handlers.stored(&id).await.status, Status::Clicked);
    assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
    paystack.deliver(&handlers, &id, "charge.success").await;
    assert_eq!(statuses(&handlers.stored(&id).await), [Status::Sent, Status::Clicked, Status::Paid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_a_paid_page_is_found_paid_and_late_money_on_an_open_one_goes_back_without_any_report() {
    let (paystack, handlers) = Paystack::with_handlers(300, 2).await;
    let ((paid, paid_page), (unpaid, unpaid_page)) = (clicked(&handlers).await, clicked(&handlers).await);
    assert_eq!(paystack.press(&paid_page, "pay", "succeeded").await, 303);
    tests::until(handlers.stored(&unpaid).await.deadline).await;
    handlers.expire_what_is_due().await;
    assert_eq!(handlers.stored(&paid).await.status, Status::Paid, "its webhook has not arrived yet");
    assert_eq!(handlers.stored(&unpaid).await.status, Status::Expired);
    assert_eq!(handlers.get(&unpaid).await.body["payment_page_may_be_open"], true, "Paystack closes no page");
    paystack.deliver(&handlers, &paid, "charge.success").await;
    assert_eq!(handlers.stored(&paid).await.version(), 3);

    // Paystack's times are whole seconds, so the payment has to come in the next second to be after the deadline.
    tests::until(handlers.stored(&unpaid).await.deadline.saturating_add(Duration::from_secs(1))).await;
    assert_eq!(paystack.press(&unpaid_page, "pay", "succeeded").await, 303);
    look_until(&handlers, &unpaid, SystemClock.now().saturating_add(LONGEST_LOOK)).await;
    let request = handlers.stored(&unpaid).await;
    assert_possible(&request);
    assert_eq!(request.status, Status::Refunded);
    assert_eq!(paystack.refunded(&reference(&unpaid, 1)).await, (25_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_the_second_of_the_deadline_counts_or_is_refunded() {
    let (paystack, handlers) = Paystack::with_handlers(300, 2).await;
    let requests = join_all((0..8).map(|_| clicked(&handlers))).await;
    let deadline = handlers.stored(&requests[7].0).await.deadline;
    tests::until(deadline).await;
    let pressing = join_all(requests.iter().map(|(_, page)| paystack.press(page, "pay", "succeeded")));
    let (pressed, ()) = tokio::join!(pressing, handlers.expire_what_is_due());
    assert_eq!(pressed, [303; 8]);
    for (id, _) in &requests {
        assert_eq!(paystack.deliver(&handlers, id, "charge.success").await.status, 200);
        let request = handlers.stored(id).await;
        assert_possible(&request);
        assert!([Status::Paid, Status::RefundDue].contains(&request.status), "{request:?}");
        let was_in_time = request.payment.as_ref().unwrap().paid_at < request.deadline;
        assert_eq!(request.status == Status::Paid, was_in_time, "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_processing_until_its_money_arrives_or_fails() {
    for (outcome, kind, status) in [
        ("succeeded", Some("charge.success"), Status::Paid),
        // Paystack does not report it with the transaction's reference.
        ("failed", None, Status::Expired),
    ] {
        let (paystack, handlers) = Paystack::with_handlers(300, 1).await;
        let (id, page) = clicked(&handlers).await;
        assert_eq!(paystack.press(&page, "pay", "processing").await, 303);
        // Nothing is reported, so the expiry finds the payment when it asks.
        tests::until(handlers.stored(&id).await.deadline).await;
        handlers.expire_what_is_due().await;
        assert_eq!(handlers.stored(&id).await.status, Status::Processing);
        assert_eq!(paystack.press(&page, "settle", outcome).await, 303);
        match kind {
            Some(kind) => drop(paystack.deliver(&handlers, &id, kind).await),
            None => look_until(&handlers, &id, SystemClock.now().saturating_add(LONGEST_LOOK)).await,
        }
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        // Paystack does not say when the customer sent the money, and the page was created in time.
        let expected = if status == Status::Paid { vec![Status::Paid, Status::RefundDue] } else { vec![status] };
        assert!(expected.contains(&request.status), "{request:?}");
        storm(&handlers, &paystack.webhooks(&id), &mut Random::new(7)).await;
        assert_eq!(handlers.stored(&id).await.status, request.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_comes_back_while_their_transfer_is_under_way_is_told_so() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, token) = handlers.sent().await;
    let page = page_of(handlers.click(&token).await.headers["location"].as_str().unwrap());
    assert_eq!(paystack.press(&page, "pay", "processing").await, 303);
    let later = handlers.at(SystemClock.now().saturating_add(CALL_INTERVAL));
    assert_eq!(later.check(&token).await.status, 303);
    assert_eq!(handlers.stored(&id).await.status, Status::Processing);
    assert_eq!(paystack.press(&page, "settle", "succeeded").await, 303);
    paystack.deliver(&handlers, &id, "charge.success").await;
    let request = handlers.stored(&id).await;
    assert_eq!(statuses(&request), [Status::Sent, Status::Clicked, Status::Processing, Status::Paid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_webhooks_in_any_order_have_the_effect_of_one_each() {
    let mut random = Random::new(20_261_126);
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    for _ in 0..4 {
        let (id, page) = clicked(&handlers).await;
        for outcome in ["declined", "declined", "succeeded"] {
            assert_eq!(paystack.press(&page, "pay", outcome).await, 303);
        }
        storm(&handlers, &paystack.wait_for(&id, "charge.success").await, &mut random).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Paid, 3));
    }
}

/// Paystack signs no time, so that whoever has seen a webhook can send it again at any time.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_repeated_later_changes_nothing_that_asking_would_not() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, _) = due(&paystack, &handlers, "failed").await;
    handlers.refund_due(&id).await.unwrap();
    let failed = paystack.wait_for(&id, "refund.failed").await;
    refund_by_hand(&paystack, &reference(&id, 1)).await;
    // This refund fails too, and a later one succeeds.
    assert_eq!(paystack.press(&page(&paystack, &id).await, "refunds", "succeeded").await, 303);
    handlers.refund_due(&id).await.unwrap();
    paystack.deliver(&handlers, &id, "refund.processed").await;
    let request = handlers.stored(&id).await;
    assert_eq!(request.status, Status::Refunded);
    for _ in 0..2 {
        storm(&handlers, &failed, &mut Random::new(4)).await;
        assert_eq!(handlers.stored(&id).await.version(), request.version());
    }
    assert_eq!(paystack.refunded(&reference(&id, 1)).await, (25_000, 1));
}

/// Returns the page of a request's first attempt, which was made by hand.
async fn page(paystack: &Paystack, id: &str) -> String {
    let code = paystack.transaction(&reference(id, 1)).await["authorization"]["authorization_code"].clone();
    code.as_str().unwrap().trim_start_matches("AUTH_").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn late_money_is_refunded_once_whatever_is_lost_or_repeated() {
    for fault in [Fault::None, Fault::RequestLost, Fault::AnswerLost, Fault::Failure, Fault::TooMany, Fault::Garbage] {
        let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
        let (id, _) = due(&paystack, &handlers, "succeeded").await;
        // The transaction and its refunds are read before the refund is requested.
        paystack.fail_next(&[Fault::None, Fault::None, fault]);
        let first = handlers.refund_due(&id).await;
        assert_eq!(first.is_err(), fault != Fault::None, "{fault:?}: {first:?}");
        let (second, third) = tokio::join!(handlers.refund_due(&id), handlers.refund_due(&id));
        assert!(second.is_ok() && third.is_ok(), "{fault:?}: {second:?} {third:?}");
        storm(&handlers, &paystack.wait_for(&id, "refund.processed").await, &mut Random::new(6)).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(statuses(&request).iter().filter(|status| **status == Status::Refunded).count(), 1);
        assert_eq!(paystack.refunded(&reference(&id, 1)).await, (25_000, 1), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_survives_every_fault_and_is_made_once() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    for fault in Fault::ALL {
        let (id, _) = due(&paystack, &handlers, "succeeded").await;
        paystack.fail_next(&[fault; ATTEMPTS]);
        let first = handlers.refund_due(&id).await;
        paystack.fail_next(&[]);
        // The bus delivers the event again, and then nothing is left to do.
        handlers.refund_due(&id).await.unwrap();
        handlers.refund_due(&id).await.unwrap();
        assert_eq!(handlers.stored(&id).await.status, Status::Refunded, "{fault:?}: {first:?}");
        assert_eq!(paystack.refunded(&reference(&id, 1)).await, (25_000, 1), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_made_by_a_person_counts_and_is_not_made_again() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, _) = due(&paystack, &handlers, "succeeded").await;
    let part = json!({ "transaction": reference(&id, 1), "amount": 10_000 });
    assert_eq!(paystack.call(Method::POST, "/refund", &part).await.0, 200);
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(paystack.refunded(&reference(&id, 1)).await, (25_000, 2), "the rest goes back, and no more");
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);

    let (id, _) = due(&paystack, &handlers, "succeeded").await;
    refund_by_hand(&paystack, &reference(&id, 1)).await;
    assert_eq!(paystack.deliver(&handlers, &id, "refund.processed").await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
    assert_eq!(paystack.refunded(&reference(&id, 1)).await, (25_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_takes_days_and_stays_due_until_its_money_has_gone_back() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, page) = due(&paystack, &handlers, "waiting").await;
    handlers.refund_due(&id).await.unwrap();
    storm(&handlers, &paystack.wait_for(&id, "refund.pending").await, &mut Random::new(7)).await;
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    assert_eq!(paystack.press(&page, "refunds", "succeeded").await, 303);
    storm(&handlers, &paystack.wait_for(&id, "refund.processed").await, &mut Random::new(8)).await;
    assert_possible(&handlers.stored(&id).await);
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
    assert_eq!(paystack.refunded(&reference(&id, 1)).await, (25_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_report_is_lost_is_found_by_the_next_look() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, _) = due(&paystack, &handlers, "succeeded").await;
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue, "Paystack has only accepted it");
    look_until(&handlers, &id, SystemClock.now().saturating_add(2 * LONGEST_LOOK)).await;
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
    assert_eq!(paystack.refunded(&reference(&id, 1)).await, (25_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_stays_due_and_is_made_again() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, page) = due(&paystack, &handlers, "waiting").await;
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(paystack.press(&page, "refunds", "failed").await, 303);
    assert_eq!(paystack.deliver(&handlers, &id, "refund.failed").await.status, 200);
    storm(&handlers, &paystack.webhooks(&id), &mut Random::new(9)).await;
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    assert_eq!(paystack.refunded(&reference(&id, 1)).await, (0, 0));
    assert_eq!(paystack.press(&page, "refunds", "succeeded").await, 303);
    // An operator redelivers the event.
    let (first, second) = tokio::join!(handlers.refund_due(&id), handlers.refund_due(&id));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    paystack.deliver(&handlers, &id, "refund.processed").await;
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
    assert_eq!(paystack.refunded(&reference(&id, 1)).await, (25_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_needs_a_persons_attention_is_not_made_again() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, page) = due(&paystack, &handlers, "needs-attention").await;
    for _ in 0..3 {
        handlers.refund_due(&id).await.unwrap();
    }
    assert_eq!(paystack.deliver(&handlers, &id, "refund.needs-attention").await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    assert_eq!(paystack.refunded(&reference(&id, 1)).await, (0, 1));
    assert_eq!(paystack.press(&page, "refunds", "succeeded").await, 303);
    paystack.deliver(&handlers, &id, "refund.processed").await;
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_paystack_refuses_is_an_error_until_the_balance_allows_it() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, page) = due(&paystack, &handlers, "refused").await;
    handlers.refund_due(&id).await.unwrap_err();
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    assert_eq!(paystack.press(&page, "refunds", "succeeded").await, 303);
    look_until(&handlers, &id, SystemClock.now().saturating_add(2 * LONGEST_LOOK)).await;
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_not_due_changes_nothing() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, page) = clicked(&handlers).await;
    assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
    paystack.deliver(&handlers, &id, "charge.success").await;
    let part = json!({ "transaction": reference(&id, 1), "amount": 100 });
    assert_eq!(paystack.call(Method::POST, "/refund", &part).await.0, 200);
    assert_eq!(paystack.deliver(&handlers, &id, "refund.processed").await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::Paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_survives_every_fault_and_one_payment_counts() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    for fault in Fault::ALL {
        // One fault, which the next attempt may repair; and faults on every attempt of one click.
        for faults in [1, ATTEMPTS] {
            let (id, token) = handlers.sent().await;
            paystack.fail_next(&vec![fault; faults]);
            let first = handlers.click(&token).await;
            match first.status {
                303 => assert!(faults == 1 && fault == Fault::RequestLost, "{fault:?}"),
                503 => assert!(first.headers["retry-after"].is_string() && first.headers["location"].is_null()),
                // Paystack's API is elsewhere, which no retry changes.
                502 => assert!(matches!(fault, Fault::Redirect) && first.headers["retry-after"].is_null()),
                other => panic!("{fault:?}: {other} {first:?}"),
            }
            paystack.fail_next(&[]);
            let second = after_the_first_press(&handlers).click(&token).await;
            assert_eq!(second.status, 303, "{fault:?}: {second:?}");
            if first.status == 303 {
                assert_eq!(first.headers["location"], second.headers["location"], "{fault:?}");
            }
            let page = page_of(second.headers["location"].as_str().unwrap());
            assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
            paystack.deliver(&handlers, &id, "charge.success").await;
            let request = handlers.stored(&id).await;
            assert_possible(&request);
            assert_eq!((request.status, request.version()), (Status::Paid, 3), "{fault:?}");
        }
    }
}

/// Returns handlers whose clock is ahead by the time that the first press has before there is a second page.
fn after_the_first_press(handlers: &Handlers) -> Arc<Handlers> {
    handlers.at(SystemClock.now().saturating_add(CALL_INTERVAL))
}

/// Presses the link of a new request while answers are lost, so that it has two pages. Returns the request's identifier
/// and both pages.
async fn with_two_pages(paystack: &Paystack, handlers: &Handlers) -> (String, [String; 2]) {
    let (id, token) = handlers.sent().await;
    paystack.fail_next(&[Fault::AnswerLost]);
    assert_eq!(handlers.click(&token).await.status, 503, "the page exists, and nobody knows its address");
    let answer = after_the_first_press(handlers).click(&token).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let second = page_of(answer.headers["location"].as_str().unwrap());
    let pages = [paystack.page_of(&reference(&id, 1)).unwrap(), second];
    assert_eq!(paystack.page_of(&reference(&id, 2)).as_ref(), Some(&pages[1]));
    (id, pages)
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_of_two_pages_is_paid_the_payment_is_found_without_any_report() {
    let (paystack, handlers) = Paystack::with_handlers(300, 5).await;
    let mut requests = Vec::new();
    for paid in 0..2 {
        let (id, pages) = with_two_pages(&paystack, &handlers).await;
        assert_eq!(paystack.press(&pages[paid], "pay", "succeeded").await, 303);
        requests.push((id, paid));
    }
    for (id, paid) in requests {
        tests::until(handlers.stored(&id).await.deadline).await;
        handlers.expire_what_is_due().await;
        let request = handlers.stored(&id).await;
        assert_eq!((request.status, request.version()), (Status::Paid, 3));
        assert_eq!(request.payment.unwrap().reference, reference(&id, paid + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_payments_of_one_request_one_counts_and_the_other_goes_back_once() {
    for is_reported in [true, false] {
        let (paystack, handlers) = Paystack::with_handlers(300, 5).await;
        let (id, pages) = with_two_pages(&paystack, &handlers).await;
        for page in &pages {
            assert_eq!(paystack.press(page, "pay", "succeeded").await, 303);
        }
        if is_reported {
            tests::system::eventually("both reports", async || match paystack.webhooks(&id).len() {
                2 => Ok(()),
                found => Err(found.to_string()),
            })
            .await;
            storm(&handlers, &paystack.webhooks(&id), &mut Random::new(11)).await;
        } else {
            tests::until(handlers.stored(&id).await.deadline).await;
            handlers.expire_what_is_due().await;
        }
        look_until(&handlers, &id, SystemClock.now().saturating_add(LONGEST_LOOK)).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Paid, 3));
        let mut sums = [0, 0];
        for (sum, attempt) in sums.iter_mut().zip(1..) {
            let (amount, count) = paystack.refunded(&reference(&id, attempt)).await;
            assert!(count <= 1, "{id}: {count} refunds of attempt {attempt}");
            *sum = amount;
        }
        let counts = request.payment.unwrap().reference;
        assert_eq!(sums, if counts == reference(&id, 1) { [0, 25_000] } else { [25_000, 0] });
        // The report of this refund is no refund of the request.
        storm(&handlers, &paystack.wait_for(&id, "refund.processed").await, &mut Random::new(12)).await;
        assert_eq!(handlers.stored(&id).await.status, Status::Paid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_beyond_the_first_makes_one_call_and_has_a_number_of_its_own() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, token) = handlers.sent().await;
    paystack.fail_every(Some(Fault::Failure));
    for press in 0..4 {
        let handlers = handlers.at(SystemClock.now().saturating_add(press * CALL_INTERVAL));
        paystack.take_calls();
        assert_eq!(handlers.click(&token).await.status, 503);
        if press > 0 {
            assert_eq!(paystack.take_calls(), ["POST /transaction/initialize"]);
        }
    }
    paystack.fail_every(None);
    for attempt in 1..=4 {
        assert!(paystack.page_of(&reference(&id, attempt)).is_some(), "attempt {attempt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expiry_of_a_request_survives_every_fault_and_waits_for_paystacks_answer() {
    let (paystack, handlers) = Paystack::with_handlers(300, 3).await;
    let clicking = Fault::ALL.iter().flat_map(|fault| [(*fault, false), (*fault, true)]).map(async |(fault, pays)| {
        let (id, page) = clicked(&handlers).await;
        if pays {
            assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
        }
        (fault, pays, id)
    });
    let requests = join_all(clicking).await;
    for (_, _, id) in &requests {
        tests::until(handlers.stored(id).await.deadline).await;
    }
    for (fault, pays, id) in requests {
        paystack.fail_next(&[fault; ATTEMPTS]);
        handlers.link_removed(&id).await;
        let before = handlers.stored(&id).await.status;
        paystack.fail_next(&[]);
        handlers.link_removed(&id).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        let end = if pays { Status::Paid } else { Status::Expired };
        assert!([Status::Clicked, end].contains(&before), "{fault:?}: {before}");
        assert_eq!((request.status, request.version()), (end, 3), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_while_paystack_is_silent_gets_an_error_and_a_later_one_continues() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, token) = handlers.sent().await;
    paystack.fail_every(Some(Fault::Silence));
    let answer = handlers.click(&token).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers["retry-after"].is_string(), "{answer:?}");
    assert_eq!(handlers.stored(&id).await.status, Status::Clicked, "the click counts");
    paystack.fail_every(None);
    assert_eq!(handlers.click(&token).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_paystack_rejects_expires_at_its_deadline_without_a_page() {
    let (paystack, handlers) = Paystack::with_handlers(300, 1).await;
    let (id, token) = handlers.sent().await;
    paystack.fail_next(&[Fault::Refusal("unsupported_currency")]);
    let answer = handlers.click(&token).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (502, &Value::Null));
    assert_eq!(paystack.take_calls(), ["POST /transaction/initialize"], "it is final");
    tests::until(handlers.stored(&id).await.deadline).await;
    handlers.expire_what_is_due().await;
    let request = handlers.stored(&id).await;
    assert_possible(&request);
    assert_eq!((request.status, request.version()), (Status::Expired, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_redirected_only_to_paystacks_host() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    for (fault, status) in [(Fault::OtherHost, 503), (Fault::Redirect, 502)] {
        let (_, token) = handlers.sent().await;
        paystack.fail_every(Some(fault));
        let answer = handlers.click(&token).await;
        assert_eq!((answer.status, &answer.headers["location"]), (status, &Value::Null), "{fault:?}");
        paystack.fail_every(None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_cannot_be_confirmed_is_sent_again() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    for (fault, status) in [
        (Fault::RequestLost, 503),
        (Fault::Failure, 503),
        (Fault::TooMany, 503),
        (Fault::Refusal("invalid_Key"), 503),
        (Fault::Garbage, 400),
    ] {
        let (id, page) = clicked(&handlers).await;
        assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
        paystack.fail_every(Some(fault));
        let answer = paystack.deliver(&handlers, &id, "charge.success").await;
        assert_eq!(answer.status, status, "{fault:?}: {answer:?}");
        assert_eq!(handlers.stored(&id).await.status, Status::Clicked, "{fault:?}");
        paystack.fail_every(None);
        assert_eq!(paystack.deliver(&handlers, &id, "charge.success").await.status, 200, "{fault:?}");
        assert_eq!(handlers.stored(&id).await.status, Status::Paid, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_invalid_or_unrelated_webhook_changes_nothing_and_makes_no_calls() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, page) = clicked(&handlers).await;
    assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
    let webhooks = paystack.wait_for(&id, "charge.success").await;
    let genuine = webhooks.iter().rfind(|webhook| webhook.kind() == "charge.success").unwrap();
    paystack.take_calls();
    handlers.proxy.take_calls();

    let event = genuine.event();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut event = event.clone();
        change(&mut event);
        event.to_string()
    };
    let signed = |body: String| (Some(signature(KEY, &body)), body);
    let body = genuine.body.clone();
    for (what, (header, body), status) in [
        ("unsigned", (None, body.clone()), 401),
        ("signed for another body", (Some(genuine.signature.clone()), format!("{body} ")), 401),
        ("signed by another", (Some(signature("sk_test_of0somebody0else", &body)), body.clone()), 401),
        ("no signature at all", (Some("nonsense".to_owned()), body.clone()), 401),
        ("not JSON", signed("nonsense".to_owned()), 400),
        ("without a kind", signed(changed(&|event| event["event"] = Value::Null)), 400),
        ("of the other mode", signed(changed(&|event| event["data"]["domain"] = "live".into())), 200),
        ("of another kind", signed(changed(&|event| event["event"] = "customeridentification.success".into())), 200),
        ("of another system", signed(changed(&|event| event["data"]["reference"] = "T685312322670591".into())), 200),
    ] {
        let answer = handlers.paystack_webhook(header.as_deref(), &body).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(handlers.stored(&id).await.status, Status::Clicked, "{what}");
        assert_eq!(paystack.take_calls(), Vec::<String>::new(), "{what}");
        assert_eq!(handlers.proxy.take_calls(), [], "{what}");
    }
    let (header, large) = signed(changed(&|event| event["padding"] = "x".repeat(257 * 1024).into()));
    assert_eq!(handlers.paystack_webhook(header.as_deref(), &large).await.status, 413);
    assert_eq!(handlers.stored(&id).await.status, Status::Clicked);
    assert_eq!(handlers.paystack_webhook(Some(&genuine.signature), &body).await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::Paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invented_webhook_pays_nothing_although_it_is_signed() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, _) = clicked(&handlers).await;
    for reference in [reference(&id, 1), reference(&id, 7)] {
        let body = json!({ "event": "charge.success", "data": { "id": 1, "domain": "test", "status": "success",
            "reference": reference, "amount": 25_000, "currency": "ZAR", "paid_at": SystemClock.now(),
            "metadata": { "payment_request_id": id } } })
        .to_string();
        assert_eq!(handlers.paystack_webhook(Some(&signature(KEY, &body)), &body).await.status, 200);
        assert_eq!(paystack.take_calls().pop().unwrap(), format!("GET /transaction/verify/{reference}"));
        assert_eq!(handlers.stored(&id).await.status, Status::Clicked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_amount_is_not_a_payment() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, _) = clicked(&handlers).await;
    paid_by_hand(&paystack, &id, 2, 24_999).await;
    assert_eq!(paystack.deliver(&handlers, &id, "charge.success").await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::Clicked);
}

/// The adapter's tables and the stand-in's were written independently.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_create_takes_paystack_takes_and_what_paystack_refuses_create_refuses() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let page = async |currency: &str, units: i64| {
        let order = json!({ "email": "thandi@example.com", "amount": units, "currency": currency });
        paystack.call(Method::POST, "/transaction/initialize", &order).await.0 == 200
    };
    let mut accepted = Vec::new();
    for currency in Currency::all_in_force().chain(Currency::all_former()) {
        let created = handlers.create_over(100_000, currency.code()).await;
        // An amount that is neither too small nor too large in any currency.
        let taken = page(currency.code(), 100_000 * 10_i64.pow(2 - u32::from(currency.decimals().min(2)))).await;
        assert_eq!(created.status == 201, taken, "{currency}: {created:?}");
        accepted.extend(taken.then(|| currency.code().to_owned()));
    }
    accepted.sort();
    assert_eq!(accepted, ["GHS", "KES", "NGN", "USD", "XOF", "ZAR"]);
    // Paystack's smallest amount in each currency, in the minor unit and in Paystack's.
    for (currency, minor_units, units, smaller_units) in [
        ("ZAR", 100, 100, 99),
        ("NGN", 5_000, 5_000, 4_999),
        ("GHS", 10, 10, 9),
        ("KES", 300, 300, 299),
        ("USD", 200, 200, 199),
        ("XOF", 1, 100, 99),
    ] {
        assert_eq!(handlers.create_over(minor_units, currency).await.status, 201, "{currency}");
        assert!(page(currency, units).await && !page(currency, smaller_units).await, "{currency}");
        assert_eq!(handlers.create_over(minor_units - 1, currency).await.status, 422, "{currency}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_address_goes_to_paystack_and_nowhere_else() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let created = handlers.create_for(&json!({ "phone": "+27831234567", "email": "thandi@example.com" })).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.body["customer"], json!({ "phone": "+27831234567", "name": null }));
    let id = created.body["id"].as_str().unwrap();
    let token = created.body["link"]["url"].as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(handlers.click(token).await.status, 303);
    let transaction = paystack.transaction(&reference(id, 1)).await;
    assert_eq!(transaction["customer"]["email"], "thandi@example.com");
    let stored = handlers.stored(id).await;
    assert_eq!(stored.details.customer.email.as_ref().unwrap().as_str(), "thandi@example.com");
    let seen = format!("{:?} {} {stored:?}", handlers.events(id).await, handlers.get(id).await.body);
    assert!(!seen.contains("thandi@example.com"), "{seen}");
    for wrong in [json!("thandi"), json!("thandi@example"), json!(1), json!("thandi@example.com ")] {
        let refused = handlers.create_for(&json!({ "phone": "+27831234567", "email": wrong })).await;
        assert_eq!((refused.status, refused.code()), (422, "validation_failed"), "{wrong}: {refused:?}");
        assert_eq!(refused.body["errors"][0]["field"], "customer.email", "{wrong}");
    }
    for none in [json!(null), json!("")] {
        let created = handlers.create_for(&json!({ "phone": "+27831234567", "email": none })).await;
        assert_eq!(created.status, 201, "{none}");
        assert_eq!(handlers.stored(created.body["id"].as_str().unwrap()).await.details.customer.email, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_names_the_payments_that_it_brought() {
    let (paystack, handlers) = Paystack::with_handlers(300, 900).await;
    let (id, page) = clicked(&handlers).await;
    assert_eq!(paystack.press(&page, "pay", "succeeded").await, 303);
    paystack.settle_all().await;
    let (from, now): (ConfiguredProvider, Timestamp) = (handlers.payment_provider(), SystemClock.now());
    let window =
        Window { from: now.saturating_sub(Duration::from_hours(1)), to: now.saturating_add(Duration::from_hours(1)) };
    let (mut place, mut found) = (None, Vec::new());
    loop {
        let page = from.payouts(window, place.as_deref()).await.unwrap();
        found.extend(page.entries.into_iter().filter(|entry| entry.balance_entry == reference(&id, 1)));
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 1);
    let listed = from.settlements(SettlementList::Payments, window, None).await.unwrap();
    assert!(listed.payments.iter().any(|payment| payment.reference == reference(&id, 1)), "{listed:?}");
}
