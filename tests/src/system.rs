//! The whole local system over HTTP, as its users see it: agents with tokens, customers with links, a payment provider
//! that signs its webhooks, a stand-in phone and a stand-in bus.

use crate::openapi::conformance;
use domain::{Clock as _, SystemClock, Timestamp};
use http::{HeaderMap, Method};
use local::{Local, Options};
use runtime::Environment;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::{Duration, Instant};

/// The secret that the stand-in provider signs its webhooks with.
pub const WEBHOOK_SECRET: &str = "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz";

/// The longest time that a test waits for an expected result. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Links that expire two seconds after creation; checkouts stay open as long as in production.
pub const SHORT_LINK: &[(&str, &str)] = &[("LINK_TTL_SECONDS", "2")];

/// Checkouts that expire two seconds after the click; links stay valid as long as in production.
pub const SHORT_CHECKOUT: &[(&str, &str)] = &[("CHECKOUT_TTL_SECONDS", "2")];

/// The short limit of both, in milliseconds: long enough for a test to act before it passes, even on a busy machine.
pub const SHORT: i64 = 2_000;

/// A running system.
pub struct System {
    base: String,
    http: reqwest::Client,
    own: Option<Local>,
}

impl System {
    /// Returns the system with these variables that all tests share. Each test uses workspaces and phones of its own.
    pub async fn shared(variables: &[(&str, &str)]) -> Self {
        static SYSTEMS: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let starting = move || {
            let mut systems = SYSTEMS.lock().unwrap();
            systems.entry(format!("{variables:?}")).or_insert_with(|| start_aside(variables)).clone()
        };
        Self::at(tokio::task::spawn_blocking(starting).await.unwrap())
    }

    /// Starts a system with these variables for one test, with its data in memory.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_in(None, variables).await
    }

    /// Starts a system for one test that keeps its data in this directory.
    pub async fn start_in(data_dir: Option<&Path>, variables: &[(&str, &str)]) -> Self {
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment = environment.with(name, *value);
        }
        let local = start_local(data_dir, environment).await;
        Self { own: Some(local), ..Self::at(String::new()) }.with_own_address()
    }

    /// Returns a client for a system that already runs at this address.
    #[must_use]
    pub fn at(base: String) -> Self {
        // A proxy that the environment names must not carry calls to the loopback interface.
        // A crowded runner closes connections that are unused for five seconds. A request must not meet one.
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        let http = http.pool_idle_timeout(Duration::from_secs(2));
        Self { base, http: http.build().unwrap(), own: None }
    }

    fn with_own_address(mut self) -> Self {
        self.base = self.own.as_ref().unwrap().base_url().to_owned();
        self
    }

    /// Returns the base address, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the environment of the functions; only for a system that this test started.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        self.own.as_ref().unwrap().environment()
    }

    /// Stops a system that this test started.
    pub async fn stop(mut self) {
        self.own.take().unwrap().stop().await;
    }

    /// Builds a bare request to this path or address.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        self.http.request(method, url)
    }

    /// Returns a token with these claims; each of `sub`, `name`, `role` and `workspace` may be absent.
    pub async fn token(&self, claims: &Value) -> String {
        let answer = Answer::of(self.request(Method::POST, "/local/token").json(claims)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.json();
        assert_eq!(token["token_type"], "Bearer");
        assert!(token["expires_in"].as_i64().unwrap() > 0);
        token["access_token"].as_str().unwrap().to_owned()
    }

    /// Returns a signed-in user with this role.
    pub async fn user(&self, workspace: &str, id: &str, role: &str) -> User<'_> {
        let name = capitalized(id);
        let token = self.token(&json!({ "sub": id, "name": name, "role": role, "workspace": workspace })).await;
        User { system: self, token, workspace: workspace.to_owned() }
    }

    /// Returns a user with this token.
    #[must_use]
    pub fn bearer(&self, token: &str, workspace: &str) -> User<'_> {
        User { system: self, token: token.to_owned(), workspace: workspace.to_owned() }
    }

    /// Returns the agent `alice` of a new workspace.
    pub async fn alice(&self) -> User<'_> {
        self.user(&workspace(), "alice", "agent").await
    }

    /// Requests the page behind a link with this method.
    pub async fn page(&self, method: Method, link: &str) -> Answer {
        Answer::of(self.request(method, link)).await
    }

    /// Presses the button on the customer's page.
    pub async fn press(&self, link: &str) -> Answer {
        let form = self.request(Method::POST, link).header("content-type", "application/x-www-form-urlencoded");
        Answer::of(form).await
    }

    /// Presses the button on the customer's page and returns the address of the checkout that it redirects to.
    pub async fn click(&self, link: &str) -> String {
        let answer = self.press(link).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let checkout = answer.header("location").to_owned();
        assert!(checkout.starts_with(&format!("{}/sandbox/checkouts/", self.base)), "{checkout}");
        checkout
    }

    /// Presses Pay (`succeeded`), Pay by bank transfer (`processing`) or Decline (`declined`) on the provider's page.
    pub async fn settle(&self, checkout: &str, outcome: &str) -> Answer {
        Answer::of(self.request(Method::POST, &format!("{checkout}/pay")).form(&[("outcome", outcome)])).await
    }

    /// Makes the money of a bank transfer arrive (`succeeded`) or not (`failed`).
    pub async fn settle_transfer(&self, checkout: &str, outcome: &str) -> Answer {
        Answer::of(self.request(Method::POST, &format!("{checkout}/settle")).form(&[("outcome", outcome)])).await
    }

    /// Sends this body as the provider, signed now, with a new webhook identifier.
    pub async fn webhook(&self, body: &Value) -> Answer {
        self.webhook_as(&format!("msg_{}", uuid::Uuid::new_v4()), &body.to_string()).await
    }

    /// Sends this text as the provider, signed now, with this webhook identifier.
    pub async fn webhook_as(&self, id: &str, body: &str) -> Answer {
        let headers = signed(id, now().as_milliseconds() / 1000, body);
        Answer::of(self.post_webhook("/webhooks/sandbox", body).headers(headers)).await
    }

    /// Builds a webhook without a signature.
    pub fn post_webhook(&self, path: &str, body: &str) -> reqwest::RequestBuilder {
        self.request(Method::POST, path).header("content-type", "application/json").body(body.to_owned())
    }

    /// Returns the texts that a phone has received, oldest first.
    pub async fn texts(&self, phone: &str) -> Vec<String> {
        let query = serde_urlencoded::to_string([("phone", phone)]).unwrap();
        let answer = Answer::of(self.request(Method::GET, &format!("/local/messages?{query}"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let messages = answer.json();
        messages.as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until a phone has received this many texts, and returns them.
    pub async fn wait_for_texts(&self, phone: &str, count: usize) -> Vec<String> {
        eventually("the texts", async || {
            let texts = self.texts(phone).await;
            if texts.len() >= count { Ok(texts) } else { Err(format!("expected {count} texts, received {texts:?}")) }
        })
        .await
    }

    /// Returns every event on the bus, oldest first, as envelopes. Each has to be one that the description has.
    pub async fn events(&self) -> Vec<Value> {
        let answer = Answer::of(self.request(Method::GET, "/local/events")).await;
        assert_eq!(answer.status, 200);
        match answer.json() {
            Value::Array(events) => {
                events.iter().for_each(crate::asyncapi::assert_event);
                events
            }
            other => panic!("no list: {other}"),
        }
    }

    /// Returns the events of one request, oldest first, as envelopes.
    pub async fn events_of(&self, id: &str) -> Vec<Value> {
        let mut events = self.events().await;
        events.retain(|event| event["detail"]["id"] == id);
        events
    }

    /// Waits until a request's events are published up to this version, and returns them.
    pub async fn wait_for_events(&self, id: &str, version: usize) -> Vec<Value> {
        eventually("the events", async || {
            let events = self.events_of(id).await;
            let found: Vec<&Value> = events.iter().map(|event| &event["detail"]["event_id"]).collect();
            let wanted = format!("{id}#{version}");
            if found.iter().any(|id| **id == wanted) { Ok(events) } else { Err(format!("{wanted} wanted: {found:?}")) }
        })
        .await
    }
}

/// Starts a system on its own thread, where it runs until the tests end, and returns its address.
fn start_aside(variables: Vec<(String, String)>) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let local = start_local(None, variables.into_iter().collect()).await;
            sender.send(local.base_url().to_owned()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

async fn start_local(data_dir: Option<&Path>, environment: Environment) -> Local {
    // Many tests send more requests than a person does; those of the limit set it.
    let environment = environment.or("SANDBOX_WEBHOOK_SECRET", WEBHOOK_SECRET).or("AGENT_REQUESTS_PER_MINUTE", "0");
    let options = Options { port: 0, data_dir: data_dir.map(Path::to_owned), lambda: None, environment };
    local::start(options).await.unwrap()
}

/// A signed-in user.
pub struct User<'a> {
    system: &'a System,
    /// The user's bearer token.
    pub token: String,
    /// The workspace (company) that the user belongs to.
    pub workspace: String,
}

impl User<'_> {
    /// Builds a request to this path with the user's token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.system.request(method, path).bearer_auth(&self.token)
    }

    /// Posts an order.
    pub async fn create(&self, order: &Value) -> Answer {
        Answer::of(self.request(Method::POST, "/payment-requests").json(order)).await
    }

    /// Posts an order with an idempotency key.
    pub async fn create_with_key(&self, order: &Value, key: &str) -> Answer {
        let request = self.request(Method::POST, "/payment-requests").header("Idempotency-Key", key);
        Answer::of(request.json(order)).await
    }

    /// Creates a request and returns it as the API answered.
    pub async fn sent(&self) -> Value {
        self.sent_to(&phone()).await
    }

    /// Creates a request to this phone and returns it as the API answered.
    pub async fn sent_to(&self, phone: &str) -> Value {
        self.sent_as(&order(phone)).await
    }

    /// Creates a request from this order and returns it as the API answered.
    pub async fn sent_as(&self, order: &Value) -> Value {
        let answer = self.create(order).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    /// Reads a request and returns the whole answer.
    pub async fn get(&self, id: &str) -> Answer {
        Answer::of(self.request(Method::GET, &format!("/payment-requests/{id}"))).await
    }

    /// Reads a request, which has to exist, and returns its current state.
    pub async fn read(&self, id: &str) -> Value {
        let answer = self.get(id).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Waits until a request has this status, and returns it.
    pub async fn wait_for(&self, id: &str, status: &str) -> Value {
        eventually("the status", async || {
            let request = self.read(id).await;
            if request["status"] == status { Ok(request) } else { Err(format!("{status} wanted: {request}")) }
        })
        .await
    }

    /// Waits until a request's history has this status. A read may show a status before it is written to the history.
    pub async fn wait_for_history(&self, id: &str, status: &str) -> Value {
        eventually("the history", async || {
            let request = self.read(id).await;
            let last = request["history"].as_array().unwrap().last().unwrap()["status"].clone();
            if last == status { Ok(request) } else { Err(format!("{status} wanted: {request}")) }
        })
        .await
    }

    /// Returns every request that the user may see, newest first.
    pub async fn everything(&self) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = cursor.as_deref().map_or_else(Vec::new, |cursor| vec![("cursor", cursor)]);
            let answer = self.list(&[page, vec![("limit", "100")]].concat()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let list = answer.json();
            found.extend(list["items"].as_array().unwrap().iter().cloned());
            cursor = list["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return found;
            }
        }
    }

    /// Lists requests with this query.
    pub async fn list(&self, query: &[(&str, &str)]) -> Answer {
        let query = serde_urlencoded::to_string(query).unwrap();
        Answer::of(self.request(Method::GET, &format!("/payment-requests?{query}"))).await
    }

    /// Lists requests with this query and returns the identifiers of the items and the next cursor.
    pub async fn listed(&self, query: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
        let answer = self.list(query).await;
        assert_eq!(answer.status, 200, "{query:?}: {answer:?}");
        let list = answer.json();
        let ids = list["items"].as_array().unwrap().iter().map(|item| id(item).to_owned()).collect();
        (ids, list["next_cursor"].as_str().map(str::to_owned))
    }

    /// Cancels a request.
    pub async fn cancel(&self, id: &str) -> Answer {
        Answer::of(self.request(Method::POST, &format!("/payment-requests/{id}/cancel"))).await
    }
}

/// An HTTP answer, read to its end.
#[derive(Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// Sends a request and returns the answer.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::try_of(request).await.unwrap()
    }

    /// Sends a request and returns the answer, if it arrives: the server may be gone. The answer has to be one that the
    /// description of the HTTP API allows.
    ///
    /// # Errors
    /// Returns the client's error if no complete answer arrived.
    pub async fn try_of(request: reqwest::RequestBuilder) -> Result<Self, reqwest::Error> {
        let (client, request) = request.build_split();
        let request = request?;
        let (method, url) = (request.method().clone(), request.url().clone());
        let response = client.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Self { status, headers, body: response.bytes().await?.to_vec() };
        conformance::assert(&method, url.path(), status, &answer.headers, &answer.body);
        Ok(answer)
    }

    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Returns the body as JSON, and asserts that the content type is a JSON one.
    #[must_use]
    pub fn json(&self) -> Value {
        assert!(self.header("content-type").ends_with("json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the only value of a header, or an empty string if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(values.len() <= 1, "the header {name} occurs more than once: {self:?}");
        values.first().map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that the answer is the HTTP API's own, with this status: a message, and no problem of a function.
    pub fn gateway(&self, status: u16) {
        let message = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            413 => "Request Entity Too Large",
            414 => "URI Too Long",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            other => panic!("the HTTP API does not answer with {other}: {self:?}"),
        };
        assert_eq!((self.status, self.header("content-type")), (status, "application/json"), "{self:?}");
        assert_eq!(self.json(), json!({ "message": message }), "{self:?}");
    }

    /// Asserts that the answer is a problem with this status and code by RFC 9457 and the specification's table, with
    /// all the members of a problem and no others. Returns the body.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{code} wanted: {self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("urn:chat2pay:problem:{code}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for text in ["title", "detail"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {problem}");
        }
        assert!(problem["detail"].as_str().unwrap().ends_with('.'), "the detail ends with a full stop: {problem}");
        let mut names: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        names.retain(|name| !["type", "title", "status", "detail", "code"].contains(name));
        if code == "validation_failed" {
            assert_eq!(names, ["errors"], "{problem}");
            for error in problem["errors"].as_array().unwrap() {
                assert!(error["field"].is_string(), "{problem}");
                assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
                assert_eq!(error.as_object().unwrap().len(), 2, "{problem}");
            }
        } else {
            assert!(names.is_empty(), "{names:?} in {problem}");
        }
        problem
    }

    /// Returns the names of the fields that a validation problem lists, in alphabetical order.
    #[must_use]
    pub fn bad_fields(&self) -> Vec<String> {
        let problem = self.problem(422, "validation_failed");
        let errors = problem["errors"].as_array().unwrap();
        let mut names: Vec<String> = errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

/// Returns the start of the body as text, to keep the output of a failed test readable.
impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {:?} ", self.status, self.headers)?;
        for character in String::from_utf8_lossy(&self.body).chars().take(2_000) {
            formatter.write_char(character)?;
        }
        Ok(())
    }
}

/// Polls until a condition holds; fails with the value last seen if the condition never holds.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < PATIENCE, "{what} did not occur within {PATIENCE:?}: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs all futures at once and returns their results in the order given.
pub async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures::future::join_all(futures).await
}

/// Returns the specification's example order, for this phone.
#[must_use]
pub fn order(phone: &str) -> Value {
    json!({ "order_number": "10045", "amount": 25_000, "currency": "ZAR",
            "customer": { "phone": phone, "name": "Thandi" },
            "description": "2 x tickets", "conversation_id": "c-981", "metadata": { "crm": "77" } })
}

/// Builds the provider's report that a request was paid in full.
#[must_use]
pub fn paid(request: &Value, payment_id: &str, paid_at: Timestamp) -> Value {
    json!({ "type": "checkout.paid", "timestamp": now(),
            "data": { "checkout_id": "chk_by_hand", "payment_request_id": request["id"], "payment_id": payment_id,
                      "amount": request["amount"], "currency": request["currency"], "paid_at": paid_at } })
}

/// Builds the provider's report that the customer has paid and the money is in flight.
#[must_use]
pub fn processing(request: &Value, payment_id: &str, paid_at: Timestamp) -> Value {
    let mut report = paid(request, payment_id, paid_at);
    report["type"] = "checkout.processing".into();
    report
}

/// Builds the provider's report that an attempt has failed.
#[must_use]
pub fn failed(request: &Value, reason: &str) -> Value {
    json!({ "type": "checkout.payment_failed", "timestamp": now(),
            "data": { "checkout_id": "chk_by_hand", "payment_request_id": request["id"], "reason": reason,
                      "amount": request["amount"], "currency": request["currency"] } })
}

/// Returns the headers of a webhook with this identifier, signed at this time in seconds since the Unix epoch.
#[must_use]
pub fn signed(id: &str, seconds: i64, body: &str) -> HeaderMap {
    signed_with(WEBHOOK_SECRET, id, seconds, body)
}

/// Returns the headers of a webhook as [`signed`] does, but signed with this secret.
#[must_use]
pub fn signed_with(secret: &str, id: &str, seconds: i64, body: &str) -> HeaderMap {
    let signature = Webhook::new(secret).unwrap().sign(id, seconds, body.as_bytes()).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)]
    {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

/// Returns a workspace that no other test uses.
#[must_use]
pub fn workspace() -> String {
    format!("acme-{}", uuid::Uuid::new_v4().simple())
}

/// Returns a valid phone number that no other test uses.
#[must_use]
pub fn phone() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1_000_000);
    format!("+2783{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns a request's identifier.
#[must_use]
pub fn id(request: &Value) -> &str {
    request["id"].as_str().unwrap()
}

/// Returns the link of a request that has not ended.
#[must_use]
pub fn link(request: &Value) -> &str {
    request["link"]["url"].as_str().unwrap()
}

/// Parses a time of an answer, and asserts that it is RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn time(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    let time: Timestamp = text.parse().unwrap();
    assert_eq!(time.to_string(), text);
    time
}

/// Returns the time this many milliseconds after another, or before it if negative.
#[must_use]
pub fn shifted(time: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(time.as_milliseconds() + milliseconds).unwrap()
}

/// Returns the current time.
#[must_use]
pub fn now() -> Timestamp {
    SystemClock.now()
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

/// A temporary directory that is removed on drop.
pub struct Directory(PathBuf);

impl Directory {
    /// Creates an empty directory.
    #[must_use]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("chat2pay-test-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory that cannot be removed is left among the temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A generator of pseudorandom numbers that are the same on every run (xorshift64*, Marsaglia 2003).
pub struct Random(u64);

impl Random {
    /// Creates a generator from this seed, which must not be 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Returns a number below this one.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() >> 33).unwrap() % bound
    }

    /// Returns one of these values.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Returns this many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number().to_be_bytes()[0]).collect()
    }
}
