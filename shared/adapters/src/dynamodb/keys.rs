//! The keys of the table's items and of its indexes.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{AgentId, LinkToken, PaymentRequestId, Status, WorkspaceId};
use std::ops::Range;

/// The number of partitions of the index `due` for deadlines, so that a burst of requests does not load a single one.
pub(super) const DEADLINE_SHARDS: u8 = 16;
/// The number of partitions of the index for the looks at requests of one status. They are apart from the deadlines, so
/// that a count of each tells how many requests wait for the provider.
pub(super) const LOOK_SHARDS: u8 = 4;
/// The statuses whose requests are looked at in partitions of their own, in the order of these.
pub(super) const LOOKED_AT: [Status; 3] = [Status::Processing, Status::RefundDue, Status::Expired];

/// The beginning of the keys of requests' items.
pub(super) const REQUEST: &str = "REQ#";
/// The beginning of the keys of links' items.
pub(super) const LINK: &str = "LINK#";
/// The beginning of the keys of differences' items.
pub(super) const DIFFERENCE: &str = "DIFFERENCE#";

/// Returns the text of the key of a request's item.
pub(super) fn request_key(id: PaymentRequestId) -> String {
    format!("{REQUEST}{id}")
}

/// Returns the key of a request's item, as a call's attribute value.
pub(super) fn key(id: PaymentRequestId) -> AttributeValue {
    AttributeValue::S(request_key(id))
}

/// Returns the request that a key belongs to; `None` for any other item's key.
pub(super) fn request_of_key(key: &str) -> Option<PaymentRequestId> {
    key.strip_prefix(REQUEST)?.parse().ok()
}

/// Returns a key for the log: a request's as it is. Of any other only the kind, because a link's key is a secret.
pub(super) fn redacted_key(key: &str) -> String {
    match (request_of_key(key), key.split_once('#')) {
        (Some(_), _) => key.to_owned(),
        (None, Some((kind @ ("REQ" | "LINK"), _))) => format!("{kind}#…"),
        (None, _) => "of another kind".to_owned(),
    }
}

/// Returns the key of a link's item.
pub(super) fn link_key(token: &LinkToken) -> String {
    format!("{LINK}{}", token.reveal())
}

/// Returns the key of a difference's item.
pub(super) fn difference_key(digest: &str) -> String {
    format!("{DIFFERENCE}{digest}")
}

/// Returns the key of the item that keeps the place of a reconciliation.
pub(super) fn place_key(name: &str) -> String {
    format!("RECONCILIATION#{name}")
}

/// Returns the hash key of the index `by_agent`. A workspace contains no `#`, so no two pairs have the same key.
pub(super) fn workspace_agent(workspace: &WorkspaceId, agent: &AgentId) -> String {
    format!("{workspace}#{agent}")
}

/// Returns the hash key of the index `by_month`, for a month written `yyyy-mm`.
pub(super) fn workspace_month(workspace: &WorkspaceId, month: &str) -> String {
    format!("{workspace}#{month}")
}

/// Returns the hash key of the index `due` for a request's deadline.
pub(super) fn deadline_shard(id: PaymentRequestId) -> u8 {
    let [.., last] = id.as_bytes();
    last % DEADLINE_SHARDS
}

/// Returns the hash key of the index `due` for the next look at a request in this status. One whose time to pay is over
/// stays among the deadlines, where release 0.1 finds it too. What was paid twice is owed back, whatever the status.
pub(super) fn look_shard(id: PaymentRequestId, status: Status) -> u8 {
    let [.., last] = id.as_bytes();
    let shards = match status {
        Status::Sent | Status::Clicked => None,
        Status::Processing | Status::RefundDue | Status::Expired => look_shards(status),
        Status::Paid | Status::Canceled | Status::Refunded => look_shards(Status::RefundDue),
    };
    shards.map_or(deadline_shard(id), |shards| shards.start + last % LOOK_SHARDS)
}

/// Returns the partitions of the index `due` for the looks at requests in this status; `None` if it has none of its
/// own.
pub(super) fn look_shards(status: Status) -> Option<Range<u8>> {
    let place = (0..).zip(LOOKED_AT).find(|(_, looked_at)| *looked_at == status).map(|(place, _): (u8, _)| place)?;
    let start = DEADLINE_SHARDS + place * LOOK_SHARDS;
    Some(start..start + LOOK_SHARDS)
}

/// Returns all partitions of the index `due`.
pub(super) fn due_shards() -> Range<u8> {
    0..LOOKED_AT.into_iter().filter_map(look_shards).map(|shards| shards.end).max().unwrap_or(DEADLINE_SHARDS)
}
