//! The stream of the embedded table, for tests that hand its records to `publish` themselves.

use crate::handlers::Handlers;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use serde_json::Value;

/// The table's stream, read as `publish` is handed it.
pub struct Stream {
    iterator: String,
}

impl Stream {
    /// Begins with the oldest record.
    #[must_use]
    pub fn at_its_start(handlers: &Handlers) -> Self {
        Self::at(handlers, "TRIM_HORIZON")
    }

    /// Begins with the next record that is written.
    #[must_use]
    pub fn at_its_end(handlers: &Handlers) -> Self {
        Self::at(handlers, "LATEST")
    }

    fn at(handlers: &Handlers, shard_iterator_type: &str) -> Self {
        let database = &handlers.database.database;
        let table_name = Some(local::dynamodb::TABLE_NAME.to_owned());
        let streams = database.list_streams(ListStreamsRequest { table_name, ..ListStreamsRequest::default() });
        let stream_arn = streams.unwrap().streams.remove(0).stream_arn;
        let request = DescribeStreamRequest { stream_arn: stream_arn.clone(), ..DescribeStreamRequest::default() };
        let shard_id = database.describe_stream(request).unwrap().stream_description.shards.remove(0).shard_id;
        let shard_iterator_type = shard_iterator_type.to_owned();
        let request = GetShardIteratorRequest { stream_arn, shard_id, shard_iterator_type, sequence_number: None };
        Self { iterator: database.get_shard_iterator(request).unwrap().shard_iterator.unwrap() }
    }

    /// Returns the records since the last call that the template's filter hands to `publish`.
    pub fn next(&mut self, handlers: &Handlers) -> Vec<Value> {
        let request = GetRecordsRequest { shard_iterator: self.iterator.clone(), limit: None };
        let read = handlers.database.database.get_records(request).unwrap();
        self.iterator = read.next_shard_iterator.unwrap();
        let records = read.records.iter().map(|record| serde_json::to_value(record).unwrap());
        records.filter(is_published).collect()
    }
}

/// Returns whether the template's filter hands this record to `publish`.
fn is_published(record: &Value) -> bool {
    let key = record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap();
    key.starts_with("REQ#") && (record["eventName"] != "REMOVE" || record["userIdentity"].is_null())
}
