//! The life of a payment request (specification, section 2), as agent, customer, provider and bus see it.

use http::Method;
use serde_json::{Value, json};
use tests::examples::Examples;
use tests::system::{
    SHORT, SHORT_CHECKOUT, SHORT_LINK, System, all, failed, id, link, now, order, paid, phone, shifted, time, workspace,
};

/// Asserts that history only grows: every entry of `before` is still in `after`.
fn assert_continues(before: &Value, after: &Value) {
    let (before, after) = (before["history"].as_array().unwrap(), after["history"].as_array().unwrap());
    assert!(after.starts_with(before), "{before:?} was rewritten: {after:?}");
}

fn statuses(request: &Value) -> Vec<&str> {
    request["history"].as_array().unwrap().iter().map(|entry| entry["status"].as_str().unwrap()).collect()
}

fn last(request: &Value) -> &Value {
    request["history"].as_array().unwrap().last().unwrap()
}

#[tokio::test]
async fn a_request_goes_from_sent_to_clicked_to_paid() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());

    // Status: sent.
    let before = now();
    let created = alice.create(&order(&phone)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let sent = created.json();
    let id = id(&sent).to_owned();
    assert_eq!(created.header("location"), format!("/payment-requests/{id}"));
    assert!((before..=now()).contains(&time(&sent["created_at"])));
    let link = link(&sent).to_owned();
    let token = link.strip_prefix(&format!("{}/p/", system.base())).unwrap();
    assert!(token.len() == 22 && token.chars().all(char::is_alphanumeric), "{token}");
    let mut examples = Examples::of(&alice.workspace, &phone);
    examples.assert("api/create", &created);
    assert_eq!(alice.read(&id).await, sent);
    let texts = system.wait_for_texts(&phone, 1).await;
    assert_eq!(texts, [format!("Please pay R250.00 for order 10045: {link} The link expires in 5 minutes.")]);

    // Status: clicked.
    let page = system.page(Method::GET, &link).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("R250.00") && page.text().contains("<button"), "{page:?}");
    let before = now();
    let checkout = system.click(&link).await;
    let clicked = alice.read(&id).await;
    assert!((before..=now()).contains(&time(&last(&clicked)["at"])));
    examples.assert("requests/clicked", &clicked);
    let payment_page = system.page(Method::GET, &checkout).await;
    assert_eq!(payment_page.status, 200);
    for offered in ["R250.00", "10045", "value=\"succeeded\"", "value=\"declined\""] {
        assert!(payment_page.text().contains(offered), "{offered}: {payment_page:?}");
    }

    // Status: paid.
    let before = now();
    let back = system.settle(&checkout, "succeeded").await;
    assert_eq!((back.status, back.header("location")), (303, format!("{link}?done").as_str()));
    let done = alice.wait_for(&id, "paid").await;
    assert!((before..=now()).contains(&time(&done["payment"]["paid_at"])), "{done}");
    examples.assert("requests/paid", &done);
    let receipt = system.page(Method::GET, &link).await;
    assert_eq!(receipt.status, 200);
    assert!(!receipt.text().contains("<button"), "{receipt:?}");
    let texts = system.wait_for_texts(&phone, 2).await;
    assert_eq!(texts[1..], ["Thank you. We received your payment of R250.00 for order 10045."]);

    // The published events.
    let events = system.wait_for_events(&id, 3).await;
    assert_eq!(events.len(), 3, "{events:?}");
    for (event, name) in events.iter().zip(["events/sent", "events/clicked", "events/paid"]) {
        examples.assert(name, event);
    }
}

#[tokio::test]
async fn an_omitted_field_is_null_or_empty_in_the_answer() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let least = json!({ "order_number": "1", "amount": 1, "currency": "JPY", "customer": { "phone": phone() } });
    let sent = alice.sent_as(&least).await;
    let mut examples = Examples::about(&sent);
    examples.assert("requests/least", &sent);
    examples.assert("events/sent-least", &system.wait_for_events(id(&sent), 1).await[0]);
}

#[tokio::test]
async fn a_sent_request_can_be_canceled_and_the_customer_is_notified() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let sent = alice.sent_to(&phone).await;
    // A request that is canceled before its link was sent gets no link.
    system.wait_for_texts(&phone, 1).await;
    let answer = alice.cancel(id(&sent)).await;
    let mut examples = Examples::of(&alice.workspace, &phone);
    examples.assert("api/cancel", &answer);
    let canceled = answer.json();
    assert_continues(&sent, &canceled);
    assert_eq!(alice.read(id(&sent)).await, canceled);
    let texts = system.wait_for_texts(&phone, 2).await;
    assert_eq!(texts[1..], ["The 10045 has been canceled by the Agent"]);
    examples.assert("events/canceled", &system.wait_for_events(id(&sent), 2).await[1]);
    let page = system.press(link(&sent)).await;
    assert_eq!(page.status, 410);
    assert!(page.text().contains("canceled"), "{page:?}");
}

#[tokio::test]
async fn a_supervisor_who_cancels_is_named_in_the_history() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sara = system.user(&alice.workspace, "sara", "supervisor").await;
    let sent = alice.sent().await;
    let canceled = sara.cancel(id(&sent)).await;
    Examples::about(&sent).assert("api/cancel-by-supervisor", &canceled);
}

#[tokio::test]
async fn a_rejected_cancel_gives_the_specified_reason_and_changes_nothing() {
    let (system, short) = (System::shared(&[]).await, System::shared(SHORT_LINK).await);
    let alice = system.alice().await;

    let clicked = alice.sent().await;
    system.click(link(&clicked)).await;
    let canceled = alice.sent().await;
    assert_eq!(alice.cancel(id(&canceled)).await.status, 200);
    let settled = alice.sent().await;
    system.settle(&system.click(link(&settled)).await, "succeeded").await;
    alice.wait_for(id(&settled), "paid").await;
    let refunded = alice.sent().await;
    assert_eq!(alice.cancel(id(&refunded)).await.status, 200);
    assert_eq!(system.webhook(&paid(&refunded, "pay_late", now())).await.status, 200);
    alice.wait_for(id(&refunded), "refunded").await;
    let bob = short.user(&workspace(), "bob", "agent").await;
    let expired = bob.sent().await;
    bob.wait_for_history(id(&expired), "expired").await;

    for (user, request, code, detail) in [
        (
            &alice,
            &clicked,
            "already_clicked",
            "The customer has already clicked the link, so this request can no longer be canceled.",
        ),
        (&alice, &canceled, "already_canceled", "This request is already canceled."),
        (&bob, &expired, "link_expired", "The link has expired, so there is nothing left to cancel."),
        (&alice, &settled, "already_paid", "The customer has already paid."),
        (&alice, &refunded, "already_paid", "The customer has already paid."),
    ] {
        let before = user.read(id(request)).await;
        assert_eq!(user.cancel(id(request)).await.problem(409, code)["detail"], detail);
        assert_eq!(user.read(id(request)).await, before, "{code}");
    }
}

#[tokio::test]
async fn an_unclicked_link_expires_at_its_deadline() {
    let system = System::shared(SHORT_LINK).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let deadline = time(&sent["link"]["expires_at"]);
    assert_eq!(deadline, shifted(time(&sent["created_at"]), SHORT));
    let expired = alice.wait_for_history(id(&sent), "expired").await;
    let mut examples = Examples::about(&sent);
    examples.assert("requests/expired-not-clicked", &expired);
    assert!(time(&last(&expired)["at"]) >= deadline, "a request does not expire before its deadline: {expired}");
    assert_continues(&sent, &expired);
    examples.assert("events/expired-not-clicked", &system.wait_for_events(id(&sent), 2).await[1]);
    for method in [Method::GET, Method::POST] {
        let page = system.page(method.clone(), link(&sent)).await;
        assert_eq!(page.status, 410, "{method}");
        assert!(page.text().contains("expired"), "{page:?}");
    }
    assert_eq!(alice.read(id(&sent)).await, expired, "a click on an expired link changes nothing");
}

#[tokio::test]
async fn an_unpaid_checkout_expires_at_its_deadline_and_is_closed_at_the_provider() {
    let system = System::shared(SHORT_CHECKOUT).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let checkout = system.click(link(&sent)).await;
    let expired = alice.wait_for_history(id(&sent), "expired").await;
    let mut examples = Examples::about(&sent);
    examples.assert("requests/expired-not-paid", &expired);
    let clicked_at = time(&expired["history"][1]["at"]);
    assert!(time(&last(&expired)["at"]) >= shifted(clicked_at, SHORT), "{expired}");
    examples.assert("events/expired-not-paid", &system.wait_for_events(id(&sent), 3).await[2]);

    // The checkout cannot be paid any more.
    let payment_page = system.page(Method::GET, &checkout).await;
    assert!(!payment_page.text().contains("value=\"succeeded\""), "{payment_page:?}");
    assert_eq!(system.settle(&checkout, "succeeded").await.status, 410);
    assert_eq!(system.press(link(&sent)).await.status, 410);
    assert_eq!(alice.read(id(&sent)).await, expired);
}

#[tokio::test]
async fn a_declined_attempt_is_in_the_history_and_the_customer_can_still_pay() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let sent = alice.sent_to(&phone).await;
    system.wait_for_texts(&phone, 1).await;
    let checkout = system.click(link(&sent)).await;
    let clicked = alice.read(id(&sent)).await;
    let mut examples = Examples::of(&alice.workspace, &phone);
    for (attempt, name) in [(3, "events/attempt-failed"), (4, "events/attempt-failed-again")] {
        let back = system.settle(&checkout, "declined").await;
        assert_eq!((back.status, back.header("location")), (303, format!("{}?done", link(&sent)).as_str()));
        let events = system.wait_for_events(id(&sent), attempt).await;
        examples.assert(name, events.last().unwrap());
    }
    let declined = alice.read(id(&sent)).await;
    assert_eq!(declined["link"], clicked["link"], "the deadline does not change");
    assert_continues(&clicked, &declined);
    Examples::of(&alice.workspace, &phone).assert("requests/attempt-failed", &declined);

    assert_eq!(system.click(link(&sent)).await, checkout);
    system.settle(&checkout, "succeeded").await;
    let done = alice.wait_for(id(&sent), "paid").await;
    assert_eq!(done["version"], 5);
    assert_continues(&declined, &done);
    assert_eq!(system.wait_for_texts(&phone, 2).await.len(), 2, "a failed attempt sends no text");
}

#[tokio::test]
async fn a_failed_attempt_is_recorded_only_for_a_clicked_request() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let (sent, canceled, settled) = (alice.sent().await, alice.sent().await, alice.sent().await);
    alice.cancel(id(&canceled)).await;
    system.settle(&system.click(link(&settled)).await, "succeeded").await;
    alice.wait_for(id(&settled), "paid").await;
    for request in [sent, canceled, settled] {
        let before = alice.read(id(&request)).await;
        assert_eq!(system.webhook(&failed(&request, "card_declined")).await.status, 200);
        assert_eq!(alice.read(id(&request)).await, before);
    }
}

#[tokio::test]
async fn money_paid_after_the_deadline_is_refunded() {
    let system = System::shared(SHORT_CHECKOUT).await;
    let (alice, phone) = (system.alice().await, phone());
    let sent = alice.sent_to(&phone).await;
    system.click(link(&sent)).await;
    let expired = alice.wait_for_history(id(&sent), "expired").await;
    let late = shifted(time(&expired["history"][1]["at"]), SHORT + 1);
    assert_eq!(system.webhook(&paid(&sent, "pay_late", late)).await.status, 200);
    let refunded = alice.wait_for(id(&sent), "refunded").await;
    let mut examples = Examples::of(&alice.workspace, &phone);
    examples.assert("requests/refunded-after-expiry", &refunded);
    assert_eq!(refunded["payment"]["paid_at"], json!(late));
    assert_continues(&expired, &refunded);
    let events = system.wait_for_events(id(&sent), 5).await;
    let published: Vec<&Value> = events.iter().map(|event| &event["detail"]["status"]).collect();
    assert_eq!(published, ["sent", "clicked", "expired", "refund_due", "refunded"]);
    examples.assert("events/refund-due", &events[3]);
    examples.assert("events/refunded", &events[4]);
    assert_eq!(system.page(Method::GET, link(&sent)).await.status, 410);

    // A repeated report changes nothing.
    assert_eq!(system.webhook(&paid(&sent, "pay_late", late)).await.status, 200);
    assert_eq!(alice.read(id(&sent)).await, refunded);
}

#[tokio::test]
async fn money_paid_in_time_pays_the_request_even_if_it_is_reported_after_expiry() {
    let (checkout, short) = (System::shared(SHORT_CHECKOUT).await, System::shared(SHORT_LINK).await);
    for (system, pressed) in [(&checkout, true), (&short, false)] {
        let (alice, phone) = (system.alice().await, phone());
        let sent = alice.sent_to(&phone).await;
        system.wait_for_texts(&phone, 1).await;
        if pressed {
            system.click(link(&sent)).await;
        }
        let expired = alice.wait_for_history(id(&sent), "expired").await;
        let deadline = shifted(time(&expired["history"][usize::from(pressed)]["at"]), SHORT);
        // A payment at the deadline itself is in time.
        assert_eq!(system.webhook(&paid(&sent, "pay_slow", deadline)).await.status, 200);
        let done = alice.read(id(&sent)).await;
        assert_eq!(done["status"], "paid", "{done}");
        assert_eq!(done["payment"]["paid_at"], json!(deadline));
        assert_continues(&expired, &done);
        let texts = system.wait_for_texts(&phone, 2).await;
        assert_eq!(texts[1], "Thank you. We received your payment of R250.00 for order 10045.");
        assert_eq!(system.page(Method::GET, link(&sent)).await.status, 200);
    }
}

#[tokio::test]
async fn money_for_a_canceled_request_is_refunded() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    alice.cancel(id(&sent)).await;
    assert_eq!(system.webhook(&paid(&sent, "pay_1", now())).await.status, 200);
    let refunded = alice.wait_for(id(&sent), "refunded").await;
    Examples::about(&sent).assert("requests/refunded-after-cancellation", &refunded);
}

#[tokio::test]
async fn money_for_an_unclicked_request_pays_it() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    assert_eq!(system.webhook(&paid(&sent, "pay_1", now())).await.status, 200);
    assert_eq!(statuses(&alice.read(id(&sent)).await), ["sent", "paid"]);
}

#[tokio::test]
async fn another_amount_or_currency_is_never_accepted_as_payment() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let (sent, clicked, canceled) = (alice.sent().await, alice.sent().await, alice.sent().await);
    system.click(link(&clicked)).await;
    alice.cancel(id(&canceled)).await;
    for request in [&sent, &clicked, &canceled] {
        let before = alice.read(id(request)).await;
        for (field, wrong) in [
            ("amount", json!(24_999)),
            ("amount", json!(25_001)),
            ("amount", json!(0)),
            ("amount", json!(-25_000)),
            ("amount", json!(i64::MAX)),
            ("currency", json!("USD")),
            ("currency", json!("zar")),
            ("currency", json!("XXX")),
        ] {
            let mut report = paid(request, "pay_1", now());
            report["data"][field] = wrong;
            let answer = system.webhook(&report).await;
            assert_eq!(answer.status, 200, "{report}: {answer:?}");
            assert_eq!(alice.read(id(request)).await, before, "{report}");
        }
    }
    // A payment of the requested amount is still accepted.
    assert_eq!(system.webhook(&paid(&clicked, "pay_2", now())).await.status, 200);
    assert_eq!(alice.read(id(&clicked)).await["status"], "paid");
}

#[tokio::test]
async fn a_repeated_webhook_changes_nothing() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let sent = alice.sent_to(&phone).await;
    system.wait_for_texts(&phone, 1).await;
    system.click(link(&sent)).await;

    let declined = failed(&sent, "insufficient_funds").to_string();
    for _ in 0..3 {
        assert_eq!(system.webhook_as("msg_declined", &declined).await.status, 200);
        assert_eq!(alice.read(id(&sent)).await["version"], 3);
    }
    let report = paid(&sent, "pay_1", now()).to_string();
    assert_eq!(system.webhook_as("msg_paid", &report).await.status, 200);
    let done = alice.read(id(&sent)).await;
    assert_eq!(done["status"], "paid");
    // The same webhook, the same report under another identifier, the earlier report, and another payment.
    let second = paid(&sent, "pay_2", now()).to_string();
    for (message, body) in
        [("msg_paid", &report), ("msg_other", &report), ("msg_declined", &declined), ("msg_second", &second)]
    {
        assert_eq!(system.webhook_as(message, body).await.status, 200, "{message}");
        assert_eq!(alice.read(id(&sent)).await, done, "{message}");
    }
    let webhooks = all((0..10).map(|_| system.webhook_as("msg_paid", &report))).await;
    assert!(webhooks.iter().all(|answer| answer.status == 200));
    assert_eq!(alice.read(id(&sent)).await, done);
    let published = system.wait_for_events(id(&sent), 4).await;
    assert_eq!(published.len(), 4);
    assert_eq!(system.wait_for_texts(&phone, 2).await.len(), 2);
}

#[tokio::test]
async fn a_second_click_leads_to_the_same_checkout_and_changes_nothing() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let checkout = system.click(link(&sent)).await;
    let clicked = alice.read(id(&sent)).await;
    assert_eq!(system.click(link(&sent)).await, checkout);
    for again in all((0..10).map(|_| system.click(link(&sent)))).await {
        assert_eq!(again, checkout);
    }
    assert_eq!(alice.read(id(&sent)).await, clicked);
}

#[tokio::test]
async fn ten_concurrent_clicks_count_as_one() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let checkouts = all((0..10).map(|_| system.click(link(&sent)))).await;
    assert!(checkouts.windows(2).all(|pair| pair[0] == pair[1]), "{checkouts:?}");
    assert_eq!(statuses(&alice.read(id(&sent)).await), ["sent", "clicked"]);
}

#[tokio::test]
async fn a_click_on_a_paid_request_leads_to_its_page() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    system.settle(&system.click(link(&sent)).await, "succeeded").await;
    let done = alice.wait_for(id(&sent), "paid").await;
    let answer = system.press(link(&sent)).await;
    assert_eq!((answer.status, answer.header("location")), (303, link(&sent)));
    let page = system.page(Method::GET, link(&sent)).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Paid"), "{page:?}");
    assert_eq!(alice.read(id(&sent)).await, done);
}

#[tokio::test]
async fn opening_a_link_changes_nothing() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    for (status, before) in [("sent", sent.clone()), ("clicked", Value::Null)] {
        let before = if before.is_null() {
            system.click(link(&sent)).await;
            alice.read(id(&sent)).await
        } else {
            before
        };
        let looks = (0..100).map(|look| {
            let method = if look % 2 == 0 { Method::GET } else { Method::HEAD };
            system.page(method, link(&sent))
        });
        assert!(all(looks).await.iter().all(|page| page.status == 200));
        assert_eq!(before["status"], status);
        assert_eq!(alice.read(id(&sent)).await, before);
    }
}

/// The schedule's next run is a minute away and the job does not look ahead, so only the deadline itself can end this
/// link. Who is refused because of it writes the expiry.
#[tokio::test]
async fn the_deadline_ends_a_link_before_any_job_has_run() {
    let system = System::start(&[("LINK_TTL_SECONDS", "2"), ("EXPIRY_LOOKAHEAD_SECONDS", "0")]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let shown = alice.wait_for(id(&sent), "expired").await;
    assert_eq!((&shown["version"], &shown["link"]), (&json!(1), &Value::Null), "nothing was written: {shown}");
    assert_eq!(statuses(&shown), ["sent"]);
    assert_eq!(alice.listed(&[("status", "expired")]).await.0, [id(&sent)]);
    assert_eq!(alice.listed(&[("status", "sent")]).await.0, Vec::<String>::new());
    assert_eq!(alice.list(&[]).await.json()["items"][0]["status"], "expired");
    alice.cancel(id(&sent)).await.problem(409, "link_expired");
    assert_eq!(system.press(link(&sent)).await.status, 410);
    assert_eq!(system.page(Method::GET, link(&sent)).await.status, 410);
    let written = alice.read(id(&sent)).await;
    assert_eq!((statuses(&written), &last(&written)["reason"]), (vec!["sent", "expired"], &json!("not_clicked")));
    // Payments are judged by the same deadline.
    let deadline = shifted(time(&sent["created_at"]), SHORT);
    assert_eq!(system.webhook(&paid(&sent, "pay_1", shifted(deadline, 1))).await.status, 200);
    let refunded = alice.wait_for(id(&sent), "refunded").await;
    assert_eq!(refunded["history"][2]["reason"], "paid_after_expiry");
    system.stop().await;
}
