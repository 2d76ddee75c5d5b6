//! The use case of an agent who cancels a payment request.

use super::UseCaseError;
use super::expire::expire_overdue;
use crate::doors::Randomness;
use crate::id::{OperationId, PaymentRequestId};
use crate::payment_request::PaymentRequest;
use crate::people::{Caller, Scope};
use crate::ports::{Changed, Changes, StoreError};
use crate::status::Status;
use crate::time::Clock;
use crate::transition::{CancelRefusal, Change, Command};

/// The outcome of [`cancel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canceled {
    /// The request is canceled, and its link is invalid.
    Done(Box<PaymentRequest>),
    /// The request can no longer be canceled, for this reason.
    Refused(CancelRefusal),
    /// There is no such request, or the caller may not see it.
    NotFound,
}

/// Cancels a request that the caller may change, in one write.
///
/// A request past its deadline takes a second write, its expiry. Until that is written, a cancel or a click that began
/// before the deadline may still be applied, and the refusal would be wrong.
///
/// # Errors
/// The store failed.
pub async fn cancel(
    store: &impl Changes,
    doors: &(impl Clock + Randomness),
    caller: &Caller,
    id: PaymentRequestId,
) -> Result<Canceled, UseCaseError> {
    let now = doors.now();
    let change = Change {
        command: Command::Cancel,
        at: now,
        actor: caller.actor(),
        operation: OperationId::random(doors)?,
        scope: Scope::Audience(caller.audience()),
    };
    let refused = match store.change(id, &change).await? {
        Changed::Applied(request) => return Ok(Canceled::Done(request)),
        // The table allows canceling in this status, so the deadline has passed.
        Changed::Unchanged(request) if request.status == Status::Sent => expire_overdue(store, doors, id, now).await?,
        Changed::Unchanged(request) => Some(request),
        Changed::NotFound => None,
    };
    let Some(request) = refused else { return Ok(Canceled::NotFound) };
    let refusal = CancelRefusal::of(request.status).ok_or_else(StoreError::kept_changing)?;
    Ok(Canceled::Refused(refusal))
}
