//! Measures how many requests the release binary of `expire` ends, how late, and in how much memory: a storm of links
//! that expire within one minute, and the backlog of a standstill.
//!
//! Two processes of `expire` take turns, as two instances of a function do: a run may begin before the last one has
//! ended. Behind them, `publish` puts what they write on a bus. Everything shares one machine with the embedded
//! DynamoDB.
//!
//! `EXPIRE=BINARY [STORM=100000] [BACKLOG=1000000] cargo bench -p tests --bench storm`

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its result")]

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use domain::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::env;
use std::process::Stdio;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::bus::Bus;
use tests::handlers::Handlers;
use tests::ledger::Row;
use tests::stored::Stored;
use tests::stream::Stream;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{interval, sleep};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// The memory of `expire` in the template, in bytes.
const MEMORY: u64 = 512 << 20;

/// The number of records in a batch of the stream, as in the template.
const BATCH: usize = 100;

#[tokio::main]
async fn main() {
    tests::log_to_standard_error();
    // With zero, a part is left out.
    let (storming, left) = (number("STORM", 100_000), number("BACKLOG", 1_000_000));
    if storming > 0 {
        storm(storming).await;
    }
    if left > 0 {
        backlog(left).await;
    }
}

/// Returns the number in a variable.
fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| usize::from_str(&text).unwrap())
}

async fn storm(count: usize) {
    let deployment = Deployment::start().await;
    // Stored, with some time to spare, before the first run that finds them.
    let began = SystemClock.now().saturating_add(Duration::from_secs(30 + u64::try_from(count / 4_000).unwrap()));
    let deadlines = began.saturating_add(MINUTE / 2);
    deployment.store(count, deadlines, deadlines.saturating_add(MINUTE)).await;
    let mut announced = Announced::new(&deployment).await;
    tests::until(began).await;
    let (mut written, mut told) = (Vec::new(), Vec::new());
    let memory = deployment
        .run_until(async || {
            for expired in announced.next(&deployment).await {
                written.push(expired.written_at.saturating_duration_since(expired.deadline));
                told.push(expired.announced_at.saturating_duration_since(expired.deadline));
            }
            told.len() >= count
        })
        .await;
    let row = Row::new("storm", format!("{count} that expire within one minute"));
    println!("{}", of_lags(row, &mut written, &mut told).with_number("memory_mb", memory).line());
}

async fn backlog(count: usize) {
    let deployment = Deployment::start().await;
    let until = SystemClock.now();
    deployment.store(count, until.saturating_sub(DAY), until).await;
    let mut announced = Announced::new(&deployment).await;
    let (began, mut told) = (Instant::now(), 0);
    let memory = deployment
        .run_until(async || {
            told += announced.next(&deployment).await.len();
            told >= count
        })
        .await;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let row = Row::new("backlog", format!("{count} that expired during a day's standstill"));
    let row = row.with_number("minutes", (minutes * 10.0).round() / 10.0);
    #[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2^52")]
    let a_second = count as f64 / minutes / 60.0;
    println!("{}", row.with_number("a_second", a_second.round()).with_number("memory_mb", memory).line());
}

/// Adds how long after their deadlines requests were written as expired, and announced, in seconds.
fn of_lags(row: Row, written: &mut [Duration], told: &mut [Duration]) -> Row {
    let seconds = |lags: &mut [Duration], part: usize| {
        lags.sort_unstable();
        (lags[(lags.len() - 1) * part / 100].as_secs_f64() * 10.0).round() / 10.0
    };
    row.with_number("written_median_s", seconds(written, 50))
        .with_number("written_most_s", seconds(written, 100))
        .with_number("announced_median_s", seconds(told, 50))
        .with_number("announced_p95_s", seconds(told, 95))
        .with_number("announced_most_s", seconds(told, 100))
}

/// The store, and two instances of `expire` over it.
struct Deployment {
    handlers: Arc<Handlers>,
    instances: Vec<Instance>,
}

impl Deployment {
    async fn start() -> Self {
        let handlers = Handlers::start().await.unobserved();
        let mut instances = Vec::new();
        for _ in 0..2 {
            instances.push(Instance::start(&handlers.database.url).await);
        }
        Self { handlers, instances }
    }

    /// Stores requests that nobody has clicked, and whose deadlines are in this time.
    async fn store(&self, count: usize, from: Timestamp, to: Timestamp) {
        let link = Duration::from_mins(5);
        let (mut stored, began) = (Stored::sent().await, Instant::now());
        stored.add(&self.handlers.database.database, count, from.saturating_sub(link), to.saturating_sub(link));
        eprintln!("{count} requests are stored; they took {:?}", began.elapsed());
    }

    /// Invokes the function once a minute, the first time at once, and calls `step` until it returns true. Returns the
    /// most memory that an instance had, in megabytes.
    async fn run_until(&self, mut step: impl AsyncFnMut() -> bool) -> f64 {
        let schedule = async {
            let mut minutes = interval(MINUTE);
            for instance in self.instances.iter().cycle() {
                minutes.tick().await;
                instance.events.send(()).unwrap();
            }
        };
        let steps = async {
            while !step().await {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = schedule => {}
            () = steps => {}
        }
        let most = self.instances.iter().map(Instance::memory).max().unwrap();
        assert!(most <= MEMORY, "{most} bytes are more than the template gives it");
        #[expect(clippy::cast_precision_loss, reason = "there are far fewer than 2^52")]
        let megabytes = (most as f64 / 1e5).round() / 10.0;
        megabytes
    }
}

/// A process of `expire` with a runtime API of its own
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).
struct Instance {
    process: Child,
    events: mpsc::UnboundedSender<()>,
}

impl Instance {
    async fn start(database: &str) -> Self {
        let (events, due) = mpsc::unbounded_channel();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(async || StatusCode::ACCEPTED))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .with_state(Arc::new(Mutex::new(due)));
        let api = tests::serve(router).await;
        let process = Command::new(env::var("EXPIRE").unwrap())
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.strip_prefix("http://").unwrap())
            .env("AWS_LAMBDA_FUNCTION_NAME", "expire")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", (MEMORY >> 20).to_string())
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .env("AWS_LAMBDA_LOG_LEVEL", "INFO")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL_DYNAMODB", database)
            .env("TABLE_NAME", local::dynamodb::TABLE_NAME)
            .env("PUBLIC_BASE_URL", "https://pay.example.com")
            .env("PAYMENT_PROVIDER", "sandbox")
            // Nothing calls it: no request was clicked.
            .env("SANDBOX_PROVIDER_URL", "http://127.0.0.1:1")
            .env("SANDBOX_WEBHOOK_SECRET", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { process, events }
    }

    /// Returns the most memory that the process has had, in bytes.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        u64::from_str(peak.trim().trim_end_matches(" kB")).unwrap() * 1024
    }
}

/// Answers with the next scheduled event, as soon as there is one.
async fn next(State(due): State<Arc<Mutex<mpsc::UnboundedReceiver<()>>>>) -> Response {
    if due.lock().await.recv().await.is_none() {
        return StatusCode::GONE.into_response();
    }
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:111122223333:function:expire"),
    ];
    (headers, json!({ "source": "aws.events", "detail-type": "Scheduled Event" }).to_string()).into_response()
}

async fn failed(error: String) -> StatusCode {
    eprintln!("a run failed: {error}");
    StatusCode::ACCEPTED
}

/// An expiry that is on the bus.
struct Expired {
    deadline: Timestamp,
    written_at: Timestamp,
    announced_at: Timestamp,
}

/// What `publish` has put on the bus.
struct Announced {
    stream: Stream,
    publish: Box<dyn runtime::Function>,
    _bus: Bus,
}

impl Announced {
    async fn new(deployment: &Deployment) -> Self {
        let bus = Bus::start().await;
        let stream = Stream::at_its_end(&deployment.handlers);
        Self { stream, publish: bus.publisher(deployment.handlers.environment()), _bus: bus }
    }

    /// Publishes what has been written since the last call.
    async fn next(&mut self, deployment: &Deployment) -> Vec<Expired> {
        let mut expired = Vec::new();
        for records in self.stream.next(&deployment.handlers).chunks(BATCH) {
            let answer = self.publish.invoke(&json!({ "Records": records }).to_string()).await.unwrap();
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer, json!({ "batchItemFailures": [] }));
            let announced_at = SystemClock.now();
            expired.extend(records.iter().map(|record| Expired {
                deadline: time(&record["dynamodb"]["OldImage"]["due_at"]),
                written_at: time(&record["dynamodb"]["NewImage"]["updated_at"]),
                announced_at,
            }));
        }
        expired
    }
}

/// Returns the time in a stored attribute.
fn time(attribute: &Value) -> Timestamp {
    Timestamp::from_milliseconds(i64::from_str(attribute["N"].as_str().unwrap()).unwrap()).unwrap()
}
