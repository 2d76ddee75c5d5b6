//! No level opens the log to a customer's data, and no malformed event does. Every function runs as in a deployment:
//! its own process, under the Lambda runtime, with its own log at `TRACE`.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tests::bus::Bus;
use tests::handlers::Handlers;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What stands in the samples and must not stand in any log: phone number, name, link token, and the caller's own.
const PERSONAL: [&str; 4] = ["2783123456", "Thandi", "A4Kf6uEsbJydvmwVZks6Xo", "2 x tickets"];

/// Lambda's runtime API (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>): hands out these events, and
/// reports what the function answers.
#[derive(Clone)]
struct RuntimeApi {
    events: Arc<Mutex<VecDeque<String>>>,
    answers: mpsc::UnboundedSender<String>,
}

async fn next(State(api): State<RuntimeApi>) -> Response<String> {
    let event = api.events.lock().unwrap().pop_front();
    let Some(event) = event else { std::future::pending().await };
    Response::builder()
        .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .header("lambda-runtime-deadline-ms", "4102444800000")
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:111122223333:function:chat2pay")
        .body(event)
        .unwrap()
}

async fn answered(State(api): State<RuntimeApi>, Path(_): Path<(String, String)>, body: String) -> StatusCode {
    api.answers.send(body).unwrap();
    StatusCode::ACCEPTED
}

fn reading(mut output: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut text = Vec::new();
        output.read_to_end(&mut text).await.unwrap();
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Runs a function with these variables on these events. Returns its answers and everything that it printed.
async fn run(name: &str, variables: &[(String, String)], events: Vec<String>) -> (Vec<String>, String) {
    let (answers, mut received) = mpsc::unbounded_channel();
    let count = events.len();
    let api = RuntimeApi { events: Arc::new(Mutex::new(events.into())), answers };
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(answered))
        .with_state(api);
    let url = tests::serve(router).await;
    let mut process = Command::new(env!("CARGO_BIN_EXE_function"))
        .arg(name)
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("AWS_LAMBDA_RUNTIME_API", url.strip_prefix("http://").unwrap())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = [reading(process.stdout.take().unwrap()), reading(process.stderr.take().unwrap())];
    let mut collected = Vec::new();
    while collected.len() < count {
        tokio::select! {
            answer = received.recv() => collected.push(answer.unwrap()),
            status = process.wait() => {
                let [out, err] = output;
                let (events, out, err) = (collected.len(), out.await.unwrap(), err.await.unwrap());
                panic!("{name} ended after {events} events: {status:?}\n{out}{err}");
            }
        }
    }
    process.kill().await.unwrap();
    let mut log = String::new();
    for output in output {
        log.push_str(&output.await.unwrap());
    }
    (collected, log)
}

/// Returns the sample events of a function.
fn samples(name: &str) -> Vec<Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/samples").join(name);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    files.map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect()
}

/// Puts `value` in the place of every field of an event in turn, down to this depth.
fn spoiled(event: &Value, depth: usize, value: &Value, found: &mut Vec<Value>) {
    fn places(value: &Value, depth: usize, path: &str, found: &mut Vec<String>) {
        let names: Vec<String> = match value {
            Value::Object(fields) => fields.keys().map(|name| name.replace('~', "~0").replace('/', "~1")).collect(),
            Value::Array(elements) => (0..elements.len()).map(|index| index.to_string()).collect(),
            _ => return,
        };
        for name in names {
            let inner = format!("{path}/{name}");
            if depth > 1 {
                places(value.pointer(&format!("/{name}")).unwrap(), depth - 1, &inner, found);
            }
            found.push(inner);
        }
    }
    let mut paths = Vec::new();
    places(event, depth, "", &mut paths);
    for path in paths {
        let mut changed = event.clone();
        *changed.pointer_mut(&path).unwrap() = value.clone();
        found.push(changed);
    }
}

/// Returns a function's samples, and what becomes of them when something is broken.
fn events(name: &str) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    for sample in samples(name) {
        let text = sample.to_string();
        let mut changed = vec![json!(text), json!([sample]), sample.clone()];
        for value in [json!(text), json!("+27831234567"), json!(["Thandi"]), Value::Null] {
            spoiled(&sample, 2, &value, &mut changed);
        }
        if let Some(detail) = sample.get("detail") {
            spoiled(&sample, 3, &json!(detail.to_string()), &mut changed);
        }
        events.extend(changed.iter().map(Value::to_string));
        // The Lambda runtime itself reads these, and has a line of its own for them.
        events.push(text[..text.len() / 2].to_owned());
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn no_level_and_no_malformed_event_puts_personal_data_or_a_secret_into_the_log() {
    let (handlers, bus) = (Handlers::start().await, Bus::start().await);
    let environment = handlers
        .environment()
        .clone()
        .with("EVENT_BUS_NAME", "chat2pay")
        .with("AWS_ENDPOINT_URL_EVENTBRIDGE", &bus.url)
        .with("AWS_SESSION_TOKEN", "session-token-of-the-function")
        .with("CHANNEL", "webhook")
        .with("CHANNEL_WEBHOOK_URL", format!("{}/phone", handlers.provider.url))
        .with("CHANNEL_WEBHOOK_SECRET", "whsec_bG9jYWwtY2hhbm5lbC1zZWNyZXQtZm9yLWRldg==")
        .with("SIGN_IN", "local");
    let mut variables: Vec<(String, String)> =
        environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let secrets = ["SECRET", "TOKEN", "ACCESS_KEY"];
    let secrets: Vec<String> = variables
        .iter()
        .filter(|(name, value)| secrets.iter().any(|secret| name.contains(secret)) && value.len() > 4)
        .map(|(_, value)| value.trim_start_matches("whsec_").to_owned())
        .collect();
    variables.extend([
        ("AWS_LAMBDA_LOG_LEVEL".to_owned(), "TRACE".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT".to_owned(), "JSON".to_owned()),
        ("RUST_LOG".to_owned(), "trace,lambda_runtime=trace,aws_smithy_runtime=trace,hyper_util=trace".to_owned()),
    ]);
    for name in [
        create::NAME,
        query::NAME,
        cancel::NAME,
        link_click::NAME,
        payment_webhook::NAME,
        delivery_report::NAME,
        desk::NAME,
        expire::NAME,
        publish::NAME,
        notify::NAME,
        refund::NAME,
    ] {
        let events = events(name);
        let (answers, log) = run(name, &variables, events).await;
        assert!(log.lines().count() > answers.len() / 4, "{name} logs: {log}");
        // The token of every link that was created is in an answer.
        let tokens = answers.iter().filter_map(|answer| answer.split("/p/").nth(1)?.get(..22));
        let hidden = tokens.chain(PERSONAL).chain(secrets.iter().map(String::as_str));
        for hidden in hidden {
            let line = log.lines().find(|line| line.contains(hidden));
            assert_eq!(line, None, "{name} logs {hidden}");
        }
    }
}

/// A panic's text is composed of what the function works on. It is neither logged nor handed to the Lambda runtime.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_logged_by_its_place_and_its_text_is_nowhere() {
    for format in ["JSON", "Text"] {
        let variables = [("AWS_LAMBDA_LOG_FORMAT", format), ("AWS_LAMBDA_LOG_LEVEL", "TRACE")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let events = vec![json!("+27831234567").to_string(), json!({ "name": "Thandi" }).to_string(), "7".to_owned()];
        let (answers, log) = run("panicking", &variables, events).await;
        for answer in &answers {
            let answer: Value = serde_json::from_str(answer).unwrap();
            assert_eq!(
                (answer["errorType"].as_str(), answer["errorMessage"].as_str()),
                (Some("Panicked"), Some("the function panicked"))
            );
        }
        assert_eq!(log.matches("tests/bin/function.rs").count(), answers.len(), "{log}");
        for hidden in PERSONAL.into_iter().chain(["cannot read", "cannot handle"]) {
            assert!(!log.contains(hidden), "{format}: {hidden} in {log}");
        }
    }
}
