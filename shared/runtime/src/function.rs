//! The interface of a deployed function: one JSON event in, one JSON response out, for every kind of trigger.

use crate::environment::{ConfigError, Environment};
use crate::json::Unreadable;
use crate::telemetry::{self, chain, redacted};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;

/// A boxed future, as [`Function::invoke`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A configured function that handles events. The Lambda runtime, the local runner and the tests all call this trait,
/// so that the tests exercise the deployed code.
pub trait Function: Send + Sync + 'static {
    /// Handles one event. The event and the response are JSON texts, as in the Lambda runtime API.
    ///
    /// # Errors
    /// [`InvocationError`] if the event was not handled; the sender then retries it.
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>>;

    /// Makes one cheap call to open connections in advance, so that the first event does not wait for them.
    fn warm(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The reason why an event was not handled. Its text is written to the log and to the failed event's record, and never
/// returned to an HTTP caller.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The event does not have the form that this function expects. The text says where, and quotes nothing of the
    /// event, which may contain a customer's data.
    #[error("the event does not have the form that this function expects: {0}")]
    Event(String),
    /// The function's response could not be serialized as JSON. The text quotes nothing of it.
    #[error("the response could not be serialized as JSON: {0}")]
    Answer(String),
    /// The function panicked. The log says where; the panic's text, which may show a customer's data, is nowhere.
    #[error("the function panicked")]
    Panicked,
    /// The function read the event, and failed to process it.
    #[error("{0}")]
    Work(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl InvocationError {
    /// Builds the error for an event that is not JSON of the expected form.
    #[must_use]
    pub fn event(error: &serde_json::Error) -> Self {
        Self::Event(redacted(error))
    }

    /// Builds the error for an event that lacks what is needed.
    #[must_use]
    pub fn unreadable(error: &Unreadable) -> Self {
        Self::Event(error.to_string())
    }

    /// Builds the error for a response that could not be serialized.
    #[must_use]
    pub fn answer(error: &serde_json::Error) -> Self {
        Self::Answer(redacted(error))
    }

    /// Builds the error for an event whose processing failed because of `cause`.
    pub fn work(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Work(cause.into())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "UnreadableEvent",
            Self::Answer(_) => "UnwritableAnswer",
            Self::Panicked => "Panicked",
            Self::Work(_) => "WorkFailed",
        }
    }
}

/// Runs a function under the Lambda runtime until the sandbox ends: reads the configuration, sets up telemetry, opens
/// connections, and handles events.
///
/// Logs one line and returns a failure if the function cannot start (a variable is missing or invalid) or if the
/// connection to the runtime API is lost.
pub async fn run(make: impl FnOnce(&Environment) -> Result<Box<dyn Function>, ConfigError>) -> ExitCode {
    telemetry::init();
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
        match caught(|| function.invoke(event.payload.get())).await {
            Ok(answer) => RawValue::from_string(answer).map_err(|error| InvocationError::answer(&error)),
            Err(error) => Err(error),
        }
        .map_err(|error| Diagnostic { error_type: error.kind().to_owned(), error_message: error.to_string() })
    }));
    match ended.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(error.as_ref()), "connection to the runtime API lost");
            ExitCode::FAILURE
        }
    }
}

/// Runs an invocation, and turns a panic into an error. The Lambda runtime would log the panic's text and return it.
async fn caught<'a>(
    invoke: impl FnOnce() -> BoxFuture<'a, Result<String, InvocationError>>,
) -> Result<String, InvocationError> {
    // Nothing of a function's state is half changed after a panic: it holds clients and caches alone.
    let mut invocation = catch_unwind(AssertUnwindSafe(invoke)).map_err(|_| InvocationError::Panicked)?;
    std::future::poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| invocation.as_mut().poll(context)))
            .unwrap_or(Poll::Ready(Err(InvocationError::Panicked)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_without_its_text() {
        let text = "+27831234567";
        let at_once = caught(|| panic!("no {text}")).await;
        let later = caught(|| {
            Box::pin(async move {
                std::future::ready(()).await;
                panic!("no {text}")
            })
        })
        .await;
        for error in [at_once.unwrap_err(), later.unwrap_err()] {
            assert_eq!(format!("{error} {error:?} {}", error.kind()), "the function panicked Panicked Panicked");
        }
        assert_eq!(caught(|| Box::pin(async { Ok("null".to_owned()) })).await.unwrap(), "null");
    }
}
