//! The table's stream → the event bus: publishes every change of a payment request as an event, and every difference
//! that a reconciliation found. The stream is the outbox.

use adapters::dynamodb::stream::{ItemKind, RecordError, StreamRecord, difference_of_image, records, request_of_image};
use adapters::eventbridge::{ENTRIES_PER_CALL, Entry, EntryError};
use adapters::{EventBus, SumsTable};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::difference::DifferenceEvent;
use domain::ports::{KeptSums as _, StoreError};
use domain::sums::{Period, SummedHour};
use domain::{Doors, PaymentRequestEvent, Timestamp, WorkspaceId};
use futures::future::join_all;
use runtime::telemetry::{Metric, chain, count};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};
use serde_json::json;
use std::collections::BTreeMap;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The event source for unreadable records. A rule of the bus sends such entries to the dead-letter queue.
const DEAD_LETTER_SOURCE: &str = "chat2pay.dead-letter";

struct Publish {
    bus: EventBus,
    sums: SumsTable,
    doors: Doors,
    public_base_url: String,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(Publish {
        bus: EventBus::new(environment)?,
        sums: SumsTable::new(environment)?,
        doors: environment.doors(),
        public_base_url: runtime::config::public_base_url(environment)?,
    }))
}

/// An entry not yet put on the bus. `subject` is the request, whose events must stay in order, or the difference.
/// `sequence_number` is the stream record from which to retry if the entry fails.
struct Pending {
    subject: String,
    sequence_number: String,
    entry: Entry,
}

/// A workspace with one of its periods.
type SummedPeriod<'a> = (&'a WorkspaceId, Period);

/// The records of a batch that change a period.
#[derive(Debug, Clone, Copy)]
struct Touched {
    /// The place of the first of them.
    first: usize,
    /// Whether one of them inserts a request.
    inserted: bool,
}

impl Default for Touched {
    fn default() -> Self {
        Self { first: usize::MAX, inserted: false }
    }
}

impl Touched {
    fn and(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.inserted |= other.inserted;
    }
}

/// Returns the hours whose sums these records change at `now`. An ordinary life is over before its hour is closed, so
/// nearly every record changes none.
fn changed_hours(records: &[StreamRecord], now: Timestamp) -> BTreeMap<SummedHour, Touched> {
    let mut changed: BTreeMap<SummedHour, Touched> = BTreeMap::new();
    for (place, record) in records.iter().enumerate() {
        let hours: Vec<_> = record.summed_hours().into_iter().filter(|of| of.hour.may_have_sums(now)).collect();
        // The items are compared only if it matters: to read both takes longer than everything before.
        if hours.is_empty() || !record.alters_sums() {
            continue;
        }
        let touched = Touched { first: place, inserted: record.old_image.is_empty() };
        for hour in hours {
            changed.entry(hour).or_default().and(touched);
        }
    }
    changed
}

/// The sums that could not be dropped.
#[derive(Default)]
struct Failed<'a> {
    /// Those of which the next try may succeed, by the place of their first record.
    for_now: BTreeMap<usize, StoreError>,
    /// Those that will never be dropped, and why not.
    for_good: Vec<(SummedPeriod<'a>, StoreError)>,
}

impl<'a> Failed<'a> {
    fn add(&mut self, place: usize, period: SummedPeriod<'a>, error: StoreError) {
        match error {
            StoreError::Unavailable(_) => drop(self.for_now.insert(place, error)),
            // The table or the permission is missing. Sums are a cache: they must not hold up the events of money.
            StoreError::Refused(_) | StoreError::Corrupt(_) => self.for_good.push((period, error)),
        }
    }

    /// Logs the failures. Returns the place of the first record that is to be delivered again.
    fn place(mut self) -> Option<usize> {
        if let Some(((workspace, period), error)) = self.for_good.first() {
            count(Metric::SumsNotDropped);
            tracing::error!(
                %workspace,
                %period,
                failed = self.for_good.len(),
                cause = chain(error),
                "some sums not dropped: reports may show old numbers"
            );
        }
        let failed = self.for_now.len();
        let (place, error) = self.for_now.pop_first()?;
        tracing::error!(
            error = chain(&error),
            failed,
            "some sums not dropped; the stream delivers their records again"
        );
        Some(place)
    }
}

impl Function for Publish {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let records = records(event).map_err(|error| InvocationError::unreadable(&error))?;
            let records = records.ok_or_else(|| InvocationError::Event("it has no records".to_owned()))?;
            let mut response = DynamoDbEventResponse::default();
            if let Err(failed) = self.publish(records).await {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = Some(failed);
                response.batch_item_failures = vec![failure];
            }
            serde_json::to_string(&response).map_err(|error| InvocationError::answer(&error))
        })
    }
}

impl Publish {
    /// Drops the sums that these records change, and puts every event of theirs on the bus, in the order of the stream.
    ///
    /// # Errors
    /// The sequence number of the first record for which one of both failed. The stream redelivers from that record on,
    /// so later events may be published twice. Consumers drop duplicates by their `event_id`.
    async fn publish(&self, mut records: Vec<StreamRecord>) -> Result<(), String> {
        let dropped = self.drop_sums(&records).await;
        let not_dropped = dropped.map(|place| records.split_off(place));
        self.publish_events(records).await?;
        match not_dropped.and_then(|records| records.into_iter().next()) {
            Some(record) => Err(record.sequence_number),
            None => Ok(()),
        }
    }

    /// Drops the sums of the closed hours and days that these records change, each once.
    ///
    /// An hour's sums are dropped before those of its day. The other way round, a report could read the day's item
    /// after its drop and the hour's old sums before theirs, and would keep a day that nothing drops any more.
    ///
    /// Returns the place of the first record whose sums could not all be dropped.
    async fn drop_sums(&self, records: &[StreamRecord]) -> Option<usize> {
        let hours = changed_hours(records, self.doors.now());
        let mut days: BTreeMap<SummedPeriod<'_>, Touched> = BTreeMap::new();
        let dropped =
            join_all(hours.iter().map(|(SummedHour { workspace, hour }, touched)| {
                self.sums.drop_sums(workspace, *hour, touched.inserted)
            }));
        let mut failed = Failed::default();
        for ((SummedHour { workspace, hour }, touched), dropped) in hours.iter().zip(dropped.await) {
            match dropped {
                Ok(()) => days.entry((workspace, Period::day_of(hour.start()))).or_default().and(*touched),
                Err(error) => failed.add(touched.first, (workspace, *hour), error),
            }
        }
        days.retain(|(_, day), _| day.may_have_sums(self.doors.now()));
        let dropped = join_all(
            days.iter().map(|((workspace, day), touched)| self.sums.drop_sums(workspace, *day, touched.inserted)),
        );
        for ((day, touched), dropped) in days.iter().zip(dropped.await) {
            if let Err(error) = dropped {
                failed.add(touched.first, *day, error);
            }
        }
        failed.place()
    }

    /// Puts every event of these records on the bus, in the order of the stream.
    ///
    /// # Errors
    /// The sequence number of the first record that was not published.
    async fn publish_events(&self, records: Vec<StreamRecord>) -> Result<(), String> {
        let mut batch: Vec<Pending> = Vec::new();
        for record in records {
            for pending in self.events(record) {
                // Each entry of a call is accepted or rejected on its own. With two entries of the same request in one
                // call, the second could be published without the first.
                if batch.len() == ENTRIES_PER_CALL || batch.iter().any(|other| other.subject == pending.subject) {
                    self.put(std::mem::take(&mut batch)).await?;
                }
                batch.push(pending);
            }
        }
        self.put(batch).await
    }

    /// Puts one batch on the bus.
    ///
    /// # Errors
    /// The sequence number of the first entry that was not published.
    async fn put(&self, batch: Vec<Pending>) -> Result<(), String> {
        if batch.is_empty() {
            return Ok(());
        }
        let (entries, sequence_numbers): (Vec<Entry>, Vec<String>) =
            batch.into_iter().map(|pending| (pending.entry, pending.sequence_number)).unzip();
        let results = match self.bus.put(&entries).await {
            Ok(results) => results,
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    events = entries.len(),
                    "no event published; the stream delivers them again"
                );
                return Err(sequence_numbers.into_iter().next().unwrap_or_default());
            }
        };
        for (entry, result) in entries.iter().zip(&results) {
            // Not counted by the run that found it: one that stops after storing it would never count it.
            if entry.detail_type == DifferenceEvent::DETAIL_TYPE.as_str() && result.is_ok() {
                count(Metric::ReconciliationDifference);
            }
        }
        let failures: Vec<(&String, &EntryError)> = sequence_numbers
            .iter()
            .zip(&results)
            .filter_map(|(number, result)| Some((number, result.as_ref().err()?)))
            .collect();
        match failures.first() {
            None => {
                tracing::info!(events = entries.len(), "events published");
                Ok(())
            }
            // The batch is in the order of the stream, so the first failure has the lowest sequence number.
            Some((number, error)) => {
                tracing::error!(
                    %error,
                    failed = failures.len(),
                    events = entries.len(),
                    "some events not published; the stream delivers them again"
                );
                Err((*number).clone())
            }
        }
    }

    /// Returns the entries for what a record added. For an unreadable record, returns one entry for the dead-letter
    /// queue.
    fn events(&self, record: StreamRecord) -> Vec<Pending> {
        let sequence_number = record.sequence_number.clone();
        let (event_source_arn, keys) = (record.event_source_arn.clone(), record.request_keys());
        match self.published(record) {
            Ok(published) => published
                .into_iter()
                .map(|(subject, entry)| Pending { subject, sequence_number: sequence_number.clone(), entry })
                .collect(),
            // A retry cannot help: the record stays unreadable. It must neither block the shard nor be lost, so the bus
            // sends an entry that identifies it to the dead-letter queue.
            Err(error) => {
                count(Metric::DeadLetter);
                tracing::error!(%error, sequence_number, "stream record unreadable; it goes to the dead-letter queue");
                let entry = Entry {
                    source: DEAD_LETTER_SOURCE,
                    detail_type: "StreamRecordUnreadable",
                    time: self.doors.now(),
                    detail: json!({
                        "event_source_arn": event_source_arn,
                        "sequence_number": sequence_number,
                        "keys": keys,
                        "error": error.to_string(),
                    })
                    .to_string(),
                };
                vec![Pending { subject: sequence_number.clone(), sequence_number, entry }]
            }
        }
    }

    /// Returns the events of the history entries that a record added to its request, or that of a new difference. Each
    /// comes with its subject.
    ///
    /// # Errors
    /// The record cannot be read.
    fn published(&self, record: StreamRecord) -> Result<Vec<(String, Entry)>, RecordError> {
        match record.kind() {
            ItemKind::Unreadable => return Err(RecordError::Form),
            // A link's item has no event of its own, because the request's event contains the link. A removal has none.
            ItemKind::Link | ItemKind::Other => return Ok(Vec::new()),
            ItemKind::Request | ItemKind::Difference if record.removed => return Ok(Vec::new()),
            ItemKind::Difference => {
                let event = difference_of_image(record.new_image)?.event();
                return Ok(vec![(event.event_id.clone(), Entry::from(&event))]);
            }
            ItemKind::Request => {}
        }
        let new = request_of_image(record.new_image)?.ok_or(RecordError::Form)?;
        let seen = request_of_image(record.old_image)?.map_or(0, |request| request.version());
        let events = PaymentRequestEvent::of_history(&new, seen, &self.public_base_url);
        Ok(events.map(|event| (event.id.to_string(), Entry::from(&event))).collect())
    }
}
