//! Start and shutdown of the whole system.

mod data_dir;
#[cfg(test)]
mod earlier_data;
mod environment;
mod options;

pub use options::Options;

use crate::cloud::dynamodb::{self, DatabaseError, Embedded};
use crate::cloud::functions::{FunctionError, Functions};
use crate::cloud::template::{Template, TemplateError};
use crate::cloud::{self, CloudError};
use crate::listener::Listener;
use crate::pages;
use crate::runner::Runner;
use crate::stand_ins::StandIns;
use axum::Router;
use runtime::problem::Problem;
use runtime::{ConfigError, Environment};
use stand_in_host::web::ProblemResponse;
use stand_in_host::{DurableStore, DurableStoreError, Host, Identifiers as _, ShutdownHandle, StandInError};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The grace period for work in flight when the runner stops.
const DRAIN: Duration = Duration::from_secs(3);
/// The connections of clients that are open at once. With the connections that their requests need within the process,
/// and with those that are kept for later, the runner stays far below 512 open files.
const CONNECTIONS: usize = 64;
/// The timeout of a call to one of the runner's own services.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The reason why the runner could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is in use, or this user may not use it.
    #[error("cannot listen on port {port}: {cause}")]
    Listen {
        /// The requested port.
        port: u16,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The data directory cannot be created or locked.
    #[error("the data directory cannot be used: {0}")]
    DataDir(#[source] std::io::Error),
    /// Another runner uses the data directory.
    #[error("the data directory is in use by another runner; stop that runner or use another directory")]
    DataDirInUse,
    /// The deployment template cannot be run on one machine.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The embedded DynamoDB does not start.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The runner's own store cannot be opened.
    #[error(transparent)]
    Store(#[from] DurableStoreError),
    /// A variable is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A function does not start.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// A part of the cloud does not start.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// A stand-in does not start.
    #[error(transparent)]
    StandIn(#[from] StandInError),
    /// The HTTP client for the runner's own calls cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
}

/// A running system.
pub struct Local {
    base_url: String,
    environment: Environment,
    embedded: Embedded,
    shutdown: ShutdownHandle,
    /// The lock on the data directory, held until everything has stopped.
    _lock: Option<File>,
}

/// Starts every part, and returns once every route responds. The runner and its functions share the environment's
/// access to time and randomness.
///
/// # Errors
/// [`StartError`] naming the part that did not start.
pub async fn start(options: Options) -> Result<Local, StartError> {
    let doors = options.environment.doors();
    let template = Arc::new(Template::embedded()?);
    let lock = options.data_dir.as_deref().map(data_dir::claim).transpose()?;
    let cannot_listen = |cause| StartError::Listen { port: options.port, cause };
    let listener = Listener::bind(options.port, CONNECTIONS).await.map_err(cannot_listen)?;
    let base_url = format!("http://{}", listener.address().map_err(cannot_listen)?);
    // Calls within the process are as few as the requests and deliveries that make them.
    let cannot_listen = |cause| StartError::Listen { port: 0, cause };
    let own_listener = Listener::bind(0, Semaphore::MAX_PERMITS).await.map_err(cannot_listen)?;
    let own_url = format!("http://{}", own_listener.address().map_err(cannot_listen)?);

    let table_name = options.environment.get("TABLE_NAME").unwrap_or(dynamodb::TABLE_NAME);
    let webhooks_table = options.environment.get("WEBHOOKS_TABLE_NAME").unwrap_or(dynamodb::WEBHOOKS_TABLE_NAME);
    let live_table = options.environment.get("LIVE_TABLE_NAME").unwrap_or(dynamodb::LIVE_TABLE_NAME);
    let sums_table = options.environment.get("SUMS_TABLE_NAME").unwrap_or(dynamodb::SUMS_TABLE_NAME);
    let tables = [
        (table_name, &template.table),
        (webhooks_table, &template.webhooks_table),
        (live_table, &template.live_table),
        (sums_table, &template.sums_table),
    ];
    let embedded = Embedded::with_tables(options.data_dir.as_deref(), &tables, live_table, &doors).await?;
    let store_file = options.data_dir.as_ref().map(|directory| directory.join("local.sqlite"));
    let opened = tokio::task::spawn_blocking(move || DurableStore::open(store_file.as_deref())).await;
    let (shutdown_handle, shutdown) = ShutdownHandle::new();
    let host = Host {
        base_url: base_url.clone(),
        own_url,
        functions_elsewhere: options.lambda.is_some(),
        store: opened.map_err(DurableStoreError::from)??,
        doors,
        client: stand_in_host::client(CALL_TIMEOUT)?,
        shutdown: shutdown.clone(),
    };
    let stand_ins = StandIns::choose(&options.environment)?;
    let environment = environment::for_functions(options.environment, &host, &stand_ins, &embedded.url)?;
    let environment = with_webhook_key(environment, &host, options.data_dir.as_deref())?;
    let functions = match &options.lambda {
        None => Functions::here(&template.functions, &environment, shutdown.clone())?,
        Some(url) => Functions::elsewhere(url)?,
    };
    let runner = Runner {
        host,
        data_dir: options.data_dir,
        template,
        environment,
        functions,
        database: embedded.database.clone(),
        database_url: embedded.url.clone(),
    };
    let router = assemble(&runner, &stand_ins).await?;
    shutdown.spawn(listener.serve(router.clone(), shutdown.clone()));
    shutdown.spawn(own_listener.serve(router, shutdown.clone()));
    Ok(Local { base_url, environment: runner.environment, embedded, shutdown: shutdown_handle, _lock: lock })
}

/// Adds the key that encrypts the secrets of webhook endpoints. It has to be the same as long as the endpoints are
/// stored, and as long as a `cargo lambda watch` uses it.
fn with_webhook_key(environment: Environment, host: &Host, data_dir: Option<&Path>) -> Result<Environment, StartError> {
    if host.functions_elsewhere {
        return Ok(environment.or("WEBHOOK_ENCRYPTION_KEY", "local-key-for-the-secrets-of-webhook-endpoints"));
    }
    let fresh = format!("{}-{}", host.doors.uuid(), host.doors.uuid());
    let Some(file) = data_dir.map(|directory| directory.join("webhook-encryption-key")) else {
        return Ok(environment.or("WEBHOOK_ENCRYPTION_KEY", fresh));
    };
    let key = data_dir::kept_secret(&file, fresh).map_err(StartError::DataDir)?;
    Ok(environment.or("WEBHOOK_ENCRYPTION_KEY", key))
}

/// Starts every part, and returns all routes. A request that matches none of the runner's own routes goes to the HTTP
/// API.
async fn assemble(runner: &Runner, stand_ins: &StandIns) -> Result<Router, StartError> {
    let cloud = cloud::start(runner).await?;
    let stand_ins = stand_ins.start(&runner.host, &runner.environment).await?;
    let own = pages::router(&runner.host.base_url).merge(cloud.own_routes).merge(stand_ins);
    let own = own.method_not_allowed_fallback(async || ProblemResponse(Problem::NotFound));
    Ok(own.fallback_service(cloud.http_api))
}

impl Local {
    /// Returns the base URL of the runner, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Returns the URL of the embedded DynamoDB.
    #[must_use]
    pub fn dynamodb_url(&self) -> &str {
        &self.embedded.url
    }

    /// Returns the functions' environment.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Stops every part within a few seconds. Acknowledged work is stored, and continues after the next start with the
    /// same data directory.
    pub async fn stop(self) {
        self.shutdown.stop(DRAIN).await;
        self.embedded.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use stand_in_host::Doors;
    use std::io::{Read, Write};

    fn options(directory: Option<&Path>) -> Options {
        let data_dir = directory.map(Path::to_path_buf);
        Options { port: 0, data_dir, lambda: None, environment: Environment::default() }
    }

    /// A clock that stands still, so that a rate limit admits nothing new.
    struct Standing;

    impl domain::Clock for Standing {
        fn now(&self) -> domain::Timestamp {
            "2026-01-05T10:00:00Z".parse().unwrap()
        }
    }

    async fn token(local: &Local) -> String {
        let client = stand_in_host::client(CALL_TIMEOUT).unwrap();
        let bearer = json!({ "sub": "alice", "name": "Alice", "role": "agent", "workspace": "acme" });
        let token = client.post(format!("{}/local/token", local.base_url())).json(&bearer).send().await.unwrap();
        let token: Value = token.json().await.unwrap();
        token["access_token"].as_str().unwrap().to_owned()
    }

    async fn create(local: &Local) -> reqwest::Response {
        let client = stand_in_host::client(CALL_TIMEOUT).unwrap();
        let order = json!({
            "order_number": "1", "amount": 100, "currency": "ZAR", "customer": { "phone": "+27831234567" },
        });
        client
            .post(format!("{}/payment-requests", local.base_url()))
            .bearer_auth(token(local).await)
            .json(&order)
            .send()
            .await
            .unwrap()
    }

    async fn get(local: &Local, path: &str) -> Value {
        let client = stand_in_host::client(CALL_TIMEOUT).unwrap();
        client.get(format!("{}{path}", local.base_url())).send().await.unwrap().json().await.unwrap()
    }

    #[tokio::test]
    async fn a_request_reaches_the_bus_and_the_phone() {
        let local = start(options(None)).await.unwrap();
        assert_eq!(create(&local).await.status(), 201);
        let arrived = async {
            while get(&local, "/local/messages?phone=%2B27831234567").await.as_array().is_none_or(Vec::is_empty) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), arrived).await.unwrap();
        assert_eq!(get(&local, "/local/events").await[0]["detail"]["status"], "sent");
        local.stop().await;
    }

    #[tokio::test]
    async fn a_payment_is_reported_unless_the_provider_reports_nothing() {
        for provider in ["sandbox", "stripe", "paystack"] {
            for (webhooks, status) in [("on", "paid"), ("off", "clicked")] {
                let environment = Environment::default().with("PAYMENT_PROVIDER", provider);
                let environment = environment.with("SANDBOX_WEBHOOKS", webhooks);
                let local = start(Options { environment, ..options(None) }).await.unwrap();
                let client = stand_in_host::client(CALL_TIMEOUT).unwrap();
                let request: Value = create(&local).await.json().await.unwrap();
                let click = client.post(request["link"]["url"].as_str().unwrap()).send().await.unwrap();
                let page = click.headers()["location"].to_str().unwrap();
                // The answer to the form waits for the first attempt of each report.
                let pay = client.post(format!("{page}/pay")).form(&[("outcome", "succeeded")]).send().await.unwrap();
                assert_eq!(pay.status(), 303, "{provider}");
                let page = client.get(page).send().await.unwrap().text().await.unwrap();
                assert!(page.contains("This order is paid"), "{provider}: {page}");
                let found = client
                    .get(format!("{}/payment-requests/{}", local.base_url(), request["id"].as_str().unwrap()))
                    .bearer_auth(token(&local).await);
                let found: Value = found.send().await.unwrap().json().await.unwrap();
                assert_eq!(found["status"], status, "{provider} {webhooks}");
                local.stop().await;
            }
        }
    }

    #[tokio::test]
    async fn a_data_directory_keeps_its_data_and_has_one_runner() {
        let directory = crate::test::Directory::new();
        let local = start(options(Some(directory.path()))).await.unwrap();
        let second = start(options(Some(directory.path()))).await;
        assert!(matches!(second, Err(StartError::DataDirInUse)));
        assert_eq!(create(&local).await.status(), 201);
        // Stopped immediately, so that unpublished events are published only after the next start.
        local.stop().await;

        let local = start(options(Some(directory.path()))).await.unwrap();
        let published = async {
            while get(&local, "/local/events").await.as_array().is_none_or(Vec::is_empty) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), published).await.unwrap();
        local.stop().await;
    }

    #[tokio::test]
    async fn the_gateway_answers_what_no_function_answers() {
        let environment = Environment::default().with("ALLOWED_ORIGINS", "https://desk.example.com");
        let local = start(Options { environment, ..options(None) }).await.unwrap();
        let client = stand_in_host::client(CALL_TIMEOUT).unwrap();
        let url = |path: &str| format!("{}{path}", local.base_url());
        for (request, status, message) in [
            (client.get(url("/payment-requests")), 401, "Unauthorized"),
            (client.get(url("/payment-requests")).bearer_auth("a.b.c"), 401, "Unauthorized"),
            (client.put(url("/payment-requests")), 404, "Not Found"),
            (client.post(url("/webhooks/sandbox")).body(vec![b'x'; 11 * 1024 * 1024]), 413, "Request Entity Too Large"),
            (client.post(url("/webhooks/sandbox")).body(vec![b'x'; 7 * 1024 * 1024]), 413, "Request Entity Too Large"),
            (client.get(url(&format!("/p/{}", "x".repeat(10_241)))), 431, "Request Header Fields Too Large"),
            (client.get(url("/p/x")).header("x", "x".repeat(10_241)), 431, "Request Header Fields Too Large"),
        ] {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
            assert_eq!(response.json::<Value>().await.unwrap(), json!({ "message": message }));
        }
        // The runner's own routes are no part of the API.
        for (request, status, code) in [
            (client.get(url("/local/token")), 404, "not_found"),
            (client.post(url("/local/token")).body("{"), 400, "malformed_body"),
        ] {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert_eq!(response.json::<Value>().await.unwrap()["code"], code);
        }

        for (origin, allowed) in [("https://desk.example.com", true), ("https://evil.example.com", false)] {
            let preflight = client
                .request(http::Method::OPTIONS, url("/payment-requests"))
                .header("origin", origin)
                .header("access-control-request-method", "POST");
            let response = preflight.send().await.unwrap();
            assert_eq!(response.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
        }
        local.stop().await;
    }

    #[tokio::test]
    async fn a_call_over_the_rate_limit_gets_a_429() {
        let environment = Environment::default().with("REQUESTS_PER_SECOND", "1").with("REQUEST_BURST", "1");
        let environment = environment.with_doors(Doors::new(Standing, domain::SystemRandomness));
        let local = start(Options { environment, ..options(None) }).await.unwrap();
        let client = stand_in_host::client(CALL_TIMEOUT).unwrap();
        for status in [404, 429] {
            let response = client.get(format!("{}/p/x", local.base_url())).send().await.unwrap();
            assert_eq!(response.status(), status);
        }
        local.stop().await;
    }

    #[tokio::test]
    async fn malformed_http_gets_a_message_too() {
        let local = start(options(None)).await.unwrap();
        let authority = local.base_url().trim_start_matches("http://").to_owned();
        let answers = tokio::task::spawn_blocking(move || {
            let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000));
            [b"GET /\xff HTTP/1.1\r\n\r\n".as_slice(), b"nonsense\r\n\r\n", long.as_bytes()].map(|request| {
                let mut stream = std::net::TcpStream::connect(&authority).unwrap();
                stream.write_all(request).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer
            })
        });
        for answer in answers.await.unwrap() {
            assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("content-type: application/json"), "{answer}");
            assert!(serde_json::from_str::<Value>(body).unwrap()["message"].is_string(), "{answer}");
        }
        local.stop().await;
    }

    #[tokio::test]
    async fn a_failed_start_names_its_reason() {
        let local = start(options(None)).await.unwrap();
        let port = local.base_url().rsplit(':').next().and_then(|port| port.parse().ok()).unwrap();
        let taken = start(Options { port, ..options(None) }).await;
        assert!(matches!(taken, Err(StartError::Listen { .. })));
        local.stop().await;

        for (name, value) in [
            ("LINK_TTL_SECONDS", "soon"),
            ("PAYMENT_PROVIDER", "another"),
            ("REQUESTS_PER_SECOND", "many"),
            ("FUNCTION_RETRY_SECONDS", "soon"),
            ("SANDBOX_CLOSES", "soon"),
            ("SANDBOX_WEBHOOKS", "perhaps"),
        ] {
            let environment = Environment::default().with(name, value);
            let error = start(Options { environment, ..options(None) }).await.err().unwrap().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
