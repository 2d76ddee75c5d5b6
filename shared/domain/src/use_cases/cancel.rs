//! An agent takes a payment request back.

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
    /// The request is canceled, and its link is dead.
    Done(Box<PaymentRequest>),
    /// Something else came first.
    Refused(CancelRefusal),
    /// There is no such request that the caller may see.
    NotFound,
}

/// Cancels a request that the caller may change: one write.
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
            // The table allows what was refused: only a deadline that the clock had not reached can be the difference.
            None => Canceled::Refused(CancelRefusal::LinkExpired),
        },
        Changed::NotFound => Canceled::NotFound,
    })
}
