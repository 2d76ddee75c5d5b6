//! The EventBridge event bus.

use crate::aws::{Failure, client_config};
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::difference::DifferenceEvent;
use domain::event::SOURCE;
use domain::ports::Cause;
use domain::{PaymentRequestEvent, Timestamp};
use runtime::telemetry::chain;
use runtime::{ConfigError, Environment};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The greatest number of entries that `PutEvents` accepts
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>).
pub const ENTRIES_PER_CALL: usize = 10;

/// One event to publish on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The envelope's `source`, by which rules select it.
    pub source: &'static str,
    /// The envelope's `detail-type`, the kind of event.
    pub detail_type: &'static str,
    /// The time of the event.
    pub time: Timestamp,
    /// The event itself, as JSON.
    pub detail: String,
}

impl From<&PaymentRequestEvent> for Entry {
    fn from(event: &PaymentRequestEvent) -> Self {
        Self {
            source: SOURCE,
            detail_type: event.detail_type().as_str(),
            time: event.occurred_at,
            // The event consists of texts, numbers and maps with text keys, so serialization cannot fail.
            detail: serde_json::to_string(event).unwrap_or_default(),
        }
    }
}

impl From<&DifferenceEvent> for Entry {
    fn from(event: &DifferenceEvent) -> Self {
        Self {
            source: SOURCE,
            detail_type: DifferenceEvent::DETAIL_TYPE.as_str(),
            time: event.occurred_at,
            // The event consists of texts, numbers and maps with text keys, so serialization cannot fail.
            detail: serde_json::to_string(event).unwrap_or_default(),
        }
    }
}

/// The error for a call that published no entry; a retry may succeed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There was no response in time, EventBridge throttled the call, or EventBridge failed.
    #[error("the event bus is unavailable")]
    Unavailable(#[source] Cause),
    /// EventBridge rejected the call. The bus does not exist, or the function is not allowed to use it. An operator
    /// must change the one or the other.
    #[error("the event bus {name} does not exist, or this function is not allowed to use it")]
    Misconfigured {
        /// The bus's name, from `EVENT_BUS_NAME`.
        name: String,
        /// EventBridge's response.
        #[source]
        cause: Cause,
    },
}

/// The error for an entry that the bus rejected in a call that succeeded; a retry may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the event bus rejected the entry: {}: {}",
    .code.as_deref().unwrap_or("no code"),
    .message.as_deref().unwrap_or("no message"),
)]
pub struct EntryError {
    /// EventBridge's code.
    pub code: Option<String>,
    /// EventBridge's message.
    pub message: Option<String>,
}

/// The bus that events are published on.
#[derive(Debug, Clone)]
pub struct EventBus {
    client: Client,
    name: String,
    /// The time at which EventBridge was last asked whether the bus exists, unless it does not.
    asked: Arc<Mutex<Option<Instant>>>,
}

/// The time after which EventBridge is asked again whether the bus exists.
const ASK_EVERY: Duration = Duration::from_mins(1);

impl EventBus {
    /// Builds the bus from the environment: `EVENT_BUS_NAME` in `AWS_REGION`, with the endpoint
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE` if that is set.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::from_conf(client_config!(aws_sdk_eventbridge, environment, EVENTBRIDGE)),
            name: environment.require("EVENT_BUS_NAME")?.to_owned(),
            asked: Arc::default(),
        })
    }

    /// Verifies that the bus exists, about once a minute. `PutEvents` succeeds even for a bus that does not exist
    /// (<https://github.com/aws/aws-cli/issues/9186>), and the events would be lost without an error.
    ///
    /// Only the answer that there is no such bus stops publishing. If the call fails otherwise, because it is throttled
    /// or not allowed, nothing is known, and `PutEvents` says for itself whether it works.
    async fn ensure_exists(&self) -> Result<(), BusError> {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < ASK_EVERY) {
            return Ok(());
        }
        match self.client.describe_event_bus().name(&self.name).send().await {
            Ok(_) => {}
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Err(self.failure(error)),
            Err(error) => {
                tracing::warn!(error = chain(&error), "event bus not checked; events are published all the same");
            }
        }
        *asked = Some(Instant::now());
        Ok(())
    }

    /// Publishes at most [`ENTRIES_PER_CALL`] entries. The call can succeed while single entries fail, so it returns
    /// one result per entry, in their order.
    ///
    /// # Errors
    /// [`BusError`] if no entry was published.
    pub async fn put(&self, entries: &[Entry]) -> Result<Vec<Result<(), EntryError>>, BusError> {
        self.ensure_exists().await?;
        let requests = entries.iter().map(|entry| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.name)
                .source(entry.source)
                .detail_type(entry.detail_type)
                .time(DateTime::from_millis(entry.time.as_milliseconds()))
                .detail(&entry.detail)
                .build()
        });
        let output = self.client.put_events().set_entries(Some(requests.collect())).send().await;
        let results = output.map_err(|error| self.failure(error))?.entries.unwrap_or_default();
        let mut results = results.into_iter().map(|result| match result.event_id {
            Some(_) => Ok(()),
            None => Err(EntryError { code: result.error_code, message: result.error_message }),
        });
        let missing = || Err(EntryError { code: None, message: Some("no result for it".to_owned()) });
        Ok(entries.iter().map(|_| results.next().unwrap_or_else(missing)).collect())
    }

    fn failure<E>(&self, error: SdkError<E, HttpResponse>) -> BusError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match Failure::of(&error) {
            Failure::Unavailable => BusError::Unavailable(error.into()),
            Failure::Misconfigured => BusError::Misconfigured { name: self.name.clone(), cause: error.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use serde_json::{Value, json};

    /// A fake bus's responses: the status and body for `DescribeEventBus`, then those for `PutEvents`.
    type Answers = [(u16, Value); 2];

    async fn answer(State([described, put]): State<Answers>, headers: HeaderMap) -> (StatusCode, String) {
        let (status, body) = if headers["x-amz-target"] == "AWSEvents.DescribeEventBus" { described } else { put };
        (StatusCode::from_u16(status).unwrap(), body.to_string())
    }

    /// Publishes two entries on a fake bus with these responses.
    async fn put(described: (u16, Value), put: (u16, Value)) -> Result<Vec<Result<(), EntryError>>, BusError> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let environment = Environment::default()
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("AWS_ENDPOINT_URL_EVENTBRIDGE", format!("http://{}", listener.local_addr().unwrap()))
            .with("EVENT_BUS_NAME", "chat2pay");
        let router = Router::new().fallback(answer).with_state([described, put]);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let time = "2026-01-05T10:00:00Z".parse().unwrap();
        let entry = Entry { source: SOURCE, detail_type: "Test", time, detail: "{}".to_owned() };
        EventBus::new(&environment).unwrap().put(&[entry.clone(), entry]).await
    }

    fn error(code: &str) -> Value {
        json!({ "__type": code, "message": "no" })
    }

    #[tokio::test]
    async fn a_missing_or_forbidden_bus_is_distinguished_from_an_unavailable_one() {
        let there = (200, json!({ "Name": "chat2pay" }));
        let failed = put((400, error("ResourceNotFoundException")), (200, json!({}))).await.unwrap_err();
        assert!(matches!(&failed, BusError::Misconfigured { name, .. } if name == "chat2pay"), "{failed:?}");
        let failed = put(there.clone(), (400, error("AccessDeniedException"))).await.unwrap_err();
        assert!(matches!(failed, BusError::Misconfigured { .. }), "{failed:?}");
        let failed = put(there, (500, error("InternalException"))).await.unwrap_err();
        assert!(matches!(failed, BusError::Unavailable(_)), "{failed:?}");
    }

    #[tokio::test]
    async fn only_a_missing_bus_stops_publishing() {
        let published = (200, json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "1" }, { "EventId": "2" }] }));
        for (status, code) in [
            (400, "AccessDeniedException"),
            (400, "ThrottlingException"),
            (400, "TooManyRequestsException"),
            (400, "UnrecognizedClientException"),
            (400, "SomethingNew"),
            (500, "InternalException"),
            (503, "ServiceUnavailable"),
        ] {
            let results = put((status, error(code)), published.clone()).await.unwrap();
            assert_eq!(results, [Ok(()), Ok(())], "{code}");
        }
        let results = put((200, json!("not what the SDK can read")), published.clone()).await.unwrap();
        assert_eq!(results, [Ok(()), Ok(())]);
        put((400, error("ResourceNotFoundException")), published).await.unwrap_err();
    }

    #[tokio::test]
    async fn each_entry_has_a_result_even_if_the_bus_returns_none() {
        let there = (200, json!({ "Name": "chat2pay" }));
        let rejected = json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "slower" });
        let entries = json!({ "FailedEntryCount": 1, "Entries": [{ "EventId": "1" }, rejected] });
        let results = put(there.clone(), (200, entries)).await.unwrap();
        let expected = EntryError { code: Some("ThrottlingException".into()), message: Some("slower".into()) };
        assert_eq!(results, [Ok(()), Err(expected)]);
        let results = put(there, (200, json!({ "Entries": [{ "EventId": "1" }] }))).await.unwrap();
        assert!(matches!(results.as_slice(), [Ok(()), Err(EntryError { code: None, .. })]), "{results:?}");
    }
}
