//! Money through Stripe: the deployed handlers against the stand-in, with calls and webhooks that are lost, repeated or
//! reordered.

use domain::limits::{FIRST_LOOK, PROVIDER_GRACE};
use domain::use_cases::expire::Settled;
use domain::{Clock as _, Currency, PaymentRequest, Status, SystemClock};
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::handlers::{Handlers, assert_possible};
use tests::proxy::Fault as WriteFault;
use tests::proxy::{reads_and_writes, write_units};
use tests::stripe::{Delivery, Fault, SECRET, Stripe, session_of, signature};
use tests::system::Random;

/// The number of attempts for each call to Stripe.
const ATTEMPTS: usize = 4;

fn statuses(request: &PaymentRequest) -> Vec<Status> {
    request.history.iter().map(|entry| entry.status).collect()
}

/// Creates a request, clicks its link, and returns its identifier and its session.
async fn clicked(handlers: &Handlers) -> (String, String) {
    let (id, token) = handlers.sent().await;
    let answer = handlers.click(&token).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    (id, session_of(answer.headers["location"].as_str().unwrap()))
}

/// Delivers every webhook three times in a random order, and asserts that each was accepted.
async fn storm(handlers: &Handlers, webhooks: &[Delivery], random: &mut Random) {
    let mut all = [webhooks, webhooks, webhooks].concat();
    for place in (1..all.len()).rev() {
        all.swap(place, random.below(place + 1));
    }
    let answers = all.iter().map(|delivery| handlers.stripe_webhook(Some(&delivery.signature), &delivery.body));
    for answer in join_all(answers).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Returns the refunded amount of a session's payment.
async fn refunded(stripe: &Stripe, session: &str) -> Value {
    stripe.session(session).await["payment_intent"]["latest_charge"]["amount_refunded"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_costs_as_much_as_with_the_sandbox_and_one_call_to_stripe() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, token) = handlers.sent().await;
    let create = handlers.proxy.take_calls();
    let answer = handlers.click(&token).await;
    let session = session_of(answer.headers["location"].as_str().unwrap());
    let click = handlers.proxy.take_calls();
    assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
    assert_eq!(stripe.deliver(&handlers, &id, "checkout.session.completed").await.status, 200);
    let pay = handlers.proxy.take_calls();
    assert_eq!([&create, &click, &pay].map(|calls| reads_and_writes(calls)), [(1, 2), (1, 2), (0, 1)]);
    let life = [create, click, pay].concat();
    assert!(write_units(&life) <= 11.0, "{life:?}");
    assert_eq!(stripe.take_calls(), ["POST /v1/checkout/sessions"]);

    let request = handlers.stored(&id).await;
    assert_eq!(statuses(&request), [Status::Sent, Status::Clicked, Status::Paid]);
    let payment = request.payment.unwrap();
    let paid = stripe.session(&session).await;
    assert_eq!(payment.provider, "stripe");
    assert_eq!(payment.reference, paid["payment_intent"]["id"].as_str().unwrap());
    assert!(payment.paid_at <= SystemClock.now() && payment.paid_at.as_milliseconds() % 1000 == 0);
    let size = handlers.item_size(&id).await;
    assert!(size <= 1024, "{size} bytes: each further kilobyte costs another unit with every write");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_click_leads_to_the_same_session() {
    let (_stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (_, token) = handlers.sent().await;
    let clicks = join_all((0..5).map(|_| handlers.click(&token))).await;
    let mut addresses: Vec<&str> =
        clicks.iter().filter(|answer| answer.status == 303).map(|a| a.headers["location"].as_str().unwrap()).collect();
    let again = handlers.click(&token).await;
    assert_eq!(again.status, 303);
    addresses.push(again.headers["location"].as_str().unwrap());
    addresses.dedup();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_is_a_failed_attempt_and_another_card_pays() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = clicked(&handlers).await;
    assert_eq!(stripe.press(&session, "pay", "declined").await, 303);
    stripe.deliver(&handlers, &id, "payment_intent.payment_failed").await;
    assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
    stripe.deliver(&handlers, &id, "checkout.session.completed").await;
    let request = handlers.stored(&id).await;
    assert_eq!(statuses(&request), [Status::Sent, Status::Clicked, Status::Clicked, Status::Paid]);
    assert_eq!(request.history[2].reason.as_ref().unwrap().as_str(), "generic_decline");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_a_paid_session_is_found_paid_and_an_unpaid_one_is_closed() {
    let (stripe, handlers) = Stripe::with_handlers(300, 2).await;
    let ((paid, paid_session), (unpaid, unpaid_session)) = (clicked(&handlers).await, clicked(&handlers).await);
    assert_eq!(stripe.press(&paid_session, "pay", "succeeded").await, 303);
    tests::until(handlers.stored(&unpaid).await.deadline).await;
    handlers.expire_what_is_due().await;
    assert_eq!(handlers.stored(&paid).await.status, Status::Paid, "its webhook has not arrived yet");
    assert_eq!(handlers.stored(&unpaid).await.status, Status::Expired);
    assert_eq!(stripe.press(&unpaid_session, "pay", "succeeded").await, 410);
    stripe.deliver(&handlers, &paid, "checkout.session.completed").await;
    stripe.deliver(&handlers, &unpaid, "checkout.session.expired").await;
    assert_eq!((handlers.stored(&paid).await.version(), handlers.stored(&unpaid).await.version()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_the_second_of_the_deadline_counts_or_is_rejected() {
    let (stripe, handlers) = Stripe::with_handlers(300, 2).await;
    let requests = join_all((0..8).map(|_| clicked(&handlers))).await;
    let deadline = handlers.stored(&requests[7].0).await.deadline;
    tests::until(deadline).await;
    let pressing = join_all(requests.iter().map(|(_, session)| stripe.press(session, "pay", "succeeded")));
    let (pressed, ()) = tokio::join!(pressing, handlers.expire_what_is_due());
    for ((id, session), pressed) in requests.iter().zip(pressed) {
        let at_stripe = stripe.session(session).await;
        if at_stripe["status"] == "complete" {
            stripe.deliver(&handlers, id, "checkout.session.completed").await;
        }
        // A request that was read before its session was paid may still be open; another run settles it.
        handlers.expire_what_is_due().await;
        let request = handlers.stored(id).await;
        assert_possible(&request);
        let expected = match at_stripe["status"].as_str().unwrap() {
            "complete" => (303, vec![Status::Paid, Status::RefundDue]),
            _ => (410, vec![Status::Expired]),
        };
        assert!(expected.1.contains(&request.status) && pressed == expected.0, "{pressed} {request:?} {at_stripe}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_processing_until_its_money_arrives_or_fails() {
    for (outcome, kind, status) in [
        ("succeeded", "checkout.session.async_payment_succeeded", Status::Paid),
        ("failed", "checkout.session.async_payment_failed", Status::Expired),
    ] {
        let (stripe, handlers) = Stripe::with_handlers(300, 1).await;
        let (id, session) = clicked(&handlers).await;
        assert_eq!(stripe.press(&session, "pay", "processing").await, 303);
        // The webhook is late, so the expiry finds the payment when it closes the session.
        tests::until(handlers.stored(&id).await.deadline).await;
        handlers.expire_what_is_due().await;
        assert_eq!(handlers.stored(&id).await.status, Status::Processing);
        stripe.deliver(&handlers, &id, "checkout.session.completed").await;
        assert_eq!(handlers.stored(&id).await.version(), 3);
        assert_eq!(stripe.press(&session, "settle", outcome).await, 303);
        stripe.deliver(&handlers, &id, kind).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(request.status, status);
        storm(&handlers, &stripe.webhooks(&id), &mut Random::new(7)).await;
        let request = handlers.stored(&id).await;
        assert_eq!((request.status, request.history.last().unwrap().status), (status, status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_webhooks_in_any_order_have_the_effect_of_one_each() {
    let mut random = Random::new(20_261_124);
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    for _ in 0..4 {
        let (id, session) = clicked(&handlers).await;
        for outcome in ["declined", "declined", "succeeded"] {
            assert_eq!(stripe.press(&session, "pay", outcome).await, 303);
        }
        storm(&handlers, &stripe.wait_for(&id, "checkout.session.completed").await, &mut random).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(request.status, Status::Paid);
        // A failed attempt that is reported after the payment changes nothing.
        assert!((3..=5).contains(&request.version()), "{request:?}");
        assert_eq!(statuses(&request).iter().filter(|status| **status == Status::Paid).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_money_is_refunded_once_whatever_is_lost_or_repeated() {
    for fault in [Fault::None, Fault::AnswerLost, Fault::Failure, Fault::TooMany] {
        let (stripe, handlers) = Stripe::with_handlers(300, 1).await;
        let (id, session) = clicked(&handlers).await;
        // Stripe cannot be reached for ten minutes, so the request expires with its session open.
        stripe.fail_every(Some(Fault::RequestLost));
        let deadline = handlers.stored(&id).await.deadline;
        let (provider, at) = (handlers.payment_provider(), deadline.saturating_add(PROVIDER_GRACE));
        let ended = tests::expire(&handlers.store(), &provider, at, id.parse().unwrap()).await;
        assert!(matches!(ended.unwrap(), Settled::ExpiredUnconfirmed(..)));
        stripe.fail_every(None);

        // Stripe's times are whole seconds, so the payment has to come in the next second to be after the deadline.
        tests::until(deadline.saturating_add(Duration::from_secs(1))).await;
        assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
        storm(&handlers, &stripe.wait_for(&id, "checkout.session.completed").await, &mut Random::new(5)).await;
        // The event does not say whether the customer was in time, so Stripe is asked at once.
        assert_eq!(handlers.stored(&id).await.status, Status::Expired);
        handlers.expire_what_is_due().await;
        assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);

        stripe.fail_next(&[fault]);
        let (first, second) = tokio::join!(handlers.refund_due(&id), handlers.refund_due(&id));
        assert!(first.is_ok() && second.is_ok(), "{fault:?}: {first:?} {second:?}");
        assert_eq!(handlers.stored(&id).await.status, Status::Refunded, "{fault:?}");
        storm(&handlers, &stripe.wait_for(&id, "refund.updated").await, &mut Random::new(6)).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(statuses(&request).iter().filter(|status| **status == Status::Refunded).count(), 1);
        assert_eq!(refunded(&stripe, &session).await, 25_000);
        let refunds = stripe.webhooks(&id).iter().filter(|webhook| webhook.kind() == "refund.created").count();
        assert_eq!(refunds, 1, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_made_by_a_person_counts_and_is_not_made_again() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = due(&stripe, &handlers).await;
    refund_by_hand(&stripe, &session).await;
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(
        handlers.stored(&id).await.status,
        Status::Refunded,
        "Stripe's answer that the charge is already refunded counts"
    );
    assert_eq!(refunded(&stripe, &session).await, 25_000);
}

/// Creates a request whose refund is due, because it was canceled and paid all the same. Returns its identifier and the
/// session that was paid.
async fn due(stripe: &Stripe, handlers: &Handlers) -> (String, String) {
    let (id, _) = handlers.sent().await;
    handlers.cancel(&id).await;
    let session = paid_by_hand(stripe, &id).await;
    stripe.deliver(handlers, &id, "checkout.session.completed").await;
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    (id, session)
}

/// Creates a request whose refund is due but exceeds the account's balance. Returns its identifier and the session that
/// was paid.
pub(crate) async fn waiting(stripe: &Stripe, handlers: &Handlers) -> (String, String) {
    let (id, session) = due(stripe, handlers).await;
    assert_eq!(stripe.press(&session, "refunds", "waiting").await, 303);
    (id, session)
}

/// Refunds a session's payment as a person does in the Dashboard.
async fn refund_by_hand(stripe: &Stripe, session: &str) {
    let intent = stripe.session(session).await["payment_intent"]["id"].as_str().unwrap().to_owned();
    stripe.call(Method::POST, "/v1/refunds", &[("payment_intent", &intent)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_waits_for_the_balance_stays_due_until_it_succeeds() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = waiting(&stripe, &handlers).await;
    // The refund is requested repeatedly, and Stripe's reports that it accepted the refund arrive in any order.
    handlers.refund_due(&id).await.unwrap();
    storm(&handlers, &stripe.wait_for(&id, "charge.refunded").await, &mut Random::new(7)).await;
    handlers.refund_due(&id).await.unwrap();
    let request = handlers.stored(&id).await;
    assert_eq!(request.status, Status::RefundDue, "the refund is not shown as complete before its money has gone back");
    assert_eq!(stripe.press(&session, "refunds", "succeeded").await, 303);
    storm(&handlers, &stripe.wait_for(&id, "refund.updated").await, &mut Random::new(8)).await;
    let request = handlers.stored(&id).await;
    assert_possible(&request);
    assert_eq!((request.status, refunded(&stripe, &session).await), (Status::Refunded, json!(25_000)));
    handlers.refund_due(&id).await.unwrap();
    let refunds = stripe.webhooks(&id).iter().filter(|webhook| webhook.kind() == "refund.created").count();
    assert_eq!(refunds, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_after_acceptance_stays_due_and_a_retry_makes_a_new_one() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = waiting(&stripe, &handlers).await;
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(stripe.press(&session, "refunds", "failed").await, 303);
    assert_eq!(stripe.deliver(&handlers, &id, "refund.failed").await.status, 200);
    storm(&handlers, &stripe.webhooks(&id), &mut Random::new(9)).await;
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    assert_eq!(refunded(&stripe, &session).await, 0);
    // An operator redelivers the event. The idempotency key's first answer must not decide the second refund.
    let (first, second) = tokio::join!(handlers.refund_due(&id), handlers.refund_due(&id));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
    assert_eq!(refunded(&stripe, &session).await, 25_000);
    tests::system::eventually("the reports of both refunds", async || {
        let webhooks = stripe.webhooks(&id);
        let refunds = webhooks.iter().filter(|webhook| webhook.kind() == "refund.created").count();
        if refunds == 2 { Ok(()) } else { Err(format!("{refunds} refunds")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_refund_whose_answers_are_lost_stays_due_until_it_succeeds() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = waiting(&stripe, &handlers).await;
    // Stripe executes the refund, and every answer is lost.
    stripe.fail_every(Some(Fault::AnswerLost));
    handlers.refund_due(&id).await.unwrap_err();
    stripe.fail_every(None);
    assert_eq!(stripe.deliver(&handlers, &id, "charge.refunded").await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    assert_eq!(stripe.press(&session, "refunds", "succeeded").await, 303);
    assert_eq!(stripe.deliver(&handlers, &id, "refund.updated").await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_refund_by_hand_of_a_failed_refund_the_event_is_redelivered() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = waiting(&stripe, &handlers).await;
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(stripe.press(&session, "refunds", "failed").await, 303);
    refund_by_hand(&stripe, &session).await;
    storm(&handlers, &stripe.wait_for(&id, "refund.failed").await, &mut Random::new(10)).await;
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue, "the charge's refund may be ours or the person's");
    handlers.refund_due(&id).await.unwrap();
    assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
    assert_eq!(refunded(&stripe, &session).await, 25_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_can_open_the_page_while_the_refund_is_pending() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, _) = waiting(&stripe, &handlers).await;
    let token = handlers.stored(&id).await.token.reveal();
    let before = handlers.link_time_to_live(&token).await;
    handlers.refund_due(&id).await.unwrap();
    let days = (handlers.link_time_to_live(&token).await - before) / 86_400;
    assert!((91..=92).contains(&days), "{days}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_our_refund_was_rejected_a_refund_by_hand_counts_by_the_charge() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    for writes in [vec![], vec![WriteFault::None, WriteFault::AnswerLost]] {
        let (id, session) = due(&stripe, &handlers).await;
        stripe.fail_every(Some(Fault::Refusal("charge_disputed")));
        handlers.proxy.fail_next_writes(&writes);
        handlers.refund_due(&id).await.unwrap_err();
        assert_eq!(handlers.proxy.faults_left(), 0);
        stripe.fail_every(None);
        refund_by_hand(&stripe, &session).await;
        assert_eq!(stripe.deliver(&handlers, &id, "charge.refunded").await.status, 200);
        assert_eq!(handlers.stored(&id).await.status, Status::Refunded);
        assert_possible(&handlers.stored(&id).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_not_due_changes_nothing() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = clicked(&handlers).await;
    assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
    stripe.deliver(&handlers, &id, "checkout.session.completed").await;
    let intent = stripe.session(&session).await["payment_intent"]["id"].as_str().unwrap().to_owned();
    stripe.call(Method::POST, "/v1/refunds", &[("payment_intent", &intent), ("amount", "100")]).await;
    assert_eq!(stripe.deliver(&handlers, &id, "charge.refunded").await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::Paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_survives_every_fault_and_makes_one_session() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    for fault in Fault::ALL {
        // One fault, which the next attempt repairs; and faults on every attempt of one click.
        for faults in [1, ATTEMPTS] {
            let (id, token) = handlers.sent().await;
            stripe.fail_next(&vec![fault; faults]);
            let first = handlers.click(&token).await;
            match first.status {
                303 => assert!(faults == 1, "{fault:?}"),
                503 => assert!(first.headers["retry-after"].is_string() && first.headers["location"].is_null()),
                // Stripe's API is elsewhere, which no retry changes.
                502 => assert!(matches!(fault, Fault::Redirect) && first.headers["retry-after"].is_null()),
                other => panic!("{fault:?}: {other} {first:?}"),
            }
            stripe.fail_next(&[]);
            let second = handlers.click(&token).await;
            assert_eq!(second.status, 303, "{fault:?}: {second:?}");
            if first.status == 303 {
                assert_eq!(first.headers["location"], second.headers["location"], "{fault:?}");
            }
            let session = session_of(second.headers["location"].as_str().unwrap());
            assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
            stripe.deliver(&handlers, &id, "checkout.session.completed").await;
            let request = handlers.stored(&id).await;
            assert_possible(&request);
            assert_eq!((request.status, request.version()), (Status::Paid, 3), "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expiry_of_a_request_survives_every_fault_and_waits_for_stripes_answer() {
    let (stripe, handlers) = Stripe::with_handlers(300, 3).await;
    let clicking = Fault::ALL.iter().flat_map(|fault| [(*fault, false), (*fault, true)]).map(async |(fault, pays)| {
        let (id, session) = clicked(&handlers).await;
        if pays {
            assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
        }
        (fault, pays, id, session)
    });
    let requests = join_all(clicking).await;
    for (_, _, id, _) in &requests {
        tests::until(handlers.stored(id).await.deadline).await;
    }
    for (fault, pays, id, session) in requests {
        stripe.fail_next(&[fault; ATTEMPTS]);
        handlers.link_removed(&id).await;
        let before = handlers.stored(&id).await.status;
        stripe.fail_next(&[]);
        handlers.link_removed(&id).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        let (end, at_stripe) = if pays { (Status::Paid, "complete") } else { (Status::Expired, "expired") };
        assert!([Status::Clicked, end].contains(&before), "{fault:?}: {before}");
        assert_eq!((request.status, request.version()), (end, 3), "{fault:?}");
        assert_eq!(stripe.session(&session).await["status"], at_stripe, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_while_stripe_is_silent_gets_an_error_and_a_later_one_continues() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, token) = handlers.sent().await;
    stripe.fail_every(Some(Fault::Silence));
    let answer = handlers.click(&token).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers["retry-after"].is_string(), "{answer:?}");
    assert_eq!(handlers.stored(&id).await.status, Status::Clicked, "the click counts");
    stripe.fail_every(None);
    assert_eq!(handlers.click(&token).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_stripe_rejects_expires_at_its_deadline_without_a_session() {
    let (stripe, handlers) = Stripe::with_handlers(300, 1).await;
    let (id, token) = handlers.sent().await;
    stripe.fail_every(Some(Fault::Refusal("amount_too_small")));
    let answer = handlers.click(&token).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (502, &Value::Null));
    tests::until(handlers.stored(&id).await.deadline).await;
    handlers.expire_what_is_due().await;
    let request = handlers.stored(&id).await;
    assert_possible(&request);
    assert_eq!(
        (request.status, request.version()),
        (Status::Expired, 3),
        "a request without a session has no payment to wait for"
    );
    assert_eq!(stripe.take_calls(), ["POST /v1/checkout/sessions"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unclicked_links_expire_while_stripe_is_silent() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    // More requests than are settled at the same time.
    let requests = join_all((0..17).map(|_| clicked(&handlers))).await;
    for (id, _) in &requests {
        handlers.let_pass(id, Duration::from_secs(2)).await;
    }
    let (unclicked, _) = handlers.sent().await;
    handlers.let_pass(&unclicked, Duration::from_secs(1)).await;
    stripe.take_calls();
    stripe.fail_every(Some(Fault::Silence));
    let ended = tests::system::eventually("the expiry", async || match handlers.stored(&unclicked).await.status {
        Status::Expired => Ok(()),
        status => Err(status.to_string()),
    });
    tokio::select! {
        () = ended => {}
        () = handlers.expire_what_is_due() => {}
    }
    assert_eq!(handlers.stored(&unclicked).await.status, Status::Expired);
    let sessions: BTreeSet<_> = stripe.take_calls().into_iter().collect();
    assert!(sessions.len() <= 16, "the link expired only after the calls to Stripe were abandoned: {sessions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stripe_is_not_called_again_before_the_next_run() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let requests = join_all((0..40).map(|_| clicked(&handlers))).await;
    for (id, _) in &requests {
        handlers.let_pass(id, Duration::from_secs(1)).await;
    }
    stripe.take_calls();
    stripe.fail_every(Some(Fault::RequestLost));
    handlers.expire_what_is_due().await;
    let calls = stripe.take_calls().len();
    assert!((16 * ATTEMPTS..=31 * ATTEMPTS).contains(&calls), "{calls}");
    for (id, _) in &requests {
        assert_eq!(handlers.stored(id).await.status, Status::Clicked);
    }
    stripe.fail_every(None);
    handlers.at(SystemClock.now().saturating_add(FIRST_LOOK)).expire_what_is_due().await;
    for (id, session) in &requests {
        assert_eq!(handlers.stored(id).await.status, Status::Expired);
        assert_eq!(stripe.session(session).await["status"], "expired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_at_most_ten_minutes_for_a_silent_stripe() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let requests = join_all((0..40).map(|_| clicked(&handlers))).await;
    for (id, _) in &requests {
        handlers.let_pass(id, PROVIDER_GRACE).await;
    }
    stripe.fail_every(Some(Fault::RequestLost));
    handlers.expire_what_is_due().await;
    for (id, _) in &requests {
        assert_eq!(handlers.stored(id).await.status, Status::Expired);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_survives_every_fault_and_is_made_once() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    for fault in Fault::ALL {
        let (id, session) = due(&stripe, &handlers).await;
        stripe.fail_next(&[fault; ATTEMPTS]);
        let first = handlers.refund_due(&id).await;
        let status = handlers.stored(&id).await.status;
        assert_eq!(first.is_ok(), status == Status::Refunded, "{fault:?}: {first:?}");
        stripe.fail_next(&[]);
        // The bus delivers the event again.
        if status == Status::RefundDue {
            handlers.refund_due(&id).await.unwrap();
        }
        assert_eq!(handlers.stored(&id).await.status, Status::Refunded, "{fault:?}");
        assert_eq!(refunded(&stripe, &session).await, 25_000, "{fault:?}");
        stripe.wait_for(&id, "refund.updated").await;
        let refunds = stripe.webhooks(&id).iter().filter(|webhook| webhook.kind() == "refund.created").count();
        assert_eq!(refunds, 1, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_redirected_only_to_stripes_host() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    for (fault, status) in [(Fault::OtherHost, 503), (Fault::Redirect, 502)] {
        let (_, token) = handlers.sent().await;
        stripe.fail_every(Some(fault));
        let answer = handlers.click(&token).await;
        assert_eq!((answer.status, &answer.headers["location"]), (status, &Value::Null), "{fault:?}");
        stripe.fail_every(None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_invalid_or_unrelated_webhook_changes_nothing_and_makes_no_calls() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = clicked(&handlers).await;
    assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
    let webhooks = stripe.wait_for(&id, "checkout.session.completed").await;
    let genuine = webhooks.iter().rfind(|w| w.kind() == "checkout.session.completed").unwrap();
    stripe.take_calls();
    handlers.proxy.take_calls();

    let event = genuine.event();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut event = event.clone();
        change(&mut event);
        event.to_string()
    };
    let signed = |body: String| (Some(signature(SECRET, &body)), body);
    let body = genuine.body.clone();
    for (what, (header, body), status) in [
        ("unsigned", (None, body.clone()), 401),
        (
            "signed for another body",
            (Some(genuine.signature.clone()), changed(&|event| event["livemode"] = true.into())),
            401,
        ),
        ("signed by another", (Some(signature("whsec_of0somebody0else0entirely", &body)), body.clone()), 401),
        ("no signature at all", (Some("nonsense".to_owned()), body.clone()), 401),
        ("signed with another scheme", (Some(genuine.signature.replace("v1=", "v0=")), body.clone()), 401),
        ("not JSON", signed("nonsense".to_owned()), 400),
        ("without its sum", signed(changed(&|event| event["data"]["object"]["amount_total"] = Value::Null)), 400),
        ("without its payment", signed(changed(&|event| event["data"]["object"]["payment_intent"] = Value::Null)), 400),
        ("too large", signed(changed(&|event| event["padding"] = "x".repeat(257 * 1024).into())), 413),
        ("of the other mode", signed(changed(&|event| event["livemode"] = true.into())), 200),
        ("of another kind", signed(changed(&|event| event["type"] = "customer.created".into())), 200),
        (
            "of another merchant's session",
            signed(changed(&|event| event["data"]["object"]["metadata"] = json!({}))),
            200,
        ),
    ] {
        let answer = handlers.stripe_webhook(header.as_deref(), &body).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(handlers.stored(&id).await.status, Status::Clicked, "{what}");
        assert_eq!(stripe.take_calls(), Vec::<String>::new(), "{what}");
        assert_eq!(handlers.proxy.take_calls(), [], "{what}");
    }
    assert_eq!(handlers.stripe_webhook(Some(&genuine.signature), &body).await.status, 200);
    assert_eq!(handlers.stored(&id).await.status, Status::Paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_amount_is_not_a_payment() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (id, session) = clicked(&handlers).await;
    assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
    let webhooks = stripe.wait_for(&id, "checkout.session.completed").await;
    let mut event = webhooks.last().unwrap().event();
    for (field, value) in [("amount_total", json!(24_999)), ("currency", json!("usd"))] {
        let genuine = event["data"]["object"][field].clone();
        event["data"]["object"][field] = value;
        let body = event.to_string();
        assert_eq!(handlers.stripe_webhook(Some(&signature(SECRET, &body)), &body).await.status, 200);
        assert_eq!(handlers.stored(&id).await.status, Status::Clicked, "{field}");
        event["data"]["object"][field] = genuine;
    }
}

/// Pays for a request through a session that was not created by a click, which works for a request that has ended.
/// Returns the session.
async fn paid_by_hand(stripe: &Stripe, id: &str) -> String {
    let order = [
        ("mode", "payment"),
        ("success_url", "https://pay.example.com/p/x"),
        ("metadata[payment_request_id]", id),
        ("payment_intent_data[metadata][payment_request_id]", id),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "zar"),
        ("line_items[0][price_data][unit_amount]", "25000"),
        ("line_items[0][price_data][product_data][name]", "Order 10045"),
    ];
    let session = stripe.call(Method::POST, "/v1/checkout/sessions", &order).await;
    let session = session["id"].as_str().unwrap().to_owned();
    assert_eq!(stripe.press(&session, "pay", "succeeded").await, 303);
    session
}

/// The adapter's tables and the stand-in's were written independently.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_create_takes_stripe_takes_and_what_stripe_refuses_create_refuses() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let session = async |currency: &str, units: i64| {
        let answer = stripe
            .call(
                Method::POST,
                "/v1/checkout/sessions",
                &[
                    ("mode", "payment"),
                    ("success_url", "https://pay.example.com/p/x"),
                    ("line_items[0][quantity]", "1"),
                    ("line_items[0][price_data][currency]", currency),
                    ("line_items[0][price_data][unit_amount]", &units.to_string()),
                    ("line_items[0][price_data][product_data][name]", "Order 1"),
                ],
            )
            .await;
        answer["error"].is_null()
    };
    // An amount that is neither too small nor too large in any currency, nor between two that can be charged.
    let accepts = async |currency: Currency| {
        let created = handlers.create_over(200_000, currency.code()).await;
        let taken = session(&currency.code().to_lowercase(), 200_000).await;
        assert_eq!(created.status == 201, taken, "{currency}: {created:?}");
        taken
    };
    let mut accepted = 0;
    for currency in Currency::all_in_force().chain(Currency::all_former()) {
        accepted += usize::from(accepts(currency).await);
    }
    assert!(accepted > 130, "Stripe takes more than 135 currencies, and this knows {accepted}");
    // Stripe's smallest amount in each currency, in the minor unit and in Stripe's.
    for (currency, minor_units, units, smaller_units) in [
        ("ZAR", 50, 50, 49),
        ("USD", 50, 50, 49),
        ("GBP", 30, 30, 29),
        ("JPY", 50, 50, 49),
        ("HUF", 17_500, 17_500, 17_499),
        ("TWD", 1, 1, 0),
        ("KES", 1, 1, 0),
        ("KWD", 10, 10, 9),
        ("ISK", 1, 100, 99),
        ("UGX", 1, 100, 99),
        ("MGA", 100, 1, 0),
    ] {
        let code = currency.to_lowercase();
        assert_eq!(handlers.create_over(minor_units, currency).await.status, 201, "{currency}");
        assert!(session(&code, units).await && !session(&code, smaller_units).await, "{currency}");
        assert_eq!(handlers.create_over(minor_units - 1, currency).await.status, 422, "{currency}");
    }
}
