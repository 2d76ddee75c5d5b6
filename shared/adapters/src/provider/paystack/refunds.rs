//! Refunds. Paystack knows no idempotency key, so a refund is requested only after its transaction's refunds have been
//! listed, and the request is never repeated on its own: its answer may be lost.

use super::Paystack;
use super::client::{ApiRequest, PaystackError};
use super::objects::{Data, Page, Transaction, TransactionStatus};
use super::reference::Reference;
use crate::json::FromObject;
use crate::provider::answer::{InvalidResponse, Open};
use domain::ports::{ProviderError, Refunding};
use runtime::json::{Object, Unreadable};
use serde::Deserialize;
use serde_json::json;

/// The number of pages of refunds after which a list that should be about one transaction is not read on.
const PAGES_AT_MOST: u32 = 20;

/// A refund's status (<https://paystack.com/docs/payments/refunds/#refund-statuses>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RefundStatus {
    /// Paystack has accepted it.
    Pending,
    /// The processor has received it.
    Processing,
    /// Paystack wants the customer's bank account, which a person has to give.
    NeedsAttention,
    /// The money has gone back.
    Processed,
    /// The money will not go back, and is in the account again.
    Failed,
}

/// A refund (`RefundListResponseArray` in <https://github.com/PaystackOSS/openapi>).
#[derive(Debug, Clone)]
pub(super) struct Refund {
    /// Whether the refund names its transaction, ours or another system's.
    is_named: bool,
    /// The refunded transaction's number.
    transaction: Option<u64>,
    /// The refunded transaction's reference, if it is one of ours.
    pub(super) reference: Option<Reference>,
    pub(super) status: Open<RefundStatus>,
    /// The amount in hundredths.
    amount: i64,
}

impl FromObject for Refund {
    fn from_object(refund: &Object<'_>) -> Result<Self, Unreadable> {
        let transaction = refund.object("transaction");
        let reference = refund.optional::<String>("transaction_reference");
        let reference = reference.or_else(|| transaction.as_ref()?.optional("reference"));
        let transaction = transaction.map_or_else(|| refund.optional("transaction"), |object| object.optional("id"));
        Ok(Self {
            is_named: transaction.is_some() || reference.is_some(),
            transaction,
            reference: reference.as_deref().and_then(Reference::parse),
            status: Open::of_field(refund, "status"),
            amount: refund.required("amount")?,
        })
    }
}

impl Refund {
    /// Returns the amount that has gone back or is going back, in hundredths.
    fn taken(&self) -> i64 {
        if self.status == Open::Known(RefundStatus::Failed) { 0 } else { self.amount }
    }

    /// Returns the refund's outcome; `None` if it has failed.
    fn outcome(&self) -> Option<Refunding> {
        let Open::Known(status) = self.status else { return Some(Refunding::StatusUnknown) };
        match status {
            RefundStatus::Pending | RefundStatus::Processing => Some(Refunding::UnderWay),
            RefundStatus::NeedsAttention => Some(Refunding::WaitsForFunds),
            RefundStatus::Processed => Some(Refunding::Done),
            RefundStatus::Failed => None,
        }
    }
}

/// The refunds of one transaction.
#[derive(Debug)]
pub(super) struct Refunds(Vec<Refund>);

impl Refunds {
    /// Returns those of a transaction among these.
    pub(super) fn among(refunds: &[Refund], transaction: &Transaction) -> Self {
        let is_of_it = |refund: &&Refund| match (refund.transaction, refund.reference) {
            (Some(number), _) => number == transaction.number,
            (None, reference) => reference.is_some() && reference == transaction.reference,
        };
        Self(refunds.iter().filter(is_of_it).cloned().collect())
    }

    /// Returns the amount that has gone back or is going back, in hundredths.
    pub(super) fn taken(&self) -> i64 {
        self.0.iter().map(Refund::taken).fold(0, i64::saturating_add)
    }

    /// Returns the amount that has gone back, in hundredths.
    pub(super) fn processed(&self) -> i64 {
        let processed = self.0.iter().filter(|refund| refund.status == Open::Known(RefundStatus::Processed));
        processed.map(|refund| refund.amount).fold(0, i64::saturating_add)
    }

    /// Returns whether there is no refund.
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a refund is in this status.
    pub(super) fn any_is(&self, status: RefundStatus) -> bool {
        self.0.iter().any(|refund| refund.status == Open::Known(status))
    }

    /// Returns the outcome of refunds that cover the whole payment: that of the slowest.
    fn outcome(&self) -> Refunding {
        self.0.iter().filter_map(Refund::outcome).find(|outcome| *outcome != Refunding::Done).unwrap_or(Refunding::Done)
    }
}

impl Paystack {
    /// Returns the refunds of a transaction. Paystack filters by the transaction's number alone, and answers a
    /// reference with an empty list, as if there were no refund.
    ///
    /// # Errors
    /// Paystack failed, or ignores the filter and has more refunds than can be read.
    pub(super) async fn refunds_of(&self, transaction: &Transaction) -> Result<Refunds, ProviderError> {
        let mut refunds = Vec::new();
        for page in 1..=PAGES_AT_MOST {
            let path = format!("/refund?transaction={}&perPage=100&page={page}", transaction.number);
            let Page { elements, has_more } = self.client.send::<Page<Refund>>(&ApiRequest::get(path)).await?;
            refunds.extend(elements);
            // It could be the one that is looked for.
            if refunds.iter().any(|refund| !refund.is_named) {
                return Err(InvalidResponse("a refund does not name its transaction").into());
            }
            if !has_more {
                return Ok(Refunds::among(&refunds, transaction));
            }
        }
        Err(InvalidResponse("the refunds of one transaction have too many pages").into())
    }

    /// Refunds what is left of a payment, once. A refund that has failed is requested again. Paystack shows `reason` to
    /// the customer.
    pub(super) async fn refund_once(
        &self,
        reference: Reference,
        reason: &'static str,
    ) -> Result<Refunding, ProviderError> {
        let refused = |reason: &'static str| ProviderError::Refused(reason.into());
        let transaction = self.verify(reference).await?.ok_or_else(|| refused("Paystack does not know the payment"))?;
        let rest = |refunds: &Refunds| transaction.amount.saturating_sub(refunds.taken());
        let refunds = self.refunds_of(&transaction).await?;
        if rest(&refunds) <= 0 {
            return Ok(refunds.outcome());
        }
        // The money has gone back in another way, such as a dispute, for which a person is responsible. Paystack also
        // says so after a part has been refunded, or after a refund that failed in the end.
        if transaction.status == Open::Known(TransactionStatus::Reversed) && refunds.is_empty() {
            return Ok(Refunding::Done);
        }
        // The amount is always given: without it, Paystack asks for the whole payment, and not for what is left of it.
        let body = json!({
            "transaction": reference.to_string(),
            "amount": rest(&refunds),
            "currency": transaction.currency,
            "customer_note": reason,
            "merchant_note": format!("chat2pay, request {}: {reason}", reference.id),
        });
        let error = match self.client.send::<Data<Refund>>(&ApiRequest::post_once("/refund", body)).await {
            Ok(Data(refund)) => {
                return refund.outcome().ok_or_else(|| refused("the refund has failed"));
            }
            Err(error) => error,
        };
        // Somebody else's request, or an earlier one of ours, may have refunded the payment in the meantime.
        if matches!(&error, PaystackError::Refused(answer) if answer.status.is_client_error()) {
            let refunds = self.refunds_of(&transaction).await?;
            if rest(&refunds) <= 0 {
                return Ok(refunds.outcome());
            }
        }
        Err(error.into())
    }
}
