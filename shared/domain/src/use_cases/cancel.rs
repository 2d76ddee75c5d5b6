//! An agent takes a payment request back.

use super::{UseCaseError, operation};
use crate::ports::{Changed, Store};
use crate::{Actor, Caller, CancelRefusal, Change, Clock, Command, PaymentRequest, PaymentRequestId};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canceled {
    /// The link is dead.
    Done(Box<PaymentRequest>),
    /// Something else was faster.
    Refused(CancelRefusal),
    /// There is no such request that the caller may see.
    NotFound,
}

/// Cancels a request within the caller's scope: one write.
///
/// # Errors
/// The store failed.
pub async fn cancel(
    store: &impl Store,
    clock: &impl Clock,
    caller: &Caller,
    id: PaymentRequestId,
) -> Result<Canceled, UseCaseError> {
    let now = clock.now();
    let change = Change {
        command: Command::Cancel,
        at: now,
        actor: Actor::Agent(caller.agent.id.clone()),
        operation: operation()?,
        scope: caller.scope(),
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
