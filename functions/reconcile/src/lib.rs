//! Holds what the payment provider took and gave back against what is stored here, once a day, and reports every
//! difference once.

use adapters::{ConfiguredProvider, DynamoDbStore, ProviderName};
use domain::ports::ProviderError;
use domain::use_cases::UseCaseError;
use domain::use_cases::reconcile::{DailyRun, Ended, Step, reconcile};
use domain::use_cases::resume_looks::resume_looks;
use domain::{Difference, Doors};
use runtime::telemetry::{Metric, add, chain, count};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};
use std::time::Duration;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// How long a run begins further pages. Lambda ends a function after 15 minutes at the latest. The rest is for the last
/// page, whose differences are each looked at a second time.
const RUN_AT_MOST: Duration = Duration::from_mins(12);

struct Reconcile {
    store: DynamoDbStore,
    doors: Doors,
    provider: ConfiguredProvider,
    name: ProviderName,
    retention: Duration,
}

/// The error for a run that has not compared everything when its time is over.
#[derive(Debug, thiserror::Error)]
#[error("the time is over, and not everything is compared: the next run goes on")]
struct TimeIsOver;

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(Reconcile {
        store: DynamoDbStore::new(environment)?,
        doors: environment.doors(),
        provider: ConfiguredProvider::new(environment)?,
        name: ProviderName::from_environment(environment)?,
        retention: runtime::config::retention(environment)?,
    }))
}

impl Function for Reconcile {
    fn invoke<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            match self.run().await {
                Ok(Ended::CaughtUp) => {
                    tracing::info!("reconciliation complete");
                    Ok("null".to_owned())
                }
                Ok(Ended::TimeIsOver) => {
                    count(Metric::ReconciliationStopped);
                    Err(InvocationError::work(TimeIsOver))
                }
                // A retry would meet the same page. The place is kept, and a person has to look.
                Err(UseCaseError::Provider(error @ (ProviderError::Unreadable(_) | ProviderError::Refused(_)))) => {
                    count(Metric::ReconciliationStopped);
                    tracing::error!(error = chain(&error), "reconciliation stopped: the place is kept");
                    Ok("null".to_owned())
                }
                Err(error) => {
                    count(Metric::ReconciliationStopped);
                    Err(InvocationError::work(error))
                }
            }
        })
    }
}

impl Reconcile {
    /// Schedules looks that release 0.1 left out, and compares what is not compared yet.
    async fn run(&self) -> Result<Ended, UseCaseError> {
        let started = self.doors.now();
        if resume_looks(&self.store, &self.doors, RUN_AT_MOST).await? == Ended::TimeIsOver {
            return Ok(Ended::TimeIsOver);
        }
        let at_most = RUN_AT_MOST.saturating_sub(self.doors.now().saturating_duration_since(started));
        let run = DailyRun { provider: self.name.as_str(), retention: self.retention, at_most };
        reconcile(&self.store, &self.provider, &self.doors, run, &mut log_step).await
    }
}

/// Logs one page and its new differences. `publish` counts the differences, when their events are on the bus.
fn log_step(step: &Step, new: &[Difference]) {
    add(Metric::PaymentsReconciled, step.compared.len() + step.requests);
    if step.unknown > 0 {
        add(Metric::ProviderValueUnknown, step.unknown);
        tracing::warn!(values = step.unknown, "values of the provider unknown: they count as not yet");
    }
    for Difference { kind, reference, id, .. } in new {
        tracing::error!(%kind, reference, %id, "difference to the provider found");
    }
    let (stage, payments, requests) = (step.stage.as_str(), step.compared.len(), step.requests);
    tracing::info!(from = %step.window.from, to = %step.window.to, stage, payments, requests, "page compared");
}
