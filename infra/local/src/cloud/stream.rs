//! Emulation of Lambda's event source mappings. Each consumer reads the table's stream independently, from its own
//! stored position.

use super::aws;
use super::dynamodb::{DatabaseError, blocking};
use super::template::StreamConsumer;
use crate::runner::Runner;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use rusqlite::OptionalExtension;
use serde::Deserialize;
use serde_json::{Value, json};
use stand_in_host::durable::{backoff, keep_dead_letter};
use stand_in_host::{DurableStoreError, Shutdown};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The table of each consumer's position in the stream.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS stream_positions (
        consumer TEXT PRIMARY KEY,
        sequence_number TEXT NOT NULL
    ) STRICT;
";
/// The interval between two polls of the stream; Lambda polls four times a second.
const POLL_EVERY: Duration = Duration::from_millis(40);
/// The maximum number of records in one poll.
const READ_AT_ONCE: usize = 500;

/// The reason why a consumer temporarily cannot continue.
#[derive(Debug, thiserror::Error)]
enum ConsumerError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Store(#[from] DurableStoreError),
    #[error("a stream record cannot be serialized as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the table has no stream")]
    NoStream,
}

/// One consumer of the stream.
struct Consumer {
    mapping: StreamConsumer,
    runner: Runner,
}

/// A stream record in the form that the function receives.
struct Record {
    sequence_number: String,
    event: Value,
}

/// The outcome of an invocation with a batch of records.
enum Progress {
    /// Every record was processed.
    All,
    /// The records before this position were processed; the record at it failed.
    FailedAt { position: usize, reason: String },
    /// The function could not be called at all.
    Unavailable { reason: String },
}

/// A function's response that reports failed records individually.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchResponse {
    #[serde(default)]
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

/// Starts a background task for every consumer of the template.
pub(super) async fn start(runner: &Runner) -> Result<(), DurableStoreError> {
    runner.host.store.create_tables(SCHEMA).await?;
    for mapping in &runner.template.stream_consumers {
        let consumer = Consumer { mapping: mapping.clone(), runner: runner.clone() };
        runner.host.shutdown.spawn(consumer.run());
    }
    Ok(())
}

impl Consumer {
    fn shutdown(&self) -> &Shutdown {
        &self.runner.host.shutdown
    }

    /// Reads the stream until the runner stops. After an error it waits and starts again from the stored position.
    async fn run(self) {
        let mut failures = 0;
        while !self.shutdown().is_draining() {
            match self.follow().await {
                Ok(()) => return,
                Err(error) => {
                    failures += 1;
                    tracing::error!(consumer = self.mapping.name, %error, "reading the stream failed");
                    tokio::select! {
                        () = tokio::time::sleep(backoff(failures, &self.runner.host.doors)) => {}
                        () = self.shutdown().draining() => {}
                    }
                }
            }
        }
    }

    async fn follow(&self) -> Result<(), ConsumerError> {
        let stream = self.stream().await?;
        let mut iterator = self.start_iterator(&stream).await?;
        let mut ticks = tokio::time::interval(POLL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.shutdown().draining() => return Ok(()),
            }
            let database = self.runner.database.clone();
            let request = GetRecordsRequest { shard_iterator: iterator.clone(), limit: Some(READ_AT_ONCE) };
            let read = blocking(move || database.get_records(request)).await?;
            let Some(last) = read.records.last().map(|record| record.dynamodb.sequence_number.clone()) else {
                continue;
            };
            let records = read.records.iter().map(|record| Record::new(record, &stream.arn));
            let records: Vec<Record> = records.collect::<Result<_, _>>()?;
            let mut wanted = records.into_iter().filter(|record| self.wants(record)).peekable();
            while wanted.peek().is_some() {
                let batch: Vec<_> = wanted.by_ref().take(self.mapping.batch_size).collect();
                if !self.deliver(batch).await? {
                    return Ok(());
                }
            }
            self.remember(last).await?;
            if let Some(next) = read.next_shard_iterator {
                iterator = next;
            }
        }
    }

    fn wants(&self, record: &Record) -> bool {
        let filters = &self.mapping.filters;
        filters.is_empty() || filters.iter().any(|filter| filter.matches(&record.event))
    }

    /// Delivers records to the function, with retries, until each has been processed or abandoned. Returns false if the
    /// runner stops first.
    async fn deliver(&self, mut batch: Vec<Record>) -> Result<bool, ConsumerError> {
        let mut failures = 0_u32;
        while let Some(last) = batch.last() {
            let last = last.sequence_number.clone();
            let progress = tokio::select! {
                progress = self.invoke(&batch) => progress,
                () = self.shutdown().halted() => return Ok(false),
            };
            match progress {
                Progress::All => {
                    self.remember(last).await?;
                    return Ok(true);
                }
                Progress::Unavailable { reason } => {
                    tracing::warn!(
                        consumer = self.mapping.name,
                        reason,
                        "stream records postponed: the function is unavailable"
                    );
                    failures = failures.max(1);
                }
                Progress::FailedAt { position, reason } => {
                    // The record that is now first has failed once, not as often as the one before it.
                    failures = if position > 0 { 1 } else { failures.saturating_add(1) };
                    let taken: Vec<_> = batch.drain(..position).collect();
                    if let Some(taken) = taken.last() {
                        self.remember(taken.sequence_number.clone()).await?;
                    }
                    tracing::warn!(consumer = self.mapping.name, failures, reason, "stream record not processed");
                    if self.mapping.retries.is_some_and(|retries| failures > retries) && !batch.is_empty() {
                        self.give_up(batch.remove(0), reason).await?;
                        failures = 0;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff(failures, &self.runner.host.doors)) => {}
                () = self.shutdown().draining() => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn invoke(&self, batch: &[Record]) -> Progress {
        let records: Vec<_> = batch.iter().map(|record| &record.event).collect();
        let event = json!({ "Records": records }).to_string();
        match self.runner.functions.invoke(&self.mapping.function, event).await {
            Ok(answer) => progress(batch, &answer),
            Err(error) if error.is_unavailable() => Progress::Unavailable { reason: error.to_string() },
            Err(error) => Progress::FailedAt { position: 0, reason: error.to_string() },
        }
    }

    /// Stores an abandoned record as a dead letter, as the mapping's on-failure destination does, and moves the
    /// consumer's position past it.
    async fn give_up(&self, record: Record, reason: String) -> Result<(), ConsumerError> {
        let (consumer, now) = (self.mapping.name.clone(), self.runner.host.doors.now());
        tracing::error!(consumer, sequence_number = record.sequence_number, reason, "stream record abandoned");
        self.runner
            .host
            .store
            .transaction(move |transaction| {
                keep_dead_letter(transaction, &consumer, &reason, &record.event.to_string(), now)?;
                remember(transaction, &consumer, &record.sequence_number)
            })
            .await?;
        Ok(())
    }

    /// Stores the consumer's position: all records up to this one are settled.
    async fn remember(&self, sequence_number: String) -> Result<(), DurableStoreError> {
        let consumer = self.mapping.name.clone();
        self.runner.host.store.transaction(move |transaction| remember(transaction, &consumer, &sequence_number)).await
    }

    async fn stream(&self) -> Result<Stream, ConsumerError> {
        let database = self.runner.database.clone();
        let table_name = Some(self.runner.table_name().to_owned());
        let request = ListStreamsRequest { table_name, ..ListStreamsRequest::default() };
        let streams = blocking(move || database.list_streams(request)).await?.streams;
        let arn = streams.into_iter().next().ok_or(ConsumerError::NoStream)?.stream_arn;
        let database = self.runner.database.clone();
        let request = DescribeStreamRequest { stream_arn: arn.clone(), ..DescribeStreamRequest::default() };
        let shards = blocking(move || database.describe_stream(request)).await?.stream_description.shards;
        let shard = shards.into_iter().next().ok_or(ConsumerError::NoStream)?.shard_id;
        Ok(Stream { arn, shard })
    }

    /// Returns the iterator to continue from: after the last settled record, or at the start of the stream.
    async fn start_iterator(&self, stream: &Stream) -> Result<String, ConsumerError> {
        let consumer = self.mapping.name.clone();
        let settled: Option<String> = self
            .runner
            .host
            .store
            .transaction(move |transaction| {
                transaction
                    .prepare_cached("SELECT sequence_number FROM stream_positions WHERE consumer = ?1")?
                    .query_row([consumer], |row| row.get(0))
                    .optional()
            })
            .await?;
        let kind = if settled.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
        let request = GetShardIteratorRequest {
            stream_arn: stream.arn.clone(),
            shard_id: stream.shard.clone(),
            shard_iterator_type: kind.to_owned(),
            sequence_number: settled,
        };
        let database = self.runner.database.clone();
        let iterator = blocking(move || database.get_shard_iterator(request)).await?;
        iterator.shard_iterator.ok_or(ConsumerError::NoStream)
    }
}

struct Stream {
    arn: String,
    shard: String,
}

impl Record {
    /// Builds the record as Lambda passes it on. <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
    #[expect(clippy::cast_possible_truncation, reason = "seconds since the epoch, which the stream gives as a float")]
    fn new(record: &dynoxide::actions::get_records::Record, arn: &str) -> Result<Self, serde_json::Error> {
        let mut event = serde_json::to_value(record)?;
        event["awsRegion"] = aws::REGION.into();
        event["eventSourceARN"] = arn.into();
        let created = record.dynamodb.approximate_creation_date_time as i64;
        event["dynamodb"]["ApproximateCreationDateTime"] = created.into();
        Ok(Self { sequence_number: record.dynamodb.sequence_number.clone(), event })
    }
}

fn remember(transaction: &rusqlite::Transaction<'_>, consumer: &str, sequence_number: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO stream_positions (consumer, sequence_number) VALUES (?1, ?2)
             ON CONFLICT (consumer) DO UPDATE SET sequence_number = excluded.sequence_number",
        )?
        .execute((consumer, sequence_number))
        .map(|_| ())
}

/// Returns the outcome that a function's response reports. As in Lambda, everything from the lowest reported record on
/// is retried, and the whole batch if the report names a record that is not in it.
fn progress(batch: &[Record], answer: &str) -> Progress {
    let response = match serde_json::from_str::<Option<BatchResponse>>(answer) {
        Ok(response) => response.unwrap_or_default(),
        Err(error) => {
            return Progress::FailedAt { position: 0, reason: format!("its answer is not a batch response: {error}") };
        }
    };
    let positions = response
        .batch_item_failures
        .iter()
        .map(|failure| batch.iter().position(|record| record.sequence_number == failure.item_identifier).unwrap_or(0));
    match positions.min() {
        None => Progress::All,
        Some(position) => Progress::FailedAt { position, reason: "the function reported the failure".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Vec<Record> {
        ["1", "2", "3"].map(|number| Record { sequence_number: number.to_owned(), event: Value::Null }).into()
    }

    fn failed_at(answer: &Value) -> Option<usize> {
        match progress(&batch(), &answer.to_string()) {
            Progress::FailedAt { position, .. } => Some(position),
            Progress::All | Progress::Unavailable { .. } => None,
        }
    }

    #[test]
    fn delivery_resumes_at_the_lowest_reported_record() {
        let report = |numbers: &[&str]| {
            let failures: Vec<_> = numbers.iter().map(|number| json!({ "itemIdentifier": number })).collect();
            json!({ "batchItemFailures": failures })
        };
        assert_eq!(failed_at(&report(&[])), None);
        assert_eq!(failed_at(&report(&["3", "2"])), Some(1));
        assert_eq!(failed_at(&report(&["unknown"])), Some(0));
    }

    #[test]
    fn an_answer_without_failures_is_a_success_and_an_invalid_one_a_failure() {
        assert_eq!(failed_at(&Value::Null), None);
        assert_eq!(failed_at(&json!({})), None);
        assert_eq!(failed_at(&json!("text")), Some(0));
        assert_eq!(failed_at(&json!({ "batchItemFailures": 1 })), Some(0));
    }
}
