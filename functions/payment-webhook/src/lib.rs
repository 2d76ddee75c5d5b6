//! `POST /webhooks/{provider}`: records what the payment provider reports about payments and refunds.

use adapters::provider::WebhookEvent;
use adapters::{ConfiguredWebhooks, DynamoDbStore, ProviderName};
use domain::Doors;
use domain::use_cases::pay::{ProviderEvent, ProviderEventOutcome, record_provider_event};
use http::{Response, StatusCode};
use runtime::http_function::{body_of_at_most, json, path_parameter};
use runtime::telemetry::{Metric, count, word};
use runtime::webhook::WEBHOOK_AT_MOST;
use runtime::webhook_error::unread;
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request};
use serde_json::json;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct PaymentWebhook {
    store: DynamoDbStore,
    doors: Doors,
    webhooks: ConfiguredWebhooks,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(HttpFunction(PaymentWebhook {
        store: DynamoDbStore::new(environment)?.with_retention(runtime::config::retention(environment)?),
        doors: environment.doors(),
        webhooks: ConfiguredWebhooks::new(environment)?,
    })))
}

impl HttpHandler for PaymentWebhook {
    /// Records what a provider's webhook reports. Answers 200 only after the write: the provider retries until then.
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let provider: Option<ProviderName> = path_parameter(&request, "provider")?.parse().ok();
        if provider != Some(self.webhooks.provider()) {
            return Err(Problem::NotFound);
        }
        let body = match body_of_at_most(&request, WEBHOOK_AT_MOST) {
            Ok(body) => body,
            Err(problem) => {
                let (all, now) = (request.body(), self.doors.now());
                let verified = self.webhooks.read(request.headers(), all, now).await;
                return Err(unread(verified, problem, all.len(), Metric::WebhookUnreadable));
            }
        };
        match self.webhooks.read(request.headers(), body, self.doors.now()).await {
            Ok(WebhookEvent::Report(event)) => {
                let reported = match &event {
                    ProviderEvent::Paid { id, .. }
                    | ProviderEvent::Arrived { id, .. }
                    | ProviderEvent::Processing { id, .. } => Some(*id),
                    _ => None,
                };
                match record_provider_event(&self.store, &self.doors, event).await? {
                    outcome @ ProviderEventOutcome::Unknown => match reported {
                        Some(id) => {
                            count(Metric::PaymentUnknown);
                            tracing::error!(%id, "payment not recorded: there is no request with its metadata's id");
                        }
                        None => log_outcome(&outcome),
                    },
                    outcome => log_outcome(&outcome),
                }
            }
            Ok(WebhookEvent::ImpossibleMoney(id)) => {
                count(Metric::AmountMismatch);
                tracing::error!(
                    %id,
                    "payment not recorded: no request can be over its amount or currency; a person has to look into it"
                );
            }
            Ok(WebhookEvent::RefundFailed(id)) => {
                count(Metric::RefundFailed);
                tracing::error!(
                    %id,
                    "refund failed after the provider had accepted it, or waits for a person; expire asks again"
                );
            }
            Ok(WebhookEvent::ValueUnknown { id, kind, field }) => {
                count(Metric::ProviderValueUnknown);
                tracing::error!(
                    %id,
                    kind = word(&kind),
                    field,
                    "payment report not applied: a field has an unknown value; it counts as not yet"
                );
            }
            Ok(WebhookEvent::Ignored(kind)) => {
                tracing::info!(kind = word(&kind), "webhook ignored: its type changes nothing");
            }
            Ok(WebhookEvent::OtherMode(kind)) => {
                count(Metric::WebhookOtherMode);
                tracing::warn!(kind = word(&kind), "webhook ignored: it is of the provider's other mode, test or live");
            }
            Ok(WebhookEvent::Unrelated(kind)) => {
                count(Metric::WebhookIgnored);
                tracing::info!(kind = word(&kind), "webhook ignored: it is not about a request of ours");
            }
            Err(error) => {
                let detail = "The webhook's body does not match its type.";
                return Err(error.into_problem(Metric::WebhookRefused, Some(Metric::WebhookUnreadable), detail));
            }
        }
        Ok(json(StatusCode::OK, &json!({})))
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

/// Logs the outcome of a report, and counts the outcomes that an operator has to know.
fn log_outcome(outcome: &ProviderEventOutcome) {
    match outcome {
        ProviderEventOutcome::Applied(request) => {
            tracing::info!(id = %request.id, status = %request.status, "payment report recorded");
        }
        ProviderEventOutcome::Unchanged(request) => {
            tracing::info!(id = %request.id, status = %request.status, "payment report changed nothing");
        }
        ProviderEventOutcome::Mismatch(request) => {
            count(Metric::AmountMismatch);
            tracing::error!(
                id = %request.id,
                status = %request.status,
                "payment not recorded: its amount or currency is not what was asked for"
            );
        }
        ProviderEventOutcome::TimeUnknown(request) => {
            tracing::info!(
                id = %request.id,
                status = %request.status,
                "money arrived, and the report does not say when the customer paid: the provider is asked"
            );
        }
        ProviderEventOutcome::SecondPayment(request) => {
            count(Metric::SecondPayment);
            tracing::warn!(
                id = %request.id,
                status = %request.status,
                "second payment of one request: it goes back by the next look"
            );
        }
        ProviderEventOutcome::RefundNotDue(request) => {
            count(Metric::RefundNotDue);
            tracing::warn!(
                id = %request.id,
                status = %request.status,
                "refund not recorded: none was due, or not of this amount"
            );
        }
        ProviderEventOutcome::Unknown => {
            count(Metric::WebhookIgnored);
            tracing::info!("payment report ignored: there is no such request");
        }
    }
}
