//! The EventBridge bus. It stores published events, and delivers them to functions and queues by the template's rules.
//!
//! A queue has an event as soon as it is published. Functions are invoked asynchronously. What a function fails on,
//! Lambda tries again: twice, after one minute and after two more. Then the event goes to the dead-letter queue
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>). Meanwhile later events are
//! delivered, also those of the same request.

use super::CloudError;
use super::aws::Envelope;
use super::queue;
use super::template::{Rule, Target};
use crate::runner::Runner;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use domain::Timestamp;
use http::{HeaderMap, StatusCode, header};
use runtime::{BoxFuture, ConfigError, Environment};
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use stand_in_host::Identifiers as _;
use stand_in_host::durable::{Attempt, Job, NewJob, Queue, Work, keep_dead_letter};
use stand_in_host::web::{ProblemResponse, body};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The bus's default name, if `EVENT_BUS_NAME` is not set.
pub(crate) const EVENT_BUS_NAME: &str = "chat2pay";
/// The name of the delivery queue.
const QUEUE: &str = "bus";
/// The table of all published events.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        envelope TEXT NOT NULL
    ) STRICT;
";
/// The maximum number of entries in one call.
const ENTRIES: usize = 10;
/// The maximum total size of one call's entries, in bytes. AWS has raised it to 1 MiB for some accounts; a caller that
/// stays within the smaller limit works everywhere.
const SIZE: usize = 256 * 1024;

/// The variable with the seconds until Lambda's first retry, so that a developer need not wait for minutes.
const RETRY_SECONDS: &str = "FUNCTION_RETRY_SECONDS";
/// The time until Lambda's first retry, unless the variable says otherwise. The second retry comes after twice as long.
const FIRST_RETRY: Duration = Duration::from_mins(1);

/// The state of the running bus.
struct Bus {
    name: String,
    runner: Runner,
    deliveries: Queue,
    /// The queue that is a rule's target.
    queue: Arc<queue::Queue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeEventBus {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    /// Seconds since the Unix epoch.
    time: Option<f64>,
}

/// The error of one rejected entry; other entries of the same call may be accepted.
#[derive(Debug)]
struct RejectedEntry {
    code: &'static str,
    message: String,
}

/// The error of a call that is rejected as a whole, in AWS's JSON protocol.
struct ServiceError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

/// An accepted entry.
struct AcceptedEntry {
    id: String,
    /// The event's JSON text, as it is stored and delivered.
    text: String,
    /// The parsed event, for matching with patterns.
    envelope: Value,
}

/// Starts the bus, resumes the deliveries that an earlier run left unfinished, and returns the bus's routes.
///
/// # Errors
/// [`CloudError`] if the stored events cannot be read, or `FUNCTION_RETRY_SECONDS` is not a number of seconds.
pub(super) async fn start(runner: &Runner, queue: Arc<queue::Queue>) -> Result<Router, CloudError> {
    runner.host.store.create_tables(SCHEMA).await?;
    let deliveries = Deliveries { runner: runner.clone(), first_retry: first_retry(&runner.environment)? };
    let deliveries = Queue::start(&runner.host, QUEUE, Arc::new(deliveries)).await?;
    let name = runner.environment.get("EVENT_BUS_NAME").unwrap_or(EVENT_BUS_NAME).to_owned();
    Ok(Router::new()
        .route("/local/events", get(list))
        .route("/local/aws/events", post(call))
        .route("/local/aws/events/", post(call))
        .with_state(Arc::new(Bus { name, runner: runner.clone(), deliveries, queue })))
}

/// Returns the time until Lambda's first retry.
fn first_retry(environment: &Environment) -> Result<Duration, ConfigError> {
    let Some(text) = environment.get(RETRY_SECONDS) else { return Ok(FIRST_RETRY) };
    let seconds: u32 = text.parse().map_err(|_| Environment::invalid(RETRY_SECONDS, "a whole number of seconds"))?;
    Ok(Duration::from_secs(seconds.into()))
}

impl Bus {
    fn describe(&self, call: DescribeEventBus) -> Result<Value, ServiceError> {
        match call.name {
            Some(name) if name != self.name => Err(ServiceError {
                status: StatusCode::BAD_REQUEST,
                kind: "ResourceNotFoundException",
                message: format!("Event bus {name} does not exist."),
            }),
            _ => Ok(json!({ "Name": self.name })),
        }
    }

    async fn put(&self, call: PutEvents) -> Result<Value, ServiceError> {
        if call.entries.is_empty() || call.entries.len() > ENTRIES {
            return Err(ServiceError::validation(format!(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length \
                 between 1 and {ENTRIES}"
            )));
        }
        if call.entries.iter().map(Entry::size).sum::<usize>() > SIZE {
            return Err(ServiceError::validation(
                "Total size of the entries in the request is over the limit.".to_owned(),
            ));
        }
        let doors = &self.runner.host.doors;
        let now = doors.now();
        let events: Vec<_> = call.entries.iter().map(|entry| entry.accept(&self.name, doors.uuid(), now)).collect();
        let results: Vec<_> = events.iter().map(result).collect();
        let failed = events.iter().filter(|event| event.is_err()).count();
        let accepted: Vec<AcceptedEntry> = events.into_iter().flatten().collect();
        let template = Arc::clone(&self.runner.template);
        let stored = self.runner.host.store.transaction(move |transaction| {
            let mut jobs = Vec::new();
            for event in &accepted {
                store(transaction, event, &template.rules, now, &mut jobs)?;
            }
            Ok(jobs)
        });
        let jobs = stored.await.map_err(|error| {
            tracing::error!(%error, "events were not stored");
            ServiceError {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                kind: "InternalException",
                message: "This exception occurs due to unexpected causes.".to_owned(),
            }
        })?;
        // Delivery continues in the background; the caller does not wait for it.
        self.deliveries.submit_all(jobs);
        self.queue.has_arrived();
        Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
    }
}

impl Entry {
    /// Returns the entry's size in bytes, as AWS counts it.
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
    fn size(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let time = if self.time.is_some() { 14 } else { 0 };
        let resources = self.resources.iter().map(String::len).sum::<usize>();
        time + length(&self.source) + length(&self.detail_type) + length(&self.detail) + resources
    }

    fn accept(&self, bus: &str, id: Uuid, now: Timestamp) -> Result<AcceptedEntry, RejectedEntry> {
        let source = given(self.source.as_deref(), "Source")?;
        let detail_type = given(self.detail_type.as_deref(), "DetailType")?;
        let detail = given(self.detail.as_deref(), "Detail")?;
        // AWS accepts a bus's name or its ARN.
        let named = self.event_bus_name.as_deref().unwrap_or("default");
        if named.rsplit('/').next() != Some(bus) {
            let message = format!("Event bus {named} does not exist.");
            return Err(RejectedEntry { code: "ResourceNotFoundException", message });
        }
        let malformed = |_| RejectedEntry { code: "MalformedDetail", message: "Detail is malformed.".to_owned() };
        let detail: &RawValue = serde_json::from_str(detail).map_err(malformed)?;
        let time = self.time.and_then(from_seconds).unwrap_or(now);
        let envelope = Envelope::new(id, detail_type, source, time, &self.resources, detail);
        let text = serde_json::to_string(&envelope).map_err(malformed)?;
        let event = AcceptedEntry { envelope: serde_json::from_str(&text).map_err(malformed)?, text, id: envelope.id };
        if event.envelope["detail"].is_object() {
            Ok(event)
        } else {
            Err(RejectedEntry { code: "MalformedDetail", message: "Detail is not an object.".to_owned() })
        }
    }
}

/// Returns a required parameter of an entry.
fn given<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, RejectedEntry> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| RejectedEntry {
        code: "InvalidArgument",
        message: format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a time beyond i64 is saturated and then refused")]
fn from_seconds(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_milliseconds((seconds * 1000.0) as i64).ok()
}

/// Builds the result of one entry for the response.
fn result(event: &Result<AcceptedEntry, RejectedEntry>) -> Value {
    match event {
        Ok(accepted) => json!({ "EventId": accepted.id }),
        Err(rejected) => json!({ "ErrorCode": rejected.code, "ErrorMessage": rejected.message }),
    }
}

/// Stores an event and its deliveries. The stored jobs are appended to `jobs`.
fn store(
    transaction: &Transaction<'_>,
    event: &AcceptedEntry,
    rules: &[Rule],
    now: Timestamp,
    jobs: &mut Vec<Job>,
) -> rusqlite::Result<()> {
    transaction.prepare_cached("INSERT INTO events (envelope) VALUES (?1)")?.execute([&event.text])?;
    for rule in rules.iter().filter(|rule| rule.pattern.matches(&event.envelope)) {
        match &rule.target {
            Target::Function(_) => {
                // One message group for each rule and request, so that a request's events reach each function in order,
                // as long as it fails on none. The bus of a deployment promises no order at all.
                let about = event.envelope["detail"]["id"].as_str().unwrap_or(&event.id);
                let message_group = format!("{}/{about}", rule.name);
                let job = NewJob { rule: &rule.name, message_group: &message_group, body: event.text.clone() };
                jobs.push(Job::put(transaction, QUEUE, job, now)?);
            }
            Target::Queue => queue::insert_event(transaction, &event.id, &event.text, now)?,
            Target::DeadLetters => {
                keep_dead_letter(transaction, &rule.name, "put there by a rule", &event.text, now)?;
            }
        }
    }
    Ok(())
}

/// Delivers events to functions.
struct Deliveries {
    runner: Runner,
    first_retry: Duration,
}

impl Work for Deliveries {
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let rule = self.runner.template.rules.iter().find(|rule| rule.name == job.rule);
            let Some((rule, Target::Function(function))) = rule.map(|rule| (rule, &rule.target)) else {
                return Attempt::Fatal("the template no longer has this rule".to_owned());
            };
            let Err(error) = self.runner.functions.invoke(function, job.body.clone()).await else {
                return Attempt::Done;
            };
            let (reason, age) = (error.to_string(), job.age(self.runner.host.doors.now()));
            if error.is_unavailable() {
                // The bus could not hand the event over, so that its own policy applies.
                let abandoned = age >= rule.maximum_age;
                return if abandoned { Attempt::Fatal(reason) } else { Attempt::Unavailable(reason) };
            }
            let settings = self.runner.template.functions.get(function);
            let lambda = settings.map(|settings| settings.asynchronous).unwrap_or_default();
            if job.attempts >= lambda.retries || age >= lambda.maximum_age() {
                return Attempt::Fatal(reason);
            }
            Attempt::PutOff { reason, wait: self.first_retry.saturating_mul(1 << job.attempts.min(1)) }
        })
    }
}

impl ServiceError {
    fn validation(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "ValidationException", message }
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        (self.status, protocol(&json!({ "__type": self.kind, "message": self.message }))).into_response()
    }
}

/// Builds a response with a body in AWS's JSON protocol.
fn protocol(body: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string())
}

/// `POST /local/aws/events/`: implements `PutEvents` and `DescribeEventBus` in EventBridge's own protocol.
async fn call(State(bus): State<Arc<Bus>>, headers: HeaderMap, body: Body) -> Response {
    match answer(&bus, &headers, body).await {
        Ok(body) => protocol(&body).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn answer(bus: &Bus, headers: &HeaderMap, body: Body) -> Result<Value, ServiceError> {
    let describe = match headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        Some("AWSEvents.PutEvents") => false,
        Some("AWSEvents.DescribeEventBus") => true,
        _ => {
            return Err(ServiceError {
                status: StatusCode::BAD_REQUEST,
                kind: "UnknownOperationException",
                message: "Only PutEvents and DescribeEventBus are known here.".to_owned(),
            });
        }
    };
    // The body may be larger than its entries: base64, JSON escapes and field names add to their size.
    let unreadable = || ServiceError {
        status: StatusCode::BAD_REQUEST,
        kind: "SerializationException",
        message: "The body cannot be parsed.".to_owned(),
    };
    let bytes = body::read(body, SIZE * 8).await.map_err(|_| unreadable())?;
    if describe {
        return bus.describe(serde_json::from_slice(&bytes).map_err(|_| unreadable())?);
    }
    bus.put(serde_json::from_slice(&bytes).map_err(|_| unreadable())?).await
}

/// `GET /local/events`: lists all published events, oldest first.
async fn list(State(bus): State<Arc<Bus>>) -> Result<Response, ProblemResponse> {
    let envelopes = bus
        .runner
        .host
        .store
        .transaction(|transaction| {
            transaction
                .prepare_cached("SELECT envelope FROM events ORDER BY sequence")?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        })
        .await?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, format!("[{}]", envelopes.join(","))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stand_in_host::Doors;

    fn entry(changed: &Value) -> Entry {
        let mut entry = json!({
            "Source": "chat2pay", "DetailType": "PaymentRequestStatusChanged", "Detail": "{\"id\": \"1\"}",
            "EventBusName": "bus", "Time": 1_767_607_200.9,
        });
        for (name, value) in changed.as_object().unwrap() {
            entry[name] = value.clone();
        }
        serde_json::from_value(entry).unwrap()
    }

    #[test]
    fn an_accepted_entry_becomes_an_envelope() {
        let event = entry(&json!({})).accept("bus", Uuid::nil(), Doors::default().now()).ok().unwrap();
        assert_eq!(event.envelope["detail-type"], "PaymentRequestStatusChanged");
        assert_eq!(event.envelope["source"], "chat2pay");
        assert_eq!(event.envelope["time"], "2026-01-05T10:00:00Z");
        assert_eq!(event.envelope["detail"]["id"], "1");
        assert_eq!(event.envelope["id"], event.id);
        assert!(event.text.ends_with(r#""detail":{"id": "1"}}"#), "{}", event.text);
    }

    #[test]
    fn what_aws_rejects_is_rejected() {
        for (changed, code) in [
            (json!({ "Source": "" }), "InvalidArgument"),
            (json!({ "DetailType": null }), "InvalidArgument"),
            (json!({ "Detail": null }), "InvalidArgument"),
            (json!({ "Detail": "[]" }), "MalformedDetail"),
            (json!({ "Detail": "{" }), "MalformedDetail"),
            (json!({ "EventBusName": "other" }), "ResourceNotFoundException"),
            (json!({ "EventBusName": null }), "ResourceNotFoundException"),
        ] {
            match entry(&changed).accept("bus", Uuid::nil(), Doors::default().now()) {
                Err(rejected) => assert_eq!(rejected.code, code, "{changed}"),
                Ok(_) => panic!("{changed} was accepted"),
            }
        }
        let arn = json!({ "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/bus" });
        assert!(entry(&arn).accept("bus", Uuid::nil(), Doors::default().now()).is_ok());
    }

    /// Answers every invocation with an error.
    struct Fails;

    impl runtime::Function for Fails {
        fn invoke<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<String, runtime::InvocationError>> {
            Box::pin(async { Err(runtime::InvocationError::work(std::io::Error::other("as a test wants it"))) })
        }
    }

    #[tokio::test]
    async fn a_function_that_fails_on_an_event_is_tried_three_times_by_lambdas_waits() {
        let (runner, _handle) = crate::test::runner([("notify", Box::new(Fails) as _)]);
        let now = runner.host.doors.now();
        let put = move |transaction: &Transaction<'_>| {
            let rule = "notify/WorthATextMessage";
            Job::put(transaction, QUEUE, NewJob { rule, message_group: "1", body: "{}".to_owned() }, now)
        };
        let mut job = runner.host.store.transaction(put).await.unwrap();
        let deliveries = Deliveries { first_retry: first_retry(&Environment::default()).unwrap(), runner };
        for (attempts, minutes) in [(0, Some(1)), (1, Some(2)), (2, None)] {
            job.attempts = attempts;
            match deliveries.attempt(&job).await {
                Attempt::PutOff { wait, .. } => assert_eq!(Some(wait), minutes.map(Duration::from_mins), "{attempts}"),
                Attempt::Fatal(_) => assert_eq!(minutes, None, "{attempts}"),
                other => panic!("{other:?} after {attempts}"),
            }
        }
    }

    /// Answers every invocation, and passes the event on.
    struct Tells(tokio::sync::mpsc::UnboundedSender<Value>);

    impl runtime::Function for Tells {
        fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, runtime::InvocationError>> {
            self.0.send(serde_json::from_str(event).unwrap()).unwrap();
            Box::pin(async { Ok("null".to_owned()) })
        }
    }

    #[tokio::test]
    async fn a_rule_hands_its_events_to_the_queue_that_is_its_target() {
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let (runner, _handle) = crate::test::runner([("webhooks", Box::new(Tells(sender)) as _)]);
        let (queue, _) = queue::start(&runner).await.unwrap();
        runner.host.store.create_tables(SCHEMA).await.unwrap();
        let accepted = entry(&json!({})).accept("bus", Uuid::nil(), runner.host.doors.now()).ok().unwrap();
        let (text, now) = (accepted.text.clone(), runner.host.doors.now());
        let rules = runner.template.rules.clone();
        let stored = runner.host.store.transaction(move |transaction| {
            let rules: Vec<Rule> = rules.into_iter().filter(|rule| rule.target == Target::Queue).collect();
            store(transaction, &accepted, &rules, now, &mut Vec::new())
        });
        stored.await.unwrap();
        queue.has_arrived();
        let event = events.recv().await.unwrap();
        assert_eq!(event["Records"].as_array().unwrap().len(), 1);
        assert_eq!(event["Records"][0]["body"], text, "the event's envelope, byte for byte");
    }

    #[test]
    fn the_wait_for_a_retry_can_be_set_and_is_refused_by_name() {
        let read = |text: &str| first_retry(&Environment::default().with(RETRY_SECONDS, text));
        assert_eq!(read("0").unwrap(), Duration::ZERO);
        for wrong in ["-1", "1.5", "soon"] {
            assert!(read(wrong).unwrap_err().to_string().contains(RETRY_SECONDS), "{wrong}");
        }
    }
}
