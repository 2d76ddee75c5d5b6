//! Invocation of the functions, in this process or through a running `cargo lambda watch`.

use super::template::FunctionSettings;
use runtime::{ConfigError, Environment, Function, InvocationError};
use stand_in_host::Shutdown;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The timeout of a function that runs elsewhere. It is long because the first invocation waits for the compilation.
const REMOTE_TIMEOUT: Duration = Duration::from_mins(10);

/// The invocations for clients of the HTTP API that are in flight at once. Further requests wait for their turn. Each
/// may need a few connections, so that this bounds the open files.
const FOR_CLIENTS: usize = 16;

/// Builds a function from its environment variables.
pub type Make = fn(&Environment) -> Result<Box<dyn Function>, ConfigError>;

/// Every function, with its name in a deployment.
pub const FUNCTIONS: [(&str, Make); 15] = [
    (cancel::NAME, cancel::function),
    (create::NAME, create::function),
    (delivery_report::NAME, delivery_report::function),
    (desk::NAME, desk::function),
    (expire::NAME, expire::function),
    (link_click::NAME, link_click::function),
    (live::NAME, live::function),
    (notify::NAME, notify::function),
    (payment_webhook::NAME, payment_webhook::function),
    (publish::NAME, publish::function),
    (query::NAME, query::function),
    (reconcile::NAME, reconcile::function),
    (refund::NAME, refund::function),
    (webhook_endpoints::NAME, webhook_endpoints::function),
    (webhooks::NAME, webhooks::function),
];

/// The reason why the functions could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// A function does not start with its environment.
    #[error("the function {name} cannot start: {cause}")]
    Config {
        /// The function's name.
        name: &'static str,
        /// The variable that is missing or invalid.
        #[source]
        cause: ConfigError,
    },
    /// The template names a function that does not exist.
    #[error("the template names the function {name}, which does not exist")]
    Unknown {
        /// The name in the template.
        name: String,
    },
    /// The HTTP client for functions that run elsewhere cannot be built.
    #[error("the HTTP client for functions elsewhere cannot be built: {0}")]
    Client(#[from] reqwest::Error),
}

/// The reason why an invocation returned no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvokeError {
    /// No function has this name.
    #[error("there is no function {0}")]
    Unknown(String),
    /// The function returned an error.
    #[error("the function failed: {0}")]
    Failed(String),
    /// The function panicked.
    #[error("the function panicked")]
    Panicked,
    /// The function exceeded its timeout.
    #[error("the function exceeded its timeout")]
    TimedOut,
    /// The function runs elsewhere and cannot be reached.
    #[error("the function cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// The runner is stopping.
    #[error("the runner is stopping")]
    Stopping,
}

impl InvokeError {
    /// Returns whether the function could not be called at all. A later call then does not count as a retry.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Stopping)
    }
}

/// Invokes the functions, wherever they run.
#[derive(Clone)]
pub(crate) struct Functions(Arc<Place>);

enum Place {
    Here { functions: BTreeMap<&'static str, Here>, for_clients: Arc<Semaphore>, shutdown: Shutdown },
    Elsewhere { client: reqwest::Client, url: String },
}

struct Here {
    function: Arc<dyn Function>,
    timeout: Duration,
}

impl Functions {
    /// Builds every function of the template in this process.
    ///
    /// # Errors
    /// [`FunctionError`] for the first function that does not start.
    pub(crate) fn here(
        settings: &BTreeMap<String, FunctionSettings>,
        environment: &Environment,
        shutdown: Shutdown,
    ) -> Result<Self, FunctionError> {
        if let Some(name) = settings.keys().find(|name| !FUNCTIONS.iter().any(|(known, _)| known == name)) {
            return Err(FunctionError::Unknown { name: name.clone() });
        }
        let mut functions = BTreeMap::new();
        for (name, make) in FUNCTIONS {
            let Some(settings) = settings.get(name) else { continue };
            // It posts to many connections at once, which must not hold up what the other functions call.
            let own = if name == live::NAME { environment.separate() } else { environment.clone() };
            let function = make(&own).map_err(|cause| FunctionError::Config { name, cause })?;
            functions.insert(name, Here { function: Arc::from(function), timeout: settings.timeout });
        }
        Ok(Self::of_this_process(functions, shutdown))
    }

    fn of_this_process(functions: BTreeMap<&'static str, Here>, shutdown: Shutdown) -> Self {
        let for_clients = Arc::new(Semaphore::new(FOR_CLIENTS));
        Self(Arc::new(Place::Here { functions, for_clients, shutdown }))
    }

    /// Connects to the functions of a running `cargo lambda watch`.
    ///
    /// # Errors
    /// [`FunctionError::Client`] if the HTTP client cannot be built.
    pub(crate) fn elsewhere(url: &str) -> Result<Self, FunctionError> {
        let client = stand_in_host::client(REMOTE_TIMEOUT)?;
        Ok(Self(Arc::new(Place::Elsewhere { client, url: url.trim_end_matches('/').to_owned() })))
    }

    /// Returns whether the functions run in another process.
    pub(crate) fn are_elsewhere(&self) -> bool {
        matches!(self.0.as_ref(), Place::Elsewhere { .. })
    }

    /// Waits for the turn of a client's request, if the functions run in this process.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        match self.0.as_ref() {
            Place::Here { for_clients, .. } => Arc::clone(for_clients).acquire_owned().await.ok(),
            Place::Elsewhere { .. } => None,
        }
    }

    /// Invokes a function with an event's JSON text, and returns the response's.
    ///
    /// # Errors
    /// [`InvokeError`] if there is no response.
    pub(crate) async fn invoke(&self, name: &str, event: String) -> Result<String, InvokeError> {
        self.invoke_in_turn(name, event, None).await
    }

    /// Invokes a function as [`Functions::invoke`] does. As in AWS, an invocation that has begun in this process runs
    /// to its end, even if the caller no longer waits for it; `turn` ends with it.
    ///
    /// # Errors
    /// [`InvokeError`] if there is no response.
    pub(crate) async fn invoke_in_turn(
        &self,
        name: &str,
        event: String,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<String, InvokeError> {
        match self.0.as_ref() {
            Place::Here { functions, shutdown, .. } => {
                let Here { function, timeout } =
                    functions.get(name).ok_or_else(|| InvokeError::Unknown(name.to_owned()))?;
                let (function, timeout, shutdown) = (Arc::clone(function), *timeout, shutdown.clone());
                // A separate task, so that a panic stays within it.
                let invocation = tokio::spawn(async move {
                    let answer = tokio::select! {
                        answer = tokio::time::timeout(timeout, function.invoke(&event)) => match answer {
                            Ok(answer) => answer.map_err(|error| failed(&error)),
                            Err(_) => Err(InvokeError::TimedOut),
                        },
                        () = shutdown.halted() => Err(InvokeError::Stopping),
                    };
                    drop(turn);
                    answer
                });
                match invocation.await {
                    Ok(answer) => answer,
                    Err(error) if error.is_panic() => Err(InvokeError::Panicked),
                    Err(_) => Err(InvokeError::Stopping),
                }
            }
            Place::Elsewhere { client, url } => {
                let url = format!("{url}/2015-03-31/functions/{name}/invocations");
                let request = client.post(url).header("content-type", "application/json").body(event);
                let response = request.send().await.map_err(InvokeError::Unreachable)?;
                let failed = !response.status().is_success() || response.headers().contains_key("x-amz-function-error");
                let text = response.text().await.map_err(InvokeError::Unreachable)?;
                if failed { Err(InvokeError::Failed(text)) } else { Ok(text) }
            }
        }
    }
}

fn failed(error: &InvocationError) -> InvokeError {
    InvokeError::Failed(error.to_string())
}

#[cfg(test)]
impl Functions {
    /// Builds the functions from these, by name, instead of the deployed ones.
    pub(crate) fn of(
        functions: impl IntoIterator<Item = (&'static str, Box<dyn Function>)>,
        shutdown: Shutdown,
    ) -> Self {
        let here =
            |function: Box<dyn Function>| Here { function: Arc::from(function), timeout: Duration::from_secs(9) };
        let functions = functions.into_iter().map(|(name, function)| (name, here(function))).collect();
        Self::of_this_process(functions, shutdown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::post;
    use http::StatusCode;

    #[tokio::test]
    async fn remote_functions_answer_fail_or_are_unreachable() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let path = |name: &str| format!("/2015-03-31/functions/{name}/invocations");
        let router = Router::new()
            .route(&path("good"), post(async |event: String| event))
            .route(&path("bad"), post(async || (StatusCode::INTERNAL_SERVER_ERROR, "broken")))
            .route(&path("failed"), post(async || ([("x-amz-function-error", "Unhandled")], "broken")));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let functions = Functions::elsewhere(&url).unwrap();
        assert_eq!(functions.invoke("good", "{}".to_owned()).await.unwrap(), "{}");
        for name in ["bad", "failed"] {
            let error = functions.invoke(name, "{}".to_owned()).await.unwrap_err();
            assert!(!error.is_unavailable() && matches!(error, InvokeError::Failed(_)), "{error}");
        }
        server.abort();
        assert!(server.await.is_err());
        let functions = Functions::elsewhere(&url).unwrap();
        assert!(functions.invoke("good", "{}".to_owned()).await.unwrap_err().is_unavailable());
    }

    struct Panics;

    impl Function for Panics {
        fn invoke<'a>(&'a self, _: &'a str) -> runtime::BoxFuture<'a, Result<String, InvocationError>> {
            Box::pin(async { panic!("a defect") })
        }
    }

    struct Hangs;

    impl Function for Hangs {
        fn invoke<'a>(&'a self, _: &'a str) -> runtime::BoxFuture<'a, Result<String, InvocationError>> {
            Box::pin(std::future::pending())
        }
    }

    fn only(function: impl Function, timeout: Duration, shutdown: Shutdown) -> Functions {
        let here = Here { function: Arc::new(function), timeout };
        Functions::of_this_process(BTreeMap::from([("it", here)]), shutdown)
    }

    #[tokio::test]
    async fn a_panic_or_a_hang_ends_one_invocation_and_nothing_else() {
        let (handle, shutdown) = stand_in_host::ShutdownHandle::new();
        let error =
            only(Panics, Duration::from_secs(9), shutdown.clone()).invoke("it", String::new()).await.unwrap_err();
        assert!(matches!(error, InvokeError::Panicked));
        let error =
            only(Hangs, Duration::from_millis(1), shutdown.clone()).invoke("it", String::new()).await.unwrap_err();
        assert!(matches!(error, InvokeError::TimedOut));
        handle.halt();
        let error = only(Hangs, Duration::from_secs(9), shutdown).invoke("it", String::new()).await.unwrap_err();
        assert!(matches!(error, InvokeError::Stopping));
    }

    #[test]
    fn every_function_is_in_the_template() {
        let template = crate::cloud::template::Template::embedded().unwrap();
        assert_eq!(template.functions.len(), FUNCTIONS.len());
        assert!(FUNCTIONS.iter().all(|(name, _)| template.functions.contains_key(*name)));
    }
}
