//! The port for what a payment provider took and gave back.

use crate::currency::Currency;
use crate::id::PaymentRequestId;
use crate::money::Money;
use crate::ports::ProviderError;
use crate::time::Timestamp;

/// A span of time: from `from` (inclusive) to `to` (exclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
}

impl Window {
    /// Returns whether a moment lies within the window.
    #[must_use]
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }
}

/// A provider's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettlementList {
    /// The payments that customers made in the window. Those whose money is going back may be missing: they are in the
    /// list of refunds.
    Payments,
    /// The refunds that were requested in the window, by chat2pay or by a person.
    Refunds,
    /// The disputes that were opened in the window.
    Disputes,
}

/// The state of a payment's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettlementState {
    /// The money has arrived.
    Settled,
    /// The money is in flight, or has a state that this version does not know. It counts as "not yet".
    Pending,
    /// The money will not arrive.
    Failed,
}

/// The provider's fee for a payment, in the currency that the account is paid out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fee {
    /// The fee in the minor unit of its currency; 0 is possible.
    pub minor_units: i64,
    /// The currency.
    pub currency: Currency,
}

/// A payment as its provider knows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderPayment {
    /// The provider's own identifier of the payment.
    pub reference: String,
    /// The request that the payment is of.
    pub id: PaymentRequestId,
    /// The amount and its currency; `None` if no request can have asked for it.
    pub money: Option<Money>,
    /// The time at which the customer paid.
    pub paid_at: Timestamp,
    /// The state of the money.
    pub state: SettlementState,
    /// The money that has gone back, in flight included; `None` if none has.
    pub refunded: Option<Money>,
    /// Whether the customer has disputed the payment.
    pub disputed: bool,
    /// The fee, where the list has it.
    pub fee: Option<Fee>,
    /// The entry in the account's balance by which a payout names the payment, where the list has it.
    pub balance_entry: Option<String>,
    /// The payout that brought the money to the merchant's bank, where the list has it.
    pub payout: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaymentsPage {
    /// The payments of requests of ours, as they are now. For a list of refunds or disputes these are the payments that
    /// they are about. Money of other systems in the same account is left out.
    pub payments: Vec<ProviderPayment>,
    /// The number of values that this version does not know.
    pub unknown: usize,
    /// The place at which the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// An entry of a payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// The payout.
    pub payout: String,
    /// See [`ProviderPayment::balance_entry`].
    pub balance_entry: String,
}

/// One page of the entries of payouts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PayoutsPage {
    /// The entries.
    pub entries: Vec<Payout>,
    /// The place at which the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// What a payment provider took and gave back.
pub trait Settlements: Send + Sync {
    /// Returns one page of a list, from a place that an earlier page returned. A page is bounded by the provider, 100
    /// elements at most. Elements may come in any order, and each comes at least once.
    ///
    /// # Errors
    /// [`ProviderError::Unreadable`] if the page cannot be read, or an element of it that is about a request of ours.
    fn settlements(
        &self,
        list: SettlementList,
        window: Window,
        place: Option<&str>,
    ) -> impl Future<Output = Result<PaymentsPage, ProviderError>> + Send;

    /// Returns one payment as it is now; `None` if the provider has no such payment of a request of ours.
    fn payment(&self, reference: &str) -> impl Future<Output = Result<Option<ProviderPayment>, ProviderError>> + Send;

    /// Returns one page of the entries of the payouts that were made in the window. A provider whose payments name
    /// their payouts returns none.
    fn payouts(
        &self,
        window: Window,
        place: Option<&str>,
    ) -> impl Future<Output = Result<PayoutsPage, ProviderError>> + Send;
}
