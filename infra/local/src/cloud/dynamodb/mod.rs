//! An embedded DynamoDB that holds the template's table.

mod proxy;

use super::template::{Table, Template, TemplateError};
use crate::runner::Runner;
use axum::Router;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::update_time_to_live::UpdateTimeToLiveRequest;
use dynoxide::{Database, DynoxideError};
use serde::Deserialize;
use serde_json::json;
use stand_in_host::{Doors, Identifiers as _, Shutdown};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The table's name where `TABLE_NAME` does not give another.
pub const TABLE_NAME: &str = "chat2pay";

const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The embedded DynamoDB could not be started, or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The template does not say what the table looks like.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The template describes a table that DynamoDB does not take.
    #[error("the template's table cannot be created: {0}")]
    Definition(#[source] serde_json::Error),
    /// The database itself failed.
    #[error("the embedded DynamoDB failed: {0}")]
    Database(#[from] DynoxideError),
    /// No address to listen on, or no thread to listen with.
    #[error("the embedded DynamoDB cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// Its file is kept under a name that is not UTF-8, which it cannot open.
    #[error("the data directory's path must be valid UTF-8")]
    Path,
    /// A call to it did not come to its end.
    #[error("a call to the embedded DynamoDB was cut off: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

/// A running DynamoDB with the template's table in it. It stops when it is dropped.
pub struct Embedded {
    /// Where it answers over HTTP, for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub url: String,
    /// The same database without HTTP. Its calls block.
    pub database: Database,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts one with the table [`TABLE_NAME`]: kept in a file of this directory, or in memory.
    ///
    /// # Errors
    /// [`DatabaseError`] if the file or the table cannot be made, or there is no port to listen on.
    pub async fn start(data_dir: Option<&Path>) -> Result<Self, DatabaseError> {
        Self::with_table(data_dir, TABLE_NAME, &Template::embedded()?.table, &Doors::default()).await
    }

    /// Starts one with this table under this name, unless the directory has it already.
    ///
    /// # Errors
    /// [`DatabaseError`] if the file or the table cannot be made, or there is no port to listen on.
    pub(crate) async fn with_table(
        data_dir: Option<&Path>,
        name: &str,
        table: &Table,
        doors: &Doors,
    ) -> Result<Self, DatabaseError> {
        let path = match data_dir {
            Some(directory) => {
                directory.join("dynamodb.sqlite").into_os_string().into_string().map_err(|_| DatabaseError::Path)?
            }
            // Memory that a second connection can reach under this name, for `index_stream`.
            None => format!("file:{}?mode=memory&cache=shared", doors.uuid()),
        };
        let request = CreateTableRequest::deserialize(table.create_request(name)).map_err(DatabaseError::Definition)?;
        let ttl = json!({
            "TableName": name,
            "TimeToLiveSpecification": { "AttributeName": table.ttl_attribute, "Enabled": true },
        });
        let ttl = UpdateTimeToLiveRequest::deserialize(ttl).map_err(DatabaseError::Definition)?;
        let database = blocking(move || {
            let database = Database::new(&path)?;
            match database.create_table(request) {
                Ok(_) => {
                    database.update_time_to_live(ttl)?;
                }
                Err(DynoxideError::ResourceInUseException(_)) => {}
                Err(error) => return Err(error),
            }
            if let Err(error) = index_stream(&path) {
                tracing::warn!(%error, "without an index on its stream the embedded DynamoDB gets slower as it fills");
            }
            Ok(database)
        })
        .await?;

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let thread = serve(listener, database.clone(), stopped)?;
        Ok(Self { url, database, stop: Some(stop), thread: Some(thread) })
    }

    /// Stops it, after the calls that are running.
    pub async fn stop(mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let ended = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !ended.unwrap_or(false) {
                tracing::error!("the embedded DynamoDB ended early");
            }
        }
    }
}

/// Serves the database on a thread of its own: its handlers block, which no other async task should have to wait for.
fn serve(
    listener: TcpListener,
    database: Database,
    stopped: oneshot::Receiver<()>,
) -> Result<JoinHandle<()>, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
        let served = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
            // Dropping the sender is the signal, so its error is the expected outcome.
            dynoxide::server::serve_with_shutdown(listener, database, async { drop(stopped.await) }).await
        });
        if let Err(error) = served {
            tracing::error!(error, "the embedded DynamoDB stopped serving");
        }
    })
}

/// Every write asks the stream for its last sequence number and every poll for what follows one, and both read the
/// whole stream without this index.
fn index_stream(path: &str) -> Result<(), rusqlite::Error> {
    rusqlite::Connection::open(path)?.execute_batch(
        "CREATE INDEX IF NOT EXISTS stream_records_in_order
             ON _stream_records (table_name, CAST(sequence_number AS INTEGER), shard_id);",
    )
}

/// Makes one call to the database, away from the async threads.
///
/// # Errors
/// What the call answered, or that it was cut off.
pub(crate) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, DynoxideError> + Send + 'static,
) -> Result<T, DatabaseError> {
    Ok(tokio::task::spawn_blocking(call).await??)
}

/// Starts sweeping the database, and returns the route by which it is reached under the runner's own address.
pub(super) fn start(runner: &Runner) -> Router {
    runner.host.shutdown.spawn(sweep(runner.database.clone(), runner.host.shutdown.clone()));
    proxy::router(runner)
}

/// Removes items whose time to live has passed, again and again. DynamoDB takes up to days for it; here it is a matter
/// of seconds, but never more than a small part of the database's time.
async fn sweep(database: Database, shutdown: Shutdown) {
    let mut pause = SWEEP_EVERY;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.draining() => return,
        }
        let begun = Instant::now();
        let swept = database.clone();
        match blocking(move || swept.sweep_ttl()).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "items reached their time to live"),
            Err(error) => tracing::error!(%error, "items past their time to live stay"),
        }
        pause = SWEEP_EVERY.max(begun.elapsed() * 20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynoxide::actions::describe_table::DescribeTableRequest;

    #[tokio::test]
    async fn the_table_is_the_templates_and_stays_over_a_restart() {
        let directory = crate::test::Directory::new();
        for _ in 0..2 {
            let embedded = Embedded::start(Some(directory.path())).await.unwrap();
            let request = DescribeTableRequest { table_name: TABLE_NAME.to_owned() };
            let table = embedded.database.describe_table(request).unwrap().table;
            let indexes = table.global_secondary_indexes.unwrap();
            let mut names: Vec<_> = indexes.iter().map(|index| index.index_name.as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, ["by_agent", "by_month", "due"]);
            embedded.stop().await;
        }
    }

    #[tokio::test]
    async fn databases_in_memory_have_nothing_in_common() {
        let first = Embedded::start(None).await.unwrap();
        let second = Embedded::start(None).await.unwrap();
        let put = json!({ "TableName": TABLE_NAME, "Item": { "pk": { "S": "x" } } });
        first.database.put_item(serde_json::from_value(put).unwrap()).unwrap();
        let scan = || serde_json::from_value(json!({ "TableName": TABLE_NAME })).unwrap();
        assert_eq!(first.database.scan(scan()).unwrap().count, 1);
        assert_eq!(second.database.scan(scan()).unwrap().count, 0);
    }
}
