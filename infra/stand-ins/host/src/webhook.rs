//! How a stand-in sends a merchant webhooks.

use crate::durable::Attempt;
use reqwest::RequestBuilder;

/// Sends a webhook once. Whatever is not a success is tried again.
pub async fn deliver(webhook: RequestBuilder) -> Attempt {
    match webhook.send().await {
        Ok(response) if response.status().is_success() => Attempt::Done,
        Ok(response) => Attempt::Failed(format!("the merchant answered {}", response.status())),
        Err(error) => Attempt::Failed(error.without_url().to_string()),
    }
}
