//! The JSON representation of a payment request, the same on every route.

use domain::event::{Link, link_url};
use domain::{Actor, Agent, Customer, Metadata, Payment, PaymentRequest, Reason, Status, Timestamp};
use serde::Serialize;

/// A payment request.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PaymentRequest"))]
pub struct Representation<'a> {
    id: domain::PaymentRequestId,
    status: Status,
    /// The number of entries in the history.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    version: usize,
    workspace: &'a domain::WorkspaceId,
    agent: &'a Agent,
    order_number: &'a domain::OrderNumber,
    amount: domain::Amount,
    currency: domain::Currency,
    customer: &'a Customer,
    description: Option<&'a domain::Description>,
    conversation_id: Option<&'a domain::ConversationId>,
    metadata: &'a Metadata,
    /// Null once the request no longer waits for the customer.
    link: Option<Link>,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Every change, oldest first.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    history: Vec<Entry<'a>>,
    /// The money that arrived or is on its way; null before that.
    payment: Option<&'a Payment>,
    /// Whether the customer may still pay, although the request has expired. Present only when it is true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    payment_page_may_be_open: bool,
}

/// One change of a payment request.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "HistoryEntry"))]
struct Entry<'a> {
    /// The entry's position in the history, counted from 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    version: usize,
    status: Status,
    at: Timestamp,
    actor: &'a Actor,
    reason: Option<&'a Reason>,
}

/// Builds the representation of a request at `now`, which was read from the clock before the request was read from the
/// store ([`PaymentRequest::status_at`]).
#[must_use]
pub fn representation<'a>(request: &'a PaymentRequest, now: Timestamp, public_base_url: &str) -> Representation<'a> {
    let status = request.status_at(now);
    let history = request.history.iter().enumerate().map(|(index, entry)| Entry {
        version: index + 1,
        status: entry.status,
        at: entry.at,
        actor: &entry.actor,
        reason: entry.reason.as_ref(),
    });
    let details = &request.details;
    Representation {
        id: request.id,
        status,
        version: request.version(),
        workspace: &request.workspace,
        agent: &request.agent,
        order_number: &details.order_number,
        amount: details.money.amount,
        currency: details.money.currency,
        customer: &details.customer,
        description: details.description.as_ref(),
        conversation_id: details.conversation_id.as_ref(),
        metadata: &details.metadata,
        link: status.is_open().then(|| Link { url: link_url(request, public_base_url), expires_at: request.deadline }),
        created_at: request.created_at,
        updated_at: request.updated_at(),
        history: history.collect(),
        payment: request.payment.as_ref(),
        payment_page_may_be_open: request.payment_page_may_be_open(),
    }
}
