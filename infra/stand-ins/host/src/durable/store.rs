//! The store: one `SQLite` database, in the data directory or in memory. Each part of the runner creates its own tables
//! in it.
//!
//! Everything is committed here before the runner acknowledges it. A commit survives the end of the process (`kill
//! -9`). It is not synced to the disk each time, so that a power failure may lose the most recent commits.

use super::queue;
use domain::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS dead_letters (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        source TEXT NOT NULL,
        reason TEXT NOT NULL,
        body TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
";

/// The reason why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DurableStoreError {
    /// `SQLite` returned an error.
    #[error("the local store cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The blocking task was aborted.
    #[error("the task on the local store was aborted: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

/// The store, shared by all parts of the runner. Clones refer to the same store.
#[derive(Clone)]
pub struct DurableStore(Arc<Mutex<Connection>>);

impl DurableStore {
    /// Opens the store in this file, or a new one in memory. It blocks the thread.
    ///
    /// # Errors
    /// [`DurableStoreError::Sqlite`] if the file cannot be opened or is not such a database.
    pub fn open(file: Option<&Path>) -> Result<Self, DurableStoreError> {
        let connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(queue::SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Creates tables. `schema` uses `IF NOT EXISTS`, because an earlier run may have created them.
    ///
    /// # Errors
    /// [`DurableStoreError`] if `SQLite` returned an error, or the blocking task was aborted.
    pub async fn create_tables(&self, schema: &'static str) -> Result<(), DurableStoreError> {
        self.transaction(move |transaction| transaction.execute_batch(schema)).await
    }

    /// Runs `work` in one transaction, on a thread for blocking work. Its writes are committed before this returns, and
    /// rolled back if `work` fails.
    ///
    /// # Errors
    /// [`DurableStoreError`] if `SQLite` returned an error, or the blocking task was aborted.
    pub async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DurableStoreError> {
        let connection = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            // A panic in earlier work rolled its transaction back, so that the connection is still usable.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
        .await?
    }
}

/// Stores a dead letter: an event or job that could not be delivered.
///
/// # Errors
/// `SQLite` returned an error.
pub fn keep_dead_letter(
    transaction: &Transaction<'_>,
    source: &str,
    reason: &str,
    body: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO dead_letters (source, reason, body, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute((source, reason, body, now.to_string()))
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::Doors;

    #[tokio::test]
    async fn failed_work_is_rolled_back() {
        let (store, now) = (DurableStore::open(None).unwrap(), Doors::default().now());
        let failed: Result<(), _> = store
            .transaction(move |transaction| {
                keep_dead_letter(transaction, "test", "none", "{}", now)?;
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

    #[tokio::test]
    async fn tables_are_created_once_and_keep_their_rows() {
        const OWN: &str = "CREATE TABLE IF NOT EXISTS own (value INTEGER NOT NULL) STRICT;";
        let store = DurableStore::open(None).unwrap();
        store.create_tables(OWN).await.unwrap();
        store.transaction(|transaction| transaction.execute("INSERT INTO own VALUES (1)", [])).await.unwrap();
        store.create_tables(OWN).await.unwrap();
        let kept: i64 = store
            .transaction(|transaction| transaction.query_row("SELECT sum(value) FROM own", [], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(kept, 1);
    }
}
