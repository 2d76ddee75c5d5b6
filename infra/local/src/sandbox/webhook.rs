//! What the stand-in provider tells the merchant: Standard Webhooks, sent until they are taken.

use super::checkout::{Checkout, Payment};
use crate::delivery::deliver;
use crate::queue::{Job, Outcome, Work};
use domain::Timestamp;
use reqwest::Client;
use runtime::BoxFuture;
use runtime::webhook::Secrets;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// A webhook on its way. Its id stays the same over all attempts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Webhook {
    pub(super) id: String,
    body: String,
}

impl Webhook {
    /// The checkout was paid.
    pub(super) fn paid(checkout: &Checkout, payment: &Payment, at: Timestamp) -> Self {
        Self::of_payment("checkout.paid", checkout, payment, at)
    }

    /// The customer has paid, and the money is on its way.
    pub(super) fn processing(checkout: &Checkout, payment: &Payment, at: Timestamp) -> Self {
        Self::of_payment("checkout.processing", checkout, payment, at)
    }

    fn of_payment(kind: &str, checkout: &Checkout, payment: &Payment, at: Timestamp) -> Self {
        Self::new(
            kind,
            at,
            &json!({
                "checkout_id": checkout.id,
                "payment_request_id": checkout.payment_request_id,
                "payment_id": payment.payment_id,
                "amount": checkout.money.amount,
                "currency": checkout.money.currency,
                "paid_at": payment.paid_at,
            }),
        )
    }

    /// The money that was on its way will not come.
    pub(super) fn payment_failed(checkout: &Checkout, payment: &Payment, at: Timestamp) -> Self {
        Self::new(
            "checkout.async_payment_failed",
            at,
            &json!({
                "checkout_id": checkout.id,
                "payment_request_id": checkout.payment_request_id,
                "payment_id": payment.payment_id,
                "amount": checkout.money.amount,
                "currency": checkout.money.currency,
            }),
        )
    }

    /// An attempt to pay the checkout failed. The customer can try again.
    pub(super) fn attempt_failed(checkout: &Checkout, reason: &str, at: Timestamp) -> Self {
        Self::new(
            "checkout.payment_failed",
            at,
            &json!({
                "checkout_id": checkout.id,
                "payment_request_id": checkout.payment_request_id,
                "amount": checkout.money.amount,
                "currency": checkout.money.currency,
                "reason": reason,
            }),
        )
    }

    fn new(kind: &str, at: Timestamp, data: &Value) -> Self {
        let body = json!({ "type": kind, "timestamp": at, "data": data }).to_string();
        Self { id: format!("msg_{}", Uuid::new_v4().simple()), body }
    }
}

/// Sends webhooks to the merchant.
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) secrets: Secrets,
}

impl Sender {
    async fn send(&self, webhook: Webhook) -> Outcome {
        // Signed anew each time, for a receiver refuses what was signed long ago.
        let headers = match self.secrets.sign(&webhook.id, webhook.body.as_bytes(), crate::time::moment()) {
            Ok(headers) => headers,
            Err(error) => return Outcome::Hopeless(error.to_string()),
        };
        let request =
            self.client.post(&self.url).headers(headers).header("content-type", "application/json").body(webhook.body);
        deliver(request).await
    }
}

impl Work for Sender {
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match serde_json::from_str(&job.body) {
                Ok(webhook) => self.send(webhook).await,
                Err(error) => Outcome::Hopeless(error.to_string()),
            }
        })
    }
}
