//! A stand-in for SQS and for Lambda's event source mapping of a queue: it takes messages in SQS's own protocol and
//! from the bus, and hands each to the function of the template when its delay is over.
//!
//! As in SQS, a message that is received is hidden for the queue's visibility timeout. It is deleted after the function
//! has succeeded, and received again otherwise. What was received too often goes to the dead letters.

use super::CloudError;
use super::aws::{ACCOUNT, REGION};
use super::template::QueueConsumer;
use crate::runner::Runner;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use runtime::Environment;
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use stand_in_host::durable::keep_dead_letter;
use stand_in_host::web::body;
use stand_in_host::{DurableStoreError, Identifiers as _};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// The path of the queue's address.
pub(crate) const QUEUE_PATH: &str = "/local/aws/sqs/000000000000/chat2pay-webhooks";
/// The name of the queue.
const QUEUE: &str = "chat2pay-webhooks";

/// The largest message, and the largest total of one call, in bytes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const SIZE: usize = 1024 * 1024;
/// The greatest number of messages in one call.
const MESSAGES: usize = 10;
/// The longest delay of a message, in seconds.
const LONGEST_DELAY: i64 = 900;
/// The length of a message group's name, at most.
const LONGEST_GROUP: usize = 128;
/// The longest time for which nothing is looked for. A clock that was set forward is noticed within it.
const LOOKED_FOR_EVERY: Duration = Duration::from_secs(1);

/// The table of messages. A message that was received and not deleted is visible again at `visible_at`, in
/// milliseconds since the Unix epoch.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queue_messages (
        id TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        message_group TEXT,
        sent_at INTEGER NOT NULL,
        visible_at INTEGER NOT NULL,
        receives INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS queue_messages_by_time ON queue_messages (visible_at);
";

/// The queue of the template that a function reads.
pub(super) struct Queue {
    url: String,
    runner: Runner,
    arrived: Notify,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    queue_url: String,
    #[serde(flatten)]
    message: Message,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch {
    queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    #[serde(flatten)]
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "MessageBody")]
    body: String,
    #[serde(rename = "DelaySeconds")]
    delay: Option<i64>,
    #[serde(rename = "MessageGroupId")]
    group: Option<String>,
}

/// The error of a call, or of one message of a batch, in AWS's JSON protocol.
#[derive(Debug)]
struct Rejected {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Rejected {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: message.into() }
    }

    fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }
}

impl From<DurableStoreError> for Rejected {
    fn from(error: DurableStoreError) -> Self {
        tracing::error!(%error, "messages were not stored");
        let message = "The request has failed due to a temporary failure of the server.".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "InternalFailure", message }
    }
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        let kind = format!("com.amazonaws.sqs#{}", self.kind);
        (self.status, protocol(&json!({ "__type": kind, "message": self.message }))).into_response()
    }
}

/// Builds a response with a body in SQS's JSON protocol.
fn protocol(body: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string())
}

impl Message {
    /// Checks what SQS checks of one message.
    fn check(&self) -> Result<(), Rejected> {
        let delay = self.delay.unwrap_or(0);
        if !(0..=LONGEST_DELAY).contains(&delay) {
            return Err(Rejected::parameter(format!(
                "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= \
                 {LONGEST_DELAY}."
            )));
        }
        if self.body.is_empty() {
            return Err(Rejected::new("MissingParameter", "The request must contain the parameter MessageBody."));
        }
        if self.body.len() > SIZE {
            return Err(Rejected::parameter(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {SIZE} bytes."
            )));
        }
        let known = |character: char| character.is_ascii_graphic();
        if self
            .group
            .as_ref()
            .is_some_and(|group| group.is_empty() || group.len() > LONGEST_GROUP || !group.chars().all(known))
        {
            return Err(Rejected::parameter("Value for parameter MessageGroupId is invalid."));
        }
        // The characters of XML 1.0, section 2.2.
        let allowed = |it: char| matches!(it, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        if !self.body.chars().all(allowed) {
            return Err(Rejected::new("InvalidMessageContents", "Invalid characters found."));
        }
        Ok(())
    }
}

/// Starts the queue and its consumer, and returns it with its routes.
///
/// # Errors
/// [`CloudError`] if the stored messages cannot be read.
pub(super) async fn start(runner: &Runner) -> Result<(Arc<Queue>, Router), CloudError> {
    runner.host.store.create_tables(SCHEMA).await?;
    let url = url(&runner.environment, &runner.host.own_url);
    let queue = Arc::new(Queue { url, runner: runner.clone(), arrived: Notify::new() });
    for consumer in &runner.template.queue_consumers {
        runner.host.shutdown.spawn(consume(Arc::clone(&queue), consumer.clone()));
    }
    // The SDK posts to the endpoint, with or without a slash.
    let router = Router::new().route("/local/aws/sqs", post(call)).route("/local/aws/sqs/", post(call));
    Ok((Arc::clone(&queue), router.with_state(queue)))
}

fn url(environment: &Environment, own_url: &str) -> String {
    environment.get("WEBHOOK_QUEUE_URL").map_or_else(|| format!("{own_url}{QUEUE_PATH}"), str::to_owned)
}

/// `POST /local/aws/sqs/`: implements `SendMessage` and `SendMessageBatch` in SQS's own protocol.
async fn call(State(queue): State<Arc<Queue>>, headers: HeaderMap, body: Body) -> Response {
    match answer(&queue, &headers, body).await {
        Ok(body) => protocol(&body).into_response(),
        Err(rejected) => rejected.into_response(),
    }
}

async fn answer(queue: &Queue, headers: &HeaderMap, body: Body) -> Result<Value, Rejected> {
    let unreadable = || Rejected::new("SerializationException", "The body cannot be parsed.");
    // JSON escapes and field names add to the size of the messages.
    let bytes = body::read(body, SIZE * 8).await.map_err(|_| unreadable())?;
    match headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        Some("AmazonSQS.SendMessage") => {
            let SendMessage { queue_url, message } = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
            queue.exists(&queue_url)?;
            message.check()?;
            let digest = digest(&message.body);
            let id = queue.put(vec![message]).await?.remove(0);
            Ok(json!({ "MessageId": id, "MD5OfMessageBody": digest }))
        }
        Some("AmazonSQS.SendMessageBatch") => {
            let SendMessageBatch { queue_url, entries } = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
            queue.exists(&queue_url)?;
            queue.put_batch(entries).await
        }
        _ => Err(Rejected::new("UnknownOperationException", "Only SendMessage and SendMessageBatch are known here.")),
    }
}

/// Returns the MD5 of a message's body, by which an SDK may verify that it arrived.
fn digest(body: &str) -> String {
    format!("{:x}", md5::compute(body))
}

impl Queue {
    fn exists(&self, url: &str) -> Result<(), Rejected> {
        // The address has another host for a function elsewhere.
        if url == self.url || url.ends_with(QUEUE_PATH) {
            return Ok(());
        }
        Err(Rejected::new("QueueDoesNotExist", "The specified queue does not exist."))
    }

    async fn put_batch(&self, entries: Vec<Entry>) -> Result<Value, Rejected> {
        if entries.is_empty() {
            return Err(Rejected::new("EmptyBatchRequest", "There should be at least one entry in the request."));
        }
        if entries.len() > MESSAGES {
            return Err(Rejected::new("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10."));
        }
        let ids: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        if ids.len() < entries.len() {
            return Err(Rejected::new("BatchEntryIdsNotDistinct", "Id is repeated."));
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !ids.iter().all(|id| (1..=80).contains(&id.len()) && id.bytes().all(known)) {
            return Err(Rejected::new("InvalidBatchEntryId", "A batch entry id can only contain alphanumerics."));
        }
        if entries.iter().map(|entry| entry.message.body.len()).sum::<usize>() > SIZE {
            return Err(Rejected::new("BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes."));
        }
        let (mut accepted, mut successful, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for Entry { id, message } in entries {
            match message.check() {
                Ok(()) => {
                    successful.push(json!({ "Id": id, "MD5OfMessageBody": digest(&message.body) }));
                    accepted.push(message);
                }
                Err(rejected) => failed.push(json!({
                    "Id": id, "Code": rejected.kind, "Message": rejected.message, "SenderFault": true,
                })),
            }
        }
        for (result, id) in successful.iter_mut().zip(self.put(accepted).await?) {
            result["MessageId"] = id.into();
        }
        Ok(json!({ "Successful": successful, "Failed": failed }))
    }

    /// Stores messages, and returns their identifiers.
    async fn put(&self, messages: Vec<Message>) -> Result<Vec<String>, Rejected> {
        let doors = &self.runner.host.doors;
        let now = doors.now().as_milliseconds();
        let ids: Vec<String> = messages.iter().map(|_| doors.uuid().to_string()).collect();
        let rows: Vec<_> = ids.iter().cloned().zip(messages).collect();
        let stored = self.runner.host.store.transaction(move |transaction| {
            for (id, message) in rows {
                insert(transaction, &id, &message, now)?;
            }
            Ok(())
        });
        stored.await?;
        self.has_arrived();
        Ok(ids)
    }

    /// Wakes the consumer, after a message was stored.
    pub(super) fn has_arrived(&self) {
        self.arrived.notify_one();
    }
}

/// Stores an event that the bus hands over.
pub(super) fn insert_event(
    transaction: &Transaction<'_>,
    id: &str,
    event: &str,
    now: domain::Timestamp,
) -> rusqlite::Result<()> {
    let message = Message { body: event.to_owned(), delay: None, group: None };
    insert(transaction, id, &message, now.as_milliseconds())
}

fn insert(transaction: &Transaction<'_>, id: &str, message: &Message, now: i64) -> rusqlite::Result<()> {
    let visible_at = now + message.delay.unwrap_or(0) * 1000;
    transaction
        .prepare_cached(
            "INSERT INTO queue_messages (id, body, message_group, sent_at, visible_at, receives)
             VALUES (?1, ?2, ?3, ?4, ?5, 0)",
        )?
        .execute((id, &message.body, &message.group, now, visible_at))
        .map(|_| ())
}

/// A message that was received.
struct Received {
    id: String,
    body: String,
    message_group: Option<String>,
    sent_at: i64,
    receives: u32,
}

/// Invokes the consumer's function with what becomes visible, until the runner stops.
async fn consume(queue: Arc<Queue>, consumer: QueueConsumer) {
    let slots = Arc::new(Semaphore::new(consumer.concurrency));
    let consumer = Arc::new(consumer);
    let shutdown = queue.runner.host.shutdown.clone();
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = shutdown.draining() => return,
        };
        let Ok(slot) = slot else { return };
        let (batch, next) = match receive(&queue.runner, &consumer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::error!(%error, "messages of the queue cannot be read");
                (Vec::new(), None)
            }
        };
        if batch.is_empty() {
            drop(slot);
            tokio::select! {
                () = queue.arrived.notified() => {}
                () = tokio::time::sleep(next.unwrap_or(LOOKED_FOR_EVERY).min(LOOKED_FOR_EVERY)) => {}
                () = shutdown.draining() => return,
            }
            continue;
        }
        let (queue, consumer) = (Arc::clone(&queue), Arc::clone(&consumer));
        shutdown.spawn(async move {
            if let Err(error) = hand_over(&queue.runner, &consumer, batch).await {
                tracing::error!(%error, "messages of the queue were not deleted: they are received again");
            }
            drop(slot);
        });
    }
}

/// Receives the messages that are visible, at most one batch, and hides them. Without any, returns the time until the
/// next one.
///
/// Those of a message group with many in flight come last, as in a fair queue of SQS: at least 30, and more than a
/// tenth of all
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html>). The
/// time that a group's messages take, at which SQS looks as well, is left out.
async fn receive(
    runner: &Runner,
    consumer: &QueueConsumer,
) -> Result<(Vec<Received>, Option<Duration>), DurableStoreError> {
    let now = runner.host.doors.now();
    let consumer = consumer.clone();
    let received = runner.host.store.transaction(move |transaction| {
        let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let instant = now.as_milliseconds();
        transaction
            .prepare_cached("DELETE FROM queue_messages WHERE sent_at < ?1")?
            .execute([instant.saturating_sub(milliseconds(consumer.retention))])?;
        set_aside(transaction, &consumer, now)?;
        let hidden_until = instant.saturating_add(milliseconds(consumer.visibility_timeout));
        let batch: Vec<Received> = transaction
            .prepare_cached(
                "UPDATE queue_messages SET visible_at = ?1, receives = receives + 1 WHERE id IN (
                     WITH in_flight AS (
                         SELECT message_group, count(*) AS messages, sum(count(*)) OVER () AS messages_of_all
                         FROM queue_messages WHERE visible_at > ?2 AND receives > 0 GROUP BY message_group
                     ), noisy AS (
                         SELECT message_group AS noisy_group, messages FROM in_flight
                         WHERE message_group IS NOT NULL AND messages >= 30 AND messages * 10 > messages_of_all
                     )
                     SELECT id FROM queue_messages LEFT JOIN noisy ON noisy_group = message_group
                     WHERE visible_at <= ?2 ORDER BY coalesce(messages, 0), visible_at LIMIT ?3
                 ) RETURNING id, body, message_group, sent_at, receives",
            )?
            .query_map((hidden_until, instant, i64::try_from(consumer.batch_size).unwrap_or(i64::MAX)), |row| {
                Ok(Received {
                    id: row.get(0)?,
                    body: row.get(1)?,
                    message_group: row.get(2)?,
                    sent_at: row.get(3)?,
                    receives: row.get(4)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let next: Option<i64> =
            transaction.query_row("SELECT min(visible_at) FROM queue_messages", [], |row| row.get(0))?;
        Ok((batch, next.and_then(|next| u64::try_from(next.saturating_sub(instant)).ok())))
    });
    let (batch, next) = received.await?;
    Ok((batch, next.map(Duration::from_millis)))
}

/// Moves what was received too often to the dead letters.
fn set_aside(transaction: &Transaction<'_>, consumer: &QueueConsumer, now: domain::Timestamp) -> rusqlite::Result<()> {
    let bodies: Vec<String> = transaction
        .prepare_cached("DELETE FROM queue_messages WHERE visible_at <= ?1 AND receives >= ?2 RETURNING body")?
        .query_map((now.as_milliseconds(), consumer.receives), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for body in bodies {
        tracing::error!(function = consumer.function, "message set aside: it was received too often");
        keep_dead_letter(transaction, QUEUE, "received too often", &body, now)?;
    }
    Ok(())
}

/// Invokes the function with a batch, and deletes the messages that it does not report as failed.
async fn hand_over(runner: &Runner, consumer: &QueueConsumer, batch: Vec<Received>) -> Result<(), DurableStoreError> {
    let answer = match runner.functions.invoke(&consumer.function, event(&batch)).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(function = consumer.function, %error, "batch failed: its messages are received again");
            return Ok(());
        }
    };
    let Some(failed) = failures(&answer) else {
        tracing::warn!(function = consumer.function, "batch failed: the answer does not say which messages failed");
        return Ok(());
    };
    let done: Vec<String> = batch.into_iter().map(|message| message.id).filter(|id| !failed.contains(id)).collect();
    runner
        .host
        .store
        .transaction(move |transaction| {
            for id in done {
                transaction.prepare_cached("DELETE FROM queue_messages WHERE id = ?1")?.execute([id])?;
            }
            Ok(())
        })
        .await
}

/// Reads which messages of a batch failed; `None` if the answer does not have the documented form, so that all have
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>).
fn failures(answer: &str) -> Option<HashSet<String>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    match answer.get("batchItemFailures") {
        None | Some(Value::Null) => Some(HashSet::new()),
        Some(Value::Array(failures)) => {
            let identifier = |failure: &Value| failure["itemIdentifier"].as_str().map(str::to_owned);
            failures.iter().map(|failure| identifier(failure).filter(|id| !id.is_empty())).collect()
        }
        Some(_) => None,
    }
}

/// Builds the event with which Lambda invokes a function for messages of a queue.
fn event(batch: &[Received]) -> String {
    let records = batch.iter().map(|message| {
        let mut attributes = json!({
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": message.sent_at.to_string(),
            "SenderId": ACCOUNT,
            "ApproximateFirstReceiveTimestamp": message.sent_at.to_string(),
        });
        if let Some(group) = &message.message_group {
            attributes["MessageGroupId"] = group.as_str().into();
        }
        json!({
            "messageId": message.id,
            "receiptHandle": message.id,
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": {},
            "md5OfBody": digest(&message.body),
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"),
            "awsRegion": REGION,
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(changed: &Value) -> Result<(), Rejected> {
        let mut message = json!({ "MessageBody": "{}", "DelaySeconds": 900, "MessageGroupId": "whe_1" });
        for (name, value) in changed.as_object().unwrap() {
            message[name] = value.clone();
        }
        serde_json::from_value::<Message>(message).unwrap().check()
    }

    #[test]
    fn what_sqs_rejects_is_rejected() {
        message(&json!({})).unwrap();
        message(&json!({ "MessageBody": "x".repeat(SIZE) })).unwrap();
        for (changed, kind) in [
            (json!({ "DelaySeconds": 901 }), "InvalidParameterValue"),
            (json!({ "DelaySeconds": -1 }), "InvalidParameterValue"),
            (json!({ "MessageBody": "" }), "MissingParameter"),
            (json!({ "MessageBody": "x".repeat(SIZE + 1) }), "InvalidParameterValue"),
            (json!({ "MessageBody": "\u{1}" }), "InvalidMessageContents"),
            (json!({ "MessageGroupId": "a b" }), "InvalidParameterValue"),
            (json!({ "MessageGroupId": "x".repeat(129) }), "InvalidParameterValue"),
        ] {
            assert_eq!(message(&changed).unwrap_err().kind, kind, "{}", changed.to_string().len());
        }
    }

    #[test]
    fn only_what_is_reported_as_failed_is_received_again() {
        let failed = |answer: &str| failures(answer).map(|failed| failed.len());
        assert_eq!(failed(r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#), Some(1));
        for all_done in [r#"{"batchItemFailures":[]}"#, "null", "{}"] {
            assert_eq!(failed(all_done), Some(0), "{all_done}");
        }
        for all_failed in [r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, r#"{"batchItemFailures":7}"#, "x"] {
            assert_eq!(failed(all_failed), None, "{all_failed}");
        }
    }

    /// Answers every invocation with the first message as failed.
    struct FailsOnTheFirst(tokio::sync::mpsc::UnboundedSender<Value>);

    impl runtime::Function for FailsOnTheFirst {
        fn invoke<'a>(&'a self, event: &'a str) -> runtime::BoxFuture<'a, Result<String, runtime::InvocationError>> {
            let event: Value = serde_json::from_str(event).unwrap();
            let first = event["Records"][0]["messageId"].clone();
            self.0.send(event).unwrap();
            Box::pin(async move { Ok(json!({ "batchItemFailures": [{ "itemIdentifier": first }] }).to_string()) })
        }
    }

    #[tokio::test]
    async fn a_group_with_many_messages_in_flight_waits_for_the_others() {
        let (runner, _handle) = crate::test::runner([]);
        let consumer = runner.template.queue_consumers[0].clone();
        runner.host.store.create_tables(SCHEMA).await.unwrap();
        let queue = Queue { url: String::new(), runner: runner.clone(), arrived: Notify::new() };
        let of = |group: &str| Message { body: group.to_owned(), delay: None, group: Some(group.to_owned()) };
        assert_eq!(queue.put((0..50).map(|_| of("noisy")).collect()).await.ok().unwrap().len(), 50);
        for _ in 0..3 {
            assert_eq!(receive(&runner, &consumer).await.unwrap().0.len(), 10);
        }
        queue.put((0..3).map(|_| of("quiet")).collect()).await.ok().unwrap();
        let bodies: Vec<String> =
            receive(&runner, &consumer).await.unwrap().0.into_iter().map(|message| message.body).collect();
        assert_eq!(bodies.iter().filter(|body| *body == "quiet").count(), 3, "{bodies:?}");
    }

    #[tokio::test]
    async fn a_message_is_handed_over_after_its_delay_and_kept_until_it_succeeds() {
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let (runner, _handle) = crate::test::runner([("webhooks", Box::new(FailsOnTheFirst(sender)) as _)]);
        let (queue, _) = start(&runner).await.unwrap();
        let entries = json!({ "QueueUrl": queue.url, "Entries": [
            { "Id": "a", "MessageBody": "now", "MessageGroupId": "whe_1" },
            { "Id": "b", "MessageBody": "late", "DelaySeconds": 900 },
            { "Id": "c", "MessageBody": "x", "DelaySeconds": 901 },
        ] });
        let SendMessageBatch { entries, .. } = serde_json::from_value(entries).unwrap();
        let answer = queue.put_batch(entries).await.unwrap();
        assert_eq!(answer["Successful"].as_array().unwrap().len(), 2, "{answer}");
        assert_eq!(answer["Failed"][0]["Id"], "c");
        let event = events.recv().await.unwrap();
        let records = event["Records"].as_array().unwrap();
        assert_eq!((records.len(), &records[0]["body"]), (1, &json!("now")));
        assert_eq!(records[0]["attributes"]["ApproximateReceiveCount"], "1");
        assert_eq!(records[0]["attributes"]["MessageGroupId"], "whe_1");
        let left: i64 = runner
            .host
            .store
            .transaction(|transaction| {
                transaction.query_row("SELECT count(*) FROM queue_messages", [], |row| row.get(0))
            })
            .await
            .unwrap();
        assert_eq!(left, 2, "the one that failed, and the one that is not due");
    }
}
