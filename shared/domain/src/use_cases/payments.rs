//! The changes that a payment makes, the same ones whether the provider reports it by itself or is asked.

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

/// Returns the change that money makes which has arrived, the same one however often it is reported.
pub(super) fn paid(payment: Payment, money: Money, now: Timestamp) -> Change {
    let operation = OperationId::of_message(&format!("{}:{}", payment.provider, payment.reference));
    Change::new(Command::Pay { payment, money }, now, Actor::Provider, operation)
}

/// Records that a payment's money is in flight, and keeps the customer's link for as long as that may take. The link
/// would be gone a minute after both time limits, and whoever waits for their money to arrive could not look any more.
///
/// If something stops between the two writes, a repeat of the report makes up for it: it counts as applied too.
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
