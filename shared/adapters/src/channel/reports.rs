//! The delivery reports of channels, about messages that they had accepted.

use domain::{DeliveryReport, Timestamp};
use http::HeaderMap;
use runtime::webhook_error::WebhookError;

/// The reports of one channel. The default methods suit a channel that reports nothing.
pub(super) trait Reports: Send + Sync {
    /// Returns the maximum size of a report over HTTP, in bytes; `None` if the channel does not report over HTTP.
    fn body_at_most(&self) -> Option<usize> {
        None
    }

    /// Returns whether the sender of a report is known before its body is read, by a signature over it.
    fn are_signed(&self) -> bool {
        true
    }

    /// Verifies a webhook and returns the links that will not arrive.
    fn read(
        &self,
        _headers: &HeaderMap,
        _body: &[u8],
        _now: Timestamp,
    ) -> impl Future<Output = Result<Vec<DeliveryReport>, WebhookError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Returns whether `token` is the agreed one with which the channel verifies the owner of the webhook's address.
    fn verifies(&self, _token: &str) -> bool {
        false
    }

    /// Returns whether the channel reports by notifications within the AWS account.
    fn come_as_notifications(&self) -> bool {
        false
    }

    /// Reads a notification, and returns the link that will not arrive, if any.
    fn read_notification(&self, _message: &str) -> Result<Option<DeliveryReport>, serde_json::Error> {
        Ok(None)
    }
}
