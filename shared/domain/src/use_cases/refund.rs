//! Money that came too late goes back.

use super::{UseCaseError, operation};
use crate::ports::{Changed, PaymentProvider, Store};
use crate::{Actor, Change, Clock, Command, PaymentRequest, PaymentRequestId, Status};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refunded {
    /// The money went back.
    Done(Box<PaymentRequest>),
    /// No refund is due.
    Nothing,
}

/// Refunds a request for which a refund is due: one read, the provider, one write. The provider sends money back once
/// however often it is asked, so this can be run again from any point.
///
/// # Errors
/// The store or the provider failed.
pub async fn refund(
    store: &impl Store,
    provider: &impl PaymentProvider,
    clock: &impl Clock,
    id: PaymentRequestId,
) -> Result<Refunded, UseCaseError> {
    let Some(request) = store.get(id).await? else { return Ok(Refunded::Nothing) };
    let (Status::RefundDue, Some(payment)) = (request.status, &request.payment) else { return Ok(Refunded::Nothing) };
    provider.refund(&request, payment).await?;
    let change = Change::new(Command::CompleteRefund, clock.now(), Actor::Provider, operation()?);
    Ok(match store.change(id, &change).await? {
        Changed::Applied(request) => Refunded::Done(request),
        Changed::Unchanged(_) | Changed::NotFound => Refunded::Nothing,
    })
}
