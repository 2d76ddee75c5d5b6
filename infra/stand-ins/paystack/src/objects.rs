//! The merchant's objects as the stand-in stores them. `shown` has them as Paystack's API shows them.

use rusqlite::types::{FromSqlError, Type, Value as SqlValue};
use rusqlite::{OptionalExtension as _, Transaction as Work, params_from_iter};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The table of all objects, each as JSON under its kind and identifier.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS paystack_objects (
        kind TEXT NOT NULL,
        id INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS paystack_references
        ON paystack_objects (json_extract(body, '$.reference')) WHERE kind = 'transaction';
    CREATE UNIQUE INDEX IF NOT EXISTS paystack_pages
        ON paystack_objects (json_extract(body, '$.access_code')) WHERE kind = 'transaction';
";

/// A stored kind of object.
pub(super) trait Stored: Serialize + DeserializeOwned {
    /// Its name in the table.
    const KIND: &'static str;
    /// The first identifier.
    const FIRST: i64;

    /// Returns the object's identifier.
    fn id(&self) -> i64;
}

/// A transaction (<https://paystack.com/docs/api/transaction/>). It has no `Debug`, because it names the customer.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Transaction {
    pub(super) id: i64,
    pub(super) reference: String,
    /// The last segment of its page's address.
    pub(super) access_code: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) email: String,
    pub(super) customer: Customer,
    pub(super) callback_url: Option<String>,
    /// What the page shows in place of the email address.
    pub(super) label: Option<String>,
    /// The merchant's own data: an object, a text, or null.
    pub(super) metadata: Value,
    /// The ways to pay on its page; all of them if it is empty.
    pub(super) channels: Vec<String>,
    pub(super) status: Status,
    /// In milliseconds since the Unix epoch, as all times here.
    pub(super) created_at: i64,
    pub(super) paid_at: Option<i64>,
    pub(super) channel: String,
    /// The number of attempts to pay.
    pub(super) attempts: u32,
    /// The number of those that failed.
    pub(super) errors: u32,
    pub(super) fees: Option<i64>,
    /// The way in which refunds of this payment end.
    pub(super) refunds_end: RefundsEnd,
    /// The settlement that paid it out.
    pub(super) settlement: Option<i64>,
}

impl Stored for Transaction {
    const KIND: &'static str = "transaction";
    // Real identifiers no longer fit in 32 bits.
    const FIRST: i64 = 5_000_000_001;

    fn id(&self) -> i64 {
        self.id
    }
}

/// The customer of a transaction: one for each email address.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Customer {
    pub(super) id: i64,
    pub(super) code: String,
}

/// The status of a transaction (<https://paystack.com/docs/payments/verify-payments/#transaction-statuses>, and for
/// what refunds make of it <https://support.paystack.com/en/articles/2130434>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    /// The customer has not completed it. It has this status from the beginning.
    Abandoned,
    /// The last attempt failed. The customer can try again.
    Failed,
    /// The customer is at it, such as making a transfer.
    Ongoing,
    /// The customer has done their part.
    Pending,
    /// It is paid.
    Success,
    /// It was paid, and all of the money is going back.
    ReversalPending,
    /// It was paid, and all of the money has gone back.
    Reversed,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
            Self::Ongoing => "ongoing",
            Self::Pending => "pending",
            Self::Success => "success",
            Self::ReversalPending => "reversal-pending",
            Self::Reversed => "reversed",
        }
    }
}

/// The way in which the refunds of a payment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RefundsEnd {
    /// They are processed.
    Succeeded,
    /// They stay pending.
    Waiting,
    /// They need the customer's bank account, which a person adds.
    NeedsAttention,
    /// They fail, and the money stays with the merchant.
    Failed,
    /// They are rejected when they are requested, because the balance does not cover them.
    Refused,
}

/// A refund (<https://paystack.com/docs/api/refund/>).
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Refund {
    pub(super) id: i64,
    /// The identifier of its transaction.
    pub(super) transaction: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: RefundStatus,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) refunded_at: Option<i64>,
    pub(super) customer_note: String,
    pub(super) merchant_note: String,
}

impl Stored for Refund {
    const KIND: &'static str = "refund";
    const FIRST: i64 = 15_000_001;

    fn id(&self) -> i64 {
        self.id
    }
}

/// The status of a refund (<https://paystack.com/docs/payments/refunds/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RefundStatus {
    Pending,
    Processing,
    NeedsAttention,
    Failed,
    Processed,
}

impl RefundStatus {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::NeedsAttention => "needs-attention",
            Self::Failed => "failed",
            Self::Processed => "processed",
        }
    }

    /// Returns whether the refund can still change.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Processing | Self::NeedsAttention)
    }
}

/// A dispute (<https://paystack.com/docs/api/dispute/>).
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Dispute {
    pub(super) id: i64,
    /// The identifier of its transaction.
    pub(super) transaction: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: String,
    pub(super) created_at: i64,
}

impl Stored for Dispute {
    const KIND: &'static str = "dispute";
    const FIRST: i64 = 1_800_001;

    fn id(&self) -> i64 {
        self.id
    }
}

/// A settlement, which pays out transactions to the merchant's bank (<https://paystack.com/docs/api/settlement/>).
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Settlement {
    pub(super) id: i64,
    pub(super) status: String,
    pub(super) currency: String,
    pub(super) total_processed: i64,
    pub(super) total_fees: i64,
    pub(super) created_at: i64,
}

impl Stored for Settlement {
    const KIND: &'static str = "settlement";
    const FIRST: i64 = 8_600_001;

    fn id(&self) -> i64 {
        self.id
    }
}

/// Returns the identifier of the next object of a kind.
pub(super) fn next_id<T: Stored>(work: &Work<'_>) -> rusqlite::Result<i64> {
    let last: Option<i64> = work
        .prepare_cached("SELECT max(id) FROM paystack_objects WHERE kind = ?1")?
        .query_row([T::KIND], |row| row.get(0))?;
    Ok(last.map_or(T::FIRST, |last| last + 1))
}

/// Stores an object, replacing an earlier state.
pub(super) fn save<T: Stored>(work: &Work<'_>, object: &T) -> rusqlite::Result<()> {
    let statement = "INSERT INTO paystack_objects (kind, id, body) VALUES (?1, ?2, ?3)
                     ON CONFLICT (kind, id) DO UPDATE SET body = ?3";
    work.prepare_cached(statement)?.execute((T::KIND, object.id(), json!(object).to_string())).map(|_| ())
}

/// Loads the object with this identifier, if it exists.
pub(super) fn load<T: Stored>(work: &Work<'_>, id: i64) -> rusqlite::Result<Option<T>> {
    work.prepare_cached("SELECT body FROM paystack_objects WHERE kind = ?1 AND id = ?2")?
        .query_row((T::KIND, id), |row| row.get::<_, String>(0))
        .optional()?
        .map(|body| read(&body))
        .transpose()
}

/// Loads the transaction with this value in a field that identifies it: `reference` or `access_code`.
pub(super) fn transaction_by(
    work: &Work<'_>,
    field: &'static str,
    value: &str,
) -> rusqlite::Result<Option<Transaction>> {
    let clauses = Clauses::new::<Transaction>().equal(field, value.to_owned());
    Ok(clauses.load(work, 1, 0)?.into_iter().next())
}

/// The conditions by which objects of a kind are selected, newest first.
pub(super) struct Clauses {
    conditions: Vec<String>,
    values: Vec<SqlValue>,
}

impl Clauses {
    /// Selects all objects of a kind.
    pub(super) fn new<T: Stored>() -> Self {
        // The kind stands in the statement itself, so that the index of one kind is used.
        Self { conditions: vec![format!("kind = '{}'", T::KIND)], values: Vec::new() }
    }

    /// Selects those that have a value in a field.
    #[must_use]
    pub(super) fn equal(self, field: &str, value: impl Into<SqlValue>) -> Self {
        self.compare(field, "=", value)
    }

    /// Selects those whose value in a field compares as `comparison` says.
    #[must_use]
    pub(super) fn compare(mut self, field: &str, comparison: &str, value: impl Into<SqlValue>) -> Self {
        self.values.push(value.into());
        self.conditions.push(format!("json_extract(body, '$.{field}') {comparison} ?{}", self.values.len()));
        self
    }

    /// Loads at most `limit` of the objects, after the first `skipped`.
    pub(super) fn load<T: Stored>(&self, work: &Work<'_>, limit: i64, skipped: i64) -> rusqlite::Result<Vec<T>> {
        let sql = format!(
            "SELECT body FROM paystack_objects WHERE {} ORDER BY id DESC LIMIT {limit} OFFSET {skipped}",
            self.conditions.join(" AND ")
        );
        let mut statement = work.prepare_cached(&sql)?;
        let bodies = statement.query_map(params_from_iter(&self.values), |row| row.get::<_, String>(0))?;
        bodies.map(|body| read(&body?)).collect()
    }

    /// Returns the number of the objects, and the sum of a numeric field of them.
    pub(super) fn count(&self, work: &Work<'_>, field: &str) -> rusqlite::Result<(i64, i64)> {
        let sql = format!(
            "SELECT count(*), coalesce(sum(json_extract(body, '$.{field}')), 0) FROM paystack_objects WHERE {}",
            self.conditions.join(" AND ")
        );
        let mut statement = work.prepare_cached(&sql)?;
        statement.query_row(params_from_iter(&self.values), |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

fn read<T: Stored>(body: &str) -> rusqlite::Result<T> {
    // Only an older or newer version of the stand-in could have written an unreadable object.
    serde_json::from_str(body).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, FromSqlError::Other(error.into()).into())
    })
}
