//! The use case of an agent who sends a payment request.

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
    /// A new request was created.
    New(Box<PaymentRequest>),
    /// The same details were sent under this key before. Holds the request created then, as it is now.
    Replayed(Box<PaymentRequest>),
    /// Other details were sent under this key before.
    KeyReused,
}

/// Creates a request, once per workspace and key, in two writes: the link first, then the request.
///
/// # Errors
/// The store failed. With a key, a retry is safe.
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
        // The first attempt was applied and its response lost; the store's retry then found the request.
        Inserted::Existing(existing) if existing.operations.contains(&operation) => Created::New(existing),
        Inserted::Existing(existing) if existing.fingerprint == request.fingerprint => Created::Replayed(existing),
        Inserted::Existing(_) => Created::KeyReused,
    })
}
