//! The queue, with every event of the bus and every attempt → the endpoints of integrators: delivers status webhooks,
//! and repeats what fails.

use adapters::webhooks::queue::{Content, QueuedMessage, messages};
use adapters::webhooks::{EncryptedSecrets, EndpointSender, TaskQueue, WebhooksTable};
use domain::Doors;
use domain::ports::Task;
use domain::use_cases::UseCaseError;
use domain::use_cases::webhooks::attempt::{AttemptTask, Attempted, attempt};
use domain::use_cases::webhooks::deliver::deliver;
use domain::use_cases::webhooks::replay::{ReplayTask, replay_page};
use domain::webhooks::{AttemptError, Outcome, Response, WebhookEvent};
use futures::FutureExt as _;
use futures::future::join_all;
use runtime::telemetry::{Metric, chain, count};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};
use serde_json::json;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The time that one task may take: less than the function's timeout, whose end would fail the whole batch. The
/// timeouts of all of its calls together are longer.
const TASK_AT_MOST: Duration = Duration::from_secs(40);

struct Webhooks {
    table: WebhooksTable,
    queue: TaskQueue,
    vault: EncryptedSecrets,
    sender: EndpointSender,
    doors: Doors,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(Webhooks {
        table: WebhooksTable::new(environment)?,
        queue: TaskQueue::new(environment)?,
        vault: EncryptedSecrets::new(environment)?,
        sender: EndpointSender::new(environment)?,
        doors: environment.doors(),
    }))
}

impl Function for Webhooks {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let messages = messages(event).map_err(|error| InvocationError::unreadable(&error))?;
            Ok(self.work(messages).await)
        })
    }

    fn warm(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.table.warm())
    }
}

impl Webhooks {
    /// Stores and queues the deliveries of an event of the bus.
    async fn deliver(&self, event: &WebhookEvent) -> Result<(), UseCaseError> {
        let deliveries = deliver(&self.table, &self.queue, &self.doors, event).await?;
        let (workspace, event_id) = (&event.workspace, &event.id);
        if deliveries == 0 {
            tracing::debug!(%workspace, %event_id, "webhooks not queued: no endpoint subscribes to the event");
        } else {
            tracing::info!(%workspace, %event_id, deliveries, "webhooks queued");
        }
        Ok(())
    }

    /// Works on all messages of a batch at once, so that an endpoint that does not answer holds up no other. Returns
    /// which messages have to come again.
    async fn work(&self, messages: Vec<QueuedMessage>) -> String {
        let failed = join_all(messages.iter().map(|message| async move {
            let error = alone(Box::pin(self.task(message))).await.err()?;
            count(Metric::WebhookTaskFailed);
            tracing::error!(error = chain(error.as_ref()), "webhook task failed; the queue sends it again");
            Some(json!({ "itemIdentifier": message.message_id }))
        }));
        let failed: Vec<_> = failed.await.into_iter().flatten().collect();
        json!({ "batchItemFailures": failed }).to_string()
    }

    async fn task(&self, message: &QueuedMessage) -> Result<(), TaskError> {
        match message.content.as_ref().map_err(Clone::clone)? {
            Content::Event(None) => tracing::info!("webhook ignored: the event belongs to no workspace"),
            Content::Event(Some(event)) => self.deliver(event).await?,
            Content::Task(Task::Attempt { workspace, endpoint, event, turn, due }) => {
                let task = AttemptTask { workspace, endpoint, event, turn: *turn, due: *due };
                self.attempt(task).await?;
            }
            Content::Task(Task::Replay { workspace, endpoint, since, requested_at, after }) => {
                let (since, requested_at, after) = (*since, *requested_at, after.as_ref());
                let task = ReplayTask { workspace, endpoint, since, requested_at, after };
                if let Some(deliveries) = replay_page(&self.table, &self.queue, &self.doors, task).await? {
                    tracing::info!(%workspace, %endpoint, deliveries, "webhooks queued again");
                } else {
                    let ended = "webhook replay ended: the endpoint was disabled again, or removed";
                    tracing::warn!(%workspace, %endpoint, %since, "{ended}");
                }
            }
        }
        Ok(())
    }

    async fn attempt(&self, task: AttemptTask<'_>) -> Result<(), UseCaseError> {
        let AttemptTask { workspace, endpoint, event: event_id, .. } = task;
        match attempt(&self.table, &self.queue, &self.vault, &self.sender, &self.doors, task).await? {
            Attempted::Made { outcome, response, disabled } => log(task, outcome, response, disabled),
            outcome => tracing::debug!(%workspace, %endpoint, %event_id, ?outcome, "webhook not attempted"),
        }
        Ok(())
    }
}

/// Runs a task so that a panic or its timeout fails it alone. A panic's place is logged.
async fn alone(task: impl Future<Output = Result<(), TaskError>>) -> Result<(), TaskError> {
    let task = tokio::time::timeout(TASK_AT_MOST, AssertUnwindSafe(task).catch_unwind());
    match task.await {
        Ok(run) => run.unwrap_or_else(|_| Err("it panicked".into())),
        Err(_) => Err("it took too long".into()),
    }
}

fn log(task: AttemptTask<'_>, outcome: Outcome, response: Response, disabled: bool) {
    let AttemptTask { workspace, endpoint, event: event_id, .. } = task;
    let (status, error) = (response.answer.ok(), response.answer.err().map(AttemptError::sentence));
    if response.answer == Err(AttemptError::NotSent) {
        // The delivery is repeated as if the endpoint had failed, and the operator has to know.
        count(Metric::WebhookTaskFailed);
    }
    match outcome {
        Outcome::Delivered => tracing::info!(%workspace, %endpoint, %event_id, status, "webhook delivered"),
        Outcome::Retried(next) => tracing::warn!(
            %workspace, %endpoint, %event_id, status, error, %next,
            "webhook attempt failed: retry scheduled"
        ),
        Outcome::Abandoned => {
            count(Metric::WebhookAbandoned);
            tracing::error!(%workspace, %endpoint, %event_id, status, error, "webhook abandoned: it is not sent again");
        }
    }
    if disabled {
        count(Metric::WebhookEndpointDisabled);
        tracing::error!(%workspace, %endpoint, "webhook endpoint disabled: it has failed for too long");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_hangs_fails_before_the_function_ends() {
        let error = alone(std::future::pending()).await.unwrap_err();
        assert_eq!(error.to_string(), "it took too long");
        alone(async { Ok(()) }).await.unwrap();
    }
}
