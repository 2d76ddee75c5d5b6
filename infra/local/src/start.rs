//! Putting it all together, and taking it apart again.

use crate::bus::{self, Bus};
use crate::database_proxy::{self, DatabaseProxy};
use crate::dynamodb::{self, DatabaseError, Embedded};
use crate::environment::{self, StandIn};
use crate::functions::{FunctionError, Functions};
use crate::gateway;
use crate::listener::{Client, Listener};
use crate::pages;
use crate::phone::{self, Phone};
use crate::refusal::Refusal;
use crate::sandbox::{self, Provider};
use crate::schedule;
use crate::stage::{Stage, Switch};
use crate::store::{Store, StoreError};
use crate::stream::Consumer;
use crate::stripe::{self, Stripe};
use crate::template::{Template, TemplateError};
use crate::token::{self, KeyError, Tokens};
use adapters::{ChannelName, ProviderName};
use axum::Router;
use axum::routing::{get, post};
use runtime::problem::Problem;
use runtime::webhook::Secrets;
use runtime::{ConfigError, Environment};
use std::fs::{DirBuilder, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long what has begun may take to finish when the runner stops.
const DRAIN: Duration = Duration::from_secs(3);
/// How long a call to one of the runner's own services may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What the runner is started with.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    about = "chat2pay on one machine: every function, its table, bus and schedule, a phone and a payment provider"
)]
pub struct Options {
    /// The port to listen on, on the loopback address; 0 for any that is free.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// A directory that keeps everything across restarts; without it everything is in memory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where a `cargo lambda watch` runs, to invoke the functions there and not in this process.
    #[arg(long, value_name = "URL")]
    pub lambda: Option<String>,
    /// What the functions are configured with, beside what the runner adds.
    #[arg(skip = Environment::from_process())]
    pub environment: Environment,
}

/// The runner could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or not for this user.
    #[error("cannot listen on port {port}: {cause}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// The data directory cannot be made or locked.
    #[error("the data directory cannot be used: {0}")]
    DataDir(#[source] std::io::Error),
    /// Another runner uses the data directory.
    #[error("the data directory is in use by another runner")]
    DataDirInUse,
    /// The template is not one that can be followed here.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The embedded DynamoDB does not start.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// What the runner itself remembers cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no key to sign tokens with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A variable is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A function does not start.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// There is no HTTP client for the runner's own calls.
    #[error("there is no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// A running system.
pub struct Local {
    base_url: String,
    environment: Environment,
    embedded: Embedded,
    switch: Switch,
    tasks: JoinSet<()>,
    /// Held until everything has stopped.
    _lock: Option<File>,
}

/// Starts everything, and returns once every route answers.
///
/// # Errors
/// [`StartError`] saying what stands in the way.
pub async fn start(options: Options) -> Result<Local, StartError> {
    let template = Template::embedded()?;
    let directory = options.data_dir.as_deref();
    let lock = directory.map(open_directory).transpose()?;
    let cannot_listen = |cause| StartError::Listen { port: options.port, cause };
    let listener = Listener::bind(options.port).await.map_err(cannot_listen)?;
    let base_url = format!("http://{}", listener.address().map_err(cannot_listen)?);

    let table = options.environment.get("TABLE_NAME").unwrap_or(dynamodb::TABLE_NAME).to_owned();
    let embedded = Embedded::with_table(directory, &table, &template.table).await?;
    let stand_in = StandIn::of(&options.environment);
    let environment =
        environment::for_functions(options.environment, &base_url, &embedded.url, options.lambda.is_some())?;
    let (switch, stage) = Switch::new();
    let functions = match &options.lambda {
        None => Functions::here(&template.functions, &environment, stage.clone())?,
        Some(url) => Functions::elsewhere(url)?,
    };

    let mut tasks = JoinSet::new();
    let base = base_url.as_str();
    let parts = Parts { template, table, directory, base_url: base, environment: &environment, stand_in, functions };
    let router = parts.assemble(&embedded, &stage, &mut tasks).await?;
    let service = router.into_make_service_with_connect_info::<Client>();
    tasks.spawn(async move {
        let served = axum::serve(listener, service).with_graceful_shutdown(async move { stage.draining().await });
        if let Err(error) = served.await {
            tracing::error!(%error, "no longer listening");
        }
    });
    Ok(Local { base_url, environment, embedded, switch, tasks, _lock: lock })
}

impl Local {
    /// Where everything answers, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where the embedded DynamoDB answers.
    #[must_use]
    pub fn dynamodb_url(&self) -> &str {
        &self.embedded.url
    }

    /// The environment that the functions were handed.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Stops everything within a few seconds. Whatever was acknowledged is stored, and goes on after the next start in the
    /// same directory.
    pub async fn stop(mut self) {
        self.switch.drain();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::debug!("what had not finished goes on after the next start");
        }
        self.switch.halt();
        self.tasks.shutdown().await;
        self.embedded.stop().await;
    }
}

/// What the parts of the runner are made of.
struct Parts<'a> {
    template: Template,
    table: String,
    directory: Option<&'a Path>,
    base_url: &'a str,
    environment: &'a Environment,
    stand_in: StandIn,
    functions: Functions,
}

impl Parts<'_> {
    /// Starts what runs by itself and returns the routes of everything that answers.
    async fn assemble(self, embedded: &Embedded, stage: &Stage, tasks: &mut JoinSet<()>) -> Result<Router, StartError> {
        let Self { template, table, directory, base_url, environment, stand_in, functions } = self;
        let client = crate::client(CALL_TIMEOUT)?;
        let store_file = directory.map(|directory| directory.join("local.sqlite"));
        let key_file = directory.map(|directory| directory.join("signing-key"));
        let key_environment = environment.clone();
        let (store, tokens) = tokio::task::spawn_blocking(move || {
            let store = Store::open(store_file.as_deref())?;
            let tokens = Tokens::new(key_file.as_deref(), &key_environment)?;
            Ok::<_, StartError>((store, Arc::new(tokens)))
        })
        .await
        .map_err(StoreError::from)??;

        let bus_name = environment.get("EVENT_BUS_NAME").unwrap_or(environment::EVENT_BUS_NAME).to_owned();
        let bus = Bus::start(bus_name, template.rules, store.clone(), functions.clone(), stage.clone(), tasks).await?;
        let bus = Arc::new(bus);
        let phone = Arc::new(Phone {
            store: store.clone(),
            secrets: Secrets::from_environment(environment, "CHANNEL_WEBHOOK_SECRET")?,
            client: client.clone(),
            // A deployment's own address, when the phone serves functions that run there.
            reports: environment
                .get("CHANNEL_REPORTS_URL")
                .map_or_else(|| format!("{base_url}/delivery-reports/{}", ChannelName::Webhook), str::to_owned),
        });
        let provider =
            provider(stand_in, store.clone(), client.clone(), base_url, environment, stage.clone(), tasks).await?;
        let proxy = Arc::new(DatabaseProxy { client, url: embedded.url.clone() });
        let authority = base_url.trim_start_matches("http://").to_owned();
        let gateway = gateway::router(
            template.routes,
            &template.cors,
            environment,
            Arc::clone(&tokens),
            functions.clone(),
            authority,
        )?;

        tasks.spawn(dynamodb::sweep(embedded.database.clone(), stage.clone()));
        for mapping in template.stream_consumers {
            let consumer = Consumer {
                mapping,
                table: table.clone(),
                database: embedded.database.clone(),
                functions: functions.clone(),
                store: store.clone(),
                stage: stage.clone(),
            };
            tasks.spawn(consumer.run());
        }
        for schedule in template.schedules {
            tasks.spawn(schedule::run(schedule, functions.clone(), stage.clone()));
        }

        let own = Router::new()
            .merge(Router::new().route("/local/token", post(token::issue)).with_state(tokens))
            .merge(
                Router::new()
                    .route("/", get(pages::start))
                    .route("/local/pages/style.css", get(pages::style))
                    .route("/local/pages/phone.js", get(pages::script))
                    .route("/local/phone", get(pages::phone).post(phone::receive))
                    .route("/local/phone/undelivered", post(phone::undelivered))
                    .route("/local/messages", get(phone::list))
                    .with_state(phone),
            )
            .merge(
                Router::new()
                    .route("/local/events", get(bus::list))
                    .route("/local/aws/events", post(bus::call))
                    .route("/local/aws/events/", post(bus::call))
                    .with_state(bus),
            )
            .merge(
                Router::new()
                    .route("/local/aws/dynamodb", post(database_proxy::call))
                    .route("/local/aws/dynamodb/", post(database_proxy::call))
                    .with_state(proxy),
            )
            .merge(provider)
            .method_not_allowed_fallback(async || Refusal(Problem::NotFound));
        Ok(own.fallback_service(gateway))
    }
}

/// Starts the payment provider that is stood in for, and returns its routes.
async fn provider(
    stand_in: StandIn,
    store: Store,
    client: reqwest::Client,
    base_url: &str,
    environment: &Environment,
    stage: Stage,
    tasks: &mut JoinSet<()>,
) -> Result<Router, StartError> {
    // A deployment's own address, when the stand-ins serve functions that run there.
    let webhook_url = |variable, provider: ProviderName| {
        environment.get(variable).map_or_else(|| format!("{base_url}/webhooks/{provider}"), str::to_owned)
    };
    Ok(match stand_in {
        StandIn::None => Router::new(),
        StandIn::Sandbox => {
            let secrets = Secrets::from_environment(environment, "SANDBOX_WEBHOOK_SECRET")?;
            let url = webhook_url("SANDBOX_WEBHOOK_URL", ProviderName::Sandbox);
            let public_base_url = environment.get("PUBLIC_BASE_URL").unwrap_or(base_url);
            sandbox::router(Provider::start(store, client, url, public_base_url, secrets, stage, tasks).await?)
        }
        StandIn::Stripe => {
            let url = webhook_url("STRIPE_WEBHOOK_URL", ProviderName::Stripe);
            stripe::router(Stripe::start(store, client, url, environment, stage, tasks).await?)
        }
    })
}

/// Makes the directory and claims it: two runners in one would deliver everything twice.
fn open_directory(directory: &Path) -> Result<File, StartError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    // Phone numbers and a signing key are kept in it.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(StartError::DataDir)?;
    let lock = File::create(directory.join("lock")).map_err(StartError::DataDir)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::DataDirInUse),
        Err(TryLockError::Error(error)) => Err(StartError::DataDir(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::io::{Read, Write};

    fn options(directory: Option<&Path>) -> Options {
        let data_dir = directory.map(Path::to_path_buf);
        Options { port: 0, data_dir, lambda: None, environment: Environment::default() }
    }

    async fn create(local: &Local) -> reqwest::Response {
        let client = crate::client(CALL_TIMEOUT).unwrap();
        let bearer = json!({ "sub": "alice", "name": "Alice", "role": "agent", "workspace": "acme" });
        let token = client.post(format!("{}/local/token", local.base_url())).json(&bearer).send().await.unwrap();
        let token: Value = token.json().await.unwrap();
        let order = json!({
            "order_number": "1", "amount": 100, "currency": "ZAR", "customer": { "phone": "+27831234567" },
        });
        client
            .post(format!("{}/payment-requests", local.base_url()))
            .bearer_auth(token["access_token"].as_str().unwrap())
            .json(&order)
            .send()
            .await
            .unwrap()
    }

    async fn get(local: &Local, path: &str) -> Value {
        let client = crate::client(CALL_TIMEOUT).unwrap();
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
    async fn a_data_directory_keeps_what_happened_and_has_one_runner() {
        let directory = crate::test::Directory::new();
        let local = start(options(Some(directory.path()))).await.unwrap();
        let second = start(options(Some(directory.path()))).await;
        assert!(matches!(second, Err(StartError::DataDirInUse)));
        assert_eq!(create(&local).await.status(), 201);
        // Stopped at once: whatever has not been published by now is published after the next start.
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
    async fn the_gateway_refuses_with_problems() {
        let environment = Environment::default().with("ALLOWED_ORIGINS", "https://desk.example.com");
        let local = start(Options { environment, ..options(None) }).await.unwrap();
        let client = crate::client(CALL_TIMEOUT).unwrap();
        let url = |path: &str| format!("{}{path}", local.base_url());
        for (request, status, code) in [
            (client.get(url("/payment-requests")), 401, "unauthenticated"),
            (client.get(url("/payment-requests")).bearer_auth("a.b.c"), 401, "unauthenticated"),
            (client.put(url("/payment-requests")), 404, "not_found"),
            (client.get(url("/local/token")), 404, "not_found"),
            (client.post(url("/webhooks/sandbox")).body(vec![b'x'; 11 * 1024 * 1024]), 413, "body_too_large"),
            (client.post(url("/local/token")).body("{"), 400, "malformed_body"),
            (client.get(url(&format!("/p/{}", "x".repeat(61_000)))), 422, "validation_failed"),
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
    async fn what_is_not_http_gets_a_problem_too() {
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
            assert!(head.contains("application/problem+json"), "{answer}");
            assert_eq!(serde_json::from_str::<Value>(body).unwrap()["code"], "malformed_body");
        }
        local.stop().await;
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_why() {
        let local = start(options(None)).await.unwrap();
        let port = local.base_url().rsplit(':').next().and_then(|port| port.parse().ok()).unwrap();
        let taken = start(Options { port, ..options(None) }).await;
        assert!(matches!(taken, Err(StartError::Listen { .. })));
        local.stop().await;

        let environment = Environment::default().with("LINK_TTL_SECONDS", "soon");
        let error = start(Options { environment, ..options(None) }).await.err().unwrap().to_string();
        assert!(error.contains("LINK_TTL_SECONDS"), "{error}");
    }
}
