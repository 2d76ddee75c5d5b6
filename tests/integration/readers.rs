//! What comes from the gateway, the stream and the provider is read as far as it is needed. What is not needed cannot
//! spoil it, and what cannot be read gets an answer of ours.

use adapters::ProviderName;
use axum::extract::Path;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Clock as _, SystemClock};
use runtime::paystack_signature::SecretKeys;
use runtime::stripe_signature::SigningSecrets;
use runtime::webhook::Secrets;
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::time::Duration;
use tests::handlers::Handlers;
use tests::log::Log;

fn event(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path, "rawQueryString": "",
        "headers": { "host": "pay.example.com", "x-forwarded-proto": "https", "content-type": "application/json" },
        "requestContext": {
            "http": { "method": method, "path": path }, "routeKey": format!("{method} {path}"), "stage": "$default",
            "authorizer": { "jwt": { "claims": {
                "sub": "alice", "name": "Alice", "workspace": "acme", "role": "agent" }, "scopes": null } },
        },
        "isBase64Encoded": false,
    })
}

/// Hands an event to a function, and returns status and body of its answer.
async fn answer(function: &dyn Function, event: &str) -> (u64, String) {
    let answer: Value = serde_json::from_str(&function.invoke(event).await.unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), answer["body"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn nothing_in_a_token_but_the_four_claims_decides_what_its_caller_may_do() {
    let handlers = Handlers::start().await;
    let query = query::function(handlers.environment()).unwrap();
    for claim in
        [json!(1_767_607_200), json!(1e300), json!(true), json!(["a", 1]), json!({ "a": { "b": [] } }), json!(null)]
    {
        let mut event = event("GET", "/payment-requests");
        let claims = &mut event["requestContext"]["authorizer"]["jwt"]["claims"];
        for name in ["exp", "iat", "email_verified", "aud", "address"] {
            claims[name] = claim.clone();
        }
        event["requestContext"]["authorizer"]["jwt"]["scopes"] = claim.clone();
        event["requestContext"]["timeEpoch"] = claim.clone();
        assert_eq!(answer(&*query, &event.to_string()).await.0, 200, "{claim}");
        for name in ["sub", "name", "workspace", "role"] {
            let mut event = event.clone();
            event["requestContext"]["authorizer"]["jwt"]["claims"][name] = claim.clone();
            assert_eq!(answer(&*query, &event.to_string()).await.0, 403, "{name} {claim}");
        }
    }
    for (groups, status) in [
        (json!("[night shift supervisor trainees]"), 403),
        (json!(["night shift supervisor trainees"]), 403),
        (json!("[agent supervisor]"), 200),
        (json!(["night shift", "agent"]), 200),
    ] {
        let mut event = event("GET", "/payment-requests");
        event["requestContext"]["authorizer"]["jwt"]["claims"]["role"] = groups.clone();
        assert_eq!(answer(&*query, &event.to_string()).await.0, status, "{groups}");
    }
}

#[tokio::test]
async fn an_event_that_the_gateway_did_not_clean_gets_an_answer_of_ours() {
    let handlers = Handlers::start().await;
    let [query, create, click] =
        [query::function, create::function, link_click::function].map(|make| make(handlers.environment()).unwrap());
    for query_string in ["q=a b", "q=\"", "q=<b>", "q=#", "q=\u{7f}\u{1}", "q=žofie", "q=`{}|\\^", "%", "q=%zz&&=", "?"]
    {
        let mut event = event("GET", "/payment-requests");
        event["rawQueryString"] = json!(query_string);
        let (status, body) = answer(&*query, &event.to_string()).await;
        assert!([200, 422].contains(&status), "{query_string}: {status} {body}");
    }
    for (field, value) in [
        ("x-forwarded-proto", json!("https,http")),
        ("x-forwarded-proto", json!("")),
        ("host", json!("pay example.com")),
        ("host", json!("[::1")),
        ("host", json!("a:b:c")),
        ("host", json!("")),
        ("x-name", json!("Žofie")),
        ("x-name", json!("a\r\nb: c")),
        ("bad name", json!("x")),
        ("", json!("x")),
        ("x-list", json!(["x"])),
    ] {
        let mut event = event("GET", "/payment-requests");
        event["headers"][field] = value.clone();
        event["requestContext"]["domainName"] = value.clone();
        assert_eq!(answer(&*query, &event.to_string()).await.0, 200, "{field}: {value}");
    }
    for path in ["/p/a b", "/p/a?b#c", "p", "", "//", "/p/\u{0}", "/p/žofie\\..", "/p/[::1", "/p/%"] {
        let mut event = event("GET", path);
        event["pathParameters"] = json!({ "token": path.trim_start_matches("/p/") });
        assert_eq!(answer(&*click, &event.to_string()).await.0, 404, "{path}");
    }
    for body in ["no base64!", "YQ", "YQ=", "====", "YWI\n=", "Žofie"] {
        let mut event = event("POST", "/payment-requests");
        event["body"] = json!(body);
        event["isBase64Encoded"] = json!(true);
        let (status, body) = answer(&*create, &event.to_string()).await;
        assert!(status == 400 && body.contains("malformed_body"), "{status} {body}");
    }
    for (field, value) in [("rawPath", "x".repeat(30_000)), ("rawQueryString", "é".repeat(30_000))] {
        let mut event = event("GET", "/payment-requests");
        event[field] = json!(value);
        assert_eq!(answer(&*query, &event.to_string()).await.0, 400, "{field}");
    }
    let mut without_method = event("GET", "/payment-requests");
    without_method["requestContext"]["http"] = json!({ "method": "BREW COFFEE" });
    assert_eq!(answer(&*query, &without_method.to_string()).await.0, 400);
    let half = r#"{"rawPath": "/x", "headers": {"x": "\ud83d"}, "requestContext": {"http": {"method": "GET"}}}"#;
    assert_eq!(answer(&*query, half).await.0, 401);
    for no_event in ["null", "{}", "[]", "7", r#"{"requestContext": 7}"#] {
        query.invoke(no_event).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_customers_page_is_the_same_with_any_cookies_and_queries() {
    let handlers = Handlers::start().await;
    let click = link_click::function(handlers.environment()).unwrap();
    let (_, token) = handlers.clicked().await;
    let page = async |cookies: Value, query: &str| {
        let mut event = event("GET", &format!("/p/{token}"));
        event["pathParameters"] = json!({ "token": token });
        event["cookies"] = cookies;
        event["rawQueryString"] = json!(query);
        let (status, body) = answer(&*click, &event.to_string()).await;
        assert_eq!(status, 200, "{query}");
        body
    };
    let (unpaid, confirming) = ("You have not paid yet", "Your payment is being confirmed");
    for cookies in [
        json!(null),
        json!(["name=Žofie"]),
        json!(["name=\u{1}\u{7f}"]),
        json!(["; =; ;", "\""]),
        json!([7, null, ["x"]]),
        json!((0..300).map(|n| format!("c{n}=x")).collect::<Vec<_>>()),
    ] {
        assert!(page(cookies.clone(), "").await.contains(unpaid), "{cookies}");
    }
    for query in ["a b", "\"<>", "%", "%zz=%", "é=ü", "&&=&", "back=%00"] {
        assert!(page(json!(null), query).await.contains(unpaid), "{query}");
        assert!(page(json!(null), &format!("{query}&done=%00")).await.contains(confirming), "{query}");
    }
}

/// A provider's webhooks as they arrive: bytes, in base64, signed.
struct Webhooks {
    function: Box<dyn Function>,
    provider: ProviderName,
}

const STRIPE_SECRET: &str = "whsec_0000000000000000000000000000test";
const PAYSTACK_KEY: &str = "sk_test_0000000000000000000000000000test";

/// Serves an interface of Paystack's in which every transaction of ours is paid.
async fn paystack_that_confirms_everything() -> String {
    let verify = async |Path(reference): Path<String>| {
        let (id, _) = reference.rsplit_once('-').unwrap();
        axum::Json(json!({ "status": true, "message": "Verification successful", "data": {
            "id": 1, "domain": "test", "status": "success", "reference": reference, "amount": 25_000,
            "currency": "ZAR", "paid_at": SystemClock.now(), "channel": "card",
            "metadata": { "payment_request_id": id },
        } }))
    };
    tests::serve(axum::Router::new().route("/transaction/verify/{reference}", axum::routing::get(verify))).await
}

impl Webhooks {
    async fn new(environment: &Environment, provider: ProviderName) -> Self {
        let environment = environment
            .clone()
            .with("PAYMENT_PROVIDER", provider.as_str())
            .with("STRIPE_LIVEMODE", "false")
            .with("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET)
            .with("PAYSTACK_LIVEMODE", "false")
            .with("PAYSTACK_SECRET_KEY", PAYSTACK_KEY)
            .with("PAYSTACK_API_URL", paystack_that_confirms_everything().await);
        Self { function: payment_webhook::function(&environment).unwrap(), provider }
    }

    async fn post(&self, environment: &Environment, body: &[u8], signed: bool) -> u64 {
        let now = SystemClock.now();
        let mut event = event("POST", "/webhooks/{provider}");
        event["pathParameters"] = json!({ "provider": self.provider.as_str() });
        event["body"] = json!(STANDARD.encode(body));
        event["isBase64Encoded"] = json!(true);
        let of_signature = if signed { body } else { b"something else" };
        match self.provider {
            ProviderName::Stripe => {
                let secrets = SigningSecrets::parse(STRIPE_SECRET, "test").unwrap();
                event["headers"]["Stripe-Signature"] = json!(secrets.sign(of_signature, now));
            }
            ProviderName::Paystack => {
                let environment = Environment::default().with("KEY", PAYSTACK_KEY);
                let keys = SecretKeys::from_environment(&environment, "KEY").unwrap();
                event["headers"]["X-Paystack-Signature"] = json!(keys.sign(of_signature));
            }
            ProviderName::Sandbox => {
                let secrets = Secrets::from_environment(environment, "SANDBOX_WEBHOOK_SECRET").unwrap();
                for (name, value) in &secrets.sign("msg_1", of_signature, now).unwrap() {
                    event["headers"][name.as_str()] = json!(value.to_str().unwrap());
                }
            }
        }
        answer(&*self.function, &event.to_string()).await.0
    }
}

/// Builds a provider's report that a request was paid, with `more` in every object that has room for fields.
fn paid(provider: ProviderName, id: &str, more: &str) -> String {
    match provider {
        ProviderName::Stripe => format!(
            r#"{{"id": "evt_1", "type": "checkout.session.completed", "created": {}, "livemode": false{more},
            "data": {{"object": {{"payment_status": "paid", "amount_total": 25000, "currency": "zar",
            "payment_intent": "pi_{id}", "metadata": {{"payment_request_id": "{id}"{more}}}{more}}}{more}}}}}"#,
            SystemClock.now().as_milliseconds() / 1000
        ),
        ProviderName::Paystack => format!(
            r#"{{"event": "charge.success", "data": {{"reference": "{id}-1", "domain": "test",
            "amount": 25000{more}}}{more}}}"#
        ),
        ProviderName::Sandbox => format!(
            r#"{{"type": "checkout.paid", "data": {{"payment_request_id": "{id}", "payment_id": "pay_{id}",
            "amount": 25000, "currency": "ZAR", "paid_at": "{}"{more}}}{more}}}"#,
            SystemClock.now()
        ),
    }
}

#[tokio::test]
async fn a_field_of_a_report_that_nobody_reads_costs_no_payment() {
    let handlers = Handlers::start().await;
    let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
    for &provider in ProviderName::ALL {
        let webhooks = Webhooks::new(handlers.environment(), provider).await;
        for unread in [
            br#""fianc\u00e9e \ud83d""#.as_slice(),
            b"\"\xff\xc3\x28\"",
            b"1e999",
            b"123456789012345678901234567890123456789012345678901234567890",
            deep.as_bytes(),
            br#"{"a": 1, "a": {"b": 2, "b": "\udfff"}}"#,
            br#""on_hold""#,
            b"null",
            format!("\"{}\"", "x".repeat(10_000)).as_bytes(),
        ] {
            let (id, _) = handlers.clicked().await;
            // The marker is replaced by bytes, which no text can hold.
            let fields: String = ["status", "checkout_id", "timestamp", "dim\\ud83d"]
                .map(|name| format!(", \"{name}\": 0.125"))
                .concat();
            let body = paid(provider, &id, &fields);
            let body: Vec<u8> = body.split("0.125").collect::<Vec<_>>().join("\0").into_bytes();
            let body = body.split(|byte| *byte == 0).collect::<Vec<_>>().join(unread);
            assert_eq!(webhooks.post(handlers.environment(), &body, true).await, 200, "{provider}");
            let status = handlers.stored(&id).await.status;
            assert_eq!(
                status,
                domain::Status::Paid,
                "{provider} {}",
                String::from_utf8_lossy(&unread[..unread.len().min(60)])
            );
        }
    }
}

#[tokio::test]
async fn a_value_that_this_version_does_not_know_means_not_yet() {
    let handlers = Handlers::start().await;
    let webhooks = Webhooks::new(handlers.environment(), ProviderName::Stripe).await;
    let (id, _) = handlers.clicked().await;
    let of = |kind: &str, field: &str, value: &Value| {
        let mut event: Value = serde_json::from_str(&paid(ProviderName::Stripe, &id, "")).unwrap();
        event["type"] = json!(kind);
        event["data"]["object"][field] = value.clone();
        event.to_string()
    };
    for value in [json!("on_hold"), json!(null), json!(7), json!({ "status": "paid" }), json!("PAID"), json!("")] {
        for (kind, field) in [
            ("checkout.session.completed", "payment_status"),
            ("checkout.session.async_payment_succeeded", "payment_status"),
            ("refund.updated", "status"),
            ("refund.created", "status"),
        ] {
            let body = of(kind, field, &value);
            let status = webhooks.post(handlers.environment(), body.as_bytes(), true).await;
            assert_eq!(status, 200, "{kind} {field} {value}");
            assert_eq!(handlers.stored(&id).await.status, domain::Status::Clicked, "{kind} {field} {value}");
        }
    }
    for value in [json!("on_hold"), json!(null), json!([])] {
        let (id, _) = handlers.clicked().await;
        let mut event: Value = serde_json::from_str(&paid(ProviderName::Stripe, &id, "")).unwrap();
        event["data"]["object"]["status"] = value.clone();
        assert_eq!(webhooks.post(handlers.environment(), event.to_string().as_bytes(), true).await, 200);
        assert_eq!(
            handlers.stored(&id).await.status,
            domain::Status::Paid,
            "the session's status is not needed: {value}"
        );
    }
}

#[tokio::test]
async fn a_webhook_may_have_256_kib_and_one_that_is_signed_but_unreadable_is_not_called_a_forgery() {
    let handlers = Handlers::start().await;
    for &provider in ProviderName::ALL {
        let webhooks = Webhooks::new(handlers.environment(), provider).await;
        let (id, _) = handlers.clicked().await;
        let padded = |length: usize| {
            let body = paid(provider, &id, ", \"padding\": \"\"");
            let missing = length - body.len();
            body.replacen("\"padding\": \"\"", &format!("\"padding\": \"{}\"", "x".repeat(missing)), 1)
        };
        let (fits, too_long) = (padded(256 * 1024), padded(256 * 1024 + 1));
        for (body, signed, status) in [
            (too_long.as_bytes(), true, 413),
            (too_long.as_bytes(), false, 413),
            (fits.as_bytes(), false, 401),
            (b"\xff\xfe{\0}\0", true, 400),
            (b"no JSON", true, 400),
            (b"", true, 400),
            (b"[]", true, 400),
            (b"\xff\xfe{\0}\0", false, 401),
        ] {
            let found = webhooks.post(handlers.environment(), body, signed).await;
            assert_eq!(found, status, "{provider} {signed} {} bytes", body.len());
            assert_eq!(handlers.stored(&id).await.status, domain::Status::Clicked);
        }
        assert_eq!(webhooks.post(handlers.environment(), fits.as_bytes(), true).await, 200, "{provider}");
        assert_eq!(handlers.stored(&id).await.status, domain::Status::Paid);
    }
}

/// The metric of the alarms `webhook-unreadable`, which watch it of `payment-webhook` and `delivery-report`.
const UNREADABLE: &str = "WebhookUnreadable";

#[tokio::test]
async fn a_signed_webhook_past_256_kib_is_counted_with_the_alarms_metric_and_an_unsigned_one_rings_nothing() {
    let (log, _guard) = Log::of_this_thread();
    let handlers = Handlers::start().await;
    for &provider in ProviderName::ALL {
        let webhooks = Webhooks::new(handlers.environment(), provider).await;
        let too_long = vec![b'x'; 256 * 1024 + 1];
        for (body, signed, status, counts) in [
            (&too_long[..], true, 413, 1),
            (&too_long, false, 413, 0),
            (b"no JSON", true, 400, 1),
            (b"no JSON", false, 401, 0),
        ] {
            log.clear();
            let found = webhooks.post(handlers.environment(), body, signed).await;
            let lines = log.take();
            assert_eq!(found, status, "{provider}: {lines}");
            assert_eq!(lines.matches(UNREADABLE).count(), counts, "{provider} {status} {signed}: {lines}");
            assert_eq!(lines.matches("ERROR").count(), counts, "{provider} {status} {signed}: {lines}");
        }
    }
}

#[tokio::test]
async fn while_the_secret_is_unavailable_a_webhook_past_256_kib_is_neither_forged_nor_unreadable() {
    let (log, _guard) = Log::of_this_thread();
    let handlers = Handlers::start().await;
    let down = tests::serve(axum::Router::new()).await;
    let environment: Environment = (handlers.environment().iter())
        .filter(|(name, _)| *name != "SANDBOX_WEBHOOK_SECRET")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let environment = environment
        .with("SANDBOX_WEBHOOK_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:sandbox")
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", down);
    let webhooks = Webhooks::new(&environment, ProviderName::Sandbox).await;
    let found = webhooks.post(handlers.environment(), &vec![b'x'; 256 * 1024 + 1], true).await;
    assert_eq!((found, log.take().contains(UNREADABLE)), (503, false));
}

#[tokio::test]
async fn a_stream_record_that_cannot_be_read_is_counted_and_the_others_are_settled() {
    let (log, _guard) = Log::of_this_thread();
    let handlers = Handlers::start().await;
    let record = |id: &str| tests::handlers::link_removed(id)["Records"][0].take();
    let spoiled: [fn(&mut Value); 4] = [
        |record| record["dynamodb"]["Keys"] = json!("+27831234567"),
        |record| record["dynamodb"]["OldImage"]["request_id"] = json!({ "N": "27831234567" }),
        |record| record["dynamodb"]["OldImage"] = Value::Null,
        |record| record["dynamodb"]["OldImage"]["request_id"] = json!({ "S": "27831234567" }),
    ];
    for spoil in spoiled {
        let (id, _) = handlers.sent().await;
        handlers.let_pass(&id, Duration::from_secs(10)).await;
        let mut broken = record(&id);
        spoil(&mut broken);
        log.clear();
        let answer = handlers.expire(&json!({ "Records": [broken, record(&id)] })).await;
        assert_eq!(answer["batchItemFailures"], json!([]), "{broken}");
        assert_eq!(handlers.stored(&id).await.status, domain::Status::Expired, "{broken}");
        let lines = log.take();
        assert_eq!(lines.matches("RecordUnreadable").count(), 1, "{broken}: {lines}");
        assert!(lines.contains("stream record left out") && !lines.contains("2783123"), "{broken}: {lines}");
    }
    // What is whole is not counted.
    let (id, _) = handlers.sent().await;
    handlers.expire(&tests::handlers::link_removed(&id)).await;
    assert!(!log.take().contains("RecordUnreadable"));
}

#[tokio::test]
async fn an_answer_of_the_provider_that_cannot_be_read_is_counted_whoever_asked() {
    let (log, _guard) = Log::of_this_thread();
    let handlers = Handlers::start().await;
    let odd = tests::serve(axum::Router::new().fallback(|| async { axum::Json(json!(["of a new kind"])) })).await;
    for &provider in ProviderName::ALL {
        let environment = handlers
            .environment()
            .clone()
            .with("PAYMENT_PROVIDER", provider.as_str())
            .with("SANDBOX_PROVIDER_URL", &odd)
            .with("STRIPE_API_URL", &odd)
            .with("STRIPE_LIVEMODE", "false")
            .with("STRIPE_SECRET_KEY", "rk_test_1234567890")
            .with("PAYSTACK_API_URL", &odd)
            .with("PAYSTACK_LIVEMODE", "false")
            .with("PAYSTACK_SECRET_KEY", PAYSTACK_KEY)
            .with("PAYSTACK_FALLBACK_EMAIL", "payments@example.com");
        let counted = |what: &str| {
            let lines = log.take();
            assert_eq!(lines.matches("ProviderValueUnknown").count(), 1, "{provider}: {what}: {lines}");
        };
        let (_, token) = handlers.sent().await;
        let mut click = event("POST", &format!("/p/{token}"));
        click["pathParameters"] = json!({ "token": token });
        log.clear();
        assert_eq!(answer(&*link_click::function(&environment).unwrap(), &click.to_string()).await.0, 503);
        counted("a click");
        let expiries = [(1, "an expiry that is postponed"), (11, "an expiry without a confirmation")];
        // The checkouts here are the sandbox's.
        for (minutes, what) in expiries.into_iter().filter(|_| provider == ProviderName::Sandbox) {
            let (id, _) = handlers.clicked().await;
            handlers.let_pass(&id, Duration::from_mins(minutes)).await;
            log.clear();
            let removed = tests::handlers::link_removed(&id).to_string();
            expire::function(&environment).unwrap().invoke(&removed).await.unwrap();
            counted(what);
        }
        // The sandbox's answer to a refund has nothing to read.
        if provider != ProviderName::Sandbox {
            let (id, _) = handlers.sent().await;
            handlers.cancel(&id).await;
            let webhooks = Webhooks::new(handlers.environment(), provider).await;
            let paid = paid(provider, &id, "").replace(&format!("pi_{id}"), "pi_1");
            assert_eq!(webhooks.post(handlers.environment(), paid.as_bytes(), true).await, 200);
            let request = handlers.stored(&id).await;
            let event = domain::PaymentRequestEvent::of_history(&request, request.version() - 1, "https://x").last();
            log.clear();
            let due = json!({ "source": "chat2pay", "detail": event.unwrap() }).to_string();
            refund::function(&environment).unwrap().invoke(&due).await.unwrap_err();
            counted("a refund");
        }
    }
}
