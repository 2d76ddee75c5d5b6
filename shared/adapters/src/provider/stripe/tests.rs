//! Tests of the adapter against a fake Stripe server with prepared responses. Statuses, error bodies and codes are
//! those of <https://docs.stripe.com/api/errors>.

use super::*;
use crate::aws::ATTEMPTS;
use crate::provider::test_support::{FakeServer, Prepared, Received, at, clicked, money, says};
use crate::provider::{ConfiguredProvider, ConfiguredWebhooks, WebhookEvent};
use domain::PaymentRequestId;
use domain::ports::Refunding;
use domain::use_cases::pay::ProviderEvent;
use http::{HeaderMap, HeaderName, HeaderValue};
use runtime::stripe_signature::{STRIPE_SIGNATURE, SigningSecrets};
use runtime::webhook_error::WebhookError;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Deref;

const KEY: &str = "rk_test_1234567890";
const SECRET: &str = "whsec_0000000000000000000000000000test";
const LINK: &str = "https://pay.example.com/p/secret-token-of-the-link";
const SESSION: &str = "cs_test_a1";

struct Server(FakeServer);

impl Deref for Server {
    type Target = FakeServer;

    fn deref(&self) -> &FakeServer {
        &self.0
    }
}

impl Server {
    /// Starts the server with the responses to its calls, in order.
    async fn start(prepared: Vec<Prepared>) -> Self {
        Self(FakeServer::start(prepared.into_iter().map(|prepared| (None, prepared))).await)
    }

    fn environment(&self) -> Environment {
        Environment::default()
            .with("PAYMENT_PROVIDER", NAME)
            .with("STRIPE_API_URL", format!("{}/stripe", self.url))
            .with("STRIPE_SECRET_KEY", KEY)
            .with("STRIPE_LIVEMODE", "false")
    }

    fn stripe(&self) -> ConfiguredProvider {
        ConfiguredProvider::new(&self.environment()).unwrap()
    }

    fn paths(&self) -> Vec<String> {
        self.received().iter().map(|call| format!("{} {}", call.method, call.uri)).collect()
    }
}

fn error(status: u16, code: &str) -> Prepared {
    says(
        status,
        json!({ "error": { "type": "invalid_request_error", "code": code, "message": format!("It is about {LINK}") } }),
    )
}

fn not_open() -> Prepared {
    // Stripe sends this error without a code.
    let message = "Only Checkout Sessions with a status in [\"open\"] can be expired.";
    says(400, json!({ "error": { "type": "invalid_request_error", "message": message } }))
}

fn created() -> Prepared {
    says(
        200,
        json!({ "id": SESSION, "object": "checkout.session", "new_field": [1],
            "url": "https://checkout.stripe.com/c/pay/cs_test_a1#x" }),
    )
}

fn session(status: &str, payment_status: &str, intent: &Value) -> Prepared {
    says(
        200,
        json!({ "id": SESSION, "status": status, "payment_status": payment_status, "amount_total": 25_000,
        "currency": "zar", "payment_intent": intent, "url": null }),
    )
}

fn intent(status: &str, charge: &Value) -> Value {
    json!({ "id": "pi_1", "status": status, "created": 1_767_607_200, "latest_charge": charge })
}

fn payment() -> Payment {
    Payment { provider: NAME.into(), reference: "pi_1".into(), paid_at: at("2026-01-05T10:00:00Z") }
}

fn checkout() -> CheckoutId {
    CheckoutId(SESSION.to_owned())
}

#[tokio::test]
async fn a_checkout_contains_exactly_the_order_and_no_customer_data() {
    let server = Server::start(vec![created(), created()]).await;
    let (stripe, request) = (server.stripe(), clicked(Duration::from_mins(15)));
    for _ in 0..2 {
        let checkout = stripe.create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
        assert_eq!(
            checkout,
            Checkout { id: self::checkout(), url: "https://checkout.stripe.com/c/pay/cs_test_a1#x".into() }
        );
    }
    let received = server.received();
    assert_eq!(received[0].body, received[1].body, "under one idempotency key, Stripe rejects different parameters");
    let Received { method, uri, headers, body, .. } = &received[0];
    assert_eq!((method, uri.path()), (&Method::POST, "/stripe/v1/checkout/sessions"));
    assert_eq!(headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(headers["idempotency-key"], request.id.to_string());
    assert_eq!(headers["stripe-version"], "2026-10-28.endive");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    let url: url::Url = format!("http://form/?{body}").parse().unwrap();
    let id = request.id.to_string();
    let expected = [
        ("mode", "payment"),
        ("locale", "auto"),
        ("client_reference_id", &id),
        ("metadata[payment_request_id]", &id),
        ("payment_intent_data[metadata][payment_request_id]", &id),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "zar"),
        ("line_items[0][price_data][unit_amount]", "25000"),
        ("line_items[0][price_data][product_data][name]", "Order 10045"),
        ("adaptive_pricing[enabled]", "false"),
        ("success_url", &format!("{LINK}?done")),
        ("cancel_url", &format!("{LINK}?back")),
        ("line_items[0][price_data][product_data][description]", "2 x tickets & more"),
        ("expires_at", "1767610800"),
    ];
    let found: Vec<_> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

/// Returns the parameters of a received call, by name.
fn parameters(call: &Received) -> BTreeMap<String, String> {
    format!("http://form/?{}", call.body).parse::<url::Url>().unwrap().query_pairs().into_owned().collect()
}

/// A session that release 0.1 created has one address for every way back. Stripe returns it for exactly those
/// parameters under the request's key.
#[tokio::test]
async fn a_session_of_release_0_1_is_found_again_and_stays_payable_and_closable() {
    let other_parameters = || says(400, json!({ "error": { "type": "idempotency_error" } }));
    let paid = session("complete", "paid", &intent("succeeded", &Value::Null));
    let prepared = vec![
        other_parameters(),
        created(),
        session("open", "unpaid", &Value::Null),
        paid,
        other_parameters(),
        created(),
        session("expired", "unpaid", &Value::Null),
    ];
    let server = Server::start(prepared).await;
    let (stripe, request) = (server.stripe(), clicked(Duration::from_mins(15)));

    let found = stripe.create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    assert_eq!(found.id, checkout());
    assert_eq!(found.url, "https://checkout.stripe.com/c/pay/cs_test_a1#x", "the customer can pay on it");
    assert_eq!(stripe.check_checkout(&found.id).await.unwrap(), CheckoutState::Open);
    let state = stripe.check_checkout(&found.id).await.unwrap();
    assert!(matches!(state, CheckoutState::Paid(_)), "{state:?}");
    let found = stripe.create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    assert_eq!(stripe.close_checkout(&found.id).await.unwrap(), CheckoutState::Closed);

    let received = server.received();
    let (present, former) = (parameters(&received[0]), parameters(&received[1]));
    let former_address = |name: &str| (name.to_owned(), LINK.to_owned());
    let expected = present.into_iter().chain(["success_url", "cancel_url"].map(former_address)).collect();
    assert_eq!(former, expected, "everything else is as it was");
    for call in [0, 1, 4, 5] {
        assert_eq!(received[call].headers["idempotency-key"], request.id.to_string());
    }
}

/// A key that belongs to neither release's parameters, such as after a change of `PUBLIC_BASE_URL`.
#[tokio::test]
async fn a_session_of_unknown_parameters_is_a_refusal_after_one_more_call() {
    let other_parameters = || says(400, json!({ "error": { "type": "idempotency_error" } }));
    let server = Server::start(vec![other_parameters(), other_parameters()]).await;
    let error = server
        .stripe()
        .create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST)
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Refused(_)), "{error}");
    assert_eq!(server.received().len(), 2);
}

#[test]
fn a_session_expires_within_stripes_limits_whenever_it_is_created() {
    const HOUR: i64 = 60 * 60;
    for minutes in [1, 15, 60, 24 * 60 - 51, 24 * 60 - 50, 24 * 60 - 49, 24 * 60] {
        let request = clicked(Duration::from_mins(minutes));
        let earliest = request.history[1].at.as_seconds_ceiling();
        let latest = request.deadline.saturating_add(domain::limits::PROVIDER_GRACE).as_seconds_ceiling();
        match expires_at(&request) {
            Some(end) => {
                assert!(end - latest >= HOUR / 2, "{minutes} minutes to pay: too soon");
                assert!(end - earliest <= 24 * HOUR, "{minutes} minutes to pay: too late");
            }
            None => assert!(minutes > 24 * 60 - 50, "{minutes} minutes to pay would fit"),
        }
    }
}

#[tokio::test]
async fn a_customer_is_redirected_only_to_stripe() {
    for url in [
        "http://checkout.stripe.com/c/pay",
        "https://checkout.stripe.com.example.com/c/pay",
        "https://checkout.stripe.com:8443/c/pay",
        "https://user@checkout.stripe.com/c/pay",
        "https://evil.example.com/checkout.stripe.com",
        "javascript:alert(1)",
        "/c/pay",
    ] {
        let server = Server::start(vec![says(200, json!({ "id": SESSION, "url": url }))]).await;
        let error = server
            .stripe()
            .create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST)
            .await
            .unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn an_unreadable_answer_is_a_separate_kind_of_error() {
    let missing = |field: &str| {
        let mut answer = json!({ "id": SESSION, "url": "https://checkout.stripe.com/c" });
        answer.as_object_mut().unwrap().remove(field);
        says(200, answer)
    };
    for prepared in [
        missing("id"),
        missing("url"),
        says(200, json!({ "id": "../../refunds", "url": "https://checkout.stripe.com/c" })),
        says(200, json!([])),
        Prepared::Endless(json!({ "id": SESSION, "url": "https://checkout.stripe.com/c" })),
    ] {
        let server = Server::start(vec![prepared]).await;
        let error = server
            .stripe()
            .create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST)
            .await
            .unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable(_)), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![created()]).await;
    let location = elsewhere.url.clone().leak();
    let server = Server::start(vec![Prepared::Says(307, vec![("location", location)], json!({}))]).await;
    let error = server
        .stripe()
        .create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST)
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Refused(_)), "{error}");
    assert!(elsewhere.received().is_empty(), "the key is never sent to another server");
}

#[tokio::test]
async fn only_transient_errors_are_retried_and_under_the_same_key() {
    let retry = |value| vec![("stripe-should-retry", value)];
    let lock = || json!({ "error": { "type": "invalid_request_error", "code": "lock_timeout" } });
    for (first, calls) in [
        (Prepared::Lost, 2),
        (says(409, lock()), 2),
        (says(429, json!({ "error": { "type": "invalid_request_error", "code": "rate_limit" } })), 2),
        (says(500, json!({ "error": { "type": "api_error" } })), 2),
        (says(503, json!("not even an error")), 2),
        (Prepared::Says(400, retry("true"), lock()), 2),
        (Prepared::Says(500, retry("false"), json!({ "error": { "type": "api_error" } })), 1),
        (Prepared::Says(409, retry("false"), lock()), 1),
        (error(400, "idempotency_error"), 1),
        (error(402, "card_declined"), 1),
        (error(403, "more_permissions_required"), 1),
    ] {
        let server = Server::start(vec![first, created()]).await;
        let result =
            server.stripe().create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST).await;
        let received = server.received();
        assert_eq!((received.len(), result.is_ok()), (calls, calls == 2), "{result:?}");
        assert!(received.iter().all(|call| call.headers["idempotency-key"] == received[0].headers["idempotency-key"]));
    }
}

#[tokio::test]
async fn an_outage_a_rejection_and_an_unsupported_amount_are_distinguished() {
    let unavailable = || (0..ATTEMPTS).map(|_| error(503, "api_error")).collect::<Vec<_>>();
    for (prepared, expected) in [
        (unavailable(), "unavailable"),
        (vec![Prepared::Says(500, vec![("stripe-should-retry", "false")], json!({}))], "unavailable"),
        (vec![error(400, "url_invalid")], "refused"),
        (vec![error(400, "amount_too_small")], "not taken"),
        (vec![error(400, "amount_too_large")], "not taken"),
    ] {
        let server = Server::start(prepared).await;
        let error = server
            .stripe()
            .create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST)
            .await
            .unwrap_err();
        let found = match &error {
            ProviderError::Unavailable(_) => "unavailable",
            ProviderError::Refused(_) => "refused",
            ProviderError::AmountNotAccepted(_) => "not taken",
            ProviderError::Unreadable(_) => "unreadable",
        };
        assert_eq!(found, expected, "{error}");
    }
}

#[tokio::test]
async fn an_error_names_the_stripe_request_and_contains_no_key_and_no_input() {
    let body = json!({ "error": { "type": "invalid_request_error", "code": "url_invalid", "param": "success_url",
        "message": format!("Not a valid URL: {LINK}"), "decline_code": "+27831234567 is a phone number" } });
    let server = Server::start(vec![Prepared::Says(400, vec![("request-id", "req_1")], body)]).await;
    let stripe = server.stripe();
    let error =
        stripe.create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST).await.unwrap_err();
    let text = runtime::telemetry::chain(&error);
    for word in ["400", "url_invalid", "success_url", "req_1"] {
        assert!(text.contains(word), "{text}");
    }
    for secret in ["secret-token", KEY, "2783"] {
        assert!(!text.contains(secret) && !format!("{error:?}{stripe:?}").contains(secret), "{text}");
    }
}

#[tokio::test]
async fn closing_returns_the_outcome_of_the_session() {
    let paid_at = at("2026-01-05T10:01:40Z");
    let charge = json!({ "id": "ch_1", "created": 1_767_607_300, "amount": 25_000 });
    let (payment, money) = (Payment { paid_at, ..payment() }, money(25_000, "ZAR"));
    let submitted = Payment { paid_at: at("2026-01-05T10:00:00Z"), ..payment.clone() };
    let failed = CheckoutState::Failed { references: vec![payment.reference.clone()] };
    for (payment_status, intent, expected) in [
        ("paid", intent("succeeded", &charge), CheckoutState::Paid(vec![Arrival::at_its_time(payment.clone(), money)])),
        (
            "unpaid",
            intent("succeeded", &charge),
            CheckoutState::Paid(vec![Arrival::at_its_time(payment.clone(), money)]),
        ),
        ("unpaid", intent("processing", &charge), CheckoutState::Processing { payment, money }),
        ("unpaid", intent("requires_action", &Value::Null), CheckoutState::Processing { payment: submitted, money }),
        ("unpaid", intent("requires_payment_method", &charge), failed.clone()),
        ("unpaid", intent("canceled", &charge), failed),
    ] {
        let server = Server::start(vec![not_open(), session("complete", payment_status, &intent)]).await;
        assert_eq!(server.stripe().close_checkout(&checkout()).await.unwrap(), expected, "{payment_status} {intent}");
        let read = "GET /stripe/v1/checkout/sessions/cs_test_a1?expand%5B%5D=payment_intent.latest_charge";
        assert_eq!(server.paths(), ["POST /stripe/v1/checkout/sessions/cs_test_a1/expire", read]);
    }
}

#[tokio::test]
async fn a_look_at_a_session_reads_it_and_changes_nothing() {
    let charge = json!({ "id": "ch_1", "created": 1_767_607_300 });
    let (payment, money) = (Payment { paid_at: at("2026-01-05T10:01:40Z"), ..payment() }, money(25_000, "ZAR"));
    let failed = CheckoutState::Failed { references: vec![payment.reference.clone()] };
    let processing = CheckoutState::Processing { payment: payment.clone(), money };
    for (prepared, expected) in [
        (session("open", "unpaid", &Value::Null), CheckoutState::Open),
        (session("open", "unpaid", &intent("requires_payment_method", &charge)), CheckoutState::Open),
        (session("expired", "unpaid", &Value::Null), CheckoutState::Closed),
        (session("complete", "unpaid", &intent("processing", &charge)), processing),
        (session("complete", "unpaid", &intent("requires_payment_method", &charge)), failed),
        (
            session("complete", "paid", &intent("succeeded", &charge)),
            CheckoutState::Paid(vec![Arrival::at_its_time(payment, money)]),
        ),
    ] {
        let server = Server::start(vec![prepared]).await;
        assert_eq!(server.stripe().check_checkout(&checkout()).await.unwrap(), expected);
        let read = "GET /stripe/v1/checkout/sessions/cs_test_a1?expand%5B%5D=payment_intent.latest_charge";
        assert_eq!(server.paths(), [read]);
    }
    for unknown in [session("on_hold", "unpaid", &Value::Null), session("complete", "paid", &json!("pi_1"))] {
        let error = Server::start(vec![unknown]).await.stripe().check_checkout(&checkout()).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable(_)), "{error}");
    }
}

#[tokio::test]
async fn closing_is_idempotent_even_if_the_answer_is_lost() {
    for prepared in [
        vec![session("expired", "unpaid", &Value::Null)],
        vec![not_open(), session("expired", "unpaid", &Value::Null)],
        vec![Prepared::Lost, not_open(), session("expired", "unpaid", &Value::Null)],
        vec![Prepared::Lost, not_open(), Prepared::Lost, session("expired", "unpaid", &Value::Null)],
    ] {
        let server = Server::start(prepared).await;
        assert_eq!(server.stripe().close_checkout(&checkout()).await.unwrap(), CheckoutState::Closed);
        assert!(server.received().iter().all(|call| !call.headers.contains_key("idempotency-key")));
    }
}

#[tokio::test]
async fn a_session_counts_as_closed_only_if_stripe_confirms_it() {
    for prepared in [
        vec![not_open(), session("open", "unpaid", &Value::Null)],
        vec![session("open", "unpaid", &Value::Null)],
        vec![not_open(), session("complete", "paid", &json!("pi_1"))],
        vec![not_open(), session("complete", "paid", &intent("succeeded", &json!("ch_1")))],
        vec![not_open(), session("complete", "no_payment_required", &intent("succeeded", &Value::Null))],
        vec![not_open(), session("something_new", "paid", &intent("succeeded", &Value::Null))],
        vec![error(404, "resource_missing")],
    ] {
        let server = Server::start(prepared).await;
        assert!(server.stripe().close_checkout(&checkout()).await.is_err());
    }
}

#[tokio::test]
async fn the_paid_amount_is_reported_and_not_the_requested_one() {
    let answer = json!({ "status": "complete", "payment_status": "paid", "amount_total": 100, "currency": "usd",
        "payment_intent": intent("succeeded", &Value::Null) });
    let server = Server::start(vec![not_open(), says(200, answer)]).await;
    let closing = server.stripe().close_checkout(&checkout()).await.unwrap();
    assert!(
        matches!(closing, CheckoutState::Paid(ref paid) if paid[0].money == self::money(100, "USD")),
        "{closing:?}"
    );
}

#[tokio::test]
async fn a_checkout_of_another_provider_is_rejected_without_a_call() {
    let server = Server::start(Vec::new()).await;
    for id in ["", "../refunds", "cs_1/expire", "cs_1?x"] {
        let error = server.stripe().close_checkout(&CheckoutId(id.to_owned())).await.unwrap_err();
        assert!(matches!(error, ProviderError::Refused(_)), "{id}");
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_refund_names_its_payment_and_has_its_own_idempotency_key() {
    let server = Server::start(vec![Prepared::Lost, says(200, refund("re_1", "pending"))]).await;
    let request = clicked(Duration::from_mins(15));
    server.stripe().refund(&request, &payment()).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 2);
    for call in &received {
        assert_eq!(call.uri.path(), "/stripe/v1/refunds");
        assert_eq!(call.headers["idempotency-key"], format!("{}:refund", request.id));
        assert_eq!(call.body, format!("payment_intent=pi_1&metadata%5Bpayment_request_id%5D={}", request.id));
    }
}

fn refund(id: &str, status: &str) -> Value {
    json!({ "id": id, "status": status })
}

#[tokio::test]
async fn a_refund_is_complete_when_it_succeeds_and_not_when_it_is_accepted() {
    let waiting = json!({ "id": "re_1", "status": "pending", "pending_reason": "insufficient_funds" });
    let processing = json!({ "id": "re_1", "status": "pending", "pending_reason": "processing" });
    for (prepared, expected) in [
        (says(200, refund("re_1", "succeeded")), Some(Refunding::Done)),
        (says(200, refund("re_1", "pending")), Some(Refunding::UnderWay)),
        (says(200, processing), Some(Refunding::UnderWay)),
        (says(200, waiting), Some(Refunding::WaitsForFunds)),
        (says(200, refund("re_1", "requires_action")), Some(Refunding::UnderWay)),
        (says(200, refund("re_1", "failed")), None),
        (says(200, refund("re_1", "canceled")), None),
        (says(200, refund("re_1", "something_new")), Some(Refunding::StatusUnknown)),
        (error(400, "charge_disputed"), None),
        (error(404, "resource_missing"), None),
    ] {
        let server = Server::start(vec![prepared]).await;
        let result = server.stripe().refund(&clicked(Duration::from_mins(15)), &payment()).await;
        assert_eq!(result.as_ref().ok(), expected.as_ref(), "{result:?}");
    }
}

#[tokio::test]
async fn for_a_refunded_payment_the_state_of_its_refund_is_returned() {
    let request = clicked(Duration::from_mins(15));
    let of =
        |id: &str, status: &str| json!({ "id": "re_1", "status": status, "metadata": { "payment_request_id": id } });
    let ours = |status: &str| of(&request.id.to_string(), status);
    for (refunds, expected) in [
        (vec![ours("succeeded")], Refunding::Done),
        (vec![ours("pending")], Refunding::UnderWay),
        (vec![ours("pending"), ours("failed")], Refunding::UnderWay),
        (vec![ours("succeeded"), ours("failed")], Refunding::Done),
        // A person made this refund and is responsible for it.
        (vec![json!({ "id": "re_1", "status": "pending", "metadata": null })], Refunding::Done),
        (vec![of("another", "pending"), ours("failed")], Refunding::Done),
        (vec![of("another", "something_new"), ours("something_new")], Refunding::StatusUnknown),
    ] {
        let list = json!({ "object": "list", "has_more": false, "data": refunds });
        let server = Server::start(vec![error(400, "charge_already_refunded"), says(200, list)]).await;
        assert_eq!(server.stripe().refund(&request, &payment()).await.unwrap(), expected, "{refunds:?}");
        assert_eq!(server.received()[1].uri.query(), Some("limit=100&payment_intent=pi_1"));
    }
    // A refund that cannot be read does not count as done.
    for list in [json!({}), json!({ "data": null }), json!({ "data": [ours("succeeded"), "re_2"] })] {
        let server = Server::start(vec![error(400, "charge_already_refunded"), says(200, list)]).await;
        server.stripe().refund(&request, &payment()).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_replayed_refund_is_read_again_and_a_failed_one_is_requested_anew() {
    let request = clicked(Duration::from_mins(15));
    let before = |id: &'static str, status: &str| {
        Prepared::Says(200, vec![("idempotent-replayed", "true"), ("original-request", "req_1")], refund(id, status))
    };
    let now = |id: &str, status: &str| says(200, refund(id, status));
    for (prepared, paths, expected) in [
        (vec![before("re_1", "pending"), now("re_1", "succeeded")], vec!["", "/re_1"], Some(Refunding::Done)),
        (vec![before("re_1", "pending"), now("re_1", "pending")], vec!["", "/re_1"], Some(Refunding::UnderWay)),
        (
            vec![before("re_1", "pending"), now("re_1", "failed"), now("re_2", "pending")],
            vec!["", "/re_1", " re_1"],
            Some(Refunding::UnderWay),
        ),
        (
            vec![
                before("re_1", "pending"),
                now("re_1", "failed"),
                before("re_2", "succeeded"),
                now("re_2", "canceled"),
                now("re_3", "succeeded"),
            ],
            vec!["", "/re_1", " re_1", "/re_2", " re_2"],
            Some(Refunding::Done),
        ),
        (
            vec![before("re_1", "pending"), now("re_1", "failed"), now("re_2", "failed")],
            vec!["", "/re_1", " re_1"],
            None,
        ),
        (vec![before("../re", "pending")], vec![""], None),
    ] {
        let server = Server::start(prepared).await;
        let result = server.stripe().refund(&request, &payment()).await;
        assert_eq!(result.as_ref().ok(), expected.as_ref(), "{result:?}");
        // The reads, and the keys of the refund requests.
        let asked: Vec<String> = server
            .received()
            .iter()
            .map(|call| match call.headers.get("idempotency-key") {
                Some(key) => {
                    key.to_str().unwrap().trim_start_matches(&format!("{}:refund", request.id)).replace(':', " ")
                }
                None => call.uri.path().trim_start_matches("/stripe/v1/refunds").to_owned(),
            })
            .collect();
        assert_eq!(asked, paths);
    }
}

/// Builds a response that Stripe only repeats, from the original request with this identifier.
fn repeated(status: u16, code: &'static str, original: &'static str) -> Prepared {
    let headers =
        vec![("idempotent-replayed", "true"), ("original-request", original), ("stripe-should-retry", "false")];
    let kind = if code == "idempotency_error" { code } else { "api_error" };
    Prepared::Says(status, headers, json!({ "error": { "type": kind, "code": code } }))
}

/// Stripe stores its own failures under the key, and would only repeat them.
#[tokio::test]
async fn a_press_after_a_failure_of_stripe_is_one_call_under_the_key_that_the_repeated_failure_leads_to() {
    let failed = |request| Prepared::Says(500, vec![("request-id", request)], json!({}));
    let overloaded = || Prepared::Says(429, vec![("request-id", "req_9")], json!({}));
    let server = Server::start(vec![failed("req_1"), overloaded(), failed("req_2"), created(), created()]).await;
    let (stripe, request) = (server.stripe().for_presses(), clicked(Duration::from_mins(15)));
    let later = CheckoutAttempt::FIRST.saturating_next();
    for succeeds in [false, false, false, true, true] {
        assert_eq!(stripe.create_checkout(&request, LINK, later).await.is_ok(), succeeds);
    }
    let keys: Vec<_> =
        server.received().iter().map(|call| call.headers["idempotency-key"].to_str().unwrap().to_owned()).collect();
    let expected = ["", ":req_1", ":req_1", ":req_2", ":req_2"].map(|suffix| format!("{}{suffix}", request.id));
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_replayed_rejection_is_requested_anew() {
    let (request, done) = (clicked(Duration::from_mins(15)), || says(200, refund("re_1", "succeeded")));
    for (prepared, suffixes, ends_well) in [
        (vec![repeated(400, "charge_disputed", "req_1"), done()], vec!["", ":req_1"], true),
        (
            vec![repeated(400, "balance_insufficient", "req_1"), repeated(500, "x", "req_2"), done()],
            vec!["", ":req_1", ":req_2"],
            true,
        ),
        (vec![repeated(400, "charge_disputed", "req_1"), error(400, "charge_disputed")], vec!["", ":req_1"], false),
        (vec![repeated(400, "idempotency_error", "req_1")], vec![""], false),
        (vec![error(400, "charge_disputed")], vec![""], false),
    ] {
        let server = Server::start(prepared).await;
        let result = server.stripe().refund(&request, &payment()).await;
        assert_eq!(result.is_ok(), ends_well, "{result:?}");
        let keys: Vec<_> =
            server.received().iter().map(|call| call.headers["idempotency-key"].to_str().unwrap().to_owned()).collect();
        let expected: Vec<_> = suffixes.iter().map(|suffix| format!("{}:refund{suffix}", request.id)).collect();
        assert_eq!(keys, expected);
    }
    // The same holds for the customer's button after a failure of Stripe.
    let server = Server::start(vec![repeated(500, "x", "req_1"), created()]).await;
    server.stripe().create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    assert_eq!(server.received()[1].headers["idempotency-key"], format!("{}:req_1", request.id));
    // A server that repeats a rejection under every key ends the retries.
    let server = Server::start((0..30).map(|_| repeated(400, "charge_disputed", "req_1")).collect()).await;
    server.stripe().refund(&request, &payment()).await.unwrap_err();
    assert_eq!(server.received().len(), 30);
}

#[tokio::test]
async fn a_key_of_the_other_mode_moves_no_money() {
    let server = Server::start(vec![says(200, json!({ "SecretString": "sk_live_1" }))]).await;
    let given = server.environment();
    for (key, livemode) in [("sk_live_1", "false"), ("sk_test_1", "true")] {
        let wrong = given.clone().with("STRIPE_SECRET_KEY", key).with("STRIPE_LIVEMODE", livemode);
        assert!(ConfiguredProvider::new(&wrong).is_err(), "{key}");
    }
    let stripe = ConfiguredProvider::new(&managed(given, &server)).unwrap();
    let error =
        stripe.create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST).await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused(_)), "{error}");
    assert_eq!(server.paths(), ["POST /"], "only Secrets Manager was called");
}

/// Returns an environment whose key is in Secrets Manager. The same fake server also answers as Secrets Manager.
fn managed(environment: Environment, server: &Server) -> Environment {
    environment
        .with("STRIPE_SECRET_KEY", "")
        .with("STRIPE_SECRET_KEY_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:stripe")
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test")
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &server.url)
}

#[tokio::test]
async fn a_rolled_key_is_read_again_at_its_first_rejection() {
    let prepared = vec![
        says(200, json!({ "SecretString": "rk_test_old" })),
        created(),
        error(401, "api_key_expired"),
        says(200, json!({ "SecretString": "rk_test_new" })),
        created(),
    ];
    let server = Server::start(prepared).await;
    let stripe = ConfiguredProvider::new(&managed(server.environment(), &server)).unwrap();
    let request = clicked(Duration::from_mins(15));
    stripe.create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(30)).await;
    tokio::time::resume();
    stripe.create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    let keys: Vec<_> = server.received().iter().map(|call| call.headers["authorization"].clone()).collect();
    assert_eq!(keys[2], "Bearer rk_test_old");
    assert_eq!(keys[4], "Bearer rk_test_new");
}

async fn read(event: &Value) -> Result<WebhookEvent, WebhookError> {
    let environment = Environment::default()
        .with("PAYMENT_PROVIDER", NAME)
        .with("STRIPE_WEBHOOK_SECRET", SECRET)
        .with("STRIPE_LIVEMODE", "false");
    let (body, now) = (event.to_string(), at("2026-01-05T10:03:00Z"));
    let signature = SigningSecrets::parse(SECRET, "test").unwrap().sign(body.as_bytes(), now);
    let header = (HeaderName::from_static(STRIPE_SIGNATURE), HeaderValue::from_str(&signature).unwrap());
    ConfiguredWebhooks::new(&environment).unwrap().read(&HeaderMap::from_iter([header]), body.as_bytes(), now).await
}

fn event(kind: &str, object: &Value) -> Value {
    json!({ "id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "type": kind,
        "created": 1_767_607_300, "livemode": false, "pending_webhooks": 1, "request": null,
        "data": { "object": object } })
}

#[tokio::test]
async fn each_event_is_mapped_to_its_report() {
    let id = PaymentRequestId::new(&domain::Doors::default()).unwrap();
    let metadata = json!({ "payment_request_id": id });
    let session = |payment_status: &str| {
        json!({ "id": SESSION, "status": "complete", "payment_status": payment_status, "amount_total": 25_000,
            "currency": "zar", "payment_intent": "pi_1", "metadata": metadata })
    };
    let charge = json!({ "id": "ch_1", "payment_intent": "pi_1", "amount": 25_000, "amount_refunded": 25_000,
        "refunded": true, "currency": "zar", "metadata": metadata });
    let refund = |status: &str| {
        json!({ "id": "re_1", "payment_intent": "pi_1", "amount": 25_000, "currency": "zar", "status": status,
            "metadata": metadata })
    };
    let failed = |failure: Value| {
        json!({ "id": "pi_1", "status": "requires_payment_method", "metadata": metadata,
            "last_payment_error": failure })
    };
    let attempt = |reason: Option<&str>| {
        WebhookEvent::Report(ProviderEvent::AttemptFailed {
            id,
            report: "evt_1".into(),
            reason: reason.and_then(domain::Reason::fitted),
        })
    };
    let money = money(25_000, "ZAR");
    let payment = Payment { paid_at: at("2026-01-05T10:01:40Z"), ..payment() };
    // Both say that the money is there. Only the first says that the customer did their part at most a minute before.
    let arrived =
        |earliest| WebhookEvent::Report(ProviderEvent::Arrived { id, payment: payment.clone(), earliest, money });
    let refunded = || WebhookEvent::Report(ProviderEvent::Refunded { id, reference: "pi_1".into(), money });
    for (kind, object, expected) in [
        ("checkout.session.completed", session("paid"), arrived(Some(at("2026-01-05T10:00:40Z")))),
        (
            "checkout.session.completed",
            session("unpaid"),
            WebhookEvent::Report(ProviderEvent::Processing { id, payment: payment.clone(), money }),
        ),
        (
            "checkout.session.completed",
            session("no_payment_required"),
            WebhookEvent::Unrelated("checkout.session.completed".into()),
        ),
        ("checkout.session.async_payment_succeeded", session("paid"), arrived(None)),
        (
            "checkout.session.async_payment_failed",
            session("unpaid"),
            WebhookEvent::Report(ProviderEvent::PaymentFailed { id, provider: NAME.into(), reference: "pi_1".into() }),
        ),
        ("checkout.session.expired", session("unpaid"), WebhookEvent::Ignored("checkout.session.expired".into())),
        (
            "payment_intent.payment_failed",
            failed(json!({ "code": "card_declined", "decline_code": "insufficient_funds" })),
            attempt(Some("insufficient_funds")),
        ),
        ("payment_intent.payment_failed", failed(json!({ "code": "expired_card" })), attempt(Some("expired_card"))),
        ("payment_intent.payment_failed", failed(Value::Null), attempt(None)),
        (
            "charge.refunded",
            charge,
            WebhookEvent::Report(ProviderEvent::RefundTaken { id, reference: "pi_1".into(), money }),
        ),
        ("refund.created", refund("succeeded"), refunded()),
        ("refund.updated", refund("succeeded"), refunded()),
        ("refund.created", refund("pending"), WebhookEvent::Ignored("refund.created".into())),
        ("refund.updated", refund("pending"), WebhookEvent::Ignored("refund.updated".into())),
        ("refund.updated", refund("failed"), WebhookEvent::Ignored("refund.updated".into())),
        ("refund.updated", refund("canceled"), WebhookEvent::RefundFailed(id)),
        ("refund.failed", refund("failed"), WebhookEvent::RefundFailed(id)),
        ("customer.created", json!({ "metadata": metadata }), WebhookEvent::Unrelated("customer.created".into())),
    ] {
        assert_eq!(read(&event(kind, &object)).await.unwrap(), expected, "{kind} {object}");
    }
}

#[tokio::test]
async fn an_unknown_value_means_not_yet() {
    let id = PaymentRequestId::new(&domain::Doors::default()).unwrap();
    for value in [json!("on_hold"), json!("+27831234567"), json!(7), json!(["paid"]), Value::Null] {
        for (kind, field) in [
            ("checkout.session.completed", "payment_status"),
            ("checkout.session.async_payment_succeeded", "payment_status"),
            ("refund.created", "status"),
            ("refund.updated", "status"),
        ] {
            let mut object = json!({ "metadata": { "payment_request_id": id } });
            object[field] = value.clone();
            let expected = WebhookEvent::ValueUnknown { id, kind: kind.to_owned(), field };
            assert_eq!(read(&event(kind, &object)).await.unwrap(), expected, "{kind} {value}");
        }
    }
    let kind = "checkout.session.async_payment_succeeded";
    let unpaid = json!({ "metadata": { "payment_request_id": id }, "payment_status": "unpaid" });
    let expected = WebhookEvent::ValueUnknown { id, kind: kind.to_owned(), field: "payment_status" };
    assert_eq!(read(&event(kind, &unpaid)).await.unwrap(), expected, "a payment that succeeded and is unpaid");
    let free = json!({ "metadata": { "payment_request_id": id }, "payment_status": "no_payment_required" });
    assert_eq!(read(&event(kind, &free)).await.unwrap(), WebhookEvent::Unrelated(kind.to_owned()));
}

#[tokio::test]
async fn an_answer_with_an_unknown_value_is_retried_and_never_a_rejection() {
    for value in ["on_hold", ""] {
        let object = |status: Value, payment_status: Value| {
            says(
                200,
                json!({ "id": SESSION, "status": status, "payment_status": payment_status,
                "amount_total": 25_000, "currency": "zar", "payment_intent": intent("succeeded", &Value::Null) }),
            )
        };
        for prepared in [
            vec![object(value.into(), "unpaid".into())],
            vec![not_open(), object(value.into(), "unpaid".into())],
            vec![not_open(), object("complete".into(), value.into())],
            vec![not_open(), object("complete".into(), Value::Null)],
        ] {
            let error = Server::start(prepared).await.stripe().close_checkout(&checkout()).await.unwrap_err();
            assert!(matches!(error, ProviderError::Unreadable(_)), "{error}");
        }
        // What the outcome does not depend on may hold anything.
        let closed = Server::start(vec![object("expired".into(), value.into())]).await;
        assert_eq!(closed.stripe().close_checkout(&checkout()).await.unwrap(), CheckoutState::Closed);
        let server = Server::start(vec![says(200, refund("re_1", value))]).await;
        let outcome = server.stripe().refund(&clicked(Duration::from_mins(15)), &payment()).await.unwrap();
        assert_eq!(outcome, Refunding::StatusUnknown);
    }
}

#[tokio::test]
async fn events_of_other_uses_of_the_account_are_unrelated_whatever_their_shape() {
    let uuid = PaymentRequestId::new(&domain::Doors::default()).unwrap().to_string().to_uppercase();
    for object in [
        json!({ "id": "cs_1", "mode": "subscription", "payment_intent": null, "metadata": {} }),
        json!({ "id": "cs_1", "metadata": null }),
        json!({ "id": "cs_1" }),
        json!({ "metadata": { "payment_request_id": uuid } }),
        json!({ "metadata": { "payment_request_id": 7 } }),
        json!([]),
        Value::Null,
    ] {
        let kind = "checkout.session.completed";
        assert_eq!(read(&event(kind, &object)).await.unwrap(), WebhookEvent::Unrelated(kind.into()), "{object}");
    }
    let thin = json!({ "id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter",
        "created": "2026-01-05T10:02:00.000Z", "livemode": false, "related_object": null });
    assert_eq!(read(&thin).await.unwrap(), WebhookEvent::Unrelated("v1.billing.meter".into()));
}

#[tokio::test]
async fn an_event_of_the_other_mode_changes_nothing() {
    let object =
        json!({ "metadata": { "payment_request_id": PaymentRequestId::new(&domain::Doors::default()).unwrap() } });
    let mut live = event("checkout.session.completed", &object);
    live["livemode"] = true.into();
    assert_eq!(read(&live).await.unwrap(), WebhookEvent::OtherMode("checkout.session.completed".into()));
}

#[tokio::test]
async fn money_that_cannot_have_been_requested_is_reported_as_impossible() {
    let id = PaymentRequestId::new(&domain::Doors::default()).unwrap();
    for (amount, currency) in [(0, "zar"), (25_000, "irr"), (501, "isk"), (25_000, "zarr")] {
        let object = json!({ "status": "complete", "payment_status": "paid", "amount_total": amount,
            "currency": currency, "payment_intent": "pi_1", "metadata": { "payment_request_id": id } });
        let found = read(&event("checkout.session.completed", &object)).await.unwrap();
        assert_eq!(found, WebhookEvent::ImpossibleMoney(id), "{amount} {currency}");
    }
}

#[tokio::test]
async fn a_signed_event_that_cannot_be_parsed_is_unreadable_and_not_quoted() {
    let metadata = json!({ "payment_request_id": PaymentRequestId::new(&domain::Doors::default()).unwrap() });
    for (kind, object) in [
        (
            "checkout.session.completed",
            json!({ "metadata": metadata, "payment_status": "paid", "payment_intent": ["+27831234567"] }),
        ),
        ("refund.updated", json!({ "metadata": metadata, "status": "succeeded", "payment_intent": "+27831234567" })),
        (
            "checkout.session.async_payment_failed",
            json!({ "metadata": metadata, "status": "complete", "payment_status": "unpaid" }),
        ),
        ("charge.refunded", json!({ "metadata": metadata, "payment_intent": 7 })),
    ] {
        let error = read(&event(kind, &object)).await.unwrap_err();
        assert!(matches!(&error, WebhookError::Unreadable(text) if !text.contains("2783")), "{kind}: {error}");
    }
    for event in [json!({}), json!({ "type": 7 }), json!({ "id": "evt_1", "type": "charge.refunded" }), json!([])] {
        assert!(matches!(read(&event).await, Err(WebhookError::Unreadable(_))), "{event}");
    }
}

#[tokio::test]
async fn a_webhook_that_is_invalid_without_its_secret_reads_no_secret() {
    let server = Server::start(Vec::new()).await;
    let environment = Environment::default()
        .with("STRIPE_LIVEMODE", "false")
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "id")
        .with("AWS_SECRET_ACCESS_KEY", "key")
        .with("STRIPE_WEBHOOK_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:stripe")
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &server.url);
    let webhooks = StripeWebhooks::from_environment(&environment).unwrap();
    let now = at("2026-01-05T10:03:00Z");
    let old = now.saturating_sub(Duration::from_secs(301)).as_milliseconds().div_euclid(1000);
    for header in [None, Some("v1=00".to_owned()), Some("t=x,v1=00".to_owned()), Some(format!("t={old},v1=00"))] {
        let mut headers = HeaderMap::new();
        headers.extend(header.iter().map(|value| (HeaderName::from_static(STRIPE_SIGNATURE), value.parse().unwrap())));
        let error = webhooks.read(&headers, b"{}", now).await.unwrap_err();
        assert!(matches!(error, WebhookError::Signature(_)), "{header:?}: {error}");
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn every_retry_uses_a_new_connection() {
    let request = clicked(Duration::from_mins(15));
    let server = Server::start(vec![created(), created(), error(503, "x"), error(503, "x"), created()]).await;
    let stripe = server.stripe();
    for _ in 0..3 {
        stripe.create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    }
    let ports: Vec<u16> = server.received().iter().map(|call| call.from.port()).collect();
    let [first, second, third] = ports[2..] else { panic!("{ports:?}") };
    assert!(second != first && third != first && third != second, "{ports:?}");
}

#[tokio::test]
async fn a_call_that_is_in_flight_elsewhere_is_waited_for() {
    let mut prepared: Vec<Prepared> = (0..5).map(|_| error(409, "idempotency_key_in_use")).collect();
    prepared.push(created());
    let server = Server::start(prepared).await;
    server.stripe().create_checkout(&clicked(Duration::from_mins(15)), LINK, CheckoutAttempt::FIRST).await.unwrap();
    assert_eq!(server.received().len(), 6);
}

#[tokio::test]
async fn an_unsigned_webhook_is_not_even_parsed() {
    let webhooks = StripeWebhooks::from_environment(
        &Environment::default().with("STRIPE_WEBHOOK_SECRET", SECRET).with("STRIPE_LIVEMODE", "false"),
    );
    let error = webhooks.unwrap().read(&HeaderMap::new(), b"no JSON", at("2026-01-05T10:03:00Z")).await.unwrap_err();
    assert!(matches!(error, WebhookError::Signature(_)));
}
