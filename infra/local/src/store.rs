//! What the runner itself has to remember: events, deliveries, texts, checkouts, positions in the stream. One
//! `SQLite` database, in the data directory or in memory.
//!
//! Whatever the runner acknowledges is committed here first. A commit survives the process (`kill -9`); it is not synced
//! to the disk each time, so a machine that loses its power may lose the last moments.

use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        envelope TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS jobs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        topic TEXT NOT NULL,
        lane TEXT NOT NULL,
        body TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS dead_letters (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        source TEXT NOT NULL,
        reason TEXT NOT NULL,
        body TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS stream_positions (
        consumer TEXT PRIMARY KEY,
        sequence_number TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS messages (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        webhook_id TEXT NOT NULL UNIQUE,
        phone TEXT NOT NULL,
        text TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
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
    CREATE TABLE IF NOT EXISTS stripe_objects (
        id TEXT PRIMARY KEY,
        body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS stripe_answers (
        idempotency_key TEXT PRIMARY KEY,
        call TEXT NOT NULL,
        request_id TEXT NOT NULL,
        status INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
";

/// The store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `SQLite` said no.
    #[error("the local store cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The work on it came to no end.
    #[error("work on the local store was cut off: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

/// The database, shared by everything in the runner that has something to remember.
#[derive(Clone)]
pub struct Store(Arc<Mutex<Connection>>);

impl Store {
    /// Opens the database in this file, or a new one in memory. It blocks.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] if the file cannot be opened or is something else.
    pub fn open(file: Option<&Path>) -> Result<Self, StoreError> {
        let connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Does one piece of work in one transaction, away from the async threads. What it wrote is committed when this
    /// returns, and undone if the work failed.
    ///
    /// # Errors
    /// [`StoreError`] if `SQLite` refused.
    pub async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            // A panic in earlier work has rolled its transaction back, so the connection is as good as before.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
        .await?
    }
}

/// Keeps what could not be delivered, as a dead-letter queue does.
///
/// # Errors
/// `SQLite` refused.
pub fn keep_dead_letter(transaction: &Transaction<'_>, source: &str, reason: &str, body: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO dead_letters (source, reason, body, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute((source, reason, body, crate::time::now()))
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_fails_leaves_nothing_behind() {
        let store = Store::open(None).unwrap();
        let failed: Result<(), _> = store
            .transaction(|transaction| {
                keep_dead_letter(transaction, "test", "none", "{}")?;
                Err(rusqlite::Error::QueryReturnedNoRows)
            })
            .await;
        assert!(failed.is_err());
        let left: i64 = store
            .transaction(|transaction| transaction.query_row("SELECT count(*) FROM dead_letters", [], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(left, 0);
    }
}
