//! The names that AWS would have given things.

use serde_json::{Value, json};
use uuid::Uuid;

/// The region that everything here claims to be in.
pub(crate) const REGION: &str = "us-east-1";
/// The account that everything here claims to belong to.
pub(crate) const ACCOUNT: &str = "000000000000";

/// An EventBridge event's envelope.
pub(crate) fn envelope(
    detail_type: &str,
    source: &str,
    time: domain::Timestamp,
    resources: &[String],
    detail: &Value,
) -> (String, Value) {
    let id = Uuid::new_v4().to_string();
    let envelope = json!({
        "version": "0",
        "id": id,
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": crate::time::to_the_second(time),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    });
    (id, envelope)
}
