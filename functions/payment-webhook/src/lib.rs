//! `POST /webhooks/{provider}`: the payment provider says what became of the money.

use adapters::provider::WebhookEvent;
use adapters::{ConfiguredWebhooks, DynamoDbStore};
use domain::Doors;
use domain::use_cases::pay::{ProviderEventOutcome, record_provider_event};
use http::{Response, StatusCode};
use runtime::http_function::{body, json, path_parameter};
use runtime::telemetry::{Metric, count};
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request};
use serde_json::json;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct PaymentWebhook {
    store: DynamoDbStore,
    doors: Doors,
    webhooks: ConfiguredWebhooks,
}

/// Builds the function.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(HttpFunction(PaymentWebhook {
        store: DynamoDbStore::new(environment)?.with_retention(runtime::config::retention(environment)?),
        doors: environment.doors(),
        webhooks: ConfiguredWebhooks::new(environment)?,
    })))
}

impl HttpHandler for PaymentWebhook {
    /// Answers 200 only after the write: until then the provider sends the report again.
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if path_parameter(&request, "provider")? != self.webhooks.provider() {
            return Err(Problem::NotFound);
        }
        let body = body(&request)?;
        match self.webhooks.read(request.headers(), body, self.doors.now()).await {
            Ok(WebhookEvent::Report(event)) => {
                log_outcome(&record_provider_event(&self.store, &self.doors, event).await?);
            }
            Ok(WebhookEvent::ImpossibleMoney(id)) => {
                count(Metric::AmountMismatch);
                tracing::error!(%id, "a payment of money that no request can be over; a person has to look at the provider");
            }
            Ok(WebhookEvent::RefundFailed(id)) => {
                count(Metric::RefundFailed);
                tracing::error!(%id, "a refund failed after the provider had taken it on; a person has to have it sent again");
            }
            Ok(WebhookEvent::Nothing(kind)) => tracing::info!(kind, "a webhook of which there is nothing to do"),
            Ok(WebhookEvent::OtherMode(kind)) => {
                count(Metric::WebhookOtherMode);
                tracing::warn!(kind, "a webhook of the provider's other mode, test or live, was ignored");
            }
            Ok(WebhookEvent::Foreign(kind)) => {
                count(Metric::WebhookIgnored);
                tracing::info!(kind, "a webhook about nothing of ours was ignored");
            }
            Err(error) => {
                return Err(error.answer(Metric::WebhookRefused, "The webhook's body is not what its type promises."));
            }
        }
        Ok(json(StatusCode::OK, &json!({})))
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

fn log_outcome(outcome: &ProviderEventOutcome) {
    match outcome {
        ProviderEventOutcome::Applied(request) => {
            tracing::info!(id = %request.id, status = %request.status, "recorded")
        }
        ProviderEventOutcome::Unchanged(request) => {
            tracing::info!(id = %request.id, status = %request.status, "a report that changes nothing");
        }
        ProviderEventOutcome::Mismatch(request) => {
            count(Metric::AmountMismatch);
            tracing::error!(id = %request.id, status = %request.status, "a payment of another amount or currency than was asked for");
        }
        ProviderEventOutcome::SecondPayment(request) => {
            count(Metric::SecondPayment);
            tracing::error!(id = %request.id, status = %request.status, "a second payment; a person has to send it back");
        }
        ProviderEventOutcome::RefundNotDue(request) => {
            count(Metric::RefundNotDue);
            tracing::warn!(id = %request.id, status = %request.status, "money went back that was not due, or not all that was; nothing changes");
        }
        ProviderEventOutcome::Unknown => {
            count(Metric::WebhookIgnored);
            tracing::info!("a report about no request of ours was ignored");
        }
    }
}
