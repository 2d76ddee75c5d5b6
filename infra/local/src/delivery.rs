//! One attempt to tell a merchant something.

use crate::queue::Outcome;
use reqwest::RequestBuilder;

/// Sends a webhook. Whatever is not a success is to be tried again.
pub(crate) async fn deliver(webhook: RequestBuilder) -> Outcome {
    match webhook.send().await {
        Ok(response) if response.status().is_success() => Outcome::Done,
        Ok(response) => Outcome::Failed(format!("the merchant answered {}", response.status())),
        Err(error) => Outcome::Failed(error.without_url().to_string()),
    }
}
