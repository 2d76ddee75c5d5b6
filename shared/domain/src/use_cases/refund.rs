//! Money that came too late goes back.

use super::{UseCaseError, operation};
use crate::limits::LONGEST_PROCESSING;
use crate::ports::{Changed, PaymentProvider, ProviderError, Refunding, Store};
use crate::{Actor, Change, Clock, Command, OperationId, PaymentRequest, PaymentRequestId, Status};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refunded {
    /// The money went back.
    Done(Box<PaymentRequest>),
    /// The provider sends it, and reports when it is done.
    UnderWay(Box<PaymentRequest>),
    /// The provider sends it as soon as there is enough money in the account.
    WaitsForFunds(Box<PaymentRequest>),
    /// No refund is due.
    Nothing,
}

/// Refunds a request for which a refund is due: one read, a mark, the provider, one write. The provider sends money back
/// once however often it is asked, so this can be run again from any point.
///
/// The mark says that the refund is ours. A provider may report that a payment was refunded when it has only taken that on, and of
/// ours it says more exactly what became of it; of a person's refund that report is all there is. So the mark is taken back when the
/// provider refuses: then a person may send it.
///
/// Money that takes its time has a customer who waits for it, so their link is kept as long as for money that is on its way here.
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
    if !request.operations.contains(&OperationId::of_asked_refund()) {
        store.mark_refund(id).await?;
    }
    let under_way = match provider.refund(&request, payment).await {
        Ok(Refunding::Done) => return complete(store, clock, id).await,
        Ok(Refunding::UnderWay) => Refunded::UnderWay,
        Ok(Refunding::WaitsForFunds) => Refunded::WaitsForFunds,
        Err(provider @ ProviderError::Refused(_)) => {
            return Err(match store.unmark_refund(id).await {
                Ok(()) => provider.into(),
                Err(store) => UseCaseError::Unsettled { provider, store },
            });
        }
        Err(error) => return Err(error.into()),
    };
    store.keep_link(&request.token, id, clock.now().saturating_add(LONGEST_PROCESSING)).await?;
    Ok(under_way(Box::new(request)))
}

/// Writes down that the money has gone back.
async fn complete(store: &impl Store, clock: &impl Clock, id: PaymentRequestId) -> Result<Refunded, UseCaseError> {
    let change = Change::new(Command::CompleteRefund, clock.now(), Actor::Provider, operation()?);
    Ok(match store.change(id, &change).await? {
        Changed::Applied(request) => Refunded::Done(request),
        Changed::Unchanged(_) | Changed::NotFound => Refunded::Nothing,
    })
}
