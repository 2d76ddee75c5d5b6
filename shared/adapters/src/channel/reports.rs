//! What channels report of messages that they had accepted.

use domain::{DeliveryReport, Timestamp};
use http::HeaderMap;
use runtime::webhook_error::WebhookError;

/// The reports of one channel. A channel that reports nothing implements none of it.
pub(super) trait Reports: Send + Sync {
    /// The most bytes of a report that comes over HTTP; none if no report comes that way.
    fn body_at_most(&self) -> Option<usize> {
        None
    }

    /// Verifies what came over HTTP, and reads which links will not arrive.
    fn read(
        &self,
        _headers: &HeaderMap,
        _body: &[u8],
        _now: Timestamp,
    ) -> impl Future<Output = Result<Vec<DeliveryReport>, WebhookError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Returns whether `token` is the one by which the channel finds out whose an address is.
    fn verifies(&self, _token: &str) -> bool {
        false
    }

    /// Whether reports come as notifications within the AWS account.
    fn come_as_notifications(&self) -> bool {
        false
    }

    /// Reads which link will not arrive, if any, from a notification.
    fn read_notification(&self, _message: &str) -> Result<Option<DeliveryReport>, serde_json::Error> {
        Ok(None)
    }
}
