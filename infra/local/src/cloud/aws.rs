//! The names that AWS would have given things.

use super::time::to_the_second;
use domain::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The region that everything here claims to be in.
pub(crate) const REGION: &str = "us-east-1";
/// The account that everything here claims to belong to.
pub(crate) const ACCOUNT: &str = "000000000000";

/// An `EventBridge` event as its consumers get it.
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
    /// As it was put on the bus, to the last space.
    detail: &'a RawValue,
}

impl<'a> Envelope<'a> {
    /// Builds an event.
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
