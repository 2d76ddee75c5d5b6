//! Names and events in the form that AWS gives them.

use super::time::to_the_second;
use domain::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The emulated AWS region.
pub(crate) const REGION: &str = "us-east-1";
/// The emulated AWS account.
pub(crate) const ACCOUNT: &str = "000000000000";

/// An `EventBridge` event as its consumers receive it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Envelope<'a> {
    version: &'static str,
    pub(crate) id: String,
    detail_type: &'a str,
    source: &'a str,
    account: &'static str,
    time: String,
    region: &'static str,
    resources: &'a [String],
    /// The event's detail, byte for byte as it was published.
    detail: &'a RawValue,
}

impl<'a> Envelope<'a> {
    /// Builds the event that the bus delivers for an entry.
    pub(crate) fn new(
        id: Uuid,
        detail_type: &'a str,
        source: &'a str,
        time: Timestamp,
        resources: &'a [String],
        detail: &'a RawValue,
    ) -> Self {
        Self {
            version: "0",
            id: id.to_string(),
            detail_type,
            source,
            account: ACCOUNT,
            time: to_the_second(time),
            region: REGION,
            resources,
            detail,
        }
    }
}
