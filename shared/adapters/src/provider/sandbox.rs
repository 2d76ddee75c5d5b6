//! The sandbox provider, an HTTP service inside the local runner.

mod settlements;

use super::{ProviderName, WebhookEvent};
use crate::endpoint::Endpoint;
use crate::http_client::{HttpClient, HttpError};
use crate::json::FromObject;
use crate::secrets::SecretSource;
use crate::trust::Trust;
use domain::ports::{Arrival, Checkout, CheckoutState, Closes, PaymentProvider, ProviderError, Refunding};
use domain::use_cases::pay::ProviderEvent;
use domain::{
    Amount, CheckoutAttempt, CheckoutId, Currency, Money, Payment, PaymentRequest, PaymentRequestId, Reason, Timestamp,
};
use http::HeaderMap;
use runtime::json::{Document, Object, Unreadable};
use runtime::webhook::{Secrets, SignedWebhook};
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};
use serde::Serialize;

/// The provider's name in a payment.
const NAME: &str = ProviderName::Sandbox.as_str();

/// The types of the provider's events.
const KINDS: [&str; 4] =
    ["checkout.paid", "checkout.processing", "checkout.async_payment_failed", "checkout.payment_failed"];

/// The client of the sandbox provider.
#[derive(Debug, Clone)]
pub struct Sandbox {
    http: HttpClient,
    url: String,
    origin: String,
    closes: Closes,
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

struct CreatedCheckout {
    id: CheckoutId,
    url: String,
}

impl FromObject for CreatedCheckout {
    fn from_object(checkout: &Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self { id: checkout.required("id")?, url: checkout.required("url")? })
    }
}

/// The checkout of a payment request, if there is one.
struct FoundCheckout(Option<CheckoutId>);

impl FromObject for FoundCheckout {
    fn from_object(found: &Object<'_>) -> Result<Self, Unreadable> {
        // `null` means that the request has no checkout. An answer without the field is about something else.
        if !found.iter().any(|(name, _)| name == "id") {
            return Err(Unreadable::new("the field id is missing"));
        }
        found.raw("id").map(|_| found.required("id")).transpose().map(Self)
    }
}

/// A checkout, in the form of its status.
struct StoredCheckout(CheckoutState);

impl FromObject for StoredCheckout {
    fn from_object(checkout: &Object<'_>) -> Result<Self, Unreadable> {
        let payment = || Ok::<_, Unreadable>((payment(checkout)?, money(checkout)?));
        Ok(Self(match checkout.required::<String>("status")?.as_str() {
            "open" => CheckoutState::Open,
            "closed" => CheckoutState::Closed,
            "failed" => CheckoutState::Failed { references: vec![checkout.required("payment_id")?] },
            "paid" => {
                payment().map(|(payment, money)| CheckoutState::Paid(vec![Arrival::at_its_time(payment, money)]))?
            }
            "processing" => payment().map(|(payment, money)| CheckoutState::Processing { payment, money })?,
            _ => return Err(Unreadable::new("a checkout has an unknown status")),
        }))
    }
}

/// Reads the payment that an object is about.
fn payment(object: &Object<'_>) -> Result<Payment, Unreadable> {
    let (reference, paid_at) = (object.required("payment_id")?, object.required("paid_at")?);
    Ok(Payment { provider: NAME.to_owned(), reference, paid_at })
}

/// Reads the amount that an object is about, and its currency.
fn money(object: &Object<'_>) -> Result<Money, Unreadable> {
    Ok(Money { amount: object.required("amount")?, currency: object.required("currency")? })
}

/// The status of a refund.
struct StoredRefund(Refunding);

impl FromObject for StoredRefund {
    fn from_object(refund: &Object<'_>) -> Result<Self, Unreadable> {
        let status: String = refund.required("status")?;
        Ok(Self(if status == "succeeded" { Refunding::Done } else { Refunding::StatusUnknown }))
    }
}

#[derive(Serialize)]
struct NewRefund<'a> {
    payment_request_id: PaymentRequestId,
    payment_id: &'a str,
    amount: Amount,
    currency: Currency,
}

impl Sandbox {
    /// Builds the client of the sandbox provider at `SANDBOX_PROVIDER_URL`, whose payment pages close as
    /// `SANDBOX_CLOSES` says: `on_demand` (the default), `at_its_time` or `never`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let url = Endpoint::base(environment.require("SANDBOX_PROVIDER_URL")?, "SANDBOX_PROVIDER_URL")?.into_string();
        // The payment pages have the same origin as the customer's pages.
        let origin = runtime::config::public_base_url(environment)?;
        let closes = runtime::config::sandbox_closes(environment)?;
        Ok(Self { http: HttpClient::new(&Trust::of(environment)?), url, origin, closes })
    }

    pub(super) fn checkout_origin(&self) -> &str {
        &self.origin
    }

    /// Returns the address of a checkout, below which the provider's interface for it is.
    fn checkout_url(&self, checkout: &CheckoutId) -> String {
        format!("{}/checkouts/{}", self.url, checkout.0)
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
        let document = Document::new(body);
        let envelope = document.object()?;
        let kind: String = envelope.required("type")?;
        if !KINDS.contains(&kind.as_str()) {
            return Ok(WebhookEvent::Unrelated(kind));
        }
        let data = envelope.object("data").unwrap_or_default();
        let Ok(id) = data.required::<String>("payment_request_id")?.parse() else {
            return Ok(WebhookEvent::Unrelated(kind));
        };
        Ok(WebhookEvent::Report(match kind.as_str() {
            "checkout.async_payment_failed" => {
                let (provider, reference) = (NAME.to_owned(), data.required("payment_id")?);
                ProviderEvent::PaymentFailed { id, provider, reference }
            }
            "checkout.payment_failed" => {
                let reason = data.optional::<String>("reason").as_deref().and_then(Reason::fitted);
                ProviderEvent::AttemptFailed { id, report: webhook.id().to_owned(), reason }
            }
            _ => {
                let (amount, currency): (i64, String) = (data.required("amount")?, data.required("currency")?);
                let payment = payment(&data)?;
                let (Ok(amount), Ok(currency)) = (Amount::new(amount), currency.parse()) else {
                    return Ok(WebhookEvent::ImpossibleMoney(id));
                };
                let money = Money { amount, currency };
                if kind == "checkout.paid" {
                    ProviderEvent::Paid { id, payment, money }
                } else {
                    ProviderEvent::Processing { id, payment, money }
                }
            }
        }))
    }
}

impl PaymentProvider for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn closes(&self) -> Closes {
        self.closes
    }

    fn repeats_pages(&self) -> bool {
        true
    }

    async fn create_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        _: CheckoutAttempt,
    ) -> Result<Checkout, ProviderError> {
        let body = NewCheckout {
            payment_request_id: request.id,
            order_number: request.details.order_number.as_str(),
            description: request.details.description.as_ref().map(domain::Description::as_str),
            amount: request.details.money.amount,
            currency: request.details.money.currency,
            return_url: link,
            expires_at: request.deadline,
        };
        let request = self.http.post(&format!("{}/checkouts", self.url)).json(&body);
        let created: CreatedCheckout = request.send_for_json().await?;
        Ok(Checkout { id: created.id, url: created.url })
    }

    async fn find_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempts: CheckoutAttempt,
        known: Option<CheckoutId>,
    ) -> Result<Option<CheckoutId>, ProviderError> {
        if known.is_some() {
            return Ok(known);
        }
        if self.closes == Closes::OnDemand {
            return self.create_checkout(request, link, attempts).await.map(|created| Some(created.id));
        }
        let path = format!("{}/checkouts?payment_request_id={}", self.url, request.id);
        let FoundCheckout(found) = self.http.get(&path).send_for_json().await?;
        Ok(found)
    }

    async fn check_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        let StoredCheckout(state) =
            self.http.get(&format!("{}/state", self.checkout_url(checkout))).send_for_json().await?;
        Ok(state)
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        let request = self.http.post(&format!("{}/close", self.checkout_url(checkout)));
        match request.send_for_json().await? {
            StoredCheckout(CheckoutState::Open) => {
                Err(ProviderError::Unreadable("a checkout that was to close is open".into()))
            }
            StoredCheckout(state) => Ok(state),
        }
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
        if request.is_paid_by_another(payment) {
            return Err(ProviderError::Refused("the sandbox provider has one payment of each request".into()));
        }
        let Money { amount, currency } = request.details.money;
        let body = NewRefund { payment_request_id: request.id, payment_id: &payment.reference, amount, currency };
        let request = self.http.post(&format!("{}/refunds", self.url)).json(&body);
        let StoredRefund(refunding) = request.send_for_json().await?;
        Ok(refunding)
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
