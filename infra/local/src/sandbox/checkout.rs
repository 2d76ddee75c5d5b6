//! What the stand-in provider knows of its checkouts and refunds, and the rules by which it changes.

use domain::{Amount, Currency, Money, Timestamp};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{OptionalExtension, Row, Transaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a merchant asks a checkout for. When it is to be paid by is the merchant's own business: it closes the checkout.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewCheckout {
    pub(super) payment_request_id: String,
    pub(super) order_number: String,
    pub(super) description: Option<String>,
    #[serde(flatten)]
    pub(super) money: Money,
    pub(super) return_url: String,
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

/// Where it stands. What is paid or closed stays so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(super) enum Status {
    /// It can be paid.
    Open,
    /// It was paid, once.
    Paid {
        /// The payment's own id.
        payment_id: String,
        /// When.
        paid_at: Timestamp,
    },
    /// It can no longer be paid.
    Closed,
}

/// What a merchant asks to be sent back.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewRefund {
    pub(super) payment_request_id: String,
    pub(super) payment_id: String,
    #[serde(flatten)]
    pub(super) money: Money,
}

const COLUMNS: &str =
    "id, payment_request_id, order_number, description, amount, currency, return_url, status, payment_id, paid_at";

/// The checkout of this payment request: a new one the first time, the same one ever after.
pub(super) fn create(transaction: &Transaction<'_>, new: NewCheckout) -> rusqlite::Result<Checkout> {
    transaction
        .prepare_cached(
            "INSERT INTO checkouts
                 (id, payment_request_id, order_number, description, amount, currency, return_url, status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open')
             ON CONFLICT (payment_request_id) DO NOTHING",
        )?
        .execute((
            format!("chk_{}", Uuid::new_v4().simple()),
            &new.payment_request_id,
            new.order_number,
            new.description,
            new.money.amount.minor_units(),
            new.money.currency.code(),
            new.return_url,
        ))?;
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM checkouts WHERE payment_request_id = ?1"))?
        .query_row([new.payment_request_id], Checkout::read)
}

/// The checkout of this id.
pub(super) fn find(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Checkout>> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM checkouts WHERE id = ?1"))?
        .query_row([id], Checkout::read)
        .optional()
}

/// Closes a checkout unless it is paid, and returns it as it then is.
pub(super) fn close(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<Checkout>> {
    transaction
        .prepare_cached("UPDATE checkouts SET status = 'closed' WHERE id = ?1 AND status = 'open'")?
        .execute([id])?;
    find(transaction, id)
}

/// Pays an open checkout, and returns the payment. `None` if it was not open.
pub(super) fn pay(transaction: &Transaction<'_>, id: &str, paid_at: Timestamp) -> rusqlite::Result<Option<String>> {
    let payment_id = format!("pay_{}", Uuid::new_v4().simple());
    let paid = transaction
        .prepare_cached(
            "UPDATE checkouts SET status = 'paid', payment_id = ?2, paid_at = ?3 WHERE id = ?1 AND status = 'open'",
        )?
        .execute((id, &payment_id, paid_at.to_string()))?;
    Ok((paid == 1).then_some(payment_id))
}

/// The refund of this payment request: a new one the first time, the same one ever after. A payment that was made
/// elsewhere, such as by a webhook signed by hand, is taken at its word.
pub(super) fn refund(transaction: &Transaction<'_>, new: NewRefund) -> rusqlite::Result<String> {
    transaction
        .prepare_cached(
            "INSERT INTO refunds (payment_request_id, refund_id, payment_id, amount, currency)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (payment_request_id) DO NOTHING",
        )?
        .execute((
            &new.payment_request_id,
            format!("ref_{}", Uuid::new_v4().simple()),
            new.payment_id,
            new.money.amount.minor_units(),
            new.money.currency.code(),
        ))?;
    transaction
        .prepare_cached("SELECT refund_id FROM refunds WHERE payment_request_id = ?1")?
        .query_row([new.payment_request_id], |row| row.get(0))
}

impl Checkout {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let amount = Amount::new(row.get("amount")?).map_err(|error| unreadable(error.into()))?;
        let currency: Currency =
            row.get::<_, String>("currency")?.parse().map_err(|error: domain::Invalid| unreadable(error.into()))?;
        let status = match row.get::<_, String>("status")?.as_str() {
            "open" => Status::Open,
            "closed" => Status::Closed,
            _ => Status::Paid {
                payment_id: row.get("payment_id")?,
                paid_at: row
                    .get::<_, String>("paid_at")?
                    .parse()
                    .map_err(|error: domain::Invalid| unreadable(error.into()))?,
            },
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

/// A stored value that is no longer one, which only an older or newer version could have written.
fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, FromSqlError::Other(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

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

    /// Everything within one transaction, for these rules need no more.
    async fn within<T: Send + 'static>(
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> T {
        Store::open(None).unwrap().transaction(work).await.unwrap()
    }

    fn now() -> Timestamp {
        crate::time::moment()
    }

    #[tokio::test]
    async fn one_payment_request_has_one_checkout_whatever_its_state() {
        let (first, again, other) = within(|transaction| {
            let first = create(transaction, order("a"))?;
            close(transaction, &first.id)?;
            Ok((first, create(transaction, order("a"))?, create(transaction, order("b"))?))
        })
        .await;
        assert_eq!(first.id, again.id);
        assert_eq!(again.status, Status::Closed);
        assert_ne!(first.id, other.id);
    }

    #[tokio::test]
    async fn a_checkout_is_paid_once() {
        let (first, second, checkout) = within(|transaction| {
            let id = create(transaction, order("a"))?.id;
            let at = now();
            Ok((pay(transaction, &id, at)?, pay(transaction, &id, at)?, close(transaction, &id)?))
        })
        .await;
        assert!(first.is_some() && second.is_none());
        assert!(
            matches!(checkout.unwrap().status, Status::Paid { ref payment_id, .. } if Some(payment_id) == first.as_ref())
        );
    }

    #[tokio::test]
    async fn a_closed_checkout_is_not_paid_and_an_unknown_one_not_closed() {
        let (paid, unknown) = within(|transaction| {
            let id = create(transaction, order("a"))?.id;
            close(transaction, &id)?;
            Ok((pay(transaction, &id, now())?, close(transaction, "chk_unknown")?))
        })
        .await;
        assert_eq!(paid, None);
        assert_eq!(unknown, None);
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
            Ok((refund(transaction, a)?, refund(transaction, again)?, refund(transaction, b)?))
        })
        .await;
        assert_eq!(a, again);
        assert_ne!(a, b);
    }
}
