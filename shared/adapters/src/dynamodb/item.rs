//! What the table's items look like. Every attribute name costs its length in each item, so they are short where they
//! can be without being abbreviations.

use domain::people::ActorType;
use domain::ports::Position;
use domain::{
    Actor, Agent, AgentId, Amount, CheckoutId, ConversationId, Currency, Customer, CustomerName, Description, Details,
    Fingerprint, HistoryEntry, Invalid, LinkToken, Metadata, Money, OperationId, OrderNumber, Payment, PaymentRequest,
    PaymentRequestId, Phone, Reason, Status, Timestamp, WorkspaceId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many parts the index of what is due has, so that a burst of requests does not meet in one partition.
pub const DUE_SHARDS: u8 = 16;

const REQUEST: &str = "REQ#";
const LINK: &str = "LINK#";

/// The key of a request's item.
#[must_use]
pub fn request_key(id: PaymentRequestId) -> String {
    format!("{REQUEST}{id}")
}

/// The request that a key belongs to; none for the key of anything else.
#[must_use]
pub fn request_of_key(key: &str) -> Option<PaymentRequestId> {
    key.strip_prefix(REQUEST)?.parse().ok()
}

/// The key of a link's item.
#[must_use]
pub fn link_key(token: &LinkToken) -> String {
    format!("{LINK}{}", token.reveal())
}

/// A link: it leads from a token to a request. Its key is a secret, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkItem {
    /// `LINK#<token>`
    pub pk: String,
    /// Where it leads.
    pub request_id: PaymentRequestId,
    /// When DynamoDB removes it, in seconds since the Unix epoch.
    pub ttl: i64,
}

impl LinkItem {
    /// The item by which `token` leads to the request until then.
    #[must_use]
    pub fn new(token: &LinkToken, request_id: PaymentRequestId, until: Timestamp) -> Self {
        Self { pk: link_key(token), request_id, ttl: until.as_seconds_ceiling() }
    }
}

/// One history entry. Its version is its place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryItem {
    status: Status,
    #[serde(with = "milliseconds")]
    at: Timestamp,
    actor: ActorType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_id: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// A payment request with everything about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestItem {
    pk: String,
    status: Status,
    version: usize,
    workspace: WorkspaceId,
    agent: Agent,
    order_number: OrderNumber,
    amount: Amount,
    currency: Currency,
    phone: Phone,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_name: Option<CustomerName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conversation_id: Option<ConversationId>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
    token: Token,
    #[serde(with = "milliseconds")]
    link_until: Timestamp,
    /// The range key of the index `due`; kept after the request has ended, because late money is judged by it.
    #[serde(with = "milliseconds")]
    due_at: Timestamp,
    /// The hash key of the index `due`, there only while a deadline runs: without it the item leaves the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_shard: Option<u8>,
    history: Vec<EntryItem>,
    #[serde(with = "serde_dynamo::string_set")]
    operations: BTreeSet<OperationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkout_id: Option<CheckoutId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment: Option<Payment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    /// The hash key of the index `by_agent`.
    workspace_agent: String,
    /// The hash key of the index `by_month`.
    workspace_month: String,
    /// The range key of both: newest last.
    created: String,
    /// When DynamoDB removes the item, in seconds since the Unix epoch; there once the request has come to rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
}

/// A token as the item holds it; redacted wherever the item is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(redacted)")
    }
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

/// The hash key of the index `by_agent`. A workspace holds no `#`, so no two pairs give the same key.
pub(super) fn workspace_agent(workspace: &WorkspaceId, agent: &AgentId) -> String {
    format!("{workspace}#{agent}")
}

/// The hash key of the index `by_month`, for a month written `yyyy-mm`.
pub(super) fn workspace_month(workspace: &WorkspaceId, month: &str) -> String {
    format!("{workspace}#{month}")
}

pub(super) fn due_shard(id: PaymentRequestId) -> u8 {
    let [.., last] = id.as_bytes();
    last % DUE_SHARDS
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
    /// The item of a request that is open, as it is when it is inserted.
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
            description: details.description.clone(),
            conversation_id: details.conversation_id.clone(),
            metadata: details.metadata.clone(),
            token: Token(request.token.reveal()),
            link_until: request.link_deadline,
            due_at: request.deadline,
            due_shard: request.status.is_open().then(|| due_shard(request.id)),
            history: request.history.iter().map(EntryItem::from).collect(),
            operations: request.operations.clone(),
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

impl TryFrom<RequestItem> for PaymentRequest {
    type Error = Invalid;

    fn try_from(item: RequestItem) -> Result<Self, Invalid> {
        let Position { created_at, id } = item.created.parse()?;
        Ok(Self {
            id,
            workspace: item.workspace,
            agent: item.agent,
            details: Details {
                order_number: item.order_number,
                money: Money { amount: item.amount, currency: item.currency },
                customer: Customer { phone: item.phone, name: item.customer_name },
                description: item.description,
                conversation_id: item.conversation_id,
                metadata: item.metadata,
            },
            token: item.token.0.parse()?,
            created_at,
            link_deadline: item.link_until,
            status: item.status,
            deadline: item.due_at,
            history: item.history.into_iter().map(HistoryEntry::from).collect(),
            operations: item.operations,
            checkout: item.checkout_id,
            payment: item.payment,
            fingerprint: item.fingerprint,
        })
    }
}
