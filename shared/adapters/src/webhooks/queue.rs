//! The queue of webhooks: an SQS standard queue. A message is a task, delayed until it is due, or an event that the bus
//! has put there.

use crate::aws::client_config;
use crate::retry::{full_jitter, retry};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::ports::{DeliveryPlace, DeliveryQueue, QueueError, QueuedTask, Task};
use domain::webhooks::{EndpointId, EventId, WebhookEvent};
use domain::{Doors, Timestamp, WorkspaceId};
use runtime::bus_event::webhook_event;
use runtime::json::{Document, Object, Unreadable};
use runtime::{ConfigError, Environment};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The greatest number of messages in one call
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MESSAGES_PER_CALL: usize = 10;

/// The number of calls with the messages that the queue did not take, the first call included.
const ATTEMPTS: u32 = 3;
/// The longest pause before the first repetition. The next one may take twice as long.
const INITIAL_BACKOFF: Duration = Duration::from_millis(50);

/// The queue of tasks.
#[derive(Debug, Clone)]
pub struct TaskQueue {
    client: Client,
    url: String,
    doors: Doors,
}

/// The reason why messages were not sent.
enum SendError {
    /// The queue did not take these messages, for a reason of its own.
    Left(Vec<SendMessageBatchRequestEntry>),
    /// The call failed, or the queue refuses a message.
    Failed(QueueError),
}

/// A task as a message's body.
#[derive(Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
enum Body {
    Attempt {
        workspace: WorkspaceId,
        endpoint: EndpointId,
        event_id: EventId,
        turn: u32,
        due: Timestamp,
    },
    Replay {
        workspace: WorkspaceId,
        endpoint: EndpointId,
        since: Timestamp,
        requested_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Place>,
    },
}

#[derive(Serialize, Deserialize)]
struct Place {
    occurred_at: Timestamp,
    event_id: EventId,
}

impl From<&Task> for Body {
    fn from(task: &Task) -> Self {
        match task.clone() {
            Task::Attempt { workspace, endpoint, event, turn, due } => {
                Self::Attempt { workspace, endpoint, event_id: event, turn, due }
            }
            Task::Replay { workspace, endpoint, since, requested_at, after } => {
                let after = after.map(|place| Place { occurred_at: place.occurred_at, event_id: place.event });
                Self::Replay { workspace, endpoint, since, requested_at, after }
            }
        }
    }
}

impl From<Body> for Task {
    fn from(body: Body) -> Self {
        match body {
            Body::Attempt { workspace, endpoint, event_id, turn, due } => {
                Self::Attempt { workspace, endpoint, event: event_id, turn, due }
            }
            Body::Replay { workspace, endpoint, since, requested_at, after } => {
                let after = after.map(|place| DeliveryPlace { occurred_at: place.occurred_at, event: place.event_id });
                Self::Replay { workspace, endpoint, since, requested_at, after }
            }
        }
    }
}

impl TaskQueue {
    /// Builds the queue from the environment: `WEBHOOK_QUEUE_URL` in `AWS_REGION`, with the endpoint
    /// `AWS_ENDPOINT_URL_SQS` if that is set.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::from_conf(client_config!(aws_sdk_sqs, environment, SQS)),
            url: environment.require("WEBHOOK_QUEUE_URL")?.to_owned(),
            doors: environment.doors(),
        })
    }

    /// Sends messages in one call.
    async fn send(&self, messages: Vec<SendMessageBatchRequestEntry>) -> Result<(), SendError> {
        let call = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(messages.clone()));
        let output = call.send().await.map_err(|error| SendError::Failed(QueueError(error.into())))?;
        let failed = output.failed();
        if let Some(failure) = failed.iter().find(|failure| failure.sender_fault()) {
            let reason = format!("it refused a message: {}", failure.code());
            return Err(SendError::Failed(QueueError(reason.into())));
        }
        let is_left = |message: &SendMessageBatchRequestEntry| failed.iter().any(|failed| failed.id() == message.id());
        let left: Vec<_> = messages.into_iter().filter(is_left).collect();
        if left.is_empty() { Ok(()) } else { Err(SendError::Left(left)) }
    }
}

impl DeliveryQueue for TaskQueue {
    async fn queue(&self, tasks: &[QueuedTask]) -> Result<(), QueueError> {
        for chunk in tasks.chunks(MESSAGES_PER_CALL) {
            let mut messages = Vec::new();
            for (index, QueuedTask { task, delay }) in chunk.iter().enumerate() {
                let body = serde_json::to_string(&Body::from(task)).map_err(|error| QueueError(error.into()))?;
                let (Task::Attempt { endpoint, .. } | Task::Replay { endpoint, .. }) = task;
                let message = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(body)
                    .delay_seconds(i32::try_from(delay.as_secs()).unwrap_or(i32::MAX))
                    // A fair queue: when one endpoint's messages pile up, those of the others go first
                    // (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html).
                    .message_group_id(endpoint.as_str())
                    .build();
                messages.push(message.map_err(|error| QueueError(error.into()))?);
            }
            let attempt = |previous: Option<SendError>| match previous {
                Some(SendError::Left(left)) => self.send(left),
                Some(SendError::Failed(_)) | None => self.send(messages.clone()),
            };
            // What was throttled would be throttled again at once.
            let sent = retry(attempt, |attempts, error| {
                let again = matches!(error, SendError::Left(_)) && attempts < ATTEMPTS;
                again.then(|| full_jitter(&self.doors, INITIAL_BACKOFF, attempts))
            });
            sent.await.map_err(|error| match error {
                SendError::Left(_) => QueueError("it did not take all messages".into()),
                SendError::Failed(error) => error,
            })?;
        }
        Ok(())
    }
}

/// A message of an SQS event (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>).
#[derive(Debug)]
pub struct QueuedMessage {
    /// Its identifier, by which a batch reports what failed.
    pub message_id: String,
    /// Its content.
    pub content: Result<Content, Unreadable>,
}

/// The content of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// A task that was queued here.
    Task(Task),
    /// An event of the bus; `None` if it belongs to no workspace.
    Event(Option<WebhookEvent>),
}

/// Reads the messages of an event.
///
/// # Errors
/// The event is not a JSON object, or its records are not a list.
pub fn messages(event: &str) -> Result<Vec<QueuedMessage>, Unreadable> {
    let document = Document::new(event.as_bytes());
    let records: Vec<&serde_json::value::RawValue> = document.object()?.required("Records")?;
    let message = |record: &serde_json::value::RawValue| {
        let record = Object::of(record).unwrap_or_default();
        let content = record.required::<String>("body").and_then(|body| content(&body));
        QueuedMessage { message_id: record.optional("messageId").unwrap_or_default(), content }
    };
    Ok(records.into_iter().map(message).collect())
}

/// Reads the body of a message. A task has a field with its kind; an event of the bus has none of this name.
fn content(body: &str) -> Result<Content, Unreadable> {
    let document = Document::new(body.as_bytes());
    let fields = document.object()?;
    if fields.raw("task").is_none() {
        return Ok(Content::Event(webhook_event(&fields)?));
    }
    let task: Result<Body, _> = document.parse();
    let unreadable =
        |error| Unreadable::new(format!("a message of the queue is no task: {}", runtime::telemetry::redacted(&error)));
    Ok(Content::Task(task.map_err(unreadable)?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Doors;
    use serde_json::json;

    #[test]
    fn a_task_comes_back_as_it_was_queued() {
        let endpoint = EndpointId::random(&Doors::default()).unwrap();
        let workspace: WorkspaceId = "acme".parse().unwrap();
        let now = Doors::default().now();
        let event: EventId = "0199-a#2".parse().unwrap();
        let after = Some(DeliveryPlace { occurred_at: now, event: event.clone() });
        let (to, of) = (endpoint.clone(), workspace.clone());
        for task in [
            Task::Attempt { workspace: of.clone(), endpoint: to.clone(), event, turn: 7, due: now },
            Task::Replay { workspace: of.clone(), endpoint: to.clone(), since: now, requested_at: now, after },
            Task::Replay { workspace, endpoint, since: now, requested_at: now, after: None },
        ] {
            let body = serde_json::to_string(&Body::from(&task)).unwrap();
            let event = json!({ "Records": [{ "messageId": "m", "body": body }] });
            let message = messages(&event.to_string()).unwrap().remove(0);
            assert_eq!(message.message_id, "m");
            assert_eq!(message.content.unwrap(), Content::Task(task));
        }
    }

    #[test]
    fn an_event_of_the_bus_is_no_task_and_what_is_neither_costs_no_other() {
        let detail = json!({ "event_id": "0199-a#2", "occurred_at": "2026-01-05T10:00:00Z", "workspace": "acme" });
        let event = json!({ "detail-type": "PaymentAttemptFailed", "source": "chat2pay", "detail": detail });
        let unknown = json!({ "task": "attend", "workspace": "+27831234567" });
        let bodies = [event, unknown, json!({}), json!({ "detail": "+27831234567" }), json!("+27831234567")];
        let records = bodies.iter().map(|body| json!({ "messageId": "m", "body": body.to_string() }));
        let records = records.chain([json!({ "messageId": "a", "body": "+27831234567" }), json!(7), json!({})]);
        let event = json!({ "Records": records.collect::<Vec<_>>() });
        let mut messages = messages(&event.to_string()).unwrap();
        assert_eq!(messages.len(), 8);
        match messages.remove(0).content.unwrap() {
            Content::Event(Some(read)) => assert_eq!((read.id.as_str(), read.detail), ("0199-a#2", detail.to_string())),
            other => panic!("{other:?}"),
        }
        for message in messages {
            let error = message.content.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("2783"), "{error:?}");
        }
        for event in ["{}", r#"{"detail":{}}"#, r#"{"Records":7}"#, "x"] {
            assert!(super::messages(event).is_err(), "{event}");
        }
    }
}
