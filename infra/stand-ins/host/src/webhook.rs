//! Delivery of webhooks from a stand-in to a merchant.

use crate::durable::Attempt;
use reqwest::RequestBuilder;

/// Makes one attempt to deliver a webhook. Any response other than a success counts as failed and is retried.
pub async fn deliver(webhook: RequestBuilder) -> Attempt {
    match webhook.send().await {
        Ok(response) if response.status().is_success() => Attempt::Done,
        Ok(response) => Attempt::Failed(format!("the merchant answered {}", response.status())),
        Err(error) => Attempt::Failed(error.without_url().to_string()),
    }
}
