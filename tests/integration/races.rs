//! Races, each repeated many times: exactly one winner, every loser gets the real outcome, and no history has a gap.

use domain::{Clock as _, Status, SystemClock, Timestamp};
use futures::future::join_all;
use tests::handlers::{Handlers, assert_possible};
use tests::provider::OnClose;

const ROUNDS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_click_and_a_cancel_exactly_one_wins_and_the_other_is_rejected() {
    let handlers = Handlers::start().await;
    let (mut clicked, mut canceled) = (0, 0);
    for round in 0..ROUNDS {
        let (id, token) = handlers.sent().await;
        // The future that is polled first has a head start, so the order alternates.
        let (click, cancel) = if round % 2 == 0 {
            tokio::join!(handlers.click(&token), handlers.cancel(&id))
        } else {
            let (cancel, click) = tokio::join!(handlers.cancel(&id), handlers.click(&token));
            (click, cancel)
        };
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(request.version(), 2);
        match request.status {
            Status::Clicked => {
                clicked += 1;
                assert_eq!((click.status, cancel.status, cancel.code()), (303, 409, "already_clicked"));
            }
            Status::Canceled => {
                canceled += 1;
                assert_eq!((click.status, cancel.status), (410, 200));
                assert!(click.body.as_str().unwrap().contains("This request was canceled"));
            }
            other => panic!("neither won: {other}"),
        }
    }
    assert_eq!(clicked + canceled, ROUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_click_and_the_deadline_exactly_one_wins() {
    let handlers = Handlers::with_limits(1, 900).await;
    join_all((0..ROUNDS).map(|round| {
        let handlers = &handlers;
        async move {
            // On a busy machine the link can expire before its creation is answered, so the token is read from the
            // store.
            let id = handlers.create(None).await.body["id"].as_str().unwrap().to_owned();
            let sent = handlers.stored(&id).await;
            let (token, deadline) = (sent.token.reveal(), sent.deadline);
            wait_until(deadline, round).await;
            let (click, failures) = tokio::join!(handlers.click(&token), handlers.link_removed(&id));
            assert_eq!(failures["batchItemFailures"], serde_json::json!([]));
            // Whichever side won the race, the deadline ends a link that nobody clicked.
            wait_until(deadline, 0).await;
            handlers.link_removed(&id).await;
            let request = handlers.stored(&id).await;
            assert_possible(&request);
            assert_eq!(request.version(), 2);
            match request.status {
                Status::Clicked => {
                    assert_eq!(click.status, 303);
                    assert!(request.history[1].at < deadline, "a click counts only before the deadline");
                }
                Status::Expired => {
                    assert_eq!(click.status, 410);
                    assert!(request.history[1].at >= deadline, "a request does not expire before its deadline");
                }
                other => panic!("neither won: {other}"),
            }
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_payment_and_the_deadline_every_payment_counts_or_is_refunded() {
    let handlers = Handlers::with_limits(300, 1).await;
    join_all((0..ROUNDS).map(|round| {
        let handlers = &handlers;
        async move {
            let (id, _) = handlers.clicked().await;
            let deadline = handlers.stored(&id).await.deadline;
            // The customer paid at the last moment or just after it. The provider knows of the payment when it closes
            // the checkout, or only afterwards.
            let paid_at = if round % 2 == 0 { deadline } else { after(deadline, 1) };
            if round % 3 == 0 {
                handlers.provider.on_close(&id, OnClose::Paid(paid_at, 25_000));
            }
            wait_until(deadline, round).await;
            let (webhook, _) = tokio::join!(handlers.pay(&id, paid_at), handlers.link_removed(&id));
            assert_eq!(webhook.status, 200);
            let request = handlers.stored(&id).await;
            assert_possible(&request);
            let payment = request.payment.as_ref().expect("the payment is recorded");
            assert_eq!(payment.paid_at, paid_at);
            // Whichever came first, its report or the expiry. Late money may have gone back already.
            let counts = request.status == Status::Paid;
            assert_eq!(counts, paid_at <= deadline, "{:?}", request.history);
            let paid = request.history.iter().filter(|entry| matches!(entry.status, Status::Paid | Status::RefundDue));
            assert_eq!(paid.count(), 1, "one payment is recorded once: {:?}", request.history);
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_clicks_count_as_one_and_lead_to_one_checkout() {
    let handlers = Handlers::start().await;
    for _ in 0..ROUNDS / 4 {
        let (id, token) = handlers.sent().await;
        let clicks = join_all((0..6).map(|_| handlers.click(&token))).await;
        let mut addresses: Vec<_> = clicks.iter().map(|click| click.headers["location"].as_str().unwrap()).collect();
        addresses.dedup();
        assert_eq!(addresses, [format!("http://provider.test/pay/cs_{id}")]);
        assert!(clicks.iter().all(|click| click.status == 303));
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Clicked, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reports_of_one_payment_count_as_one() {
    let handlers = Handlers::start().await;
    for _ in 0..ROUNDS / 4 {
        let (id, _) = handlers.clicked().await;
        let paid_at = SystemClock.now();
        let reports = join_all((0..6).map(|_| handlers.pay(&id, paid_at))).await;
        assert!(reports.iter().all(|report| report.status == 200));
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Paid, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reports_of_one_failed_attempt_count_as_one() {
    let handlers = Handlers::start().await;
    let (id, _) = handlers.clicked().await;
    let reports = join_all((0..6).map(|_| handlers.fail_attempt(&id, "msg_same"))).await;
    assert!(reports.iter().all(|report| report.status == 200));
    assert_eq!(handlers.stored(&id).await.version(), 3);
    handlers.fail_attempt(&id, "msg_other").await;
    let request = handlers.stored(&id).await;
    assert_eq!((request.status, request.version()), (Status::Clicked, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_creates_under_one_key_make_one_request() {
    let handlers = Handlers::start().await;
    for round in 0..ROUNDS / 4 {
        let key = format!("key-{round}");
        let answers = join_all((0..6).map(|_| handlers.create(Some(&key)))).await;
        assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
        let new = answers.iter().filter(|answer| answer.headers["idempotency-replayed"].is_null()).count();
        assert_eq!(new, 1, "exactly one create made the request");
        let first = &answers[0].body;
        assert!(answers.iter().all(|answer| answer.body == *first), "all answers show the same request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_cancels_count_as_one() {
    let handlers = Handlers::start().await;
    for _ in 0..ROUNDS / 4 {
        let (id, _) = handlers.sent().await;
        let answers = join_all((0..6).map(|_| handlers.cancel(&id))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert!(answers.iter().all(|answer| answer.status == 200 || answer.code() == "already_canceled"));
        assert_eq!(handlers.stored(&id).await.version(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_refunds_send_the_money_back_once() {
    let handlers = Handlers::start().await;
    for _ in 0..ROUNDS / 4 {
        let (id, _) = handlers.sent().await;
        handlers.cancel(&id).await;
        assert_eq!(handlers.pay(&id, SystemClock.now()).await.status, 200);
        assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
        let refunds = join_all((0..6).map(|_| handlers.refund_due(&id))).await;
        assert!(refunds.iter().all(Result::is_ok));
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Refunded, 4));
        assert_eq!(handlers.provider.refunds(&id), 1);
    }
}

/// Waits until the deadline, or in every other round until 15 ms before it, so that both sides of it are tested.
async fn wait_until(deadline: Timestamp, round: usize) {
    let early = std::time::Duration::from_millis(if round % 2 == 1 { 15 } else { 0 });
    let left = deadline.saturating_sub(early).saturating_duration_since(SystemClock.now());
    tokio::time::sleep(left).await;
    while round.is_multiple_of(2) && SystemClock.now() < deadline {
        tokio::task::yield_now().await;
    }
}

fn after(moment: Timestamp, milliseconds: u64) -> Timestamp {
    moment.saturating_add(std::time::Duration::from_millis(milliseconds))
}
