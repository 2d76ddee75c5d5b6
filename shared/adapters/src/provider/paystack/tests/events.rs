//! Webhooks: an event counts only as far as Paystack confirms it.

use super::*;
use crate::provider::{ConfiguredWebhooks, WebhookEvent};
use domain::use_cases::pay::ProviderEvent;
use runtime::paystack_signature::{PAYSTACK_SIGNATURE, SecretKeys};
use runtime::webhook_error::WebhookError;

fn headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(PAYSTACK_SIGNATURE, signature.parse().unwrap());
    headers
}

/// Reads an event with its valid signature, while the server answers what is asked.
async fn read_at(server: &Server, event: &Value) -> Result<WebhookEvent, WebhookError> {
    let body = event.to_string();
    let keys = SecretKeys::from_environment(&server.environment(), "PAYSTACK_SECRET_KEY").unwrap();
    let webhooks = ConfiguredWebhooks::new(&server.environment()).unwrap();
    webhooks.read(&headers(&keys.sign(body.as_bytes())), body.as_bytes(), at("2026-01-05T10:03:00Z")).await
}

async fn read(event: &Value, prepared: Vec<(&str, Prepared)>) -> Result<WebhookEvent, WebhookError> {
    read_at(&Server::start(prepared).await, event).await
}

fn event(kind: &str, data: &Value) -> Value {
    json!({ "event": kind, "data": data })
}

/// Builds an event about a refund, whose amounts Paystack writes as numbers or as texts.
fn refund_event(request: &PaymentRequest, status: &str) -> Value {
    event(
        &format!("refund.{status}"),
        &json!({ "status": status, "transaction_reference": reference(request, 1), "refund_reference": null,
            "amount": "25000", "currency": "ZAR", "processor": "instant-transfer", "domain": "test" }),
    )
}

#[tokio::test]
async fn an_event_about_a_payment_counts_as_far_as_the_transaction_confirms_it() {
    let request = clicked();
    let id = request.id;
    let (paid, money) = (payment(&request, 1), money(25_000, "ZAR"));
    let created = at("2026-01-05T10:00:05Z");
    let in_flight = Payment { paid_at: created, ..paid.clone() };
    let report = WebhookEvent::Report;
    let attempt = |of: &str, reason: &str| {
        let report = format!("{}-1:{NUMBER}{of}", request.id);
        WebhookEvent::Report(ProviderEvent::AttemptFailed { id, report, reason: Some(reason.parse().unwrap()) })
    };
    let unknown = |kind: &str| WebhookEvent::ValueUnknown { id, kind: kind.into(), field: "status" };
    let transfer = json!({ "channel": "bank_transfer" });
    for (kind, truth, expected) in [
        (
            "charge.success",
            transaction(&request, 1, "success"),
            report(ProviderEvent::Paid { id, payment: paid.clone(), money }),
        ),
        // When the customer made a transfer, nobody says.
        (
            "charge.success",
            with(transaction(&request, 1, "success"), &transfer),
            report(ProviderEvent::Arrived { id, payment: paid, earliest: Some(created), money }),
        ),
        // What the event says of itself is not used. A payment is found by the look at the deadline.
        ("charge.success", transaction(&request, 1, "abandoned"), WebhookEvent::Ignored("charge.success".into())),
        (
            "charge.success",
            with(transaction(&request, 1, "failed"), &transfer),
            WebhookEvent::Ignored("charge.success".into()),
        ),
        (
            "charge.success",
            with(transaction(&request, 1, "pending"), &transfer),
            report(ProviderEvent::Processing { id, payment: in_flight.clone(), money }),
        ),
        ("charge.failed", transaction(&request, 1, "abandoned"), WebhookEvent::Ignored("charge.failed".into())),
        (
            "charge.failed",
            with(transaction(&request, 1, "pending"), &transfer),
            report(ProviderEvent::Processing { id, payment: in_flight, money }),
        ),
        // On a page that never closes, the customer may try again after any failure.
        (
            "charge.failed",
            with(transaction(&request, 1, "failed"), &json!({ "channel": "ussd", "gateway_response": "Declined" })),
            attempt("", "Declined"),
        ),
        (
            "charge.failed",
            with(
                transaction(&request, 1, "failed"),
                &json!({ "gateway_response": "Incorrect PIN", "log": { "attempts": 2 } }),
            ),
            attempt(":2", "Incorrect PIN"),
        ),
        ("charge.success", transaction(&request, 1, "on_hold"), unknown("charge.success")),
        ("charge.success", transaction(&request, 1, "+27831234567"), unknown("charge.success")),
        (
            "charge.success",
            with(transaction(&request, 1, "success"), &json!({ "currency": "EUR" })),
            WebhookEvent::ImpossibleMoney(id),
        ),
        (
            "charge.success",
            with(transaction(&request, 1, "success"), &json!({ "metadata": "" })),
            WebhookEvent::Unrelated("charge.success".into()),
        ),
    ] {
        let claimed = with(transaction(&request, 1, "success"), &json!({ "amount": 1, "metadata": null }));
        let found = read(&event(kind, &claimed), vec![(verify(&request, 1), data(truth.clone()))]).await.unwrap();
        assert_eq!(found, expected, "{kind} {truth}");
    }
    let success = event("charge.success", &transaction(&request, 1, "success"));
    let missing = read(&success, vec![(verify(&request, 1), not_found())]);
    assert_eq!(missing.await.unwrap(), WebhookEvent::Unrelated("charge.success".into()));
}

#[tokio::test]
async fn an_event_about_a_refund_counts_as_far_as_the_list_of_refunds_confirms_it() {
    let request = clicked();
    let id = request.id;
    let refund = |status: &str, amount: i64| json!({ "transaction": NUMBER, "amount": amount, "status": status });
    let refunded = |amount| {
        let money = money(amount, "ZAR");
        WebhookEvent::Report(ProviderEvent::Refunded { id, reference: reference(&request, 1), money })
    };
    let ignored = |kind: &str| WebhookEvent::Ignored(kind.into());
    for (status, refunds, expected) in [
        ("processed", vec![refund("processed", 25_000)], refunded(25_000)),
        ("processed", vec![refund("processed", 5_000), refund("processed", 20_000)], refunded(25_000)),
        ("processed", vec![refund("processed", 5_000)], refunded(5_000)),
        ("processed", vec![refund("pending", 25_000)], ignored("refund.processed")),
        ("processed", vec![], ignored("refund.processed")),
        ("failed", vec![refund("failed", 25_000)], WebhookEvent::RefundFailed(id)),
        ("failed", vec![refund("failed", 25_000), refund("pending", 25_000)], ignored("refund.failed")),
        ("failed", vec![refund("processed", 25_000)], ignored("refund.failed")),
        ("failed", vec![], ignored("refund.failed")),
        ("needs-attention", vec![refund("needs-attention", 25_000)], WebhookEvent::RefundFailed(id)),
        ("needs-attention", vec![refund("processed", 25_000)], ignored("refund.needs-attention")),
    ] {
        let prepared = vec![
            (verify(&request, 1), data(transaction(&request, 1, "reversal-pending"))),
            ("/refund", says(200, json!({ "status": true, "data": refunds, "meta": { "page": 1, "pageCount": 1 } }))),
        ];
        let found = read(&refund_event(&request, status), prepared).await.unwrap();
        assert_eq!(found, expected, "{status} {refunds:?}");
    }
    for status in ["pending", "processing"] {
        let found = read(&refund_event(&request, status), Vec::new()).await.unwrap();
        assert_eq!(found, ignored(&format!("refund.{status}")), "nothing is asked");
    }
}

#[tokio::test]
async fn whoever_pays_the_fee_gets_it_back_and_the_whole_payment_counts_as_refunded() {
    let request = clicked();
    let with_fee = with(transaction(&request, 1, "reversed"), &json!({ "amount": 25_900, "requested_amount": 25_000 }));
    let refund = json!({ "transaction": NUMBER, "amount": 25_900, "status": "processed" });
    let list = says(200, json!({ "status": true, "data": [refund], "meta": { "page": 1, "pageCount": 1 } }));
    let prepared = vec![(verify(&request, 1), data(with_fee)), ("/refund", list)];
    let found = read(&refund_event(&request, "processed"), prepared).await.unwrap();
    let report =
        ProviderEvent::Refunded { id: request.id, reference: reference(&request, 1), money: money(25_000, "ZAR") };
    assert_eq!(found, WebhookEvent::Report(report));
}

#[tokio::test]
async fn what_is_not_ours_or_of_the_other_mode_is_told_apart_without_asking() {
    let request = clicked();
    let of = |fields: &Value| with(transaction(&request, 1, "success"), fields);
    let id = request.id;
    for (kind, object, expected) in [
        ("charge.success", of(&json!({ "reference": "T685312322670591" })), "unrelated"),
        ("charge.success", of(&json!({ "reference": id.to_string() })), "unrelated"),
        ("charge.success", of(&json!({ "reference": format!("{}-1", id.to_string().to_uppercase()) })), "unrelated"),
        ("charge.success", of(&json!({ "reference": 7 })), "unrelated"),
        ("charge.success", json!([]), "unrelated"),
        ("charge.success", Value::Null, "unrelated"),
        ("transfer.success", of(&json!({})), "unrelated"),
        ("subscription.create", of(&json!({})), "unrelated"),
        ("charge", of(&json!({})), "unrelated"),
        ("", of(&json!({})), "unrelated"),
        ("charge.success", of(&json!({ "domain": "live" })), "other mode"),
        ("charge.success", of(&json!({ "domain": "moon" })), "unknown"),
        ("charge.dispute.create", json!({ "transaction": transaction(&request, 1, "success") }), "ignored"),
        ("charge.something_new", of(&json!({})), "unrelated"),
        ("refund.something_new", json!({ "transaction_reference": format!("{id}-1") }), "unrelated"),
        ("refund.pending", json!({ "transaction_reference": format!("{id}-1") }), "ignored"),
    ] {
        let found = read(&event(kind, &object), Vec::new()).await.unwrap();
        let kind = kind.to_owned();
        let expected = match expected {
            "unrelated" => WebhookEvent::Unrelated(kind),
            "other mode" => WebhookEvent::OtherMode(kind),
            "ignored" => WebhookEvent::Ignored(kind),
            _ => WebhookEvent::ValueUnknown { id, kind, field: "domain" },
        };
        assert_eq!(found, expected, "{object}");
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_confirmed_now_is_sent_again_later() {
    let request = clicked();
    let (success, path) = (event("charge.success", &transaction(&request, 1, "success")), verify(&request, 1));
    let many = |prepared: fn() -> Prepared| (0..crate::aws::ATTEMPTS).map(move |_| prepared());
    for answers in [
        many(|| error(503, "unknown")).collect::<Vec<_>>(),
        many(|| Prepared::Lost).collect(),
        vec![Prepared::Says(429, vec![("retry-after", "60")], json!({ "status": false }))],
        vec![error(401, "invalid_Key")],
        vec![error(403, "forbidden")],
    ] {
        let prepared = answers.into_iter().map(|answer| (path, answer)).collect();
        let error = read(&success, prepared).await.unwrap_err();
        assert!(matches!(error, WebhookError::Unconfirmed(_)), "{error}");
    }
    for answer in [json!([]), json!({ "status": true, "data": { "id": "+27831234567" } }), json!({ "status": false })] {
        let error = read(&success, vec![(path, says(200, answer))]).await.unwrap_err();
        assert!(matches!(&error, WebhookError::Unreadable(text) if !text.contains("2783")), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_event_is_unreadable_and_an_unsigned_one_is_not_even_parsed() {
    for body in [json!([]), json!({}), json!({ "event": 7 }), json!("charge.success")] {
        let error = read(&body, Vec::new()).await.unwrap_err();
        assert!(matches!(error, WebhookError::Unreadable(_)), "{body}: {error}");
    }
    let server = Server::start(Vec::new()).await;
    // The keys are in Secrets Manager, and are not read for what cannot be a signature.
    let webhooks = ConfiguredWebhooks::new(&super::checkouts::managed(&server)).unwrap();
    for headers in [HeaderMap::new(), headers("00"), headers(&"G".repeat(128))] {
        let error = webhooks.read(&headers, b"no JSON", at("2026-01-05T10:03:00Z")).await.unwrap_err();
        assert!(matches!(error, WebhookError::Signature(_)), "{error}");
    }
    let webhooks = ConfiguredWebhooks::new(&server.environment()).unwrap();
    let error = webhooks.read(&headers(&"0".repeat(128)), b"{}", at("2026-01-05T10:03:00Z")).await.unwrap_err();
    assert!(matches!(error, WebhookError::Signature(_)), "{error}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn both_keys_verify_while_one_replaces_the_other() {
    let server = Server::start(Vec::new()).await;
    let both = server.environment().with("PAYSTACK_SECRET_KEY", "sk_test_new sk_test_old");
    let body = event("transfer.success", &json!({})).to_string();
    for key in ["sk_test_new", "sk_test_old"] {
        let signing = SecretKeys::from_environment(&Environment::default().with("K", key), "K").unwrap();
        let webhooks = ConfiguredWebhooks::new(&both).unwrap();
        let signature = headers(&signing.sign(body.as_bytes()));
        let found = webhooks.read(&signature, body.as_bytes(), at("2026-01-05T10:03:00Z")).await.unwrap();
        assert_eq!(found, WebhookEvent::Unrelated("transfer.success".into()));
    }
}
