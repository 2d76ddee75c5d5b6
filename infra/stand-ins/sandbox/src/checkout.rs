//! The provider's stored checkouts and refunds, and the rules by which they change.

use domain::{Amount, Currency, Money, Timestamp};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{OptionalExtension, Row, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};

/// The provider's tables.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS checkouts (
        id TEXT PRIMARY KEY,
        payment_request_id TEXT NOT NULL UNIQUE,
        order_number TEXT NOT NULL,
        description TEXT,
        amount INTEGER NOT NULL,
        currency TEXT NOT NULL,
        return_url TEXT NOT NULL,
        status TEXT NOT NULL,
        payment_id TEXT,
        paid_at TEXT
    ) STRICT;
    CREATE TABLE IF NOT EXISTS refunds (
        payment_request_id TEXT PRIMARY KEY,
        refund_id TEXT NOT NULL,
        payment_id TEXT NOT NULL,
        amount INTEGER NOT NULL,
        currency TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS checkout_ends (
        checkout_id TEXT PRIMARY KEY,
        expires_at INTEGER NOT NULL
    ) STRICT;
";

/// A merchant's request for a checkout.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewCheckout {
    pub(super) payment_request_id: String,
    pub(super) order_number: String,
    pub(super) description: Option<String>,
    #[serde(flatten)]
    pub(super) money: Money,
    pub(super) return_url: String,
    /// The time at which the checkout closes by itself, if checkouts do that.
    pub(super) expires_at: Option<Timestamp>,
}

/// One checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout {
    pub(super) id: String,
    pub(super) payment_request_id: String,
    pub(super) order_number: String,
    pub(super) description: Option<String>,
    pub(super) money: Money,
    pub(super) return_url: String,
    pub(super) status: Status,
}

/// The state of a checkout. `Paid`, `Failed` and `Closed` are terminal; `Processing` ends in one of the first two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    /// The checkout can be paid.
    Open,
    /// The customer has paid by a method that takes time, and the money has not arrived yet.
    Processing(Payment),
    /// The checkout is paid.
    Paid(Payment),
    /// The customer had paid, and the money did not arrive. The checkout can no longer be paid.
    Failed(Payment),
    /// Nobody has paid the checkout, and it can no longer be paid.
    Closed,
}

/// The payment of a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payment {
    /// The provider's identifier of the payment.
    pub(super) payment_id: String,
    /// The time at which the customer paid, even if the money arrived later.
    pub(super) paid_at: Timestamp,
}

/// A merchant's request for a refund.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewRefund {
    pub(super) payment_request_id: String,
    pub(super) payment_id: String,
    #[serde(flatten)]
    pub(super) money: Money,
}

const COLUMNS: &str =
    "id, payment_request_id, order_number, description, amount, currency, return_url, status, payment_id, paid_at";

/// Returns the checkout of a payment request. The first call creates it with this `id`; every later call returns the
/// same one.
pub(super) fn create(transaction: &Transaction<'_>, id: &str, new: NewCheckout) -> rusqlite::Result<Checkout> {
    let created = transaction
        .prepare_cached(
            "INSERT INTO checkouts
                 (id, payment_request_id, order_number, description, amount, currency, return_url, status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open')
             ON CONFLICT (payment_request_id) DO NOTHING",
        )?
        .execute((
            id,
            &new.payment_request_id,
            new.order_number,
            new.description,
            new.money.amount.minor_units(),
            new.money.currency.code(),
            new.return_url,
        ))?;
    if let (1, Some(end)) = (created, new.expires_at) {
        transaction
            .prepare_cached("INSERT INTO checkout_ends (checkout_id, expires_at) VALUES (?1, ?2)")?
            .execute((id, end.as_milliseconds()))?;
    }
    of_request(transaction, &new.payment_request_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Returns the checkout of a payment request, if it exists.
pub(super) fn of_request(transaction: &Transaction<'_>, request: &str) -> rusqlite::Result<Option<Checkout>> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM checkouts WHERE payment_request_id = ?1"))?
        .query_row([request], Checkout::read)
        .optional()
}

/// Returns the checkout with this id, if it exists.
pub(super) fn find(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Checkout>> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM checkouts WHERE id = ?1"))?
        .query_row([id], Checkout::read)
        .optional()
}

/// Closes a checkout if it is open, and returns its state afterwards.
pub(super) fn close(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Checkout>> {
    transaction
        .prepare_cached("UPDATE checkouts SET status = 'closed' WHERE id = ?1 AND status = 'open'")?
        .execute([id])?;
    find(transaction, id)
}

/// Closes a checkout if it is open and its time is over.
pub(super) fn close_overdue(transaction: &Transaction<'_>, id: &str, now: Timestamp) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE checkouts SET status = 'closed' WHERE id = ?1 AND status = 'open'
             AND EXISTS (SELECT 1 FROM checkout_ends WHERE checkout_id = ?1 AND expires_at <= ?2)",
        )?
        .execute((id, now.as_milliseconds()))
        .map(|_| ())
}

/// Pays a checkout if it is open, and returns its state afterwards. `arrived` says whether the money has arrived or is
/// still processing.
pub(super) fn pay(
    transaction: &Transaction<'_>,
    id: &str,
    payment_id: String,
    paid_at: Timestamp,
    arrived: bool,
) -> rusqlite::Result<Option<Checkout>> {
    transaction
        .prepare_cached(
            "UPDATE checkouts SET status = ?2, payment_id = ?3, paid_at = ?4 WHERE id = ?1 AND status = 'open'",
        )?
        .execute((id, if arrived { "paid" } else { "processing" }, payment_id, paid_at.to_string()))?;
    find(transaction, id)
}

/// Settles a checkout that is processing: the money has arrived, or it will not arrive and the checkout is closed.
/// Returns whether the checkout was processing.
pub(super) fn settle(transaction: &Transaction<'_>, id: &str, arrived: bool) -> rusqlite::Result<bool> {
    let settled = transaction
        .prepare_cached("UPDATE checkouts SET status = ?2 WHERE id = ?1 AND status = 'processing'")?
        .execute((id, if arrived { "paid" } else { "closed" }))?;
    Ok(settled == 1)
}

/// Returns the id of a payment request's refund. The first call creates it with this `id`; every later call returns the
/// same one. A payment that the provider does not know, such as one from a webhook signed by hand, is refunded too.
pub(super) fn refund(transaction: &Transaction<'_>, id: String, new: NewRefund) -> rusqlite::Result<String> {
    transaction
        .prepare_cached(
            "INSERT INTO refunds (payment_request_id, refund_id, payment_id, amount, currency)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (payment_request_id) DO NOTHING",
        )?
        .execute((
            &new.payment_request_id,
            id,
            new.payment_id,
            new.money.amount.minor_units(),
            new.money.currency.code(),
        ))?;
    transaction
        .prepare_cached("SELECT refund_id FROM refunds WHERE payment_request_id = ?1")?
        .query_row([new.payment_request_id], |row| row.get(0))
}

impl Status {
    /// Returns the status's name, as the merchant reads it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Processing(_) => "processing",
            Self::Paid(_) => "paid",
            Self::Failed(_) => "failed",
            Self::Closed => "closed",
        }
    }

    fn payment(&self) -> Option<&Payment> {
        match self {
            Self::Processing(payment) | Self::Paid(payment) | Self::Failed(payment) => Some(payment),
            Self::Open | Self::Closed => None,
        }
    }
}

impl Checkout {
    /// Returns the checkout's state as the merchant reads it: its status, and its payment if there is one.
    pub(super) fn state(&self) -> Value {
        let name = self.status.name();
        let Some(Payment { payment_id, paid_at }) = self.status.payment() else { return json!({ "status": name }) };
        let Money { amount, currency } = self.money;
        json!({ "status": name, "payment_id": payment_id, "paid_at": paid_at, "amount": amount, "currency": currency })
    }

    /// Returns the merchant's URL for a customer who has paid or tried to.
    pub(super) fn done_url(&self) -> String {
        format!("{}?done", self.return_url)
    }

    /// Returns the merchant's URL for a customer who gives up.
    pub(super) fn back_url(&self) -> String {
        format!("{}?back", self.return_url)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let amount = Amount::new(row.get("amount")?).map_err(|error| unreadable(error.into()))?;
        let currency: Currency =
            row.get::<_, String>("currency")?.parse().map_err(|error: domain::Invalid| unreadable(error.into()))?;
        let payment = || {
            let paid_at = row.get::<_, String>("paid_at")?.parse();
            let paid_at = paid_at.map_err(|error: domain::Invalid| unreadable(error.into()))?;
            Ok::<_, rusqlite::Error>(Payment { payment_id: row.get("payment_id")?, paid_at })
        };
        let status = match row.get::<_, String>("status")?.as_str() {
            "open" => Status::Open,
            // Only a payment that failed after it was processing leaves a closed checkout with a payment.
            "closed" if row.get::<_, Option<String>>("payment_id")?.is_some() => Status::Failed(payment()?),
            "closed" => Status::Closed,
            "processing" => Status::Processing(payment()?),
            _ => Status::Paid(payment()?),
        };
        Ok(Self {
            id: row.get("id")?,
            payment_request_id: row.get("payment_request_id")?,
            order_number: row.get("order_number")?,
            description: row.get("description")?,
            money: Money { amount, currency },
            return_url: row.get("return_url")?,
            status,
        })
    }
}

/// Builds the error for a stored value that cannot be read, which only an older or newer version could have written.
fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, FromSqlError::Other(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stand_in_host::{Doors, DurableStore, Identifiers as _};

    fn order(payment_request_id: &str) -> NewCheckout {
        serde_json::from_value(serde_json::json!({
            "payment_request_id": payment_request_id,
            "order_number": "10045",
            "description": null,
            "amount": 25_000,
            "currency": "ZAR",
            "return_url": "http://127.0.0.1/p/x",
            "expires_at": "2026-01-05T10:05:00.000Z",
        }))
        .unwrap()
    }

    /// Runs `work` within one transaction, which is all that these rules need.
    async fn within<T: Send + 'static>(
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> T {
        let store = DurableStore::open(None).unwrap();
        store.create_tables(SCHEMA).await.unwrap();
        store.transaction(work).await.unwrap()
    }

    fn now() -> Timestamp {
        Doors::default().now()
    }

    fn new(transaction: &Transaction<'_>, payment_request_id: &str) -> rusqlite::Result<Checkout> {
        create(transaction, &Doors::default().identifier("chk_"), order(payment_request_id))
    }

    fn paid(transaction: &Transaction<'_>, id: &str, arrived: bool) -> rusqlite::Result<Option<Checkout>> {
        pay(transaction, id, Doors::default().identifier("pay_"), now(), arrived)
    }

    #[tokio::test]
    async fn one_payment_request_has_one_checkout_in_any_state() {
        let (first, again, other) = within(|transaction| {
            let first = new(transaction, "a")?;
            close(transaction, &first.id)?;
            Ok((first, new(transaction, "a")?, new(transaction, "b")?))
        })
        .await;
        assert_eq!(first.id, again.id);
        assert_eq!(again.status, Status::Closed);
        assert_ne!(first.id, other.id);
    }

    #[tokio::test]
    async fn a_checkout_is_paid_once() {
        let (first, second, checkout) = within(|transaction| {
            let id = new(transaction, "a")?.id;
            Ok((paid(transaction, &id, true)?, paid(transaction, &id, true)?, close(transaction, &id)?))
        })
        .await;
        assert!(matches!(first.as_ref().unwrap().status, Status::Paid(_)));
        assert_eq!((&first, &first), (&second, &checkout));
    }

    #[tokio::test]
    async fn a_checkout_with_money_in_flight_is_neither_closed_nor_paid_again() {
        for arrives in [true, false] {
            let (waiting, settled, again, done) = within(move |transaction| {
                let id = new(transaction, "a")?.id;
                let waiting = paid(transaction, &id, false)?;
                assert_eq!(paid(transaction, &id, true)?, waiting);
                assert_eq!(close(transaction, &id)?, waiting);
                let (settled, again) = (settle(transaction, &id, arrives)?, settle(transaction, &id, !arrives)?);
                Ok((waiting, settled, again, find(transaction, &id)?))
            })
            .await;
            assert!(settled && !again);
            let Status::Processing(payment) = waiting.unwrap().status else { panic!("a bank transfer takes time") };
            assert_eq!(done.unwrap().status, if arrives { Status::Paid(payment) } else { Status::Failed(payment) });
        }
    }

    #[tokio::test]
    async fn only_a_payment_in_flight_can_settle() {
        let settled = within(|transaction| {
            let id = new(transaction, "a")?.id;
            Ok((settle(transaction, &id, true)?, settle(transaction, "chk_unknown", true)?, find(transaction, &id)?))
        })
        .await;
        assert!(!settled.0 && !settled.1);
        assert_eq!(settled.2.unwrap().status, Status::Open);
    }

    #[tokio::test]
    async fn a_closed_checkout_is_not_paid_and_an_unknown_one_not_closed() {
        let (paid_late, unknown) = within(|transaction| {
            let id = new(transaction, "a")?.id;
            close(transaction, &id)?;
            Ok((paid(transaction, &id, true)?, close(transaction, "chk_unknown")?))
        })
        .await;
        assert_eq!(paid_late.unwrap().status, Status::Closed);
        assert_eq!(unknown, None);
    }

    #[tokio::test]
    async fn an_open_checkout_closes_at_its_time_and_no_other_does() {
        let end: Timestamp = "2026-01-05T10:05:00Z".parse().unwrap();
        let before = end.saturating_sub(std::time::Duration::from_millis(1));
        let statuses = within(move |transaction| {
            let open = new(transaction, "open")?.id;
            let in_flight = new(transaction, "in flight")?.id;
            paid(transaction, &in_flight, false)?;
            let endless = NewCheckout { expires_at: None, ..order("endless") };
            let endless = create(transaction, &Doors::default().identifier("chk_"), endless)?.id;
            close_overdue(transaction, &open, before)?;
            let mut statuses = vec![find(transaction, &open)?.unwrap().status.name()];
            for id in [open, in_flight, endless] {
                close_overdue(transaction, &id, end)?;
                statuses.push(find(transaction, &id)?.unwrap().status.name());
            }
            Ok(statuses)
        })
        .await;
        assert_eq!(statuses, ["open", "closed", "processing", "open"]);
    }

    #[tokio::test]
    async fn one_payment_request_is_refunded_once() {
        let refunded = |id: &str| NewRefund {
            payment_request_id: id.to_owned(),
            payment_id: "from elsewhere".to_owned(),
            money: order("a").money,
        };
        let (a, again, b) = (refunded("a"), refunded("a"), refunded("b"));
        let (a, again, b) = within(move |transaction| {
            let refund = |new| refund(transaction, Doors::default().identifier("ref_"), new);
            Ok((refund(a)?, refund(again)?, refund(b)?))
        })
        .await;
        assert_eq!(a, again);
        assert_ne!(a, b);
    }
}
