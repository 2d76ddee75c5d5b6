//! Stripe's webhooks: the events that it reports (<https://docs.stripe.com/api/events>).

use super::currency::from_stripe;
use super::objects::{InvalidResponse, Metadata, PaymentStatus, Session, moment, payment};
use super::{NAME, settings::Mode};
use crate::provider::WebhookEvent;
use crate::secrets::{SecretSource, SecretValue};
use domain::use_cases::pay::ProviderEvent;
use domain::{Money, PaymentRequestId, Reason, Timestamp};
use http::HeaderMap;
use runtime::stripe_signature::{SignedEvent, SigningSecrets};
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The webhooks of one Stripe account.
#[derive(Debug, Clone)]
pub struct StripeWebhooks {
    secrets: SecretSource<SigningSecrets>,
    mode: Mode,
}

impl SecretValue for SigningSecrets {
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::parse(text, name)
    }

    fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::from_environment(environment, name)
    }
}

/// An event. Types that we do not use may have another structure (<https://docs.stripe.com/api/v2/core/events/object>),
/// so only the fields that all events have are required.
#[derive(Deserialize)]
struct Event {
    id: String,
    r#type: String,
    /// The time of the event, in seconds since the Unix epoch.
    #[serde(default)]
    created: Value,
    livemode: bool,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    object: Value,
}

/// The part of every object that identifies its request.
#[derive(Deserialize)]
struct Owned {
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct FailedIntent {
    last_payment_error: Option<PaymentFailure>,
}

#[derive(Deserialize)]
struct PaymentFailure {
    code: Option<String>,
    decline_code: Option<String>,
}

#[derive(Deserialize)]
struct RefundedCharge {
    payment_intent: String,
    amount_refunded: i64,
    currency: String,
}

#[derive(Deserialize)]
struct RefundReport {
    status: Option<String>,
    payment_intent: String,
    amount: i64,
    currency: String,
}

impl StripeWebhooks {
    /// Builds the reader of webhooks signed with one of the secrets in `STRIPE_WEBHOOK_SECRET` or at
    /// `STRIPE_WEBHOOK_SECRET_ARN`, in the mode of `STRIPE_LIVEMODE`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let secrets = SecretSource::from_environment(environment, "STRIPE_WEBHOOK_SECRET")?;
        Ok(Self { secrets, mode: Mode::new(environment)? })
    }

    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<WebhookEvent, WebhookError> {
        let signed = SignedEvent::read(headers, body, now)?;
        self.secrets.verify(|secrets| secrets.verify(&signed)).await?;
        let event: Event = serde_json::from_slice(body)?;
        if Mode::of(event.livemode) != self.mode {
            return Ok(WebhookEvent::OtherMode(event.r#type));
        }
        match owner(&event.data.object) {
            Some(id) => read_event(id, event),
            None => Ok(WebhookEvent::Unrelated(event.r#type)),
        }
    }
}

/// Returns the request that an object belongs to; `None` if it is not one of ours. Other systems may use the same
/// account, and their objects may have any structure.
fn owner(object: &Value) -> Option<PaymentRequestId> {
    let owned = Owned::deserialize(object).ok()?;
    owned.metadata?.owner()
}

/// Converts an event about a request of ours.
fn read_event(id: PaymentRequestId, event: Event) -> Result<WebhookEvent, WebhookError> {
    let Event { id: event_id, r#type: kind, created, data: Data { object }, .. } = event;
    Ok(match kind.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            let session: Session = read(object)?;
            // The event of an instant payment has the time of the payment. The event of a delayed payment has the time
            // at which its money arrived; the customer's own time was in the earlier event that announced it.
            let created = created.as_i64().ok_or(InvalidResponse("an event has no time"))?;
            let payment = payment(session.payment_reference()?, moment(created)?);
            let Some(money) = session.money()? else { return Ok(WebhookEvent::ImpossibleMoney(id)) };
            match session.payment_status {
                PaymentStatus::Paid => WebhookEvent::Report(ProviderEvent::Paid { id, payment, money }),
                PaymentStatus::Unpaid if kind == "checkout.session.completed" => {
                    WebhookEvent::Report(ProviderEvent::Processing { id, payment, money })
                }
                PaymentStatus::Unpaid => return Err(InvalidResponse("a payment that succeeded is unpaid").into()),
                PaymentStatus::NoPaymentRequired => WebhookEvent::Unrelated(kind),
            }
        }
        "checkout.session.async_payment_failed" => {
            let session: Session = read(object)?;
            let reference = session.payment_reference()?.to_owned();
            WebhookEvent::Report(ProviderEvent::PaymentFailed { id, provider: NAME.to_owned(), reference })
        }
        "payment_intent.payment_failed" => {
            let intent: FailedIntent = read(object)?;
            let words = intent.last_payment_error.and_then(|failure| failure.decline_code.or(failure.code));
            let reason = words.as_deref().and_then(Reason::fitted);
            WebhookEvent::Report(ProviderEvent::AttemptFailed { id, report: event_id, reason })
        }
        "charge.refunded" => {
            let charge: RefundedCharge = read(object)?;
            report_of_money(id, charge.amount_refunded, &charge.currency, |money| ProviderEvent::RefundTaken {
                id,
                reference: charge.payment_intent,
                money,
            })
        }
        "refund.created" | "refund.updated" => {
            let refund: RefundReport = read(object)?;
            match refund.status.as_deref() {
                Some("succeeded") => report_of_money(id, refund.amount, &refund.currency, |money| {
                    ProviderEvent::Refunded { id, reference: refund.payment_intent, money }
                }),
                // A refund that waits for the customer can be canceled. Stripe does not call that a failure.
                Some("canceled") => WebhookEvent::RefundFailed(id),
                _ => WebhookEvent::Ignored(kind),
            }
        }
        "refund.failed" => WebhookEvent::RefundFailed(id),
        "checkout.session.expired" => WebhookEvent::Ignored(kind),
        _ => WebhookEvent::Unrelated(kind),
    })
}

/// Builds a report about an amount of money, if the amount is valid.
fn report_of_money(
    id: PaymentRequestId,
    amount: i64,
    currency: &str,
    report: impl FnOnce(Money) -> ProviderEvent,
) -> WebhookEvent {
    from_stripe(amount, currency).map_or(WebhookEvent::ImpossibleMoney(id), |money| WebhookEvent::Report(report(money)))
}

fn read<T: DeserializeOwned>(object: Value) -> Result<T, WebhookError> {
    Ok(serde_json::from_value(object)?)
}

impl From<InvalidResponse> for WebhookError {
    fn from(error: InvalidResponse) -> Self {
        Self::Unreadable(error.to_string())
    }
}
