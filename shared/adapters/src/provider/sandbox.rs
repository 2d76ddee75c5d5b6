//! The sandbox provider, an HTTP service inside the local runner.

use super::{ProviderName, WebhookEvent};
use crate::endpoint::Endpoint;
use crate::http_client::{HttpClient, HttpError};
use crate::secrets::SecretSource;
use domain::ports::{Checkout, Closing, PaymentProvider, ProviderError, Refunding};
use domain::use_cases::pay::ProviderEvent;
use domain::{Amount, CheckoutId, Currency, Money, Payment, PaymentRequest, PaymentRequestId, Reason, Timestamp};
use http::HeaderMap;
use runtime::webhook::{Secrets, SignedWebhook};
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};
use serde::{Deserialize, Serialize};

/// The provider's name in a payment.
const NAME: &str = ProviderName::Sandbox.as_str();

/// The client of the sandbox provider.
#[derive(Debug, Clone)]
pub struct Sandbox {
    http: HttpClient,
    url: String,
    origin: String,
}

/// The webhooks of the sandbox provider.
#[derive(Debug, Clone)]
pub struct SandboxWebhooks {
    secrets: SecretSource<Secrets>,
}

#[derive(Serialize)]
struct NewCheckout<'a> {
    payment_request_id: PaymentRequestId,
    order_number: &'a str,
    description: Option<&'a str>,
    amount: Amount,
    currency: Currency,
    return_url: &'a str,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct CreatedCheckout {
    id: CheckoutId,
    url: String,
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum ClosedCheckout {
    Closed,
    Paid(ClosedPayment),
    Processing(ClosedPayment),
}

#[derive(Deserialize)]
struct ClosedPayment {
    payment_id: String,
    amount: Amount,
    currency: Currency,
    paid_at: Timestamp,
}

#[derive(Serialize)]
struct NewRefund<'a> {
    payment_request_id: PaymentRequestId,
    payment_id: &'a str,
    amount: Amount,
    currency: Currency,
}

#[derive(Deserialize)]
struct Envelope {
    r#type: String,
    /// The event's object, in the form of its type. Unknown types may have none.
    #[serde(default)]
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct PaymentData {
    payment_request_id: String,
    payment_id: String,
    amount: i64,
    currency: String,
    paid_at: Timestamp,
}

#[derive(Deserialize)]
struct FailedPaymentData {
    payment_request_id: String,
    payment_id: String,
}

#[derive(Deserialize)]
struct FailedAttemptData {
    payment_request_id: String,
    reason: Option<String>,
}

impl ClosedPayment {
    fn parts(self) -> (Payment, Money) {
        let payment = Payment { provider: NAME.to_owned(), reference: self.payment_id, paid_at: self.paid_at };
        (payment, Money { amount: self.amount, currency: self.currency })
    }
}

impl Sandbox {
    /// Builds the client of the sandbox provider at `SANDBOX_PROVIDER_URL`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let url = Endpoint::base(environment.require("SANDBOX_PROVIDER_URL")?, "SANDBOX_PROVIDER_URL")?.into_string();
        // The payment pages have the same origin as the customer's pages.
        let origin = runtime::config::public_base_url(environment)?;
        Ok(Self { http: HttpClient::new(), url, origin })
    }

    pub(super) fn checkout_origin(&self) -> &str {
        &self.origin
    }
}

impl SandboxWebhooks {
    /// Builds the reader of webhooks signed with one of the secrets in `SANDBOX_WEBHOOK_SECRET` or at
    /// `SANDBOX_WEBHOOK_SECRET_ARN`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { secrets: SecretSource::from_environment(environment, "SANDBOX_WEBHOOK_SECRET")? })
    }

    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<WebhookEvent, WebhookError> {
        let webhook = SignedWebhook::read(headers, body, now)?;
        self.secrets.verify(|secrets| secrets.verify(&webhook)).await?;
        let envelope: Envelope = serde_json::from_slice(body)?;
        match envelope.r#type.as_str() {
            kind @ ("checkout.paid" | "checkout.processing") => {
                let data: PaymentData = serde_json::from_value(envelope.data)?;
                let Ok(id) = data.payment_request_id.parse() else {
                    return Ok(WebhookEvent::Unrelated(envelope.r#type));
                };
                let (Ok(amount), Ok(currency)) = (Amount::new(data.amount), data.currency.parse()) else {
                    return Ok(WebhookEvent::ImpossibleMoney(id));
                };
                let payment = Payment { provider: NAME.to_owned(), reference: data.payment_id, paid_at: data.paid_at };
                let money = Money { amount, currency };
                Ok(WebhookEvent::Report(if kind == "checkout.paid" {
                    ProviderEvent::Paid { id, payment, money }
                } else {
                    ProviderEvent::Processing { id, payment, money }
                }))
            }
            "checkout.async_payment_failed" => {
                let data: FailedPaymentData = serde_json::from_value(envelope.data)?;
                let Ok(id) = data.payment_request_id.parse() else {
                    return Ok(WebhookEvent::Unrelated(envelope.r#type));
                };
                let (provider, reference) = (NAME.to_owned(), data.payment_id);
                Ok(WebhookEvent::Report(ProviderEvent::PaymentFailed { id, provider, reference }))
            }
            "checkout.payment_failed" => {
                let data: FailedAttemptData = serde_json::from_value(envelope.data)?;
                let Ok(id) = data.payment_request_id.parse() else {
                    return Ok(WebhookEvent::Unrelated(envelope.r#type));
                };
                let reason = data.reason.as_deref().and_then(Reason::fitted);
                Ok(WebhookEvent::Report(ProviderEvent::AttemptFailed { id, report: webhook.id().to_owned(), reason }))
            }
            _ => Ok(WebhookEvent::Unrelated(envelope.r#type)),
        }
    }
}

impl PaymentProvider for Sandbox {
    async fn create_checkout(&self, request: &PaymentRequest, return_url: &str) -> Result<Checkout, ProviderError> {
        let body = NewCheckout {
            payment_request_id: request.id,
            order_number: request.details.order_number.as_str(),
            description: request.details.description.as_ref().map(domain::Description::as_str),
            amount: request.details.money.amount,
            currency: request.details.money.currency,
            return_url,
            expires_at: request.deadline,
        };
        let request = self.http.post(&format!("{}/checkouts", self.url)).json(&body);
        let created: CreatedCheckout = request.send_for_json().await?;
        Ok(Checkout { id: created.id, url: created.url })
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<Closing, ProviderError> {
        let request = self.http.post(&format!("{}/checkouts/{}/close", self.url, checkout.0));
        Ok(match request.send_for_json().await? {
            ClosedCheckout::Closed => Closing::Closed,
            ClosedCheckout::Paid(closed) => {
                let (payment, money) = closed.parts();
                Closing::Paid { payment, money }
            }
            ClosedCheckout::Processing(closed) => {
                let (payment, money) = closed.parts();
                Closing::Processing { payment, money }
            }
        })
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
        let Money { amount, currency } = request.details.money;
        let body = NewRefund { payment_request_id: request.id, payment_id: &payment.reference, amount, currency };
        self.http.post(&format!("{}/refunds", self.url)).json(&body).send().await?;
        Ok(Refunding::Done)
    }
}

impl From<HttpError> for ProviderError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unavailable(cause) => Self::Unavailable(cause),
            HttpError::Refused(cause) => Self::Refused(cause),
            HttpError::Unreadable(cause) => Self::Unreadable(cause),
        }
    }
}
