//! The delivery of status webhooks: nothing is lost, nobody is slowed down, each request's events keep their order.

use domain::Timestamp;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tests::log::Log;
use tests::proxy::{Fault, reads_and_writes, write_units};
use tests::system::{Answer, System, eventually, phone, workspace};
use tests::webhooks::{KEY, Received, Receiver, Reply, Webhooks, event, event_of};
use tokio::sync::Notify;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn after(webhooks: &Webhooks, time: Duration) -> Timestamp {
    webhooks.now().saturating_add(time)
}

/// Returns the status and the number of attempts of each delivery, the newest first.
async fn outcomes(webhooks: &Webhooks, id: &str) -> Vec<(String, usize)> {
    let log = webhooks.log(id).await;
    let outcome =
        |item: &Value| (item["status"].as_str().unwrap().to_owned(), item["attempts"].as_array().unwrap().len());
    log.iter().map(outcome).collect()
}

fn outcome(status: &str, attempts: usize) -> (String, usize) {
    (status.to_owned(), attempts)
}

#[tokio::test]
async fn an_event_is_delivered_signed_and_logged() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, secret) = webhooks.register(&receiver.url).await;
    let event = event("0199-1", 2, webhooks.now());
    webhooks.pass(Duration::from_secs(2));
    webhooks.publish(&event).await.unwrap();
    assert_eq!(
        webhooks.log(&id).await,
        [json!({
            "event_id": "0199-1#2", "type": "PaymentRequestStatusChanged", "status": "pending", "attempts": [],
            "next_attempt_at": "2026-01-05T10:00:02.000Z",
        })]
    );
    webhooks.work().await;
    let posted = receiver.take();
    assert_eq!(posted.len(), 1);
    let posted = &posted[0];
    assert!(posted.is_signed_with(&secret) && posted.signatures() == 1);
    assert_eq!(posted.id(), "0199-1#2");
    assert_eq!(posted.headers["content-type"], "application/json");
    assert_eq!(posted.headers["webhook-timestamp"], "1767607202", "the time of the attempt");
    assert!(posted.headers["user-agent"].to_str().unwrap().starts_with("chat2pay/"));
    let expected = json!({
        "type": "PaymentRequestStatusChanged", "timestamp": "2026-01-05T10:00:00.000Z", "data": event["detail"],
    });
    assert_eq!(posted.json(), expected);
    assert_eq!(
        webhooks.log(&id).await,
        [json!({
            "event_id": "0199-1#2", "type": "PaymentRequestStatusChanged", "status": "delivered",
            "attempts": [{ "at": "2026-01-05T10:00:02.000Z", "response_status": 204, "error": null }],
            "next_attempt_at": null,
        })]
    );
    assert_eq!(webhooks.tasks(), 0);
}

#[tokio::test]
async fn an_endpoint_receives_what_it_has_subscribed_to_in_its_own_workspace() {
    let webhooks = Webhooks::start().await;
    let (all, some, others) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    webhooks.register(&all.url).await;
    let only = json!({ "url": some.url, "events": ["PaymentAttemptFailed", "ReconciliationDifferenceFound"] });
    webhooks.call("POST /webhook-endpoints", "", Some(&only)).await;
    let other = json!({ "url": others.url });
    webhooks.call_by(("globex", "supervisor"), "POST /webhook-endpoints", "", Some(&other)).await;
    let now = webhooks.now();
    webhooks.publish(&event("0199-1", 1, now)).await.unwrap();
    webhooks.publish(&event_of("acme", "PaymentAttemptFailed", "0199-1", 2, now)).await.unwrap();
    webhooks.publish(&event_of("acme", "PaymentLinkDeliveryFailed", "0199-2", 2, now)).await.unwrap();
    let mut difference = event_of("acme", "ReconciliationDifferenceFound", "0199-1", 1, now);
    difference["detail"]["event_id"] = json!("difference#9f3cAb");
    webhooks.publish(&difference).await.unwrap();
    // A difference about an unknown payment belongs to no workspace.
    difference["detail"]["workspace"] = Value::Null;
    webhooks.publish(&difference).await.unwrap();
    webhooks.work().await;
    let mut ids = all.take_ids();
    ids.sort();
    assert_eq!(ids, ["0199-1#1", "0199-1#2", "0199-2#2", "difference#9f3cAb"]);
    let mut ids = some.take_ids();
    ids.sort();
    assert_eq!(ids, ["0199-1#2", "difference#9f3cAb"]);
    assert!(others.take().is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_away_for_an_hour_loses_nothing_and_keeps_the_order_of_each_request() {
    let webhooks = Webhooks::start().await;
    let port = Receiver::free_port().await;
    let (id, secret) = webhooks.register(&format!("http://127.0.0.1:{port}/hook")).await;
    let start = webhooks.now();
    for minute in 0..6 {
        for request in ["0199-1", "0199-2"] {
            webhooks.publish(&event(request, minute + 1, webhooks.now())).await.unwrap();
        }
        webhooks.work_until(after(&webhooks, Duration::from_mins(10))).await;
    }
    assert!(webhooks.now() >= start.saturating_add(HOUR));
    let log = webhooks.log(&id).await;
    assert_eq!(log.len(), 12);
    assert!(log.iter().all(|delivery| delivery["status"] == "pending"));
    let first = &log[11]["attempts"][0];
    assert_eq!(first["response_status"], Value::Null);
    assert_eq!(first["error"], "The endpoint could not be reached.");
    let receiver = Receiver::start_on(port).await;
    webhooks.work_until(after(&webhooks, 3 * HOUR)).await;
    let posted = receiver.take();
    for request in ["0199-1", "0199-2"] {
        let ids: Vec<&str> = posted.iter().map(Received::id).filter(|id| id.starts_with(request)).collect();
        let expected: Vec<String> = (1..=6).map(|version| format!("{request}#{version}")).collect();
        assert_eq!(ids, expected, "each once, in order");
    }
    assert!(posted.iter().all(|it| it.is_signed_with(&secret)));
    assert!(outcomes(&webhooks, &id).await.iter().all(|(status, _)| status == "delivered"));
    // Only the first of each request was attempted in vain.
    let attempts: usize = outcomes(&webhooks, &id).await.iter().map(|(_, attempts)| attempts).sum();
    assert!(attempts < 30, "{attempts}");
    assert_eq!(webhooks.tasks(), 0);
}

#[tokio::test]
async fn every_answer_but_success_is_repeated_and_no_redirect_is_followed() {
    let webhooks = Webhooks::start().await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let (id, _) = webhooks.register(&receiver.url).await;
    let statuses = [500, 301, 302, 307, 308, 304, 400, 401, 404, 410, 422, 503];
    for (number, status) in statuses.into_iter().enumerate() {
        let to = vec![("location", elsewhere.url.clone())];
        receiver.next([Reply::Status(status, to), Reply::Status(200, Vec::new())]);
        webhooks.publish(&event(&format!("0199-{number}"), 1, webhooks.now())).await.unwrap();
        webhooks.work().await;
        assert_eq!(webhooks.log(&id).await[0]["status"], "pending", "{status}");
        webhooks.work_until(after(&webhooks, Duration::from_secs(10))).await;
        let delivery = webhooks.log(&id).await.remove(0);
        assert_eq!(delivery["status"], "delivered", "{status}");
        let answered: Vec<&Value> =
            delivery["attempts"].as_array().unwrap().iter().map(|it| &it["response_status"]).collect();
        assert_eq!(answered, [&json!(status), &json!(200)]);
        let ids = receiver.take_ids();
        assert_eq!(ids[0], ids[1], "the same identifier at every attempt");
    }
    assert!(elsewhere.take().is_empty(), "a redirect was followed");
}

#[tokio::test]
async fn a_receiver_may_ask_for_a_longer_pause() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    for (number, (status, requested, seconds)) in
        [(429, "600", 600), (503, "900", 900), (500, "600", 5), (429, "soon", 5)].into_iter().enumerate()
    {
        receiver.next([Reply::Status(status, vec![("retry-after", requested.to_owned())])]);
        let start = webhooks.now();
        webhooks.publish(&event(&format!("0199-{number}"), 1, start)).await.unwrap();
        webhooks.work().await;
        let next: Timestamp = webhooks.log(&id).await[0]["next_attempt_at"].as_str().unwrap().parse().unwrap();
        let pause = next.saturating_duration_since(start).as_secs();
        assert!((seconds - 1..=seconds + 1).contains(&pause), "{status} {requested}: {pause}");
        webhooks.work_until(after(&webhooks, HOUR)).await;
    }
}

/// The batch's other deliveries arrive while one endpoint hangs. The run is then cut off, as if its sandbox had died:
/// the delivery is attempted again once the claim is over.
#[tokio::test]
async fn a_receiver_that_hangs_slows_nobody_else_and_a_run_that_dies_loses_nothing() {
    let webhooks = Webhooks::start().await;
    let (hanging, other) = (Receiver::start().await, Receiver::start().await);
    let (id, _) = webhooks.register(&hanging.url).await;
    webhooks.register(&other.url).await;
    hanging.next([Reply::Nothing]);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    let batch = webhooks.receive(10);
    assert_eq!(batch.len(), 2);
    tokio::select! {
        () = webhooks.hand_over(&batch) => panic!("it did not wait for the endpoint that hangs"),
        () = async { hanging.arrived().await; other.arrived().await } => {}
    }
    assert_eq!((hanging.take().len(), other.take().len()), (1, 1));
    assert_eq!(outcomes(&webhooks, &id).await, [outcome("pending", 0)]);
    // The messages come again. The claim of the dead run is still valid.
    webhooks.hand_over(&webhooks.receive(10)).await;
    assert!(hanging.take().is_empty(), "attempted twice at once");
    webhooks.work_until(after(&webhooks, Duration::from_mins(2))).await;
    assert_eq!(hanging.take_ids(), ["0199-1#1"]);
    assert_eq!(outcomes(&webhooks, &id).await, [outcome("delivered", 1)]);
    assert_eq!(webhooks.tasks(), 0);
}

/// Its attempts would fill the concurrency of the function, and everybody else's would wait for them.
#[tokio::test]
async fn an_endpoint_that_does_not_answer_in_time_is_tried_by_one_attempt_at_a_time() {
    let webhooks = Webhooks::start().await;
    let (hanging, other) = (Receiver::start().await, Receiver::start().await);
    let (id, _) = webhooks.register(&hanging.url).await;
    hanging.next([Reply::Nothing]);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    let attempt = webhooks.log(&id).await[0]["attempts"][0].clone();
    assert_eq!(attempt["response_status"], Value::Null);
    assert_eq!(attempt["error"], "The endpoint did not answer in time.");
    assert_eq!(hanging.take().len(), 1);

    // Twenty more for it, and one for somebody else.
    for number in 10..30 {
        webhooks.publish(&event(&format!("0199-{number}"), 1, webhooks.now())).await.unwrap();
    }
    webhooks.register(&other.url).await;
    let last = event("0199-30", 1, webhooks.now());
    webhooks.publish(&last).await.unwrap();
    webhooks.work().await;
    assert_eq!(other.take_ids(), ["0199-30#1"]);
    assert!(hanging.take().is_empty(), "it was called while it does not answer");

    // Half a minute later, one attempt tries it.
    webhooks.pass(Duration::from_secs(30));
    let released = Arc::new(Notify::new());
    hanging.next([Reply::Held(Arc::clone(&released), 204)]);
    let batch = webhooks.receive(10);
    assert_eq!((batch.len(), webhooks.tasks()), (10, 22));
    tokio::join!(webhooks.hand_over(&batch), async {
        // The others are postponed again.
        eventually("the others are postponed", async || {
            let tasks = webhooks.tasks();
            if tasks == 22 + 9 { Ok(()) } else { Err(tasks.to_string()) }
        })
        .await;
        released.notify_one();
    });
    assert_eq!(hanging.take().len(), 1, "more than one attempt tried it");
    // It answers, and everything arrives.
    webhooks.work_until(after(&webhooks, HOUR)).await;
    assert_eq!(hanging.take().len(), 21);
    assert!(webhooks.log(&id).await.iter().all(|delivery| delivery["status"] == "delivered"));
    assert_eq!(webhooks.tasks(), 0);
}

#[tokio::test]
async fn events_that_the_bus_repeats_or_reorders_are_delivered_once_each() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    let events: Vec<Value> = (1..=3).map(|version| event("0199-1", version, webhooks.now())).collect();
    for version in [3, 1, 1, 2, 3] {
        webhooks.publish(&events[version - 1]).await.unwrap();
    }
    webhooks.work().await;
    // Late repeats, after the delivery.
    for event in &events {
        webhooks.publish(event).await.unwrap();
    }
    webhooks.work_until(after(&webhooks, DAY)).await;
    let ids = receiver.take_ids();
    // All were there before the first attempt, so that even their order is that of the versions.
    assert_eq!(ids, ["0199-1#1", "0199-1#2", "0199-1#3"]);
    assert_eq!(outcomes(&webhooks, &id).await, vec![outcome("delivered", 1); 3]);
}

#[tokio::test]
async fn an_event_waits_for_the_earlier_ones_of_its_request_and_goes_right_after_them() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.answers(500);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    webhooks.publish(&event("0199-1", 2, webhooks.now())).await.unwrap();
    webhooks.publish(&event("0199-1", 3, webhooks.now())).await.unwrap();
    webhooks.publish(&event("0199-2", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    assert_eq!(receiver.take_ids(), ["0199-1#1", "0199-2#1"], "another request's do not wait");
    receiver.always(None);
    webhooks.work_until(after(&webhooks, Duration::from_secs(10))).await;
    let ids: Vec<String> = receiver.take_ids().into_iter().filter(|id| id.starts_with("0199-1#")).collect();
    assert_eq!(ids, ["0199-1#1", "0199-1#2", "0199-1#3"]);
    assert_eq!(webhooks.tasks(), 0);
    assert!(outcomes(&webhooks, &id).await.iter().all(|(status, _)| status == "delivered"));
}

#[tokio::test]
async fn a_delivery_is_abandoned_a_day_after_its_first_attempt_and_the_next_one_follows() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.answers(500);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.publish(&event("0199-1", 2, webhooks.now())).await.unwrap();
    let end = after(&webhooks, DAY);
    webhooks.work_until(end.saturating_sub(Duration::from_secs(1))).await;
    let times = receiver.take().len();
    assert!((8..=10).contains(&times), "{times} attempts");
    assert_eq!(outcomes(&webhooks, &id).await, [outcome("pending", 0), outcome("pending", times)]);
    webhooks.work_until(end).await;
    assert_eq!(webhooks.log(&id).await[1]["status"], "failed");
    assert_eq!(webhooks.log(&id).await[1]["next_attempt_at"], Value::Null);
    assert_eq!(receiver.take_ids(), ["0199-1#1", "0199-1#2"], "the last attempt, and the first of the next event");
    receiver.always(None);
    webhooks.work_until(after(&webhooks, HOUR)).await;
    assert_eq!(outcomes(&webhooks, &id).await, [outcome("delivered", 2), outcome("failed", times + 1)]);
}

#[tokio::test]
async fn both_secrets_sign_for_a_day_after_a_rotation() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, first) = webhooks.register(&receiver.url).await;
    let rotated = webhooks.call("POST /webhook-endpoints/{id}/rotate-secret", &id, None).await;
    let second = rotated.body["secret"].as_str().unwrap().to_owned();
    for (number, (hours, both)) in [(0, true), (23, true), (24, false)].into_iter().enumerate() {
        webhooks.clock.set(Timestamp::from_milliseconds(1_767_607_200_000).unwrap().saturating_add(hours * HOUR));
        webhooks.publish(&event(&format!("0199-{number}"), 1, webhooks.now())).await.unwrap();
        webhooks.work().await;
        let posted = receiver.take().remove(0);
        assert!(posted.is_signed_with(&second), "{hours}");
        assert_eq!(posted.is_signed_with(&first), both, "{hours}");
        assert_eq!(posted.signatures(), if both { 2 } else { 1 }, "{hours}");
    }
}

/// A failing delivery waits for a day. That costs messages, and nothing else.
#[tokio::test]
async fn a_task_that_waits_costs_no_call_to_the_table_and_holds_up_no_replay() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.next([Reply::Status(503, vec![("retry-after", "28800".to_owned())])]);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    assert_eq!(receiver.take().len(), 1);
    webhooks.proxy.take_calls();
    let sent = webhooks.sent();
    webhooks.work_until(after(&webhooks, 7 * HOUR)).await;
    assert_eq!(webhooks.proxy.take_calls(), []);
    assert_eq!(webhooks.sent() - sent, 28, "one message for each quarter of an hour");
    webhooks.replay(&id, &json!({ "event_id": "0199-1#1" })).await;
    webhooks.work().await;
    assert_eq!(receiver.take_ids(), ["0199-1#1"], "at once");
    webhooks.work_until(after(&webhooks, DAY)).await;
    assert!(receiver.take().is_empty());
    assert_eq!(webhooks.tasks(), 0);
}

/// How much an event costs that no endpoint accepts for a day (infra/manual/costs.md).
#[tokio::test]
async fn an_event_that_is_never_accepted_costs_this_much() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    webhooks.register(&receiver.url).await;
    receiver.answers(500);
    webhooks.proxy.take_calls();
    // An identifier of a real one's length: the item has more than 1 KB.
    let id = "01998a5e-3c00-7000-8000-00000000000a";
    webhooks.publish(&event(id, 1, webhooks.now())).await.unwrap();
    webhooks.work_until(after(&webhooks, 2 * DAY)).await;
    let (attempts, calls) = (receiver.take().len(), webhooks.proxy.take_calls());
    let (reads, writes) = reads_and_writes(&calls);
    // The endpoint and the delivery, at each attempt; the endpoints at first, and the next event in the end.
    assert_eq!(reads, 2 * attempts + 2, "{calls:?}");
    // The delivery; the claim and the outcome of each attempt; the endpoint, which fails.
    assert_eq!(writes, 2 * attempts + 2, "{calls:?}");
    assert!((9..=10).contains(&attempts), "{attempts}");
    let units = write_units(&calls);
    assert!((35.0..=44.0).contains(&units), "{units}");
    // A message waits for at most a quarter of an hour.
    assert!((90..=115).contains(&webhooks.sent()), "{}", webhooks.sent());
    assert!((95..=105).contains(&webhooks.sent()), "{} messages", webhooks.sent());
}

#[tokio::test]
async fn an_event_waits_for_an_earlier_one_by_its_state_alone() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.lose_tasks();
    // Nothing else of it is read: neither its content nor its attempts.
    let (pk, sk) = delivery_key(&id, "0199-1", 1);
    let whole = change(&webhooks, &pk, &sk, "detail", json!({ "N": "7" })).await;
    webhooks.publish(&event("0199-1", 2, webhooks.now())).await.unwrap();
    webhooks.work().await;
    assert!(receiver.take().is_empty(), "the earlier one is pending");
    webhooks.put_item(&whole).await;
    webhooks.pass(Duration::from_mins(21));
    webhooks.replay(&id, &json!({ "event_id": "0199-1#1" })).await;
    webhooks.work().await;
    assert_eq!(receiver.take_ids(), ["0199-1#1", "0199-1#2"]);
}

#[tokio::test]
async fn one_event_is_replayed_whatever_became_of_it() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    let replay = json!({ "event_id": "0199-1#1" });
    // Pending: one attempt is enough for both tasks.
    webhooks.replay(&id, &replay).await;
    webhooks.work().await;
    assert_eq!(receiver.take_ids(), ["0199-1#1"]);
    // Delivered: it is sent again, under the same identifier.
    webhooks.replay(&id, &replay).await;
    assert_eq!(outcomes(&webhooks, &id).await, [outcome("pending", 1)]);
    webhooks.work().await;
    assert_eq!(receiver.take_ids(), ["0199-1#1"]);
    assert_eq!(outcomes(&webhooks, &id).await, [outcome("delivered", 2)]);
    // Failed: it gets another day.
    receiver.answers(500);
    webhooks.replay(&id, &replay).await;
    webhooks.work_until(after(&webhooks, 2 * DAY)).await;
    assert_eq!(webhooks.log(&id).await[0]["status"], "failed");
    receiver.take();
    receiver.next([Reply::Status(500, Vec::new()), Reply::Status(200, Vec::new())]);
    webhooks.replay(&id, &replay).await;
    webhooks.work_until(after(&webhooks, HOUR)).await;
    assert_eq!(receiver.take().len(), 2);
    assert_eq!(webhooks.log(&id).await[0]["status"], "delivered");
    assert!(outcomes(&webhooks, &id).await[0].1 <= 20, "the log keeps the latest attempts");
}

/// The replay is asked for while the last attempt of the 24 hours is being made, which then fails.
#[tokio::test]
async fn a_replay_during_the_last_attempt_is_made_all_the_same() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.answers(500);
    let end = after(&webhooks, DAY);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work_until(end.saturating_sub(Duration::from_secs(1))).await;
    receiver.take();
    webhooks.clock.set(end);
    let released = Arc::new(Notify::new());
    receiver.next([Reply::Held(Arc::clone(&released), 500)]);
    receiver.forget_arrivals().await;
    let batch = webhooks.receive(10);
    tokio::join!(webhooks.hand_over(&batch), async {
        receiver.arrived().await;
        webhooks.replay(&id, &json!({ "event_id": "0199-1#1" })).await;
        released.notify_one();
    });
    assert_eq!(receiver.take_ids(), ["0199-1#1"], "the last attempt");
    assert_eq!(webhooks.log(&id).await[0]["status"], "pending");
    receiver.always(None);
    webhooks.work_until(after(&webhooks, Duration::from_mins(2))).await;
    assert_eq!(receiver.take_ids(), ["0199-1#1"], "the replay");
    assert_eq!(webhooks.log(&id).await[0]["status"], "delivered");
    assert_eq!(webhooks.tasks(), 0);
}

#[tokio::test]
async fn everything_since_a_moment_is_replayed_once_in_order() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    let mut moments = Vec::new();
    for number in 0..60 {
        moments.push(webhooks.now());
        for version in 1..=2 {
            webhooks.publish(&event(&format!("0199-{number:02}"), version, webhooks.now())).await.unwrap();
        }
        webhooks.pass(Duration::from_secs(1));
    }
    webhooks.work().await;
    assert_eq!(receiver.take().len(), 120);
    webhooks.replay(&id, &json!({ "since": moments[2] })).await;
    // The queue may hand a task over twice.
    let batch = webhooks.receive(1);
    webhooks.hand_over(&batch).await;
    webhooks.hand_over(&batch).await;
    webhooks.work_until(after(&webhooks, HOUR)).await;
    let ids = receiver.take_ids();
    assert_eq!(ids.len(), 116, "each once");
    for number in 2..60 {
        let of = |version| ids.iter().position(|id| *id == format!("0199-{number:02}#{version}")).unwrap();
        assert!(of(1) < of(2), "{number}");
    }
    assert_eq!(webhooks.tasks(), 0);
}

/// What happens after the request for a replay is delivered anyway, and not even read by it.
#[tokio::test]
async fn a_replay_of_many_ends_where_it_was_requested() {
    let (log, _guard) = Log::of_this_thread();
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    let publish = async |first, last| {
        for number in first..last {
            webhooks.publish(&event(&format!("0199-{number:03}"), 1, webhooks.now())).await.unwrap();
        }
    };
    publish(0, 10).await;
    webhooks.work().await;
    assert_eq!(receiver.take().len(), 10);
    webhooks.pass(Duration::from_secs(1));
    webhooks.replay(&id, &json!({ "since": "2026-01-01" })).await;
    publish(10, 120).await;
    webhooks.proxy.take_calls();
    webhooks.work().await;
    let calls = webhooks.proxy.take_calls();
    assert_eq!(calls.iter().filter(|call| call.index.is_some()).count(), 1, "one page");
    assert_eq!(receiver.take().len(), 120);
    assert_eq!(webhooks.tasks(), 0);
    // It ends, too, if the endpoint is removed meanwhile.
    webhooks.replay(&id, &json!({ "since": "2026-01-01" })).await;
    assert_eq!(webhooks.call("DELETE /webhook-endpoints/{id}", &id, None).await.status, 204);
    webhooks.work().await;
    assert!(receiver.take().is_empty());
    assert!(log.take().contains("webhook replay ended"));
}

#[tokio::test]
async fn a_list_goes_on_after_a_page_of_which_nothing_can_be_read() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    for number in 0..120 {
        webhooks.publish(&event(&format!("0199-{number:03}"), 1, webhooks.now())).await.unwrap();
        webhooks.pass(Duration::from_secs(1));
    }
    webhooks.work().await;
    // A whole page of a replay, and more than one of a filtered log.
    for number in (0..50).chain(70..119) {
        let (pk, sk) = delivery_key(&id, &format!("0199-{number:03}"), 1);
        change(&webhooks, &pk, &sk, "status", json!({ "S": "paused" })).await;
    }
    let mut seen = Vec::new();
    let mut query = "limit=1".to_owned();
    loop {
        let page = webhooks.query("GET /webhook-endpoints/{id}/deliveries", &id, &query).await.body;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["event_id"].to_string()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=1&cursor={cursor}");
    }
    assert_eq!(seen.len(), 21, "{seen:?}");
    receiver.take();
    webhooks.replay(&id, &json!({ "since": "2026-01-01" })).await;
    webhooks.work().await;
    assert_eq!(receiver.take_ids().len(), 21);
}

#[tokio::test]
async fn an_endpoint_that_fails_for_five_days_is_disabled_until_a_replay() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.answers(500);
    let start = webhooks.now();
    for day in 0..6 {
        webhooks.clock.set(webhooks.now().max(start.saturating_add(day * DAY)));
        webhooks.publish(&event(&format!("0199-{day}"), 1, webhooks.now())).await.unwrap();
        webhooks.publish(&event(&format!("0199-{day}"), 2, webhooks.now())).await.unwrap();
        if webhooks.endpoint(&id).await["status"] == "disabled" {
            break;
        }
        webhooks.work_until(start.saturating_add((day + 1) * DAY).saturating_sub(HOUR)).await;
    }
    assert_eq!(webhooks.endpoint(&id).await["status"], "disabled");
    assert!(webhooks.now() >= start.saturating_add(5 * DAY));
    let log = webhooks.log(&id).await;
    assert!(log.iter().all(|delivery| delivery["status"] == "failed"), "{log:?}");
    assert!(log.iter().all(|delivery| delivery["next_attempt_at"].is_null()));
    receiver.take();
    webhooks.publish(&event("0199-9", 1, webhooks.now())).await.unwrap();
    webhooks.work_until(after(&webhooks, 2 * DAY)).await;
    assert!(receiver.take().is_empty(), "a disabled endpoint was called");
    assert_eq!(webhooks.tasks(), 0);
    let missed = webhooks.log(&id).await.remove(0);
    assert_eq!((&missed["event_id"], &missed["status"]), (&json!("0199-9#1"), &json!("failed")));
    assert_eq!((&missed["attempts"], &missed["next_attempt_at"]), (&json!([]), &Value::Null));

    receiver.always(None);
    webhooks.replay(&id, &json!({ "since": start })).await;
    assert_eq!(webhooks.endpoint(&id).await["status"], "enabled");
    webhooks.work_until(after(&webhooks, HOUR)).await;
    let log = webhooks.log(&id).await;
    assert!(log.iter().all(|delivery| delivery["status"] == "delivered"), "{log:?}");
    let ids = receiver.take_ids();
    assert_eq!(ids.len(), log.len());
    assert!(ids.contains(&"0199-9#1".to_owned()), "what happened while it was disabled");
}

/// Two failures with nothing in between do not say that an endpoint failed for all that time.
#[tokio::test]
async fn a_failure_after_a_quiet_week_does_not_disable_an_endpoint() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.answers(500);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work_until(after(&webhooks, DAY)).await;
    assert_eq!(webhooks.log(&id).await[0]["status"], "failed");
    webhooks.pass(7 * DAY);
    receiver.always(None);
    receiver.next([Reply::Status(503, Vec::new())]);
    webhooks.publish(&event("0199-2", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    assert_eq!(webhooks.endpoint(&id).await["status"], "enabled");
    webhooks.work_until(after(&webhooks, HOUR)).await;
    assert_eq!(outcomes(&webhooks, &id).await[0], outcome("delivered", 2));
}

#[tokio::test]
async fn a_success_is_recorded_although_its_run_dies() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.next([Reply::Status(500, Vec::new())]);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    webhooks.pass(Duration::from_secs(10));
    // The claim and the outcome are written; the endpoint's success is not.
    let held = webhooks.proxy.hold_write_after(2);
    let batch = webhooks.receive(1);
    tokio::select! {
        () = webhooks.hand_over(&batch) => panic!("it did not record the success"),
        () = held.arrived() => {}
    }
    assert_eq!(outcomes(&webhooks, &id).await, [outcome("delivered", 2)]);
    assert!(webhooks.items().await.contains("failing_since"));
    webhooks.show_again();
    webhooks.work().await;
    assert!(!webhooks.items().await.contains("failing_since"));
    assert_eq!(receiver.take().len(), 2);
    assert_eq!(webhooks.tasks(), 0);
}

#[tokio::test]
async fn one_success_within_five_days_keeps_an_endpoint() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    for day in 0..9 {
        receiver.answers(if day == 4 { 200 } else { 500 });
        webhooks.publish(&event(&format!("0199-{day}"), 1, webhooks.now())).await.unwrap();
        webhooks.work_until(after(&webhooks, DAY)).await;
        assert_eq!(webhooks.endpoint(&id).await["status"], "enabled", "{day}");
    }
}

#[tokio::test]
async fn what_was_pending_at_a_disabled_endpoint_is_sent_by_its_replay_alone() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.answers(500);
    let start = webhooks.now();
    let at = |hours: u32| start.saturating_add(hours * HOUR);
    for (number, hours) in [(1, 0), (2, 106), (3, 128)] {
        webhooks.work_until(at(hours)).await;
        webhooks.publish(&event(&format!("0199-{number}"), 1, webhooks.now())).await.unwrap();
    }
    webhooks.work().await;
    // Another machine's clock is ahead. What it stored was opened after the endpoint was disabled, as it seems.
    webhooks.clock.set(at(131));
    webhooks.publish(&event("0199-4", 1, webhooks.now())).await.unwrap();
    webhooks.clock.set(at(128));
    // The second event has failed for a day by then, and the endpoint for more than five.
    webhooks.work_until(at(130)).await;
    assert_eq!(webhooks.endpoint(&id).await["status"], "disabled");
    let failed = webhooks.query("GET /webhook-endpoints/{id}/deliveries", &id, "status=failed").await.body;
    assert_eq!(failed["items"].as_array().unwrap().len(), 4);
    receiver.take();
    webhooks.work_until(at(140)).await;
    assert!(receiver.take().is_empty(), "a disabled endpoint was called");
    assert_eq!(webhooks.tasks(), 0);
    receiver.always(None);
    webhooks.replay(&id, &json!({ "event_id": "0199-2#1" })).await;
    webhooks.work_until(after(&webhooks, 2 * DAY)).await;
    assert_eq!(receiver.take_ids(), ["0199-2#1"], "only what was asked for");
    let log = webhooks.log(&id).await;
    let statuses: Vec<&Value> = log.iter().map(|delivery| &delivery["status"]).collect();
    assert_eq!(statuses, ["failed", "failed", "delivered", "failed"]);
}

#[tokio::test]
async fn a_removed_endpoint_receives_nothing_more() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.answers(500);
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    receiver.take();
    assert_eq!(webhooks.call("DELETE /webhook-endpoints/{id}", &id, None).await.status, 204);
    webhooks.publish(&event("0199-1", 2, webhooks.now())).await.unwrap();
    webhooks.work_until(after(&webhooks, 2 * DAY)).await;
    assert!(receiver.take().is_empty());
    assert_eq!(webhooks.tasks(), 0);
}

#[tokio::test]
async fn a_run_that_ends_between_its_write_and_its_message_loses_nothing() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    // The delivery is stored, and the queue refuses the task. Lambda hands the event over again.
    for taken in [false, true] {
        webhooks.queue_faults(&[(taken, false)]);
        let event = event(if taken { "0199-2" } else { "0199-1" }, 1, webhooks.now());
        assert!(webhooks.publish(&event).await.is_err());
        webhooks.publish(&event).await.unwrap();
    }
    webhooks.work().await;
    let mut ids = receiver.take_ids();
    ids.sort();
    assert_eq!(ids, ["0199-1#1", "0199-2#1"], "each once");
    // The attempt is written, and the queue refuses the next task. The queue hands the first one over again.
    for taken in [false, true] {
        receiver.next([Reply::Status(500, Vec::new())]);
        let request = if taken { "0199-4" } else { "0199-3" };
        webhooks.publish(&event(request, 1, webhooks.now())).await.unwrap();
        webhooks.queue_faults(&[(taken, false)]);
        webhooks.work().await;
        assert_eq!(receiver.take().len(), 1);
        assert_eq!(outcomes(&webhooks, &id).await[0], outcome("pending", 1));
        webhooks.show_again();
        webhooks.work_until(after(&webhooks, HOUR)).await;
        assert_eq!(receiver.take_ids(), [format!("{request}#1")], "once");
        assert_eq!(outcomes(&webhooks, &id).await[0], outcome("delivered", 2));
    }
    // The delivery is over, and the queue refuses the task of the event that waits for it.
    for taken in [false, true] {
        let request = if taken { "0199-6" } else { "0199-5" };
        receiver.next([Reply::Status(500, Vec::new())]);
        webhooks.publish(&event(request, 1, webhooks.now())).await.unwrap();
        webhooks.work().await;
        webhooks.publish(&event(request, 2, webhooks.now())).await.unwrap();
        webhooks.work().await;
        receiver.take();
        webhooks.pass(Duration::from_secs(10));
        webhooks.queue_faults(&[(taken, false)]);
        webhooks.work_until(after(&webhooks, HOUR)).await;
        assert_eq!(receiver.take_ids(), [format!("{request}#1"), format!("{request}#2")], "each once");
    }
    assert_eq!(webhooks.tasks(), 0);
}

#[tokio::test]
async fn a_delivery_whose_task_is_lost_is_queued_by_a_repeated_or_a_later_event() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    receiver.next([Reply::Status(500, Vec::new())]);
    let first = event("0199-1", 1, webhooks.now());
    webhooks.publish(&first).await.unwrap();
    webhooks.work().await;
    webhooks.lose_tasks();
    webhooks.publish(&first).await.unwrap();
    webhooks.work_until(after(&webhooks, HOUR)).await;
    assert_eq!(outcomes(&webhooks, &id).await, [outcome("delivered", 2)]);

    receiver.next([Reply::Status(500, Vec::new())]);
    webhooks.publish(&event("0199-2", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    webhooks.lose_tasks();
    receiver.take();
    webhooks.pass(Duration::from_mins(21));
    webhooks.publish(&event("0199-2", 2, webhooks.now())).await.unwrap();
    webhooks.work().await;
    assert_eq!(receiver.take_ids(), ["0199-2#1", "0199-2#2"]);
    assert_eq!(webhooks.tasks(), 0);
}

#[tokio::test]
async fn a_task_that_is_moved_back_from_the_dead_letters_goes_on_where_it_stopped() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    // The outcome is written, and the queue refuses the next task again and again.
    for (wait, hours) in [("0", 1), ("28800", 7)] {
        receiver.next([Reply::Status(503, vec![("retry-after", wait.to_owned())])]);
        webhooks.publish(&event(&format!("0199-{hours}"), 1, webhooks.now())).await.unwrap();
        webhooks.queue_faults(&[(false, false)]);
        webhooks.work().await;
        assert_eq!(receiver.take().len(), 1);
        assert_eq!(webhooks.tasks(), 1);
        webhooks.pass(hours * HOUR);
        webhooks.redrive();
        webhooks.work().await;
        webhooks.work_until(after(&webhooks, 2 * HOUR)).await;
        assert_eq!(receiver.take_ids(), [format!("0199-{hours}#1")]);
        assert_eq!(outcomes(&webhooks, &id).await[0], outcome("delivered", 2));
        assert_eq!(webhooks.tasks(), 0);
    }
    // A duplicate in time makes no further task.
    receiver.next([Reply::Status(500, Vec::new())]);
    webhooks.publish(&event("0199-9", 1, webhooks.now())).await.unwrap();
    let batch = webhooks.receive(1);
    webhooks.hand_over(&batch).await;
    webhooks.hand_over(&batch).await;
    assert_eq!(webhooks.tasks(), 1);
}

/// The key of an item of a payment request's delivery.
fn delivery_key(id: &str, request: &str, version: u32) -> (String, String) {
    (format!("ENDPOINT#{id}"), format!("EVENT#{request}#{version:08}"))
}

#[tokio::test]
async fn a_delivery_that_its_time_to_live_removes_holds_up_no_later_one() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    // It is gone when its task comes.
    receiver.next([Reply::Status(500, Vec::new())]);
    for version in 1..=2 {
        webhooks.publish(&event("0199-1", version, webhooks.now())).await.unwrap();
    }
    webhooks.work().await;
    let (pk, sk) = delivery_key(&id, "0199-1", 1);
    webhooks.remove_item(&pk, &sk).await;
    receiver.take();
    webhooks.work_until(after(&webhooks, HOUR)).await;
    assert_eq!(receiver.take_ids(), ["0199-1#2"]);
    // It is gone when its answer comes.
    let released = Arc::new(Notify::new());
    receiver.next([Reply::Held(Arc::clone(&released), 500)]);
    for version in 1..=2 {
        webhooks.publish(&event("0199-2", version, webhooks.now())).await.unwrap();
    }
    let (pk, sk) = delivery_key(&id, "0199-2", 1);
    receiver.forget_arrivals().await;
    let batch = webhooks.receive(10);
    tokio::join!(webhooks.hand_over(&batch), async {
        receiver.arrived().await;
        webhooks.remove_item(&pk, &sk).await;
        released.notify_one();
    });
    webhooks.work_until(after(&webhooks, HOUR)).await;
    assert_eq!(receiver.take_ids(), ["0199-2#1", "0199-2#2"]);
    assert_eq!(webhooks.tasks(), 0);
    // A replay at the last moment prolongs it.
    webhooks.pass(29 * DAY + 21 * HOUR);
    webhooks.replay(&id, &json!({ "event_id": "0199-1#2" })).await;
    let (pk, sk) = delivery_key(&id, "0199-1", 2);
    let ttl: i64 = webhooks.item(&pk, &sk).await["ttl"]["N"].as_str().unwrap().parse().unwrap();
    assert!(ttl >= after(&webhooks, DAY).as_seconds_ceiling(), "{ttl}");
    // The time to live may be late. The log leaves out what is over.
    webhooks.pass(10 * DAY);
    assert_eq!(webhooks.log(&id).await, Vec::<Value>::new());
}

/// Stores an item with one attribute changed.
async fn change(webhooks: &Webhooks, pk: &str, sk: &str, attribute: &str, value: Value) -> Value {
    let item = webhooks.item(pk, sk).await;
    assert!(item.is_object(), "{pk} {sk}");
    let mut changed = item.clone();
    changed[attribute] = value;
    webhooks.put_item(&changed).await;
    item
}

#[tokio::test]
async fn what_a_later_release_stored_costs_nothing_else() {
    let (log, _guard) = Log::of_this_thread();
    let webhooks = Webhooks::start().await;
    let (one, other) = (Receiver::start().await, Receiver::start().await);
    let only = json!({ "url": one.url, "events": ["PaymentRequestStatusChanged"] });
    let created = webhooks.call("POST /webhook-endpoints", "", Some(&only)).await;
    let one_id = created.body["id"].as_str().unwrap().to_owned();
    let (other_id, _) = webhooks.register(&other.url).await;
    let sk = format!("ENDPOINT#{one_id}");

    // A kind of events that this version does not know.
    let kinds = json!({ "L": [{ "S": "PaymentRequestForgotten" }, { "S": "PaymentRequestStatusChanged" }] });
    change(&webhooks, "WORKSPACE#acme", &sk, "events", kinds).await;
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    assert_eq!((one.take_ids().len(), other.take_ids().len()), (1, 1));
    assert!(!log.take().contains("WebhookItemUnreadable"));

    // An endpoint that cannot be read: the others get the event, and the bus repeats it until this one can be read.
    let readable = change(&webhooks, "WORKSPACE#acme", &sk, "created_at", json!({ "S": "later" })).await;
    let second = event("0199-2", 1, webhooks.now());
    assert!(webhooks.publish(&second).await.is_err());
    webhooks.work().await;
    assert_eq!(other.take_ids(), ["0199-2#1"]);
    let lines = log.take();
    assert!(lines.contains("WebhookItemUnreadable") && lines.contains(&sk) && lines.contains("acme"), "{lines}");
    webhooks.put_item(&readable).await;
    webhooks.publish(&second).await.unwrap();
    webhooks.work().await;
    assert_eq!((one.take_ids(), other.take_ids().len()), (vec!["0199-2#1".to_owned()], 0));

    // A delivery that cannot be read holds up no later one of its request.
    assert_eq!(webhooks.call("DELETE /webhook-endpoints/{id}", &one_id, None).await.status, 204);
    webhooks.publish(&event("0199-3", 1, webhooks.now())).await.unwrap();
    let (pk, sk) = delivery_key(&other_id, "0199-3", 1);
    change(&webhooks, &pk, &sk, "status", json!({ "S": "paused" })).await;
    webhooks.lose_tasks();
    webhooks.publish(&event("0199-3", 2, webhooks.now())).await.unwrap();
    webhooks.work().await;
    assert_eq!(other.take_ids(), ["0199-3#2"]);
    assert!(log.take().contains(&sk));
}

#[tokio::test]
async fn an_endpoint_whose_delivery_cannot_be_stored_costs_the_others_nothing() {
    let webhooks = Webhooks::start().await;
    let mut receivers = Vec::new();
    for _ in 0..3 {
        let receiver = Receiver::start().await;
        receivers.push((webhooks.register(&receiver.url).await.0, receiver));
    }
    // The first one in the order of the table, with an item that cannot be read in the delivery's place.
    receivers.sort_by(|one, other| one.0.cmp(&other.0));
    let (pk, sk) = delivery_key(&receivers[0].0, "0199-1", 1);
    webhooks.put_item(&json!({ "pk": { "S": pk }, "sk": { "S": sk } })).await;
    let published = event("0199-1", 1, webhooks.now());
    assert!(webhooks.publish(&published).await.is_err());
    webhooks.work().await;
    for (_, receiver) in &receivers[1..] {
        assert_eq!(receiver.take_ids(), ["0199-1#1"]);
    }
    webhooks.remove_item(&pk, &sk).await;
    webhooks.publish(&published).await.unwrap();
    webhooks.work().await;
    assert_eq!(receivers[0].1.take_ids(), ["0199-1#1"]);
}

/// The key that encrypts the secrets was lost. Each endpoint needs a new secret, and with it works at once.
#[tokio::test]
async fn an_endpoint_with_a_new_secret_works_although_its_earlier_one_cannot_be_decrypted() {
    let (log, _guard) = Log::of_this_thread();
    let mut webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.restart_with("WEBHOOK_ENCRYPTION_KEY", "another-key-that-is-longer-than-32-characters");
    webhooks.proxy.take_calls();
    webhooks.work().await;
    assert_eq!(reads_and_writes(&webhooks.proxy.take_calls()), (2, 0), "nothing is claimed");
    let lines = log.take();
    assert!(lines.contains("WebhookTaskFailed") && lines.contains("WebhookItemUnreadable"), "{lines}");
    let rotated = webhooks.call("POST /webhook-endpoints/{id}/rotate-secret", &id, None).await;
    webhooks.show_again();
    webhooks.work().await;
    let posted = receiver.take().remove(0);
    assert!(posted.is_signed_with(rotated.body["secret"].as_str().unwrap()) && posted.signatures() == 1);
}

/// A key is replaced: the new text is in front of the old one until no secret needs the old one any more.
#[tokio::test]
async fn secrets_are_encrypted_again_with_a_new_key_when_they_are_used() {
    const NEW: &str = "a-new-key-that-is-also-longer-than-32-characters";
    let mut webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, first) = webhooks.register(&receiver.url).await;
    let rotated = webhooks.call("POST /webhook-endpoints/{id}/rotate-secret", &id, None).await;
    let second = rotated.body["secret"].as_str().unwrap().to_owned();
    webhooks.restart_with("WEBHOOK_ENCRYPTION_KEY", &format!("{NEW} {KEY}"));
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    webhooks.restart_with("WEBHOOK_ENCRYPTION_KEY", NEW);
    webhooks.proxy.take_calls();
    webhooks.publish(&event("0199-2", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    assert_eq!(reads_and_writes(&webhooks.proxy.take_calls()), (4, 3), "nothing is encrypted again");
    let posted = receiver.take();
    assert_eq!(posted.len(), 2);
    assert!(posted.iter().all(|it| it.is_signed_with(&first) && it.is_signed_with(&second)));
}

/// The endpoint is removed, or its secret rotated, between the read and the write of the secrets.
#[tokio::test]
async fn a_secret_that_is_encrypted_again_brings_back_neither_an_endpoint_nor_an_earlier_secret() {
    for removed in [true, false] {
        let mut webhooks = Webhooks::start().await;
        let receiver = Receiver::start().await;
        let (id, first) = webhooks.register(&receiver.url).await;
        webhooks.restart_with("WEBHOOK_ENCRYPTION_KEY", &format!("a-new-key-that-is-longer-than-32-characters {KEY}"));
        webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
        let held = webhooks.proxy.hold_write_after(0);
        let batch = webhooks.receive(1);
        let mut secret = first;
        tokio::join!(webhooks.hand_over(&batch), async {
            held.arrived().await;
            if removed {
                webhooks.remove_item("WORKSPACE#acme", &format!("ENDPOINT#{id}")).await;
            } else {
                let rotated = webhooks.call("POST /webhook-endpoints/{id}/rotate-secret", &id, None).await;
                secret = rotated.body["secret"].as_str().unwrap().to_owned();
            }
            held.release();
        });
        receiver.take();
        assert_eq!(webhooks.endpoint(&id).await.is_null(), removed);
        if !removed {
            webhooks.publish(&event("0199-2", 1, webhooks.now())).await.unwrap();
            webhooks.work().await;
            assert!(receiver.take().remove(0).is_signed_with(&secret));
        }
    }
}

#[tokio::test]
async fn a_task_that_panics_fails_alone() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    for number in 0..3 {
        webhooks.publish(&event(&format!("0199-{number}"), 1, webhooks.now())).await.unwrap();
    }
    webhooks.panic_once();
    webhooks.work().await;
    assert_eq!((receiver.take().len(), webhooks.tasks()), (2, 1));
    webhooks.show_again();
    webhooks.work().await;
    assert_eq!((receiver.take().len(), webhooks.tasks()), (1, 0));
    assert_eq!(outcomes(&webhooks, &id).await, vec![outcome("delivered", 1); 3]);
}

/// The queue holds the events of the bus and the tasks of attempts. What is neither is set aside in the end.
#[tokio::test]
async fn a_message_that_is_neither_an_event_nor_a_task_fails_alone() {
    let (log, _guard) = Log::of_this_thread();
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.put_message("{\"phone\":\"+27831234567\"}");
    webhooks.put_message(&event("0199-2", 1, webhooks.now()).to_string());
    webhooks.work().await;
    assert_eq!(receiver.take_ids(), ["0199-1#1", "0199-2#1"]);
    assert_eq!(outcomes(&webhooks, &id).await, vec![outcome("delivered", 1); 2]);
    assert_eq!(webhooks.tasks(), 1);
    let lines = log.take();
    assert!(lines.contains("WebhookTaskFailed") && !lines.contains("27831"), "{lines}");
}

#[tokio::test]
async fn two_runs_on_one_task_make_one_attempt() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    for round in 0..5 {
        webhooks.publish(&event(&format!("0199-{round}"), 1, webhooks.now())).await.unwrap();
        let batch = webhooks.receive(1);
        tokio::join!(webhooks.hand_over(&batch), webhooks.hand_over(&batch), webhooks.hand_over(&batch));
        webhooks.work_until(after(&webhooks, HOUR)).await;
        assert_eq!(receiver.take().len(), 1, "{round}");
        assert_eq!(outcomes(&webhooks, &id).await[0], outcome("delivered", 1));
    }
    assert_eq!(webhooks.tasks(), 0);
}

/// DynamoDB's client repeats a write whose answer was lost, and the repeat then fails its own condition.
#[tokio::test]
async fn a_lost_answer_to_any_write_of_a_delivery_changes_nothing() {
    for fault in [Fault::AnswerLost, Fault::RequestLost] {
        // The delivery, the failure of the endpoint, the claims, the outcomes, the endpoint's success.
        for at in 0..7 {
            let webhooks = Webhooks::start().await;
            let receiver = Receiver::start().await;
            let (id, _) = webhooks.register(&receiver.url).await;
            receiver.next([Reply::Status(500, Vec::new())]);
            let mut faults = vec![Fault::None; at];
            faults.push(fault);
            webhooks.proxy.fail_next_writes(&faults);
            webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
            webhooks.work_until(after(&webhooks, HOUR)).await;
            assert_eq!(receiver.take().len(), 2, "{fault:?} {at}");
            assert_eq!(outcomes(&webhooks, &id).await, [outcome("delivered", 2)], "{fault:?} {at}");
            assert_eq!((webhooks.tasks(), webhooks.proxy.faults_left()), (0, 0), "{fault:?} {at}");
        }
    }
}

#[tokio::test]
async fn no_secret_and_no_customer_is_logged() {
    let (log, _guard) = Log::of_this_thread();
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, secret) = webhooks.register(&format!("{}?key=hidden", receiver.url)).await;
    receiver.answers(500);
    for number in 0..2 {
        webhooks.publish(&event(&format!("0199-{number}"), 1, webhooks.now())).await.unwrap();
        webhooks.work_until(after(&webhooks, 5 * DAY)).await;
    }
    assert_eq!(webhooks.endpoint(&id).await["status"], "disabled");
    receiver.always(None);
    webhooks.replay(&id, &json!({ "since": "2026-01-01" })).await;
    webhooks.work_until(after(&webhooks, HOUR)).await;
    let mut unreadable = event("0199-2", 1, webhooks.now());
    unreadable["detail"]["workspace"] = json!({ "phone": "+27831234567" });
    assert!(webhooks.publish(&unreadable).await.is_err());
    let lines = log.take();
    for line in ["webhooks queued", "webhook attempt failed", "webhook abandoned", "webhook endpoint disabled"] {
        assert!(lines.contains(line), "{line}: {lines}");
    }
    for hidden in [secret.trim_start_matches("whsec_"), "27831", "Thandi", "hidden", "whsec_"] {
        assert!(!lines.contains(hidden), "{hidden}: {lines}");
    }
}

#[tokio::test]
async fn a_delivery_costs_four_reads_and_three_writes() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    webhooks.publish(&event("0199-0", 1, webhooks.now())).await.unwrap();
    let idle = webhooks.proxy.take_calls();
    assert_eq!(reads_and_writes(&idle), (1, 0), "without an endpoint: {idle:?}");
    // Consistent: an endpoint receives the first event after its registration.
    assert!((idle[0].units - 1.0).abs() < f64::EPSILON, "{idle:?}");
    webhooks.register(&receiver.url).await;
    webhooks.proxy.take_calls();
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    let calls = webhooks.proxy.take_calls();
    // The endpoints, the delivery; the endpoint, the request's deliveries, the claim, the outcome, the next delivery.
    assert_eq!(reads_and_writes(&calls), (4, 3), "{calls:?}");
    assert!(write_units(&calls) <= 7.0, "{} write units: {calls:?}", write_units(&calls));
    // A later event of the same request also looks for earlier ones that are pending.
    webhooks.publish(&event("0199-1", 2, webhooks.now())).await.unwrap();
    webhooks.work().await;
    let calls = webhooks.proxy.take_calls();
    assert_eq!(reads_and_writes(&calls), (5, 3), "{calls:?}");
    // As much metadata as a request may have.
    let mut large = event("0199-2", 1, webhooks.now());
    large["detail"]["metadata"] = (0..10).map(|key| (format!("key-{key}"), json!("x".repeat(500)))).collect();
    webhooks.publish(&large).await.unwrap();
    webhooks.work().await;
    let calls = webhooks.proxy.take_calls();
    assert!((19.0..=22.0).contains(&write_units(&calls)), "{} write units: {calls:?}", write_units(&calls));
}

/// Through the whole local system: its gateway, its bus, its queue.
#[tokio::test(flavor = "multi_thread")]
async fn an_integrator_receives_the_events_of_a_request_from_the_running_system() {
    let system = System::shared(&[]).await;
    let receiver = Receiver::start().await;
    let company = workspace();
    let supervisor = system.user(&company, "sam", "supervisor").await;
    let new = json!({ "url": receiver.url, "events": ["PaymentRequestStatusChanged"] });
    let created = Answer::of(supervisor.request(Method::POST, "/webhook-endpoints").json(&new)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let endpoint = created.json();
    let alice = system.user(&company, "alice", "agent").await;
    let refused = Answer::of(alice.request(Method::GET, "/webhook-endpoints")).await;
    assert_eq!(refused.status, 403);
    let request = alice.sent_to(&phone()).await;
    let canceled = Answer::of(
        alice.request(Method::POST, &format!("/payment-requests/{}/cancel", request["id"].as_str().unwrap())),
    )
    .await;
    assert_eq!(canceled.status, 200, "{canceled:?}");
    let mut posted = Vec::new();
    while posted.len() < 2 {
        receiver.arrived().await;
        posted.extend(receiver.take());
    }
    let statuses: Vec<Value> = posted.iter().map(|it| it.json()["data"]["status"].clone()).collect();
    assert_eq!(statuses, ["sent", "canceled"]);
    assert!(posted.iter().all(|it| it.is_signed_with(endpoint["secret"].as_str().unwrap())));
    let path = format!("/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
    let log = eventually("the log", async || {
        let log = Answer::of(supervisor.request(Method::GET, &format!("{path}/deliveries?status=delivered"))).await;
        let log = log.json();
        if log["items"].as_array().unwrap().len() == 2 { Ok(log) } else { Err(log.to_string()) }
    })
    .await;
    assert_eq!(log["next_cursor"], Value::Null);
    let removed = Answer::of(supervisor.request(Method::DELETE, &path)).await;
    assert_eq!(removed.status, 204);
}
