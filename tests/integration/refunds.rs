//! The provider reports a refund. Only a full refund of the right payment, on a request whose refund is due, makes the
//! request refunded.

use domain::ports::Reads as _;
use domain::use_cases::pay::{ProviderEvent, ProviderEventOutcome, record_provider_event};
use domain::{Clock as _, Money, PaymentRequest, Status, SystemClock};
use futures::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use tests::handlers::Handlers;
use tests::stripe::Stripe;

fn money(amount: i64) -> Money {
    Money { amount: amount.try_into().unwrap(), currency: "ZAR".parse().unwrap() }
}

fn refunded(request: &PaymentRequest, reference: &str, amount: i64) -> ProviderEvent {
    ProviderEvent::Refunded { id: request.id, reference: reference.to_owned(), money: money(amount) }
}

/// Creates a request whose refund is due: it was canceled, and paid all the same.
async fn due(handlers: &Handlers) -> PaymentRequest {
    let (id, _) = handlers.sent().await;
    assert_eq!(handlers.cancel(&id).await.status, 200);
    assert_eq!(handlers.pay(&id, SystemClock.now()).await.status, 200);
    handlers.stored(&id).await
}

async fn status(handlers: &Handlers, request: &PaymentRequest) -> Status {
    handlers.store().get(request.id).await.unwrap().unwrap().status
}

#[tokio::test]
async fn a_due_refund_is_recorded_once_whoever_made_it_and_however_often_it_is_reported() {
    let handlers = Handlers::start().await;
    let (request, store) = (due(&handlers).await, Arc::new(handlers.store()));
    assert_eq!(request.status, Status::RefundDue);
    let reference = request.payment.clone().unwrap().reference;
    let reports = (0..6).map(|_| record_provider_event(&*store, &SystemClock, refunded(&request, &reference, 25_000)));
    let (reports, ours) = tokio::join!(join_all(reports), async { handlers.refund_due(&request.id.to_string()).await });
    ours.unwrap();
    for report in reports {
        assert!(matches!(report.unwrap(), ProviderEventOutcome::Applied(_) | ProviderEventOutcome::Unchanged(_)));
    }
    let stored = handlers.stored(&request.id.to_string()).await;
    assert_eq!(stored.status, Status::Refunded);
    assert_eq!(stored.version(), request.version() + 1, "one history entry, whichever report arrives first");
}

#[tokio::test]
async fn a_partial_refund_or_one_of_another_payment_changes_nothing() {
    let handlers = Handlers::start().await;
    let (request, store) = (due(&handlers).await, handlers.store());
    let reference = request.payment.clone().unwrap().reference;
    for event in [refunded(&request, &reference, 24_999), refunded(&request, "another", 25_000)] {
        let recorded = record_provider_event(&store, &SystemClock, event).await.unwrap();
        assert!(matches!(recorded, ProviderEventOutcome::RefundNotDue(_)), "{recorded:?}");
        assert_eq!(status(&handlers, &request).await, Status::RefundDue);
    }
}

#[tokio::test]
async fn a_refund_of_a_paid_request_by_a_person_changes_nothing() {
    let handlers = Handlers::start().await;
    let (id, _) = handlers.clicked().await;
    assert_eq!(handlers.pay(&id, SystemClock.now()).await.status, 200);
    let (paid, store) = (handlers.stored(&id).await, handlers.store());
    let reference = paid.payment.clone().unwrap().reference;
    let recorded = record_provider_event(&store, &SystemClock, refunded(&paid, &reference, 25_000)).await.unwrap();
    assert!(matches!(recorded, ProviderEventOutcome::RefundNotDue(_)), "{recorded:?}");
    assert_eq!(handlers.stored(&id).await, paid);
    let unknown = ProviderEvent::Refunded {
        id: domain::PaymentRequestId::new(&domain::Doors::default()).unwrap(),
        reference,
        money: money(25_000),
    };
    assert_eq!(record_provider_event(&store, &SystemClock, unknown).await.unwrap(), ProviderEventOutcome::Unknown);
}

#[tokio::test]
async fn with_stripe_an_amount_or_currency_that_it_rejects_is_rejected_at_creation() {
    let (_stripe, handlers) = Stripe::with_handlers(300, 900).await;
    for (amount, currency, field, message) in [
        (49, "USD", "amount", "must be at least $0.50, the payment provider's minimum"),
        (5_124, "KWD", "amount", "must be a multiple of KWD\u{a0}0.010, the payment provider's smallest step"),
        (1_000_000, "ISK", "amount", "must be at most ISK\u{a0}999,999, the payment provider's maximum"),
        (25_000, "IRR", "currency", "must be one that the payment provider accepts"),
    ] {
        let answer = handlers.create_over(amount, currency).await;
        assert_eq!(
            (answer.status, answer.code()),
            (422, "validation_failed"),
            "{amount} {currency}: {:?}",
            answer.body
        );
        let errors: &Value = &answer.body["errors"];
        assert_eq!(errors, &json!([{ "field": field, "message": message }]), "{amount} {currency}");
    }
    assert_eq!(handlers.create_over(50, "USD").await.status, 201);
    assert_eq!(
        Handlers::start().await.create_over(1, "IRR").await.status,
        201,
        "the sandbox accepts every amount and currency"
    );
}
