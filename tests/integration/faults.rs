//! Lost answers on every write: the write was applied but not acknowledged, or it never arrived. Nothing happens twice,
//! nothing is lost, and the caller gets the real outcome.

use domain::{Clock as _, Status, SystemClock};
use std::sync::Arc;
use tests::handlers::{Handlers, assert_possible};
use tests::proxy::Fault;

/// Returns every way in which exactly one of two writes fails once.
fn single_faults() -> Vec<Vec<Fault>> {
    [Fault::AnswerLost, Fault::RequestLost]
        .into_iter()
        .flat_map(|fault| [vec![fault], vec![Fault::None, fault], vec![fault, fault], vec![fault, Fault::None, fault]])
        .collect()
}

async fn with_each_fault<F: Future<Output = ()>>(test: impl Fn(Arc<Handlers>, Vec<Fault>) -> F) {
    futures::future::join_all(single_faults().into_iter().map(|faults| async {
        test(Handlers::start().await, faults).await;
    }))
    .await;
}

fn inject(handlers: &Handlers, faults: &[Fault]) {
    handlers.proxy.fail_next_writes(faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answers_are_lost_makes_one_request_and_returns_201() {
    with_each_fault(|handlers, faults| async move {
        for key in [None, Some("key-1")] {
            inject(&handlers, &faults);
            let answer = handlers.create(key).await;
            assert_eq!(answer.status, 201, "{faults:?}: {:?}", answer.body);
            assert!(answer.headers["idempotency-replayed"].is_null(), "the answer is no replay: {faults:?}");
            assert_eq!(handlers.stored(answer.body["id"].as_str().unwrap()).await.version(), 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_whose_answers_are_lost_cancels_once_and_returns_200() {
    with_each_fault(|handlers, faults| async move {
        let (id, _) = handlers.sent().await;
        inject(&handlers, &faults);
        let answer = handlers.cancel(&id).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &"canceled".into()), "{faults:?}");
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(request.version(), 2, "{faults:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_whose_answers_are_lost_counts_once_and_leads_to_the_checkout() {
    with_each_fault(|handlers, faults| async move {
        let (id, token) = handlers.sent().await;
        inject(&handlers, &faults);
        assert_eq!(handlers.click(&token).await.status, 303, "{faults:?}");
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Clicked, 2), "{faults:?}");
        assert!(handlers.link_has_checkout(&token).await, "{faults:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_answers_are_lost_is_recorded_once() {
    with_each_fault(|handlers, faults| async move {
        let (id, _) = handlers.clicked().await;
        inject(&handlers, &faults);
        assert_eq!(handlers.pay(&id, SystemClock.now()).await.status, 200, "{faults:?}");
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Paid, 3), "{faults:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_money_whose_answers_are_lost_is_due_back_once() {
    with_each_fault(|handlers, faults| async move {
        let (id, _) = handlers.sent().await;
        handlers.cancel(&id).await;
        inject(&handlers, &faults);
        assert_eq!(handlers.pay(&id, SystemClock.now()).await.status, 200, "{faults:?}");
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::RefundDue, 3), "{faults:?}");
        inject(&handlers, &faults);
        handlers.refund_due(&id).await.unwrap();
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Refunded, 4), "{faults:?}");
        assert_eq!(handlers.provider.refunds(&id), 1, "{faults:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_a_delayed_payment_whose_answers_are_lost_is_recorded_once() {
    with_each_fault(|handlers, faults| async move {
        for (arrives, end) in [(true, Status::Paid), (false, Status::Expired)] {
            let (id, _) = handlers.clicked().await;
            inject(&handlers, &faults);
            assert_eq!(handlers.process(&id, SystemClock.now()).await.status, 200, "{faults:?}");
            let request = handlers.stored(&id).await;
            assert_eq!((request.status, request.version()), (Status::Processing, 3), "{faults:?}");
            inject(&handlers, &faults);
            let report =
                if arrives { handlers.pay(&id, SystemClock.now()).await } else { handlers.fail_payment(&id).await };
            assert_eq!(report.status, 200, "{faults:?}");
            let request = handlers.stored(&id).await;
            assert_possible(&request);
            assert_eq!((request.status, request.version()), (end, 4), "{faults:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_attempt_whose_answers_are_lost_is_recorded_once() {
    with_each_fault(|handlers, faults| async move {
        let (id, _) = handlers.clicked().await;
        inject(&handlers, &faults);
        assert_eq!(handlers.fail_attempt(&id, "msg_1").await.status, 200, "{faults:?}");
        let request = handlers.stored(&id).await;
        assert_eq!((request.status, request.version()), (Status::Clicked, 3), "{faults:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_whose_answers_are_lost_happens_once() {
    for faults in single_faults() {
        let handlers = Handlers::with_limits(1, 1).await;
        let ((unclicked, _), (unpaid, _)) = tokio::join!(handlers.sent(), handlers.clicked());
        for (id, expected) in [(unclicked, 2), (unpaid, 3)] {
            let deadline = handlers.stored(&id).await.deadline;
            tests::until(deadline).await;
            inject(&handlers, &faults);
            let failures = handlers.link_removed(&id).await;
            assert_eq!(failures["batchItemFailures"], serde_json::json!([]), "{faults:?}");
            let request = handlers.stored(&id).await;
            assert_possible(&request);
            assert_eq!((request.status, request.version()), (Status::Expired, expected), "{faults:?}");
        }
    }
}

/// The SDK gives up after four attempts. The caller is asked to try again, and the retry returns the real outcome.
#[tokio::test(flavor = "multi_thread")]
async fn after_every_attempt_has_failed_a_retry_returns_the_real_outcome() {
    for fault in [Fault::AnswerLost, Fault::RequestLost] {
        let handlers = Handlers::start().await;
        let (id, _) = handlers.sent().await;
        inject(&handlers, &[fault; 4]);
        let answer = handlers.cancel(&id).await;
        assert_eq!((answer.status, answer.code()), (503, "temporarily_unavailable"));
        assert_eq!(answer.headers["retry-after"], "1");
        let again = handlers.cancel(&id).await;
        match fault {
            Fault::AnswerLost => assert_eq!(again.code(), "already_canceled"),
            _ => assert_eq!(again.status, 200),
        }
        assert_eq!(handlers.stored(&id).await.version(), 2);

        inject(&handlers, &[Fault::None, fault, fault, fault, fault]);
        let answer = handlers.create(Some("key-1")).await;
        assert_eq!(answer.code(), "temporarily_unavailable");
        let again = handlers.create(Some("key-1")).await;
        assert_eq!(again.status, 201);
        let replayed = again.headers["idempotency-replayed"] == "true";
        assert_eq!(replayed, fault == Fault::AnswerLost, "the request was made by the first call or by the second");

        let (id, _) = handlers.clicked().await;
        inject(&handlers, &[fault; 4]);
        let paid_at = SystemClock.now();
        assert_eq!(
            handlers.pay(&id, paid_at).await.status,
            503,
            "the status makes the provider send the webhook again"
        );
        assert_eq!(handlers.pay(&id, paid_at).await.status, 200);
        assert_eq!((handlers.stored(&id).await.status, handlers.stored(&id).await.version()), (Status::Paid, 3));
    }
}
