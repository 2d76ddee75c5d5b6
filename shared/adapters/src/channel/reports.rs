//! The delivery reports of channels, about messages that they had accepted.

use domain::{DeliveryReport, Timestamp};
use http::HeaderMap;
use runtime::json::{Object, Unreadable};
use runtime::telemetry::word;
use runtime::webhook_error::WebhookError;
use serde_json::value::RawValue;

/// What a report says that has to be recorded or counted. A link that arrived or still may, and a message that is no
/// link of ours, are neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportedOutcome {
    /// The link will not arrive.
    Failed(DeliveryReport),
    /// A part of the report that this version does not know. It may be about a link of ours.
    Unknown(UnknownPart),
}

/// A part of a report that was left out because this version does not know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPart {
    /// Which part, such as a field.
    pub part: &'static str,
    /// Its value, if that is a word of the channel's vocabulary ([`word`]); a question mark otherwise.
    pub value: String,
}

impl ReportedOutcome {
    /// Builds the outcome for a part with this value; `None` if it is missing or no text.
    pub(super) fn unknown(part: &'static str, value: Option<&str>) -> Self {
        let value = value.unwrap_or_default();
        // Some channels write their vocabulary in capitals.
        let is_word = word(value) == value || word(&value.to_ascii_lowercase()).to_ascii_uppercase() == value;
        Self::Unknown(UnknownPart { part, value: if is_word { value } else { "?" }.to_owned() })
    }
}

/// Returns the objects in the list of a field, which may be missing or null. Whatever else is there is left out and
/// added to `said`, so that one element of a new shape does not cost the others.
pub(super) fn objects<'a>(
    object: &Object<'a>,
    field: &'static str,
    said: &mut Vec<ReportedOutcome>,
) -> Vec<Object<'a>> {
    let Some(raw) = object.raw(field) else { return Vec::new() };
    let Some(elements) = object.optional::<Vec<&'a RawValue>>(field) else {
        said.push(ReportedOutcome::unknown(field, Some(raw.get())));
        return Vec::new();
    };
    let read = |element: &&'a RawValue| {
        let object = Object::of(element);
        if object.is_none() {
            said.push(ReportedOutcome::unknown(field, Some(element.get())));
        }
        object
    };
    elements.iter().filter_map(read).collect()
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

    /// Verifies a webhook and returns what it says.
    fn read(
        &self,
        _headers: &HeaderMap,
        _body: &[u8],
        _now: Timestamp,
    ) -> impl Future<Output = Result<Vec<ReportedOutcome>, WebhookError>> + Send {
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

    /// Reads a notification; `None` if it says nothing that has to be recorded or counted.
    fn read_notification(&self, _message: &str) -> Result<Option<ReportedOutcome>, Unreadable> {
        Ok(None)
    }
}
