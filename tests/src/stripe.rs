//! The stand-in for Stripe, as a test uses it.

use crate::handlers::{HandlerAnswer, Handlers};
use crate::stand_in::{Mailbox, Provider, StandIn, last_part, start_aside};
use adapters::ProviderName;
use axum::http::{Method, StatusCode};
use domain::{Clock as _, SystemClock};
use runtime::Environment;
use runtime::stripe_signature::{STRIPE_SIGNATURE, SigningSecrets};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

pub use crate::stand_in::{Delivery, Fault};

/// The account's API key.
pub const KEY: &str = "sk_test_integration0tests";
/// The secret that signs the account's webhooks.
pub const SECRET: &str = "whsec_integration0tests0of0the0webhooks";

static PROVIDER: Provider = Provider {
    name: ProviderName::Stripe,
    path: "/stripe",
    runner: &[("STRIPE_SECRET_KEY", KEY), ("STRIPE_WEBHOOK_SECRET", SECRET)],
    webhook_url: "STRIPE_WEBHOOK_URL",
    signature: STRIPE_SIGNATURE,
    error,
    too_many: ("rate_limit", [("retry-after", "1")]),
    garbage: r#"{"object":"nonsense"}"#,
    elsewhere: "https://stripe.example.com/v1/checkout/sessions",
};

fn error(_: StatusCode, code: Option<&str>) -> Value {
    match code {
        Some(code) => json!({ "error": { "type": "invalid_request_error", "code": code, "message": "" } }),
        None => json!({ "error": { "type": "api_error", "message": "" } }),
    }
}

/// The stand-in with its proxy and mailbox.
pub struct Stripe(StandIn);

impl Deref for Stripe {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        &self.0
    }
}

impl Stripe {
    /// Starts a proxy for this test in front of the shared stand-in.
    pub async fn start() -> Self {
        static STAND_IN: LazyLock<(String, Mailbox)> = LazyLock::new(|| start_aside(&PROVIDER));
        let shared = tokio::task::spawn_blocking(|| STAND_IN.clone()).await.unwrap();
        Self(StandIn::start(&PROVIDER, shared).await)
    }

    /// Starts a proxy and the handlers of a deployment that uses it as payment provider, with these time limits in
    /// seconds.
    pub async fn with_handlers(link: u64, checkout: u64) -> (Self, Arc<Handlers>) {
        let stripe = Self::start().await;
        let handlers = Handlers::with_variables(link, checkout, &stripe.variables()).await;
        (stripe, handlers)
    }

    /// Returns the variables of a deployment that uses this stand-in.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PAYMENT_PROVIDER", ProviderName::Stripe.to_string()),
            ("STRIPE_API_URL", self.proxy.clone()),
            ("STRIPE_CHECKOUT_ORIGIN", self.base.clone()),
            ("STRIPE_SECRET_KEY", KEY.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
            ("STRIPE_LIVEMODE", "false".to_owned()),
        ]
    }

    /// Returns all calls so far, with their headers and bodies.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let request = |exchange: crate::stand_in::Exchange| {
            let form = serde_urlencoded::from_bytes::<BTreeMap<String, String>>(&exchange.body).unwrap();
            json!({ "call": exchange.call, "headers": exchange.headers, "form": form })
        };
        self.exchanges().into_iter().map(request).collect()
    }

    /// Calls the stand-in directly, as the merchant.
    pub async fn call(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.client.request(method, format!("{}/stripe{path}", self.base)).bearer_auth(KEY);
        request.form(form).send().await.unwrap().json().await.unwrap()
    }

    /// Returns a session with its payment and charge expanded.
    pub async fn session(&self, id: &str) -> Value {
        let path = format!("/v1/checkout/sessions/{id}?expand[]=payment_intent.latest_charge");
        self.call(Method::GET, &path, &[]).await
    }

    /// Presses a button on the page of a session as the customer, or lets time pass at their bank (`settle`). Returns
    /// the status code.
    pub async fn press(&self, session: &str, form: &str, outcome: &str) -> u16 {
        self.submit(&format!("/stripe/c/pay/{session}/{form}"), outcome).await
    }

    /// Waits for a webhook of this kind about a request and delivers it to the handlers unchanged.
    pub async fn deliver(&self, handlers: &Handlers, request: &str, kind: &str) -> HandlerAnswer {
        let webhook = self.latest(request, kind).await;
        handlers.stripe_webhook(Some(&webhook.signature), &webhook.body).await
    }
}

/// Signs a body with the current time.
#[must_use]
pub fn signature(secret: &str, body: &str) -> String {
    let environment = Environment::default().with("SECRET", secret);
    SigningSecrets::from_environment(&environment, "SECRET").unwrap().sign(body.as_bytes(), SystemClock.now())
}

/// Returns the identifier of the session whose page is at this address.
#[must_use]
pub fn session_of(url: &str) -> String {
    last_part(url)
}
