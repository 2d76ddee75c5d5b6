//! The refunds of payments (<https://paystack.com/docs/payments/refunds/>).

use super::account::Account;
use super::error::{AccountError, ApiError};
use super::given::Given;
use super::objects::{
    Clauses, Refund, RefundStatus, RefundsEnd, Status, Transaction, load, next_id, save, transaction_by,
};
use super::shown;
use serde_json::Value;
use stand_in_host::checkout_page::FormValue;

/// The supported parameters of a new refund (`RefundCreate` in the published description).
pub(super) const REFUND: &[&str] = &["amount", "currency", "customer_note", "merchant_note", "transaction"];

impl FormValue for RefundsEnd {
    const EXPECTED: &'static str = "must be succeeded, waiting, needs-attention, failed or refused";
}

impl Account<'_> {
    /// Creates a refund: of the given amount, or else of all that has not been refunded yet. Returns the answer's data.
    pub(super) fn refund(&mut self, given: &Given) -> Result<Value, AccountError> {
        let mut transaction = self.transaction_to_refund(given)?;
        match transaction.status {
            Status::Success => {}
            Status::ReversalPending | Status::Reversed => return Err(ApiError::reversed().into()),
            _ => return Err(ApiError::invalid("Transaction is not successful, so that it cannot be refunded").into()),
        }
        if let Some(currency) = given.text("currency")?
            && currency != transaction.currency
        {
            return Err(ApiError::invalid("currency has to be that of the transaction").into());
        }
        let refunded = self.refunds_of(&transaction)?;
        let refunded: i64 =
            refunded.iter().filter(|refund| refund.status != RefundStatus::Failed).map(|of| of.amount).sum();
        let left = transaction.amount - refunded;
        if left == 0 {
            return Err(ApiError::reversed().into());
        }
        let amount = given.integer("amount")?.unwrap_or(left);
        if !(1..=left).contains(&amount) {
            return Err(ApiError::invalid("Refund amount cannot be more than what is left of the transaction").into());
        }
        if transaction.refunds_end == RefundsEnd::Refused {
            return Err(ApiError::insufficient_balance().into());
        }
        let note = |name: &str, default: String| Ok::<_, ApiError>(given.text(name)?.map_or(default, str::to_owned));
        let default = format!("Refund for transaction {}", transaction.reference);
        let mut refund = Refund {
            id: next_id::<Refund>(self.work)?,
            transaction: transaction.id,
            amount,
            currency: transaction.currency.clone(),
            status: RefundStatus::Pending,
            created_at: self.now,
            updated_at: self.now,
            refunded_at: None,
            customer_note: note("customer_note", default.clone())?,
            merchant_note: note("merchant_note", format!("{default} by the merchant"))?,
        };
        let answer = shown::requested_refund(&refund, &transaction, self.settings.domain);
        self.move_refund(&mut refund, &mut transaction, RefundStatus::Pending)?;
        let end = transaction.refunds_end;
        self.end_refund(&mut refund, &mut transaction, end)?;
        Ok(answer)
    }

    /// Sets how the refunds of a payment end: future ones, and those that are not at their end yet. Returns whether the
    /// transaction is paid.
    pub(super) fn end_refunds(&mut self, transaction: &mut Transaction, end: RefundsEnd) -> rusqlite::Result<bool> {
        transaction.refunds_end = end;
        save(self.work, transaction)?;
        for mut refund in self.refunds_of(transaction)?.into_iter().filter(|refund| refund.status.is_open()) {
            self.end_refund(&mut refund, transaction, end)?;
        }
        Ok(transaction.paid_at.is_some())
    }

    /// Moves an open refund to its end.
    fn end_refund(
        &mut self,
        refund: &mut Refund,
        transaction: &mut Transaction,
        end: RefundsEnd,
    ) -> rusqlite::Result<()> {
        let end = match end {
            RefundsEnd::Waiting | RefundsEnd::Refused => return Ok(()),
            RefundsEnd::Succeeded => RefundStatus::Processed,
            RefundsEnd::NeedsAttention => RefundStatus::NeedsAttention,
            RefundsEnd::Failed => RefundStatus::Failed,
        };
        if refund.status == RefundStatus::Pending {
            self.move_refund(refund, transaction, RefundStatus::Processing)?;
        }
        self.move_refund(refund, transaction, end)
    }

    /// Gives a refund a status and the transaction the one that follows from it, and tells the merchant.
    fn move_refund(
        &mut self,
        refund: &mut Refund,
        transaction: &mut Transaction,
        status: RefundStatus,
    ) -> rusqlite::Result<()> {
        refund.status = status;
        refund.updated_at = self.now;
        refund.refunded_at = (status == RefundStatus::Processed).then_some(self.now);
        save(self.work, refund)?;
        let refunds = self.refunds_of(transaction)?;
        let sum = |counts: fn(RefundStatus) -> bool| {
            refunds.iter().filter(|refund| counts(refund.status)).map(|refund| refund.amount).sum::<i64>()
        };
        transaction.status = if sum(|status| status == RefundStatus::Processed) == transaction.amount {
            Status::Reversed
        } else if sum(|status| status != RefundStatus::Failed) == transaction.amount {
            Status::ReversalPending
        } else {
            Status::Success
        };
        save(self.work, transaction)?;
        let reported = shown::reported_refund(refund, transaction, self.settings.domain);
        self.tell(&format!("refund.{}", status.name()), &reported)
    }

    fn refunds_of(&self, transaction: &Transaction) -> rusqlite::Result<Vec<Refund>> {
        Clauses::new::<Refund>().equal("transaction", transaction.id).load(self.work, i64::MAX, 0)
    }

    /// Returns the transaction to refund, which is named by its reference or its identifier.
    fn transaction_to_refund(&self, given: &Given) -> Result<Transaction, AccountError> {
        if let Some(id) = given.value("transaction").and_then(Value::as_i64) {
            return Ok(load(self.work, id)?.ok_or_else(|| ApiError::missing_object("Transaction"))?);
        }
        let name = given.text("transaction")?.ok_or_else(|| ApiError::missing("Transaction"))?;
        let mut found = transaction_by(self.work, "reference", name)?;
        if let (None, Ok(id)) = (&found, name.parse()) {
            found = load(self.work, id)?;
        }
        Ok(found.ok_or_else(|| ApiError::missing_object("Transaction"))?)
    }
}
