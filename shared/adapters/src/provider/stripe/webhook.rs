//! Stripe's webhooks: the events that it reports (<https://docs.stripe.com/api/events>).

use super::currency::from_stripe;
use super::objects::{PaymentStatus, Session, moment, owner, payment};
use super::{NAME, RefundStatus, settings};
use crate::json::FromObject as _;
use crate::provider::WebhookEvent;
use crate::provider::answer::{InvalidResponse, Open};
use crate::provider::mode::Mode;
use crate::secrets::{SecretSource, SecretValue};
use domain::use_cases::pay::ProviderEvent;
use domain::{Money, PaymentRequestId, Reason, Timestamp};
use http::HeaderMap;
use runtime::json::{Document, Object, Unreadable};
use runtime::stripe_signature::{SignedEvent, SigningSecrets};
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};
use std::time::Duration;

/// A generous upper bound of the time between a customer's payment and the creation of the event that their session is
/// complete. Within it, the event does not say whether the customer was in time.
const EVENT_DELAY: Duration = Duration::from_mins(1);

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

impl StripeWebhooks {
    /// Builds the reader of webhooks signed with one of the secrets in `STRIPE_WEBHOOK_SECRET` or at
    /// `STRIPE_WEBHOOK_SECRET_ARN`, in the mode of `STRIPE_LIVEMODE`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let secrets = SecretSource::from_environment(environment, "STRIPE_WEBHOOK_SECRET")?;
        Ok(Self { secrets, mode: settings::mode(environment)? })
    }

    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<WebhookEvent, WebhookError> {
        let signed = SignedEvent::read(headers, body, now)?;
        self.secrets.verify(|secrets| secrets.verify(&signed)).await?;
        let document = Document::new(body);
        let event = document.object()?;
        let kind: String = event.required("type")?;
        if Mode::of(event.required("livemode")?) != self.mode {
            return Ok(WebhookEvent::OtherMode(kind));
        }
        // Types that we do not use may have another structure (https://docs.stripe.com/api/v2/core/events/object).
        let object = event.object("data").and_then(|data| data.object("object")).unwrap_or_default();
        match owner(&object) {
            Some(id) => read_event(id, kind, &event, &object),
            None => Ok(WebhookEvent::Unrelated(kind)),
        }
    }
}

/// Converts an event about a request of ours. Of its object only the fields that its type needs are read.
fn read_event(
    id: PaymentRequestId,
    kind: String,
    event: &Object<'_>,
    object: &Object<'_>,
) -> Result<WebhookEvent, WebhookError> {
    Ok(match kind.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            let session = Session::from_object(object)?;
            let Open::Known(status) = session.payment_status else {
                return Ok(WebhookEvent::ValueUnknown { id, kind, field: "payment_status" });
            };
            let is_announced = kind == "checkout.session.completed";
            match status {
                PaymentStatus::NoPaymentRequired => return Ok(WebhookEvent::Unrelated(kind)),
                // A payment that succeeded and is unpaid is none that this version knows.
                PaymentStatus::Unpaid if !is_announced => {
                    return Ok(WebhookEvent::ValueUnknown { id, kind, field: "payment_status" });
                }
                PaymentStatus::Paid | PaymentStatus::Unpaid => {}
            }
            // The customer did their part before the event. A session completes when they do, so the event of an
            // instant payment is hardly later. That of a delayed payment comes when its money arrives, days later.
            let created = moment(event.required("created")?)?;
            let payment = payment(session.payment_reference()?, created);
            let Some(money) = session.money()? else { return Ok(WebhookEvent::ImpossibleMoney(id)) };
            let earliest = is_announced.then(|| created.saturating_sub(EVENT_DELAY));
            match status {
                PaymentStatus::Paid => WebhookEvent::Report(ProviderEvent::Arrived { id, payment, earliest, money }),
                _ => WebhookEvent::Report(ProviderEvent::Processing { id, payment, money }),
            }
        }
        "checkout.session.async_payment_failed" => {
            let reference = Session::from_object(object)?.payment_reference()?.to_owned();
            WebhookEvent::Report(ProviderEvent::PaymentFailed { id, provider: NAME.to_owned(), reference })
        }
        "payment_intent.payment_failed" => {
            let failure = object.object("last_payment_error").unwrap_or_default();
            let code = failure.optional::<String>("decline_code").or_else(|| failure.optional("code"));
            let reason = code.as_deref().and_then(Reason::fitted);
            WebhookEvent::Report(ProviderEvent::AttemptFailed { id, report: event.required("id")?, reason })
        }
        "charge.refunded" => {
            let reference = object.required("payment_intent")?;
            report_of_money(id, object, "amount_refunded", |money| ProviderEvent::RefundTaken { id, reference, money })?
        }
        "refund.created" | "refund.updated" => match Open::of_field(object, "status") {
            Open::Known(RefundStatus::Succeeded) => {
                let reference = object.required("payment_intent")?;
                report_of_money(id, object, "amount", |money| ProviderEvent::Refunded { id, reference, money })?
            }
            // A refund that waits for the customer can be canceled. Stripe does not call that a failure.
            Open::Known(RefundStatus::Canceled) => WebhookEvent::RefundFailed(id),
            Open::Known(RefundStatus::Pending | RefundStatus::RequiresAction | RefundStatus::Failed) => {
                WebhookEvent::Ignored(kind)
            }
            Open::Unknown => WebhookEvent::ValueUnknown { id, kind, field: "status" },
        },
        "refund.failed" => WebhookEvent::RefundFailed(id),
        "checkout.session.expired" => WebhookEvent::Ignored(kind),
        _ => WebhookEvent::Unrelated(kind),
    })
}

/// Builds a report about the amount of money in a field, if the amount is valid.
///
/// # Errors
/// The object has no amount or no currency.
fn report_of_money(
    id: PaymentRequestId,
    object: &Object<'_>,
    amount: &'static str,
    report: impl FnOnce(Money) -> ProviderEvent,
) -> Result<WebhookEvent, Unreadable> {
    let (amount, currency): (i64, String) = (object.required(amount)?, object.required("currency")?);
    let money = from_stripe(amount, &currency);
    Ok(money.map_or(WebhookEvent::ImpossibleMoney(id), |money| WebhookEvent::Report(report(money))))
}

impl From<InvalidResponse> for WebhookError {
    fn from(error: InvalidResponse) -> Self {
        Self::Unreadable(error.to_string())
    }
}
