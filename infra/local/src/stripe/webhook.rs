//! What the merchant is told: events, signed as Stripe signs them (<https://docs.stripe.com/webhooks#verify-manually>), sent
//! until they are taken.

use crate::delivery::deliver;
use crate::queue::{Job, Outcome, Work};
use reqwest::Client;
use runtime::BoxFuture;
use runtime::stripe_signature::{STRIPE_SIGNATURE, SigningSecrets};
use rusqlite::Transaction;
use serde_json::Value;

/// The queue of what is still to be told.
pub(super) const QUEUE: &str = "stripe";

/// Stores an event to be sent.
pub(super) fn put(transaction: &Transaction<'_>, id: &str, event: &Value) -> rusqlite::Result<Job> {
    Job::put(transaction, QUEUE, "webhook", id, event.to_string())
}

/// Sends events to the merchant.
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) secrets: SigningSecrets,
}

impl Work for Sender {
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            // Signed anew each time, for a receiver refuses what was signed long ago.
            let signature = self.secrets.sign(job.body.as_bytes(), crate::time::moment());
            let request = self.client.post(&self.url).header(STRIPE_SIGNATURE, signature).body(job.body.clone());
            deliver(request.header("content-type", "application/json; charset=utf-8")).await
        })
    }
}
