//! The webhooks that the merchant is sent until it accepts them, as Standard Webhooks has them.

use super::checkout::{Checkout, Payment};
use domain::Timestamp;
use reqwest::Client;
use runtime::BoxFuture;
use runtime::webhook::Secrets;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stand_in_host::Doors;
use stand_in_host::durable::{Attempt, Job, Work};
use stand_in_host::webhook::deliver;

/// What happened to a checkout.
pub(super) enum Event<'a> {
    /// It was paid.
    Paid(&'a Payment),
    /// The customer has paid, and the money is on its way.
    Processing(&'a Payment),
    /// The money that was on its way will not come.
    PaymentFailed(&'a Payment),
    /// An attempt to pay it failed. The customer can try again.
    AttemptFailed { reason: &'static str },
}

/// A webhook on its way. Its id stays the same over all attempts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Webhook {
    pub(super) id: String,
    body: String,
}

impl Event<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Paid(_) => "checkout.paid",
            Self::Processing(_) => "checkout.processing",
            Self::PaymentFailed(_) => "checkout.async_payment_failed",
            Self::AttemptFailed { .. } => "checkout.payment_failed",
        }
    }

    fn data(&self, checkout: &Checkout) -> Value {
        let mut data = json!({
            "checkout_id": checkout.id,
            "payment_request_id": checkout.payment_request_id,
            "amount": checkout.money.amount,
            "currency": checkout.money.currency,
        });
        match self {
            Self::Paid(payment) | Self::Processing(payment) => {
                data["payment_id"] = json!(payment.payment_id);
                data["paid_at"] = json!(payment.paid_at);
            }
            Self::PaymentFailed(payment) => data["payment_id"] = json!(payment.payment_id),
            Self::AttemptFailed { reason } => data["reason"] = json!(reason),
        }
        data
    }
}

impl Webhook {
    /// Writes a webhook about what happened to a checkout.
    pub(super) fn new(id: String, at: Timestamp, event: &Event<'_>, checkout: &Checkout) -> Self {
        let body = json!({ "type": event.name(), "timestamp": at, "data": event.data(checkout) }).to_string();
        Self { id, body }
    }
}

/// Sends webhooks to the merchant.
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) doors: Doors,
    pub(super) url: String,
    pub(super) secrets: Secrets,
}

impl Sender {
    async fn send(&self, webhook: Webhook) -> Attempt {
        // Signed anew each time, for a receiver refuses what was signed long ago.
        let headers = match self.secrets.sign(&webhook.id, webhook.body.as_bytes(), self.doors.now()) {
            Ok(headers) => headers,
            Err(error) => return Attempt::Fatal(error.to_string()),
        };
        let request = self.client.post(&self.url).headers(headers).header("content-type", "application/json");
        deliver(request.body(webhook.body)).await
    }
}

impl Work for Sender {
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            match serde_json::from_str(&job.body) {
                Ok(webhook) => self.send(webhook).await,
                Err(error) => Attempt::Fatal(error.to_string()),
            }
        })
    }
}
