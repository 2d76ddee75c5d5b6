//! Creating checkouts, and asking about them.

use super::*;
use crate::aws::ATTEMPTS;

const INITIALIZE: &str = "/transaction/initialize";

#[tokio::test]
async fn a_checkout_contains_exactly_the_order_and_no_data_of_the_customer_but_an_address() {
    let mut request = clicked();
    let first = reference(&request, 1);
    let server = Server::start(vec![(INITIALIZE, created(&first)), (INITIALIZE, created(&first))]).await;
    let made = server.paystack().create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    assert_eq!(made, Checkout { id: checkout(&request, 1), url: PAGE.into() });
    request.details.customer.email = Some("thandi@example.com".parse().unwrap());
    let limited = server.environment().with("PAYSTACK_CHANNELS", "card  bank_transfer");
    ConfiguredProvider::new(&limited).unwrap().create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();

    let [call, limited] = server.received().try_into().unwrap();
    assert_eq!(call.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(call.headers["content-type"], "application/json");
    let expected = json!({
        "email": "payments@example.com", "amount": 25_000, "currency": "ZAR", "reference": first,
        "callback_url": format!("{LINK}?done"),
        "metadata": {
            "payment_request_id": request.id.to_string(),
            "cancel_action": format!("{LINK}?back"),
            "custom_fields": [{ "display_name": "Order", "variable_name": "order_number", "value": "10045" }],
        },
    });
    assert_eq!(serde_json::from_str::<Value>(&call.body).unwrap(), expected);
    let channels = json!({ "email": "thandi@example.com", "channels": ["card", "bank_transfer"] });
    assert_eq!(serde_json::from_str::<Value>(&limited.body).unwrap(), with(expected, &channels));
}

#[tokio::test]
async fn a_customer_is_redirected_only_to_paystack_and_only_to_their_own_page() {
    let request = clicked();
    let (own, other) = (reference(&request, 1), reference(&request, 2));
    for (url, reference) in [
        ("http://checkout.paystack.com/x", &own),
        ("https://checkout.paystack.com.example.com/x", &own),
        ("https://checkout.paystack.com:8443/x", &own),
        ("https://user@checkout.paystack.com/x", &own),
        ("javascript:alert(1)", &own),
        ("/x", &own),
        (PAGE, &other),
    ] {
        let prepared = data(json!({ "authorization_url": url, "access_code": "x", "reference": reference }));
        let server = Server::start(vec![(INITIALIZE, prepared)]).await;
        let error = server.paystack().create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn an_unreadable_answer_is_a_separate_kind_of_error() {
    for body in [
        json!([]),
        json!({ "status": true, "message": "Done" }),
        json!({ "status": true, "data": [] }),
        json!({ "status": true, "data": { "authorization_url": PAGE } }),
        json!({ "status": false, "message": "No", "data": { "authorization_url": PAGE, "reference": "x" } }),
    ] {
        let server = Server::start(vec![(INITIALIZE, says(200, body))]).await;
        let error = server.paystack().create_checkout(&clicked(), LINK, CheckoutAttempt::FIRST).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable(_)), "{error}");
    }
}

#[tokio::test]
async fn each_error_is_sorted_by_whether_another_attempt_can_succeed() {
    let says_only = |message: &str| says(400, json!({ "status": false, "message": message }));
    let many = |prepared: fn() -> Prepared| (0..ATTEMPTS).map(|_| prepared()).collect::<Vec<_>>();
    for (prepared, expected) in [
        (many(|| error(503, "unknown")), "unavailable"),
        (many(|| says(502, json!("not even an error"))), "unavailable"),
        (many(|| Prepared::Lost), "unavailable"),
        // The reference has a transaction whose address nobody knows; the next attempt has another reference.
        (vec![error(400, "duplicate_reference")], "unavailable"),
        (vec![says_only("Duplicate Transaction Reference")], "unavailable"),
        (vec![Prepared::Lost, error(400, "duplicate_reference")], "unavailable"),
        (vec![error(400, "unsupported_currency")], "not accepted"),
        (vec![says_only("Currency not supported by merchant")], "not accepted"),
        (vec![says_only("Invalid Amount Sent")], "not accepted"),
        (vec![says_only("Transaction amount limit exceeded")], "not accepted"),
        (vec![error(400, "invalid_email_address")], "refused"),
        (vec![error(400, "missing_params")], "refused"),
        (vec![error(403, "forbidden")], "refused"),
        (vec![error(404, "not_found")], "refused"),
        (vec![says(400, json!("Duplicate Transaction Reference"))], "refused"),
        (vec![says(307, json!({}))], "refused"),
    ] {
        let server = Server::start(prepared.into_iter().map(|prepared| (INITIALIZE, prepared)).collect()).await;
        let error = server.paystack().create_checkout(&clicked(), LINK, CheckoutAttempt::FIRST).await.unwrap_err();
        let found = match &error {
            ProviderError::Unavailable(_) => "unavailable",
            ProviderError::Refused(_) => "refused",
            ProviderError::AmountNotAccepted(_) => "not accepted",
            ProviderError::Unreadable(_) => "unreadable",
        };
        assert_eq!(found, expected, "{error}");
    }
}

#[tokio::test]
async fn after_too_many_calls_a_short_pause_is_waited_for_and_a_long_one_is_not() {
    let request = clicked();
    let too_many = |headers| {
        let body = json!({ "status": false, "message": "Rate limit exceeded!", "code": "rate_limited" });
        Prepared::Says(429, headers, body)
    };
    for (headers, calls) in [
        (vec![], 2),
        (vec![("retry-after", "0")], 2),
        (vec![("x-ratelimit-reset", "0")], 2),
        (vec![("retry-after", "60")], 1),
        (vec![("x-ratelimit-reset", "41")], 1),
        (vec![("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], 2),
    ] {
        let prepared = vec![(INITIALIZE, too_many(headers)), (INITIALIZE, created(&reference(&request, 1)))];
        let server = Server::start(prepared).await;
        let made = server.paystack().create_checkout(&request, LINK, CheckoutAttempt::FIRST).await;
        assert_eq!((server.received().len(), made.is_ok()), (calls, calls == 2), "{made:?}");
        if let Err(error) = made {
            assert!(matches!(error, ProviderError::Unavailable(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn an_error_contains_no_key_and_no_input() {
    let server = Server::start(vec![(INITIALIZE, error(400, "invalid_params"))]).await;
    let paystack = server.paystack();
    let error = paystack.create_checkout(&clicked(), LINK, CheckoutAttempt::FIRST).await.unwrap_err();
    let text = runtime::telemetry::chain(&error);
    for word in ["400", "validation_error", "invalid_params"] {
        assert!(text.contains(word), "{text}");
    }
    for secret in ["secret-token", KEY, "payments@example.com"] {
        assert!(!text.contains(secret) && !format!("{error:?}{paystack:?}").contains(secret), "{text}");
    }
    // A code that is none could be anybody's.
    let server = Server::start(vec![(INITIALIZE, super::error(400, "+27831234567"))]).await;
    let error = server.paystack().create_checkout(&clicked(), LINK, CheckoutAttempt::FIRST).await.unwrap_err();
    assert!(!runtime::telemetry::chain(&error).contains("2783"));
}

#[tokio::test]
async fn each_attempt_has_a_reference_of_its_own_and_stands_for_those_before() {
    let request = clicked();
    let server = Server::start(vec![(INITIALIZE, created(&reference(&request, 3)))]).await;
    let (paystack, third) = (server.paystack(), CheckoutAttempt::new(3).unwrap());
    let made = paystack.create_checkout(&request, LINK, third).await.unwrap();
    assert_eq!(made.id, checkout(&request, 3));
    let body: Value = serde_json::from_str(&server.received()[0].body).unwrap();
    assert_eq!(body["reference"], reference(&request, 3));
    let second = CheckoutAttempt::new(2).unwrap();
    for (attempts, known, found) in [
        (third, None, 3),
        (third, Some(checkout(&request, 1)), 3),
        // The link that counts the attempts is deleted, and the request has kept the checkout.
        (CheckoutAttempt::FIRST, Some(checkout(&request, 3)), 3),
        (second, Some(checkout(&request, 2)), 2),
    ] {
        let checkout = paystack.find_checkout(&request, LINK, attempts, known).await.unwrap();
        assert_eq!(checkout, Some(self::checkout(&request, found)));
    }
    let other = Some(CheckoutId("cs_test_1".to_owned()));
    let error = paystack.find_checkout(&request, LINK, CheckoutAttempt::FIRST, other).await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused(_)), "{error}");
    assert_eq!(server.received().len(), 1, "finding a checkout asks nothing");
}

#[tokio::test]
async fn a_press_retries_the_first_attempt_alone() {
    let request = clicked();
    for (number, calls) in [(1, ATTEMPTS), (2, 1)] {
        let prepared = (0..ATTEMPTS).map(|_| (INITIALIZE, error(503, "unknown"))).collect();
        let server = Server::start(prepared).await;
        let paystack = server.paystack().for_presses();
        let attempt = CheckoutAttempt::new(number).unwrap();
        let error = paystack.create_checkout(&request, LINK, attempt).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unavailable(_)), "{error}");
        assert_eq!(server.received().len(), usize::try_from(calls).unwrap());
    }
}

#[tokio::test]
async fn a_transaction_says_what_has_become_of_its_money() {
    let request = clicked();
    let (paid, money) = (payment(&request, 1), money(25_000, "ZAR"));
    let in_flight = Payment { paid_at: at("2026-01-05T10:00:05Z"), ..paid.clone() };
    // Of a transfer only the time of its arrival is known, and that of its page.
    let arrived = Arrival { payment: paid.clone(), earliest: in_flight.paid_at, money };
    let arrived = CheckoutState::Paid(vec![arrived]);
    let paid = CheckoutState::Paid(vec![Arrival::at_its_time(paid, money)]);
    let processing = CheckoutState::Processing { payment: in_flight, money };
    let failed = CheckoutState::Failed { references: vec![reference(&request, 1)] };
    for (status, channel, expected) in [
        ("abandoned", "card", CheckoutState::Open),
        ("abandoned", "bank_transfer", CheckoutState::Open),
        ("ongoing", "card", CheckoutState::Open),
        ("ongoing", "bank_transfer", CheckoutState::Open),
        // The outcome of a card is there in seconds, and another card may follow on the same page.
        ("pending", "card", CheckoutState::Open),
        ("failed", "card", CheckoutState::Open),
        ("failed", "apple_pay", CheckoutState::Open),
        ("pending", "bank_transfer", processing.clone()),
        ("pending", "ussd", processing.clone()),
        ("pending", "a_new_channel", processing.clone()),
        ("processing", "direct_debit", processing.clone()),
        ("queued", "mobile_money", processing),
        ("failed", "ussd", failed),
        ("success", "card", paid.clone()),
        ("success", "bank_transfer", arrived.clone()),
        ("reversed", "capitec_pay", arrived),
        ("reversal-pending", "card", paid.clone()),
        ("reversed", "card", paid),
    ] {
        let object = with(transaction(&request, 1, status), &json!({ "channel": channel }));
        let server = Server::start(vec![(verify(&request, 1), data(object))]).await;
        let state = server.paystack().check_checkout(&checkout(&request, 1)).await.unwrap();
        assert_eq!(state, expected, "{status} {channel}");
        assert_eq!(server.paths(), [format!("GET {}", verify(&request, 1))]);
    }
    for (status, fields) in [
        ("on_hold", json!({})),
        ("success", json!({ "paid_at": null })),
        ("success", json!({ "paid_at": "1970-01-01T00:00:00.000Z" })),
        ("success", json!({ "domain": "moon" })),
        ("success", json!({ "currency": "EUR" })),
        ("success", json!({ "amount": "25000" })),
        ("success", json!({ "reference": reference(&request, 2) })),
        ("success", json!({ "domain": "live" })),
    ] {
        let object = with(transaction(&request, 1, status), &fields);
        let server = Server::start(vec![(verify(&request, 1), data(object))]).await;
        let error = server.paystack().check_checkout(&checkout(&request, 1)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable(_)), "{status} {fields}: {error}");
    }
}

#[tokio::test]
async fn every_attempt_is_asked_about_and_the_earliest_payment_is_the_payment() {
    let request = clicked();
    let later = json!({ "paid_at": "2026-01-05T10:02:00.000Z" });
    let of = |attempt, status| data(transaction(&request, attempt, status));
    let transfer =
        |attempt, status| data(with(transaction(&request, attempt, status), &json!({ "channel": "bank_transfer" })));
    let second = |attempt| Payment { paid_at: at("2026-01-05T10:02:00Z"), ..payment(&request, attempt) };
    let paid = |payments: Vec<Payment>| {
        CheckoutState::Paid(payments.into_iter().map(|paid| Arrival::at_its_time(paid, money(25_000, "ZAR"))).collect())
    };
    let first = |attempt| payment(&request, attempt);
    let (failed_1, failed_2) = (reference(&request, 1), reference(&request, 2));
    for (answers, expected) in [
        (vec![of(1, "abandoned"), of(2, "success"), not_found()], Some(paid(vec![first(2)]))),
        (
            vec![data(with(transaction(&request, 1, "success"), &later)), of(2, "success")],
            Some(paid(vec![first(2), second(1)])),
        ),
        (
            vec![of(1, "success"), data(with(transaction(&request, 2, "success"), &later))],
            Some(paid(vec![first(1), second(2)])),
        ),
        (vec![of(1, "something_new"), of(2, "success")], Some(paid(vec![first(2)]))),
        (vec![of(1, "something_new"), of(2, "abandoned")], None),
        (vec![not_found(), not_found()], Some(CheckoutState::Open)),
        (vec![says(404, json!({ "status": false, "message": "Entity not found" }))], Some(CheckoutState::Open)),
        (vec![says(404, json!("no such page"))], None),
        (vec![says(404, json!({ "status": false, "message": "Route not found" }))], None),
        (
            vec![of(1, "abandoned"), transfer(2, "failed")],
            Some(CheckoutState::Failed { references: vec![failed_2.clone()] }),
        ),
        (
            vec![transfer(1, "failed"), transfer(2, "failed")],
            Some(CheckoutState::Failed { references: vec![failed_1, failed_2] }),
        ),
        (
            vec![of(1, "success"), data(with(transaction(&request, 2, "success"), &json!({ "currency": "EUR" })))],
            Some(paid(vec![first(1)])),
        ),
    ] {
        let count = u16::try_from(answers.len()).unwrap();
        let paths = (1..=count).map(|attempt| verify(&request, attempt));
        let server = Server::start(paths.zip(answers).collect()).await;
        let state = server.paystack().check_checkout(&checkout(&request, count)).await;
        assert_eq!(state.as_ref().ok(), expected.as_ref(), "{state:?}");
        assert_eq!(server.received().len(), usize::from(count));
    }
}

#[tokio::test]
async fn a_transaction_that_somebody_else_has_made_under_our_reference_is_not_ours() {
    let request = clicked();
    for metadata in [json!(""), json!({}), Value::Null, json!({ "payment_request_id": "another" }), json!("{\"a\":1}")]
    {
        let object = with(transaction(&request, 1, "success"), &json!({ "metadata": metadata }));
        let server = Server::start(vec![(verify(&request, 1), data(object))]).await;
        let state = server.paystack().check_checkout(&checkout(&request, 1)).await.unwrap();
        assert_eq!(state, CheckoutState::Open, "{metadata}");
    }
    // Paystack also returns metadata as a text.
    let text = json!({ "payment_request_id": request.id.to_string() }).to_string();
    let object = with(transaction(&request, 1, "success"), &json!({ "metadata": text }));
    let server = Server::start(vec![(verify(&request, 1), data(object))]).await;
    let state = server.paystack().check_checkout(&checkout(&request, 1)).await.unwrap();
    assert!(matches!(state, CheckoutState::Paid(_)), "{state:?}");
}

#[tokio::test]
async fn the_paid_amount_is_reported_without_the_fee_that_the_customer_bears() {
    let request = clicked();
    for (fields, expected) in [
        (json!({ "amount": 25_900, "requested_amount": 25_000 }), money(25_000, "ZAR")),
        (json!({ "amount": 100, "requested_amount": 25_000 }), money(100, "ZAR")),
        (json!({ "amount": 25_000, "requested_amount": null }), money(25_000, "ZAR")),
        (json!({ "amount": 100, "requested_amount": null, "currency": "USD" }), money(100, "USD")),
    ] {
        let object = with(transaction(&request, 1, "success"), &fields);
        let server = Server::start(vec![(verify(&request, 1), data(object))]).await;
        let state = server.paystack().check_checkout(&checkout(&request, 1)).await.unwrap();
        assert!(matches!(&state, CheckoutState::Paid(paid) if paid[0].money == expected), "{state:?}");
    }
}

#[tokio::test]
async fn a_checkout_of_another_provider_is_rejected_without_a_call() {
    let server = Server::start(Vec::new()).await;
    let id = clicked().id;
    for text in [String::new(), "cs_test_a1".into(), format!("{id}"), format!("{id}-0"), format!("{id}-1/../refund")] {
        let error = server.paystack().check_checkout(&CheckoutId(text)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Refused(_)), "{error}");
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_key_of_the_other_mode_moves_no_money() {
    let server = Server::start(vec![("", says(200, json!({})))]).await;
    for (key, livemode) in [("sk_live_1", "false"), ("sk_test_1", "true"), ("sk_test_1 sk_live_1", "false")] {
        let wrong = server.environment().with("PAYSTACK_SECRET_KEY", key).with("PAYSTACK_LIVEMODE", livemode);
        assert!(ConfiguredProvider::new(&wrong).is_err(), "{key}");
    }
    for (name, value) in [
        ("PAYSTACK_FALLBACK_EMAIL", ""),
        ("PAYSTACK_FALLBACK_EMAIL", "payments"),
        ("PAYSTACK_CHANNELS", "card,ussd"),
        ("PAYSTACK_CHANNELS", "cheque"),
        ("PAYSTACK_API_URL", "http://api.paystack.co"),
        ("PAYSTACK_CHECKOUT_ORIGIN", "https://checkout.paystack.com/x"),
    ] {
        let error = ConfiguredProvider::new(&server.environment().with(name, value)).unwrap_err().to_string();
        assert!(error.contains(name) && (value.is_empty() || !error.contains(&format!("{value} "))), "{error}");
    }
    assert!(server.received().is_empty());
}

/// Returns an environment whose keys are in Secrets Manager, as which the same fake server answers.
pub(super) fn managed(server: &Server) -> Environment {
    server
        .environment()
        .with("PAYSTACK_SECRET_KEY", "")
        .with("PAYSTACK_SECRET_KEY_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:paystack")
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test")
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", format!("{}/paystack/secrets", server.url))
}

#[tokio::test]
async fn a_replaced_key_is_read_again_at_its_first_rejection() {
    const OLD: &str = "sk_test_000000000000000000000old";
    const NEW: &str = "sk_test_000000000000000000000new";
    let (request, secrets) = (clicked(), "/secrets/");
    let secret = |text: &str| says(200, json!({ "SecretString": text }));
    let made = || created(&reference(&request, 1));
    let prepared = vec![
        (secrets, secret(OLD)),
        (secrets, secret(&format!("{NEW} {OLD}"))),
        (INITIALIZE, made()),
        (INITIALIZE, error(401, "invalid_Key")),
        (INITIALIZE, made()),
    ];
    let server = Server::start(prepared).await;
    let paystack = ConfiguredProvider::new(&managed(&server)).unwrap();
    paystack.create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(30)).await;
    tokio::time::resume();
    paystack.create_checkout(&request, LINK, CheckoutAttempt::FIRST).await.unwrap();
    let calls = server.received().into_iter().filter(|call| call.uri.path().ends_with(INITIALIZE));
    let keys: Vec<_> = calls.map(|call| call.headers["authorization"].to_str().unwrap().to_owned()).collect();
    assert_eq!(keys, [OLD, OLD, NEW].map(|key| format!("Bearer {key}")));
}
