//! The changes that a payment makes. They are the same whether the provider reports the payment or is polled for it.

use super::UseCaseError;
use crate::id::{OperationId, PaymentRequestId};
use crate::limits::LONGEST_PROCESSING;
use crate::money::Money;
use crate::payment_request::Payment;
use crate::people::Actor;
use crate::ports::{Changed, Changes, Links};
use crate::status::Status;
use crate::time::Timestamp;
use crate::transition::{Change, Command};

/// Returns the change for money that has arrived. It is the same however often the payment is reported.
pub(super) fn paid(payment: Payment, money: Money, now: Timestamp) -> Change {
    let operation = OperationId::of_message(&format!("{}:{}", payment.provider, payment.reference));
    Change::new(Command::Pay { payment, money }, now, Actor::Provider, operation)
}

/// Records that a payment's money is in flight, and keeps the customer's link for as long as that may take. Otherwise
/// the link would be deleted a minute after both time limits, and the customer could no longer look up the payment.
///
/// If the process stops between the two writes, a repeated report makes the second one, because a repeat counts as
/// applied too.
pub(super) async fn process(
    store: &(impl Links + Changes),
    id: PaymentRequestId,
    payment: Payment,
    money: Money,
    now: Timestamp,
) -> Result<Changed, UseCaseError> {
    let operation = OperationId::of_message(&format!("{}:{}:processing", payment.provider, payment.reference));
    let change = Change::new(Command::Process { payment, money }, now, Actor::Provider, operation);
    let changed = store.change(id, &change).await?;
    if let Changed::Applied(request) = &changed
        && request.status == Status::Processing
    {
        store.keep_link(&request.token, id, now.saturating_add(LONGEST_PROCESSING)).await?;
    }
    Ok(changed)
}
