//! An agent sends a payment request.

use super::UseCaseError;
use crate::doors::Randomness;
use crate::id::{IdempotencyKey, OperationId, PaymentRequestId};
use crate::limits::Limits;
use crate::payment_request::{Details, PaymentRequest};
use crate::people::Caller;
use crate::ports::{Inserted, Inserts, Links};
use crate::time::Clock;
use crate::token::LinkToken;

/// The outcome of [`create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// There is a new request.
    New(Box<PaymentRequest>),
    /// The same was asked for before under this key. Holds what it became.
    Replayed(Box<PaymentRequest>),
    /// Something else was asked for before under this key.
    KeyReused,
}

/// Creates a request, once per workspace and key: two writes, the link first.
///
/// # Errors
/// The store failed; under a key, the same call again is safe.
pub async fn create(
    store: &(impl Links + Inserts),
    doors: &(impl Clock + Randomness),
    limits: &Limits,
    caller: Caller,
    details: Details,
    key: Option<&IdempotencyKey>,
) -> Result<Created, UseCaseError> {
    let now = doors.now();
    let id = match key {
        Some(key) => PaymentRequestId::from_key(&caller.workspace, key),
        None => PaymentRequestId::new(doors)?,
    };
    let fingerprint = key.map(|_| details.fingerprint());
    let operation = OperationId::random(doors)?;
    let mut request =
        PaymentRequest::new(id, caller, details, LinkToken::random(doors)?, now, limits.link, operation.clone());
    request.fingerprint = fingerprint;

    store.insert_link(&request.token, id, now.saturating_add(limits.link_kept())).await?;
    Ok(match store.insert(&request).await? {
        Inserted::New => Created::New(Box::new(request)),
        // The first try was applied and its answer lost; the second one met what it had written.
        Inserted::Existing(existing) if existing.operations.contains(&operation) => Created::New(existing),
        Inserted::Existing(existing) if existing.fingerprint == request.fingerprint => Created::Replayed(existing),
        Inserted::Existing(_) => Created::KeyReused,
    })
}
