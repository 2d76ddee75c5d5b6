//! The webhooks to the merchant, in the form of Standard Webhooks. Each is retried until the merchant accepts it.

use super::checkout::{Checkout, Payment};
use domain::Timestamp;
use reqwest::Client;
use runtime::BoxFuture;
use runtime::webhook::Secrets;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stand_in_host::Doors;
use stand_in_host::durable::{Attempt, Job, Work};
use stand_in_host::webhook::Webhooks;

/// An event about a checkout.
pub(super) enum Event<'a> {
    /// The checkout is paid.
    Paid(&'a Payment),
    /// The customer has paid, and the money has not arrived yet.
    Processing(&'a Payment),
    /// The processing payment failed: its money will not arrive.
    PaymentFailed(&'a Payment),
    /// An attempt to pay failed. The customer can retry.
    AttemptFailed { reason: &'static str },
}

/// A webhook to deliver. Its id is the same in all attempts.
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
    /// Builds the webhook about a checkout's event.
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
    pub(super) webhooks: Webhooks,
}

impl Sender {
    async fn send(&self, webhook: Webhook) -> Attempt {
        // Signed again for each attempt, because a receiver rejects old signatures.
        let headers = match self.secrets.sign(&webhook.id, webhook.body.as_bytes(), self.doors.now()) {
            Ok(headers) => headers,
            Err(error) => return Attempt::Fatal(error.to_string()),
        };
        let request = self.client.post(&self.url).headers(headers).header("content-type", "application/json");
        self.webhooks.deliver(request.body(webhook.body)).await
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
