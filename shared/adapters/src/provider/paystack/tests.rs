//! Tests of the adapter against a fake Paystack server with prepared responses. The objects are those of
//! <https://github.com/PaystackOSS/openapi>, and the errors those of
//! <https://github.com/PaystackOSS/doc-code-snippets>.

mod checkouts;
mod events;
mod refunding;
mod settling;

use super::*;
use crate::provider::ConfiguredProvider;
use crate::provider::test_support::{self, FakeServer, Prepared, Received, at, money, says};
use http::{HeaderMap, Method};
use std::ops::Deref;
use std::time::Duration;

const KEY: &str = "sk_test_1234567890";
const LINK: &str = "https://pay.example.com/p/secret-token-of-the-link";
const PAGE: &str = "https://checkout.paystack.com/3ni8kdavz62431k";
const NUMBER: u64 = 4_099_260_516;

struct Server(FakeServer);

impl Deref for Server {
    type Target = FakeServer;

    fn deref(&self) -> &FakeServer {
        &self.0
    }
}

impl Server {
    /// Starts the server with these responses, each for a call of a path below the API's address. Calls that are made
    /// at the same time come in any order.
    async fn start(prepared: Vec<(&str, Prepared)>) -> Self {
        let below = |(path, prepared): (&str, Prepared)| (Some(format!("/paystack{path}")), prepared);
        Self(FakeServer::start(prepared.into_iter().map(below).collect::<Vec<_>>()).await)
    }

    fn environment(&self) -> Environment {
        Environment::default()
            .with("PAYMENT_PROVIDER", NAME)
            .with("PAYSTACK_API_URL", format!("{}/paystack", self.url))
            .with("PAYSTACK_SECRET_KEY", KEY)
            .with("PAYSTACK_LIVEMODE", "false")
            .with("PAYSTACK_FALLBACK_EMAIL", "payments@example.com")
    }

    fn paystack(&self) -> ConfiguredProvider {
        ConfiguredProvider::new(&self.environment()).unwrap()
    }

    /// Returns the method and the path of each call, with its query.
    fn paths(&self) -> Vec<String> {
        let shown = |call: &Received| format!("{} {}", call.method, call.uri.to_string().replacen("/paystack", "", 1));
        self.received().iter().map(shown).collect()
    }
}

/// Builds a successful answer with this `data`.
#[allow(clippy::needless_pass_by_value, reason = "every caller has just made it")]
fn data(data: Value) -> Prepared {
    says(200, json!({ "status": true, "message": "Done", "data": data }))
}

/// Builds an error as Paystack answers it, with a sentence that repeats what was sent.
fn error(status: u16, code: &str) -> Prepared {
    says(
        status,
        json!({ "status": false, "message": format!("It is about {LINK}"), "meta": { "nextStep": "Try again" },
            "type": "validation_error", "code": code }),
    )
}

fn not_found() -> Prepared {
    says(
        400,
        json!({ "status": false, "message": "Transaction reference not found.", "type": "validation_error",
            "code": "transaction_not_found", "meta": { "nextStep": "Ensure that you pass one that exists" } }),
    )
}

fn created(reference: &str) -> Prepared {
    data(json!({ "authorization_url": PAGE, "access_code": "3ni8kdavz62431k", "reference": reference }))
}

/// Builds a transaction of the request, paid by a card at 10:01:40.
fn transaction(request: &PaymentRequest, attempt: u16, status: &str) -> Value {
    json!({
        "id": NUMBER, "domain": "test", "status": status, "reference": format!("{}-{attempt}", request.id),
        "receipt_number": null, "amount": 25_000, "message": null, "gateway_response": "Successful",
        "paid_at": "2026-01-05T10:01:40.000Z", "created_at": "2026-01-05T10:00:05.000Z", "channel": "card",
        "currency": "ZAR", "ip_address": "197.210.54.33", "log": null, "fees": 825, "requested_amount": 25_000,
        "metadata": { "payment_request_id": request.id.to_string(), "cancel_action": format!("{LINK}?back") },
        "customer": { "id": 1, "email": "thandi@example.com", "phone": "+27831234567" }, "plan": null,
    })
}

/// Returns an object with some of its fields replaced.
fn with(mut object: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// Builds a request for R250.00 that was clicked at ten, with a quarter of an hour to pay.
fn clicked() -> PaymentRequest {
    test_support::clicked(Duration::from_mins(15))
}

fn reference(request: &PaymentRequest, attempt: u16) -> String {
    format!("{}-{attempt}", request.id)
}

fn checkout(request: &PaymentRequest, attempts: u16) -> CheckoutId {
    CheckoutId(reference(request, attempts))
}

/// Returns the path at which a transaction is asked for.
fn verify(request: &PaymentRequest, attempt: u16) -> &'static str {
    format!("/transaction/verify/{}", reference(request, attempt)).leak()
}

fn payment(request: &PaymentRequest, attempt: u16) -> Payment {
    let paid_at = at("2026-01-05T10:01:40Z");
    Payment { provider: NAME.into(), reference: reference(request, attempt), paid_at }
}
