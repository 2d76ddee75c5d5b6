//! The functions `webhook-endpoints` and `webhooks` over an embedded DynamoDB behind a proxy, a queue whose time and
//! faults a test controls, and endpoints that answer as a test wants.

use crate::SetClock;
use crate::asyncapi;
use crate::openapi::conformance;
use crate::proxy::Proxy;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::{Clock as _, Doors, NoRandomness, Randomness, SystemRandomness, Timestamp};
use http::{HeaderMap, StatusCode};
use local::dynamodb::{Embedded, WEBHOOKS_TABLE_NAME};
use runtime::{Environment, Function};
use serde_json::{Map, Value, json};
use standardwebhooks::Webhook;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// The key that encrypts the secrets.
pub const KEY: &str = "a-test-key-that-is-longer-than-32-characters";

/// What an endpoint answers to a delivery.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This status, with these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// Nothing: it hangs until the sender gives up.
    Nothing,
    /// This status, once the test says so.
    Held(Arc<Notify>, u16),
}

/// A delivery as an endpoint received it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// Returns the event's identifier.
    #[must_use]
    pub fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    /// Returns the number of signatures.
    #[must_use]
    pub fn signatures(&self) -> usize {
        self.headers["webhook-signature"].to_str().unwrap().split(' ').count()
    }

    /// Returns whether the signature was made with this secret, by the library of Standard Webhooks' own authors.
    #[must_use]
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let header = |name: &str| self.headers[name].to_str().unwrap();
        let timestamp = header("webhook-timestamp").parse().unwrap();
        let expected = Webhook::new(secret).unwrap().sign(self.id(), timestamp, &self.body).unwrap();
        header("webhook-signature").split(' ').any(|signature| signature == expected)
    }

    /// Asserts that the body and the headers are as `events/asyncapi.json` describes them.
    pub fn assert_described(&self) {
        let body = self.json();
        let name = format!("webhook.{}", body["type"].as_str().unwrap_or_default());
        let header = |name: &str| Value::from(self.headers[name].to_str().unwrap());
        let headers: Map<String, Value> = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .map(|name| (name.to_owned(), header(name)))
            .into_iter()
            .collect();
        for (part, value) in [("payload", &body), ("headers", &headers.into())] {
            if let Err(difference) = asyncapi::check(&name, part, value) {
                panic!("not as {} describes it: {difference}\n{body}", asyncapi::FILE);
            }
        }
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An endpoint of an integrator.
#[derive(Clone)]
pub struct Receiver {
    /// Its address.
    pub url: String,
    shared: Arc<ReceiverState>,
}

#[derive(Default)]
struct ReceiverState {
    replies: Mutex<VecDeque<Reply>>,
    always: Mutex<Option<Reply>>,
    received: Mutex<Vec<Received>>,
    arrived: Notify,
}

impl Receiver {
    /// Starts an endpoint that accepts everything.
    pub async fn start() -> Self {
        Self::start_on(0).await
    }

    /// Starts an endpoint on this port.
    pub async fn start_on(port: u16) -> Self {
        let shared = Arc::<ReceiverState>::default();
        let router = axum::Router::new().route("/hook", post(receive)).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// Returns a port on which nobody listens.
    pub async fn free_port() -> u16 {
        tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
    }

    /// Sets what it answers from now on; `None` for acceptance.
    pub fn always(&self, reply: Option<Reply>) {
        *self.shared.always.lock().unwrap() = reply;
    }

    /// Sets what it answers to the next deliveries, in order.
    pub fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.replies.lock().unwrap().extend(replies);
    }

    /// Answers with this status from now on.
    pub fn answers(&self, status: u16) {
        self.always(Some(Reply::Status(status, Vec::new())));
    }

    /// Returns what it received since the last call.
    #[allow(clippy::must_use_candidate, reason = "some callers only clear the list")]
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.shared.received.lock().unwrap())
    }

    /// Returns the identifiers of what it received since the last call.
    #[must_use]
    pub fn take_ids(&self) -> Vec<String> {
        self.take().iter().map(|received| received.id().to_owned()).collect()
    }

    /// Forgets what arrived before, so that [`Receiver::arrived`] waits for what is next.
    pub async fn forget_arrivals(&self) {
        self.shared.arrived.notify_one();
        self.shared.arrived.notified().await;
    }

    /// Waits until something arrives.
    pub async fn arrived(&self) {
        self.shared.arrived.notified().await;
    }
}

async fn receive(State(state): State<Arc<ReceiverState>>, headers: HeaderMap, body: Bytes) -> Response {
    state.received.lock().unwrap().push(Received { headers, body: body.to_vec() });
    state.arrived.notify_one();
    let reply = state.replies.lock().unwrap().pop_front().or_else(|| state.always.lock().unwrap().clone());
    match reply {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Reply::Status(status, headers)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body("the answer's body is not read".into()).unwrap()
        }
        Some(Reply::Nothing) => std::future::pending().await,
        Some(Reply::Held(released, status)) => {
            released.notified().await;
            StatusCode::from_u16(status).unwrap().into_response()
        }
    }
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    due: Timestamp,
    receives: u32,
}

#[derive(Default)]
struct QueueState {
    messages: Vec<Message>,
    sent: usize,
    /// The outcomes of the next calls: whether each is taken, and whether it is answered.
    faults: VecDeque<(bool, bool)>,
}

/// A queue whose time is the test's.
#[derive(Clone)]
struct TestQueue {
    state: Arc<Mutex<QueueState>>,
    clock: SetClock,
}

async fn send(State(queue): State<TestQueue>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["x-amz-target"], "AmazonSQS.SendMessageBatch");
    let call: Value = serde_json::from_slice(&body).unwrap();
    let mut state = queue.state.lock().unwrap();
    let (taken, answered) = state.faults.pop_front().unwrap_or((true, true));
    let mut successful = Vec::new();
    for entry in call["Entries"].as_array().unwrap() {
        let delay = entry["DelaySeconds"].as_u64().unwrap();
        assert!(delay <= 900, "{entry}");
        // By its group a fair queue knows whose messages pile up.
        assert!(entry["MessageGroupId"].as_str().unwrap().starts_with("whe_"), "{entry}");
        state.sent += 1;
        let id = format!("message-{}", state.sent);
        successful.push(json!({ "Id": entry["Id"], "MessageId": id, "MD5OfMessageBody": "" }));
        if taken {
            let due = queue.clock.now().saturating_add(Duration::from_secs(delay));
            let body = entry["MessageBody"].as_str().unwrap().to_owned();
            state.messages.push(Message { id, body, due, receives: 0 });
        }
    }
    if answered {
        let answer = json!({ "Successful": successful, "Failed": [] }).to_string();
        return ([("content-type", "application/x-amz-json-1.0")], answer).into_response();
    }
    (StatusCode::BAD_REQUEST, json!({ "__type": "com.amazonaws.sqs#OverLimit", "message": "no" }).to_string())
        .into_response()
}

/// The HTTP answer of the function `webhook-endpoints`.
#[derive(Debug, Clone)]
pub struct ApiAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Value,
    /// The body: parsed if it is JSON.
    pub body: Value,
}

/// The system's randomness, which panics once when a test wants it.
#[derive(Clone, Default)]
struct PanickingRandomness(Arc<AtomicBool>);

impl Randomness for PanickingRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        assert!(!self.0.swap(false, Ordering::SeqCst), "a panic that a test wants");
        SystemRandomness.fill(bytes)
    }
}

/// The functions, with everything around them.
pub struct Webhooks {
    /// The proxy in front of the database.
    pub proxy: Proxy,
    /// The database behind it.
    pub database: Embedded,
    /// The functions' clock.
    pub clock: SetClock,
    queue: TestQueue,
    randomness: PanickingRandomness,
    environment: Environment,
    endpoints: Box<dyn Function>,
    deliveries: Box<dyn Function>,
}

impl Webhooks {
    /// Starts the functions on 2026-01-05 at ten.
    pub async fn start() -> Self {
        crate::log();
        let database = Embedded::start(None).await.unwrap();
        let proxy = Proxy::start(&database.url).await;
        let clock = SetClock::default();
        clock.set("2026-01-05T10:00:00Z".parse().unwrap());
        let queue = TestQueue { state: Arc::default(), clock: clock.clone() };
        let randomness = PanickingRandomness::default();
        let url = crate::serve(axum::Router::new().route("/", post(send)).with_state(queue.clone())).await;
        let environment = Environment::default()
            .with("WEBHOOKS_TABLE_NAME", WEBHOOKS_TABLE_NAME)
            .with("WEBHOOK_QUEUE_URL", format!("{url}/queue"))
            .with("WEBHOOK_ENCRYPTION_KEY", KEY)
            .with("WEBHOOK_ENDPOINTS_ON_LOOPBACK", "allowed")
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url)
            .with("AWS_ENDPOINT_URL_SQS", url)
            .with_doors(Doors::new(clock.clone(), randomness.clone()));
        let endpoints = webhook_endpoints::function(&environment).unwrap();
        let deliveries = webhooks::function(&environment).unwrap();
        Self { proxy, database, clock, queue, randomness, environment, endpoints, deliveries }
    }

    /// Builds the function `webhook-endpoints` with this variable changed.
    #[must_use]
    pub fn endpoints_with(&self, name: &str, value: &str) -> Box<dyn Function> {
        webhook_endpoints::function(&self.environment.clone().with(name, value)).unwrap()
    }

    /// Starts both functions again with this variable changed.
    pub fn restart_with(&mut self, name: &str, value: &str) {
        self.environment = self.environment.clone().with(name, value);
        self.endpoints = webhook_endpoints::function(&self.environment).unwrap();
        self.deliveries = webhooks::function(&self.environment).unwrap();
    }

    /// Lets the next use of randomness panic.
    pub fn panic_once(&self) {
        self.randomness.0.store(true, Ordering::SeqCst);
    }

    /// Returns the functions' time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets this time pass.
    pub fn pass(&self, time: Duration) {
        self.clock.set(self.now().saturating_add(time));
    }

    /// Opens the connections of both functions, as their init phase does.
    pub async fn warm(&self) {
        self.endpoints.warm().await;
        self.deliveries.warm().await;
    }

    /// Calls a route as a supervisor of the workspace `acme`.
    pub async fn call(&self, route: &str, id: &str, body: Option<&Value>) -> ApiAnswer {
        self.call_as(&*self.endpoints, ("acme", "supervisor"), route, id, "", body).await
    }

    /// Calls a route with a query as a supervisor of the workspace `acme`.
    pub async fn query(&self, route: &str, id: &str, query: &str) -> ApiAnswer {
        self.call_as(&*self.endpoints, ("acme", "supervisor"), route, id, query, None).await
    }

    /// Calls a route as a member of a workspace with this role.
    pub async fn call_by(&self, who: (&str, &str), route: &str, id: &str, body: Option<&Value>) -> ApiAnswer {
        self.call_as(&*self.endpoints, who, route, id, "", body).await
    }

    /// Calls a route of a function.
    pub async fn call_as(
        &self,
        function: &dyn Function,
        (workspace, role): (&str, &str),
        route: &str,
        id: &str,
        query: &str,
        body: Option<&Value>,
    ) -> ApiAnswer {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{id}", id);
        let claims = json!({ "sub": "sam", "name": "Sam", "role": role, "workspace": workspace });
        let event = json!({
            "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": query,
            "headers": { "content-type": "application/json" }, "pathParameters": { "id": id },
            "requestContext": {
                "routeKey": route, "authorizer": { "jwt": { "claims": claims } },
                "http": { "method": method, "path": path },
            },
            "body": body.map(Value::to_string), "isBase64Encoded": false,
        });
        let response: Value = serde_json::from_str(&function.invoke(&event.to_string()).await.unwrap()).unwrap();
        let text = response["body"].as_str().unwrap_or_default();
        let answer = ApiAnswer {
            status: u16::try_from(response["statusCode"].as_u64().unwrap()).unwrap(),
            headers: response["headers"].clone(),
            body: serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        };
        let headers: std::collections::HashMap<String, String> =
            serde_json::from_value(answer.headers.clone()).unwrap();
        let (method, headers) = (method.parse().unwrap(), HeaderMap::try_from(&headers).unwrap());
        if conformance::has_operation(&method, &path) {
            conformance::assert(&method, &path, answer.status, &headers, text.as_bytes());
        }
        answer
    }

    /// Registers an endpoint for all events, and returns its identifier and its secret.
    pub async fn register(&self, url: &str) -> (String, String) {
        let answer = self.call("POST /webhook-endpoints", "", Some(&json!({ "url": url }))).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    /// Returns the endpoint as the list has it.
    pub async fn endpoint(&self, id: &str) -> Value {
        let list = self.call("GET /webhook-endpoints", "", None).await.body;
        list["items"].as_array().unwrap().iter().find(|item| item["id"] == id).cloned().unwrap_or_default()
    }

    /// Returns the first page of an endpoint's log.
    pub async fn log(&self, id: &str) -> Vec<Value> {
        let answer = self.query("GET /webhook-endpoints/{id}/deliveries", id, "limit=100").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["items"].as_array().unwrap().clone()
    }

    /// Asks for a replay, which has to be accepted.
    pub async fn replay(&self, id: &str, body: &Value) {
        let answer = self.call("POST /webhook-endpoints/{id}/replay", id, Some(body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    /// Hands an event of the bus to `webhooks`, as the queue does at once.
    ///
    /// # Errors
    /// The function answers that the message failed; the queue would hand it over again.
    pub async fn publish(&self, event: &Value) -> Result<(), Value> {
        let message = json!({ "messageId": "event", "body": event.to_string() });
        let answer = self.deliveries.invoke(&json!({ "Records": [message] }).to_string()).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        if answer["batchItemFailures"] == json!([]) { Ok(()) } else { Err(answer) }
    }

    /// Works on every task that is due, in batches of ten, until there is none.
    pub async fn work(&self) {
        while self.work_on_a_batch().await {}
    }

    /// Works on at most ten tasks that are due, and returns whether there were any.
    pub async fn work_on_a_batch(&self) -> bool {
        let batch = self.receive(10);
        if batch.is_empty() {
            return false;
        }
        self.hand_over(&batch).await;
        true
    }

    /// Receives at most this many tasks that are due. They stay in the queue until they are handed over.
    #[must_use]
    pub fn receive(&self, at_most: usize) -> Vec<Value> {
        let now = self.now();
        let mut state = self.queue.state.lock().unwrap();
        let due = state.messages.iter_mut().filter(|message| message.due <= now).take(at_most);
        due.map(|message| {
            message.receives += 1;
            json!({
                "messageId": message.id, "body": message.body,
                "attributes": { "ApproximateReceiveCount": message.receives.to_string() },
            })
        })
        .collect()
    }

    /// Hands tasks to `webhooks`, and deletes those that do not fail. The others come again after five minutes.
    pub async fn hand_over(&self, batch: &[Value]) {
        let answer = self.deliveries.invoke(&json!({ "Records": batch }).to_string()).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let failed: Vec<&Value> =
            answer["batchItemFailures"].as_array().unwrap().iter().map(|it| &it["itemIdentifier"]).collect();
        let handed_over = |message: &Message| batch.iter().any(|it| it["messageId"] == message.id);
        let again = self.now().saturating_add(Duration::from_mins(5));
        let mut state = self.queue.state.lock().unwrap();
        state.messages.retain_mut(|message| {
            if !handed_over(message) {
                return true;
            }
            message.due = again;
            failed.iter().any(|id| **id == message.id)
        });
    }

    /// Lets the visibility timeout of everything that was received pass.
    pub fn show_again(&self) {
        self.pass(Duration::from_mins(5));
    }

    /// Works until the queue is empty, with the clock always at the next task, or until this time.
    pub async fn work_until(&self, end: Timestamp) {
        loop {
            self.work().await;
            let next = self.queue.state.lock().unwrap().messages.iter().map(|message| message.due).min();
            match next {
                Some(next) if next <= end => self.clock.set(next.max(self.now())),
                _ => break,
            }
        }
        self.clock.set(end.max(self.now()));
        self.work().await;
    }

    /// Returns the number of tasks in the queue.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.queue.state.lock().unwrap().messages.len()
    }

    /// Puts a message with this body into the queue, as the bus does.
    pub fn put_message(&self, body: &str) {
        let mut state = self.queue.state.lock().unwrap();
        state.sent += 1;
        let id = format!("message-{}", state.sent);
        state.messages.push(Message { id, body: body.to_owned(), due: self.clock.now(), receives: 0 });
    }

    /// Returns the number of messages that were sent so far.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.queue.state.lock().unwrap().sent
    }

    /// Loses every task in the queue.
    pub fn lose_tasks(&self) {
        self.queue.state.lock().unwrap().messages.clear();
    }

    /// Moves every task to the dead letters and back, as an operator does: as new messages that are due.
    pub fn redrive(&self) {
        let now = self.now();
        for message in &mut self.queue.state.lock().unwrap().messages {
            (message.due, message.receives) = (now, 0);
        }
    }

    /// Sets the outcomes of the next calls to the queue: whether each is taken, and whether it is answered.
    pub fn queue_faults(&self, faults: &[(bool, bool)]) {
        self.queue.state.lock().unwrap().faults = faults.iter().copied().collect();
    }

    /// Returns every item of the table, as DynamoDB's JSON.
    pub async fn items(&self) -> String {
        self.table("Scan", json!({})).await.to_string()
    }

    /// Returns an item, as DynamoDB's JSON.
    pub async fn item(&self, pk: &str, sk: &str) -> Value {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        self.table("GetItem", json!({ "Key": key, "ConsistentRead": true })).await["Item"].clone()
    }

    /// Stores an item in place of the one with its key.
    pub async fn put_item(&self, item: &Value) {
        self.table("PutItem", json!({ "Item": item })).await;
    }

    /// Removes an item, as its time to live does.
    pub async fn remove_item(&self, pk: &str, sk: &str) {
        self.table("DeleteItem", json!({ "Key": { "pk": { "S": pk }, "sk": { "S": sk } } })).await;
    }

    /// Calls the database behind the proxy.
    async fn table(&self, operation: &str, mut call: Value) -> Value {
        call["TableName"] = json!(WEBHOOKS_TABLE_NAME);
        let request = reqwest::Client::new()
            .post(&self.database.url)
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260105/us-east-1/dynamodb/aws4_request, SignedHeaders=host, \
                 Signature=0",
            )
            .header("x-amz-date", "20260105T100000Z")
            .body(call.to_string());
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{operation}: {}", response.status());
        response.json().await.unwrap()
    }
}

/// Builds an event of the bus about a payment request.
#[must_use]
pub fn event(id: &str, version: u32, occurred_at: Timestamp) -> Value {
    event_of("acme", "PaymentRequestStatusChanged", id, version, occurred_at)
}

/// Builds an event of the bus of this workspace and kind.
#[must_use]
pub fn event_of(workspace: &str, kind: &str, id: &str, version: u32, occurred_at: Timestamp) -> Value {
    json!({
        "version": "0", "id": "e", "detail-type": kind, "source": "chat2pay", "time": occurred_at,
        "detail": {
            "event_id": format!("{id}#{version}"), "id": id, "version": version, "status": "clicked",
            "previous_status": "sent", "occurred_at": occurred_at, "actor": { "type": "customer", "id": null },
            "reason": null, "workspace": workspace, "agent": { "id": "alice", "name": "Alice" },
            "order_number": "10045", "amount": 25_000, "currency": "ZAR",
            "customer": { "phone": "+27831234567", "name": "Thandi" }, "conversation_id": "c-981",
            "metadata": { "crm": "77" }, "link": null,
        },
    })
}
