//! The use case that refunds money which arrived too late.

use super::UseCaseError;
use super::payments::change_and_look;
use crate::doors::Randomness;
use crate::fact::Fact;
use crate::id::{OperationId, PaymentRequestId};
use crate::limits::LONGEST_PROCESSING;
use crate::payment_request::PaymentRequest;
use crate::people::Actor;
use crate::ports::{Changed, Changes, Facts, Links, Looks, PaymentProvider, ProviderError, Reads, Refunding};
use crate::status::Status;
use crate::time::Clock;
use crate::transition::{Change, Command};

/// The outcome of [`refund`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refunded {
    /// The refunded money has arrived.
    Done(Box<PaymentRequest>),
    /// The provider has accepted the refund, and will report when it is complete.
    UnderWay(Box<PaymentRequest>),
    /// The provider has accepted the refund, and will send it as soon as the account has sufficient funds.
    WaitsForFunds(Box<PaymentRequest>),
    /// The provider has accepted the refund, and reports a status that this version does not know.
    StatusUnknown(Box<PaymentRequest>),
    /// No refund is due.
    NotDue,
}

/// Refunds a request for which a refund is due: one read, one fact, the provider, one write. The provider's refund is
/// idempotent, so this use case can be retried from any point.
///
/// The fact says that chat2pay requested the refund. A provider may report a payment as refunded when it has only
/// accepted the refund. For a refund with the fact, later and more exact reports decide; for a person's refund that
/// report is the only one. So the fact is retracted when the provider rejects the refund: then a person may send it.
///
/// While a refund takes time, the customer waits for it. So their link is kept as long as for a payment in flight.
///
/// # Errors
/// The store or the provider failed.
pub async fn refund(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    id: PaymentRequestId,
) -> Result<Refunded, UseCaseError> {
    let Some(request) = store.get(id).await? else { return Ok(Refunded::NotDue) };
    let (Status::RefundDue, Some(payment)) = (request.status, &request.payment) else { return Ok(Refunded::NotDue) };
    if !request.has_fact(&Fact::RefundRequested) {
        // If the refund is no longer due, no fact is needed, and the provider repeats its earlier outcome.
        store.record_fact(id, &Fact::RefundRequested).await?;
    }
    let under_way = match provider.refund(&request, payment).await {
        Ok(Refunding::Done) => return complete(store, doors, id).await,
        Ok(Refunding::UnderWay) => Refunded::UnderWay,
        Ok(Refunding::WaitsForFunds) => Refunded::WaitsForFunds,
        Ok(Refunding::StatusUnknown) => Refunded::StatusUnknown,
        Err(provider @ ProviderError::Refused(_)) => {
            return Err(match store.retract_fact(id, &Fact::RefundRequested).await {
                Ok(_) => provider.into(),
                Err(store) => UseCaseError::Unsettled { provider, store },
            });
        }
        Err(error) => return Err(error.into()),
    };
    store.keep_link(&request.token, id, doors.now().saturating_add(LONGEST_PROCESSING)).await?;
    Ok(under_way(Box::new(request)))
}

/// Records that the refunded money has arrived.
async fn complete(
    store: &(impl Changes + Looks),
    doors: &(impl Clock + Randomness),
    id: PaymentRequestId,
) -> Result<Refunded, UseCaseError> {
    let change = Change::new(Command::CompleteRefund, doors.now(), Actor::Provider, OperationId::random(doors)?);
    Ok(match change_and_look(store, id, &change).await? {
        Changed::Applied(request) => Refunded::Done(request),
        Changed::Unchanged(_) | Changed::NotFound => Refunded::NotDue,
    })
}
