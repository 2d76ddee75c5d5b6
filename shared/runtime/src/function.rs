//! What a deployed function is: JSON in, JSON out, whoever calls it.

use crate::environment::{ConfigError, Environment};
use crate::telemetry::chain;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

/// A boxed future, as [`Function::invoke`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One function, ready to take events. The Lambda runtime, the local runner and the tests all drive this one trait, so
/// what is tested is what is deployed.
pub trait Function: Send + Sync + 'static {
    /// Handles one event, given and answered as the JSON text that the Lambda runtime API carries.
    ///
    /// # Errors
    /// [`InvocationError`] if the event was not handled, so that whoever sent it sends it again.
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>>;

    /// One cheap call that opens the connections the first event would otherwise wait for.
    fn warm(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// An event that was not handled. Its text goes to the log and to the failed event's record, never to a caller.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The event is not what this function takes.
    #[error("the event is not one this function takes: {0}")]
    Event(#[source] serde_json::Error),
    /// The answer could not be written as JSON.
    #[error("the answer could not be written as JSON: {0}")]
    Answer(#[source] serde_json::Error),
    /// The work itself failed.
    #[error("{0}")]
    Work(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl InvocationError {
    /// The work failed, for the reason given.
    pub fn work(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Work(cause.into())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "UnreadableEvent",
            Self::Answer(_) => "UnwritableAnswer",
            Self::Work(_) => "WorkFailed",
        }
    }
}

/// Runs a function under the Lambda runtime until the sandbox ends: configuration, telemetry, warm connections, events.
///
/// A function that cannot start, because a variable is missing or wrong, or that has lost the runtime API, says so in
/// one line of its log and ends.
pub async fn run(make: impl FnOnce(&Environment) -> Result<Box<dyn Function>, ConfigError>) -> ExitCode {
    lambda_runtime::tracing::init_default_subscriber();
    let function = match make(&Environment::from_process()) {
        Ok(function) => function,
        Err(error) => {
            tracing::error!(%error, "not started");
            return ExitCode::FAILURE;
        }
    };
    function.warm().await;
    let function = &function;
    let ended = lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        match function.invoke(event.payload.get()).await {
            Ok(answer) => RawValue::from_string(answer).map_err(InvocationError::Answer),
            Err(error) => Err(error),
        }
        .map_err(|error| Diagnostic { error_type: error.kind().to_owned(), error_message: error.to_string() })
    }));
    match ended.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(error.as_ref()), "the runtime API is gone");
            ExitCode::FAILURE
        }
    }
}
