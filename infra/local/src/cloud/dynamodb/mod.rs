//! An embedded DynamoDB that holds the template's tables.

mod proxy;

use super::template::{Table, Template, TemplateError};
use crate::runner::Runner;
use axum::Router;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::delete_table::DeleteTableRequest;
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

/// The table's default name, if `TABLE_NAME` is not set.
pub const TABLE_NAME: &str = "chat2pay";

/// The default name of the table of webhook endpoints, if `WEBHOOKS_TABLE_NAME` is not set.
pub const WEBHOOKS_TABLE_NAME: &str = "chat2pay-webhooks";

/// The default name of the table of live updates, if `LIVE_TABLE_NAME` is not set.
pub const LIVE_TABLE_NAME: &str = "chat2pay-live";

/// The default name of the table of sums, if `SUMS_TABLE_NAME` is not set.
pub const SUMS_TABLE_NAME: &str = "chat2pay-sums";

const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The reason why the embedded DynamoDB could not be started, or a call to it failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The template does not describe the table.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// DynamoDB rejects the table that the template describes.
    #[error("the template's table cannot be created: {0}")]
    Definition(#[source] serde_json::Error),
    /// The database itself failed.
    #[error("the embedded DynamoDB failed: {0}")]
    Database(#[from] DynoxideError),
    /// No address or no thread for its HTTP listener is available.
    #[error("the embedded DynamoDB cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// Its file's path is not UTF-8, so that the database cannot open it.
    #[error("the data directory's path must be valid UTF-8")]
    Path,
    /// A call to it was aborted.
    #[error("a call to the embedded DynamoDB was aborted: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

/// A running DynamoDB with the template's table. It stops when the value is dropped.
pub struct Embedded {
    /// Its HTTP URL, for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub url: String,
    /// The same database without HTTP. Its calls block.
    pub database: Database,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts a database with the template's tables under their default names, in a file of this directory or in
    /// memory.
    ///
    /// # Errors
    /// [`DatabaseError`] if the file or a table cannot be created, or no port is available.
    pub async fn start(data_dir: Option<&Path>) -> Result<Self, DatabaseError> {
        let template = Template::embedded()?;
        let tables = [
            (TABLE_NAME, &template.table),
            (WEBHOOKS_TABLE_NAME, &template.webhooks_table),
            (LIVE_TABLE_NAME, &template.live_table),
            (SUMS_TABLE_NAME, &template.sums_table),
        ];
        Self::with_tables(data_dir, &tables, LIVE_TABLE_NAME, &Doors::default()).await
    }

    /// Starts a database and creates these tables under these names, unless the directory already contains them. The
    /// table of live updates begins empty: no connection of an earlier run is open any more, and each that is stored
    /// takes one of its person's places.
    ///
    /// # Errors
    /// [`DatabaseError`] if the file or a table cannot be created, or no port is available.
    pub(crate) async fn with_tables(
        data_dir: Option<&Path>,
        tables: &[(&str, &Table)],
        live_table: &str,
        doors: &Doors,
    ) -> Result<Self, DatabaseError> {
        let path = match data_dir {
            Some(directory) => {
                directory.join("dynamodb.sqlite").into_os_string().into_string().map_err(|_| DatabaseError::Path)?
            }
            // An in-memory database with a name, by which `index_stream` opens a second connection.
            None => format!("file:{}?mode=memory&cache=shared", doors.uuid()),
        };
        let live_table = live_table.to_owned();
        let requests = tables.iter().map(|(name, table)| requests(name, table)).collect::<Result<Vec<_>, _>>()?;
        let database = blocking(move || {
            let database = Database::new(&path)?;
            match database.delete_table(DeleteTableRequest { table_name: live_table }) {
                Ok(_) | Err(DynoxideError::ResourceNotFoundException(_)) => {}
                Err(error) => return Err(error),
            }
            for (create, ttl) in requests {
                match database.create_table(create) {
                    Ok(_) => {
                        database.update_time_to_live(ttl)?;
                    }
                    Err(DynoxideError::ResourceInUseException(_)) => {}
                    Err(error) => return Err(error),
                }
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

    /// Stops the database after the calls in flight.
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

/// Returns the requests that create a table of this name and switch on its time to live.
fn requests(name: &str, table: &Table) -> Result<(CreateTableRequest, UpdateTimeToLiveRequest), DatabaseError> {
    let create = CreateTableRequest::deserialize(table.create_request(name)).map_err(DatabaseError::Definition)?;
    let ttl = json!({
        "TableName": name,
        "TimeToLiveSpecification": { "AttributeName": table.ttl_attribute, "Enabled": true },
    });
    Ok((create, UpdateTimeToLiveRequest::deserialize(ttl).map_err(DatabaseError::Definition)?))
}

/// Serves the database over HTTP on a separate thread: its handlers block, and must not block other async tasks.
fn serve(
    listener: TcpListener,
    database: Database,
    stopped: oneshot::Receiver<()>,
) -> Result<JoinHandle<()>, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
        let served = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
            // Dropping the sender is the stop signal, so that the receiver's error is expected.
            dynoxide::server::serve_with_shutdown(listener, database, async { drop(stopped.await) }).await
        });
        if let Err(error) = served {
            tracing::error!(error, "the embedded DynamoDB stopped serving");
        }
    })
}

/// Creates an index on the stream. Every write reads the stream's last sequence number, and every poll the records
/// after one; without the index both scan the whole stream.
fn index_stream(path: &str) -> Result<(), rusqlite::Error> {
    rusqlite::Connection::open(path)?.execute_batch(
        "CREATE INDEX IF NOT EXISTS stream_records_in_order
             ON _stream_records (table_name, CAST(sequence_number AS INTEGER), shard_id);",
    )
}

/// Makes one call to the database on a thread for blocking work.
///
/// # Errors
/// The call's own error, or [`DatabaseError`] if it was aborted.
pub(crate) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, DynoxideError> + Send + 'static,
) -> Result<T, DatabaseError> {
    Ok(tokio::task::spawn_blocking(call).await??)
}

/// Starts the removal of expired items, and returns the route that forwards calls from the runner's own address to the
/// database.
pub(super) fn start(runner: &Runner) -> Router {
    runner.host.shutdown.spawn(sweep(runner.database.clone(), runner.host.shutdown.clone()));
    proxy::router(runner)
}

/// Removes items whose time to live has passed, periodically. DynamoDB takes up to days for it. Here it takes seconds,
/// and never more than a small part of the database's time.
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
            Ok(removed) => tracing::debug!(removed, "expired items removed"),
            Err(error) => tracing::error!(%error, "removal of expired items failed"),
        }
        pause = SWEEP_EVERY.max(begun.elapsed() * 20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynoxide::actions::describe_table::DescribeTableRequest;

    #[tokio::test]
    async fn the_table_is_the_templates_and_survives_a_restart() {
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
    async fn databases_in_memory_are_independent() {
        let first = Embedded::start(None).await.unwrap();
        let second = Embedded::start(None).await.unwrap();
        let put = json!({ "TableName": TABLE_NAME, "Item": { "pk": { "S": "x" } } });
        first.database.put_item(serde_json::from_value(put).unwrap()).unwrap();
        let scan = || serde_json::from_value(json!({ "TableName": TABLE_NAME })).unwrap();
        assert_eq!(first.database.scan(scan()).unwrap().count, 1);
        assert_eq!(second.database.scan(scan()).unwrap().count, 0);
    }
}
