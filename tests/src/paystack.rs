//! The stand-in for Paystack, as a test uses it.

use crate::handlers::{HandlerAnswer, Handlers};
use crate::stand_in::{Mailbox, Provider, StandIn, last_part, start_aside};
use adapters::ProviderName;
use axum::http::{Method, StatusCode};
use runtime::Environment;
use runtime::paystack_signature::{PAYSTACK_SIGNATURE, SecretKeys};
use serde_json::{Value, json};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

pub use crate::stand_in::{Delivery, Fault};

/// The account's secret key, which signs its webhooks too.
pub const KEY: &str = "sk_test_integration0tests0of0paystack";

static PROVIDER: Provider = Provider {
    name: ProviderName::Paystack,
    path: "/paystack",
    runner: &[("PAYSTACK_SECRET_KEY", KEY)],
    webhook_url: "PAYSTACK_WEBHOOK_URL",
    signature: PAYSTACK_SIGNATURE,
    error,
    // Another minute.
    too_many: ("rate_limited", [("x-ratelimit-reset", "60")]),
    garbage: r#"{"status":true,"data":"nonsense"}"#,
    elsewhere: "https://paystack.example.com/transaction/initialize",
};

fn error(_: StatusCode, code: Option<&str>) -> Value {
    json!({ "status": false, "message": "", "type": "api_error", "code": code.unwrap_or("unknown") })
}

/// The stand-in with its proxy and mailbox.
pub struct Paystack(StandIn);

impl Deref for Paystack {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        &self.0
    }
}

impl Paystack {
    /// Starts a proxy for this test in front of the shared stand-in.
    pub async fn start() -> Self {
        static STAND_IN: LazyLock<(String, Mailbox)> = LazyLock::new(|| start_aside(&PROVIDER));
        let shared = tokio::task::spawn_blocking(|| STAND_IN.clone()).await.unwrap();
        Self(StandIn::start(&PROVIDER, shared).await)
    }

    /// Starts a proxy and the handlers of a deployment that uses it as payment provider, with these time limits in
    /// seconds.
    pub async fn with_handlers(link: u64, checkout: u64) -> (Self, Arc<Handlers>) {
        let paystack = Self::start().await;
        let handlers = Handlers::with_variables(link, checkout, &paystack.variables()).await;
        (paystack, handlers)
    }

    /// Returns the variables of a deployment that uses this stand-in.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PAYMENT_PROVIDER", ProviderName::Paystack.to_string()),
            ("PAYSTACK_API_URL", self.proxy.clone()),
            ("PAYSTACK_CHECKOUT_ORIGIN", self.base.clone()),
            ("PAYSTACK_SECRET_KEY", KEY.to_owned()),
            ("PAYSTACK_LIVEMODE", "false".to_owned()),
            ("PAYSTACK_FALLBACK_EMAIL", "payments@example.com".to_owned()),
        ]
    }

    /// Returns the page of the transaction with this reference, also if its address was lost on the way.
    #[must_use]
    pub fn page_of(&self, reference: &str) -> Option<String> {
        let url = |exchange: crate::stand_in::Exchange| {
            let data = &exchange.answer["data"];
            (data["reference"] == reference).then(|| data["authorization_url"].as_str().map(page_of)).flatten()
        };
        self.exchanges().into_iter().rev().find_map(url)
    }

    /// Calls the stand-in directly, as the merchant. Returns the status and the answer.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}/paystack{path}", self.base)).bearer_auth(KEY);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Returns the transaction with a reference.
    pub async fn transaction(&self, reference: &str) -> Value {
        let (_, answer) = self.call(Method::GET, &format!("/transaction/verify/{reference}"), &Value::Null).await;
        answer["data"].clone()
    }

    /// Returns the amount that has gone back of a transaction, and the number of its refunds that have not failed.
    pub async fn refunded(&self, reference: &str) -> (i64, usize) {
        let number = self.transaction(reference).await["id"].clone();
        let (_, answer) = self.call(Method::GET, &format!("/refund?transaction={number}"), &Value::Null).await;
        let refunds = answer["data"].as_array().unwrap().iter().filter(|refund| refund["status"] != "failed");
        let processed = refunds.clone().filter(|refund| refund["status"] == "processed");
        (processed.map(|refund| refund["amount"].as_i64().unwrap()).sum(), refunds.count())
    }

    /// Presses a button on a page as the customer, or lets time pass at their bank (`settle`). Returns the status code.
    pub async fn press(&self, page: &str, form: &str, outcome: &str) -> u16 {
        self.submit(&format!("/paystack/checkout/{page}/{form}"), outcome).await
    }

    /// Settles all payments at the stand-in, in place of the next working day.
    pub async fn settle_all(&self) {
        let answer = self.client.post(format!("{}/paystack/settlements", self.base)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 204);
    }

    /// Waits for a webhook of this kind about a request and delivers it to the handlers unchanged.
    pub async fn deliver(&self, handlers: &Handlers, request: &str, kind: &str) -> HandlerAnswer {
        let webhook = self.latest(request, kind).await;
        handlers.paystack_webhook(Some(&webhook.signature), &webhook.body).await
    }
}

/// Signs a body.
#[must_use]
pub fn signature(key: &str, body: &str) -> String {
    let environment = Environment::default().with("KEY", key);
    SecretKeys::from_environment(&environment, "KEY").unwrap().sign(body.as_bytes())
}

/// Returns the access code of the page at this address.
#[must_use]
pub fn page_of(url: &str) -> String {
    last_part(url)
}
