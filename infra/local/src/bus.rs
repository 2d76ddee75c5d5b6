//! The stand-in for the EventBridge bus: it stores what is put on it, and takes it to the functions by the template's
//! rules until they have it.

use crate::aws::Envelope;
use crate::body;
use crate::functions::Functions;
use crate::queue::{Job, Outcome, Queue, Work};
use crate::refusal::Refusal;
use crate::stage::Stage;
use crate::store::{Store, StoreError, keep_dead_letter};
use crate::template::{Rule, Target};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use http::{HeaderMap, StatusCode, header};
use runtime::BoxFuture;
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

/// The queue of deliveries.
const QUEUE: &str = "bus";
/// The most entries of one call.
const ENTRIES: usize = 10;
/// The most that one call's entries may add up to, in bytes. AWS has raised this to 1 MiB for some accounts; what keeps to
/// the smaller limit works everywhere.
const SIZE: usize = 256 * 1024;

/// The bus.
pub(crate) struct Bus {
    name: String,
    store: Store,
    rules: Arc<[Rule]>,
    deliveries: Queue,
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

/// An entry that is not taken, while others of its call may be.
#[derive(Debug)]
struct Refused {
    code: &'static str,
    message: String,
}

/// A call that was refused as a whole, in the form of AWS's JSON protocol.
struct CallError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

/// An accepted entry.
struct Event {
    id: String,
    /// As it is stored and delivered.
    text: String,
    /// The same, for patterns to look into.
    envelope: Value,
}

impl Bus {
    /// Starts the bus, and with it the deliveries that an earlier run has left undone.
    pub(crate) async fn start(
        name: String,
        rules: Vec<Rule>,
        store: Store,
        functions: Functions,
        stage: Stage,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, StoreError> {
        let rules: Arc<[Rule]> = rules.into();
        let work = Arc::new(Deliveries { rules: Arc::clone(&rules), functions });
        let deliveries = Queue::start(QUEUE, store.clone(), work, stage, tasks).await?;
        Ok(Self { name, store, rules, deliveries })
    }

    fn describe(&self, call: DescribeEventBus) -> Result<Value, CallError> {
        match call.name {
            Some(name) if name != self.name => Err(CallError {
                status: StatusCode::BAD_REQUEST,
                kind: "ResourceNotFoundException",
                message: format!("Event bus {name} does not exist."),
            }),
            _ => Ok(json!({ "Name": self.name })),
        }
    }

    async fn put(&self, call: PutEvents) -> Result<Value, CallError> {
        if call.entries.is_empty() || call.entries.len() > ENTRIES {
            return Err(CallError::validation(format!(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length \
                 between 1 and {ENTRIES}"
            )));
        }
        if call.entries.iter().map(Entry::size).sum::<usize>() > SIZE {
            return Err(CallError::validation(
                "Total size of the entries in the request is over the limit.".to_owned(),
            ));
        }
        let now = crate::time::moment();
        let events: Vec<_> = call.entries.iter().map(|entry| entry.accept(&self.name, now)).collect();
        let results: Vec<_> = events.iter().map(result).collect();
        let failed = events.iter().filter(|event| event.is_err()).count();
        let accepted: Vec<Event> = events.into_iter().flatten().collect();
        let rules = Arc::clone(&self.rules);
        let jobs = self
            .store
            .transaction(move |transaction| {
                let mut jobs = Vec::new();
                for event in &accepted {
                    store(transaction, event, &rules, &mut jobs)?;
                }
                Ok(jobs)
            })
            .await
            .map_err(|error| {
                tracing::error!(%error, "events were not stored");
                CallError {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    kind: "InternalException",
                    message: "This exception occurs due to unexpected causes.".to_owned(),
                }
            })?;
        for job in jobs {
            // Delivery goes on by itself; nobody here waits for it.
            drop(self.deliveries.submit(job));
        }
        Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
    }
}

impl Entry {
    /// As AWS counts it.
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
    fn size(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let time = if self.time.is_some() { 14 } else { 0 };
        let resources = self.resources.iter().map(String::len).sum::<usize>();
        time + length(&self.source) + length(&self.detail_type) + length(&self.detail) + resources
    }

    fn accept(&self, bus: &str, now: Timestamp) -> Result<Event, Refused> {
        let source = given(self.source.as_deref(), "Source")?;
        let detail_type = given(self.detail_type.as_deref(), "DetailType")?;
        let detail = given(self.detail.as_deref(), "Detail")?;
        // AWS takes a bus's name or its ARN.
        let named = self.event_bus_name.as_deref().unwrap_or("default");
        if named.rsplit('/').next() != Some(bus) {
            let message = format!("Event bus {named} does not exist.");
            return Err(Refused { code: "ResourceNotFoundException", message });
        }
        let malformed = |_| Refused { code: "MalformedDetail", message: "Detail is malformed.".to_owned() };
        let detail: &RawValue = serde_json::from_str(detail).map_err(malformed)?;
        let time = self.time.and_then(from_seconds).unwrap_or(now);
        let envelope = Envelope::new(detail_type, source, time, &self.resources, detail);
        let text = serde_json::to_string(&envelope).map_err(malformed)?;
        let event = Event { envelope: serde_json::from_str(&text).map_err(malformed)?, text, id: envelope.id };
        if event.envelope["detail"].is_object() {
            Ok(event)
        } else {
            Err(Refused { code: "MalformedDetail", message: "Detail is not an object.".to_owned() })
        }
    }
}

/// A parameter that an entry cannot do without.
fn given<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, Refused> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| Refused {
        code: "InvalidArgument",
        message: format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a time beyond i64 is saturated and then refused")]
fn from_seconds(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_milliseconds((seconds * 1000.0) as i64).ok()
}

/// What became of one entry, as the caller is told.
fn result(event: &Result<Event, Refused>) -> Value {
    match event {
        Ok(event) => json!({ "EventId": event.id }),
        Err(refused) => json!({ "ErrorCode": refused.code, "ErrorMessage": refused.message }),
    }
}

/// Stores an event, and what has to be delivered of it.
fn store(transaction: &Transaction<'_>, event: &Event, rules: &[Rule], jobs: &mut Vec<Job>) -> rusqlite::Result<()> {
    transaction.prepare_cached("INSERT INTO events (envelope) VALUES (?1)")?.execute([&event.text])?;
    for rule in rules.iter().filter(|rule| rule.pattern.matches(&event.envelope)) {
        match &rule.target {
            Target::Function(_) => {
                // A request's events reach each function in their order.
                let about = event.envelope["detail"]["id"].as_str().unwrap_or(&event.id);
                let lane = format!("{}/{about}", rule.name);
                jobs.push(Job::put(transaction, QUEUE, &rule.name, &lane, event.text.clone())?);
            }
            Target::DeadLetters => keep_dead_letter(transaction, &rule.name, "put there by a rule", &event.text)?,
        }
    }
    Ok(())
}

/// Takes events to functions.
struct Deliveries {
    rules: Arc<[Rule]>,
    functions: Functions,
}

impl Work for Deliveries {
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let rule = self.rules.iter().find(|rule| rule.name == job.topic);
            let Some((rule, Target::Function(function))) = rule.map(|rule| (rule, &rule.target)) else {
                return Outcome::Hopeless("the template no longer has this rule".to_owned());
            };
            match self.functions.invoke(function, job.body.clone()).await {
                Ok(_) => Outcome::Done,
                Err(error) if !error.was_tried() => Outcome::NotTried(error.to_string()),
                Err(error) if job.attempts >= rule.retries || job.age() >= rule.maximum_age => {
                    Outcome::Hopeless(error.to_string())
                }
                Err(error) => Outcome::Failed(error.to_string()),
            }
        })
    }
}

impl CallError {
    fn validation(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "ValidationException", message }
    }
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        (self.status, protocol(&json!({ "__type": self.kind, "message": self.message }))).into_response()
    }
}

/// A body in AWS's JSON protocol.
fn protocol(body: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string())
}

/// `POST /local/aws/events/`: EventBridge's own protocol, as far as `PutEvents` and `DescribeEventBus`.
pub(crate) async fn call(State(bus): State<Arc<Bus>>, headers: HeaderMap, body: Body) -> Response {
    match answer(&bus, &headers, body).await {
        Ok(body) => protocol(&body).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn answer(bus: &Bus, headers: &HeaderMap, body: Body) -> Result<Value, CallError> {
    let describe = match headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        Some("AWSEvents.PutEvents") => false,
        Some("AWSEvents.DescribeEventBus") => true,
        _ => {
            return Err(CallError {
                status: StatusCode::BAD_REQUEST,
                kind: "UnknownOperationException",
                message: "Only PutEvents and DescribeEventBus are known here.".to_owned(),
            });
        }
    };
    // Base64, JSON's escapes and the field names add to what the entries themselves may weigh.
    let unreadable = || CallError {
        status: StatusCode::BAD_REQUEST,
        kind: "SerializationException",
        message: "The body cannot be read.".to_owned(),
    };
    let bytes = body::read(body, SIZE * 8).await.map_err(|_| unreadable())?;
    if describe {
        return bus.describe(serde_json::from_slice(&bytes).map_err(|_| unreadable())?);
    }
    bus.put(serde_json::from_slice(&bytes).map_err(|_| unreadable())?).await
}

/// `GET /local/events`: everything that was put on the bus, oldest first.
pub(crate) async fn list(State(bus): State<Arc<Bus>>) -> Result<Response, Refusal> {
    let envelopes = bus
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
        let event = entry(&json!({})).accept("bus", crate::time::moment()).ok().unwrap();
        assert_eq!(event.envelope["detail-type"], "PaymentRequestStatusChanged");
        assert_eq!(event.envelope["source"], "chat2pay");
        assert_eq!(event.envelope["time"], "2026-01-05T10:00:00Z");
        assert_eq!(event.envelope["detail"]["id"], "1");
        assert_eq!(event.envelope["id"], event.id);
        assert!(event.text.ends_with(r#""detail":{"id": "1"}}"#), "{}", event.text);
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for (changed, code) in [
            (json!({ "Source": "" }), "InvalidArgument"),
            (json!({ "DetailType": null }), "InvalidArgument"),
            (json!({ "Detail": null }), "InvalidArgument"),
            (json!({ "Detail": "[]" }), "MalformedDetail"),
            (json!({ "Detail": "{" }), "MalformedDetail"),
            (json!({ "EventBusName": "other" }), "ResourceNotFoundException"),
            (json!({ "EventBusName": null }), "ResourceNotFoundException"),
        ] {
            match entry(&changed).accept("bus", crate::time::moment()) {
                Err(refused) => assert_eq!(refused.code, code, "{changed}"),
                Ok(_) => panic!("{changed} was accepted"),
            }
        }
        let arn = json!({ "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/bus" });
        assert!(entry(&arn).accept("bus", crate::time::moment()).is_ok());
    }
}
