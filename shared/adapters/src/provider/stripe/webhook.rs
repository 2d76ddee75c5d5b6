//! What Stripe reports (<https://docs.stripe.com/api/events>).

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

/// An event. Those of types that are none of ours may be built in another way
/// (<https://docs.stripe.com/api/v2/core/events/object>), so nothing is asked of it that they do not have.
#[derive(Deserialize)]
struct Event {
    id: String,
    r#type: String,
    /// In seconds since the Unix epoch.
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

/// The part of every object that says which request it belongs to.
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
    /// Accepts webhooks signed with one of `STRIPE_WEBHOOK_SECRET`, or of the secret at `STRIPE_WEBHOOK_SECRET_ARN`, of
    /// the mode that `STRIPE_LIVEMODE` says.
    ///
    /// # Errors
    /// A variable that is missing or invalid.
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

/// Returns the request that an object belongs to. Others may use the same account, and their objects may have any
/// shape.
fn owner(object: &Value) -> Option<PaymentRequestId> {
    let owned = Owned::deserialize(object).ok()?;
    owned.metadata?.owner()
}

/// Reads an event about a request of ours.
fn read_event(id: PaymentRequestId, event: Event) -> Result<WebhookEvent, WebhookError> {
    let Event { id: event_id, r#type: kind, created, data: Data { object }, .. } = event;
    Ok(match kind.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            let session: Session = read(object)?;
            // The event of an instant payment has the time of the payment. The event of a delayed one has the time at
            // which its money arrived; the customer's own time was in the event that announced it.
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
                // A refund that waits for the customer can be canceled, and that is no failure in Stripe's words.
                Some("canceled") => WebhookEvent::RefundFailed(id),
                _ => WebhookEvent::Ignored(kind),
            }
        }
        "refund.failed" => WebhookEvent::RefundFailed(id),
        "checkout.session.expired" => WebhookEvent::Ignored(kind),
        _ => WebhookEvent::Unrelated(kind),
    })
}

/// Builds a report about an amount of money, if it can be one.
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
