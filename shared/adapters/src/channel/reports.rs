//! The delivery reports of channels, about messages that they had accepted.

use domain::{DeliveryReport, Timestamp};
use http::HeaderMap;
use runtime::webhook_error::WebhookError;

/// What a notification within the AWS account says about a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportedOutcome {
    /// The link will not arrive.
    Failed(DeliveryReport),
    /// The link arrived or still may, or the notification is about no link of ours.
    NotFailed,
    /// The notification is about a link of ours, and of a type that this version does not know.
    Unknown {
        /// The type, without characters that it should not have.
        event_type: String,
    },
}

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

    /// Reads a notification.
    fn read_notification(&self, _message: &str) -> Result<ReportedOutcome, serde_json::Error> {
        Ok(ReportedOutcome::NotFailed)
    }
}
