//! The table's items as they are written; `read.rs` reads them. Every attribute name adds its length to each item, so
//! the names are as short as is possible without abbreviations.

use super::keys::{deadline_shard, link_key, request_key, workspace_agent, workspace_month};
use domain::people::ActorType;
use domain::ports::Position;
use domain::{
    Actor, Agent, AgentId, Amount, CheckoutId, ConversationId, Currency, CustomerName, Description, EmailAddress, Fact,
    Fingerprint, HistoryEntry, LinkToken, Metadata, OperationId, OrderNumber, Payment, PaymentRequest,
    PaymentRequestId, Phone, Reason, Status, Timestamp, WorkspaceId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A link's item, which leads from a token to a request. A press adds `checkout_id` and `checkout_url`, `called_at`
/// with the time of the latest call to the provider, and `attempts` with the number of the latest attempt to create the
/// checkout, unless that is the first. Its key is a secret, so it has no `Debug`.
#[derive(Serialize)]
pub(super) struct LinkItem {
    /// `LINK#<token>`
    pk: String,
    /// The request that the token leads to.
    request_id: PaymentRequestId,
    /// The time at which DynamoDB deletes the item, in seconds since the Unix epoch.
    ttl: i64,
}

impl LinkItem {
    /// Builds the item by which `token` leads to the request until `kept_until`.
    pub(super) fn new(token: &LinkToken, request_id: PaymentRequestId, kept_until: Timestamp) -> Self {
        Self { pk: link_key(token), request_id, ttl: kept_until.as_seconds_ceiling() }
    }
}

/// One history entry. Its version is its position in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryItem {
    status: Status,
    #[serde(with = "milliseconds")]
    at: Timestamp,
    actor: ActorType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_id: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// The item of a payment request, with everything about it. It holds the link's token, so it has no `Debug`.
#[derive(Serialize)]
pub(super) struct RequestItem {
    pk: String,
    status: Status,
    version: usize,
    workspace: WorkspaceId,
    agent: Agent,
    order_number: OrderNumber,
    amount: Amount,
    currency: Currency,
    phone: Phone,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_name: Option<CustomerName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<EmailAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<ConversationId>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
    token: String,
    #[serde(with = "milliseconds")]
    link_until: Timestamp,
    /// The range key of the index `due`: the deadline or, once a look at the provider has been scheduled, the time of
    /// the latest such look. From then on the attribute `deadline` has the deadline. Late money is judged by it, so it
    /// is kept after the request's end.
    #[serde(with = "milliseconds")]
    due_at: Timestamp,
    /// The hash key of the index `due`. It is present only while a deadline runs or a look is to come: without it, the
    /// index does not contain the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_shard: Option<u8>,
    history: Vec<EntryItem>,
    #[serde(with = "serde_dynamo::string_set")]
    operations: BTreeSet<OperationId>,
    /// The time of the last change, in milliseconds, for the conditions of writes: they cannot look at the end of a
    /// list. Items that release 0.1 wrote lack it. Its value is never used; the history has the time too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<i64>,
    /// All texts of all facts; absent if there is none, because DynamoDB stores no empty set.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "serde_dynamo::string_set")]
    facts: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkout_id: Option<CheckoutId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<Payment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    /// The hash key of the index `by_agent`.
    workspace_agent: String,
    /// The hash key of the index `by_month`.
    workspace_month: String,
    /// The range key of both, ordered by time of creation.
    created: String,
    /// The time at which DynamoDB deletes the item, in seconds since the Unix epoch; absent until the request has
    /// ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
}

mod milliseconds {
    use domain::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
    pub(super) fn serialize<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(timestamp.as_milliseconds())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_milliseconds(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl From<&HistoryEntry> for EntryItem {
    fn from(entry: &HistoryEntry) -> Self {
        let (actor, actor_id) = entry.actor.parts();
        Self { status: entry.status, at: entry.at, actor, actor_id: actor_id.cloned(), reason: entry.reason.clone() }
    }
}

impl From<EntryItem> for HistoryEntry {
    fn from(item: EntryItem) -> Self {
        let actor = Actor::from_parts(item.actor, item.actor_id);
        Self { status: item.status, at: item.at, actor, reason: item.reason }
    }
}

impl From<&PaymentRequest> for RequestItem {
    /// Builds the item of a new request, for its insert.
    fn from(request: &PaymentRequest) -> Self {
        let details = &request.details;
        Self {
            pk: request_key(request.id),
            status: request.status,
            version: request.version(),
            workspace: request.workspace.clone(),
            agent: request.agent.clone(),
            order_number: details.order_number.clone(),
            amount: details.money.amount,
            currency: details.money.currency,
            phone: details.customer.phone.clone(),
            customer_name: details.customer.name.clone(),
            email: details.customer.email.clone(),
            description: details.description.clone(),
            conversation_id: details.conversation_id.clone(),
            metadata: details.metadata.clone(),
            token: request.token.reveal(),
            link_until: request.click_deadline,
            due_at: request.deadline,
            due_shard: request.due_at.map(|_| deadline_shard(request.id)),
            history: request.history.iter().map(EntryItem::from).collect(),
            operations: request.operations.clone(),
            updated_at: Some(request.updated_at().as_milliseconds()),
            facts: request.facts.iter().flat_map(Fact::texts).collect(),
            checkout_id: request.checkout.clone(),
            payment: request.payment.clone(),
            fingerprint: request.fingerprint.clone(),
            workspace_agent: workspace_agent(&request.workspace, &request.agent.id),
            workspace_month: workspace_month(&request.workspace, &request.created_at.month()),
            created: Position::after(request).to_string(),
            ttl: None,
        }
    }
}
