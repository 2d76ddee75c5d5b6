//! The events to the merchant, signed as Stripe signs them (<https://docs.stripe.com/webhooks#verify-manually>). Each
//! is retried until the merchant accepts it.

use domain::Timestamp;
use reqwest::Client;
use runtime::BoxFuture;
use runtime::stripe_signature::{STRIPE_SIGNATURE, SigningSecrets};
use rusqlite::Transaction;
use serde_json::Value;
use stand_in_host::Doors;
use stand_in_host::durable::{Attempt, Job, NewJob, Work};
use stand_in_host::webhook::Webhooks;

/// The name of the queue of events that the merchant has not accepted yet.
pub(super) const QUEUE: &str = "stripe";

/// Stores an event for delivery. Each has its own message group, so that events arrive in any order, as Stripe's do.
pub(super) fn put(transaction: &Transaction<'_>, id: &str, event: &Value, now: Timestamp) -> rusqlite::Result<Job> {
    Job::put(transaction, QUEUE, NewJob { rule: "webhook", message_group: id, body: event.to_string() }, now)
}

/// Sends events to the merchant.
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) doors: Doors,
    pub(super) url: String,
    pub(super) secrets: SigningSecrets,
    pub(super) webhooks: Webhooks,
}

impl Work for Sender {
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            // Signed again for each attempt, because a receiver rejects old signatures.
            let signature = self.secrets.sign(job.body.as_bytes(), self.doors.now());
            let request = self.client.post(&self.url).header(STRIPE_SIGNATURE, signature).body(job.body.clone());
            self.webhooks.deliver(request.header("content-type", "application/json; charset=utf-8")).await
        })
    }
}
