//! What the provider took and gave back, as lists for the merchant: payments, refunds and disputes of a window.

use domain::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction};
use serde::{Deserialize, Serialize};

/// The tables of the times that the lists select by. A refund of an earlier version has none, and is in no list.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS refund_times (
        payment_request_id TEXT PRIMARY KEY,
        created TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS disputes (
        payment_id TEXT PRIMARY KEY,
        created TEXT NOT NULL
    ) STRICT;
";

/// The greatest number of elements of a page.
const PAGE: usize = 100;

/// The provider's fee, in thousandths of the amount.
const FEE: i64 = 29;

/// A list, by the column whose time it selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// By the time of the payment.
    Payments,
    /// By the time of the refund.
    Refunds,
    /// By the time of the dispute.
    Disputes,
}

/// The parameters of a list: from `from` (inclusive) to `to` (exclusive), after the payment `after`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) after: Option<String>,
}

/// A payment as the merchant sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Settlement {
    payment_id: String,
    payment_request_id: String,
    status: &'static str,
    amount: i64,
    currency: String,
    paid_at: String,
    amount_refunded: i64,
    disputed: bool,
    /// The fee in the payment's currency, once the money has arrived.
    fee: Option<i64>,
    /// The payout, one for each day's payments.
    payout_id: Option<String>,
}

/// A page of a list, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Page {
    payments: Vec<Settlement>,
    next: Option<String>,
}

/// All payments, each with its refund and its dispute.
const PAYMENTS: &str = "
    WITH payments AS (
        SELECT c.payment_id, c.payment_request_id, c.status, c.amount, c.currency, c.paid_at,
               COALESCE(r.amount, 0) AS amount_refunded, t.created AS refunded_at, d.created AS disputed_at
        FROM checkouts c
        LEFT JOIN refunds r ON r.payment_id = c.payment_id
        LEFT JOIN refund_times t ON t.payment_request_id = r.payment_request_id
        LEFT JOIN disputes d ON d.payment_id = c.payment_id
        WHERE c.payment_id IS NOT NULL
    )";

impl List {
    fn column(self) -> &'static str {
        match self {
            Self::Payments => "paid_at",
            Self::Refunds => "refunded_at",
            Self::Disputes => "disputed_at",
        }
    }
}

/// Returns one page of a list; `None` if the payment that it begins after is unknown.
pub(super) fn page(transaction: &Transaction<'_>, list: List, query: Query) -> rusqlite::Result<Option<Page>> {
    if let Some(after) = &query.after
        && payment(transaction, after)?.is_none()
    {
        return Ok(None);
    }
    let column = list.column();
    // Times in RFC 3339, in UTC and with milliseconds, sort as texts.
    let mut payments: Vec<Settlement> = transaction
        .prepare_cached(&format!(
            "{PAYMENTS}
             SELECT * FROM payments
             WHERE {column} >= ?1 AND {column} < ?2
               AND (?3 IS NULL OR ({column}, payment_id) >
                    (SELECT {column}, payment_id FROM payments WHERE payment_id = ?3))
             ORDER BY {column}, payment_id LIMIT ?4"
        ))?
        .query_map((query.from.to_string(), query.to.to_string(), query.after, PAGE + 1), Settlement::read)?
        .collect::<Result<_, _>>()?;
    let has_more = payments.len() > PAGE;
    payments.truncate(PAGE);
    let next = payments.last().filter(|_| has_more).map(|last| last.payment_id.clone());
    Ok(Some(Page { payments, next }))
}

/// Returns the payment with this identifier, if there is one.
pub(super) fn payment(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Settlement>> {
    transaction
        .prepare_cached(&format!("{PAYMENTS} SELECT * FROM payments WHERE payment_id = ?1"))?
        .query_row([id], Settlement::read)
        .optional()
}

/// Records when a refund was made. Only the first time counts, as for the refund itself.
pub(super) fn record_refund(transaction: &Transaction<'_>, request: &str, now: Timestamp) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO refund_times VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((request, now.to_string()))
        .map(|_| ())
}

/// Opens the dispute of a payment, in place of the customer's bank. Returns the payment, if it exists.
pub(super) fn dispute(transaction: &Transaction<'_>, id: &str, now: Timestamp) -> rusqlite::Result<Option<Settlement>> {
    if payment(transaction, id)?.is_some() {
        transaction
            .prepare_cached("INSERT INTO disputes VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute((id, now.to_string()))?;
    }
    payment(transaction, id)
}

impl Settlement {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let status = match row.get::<_, String>("status")?.as_str() {
            "paid" => "paid",
            "processing" => "processing",
            _ => "failed",
        };
        let (amount, paid_at): (i64, String) = (row.get("amount")?, row.get("paid_at")?);
        let has_arrived = status == "paid";
        Ok(Self {
            payment_id: row.get("payment_id")?,
            payment_request_id: row.get("payment_request_id")?,
            status,
            amount,
            currency: row.get("currency")?,
            amount_refunded: row.get("amount_refunded")?,
            disputed: row.get::<_, Option<String>>("disputed_at")?.is_some(),
            fee: has_arrived.then(|| amount * FEE / 1000),
            payout_id: paid_at.get(..10).filter(|_| has_arrived).map(|day| format!("po_{}", day.replace('-', ""))),
            paid_at,
        })
    }
}
