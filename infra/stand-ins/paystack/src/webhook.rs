//! The events to the merchant, signed as Paystack signs them
//! (<https://paystack.com/docs/payments/webhooks/#verify-event-origin>). Each is retried until the merchant accepts it.

use domain::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Client;
use runtime::BoxFuture;
use rusqlite::Transaction;
use serde_json::{Value, json};
use sha2::Sha512;
use stand_in_host::durable::{Attempt, Job, NewJob, Work};
use stand_in_host::webhook::Webhooks;

/// The name of the queue of events that the merchant has not accepted yet.
pub(super) const QUEUE: &str = "paystack";
/// The header with the signature.
const SIGNATURE: &str = "x-paystack-signature";

/// Stores an event for delivery. Each has its own message group `id`, so that events arrive in any order.
pub(super) fn put(
    transaction: &Transaction<'_>,
    id: &str,
    event: &str,
    data: &Value,
    now: Timestamp,
) -> rusqlite::Result<Job> {
    let body = json!({ "event": event, "data": data }).to_string();
    Job::put(transaction, QUEUE, NewJob { rule: "webhook", message_group: id, body }, now)
}

/// Computes the signature of a body: its HMAC-SHA512 with the secret key, in lower-case hexadecimal.
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104, section 2)")]
fn sign(secret_key: &str, body: &[u8]) -> String {
    let mut hmac = Hmac::<Sha512>::new_from_slice(secret_key.as_bytes()).expect("a key of any length");
    hmac.update(body);
    hex::encode(hmac.finalize().into_bytes())
}

/// Sends events to the merchant.
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) secret_key: String,
    pub(super) webhooks: Webhooks,
}

impl Work for Sender {
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let signature = sign(&self.secret_key, job.body.as_bytes());
            let request = self.client.post(&self.url).header(SIGNATURE, signature).body(job.body.clone());
            self.webhooks.deliver(request.header("content-type", "application/json")).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231.
    #[test]
    fn a_signature_is_the_hmac_sha512_of_the_body() {
        let expected = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                        9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        assert_eq!(sign("Jefe", b"what do ya want for nothing?"), expected);
    }
}
