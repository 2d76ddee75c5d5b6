//! The use case of an agent who cancels a payment request.

use super::UseCaseError;
use crate::doors::Randomness;
use crate::id::{OperationId, PaymentRequestId};
use crate::payment_request::PaymentRequest;
use crate::people::{Actor, Caller, Scope};
use crate::ports::{Changed, Changes};
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
        actor: Actor::Agent(caller.agent.id.clone()),
        operation: OperationId::random(doors)?,
        scope: Scope::Audience(caller.audience()),
    };
    Ok(match store.change(id, &change).await? {
        Changed::Applied(request) => Canceled::Done(request),
        Changed::Unchanged(request) => match CancelRefusal::of(request.status_at(now)) {
            Some(refusal) => Canceled::Refused(refusal),
            // The table allows canceling in this status, so the deadline must have passed by the clock of the write.
            None => Canceled::Refused(CancelRefusal::LinkExpired),
        },
        Changed::NotFound => Canceled::NotFound,
    })
}
