//! Secrets from Secrets Manager: cached for five minutes, and read again when a signature does not match, but not for
//! every forged webhook.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Clock as _, SystemClock};
use runtime::webhook::Secrets;
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct Ledger {
    value: Option<String>,
    reads: usize,
}

/// A stand-in for Secrets Manager with one secret, and the function `payment-webhook`.
struct Rotation {
    ledger: Arc<Mutex<Ledger>>,
    function: Box<dyn Function>,
}

fn secret(seed: u8) -> String {
    format!("whsec_{}", STANDARD.encode([seed; 32]))
}

async fn get(State(ledger): State<Arc<Mutex<Ledger>>>) -> (StatusCode, Json<Value>) {
    let mut ledger = ledger.lock().unwrap();
    ledger.reads += 1;
    match &ledger.value {
        Some(value) => (StatusCode::OK, Json(json!({ "ARN": "arn", "Name": "n", "SecretString": value }))),
        None => (
            StatusCode::BAD_REQUEST,
            Json(json!({ "__type": "ResourceNotFoundException", "message": "no such secret" })),
        ),
    }
}

impl Rotation {
    async fn start(value: Option<String>) -> Self {
        tests::log();
        let ledger = Arc::new(Mutex::new(Ledger { value, reads: 0 }));
        let url = tests::serve(Router::new().fallback(get).with_state(Arc::clone(&ledger))).await;
        let environment = Environment::default()
            .with("TABLE_NAME", "chat2pay")
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", url)
            .with("PAYMENT_PROVIDER", "sandbox")
            .with("SANDBOX_WEBHOOK_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:webhook");
        Self { function: payment_webhook::function(&environment).unwrap(), ledger }
    }

    fn rotate(&self, value: Option<String>) {
        self.ledger.lock().unwrap().value = value;
    }

    fn reads(&self) -> usize {
        self.ledger.lock().unwrap().reads
    }

    /// Sends a webhook of an unknown type, so that only its signature matters. Returns the HTTP status.
    async fn webhook_signed_with(&self, secret: &str) -> u64 {
        let (body, now) = (r#"{"type":"something.else","data":{}}"#, SystemClock.now());
        let signed = Secrets::parse(secret, "test").unwrap().sign("msg_1", body.as_bytes(), now).unwrap();
        let mut headers = json!({ "content-type": "application/json" });
        for (name, value) in &signed {
            headers[name.as_str()] = value.to_str().unwrap().into();
        }
        let event = json!({ "version": "2.0", "routeKey": "POST /webhooks/{provider}", "rawPath": "/webhooks/sandbox",
            "rawQueryString": "", "headers": headers, "pathParameters": { "provider": "sandbox" },
            "requestContext": { "accountId": "1", "apiId": "a", "domainName": "localhost", "domainPrefix": "a",
                "requestId": "r", "stage": "$default", "time": "05/Jan/2026:10:00:00 +0000", "timeEpoch": 1,
                "http": { "method": "POST", "path": "/webhooks/sandbox", "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1", "userAgent": "" } },
            "body": body, "isBase64Encoded": false });
        let answer: Value = serde_json::from_str(&self.function.invoke(&event.to_string()).await.unwrap()).unwrap();
        answer["statusCode"].as_u64().unwrap()
    }
}

/// Advances the clock without waiting.
pub(crate) async fn after(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_secret_is_read_once_in_five_minutes() {
    let rotation = Rotation::start(Some(secret(1))).await;
    for _ in 0..5 {
        assert_eq!(rotation.webhook_signed_with(&secret(1)).await, 200);
    }
    assert_eq!(rotation.reads(), 1);
    after(Duration::from_mins(5)).await;
    assert_eq!(rotation.webhook_signed_with(&secret(1)).await, 200);
    assert_eq!(rotation.reads(), 2);
}

#[tokio::test]
async fn during_a_rotation_both_secrets_are_valid_and_a_new_one_is_read_at_its_first_use() {
    let rotation = Rotation::start(Some(secret(1))).await;
    assert_eq!(rotation.webhook_signed_with(&secret(1)).await, 200);
    rotation.rotate(Some(format!("{} {}", secret(2), secret(1))));
    after(Duration::from_secs(30)).await;
    assert_eq!(rotation.webhook_signed_with(&secret(2)).await, 200, "an invalid signature causes one more read");
    assert_eq!(rotation.webhook_signed_with(&secret(1)).await, 200);
    assert_eq!(rotation.reads(), 2);
    rotation.rotate(Some(secret(2)));
    after(Duration::from_mins(5)).await;
    assert_eq!(rotation.webhook_signed_with(&secret(1)).await, 401, "the old secret is invalid after the rotation");
}

#[tokio::test]
async fn forged_webhooks_cause_no_flood_of_calls_to_secrets_manager() {
    let rotation = Rotation::start(Some(secret(1))).await;
    for _ in 0..20 {
        assert_eq!(rotation.webhook_signed_with(&secret(9)).await, 401);
    }
    assert_eq!(rotation.reads(), 1);
    after(Duration::from_secs(30)).await;
    for _ in 0..20 {
        assert_eq!(rotation.webhook_signed_with(&secret(9)).await, 401);
    }
    assert_eq!(rotation.reads(), 2, "the secret is read at most once in thirty seconds");
}

#[tokio::test]
async fn without_a_secret_a_webhook_gets_503_and_an_older_secret_stays_in_use() {
    let rotation = Rotation::start(None).await;
    assert_eq!(rotation.webhook_signed_with(&secret(1)).await, 503);
    rotation.rotate(Some(secret(1)));
    assert_eq!(rotation.webhook_signed_with(&secret(1)).await, 200);
    rotation.rotate(None);
    after(Duration::from_mins(5)).await;
    assert_eq!(rotation.webhook_signed_with(&secret(1)).await, 200, "the last secret that was read stays in use");
}
