//! The use case of an agent who sends a payment request, or of a service that sends one for an agent.

use super::UseCaseError;
use crate::doors::Randomness;
use crate::id::{Fingerprint, IdempotencyKey, OperationId, PaymentRequestId};
use crate::limits::{CREATION_PERIOD, CreationLimit, Limits};
use crate::payment_request::{Details, PaymentRequest};
use crate::people::{Identity, Sender};
use crate::ports::{Creations, Inserted, Inserts, Links, Reads};
use crate::time::{Clock, Timestamp};
use crate::token::LinkToken;
use std::time::Duration;

/// The outcome of [`create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// A new request was created.
    New(Box<PaymentRequest>),
    /// The same details were sent under this key before. Holds the request created then, as it is now.
    Replayed(Box<PaymentRequest>),
    /// The key was used before, for other details or for a request that the caller may not see.
    KeyReused,
    /// The agent has created as many requests in the last minute as they may. Nothing was created.
    LimitReached {
        /// The time until one more can be created.
        retry_after: Duration,
    },
}

/// Creates a request, once per workspace and key, in two writes: the link first, then the request. If `creation_limit`
/// is set, one read before them counts the agent's latest requests.
///
/// # Errors
/// The store failed. With a key, a retry is safe.
pub async fn create(
    store: &(impl Links + Inserts + Reads + Creations),
    doors: &(impl Clock + Randomness),
    limits: &Limits,
    creation_limit: CreationLimit,
    sender: Sender,
    details: Details,
    key: Option<&IdempotencyKey>,
) -> Result<Created, UseCaseError> {
    let now = doors.now();
    let id = match key {
        Some(key) => PaymentRequestId::from_key(&sender.caller.workspace, key),
        None => PaymentRequestId::new(doors)?,
    };
    let fingerprint = key.map(|_| details.fingerprint());
    if let Some(retry_after) = limit_reached(store, creation_limit, &sender, now).await? {
        // A replay creates nothing, so it is not limited.
        return Ok(match store.get(id).await? {
            Some(existing) => repeated(Box::new(existing), fingerprint.as_ref(), &sender),
            None => Created::LimitReached { retry_after },
        });
    }
    let operation = OperationId::random(doors)?;
    let mut request = PaymentRequest::new(
        id,
        sender.clone(),
        details,
        LinkToken::random(doors)?,
        now,
        limits.link,
        operation.clone(),
    );
    request.fingerprint = fingerprint;

    store.insert_link(&request.token, id, now.saturating_add(limits.link_kept())).await?;
    Ok(match store.insert(&request).await? {
        Inserted::New => Created::New(Box::new(request)),
        // The first attempt was applied and its response lost; the store's retry then found the request.
        Inserted::Existing(existing) if existing.operations.contains(&operation) => Created::New(existing),
        Inserted::Existing(existing) => repeated(existing, request.fingerprint.as_ref(), &sender),
    })
}

/// Judges a create whose identifier belongs to a request that existed before. A service names the agent in the body, so
/// another agent is another body.
fn repeated(existing: Box<PaymentRequest>, fingerprint: Option<&Fingerprint>, sender: &Sender) -> Created {
    let Sender { caller, agent } = sender;
    let visible = caller.audience().covers(&existing.workspace, &existing.agent.id);
    let is_for_another = matches!(caller.identity, Identity::Service(_)) && existing.agent != *agent;
    if visible && !is_for_another && existing.fingerprint.as_ref() == fingerprint {
        Created::Replayed(existing)
    } else {
        Created::KeyReused
    }
}

/// Returns the time until the agent may create another request; `None` if they may now.
async fn limit_reached(
    store: &impl Creations,
    limit: CreationLimit,
    sender: &Sender,
    now: Timestamp,
) -> Result<Option<Duration>, UseCaseError> {
    let Some(at_most) = limit.requests() else { return Ok(None) };
    let since = now.saturating_sub(CREATION_PERIOD);
    let latest = store.latest_creations(&sender.caller.workspace, &sender.agent.id, since, at_most).await?;
    // Once the oldest of as many requests as are allowed has left the period, there is room for one more.
    let oldest = latest.get(at_most - 1);
    Ok(oldest.map(|created_at| created_at.saturating_add(CREATION_PERIOD).saturating_duration_since(now)))
}
