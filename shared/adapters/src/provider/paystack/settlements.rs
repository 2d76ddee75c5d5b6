//! What Paystack took and gave back: transactions, refunds and disputes, each of which leads to its transaction.
//!
//! Paystack lists transactions by when their page was created, not by when they were paid
//! (<https://paystack.com/docs/api/transaction/#list>). So the list begins earlier than the window, and what was paid
//! outside of the window is left out.

use super::client::ApiRequest;
use super::currency::minor_units;
use super::objects::{Page, Transaction, TransactionStatus};
use super::reference::Reference;
use super::refunds::{Refund, Refunds};
use super::{AT_ONCE, Paystack};
use crate::json::FromObject;
use crate::provider::answer::Open;
use crate::provider::budget::within_budget;
use domain::Timestamp;
use domain::limits::LOOKS_AT_EXPIRED;
use domain::ports::{
    Fee, PaymentsPage, Payout, PayoutsPage, ProviderError, ProviderPayment, SettlementList, SettlementState,
    Settlements, Window,
};
use futures::{StreamExt as _, TryStreamExt as _};
use runtime::json::{Object, Unreadable};
use std::collections::BTreeSet;
use std::time::Duration;

/// The statuses of transactions whose money has arrived, by which Paystack filters. Those whose refund is pending are
/// found by their refunds.
const LISTED: [&str; 2] = ["success", "reversed"];

/// The number of refunds or disputes on a page. For each of ours, its transaction is asked for.
const PER_PAGE: u32 = 25;

/// The number of pages of refunds above which each payment's refunds are asked for alone.
const PAGES_OF_REFUNDS: u32 = 10;

/// A dispute (`DisputeListResponseArray` in <https://github.com/PaystackOSS/openapi>): of it only its transaction.
struct Dispute(Option<Reference>);

impl FromObject for Dispute {
    fn from_object(dispute: &Object<'_>) -> Result<Self, Unreadable> {
        let transaction = dispute.object("transaction");
        let reference = transaction.and_then(|transaction| transaction.optional::<String>("reference"));
        Ok(Self(reference.as_deref().and_then(Reference::parse)))
    }
}

/// A payout (<https://paystack.com/docs/api/settlement/#list>).
struct Settlement {
    id: u64,
    made_at: Option<Timestamp>,
}

impl FromObject for Settlement {
    fn from_object(settlement: &Object<'_>) -> Result<Self, Unreadable> {
        let moment = |name| settlement.optional::<String>(name)?.parse().ok();
        let made_at = moment("settlement_date").or_else(|| moment("createdAt"));
        Ok(Self { id: settlement.required("id")?, made_at })
    }
}

/// A place in a list of transactions: the status that is listed, and the number of the page.
fn transactions_place(place: Option<&str>) -> Option<(usize, u32)> {
    let Some(place) = place else { return Some((0, 1)) };
    let (list, page) = place.split_once(':')?;
    let list = list.parse().ok().filter(|list| *list < LISTED.len())?;
    Some((list, page.parse().ok()?))
}

fn unknown_place() -> ProviderError {
    ProviderError::Refused("the place is not one of Paystack's".into())
}

/// Converts a transaction of ours, and returns whether its status is known. Returns `None` for other money, and for a
/// page on which nobody has paid.
fn payment_of(transaction: &Transaction, refunds: &Refunds) -> Option<(ProviderPayment, bool)> {
    use TransactionStatus as Status;
    let (reference, paid_at) = (transaction.ours()?, transaction.paid_at()?);
    let money = transaction.money();
    let state = match transaction.status {
        Open::Known(Status::Success | Status::Reversed | Status::ReversalPending) => SettlementState::Settled,
        Open::Known(Status::Failed | Status::Abandoned) => SettlementState::Failed,
        Open::Known(Status::Ongoing | Status::Pending | Status::Processing | Status::Queued) | Open::Unknown => {
            SettlementState::Pending
        }
    };
    let refunded = match refunds.taken() {
        // The whole payment went back without a refund, such as by a dispute.
        0 if transaction.status == Open::Known(Status::Reversed) => money,
        0 => None,
        taken => transaction.part(taken),
    };
    let fee = transaction.fees.and_then(|fees| minor_units(fees, &transaction.currency));
    let payment = ProviderPayment {
        reference: reference.to_string(),
        id: reference.id,
        money,
        paid_at,
        state,
        refunded,
        disputed: false,
        fee: fee.map(|(minor_units, currency)| Fee { minor_units, currency }),
        balance_entry: Some(reference.to_string()),
        payout: None,
    };
    Some((payment, transaction.status != Open::Unknown))
}

/// Builds a page of payments, each with whether its status is known.
fn page_of(payments: impl Iterator<Item = (ProviderPayment, bool)>, next: Option<String>) -> PaymentsPage {
    let mut page = PaymentsPage { next, ..PaymentsPage::default() };
    for (payment, is_known) in payments {
        page.payments.push(payment);
        page.unknown += usize::from(!is_known);
    }
    page
}

impl Paystack {
    async fn list<T: FromObject>(&self, path: String) -> Result<Page<T>, ProviderError> {
        within_budget(async { Ok(self.client.send::<Page<T>>(&ApiRequest::get(path)).await?) }).await
    }

    /// Converts the transactions with these references.
    async fn payments_of(&self, references: BTreeSet<Reference>) -> Result<PaymentsPage, ProviderError> {
        let asked = futures::stream::iter(references).map(async |reference| {
            within_budget(async {
                let Some(transaction) = self.verify(reference).await? else { return Ok(None) };
                Ok(payment_of(&transaction, &self.refunds_of(&transaction).await?))
            })
            .await
        });
        let payments: Vec<_> = asked.buffered(AT_ONCE).try_collect().await?;
        Ok(page_of(payments.into_iter().flatten(), None))
    }

    async fn transactions(&self, window: Window, place: Option<&str>) -> Result<PaymentsPage, ProviderError> {
        let (list, page) = transactions_place(place).ok_or_else(unknown_place)?;
        let status = LISTED.get(list).ok_or_else(unknown_place)?;
        let from = window.from.saturating_sub(LOOKS_AT_EXPIRED);
        let path = format!("/transaction?status={status}&from={from}&to={}&page={page}", window.to);
        let Page { elements, has_more } = self.list::<Transaction>(path).await?;
        let is_listed = |transaction: &Transaction| {
            transaction.ours().is_some() && transaction.paid_at().is_some_and(|paid_at| window.contains(paid_at))
        };
        let elements: Vec<Transaction> = elements.into_iter().filter(is_listed).collect();
        let refunds = self.refunds_of_all(&elements, window).await?;
        let payments =
            elements.iter().zip(&refunds).filter_map(|(transaction, refunds)| payment_of(transaction, refunds));
        let next = match (has_more, list + 1) {
            (true, _) => Some(format!("{list}:{}", page.saturating_add(1))),
            (false, next) if next < LISTED.len() => Some(format!("{next}:1")),
            _ => None,
        };
        Ok(page_of(payments, next))
    }

    /// Returns the refunds of each of these transactions. A transaction does not say how much of it has gone back, and
    /// few are refunded. So all refunds since the window began are listed, unless they are too many.
    async fn refunds_of_all(
        &self,
        transactions: &[Transaction],
        window: Window,
    ) -> Result<Vec<Refunds>, ProviderError> {
        if transactions.is_empty() {
            return Ok(Vec::new());
        }
        let mut refunds = Vec::new();
        for page in 1..=PAGES_OF_REFUNDS {
            let path = format!("/refund?perPage=100&from={}&page={page}", window.from);
            let Page { elements, has_more } = self.list::<Refund>(path).await?;
            refunds.extend(elements);
            if !has_more {
                return Ok(transactions.iter().map(|transaction| Refunds::among(&refunds, transaction)).collect());
            }
        }
        let mut of_each = Vec::new();
        for transaction in transactions {
            of_each.push(within_budget(self.refunds_of(transaction)).await?);
        }
        Ok(of_each)
    }

    /// Returns one page of refunds or disputes, as the payments that they are about.
    async fn of_transactions<T: FromObject>(
        &self,
        name: &str,
        window: Window,
        place: Option<&str>,
        reference: impl Fn(T) -> Option<Reference>,
    ) -> Result<PaymentsPage, ProviderError> {
        let page: u32 = place.map_or(Ok(1), str::parse).map_err(|_| unknown_place())?;
        let path = format!("/{name}?perPage={PER_PAGE}&from={}&to={}&page={page}", window.from, window.to);
        let Page { elements, has_more } = self.list::<T>(path).await?;
        let payments = self.payments_of(elements.into_iter().filter_map(reference).collect()).await?;
        Ok(PaymentsPage { next: has_more.then(|| page.saturating_add(1).to_string()), ..payments })
    }

    /// Returns whether the customer has disputed a transaction.
    async fn is_disputed(&self, transaction: &Transaction, paid_at: Timestamp) -> Result<bool, ProviderError> {
        let to = self.client.doors.now().saturating_add(Duration::from_hours(24));
        let path = format!("/dispute?transaction={}&from={paid_at}&to={to}&perPage={PER_PAGE}", transaction.number);
        let Page { elements, .. } = self.list::<Dispute>(path).await?;
        Ok(elements.into_iter().any(|Dispute(reference)| reference.is_some() && reference == transaction.reference))
    }
}

impl Settlements for Paystack {
    async fn settlements(
        &self,
        list: SettlementList,
        window: Window,
        place: Option<&str>,
    ) -> Result<PaymentsPage, ProviderError> {
        match list {
            SettlementList::Payments => self.transactions(window, place).await,
            SettlementList::Refunds => {
                self.of_transactions("refund", window, place, |refund: Refund| refund.reference).await
            }
            SettlementList::Disputes => {
                let mut page = self.of_transactions("dispute", window, place, |Dispute(reference)| reference).await?;
                for payment in &mut page.payments {
                    payment.disputed = true;
                }
                Ok(page)
            }
        }
    }

    async fn payment(&self, reference: &str) -> Result<Option<ProviderPayment>, ProviderError> {
        // Another provider's payment may have been stored before the deployment changed over to Paystack.
        let Some(reference) = Reference::parse(reference) else { return Ok(None) };
        let asked = within_budget(async {
            let Some(transaction) = self.verify(reference).await? else { return Ok(None) };
            let refunds = self.refunds_of(&transaction).await?;
            Ok(Some((transaction, refunds)))
        });
        let Some((transaction, refunds)) = asked.await? else { return Ok(None) };
        let Some((payment, _)) = payment_of(&transaction, &refunds) else { return Ok(None) };
        let disputed = self.is_disputed(&transaction, payment.paid_at).await?;
        Ok(Some(ProviderPayment { disputed, ..payment }))
    }

    /// Lists payouts and their transactions. The place names the page of payouts, the payout on it, and the page of its
    /// transactions. Paystack's description knows no filter by time, so pages are read until they are older than the
    /// window.
    async fn payouts(&self, window: Window, place: Option<&str>) -> Result<PayoutsPage, ProviderError> {
        let numbers: Result<Vec<usize>, _> = place.unwrap_or("1:0:1").split(':').map(str::parse).collect();
        let Ok([page, index, entries_page]) = numbers.as_deref() else { return Err(unknown_place()) };
        let path = format!("/settlement?perPage={PER_PAGE}&from={}&to={}&page={page}", window.from, window.to);
        let Page { elements, has_more } = self.list::<Settlement>(path).await?;
        let is_older = |settlement: &Settlement| settlement.made_at.is_some_and(|made_at| made_at < window.from);
        let goes_on = has_more && !elements.iter().all(is_older);
        let next_page = goes_on.then(|| format!("{}:0:1", page.saturating_add(1)));
        let mut left = elements.iter().enumerate().skip(*index);
        let in_window = |settlement: &Settlement| settlement.made_at.is_some_and(|made_at| window.contains(made_at));
        let Some((index, settlement)) = left.find(|(_, settlement)| in_window(settlement)) else {
            return Ok(PayoutsPage { entries: Vec::new(), next: next_page });
        };
        let path = format!("/settlement/{}/transactions?page={entries_page}", settlement.id);
        let of_it: Page<Transaction> = self.list(path).await?;
        let entry =
            |reference: Reference| Payout { payout: settlement.id.to_string(), balance_entry: reference.to_string() };
        let entries = of_it.elements.iter().filter_map(Transaction::ours).map(entry).collect();
        let next = if of_it.has_more {
            Some(format!("{page}:{index}:{}", entries_page.saturating_add(1)))
        } else if index + 1 < elements.len() {
            Some(format!("{page}:{}:1", index + 1))
        } else {
            next_page
        };
        Ok(PayoutsPage { entries, next })
    }
}
