//! The bus, status `refund_due` → the payment provider: refunds a payment that arrived too late.

use adapters::{ConfiguredProvider, DynamoDbStore};
use domain::Doors;
use domain::ports::ProviderError;
use domain::use_cases::UseCaseError;
use domain::use_cases::refund::{Refunded, refund};
use runtime::bus_event::notice;
use runtime::telemetry::{Metric, count, duration};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct Refund {
    store: DynamoDbStore,
    doors: Doors,
    provider: ConfiguredProvider,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    let store = DynamoDbStore::new(environment)?.with_retention(runtime::config::retention(environment)?);
    Ok(Box::new(Refund { store, doors: environment.doors(), provider: ConfiguredProvider::new(environment)? }))
}

impl Function for Refund {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let event = notice(event)?;
            duration(Metric::RefundAge, self.doors.now().saturating_duration_since(event.occurred_at));
            // After an error Lambda retries the event, and finally moves it to the dead-letter queue for a person.
            let refunded = refund(&self.store, &self.provider, &self.doors, event.id).await.inspect_err(|error| {
                if matches!(error, UseCaseError::Provider(ProviderError::Unreadable(_))) {
                    count(Metric::ProviderValueUnknown);
                }
            });
            match refunded.map_err(InvocationError::work)? {
                Refunded::Done(request) => tracing::info!(id = %request.id, "late money refunded"),
                Refunded::UnderWay(request) => {
                    tracing::info!(id = %request.id, "refund accepted; the provider reports when it is done");
                }
                Refunded::WaitsForFunds(request) => {
                    count(Metric::RefundFailed);
                    tracing::error!(
                        id = %request.id,
                        "refund waits for a person: for money in the provider's account, or for where to send it"
                    );
                }
                Refunded::StatusUnknown(request) => {
                    count(Metric::ProviderValueUnknown);
                    tracing::error!(
                        id = %request.id,
                        "refund accepted, with an unknown status; the provider reports when it is done"
                    );
                }
                Refunded::NotDue => tracing::info!(id = %event.id, "no refund is due"),
            }
            Ok("null".to_owned())
        })
    }
}
