//! The lists of the merchant's objects, and the settlements that pay transactions out.

use super::account::Account;
use super::error::{AccountError, ApiError};
use super::given::Given;
use super::objects::{Clauses, Dispute, Refund, Settlement, Status, Stored, Transaction, load, next_id, save};
use super::shown::{self, Place};
use domain::Timestamp;
use serde_json::{Value, json};

/// The number of objects on a page unless it is given (<https://paystack.com/docs/api/transaction/#list>).
const PER_PAGE: i64 = 50;
/// The greatest number of objects on a page of the stand-in. Paystack documents none.
const LARGEST_PAGE: i64 = 100;

/// The supported parameters of each list: those of the published description, and of the documentation where it has
/// more. The description calls the size of a page of transactions `per_page`; the documentation and Paystack's own
/// client call it `perPage`.
pub(super) const TRANSACTIONS: &[&str] =
    &["amount", "channel", "customer", "from", "page", "perPage", "per_page", "settlement", "status", "to"];
pub(super) const REFUNDS: &[&str] = &["currency", "from", "page", "perPage", "to", "transaction"];
pub(super) const DISPUTES: &[&str] = &["from", "page", "perPage", "status", "to", "transaction"];
pub(super) const SETTLEMENTS: &[&str] = &["from", "page", "perPage", "status", "subaccount", "to"];
pub(super) const SETTLED: &[&str] = &["from", "page", "perPage", "to"];

/// The filters of the description.
const STATUSES: &[&str] = &["success", "failed", "abandoned", "reversed"];
const DISPUTE_STATUSES: &[&str] = &["awaiting-merchant-feedback", "awaiting-bank-feedback", "pending", "resolved"];
const SETTLEMENT_STATUSES: &[&str] = &["success", "processing", "pending", "failed"];

/// The place of a page in its list.
struct Paging {
    per_page: i64,
    page: i64,
}

impl Paging {
    fn read(given: &Given) -> Result<Self, ApiError> {
        let per_page = given.integer("perPage")?.or(given.integer("per_page")?).unwrap_or(PER_PAGE);
        let page = given.integer("page")?.unwrap_or(1);
        if per_page < 1 || page < 1 {
            return Err(ApiError::invalid("perPage and page have to be at least 1"));
        }
        Ok(Self { per_page: per_page.min(LARGEST_PAGE), page })
    }

    fn skipped(&self) -> i64 {
        (self.page - 1).saturating_mul(self.per_page)
    }

    /// Builds the `meta` of a page.
    fn meta(&self, total: i64) -> Value {
        let pages = (total + self.per_page - 1) / self.per_page;
        json!({
            "total": total, "skipped": self.skipped(), "perPage": self.per_page, "page": self.page, "pageCount": pages,
        })
    }
}

/// Selects the objects of a kind that were created between `from` and `to`, both of them included.
fn created<T: Stored>(given: &Given) -> Result<Clauses, ApiError> {
    let mut clauses = Clauses::new::<T>();
    for (name, comparison) in [("from", ">="), ("to", "<=")] {
        if let Some(text) = given.text(name)? {
            let time: Timestamp = text.parse().map_err(|_| ApiError::invalid(format!("{name} has to be a time")))?;
            clauses = clauses.compare("created_at", comparison, time.as_milliseconds());
        }
    }
    Ok(clauses)
}

/// A page of a list, as an answer has it.
#[derive(Debug)]
pub(super) struct List {
    /// The objects.
    pub(super) data: Vec<Value>,
    /// The place of the page in the list.
    pub(super) meta: Value,
}

impl Account<'_> {
    /// Returns a page of the transactions (`TransactionListResponse`).
    pub(super) fn transactions(&self, given: &Given) -> Result<List, AccountError> {
        let mut clauses = created::<Transaction>(given)?;
        if let Some(status) = given.one_of("status", STATUSES)? {
            clauses = clauses.equal("status", status.to_owned());
        }
        for name in ["amount", "settlement"] {
            if let Some(value) = given.integer(name)? {
                clauses = clauses.equal(name, value);
            }
        }
        if let Some(channel) = given.text("channel")? {
            clauses = clauses.equal("channel", channel.to_owned());
        }
        if let Some(customer) = given.integer("customer")? {
            clauses = clauses.equal("customer.id", customer);
        }
        self.transactions_page(&clauses, &Paging::read(given)?)
    }

    /// Returns a page of the transactions that a settlement paid out.
    pub(super) fn settled(&self, settlement: i64, given: &Given) -> Result<List, AccountError> {
        if load::<Settlement>(self.work, settlement)?.is_none() {
            return Err(ApiError::missing_object("Settlement").into());
        }
        let clauses = created::<Transaction>(given)?.equal("settlement", settlement);
        self.transactions_page(&clauses, &Paging::read(given)?)
    }

    fn transactions_page(&self, clauses: &Clauses, paging: &Paging) -> Result<List, AccountError> {
        let found: Vec<Transaction> = clauses.load(self.work, paging.per_page, paging.skipped())?;
        let data = found.iter().map(|found| shown::transaction(found, self.settings.domain, Place::Listed)).collect();
        let (total, volume) = clauses.count(self.work, "amount")?;
        let mut meta = paging.meta(total);
        meta["total_volume"] = volume.into();
        Ok(List { data, meta })
    }

    /// Returns a page of the refunds (`RefundListResponse`).
    pub(super) fn refunds(&self, given: &Given) -> Result<List, AccountError> {
        let mut clauses = created::<Refund>(given)?;
        if let Some(transaction) = given.integer("transaction")? {
            clauses = clauses.equal("transaction", transaction);
        }
        if let Some(currency) = given.text("currency")? {
            clauses = clauses.equal("currency", currency.to_owned());
        }
        let paging = Paging::read(given)?;
        let mut data = Vec::new();
        for refund in clauses.load::<Refund>(self.work, paging.per_page, paging.skipped())? {
            data.push(shown::refund(&refund, &self.named(refund.transaction)?, self.settings.domain));
        }
        let (total, _) = clauses.count(self.work, "amount")?;
        let (failed, _) = clauses.equal("status", "failed".to_owned()).count(self.work, "amount")?;
        let mut meta = paging.meta(total);
        meta["perPage"] = paging.per_page.to_string().into();
        meta["failedRefundCount"] = failed.into();
        Ok(List { data, meta })
    }

    /// Returns a page of the disputes (`DisputeListResponse`).
    pub(super) fn disputes(&self, given: &Given) -> Result<List, AccountError> {
        let mut clauses = created::<Dispute>(given)?;
        if let Some(status) = given.one_of("status", DISPUTE_STATUSES)? {
            clauses = clauses.equal("status", status.to_owned());
        }
        if let Some(transaction) = given.integer("transaction")? {
            clauses = clauses.equal("transaction", transaction);
        }
        let paging = Paging::read(given)?;
        let mut data = Vec::new();
        for dispute in clauses.load::<Dispute>(self.work, paging.per_page, paging.skipped())? {
            data.push(shown::dispute(&dispute, &self.named(dispute.transaction)?, self.settings.domain, Place::Listed));
        }
        let (total, _) = clauses.count(self.work, "amount")?;
        Ok(List { data, meta: paging.meta(total) })
    }

    /// Returns a page of the settlements.
    pub(super) fn settlements(&self, given: &Given) -> Result<List, AccountError> {
        let mut clauses = created::<Settlement>(given)?;
        if let Some(status) = given.one_of("status", SETTLEMENT_STATUSES)? {
            clauses = clauses.equal("status", status.to_owned());
        }
        // There are no subaccounts here: `none` is the account itself.
        given.one_of("subaccount", &["none"])?;
        let paging = Paging::read(given)?;
        let found: Vec<Settlement> = clauses.load(self.work, paging.per_page, paging.skipped())?;
        let data = found.iter().map(|found| shown::settlement(found, self.settings.domain)).collect();
        let (total, _) = clauses.count(self.work, "total_processed")?;
        Ok(List { data, meta: paging.meta(total) })
    }

    /// Settles every paid transaction that has not been settled yet, as Paystack does on the next working day. Each
    /// currency has a settlement of its own.
    pub(super) fn settle_all(&mut self) -> rusqlite::Result<()> {
        let paid = [Status::Success, Status::ReversalPending, Status::Reversed].map(|status| {
            let clauses = Clauses::new::<Transaction>().equal("status", status.name().to_owned());
            clauses.load::<Transaction>(self.work, i64::MAX, 0)
        });
        let mut unsettled: Vec<Transaction> = Vec::new();
        for found in paid {
            unsettled.extend(found?.into_iter().filter(|transaction| transaction.settlement.is_none()));
        }
        unsettled.sort_by(|one, other| (&one.currency, one.id).cmp(&(&other.currency, other.id)));
        for settled in unsettled.chunk_by_mut(|one, other| one.currency == other.currency) {
            let Some(currency) = settled.first().map(|transaction| transaction.currency.clone()) else { continue };
            let settlement = Settlement {
                id: next_id::<Settlement>(self.work)?,
                status: "success".to_owned(),
                currency,
                total_processed: settled.iter().map(|transaction| transaction.amount).sum(),
                total_fees: settled.iter().filter_map(|transaction| transaction.fees).sum(),
                created_at: self.now,
            };
            save(self.work, &settlement)?;
            for transaction in settled {
                transaction.settlement = Some(settlement.id);
                save(self.work, transaction)?;
            }
        }
        Ok(())
    }
}
