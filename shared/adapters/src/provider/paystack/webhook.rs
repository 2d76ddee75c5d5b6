//! Paystack's webhooks: the events that it reports (<https://paystack.com/docs/payments/webhooks/>).
//!
//! An event names a transaction, and nothing more of it is used. Its signature has no time, so that an event can be
//! repeated months later; and the secret key that signs it is also used for other things. What has happened is asked of
//! Paystack. So a repeated or invented event changes nothing that asking would not.

use super::Paystack;
use super::objects::{Outcome, Transaction, mode_of_domain};
use super::reference::Reference;
use super::refunds::RefundStatus;
use crate::provider::WebhookEvent;
use crate::provider::budget::within_budget;
use domain::ports::ProviderError;
use domain::use_cases::pay::ProviderEvent;
use domain::{PaymentRequestId, Reason, Timestamp};
use http::HeaderMap;
use runtime::json::{Document, Object};
use runtime::paystack_signature::SignedBody;
use runtime::telemetry::chain;
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};

/// The webhooks of one Paystack account.
#[derive(Debug, Clone)]
pub struct PaystackWebhooks(Box<Paystack>);

impl PaystackWebhooks {
    /// Builds the reader of webhooks signed with one of the keys in `PAYSTACK_SECRET_KEY` or at
    /// `PAYSTACK_SECRET_KEY_ARN`, in the mode of `PAYSTACK_LIVEMODE`. It asks at `PAYSTACK_API_URL`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self(Box::new(Paystack::without_pages(environment)?)))
    }

    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        _now: Timestamp,
    ) -> Result<WebhookEvent, WebhookError> {
        let Self(paystack) = self;
        let signed = SignedBody::read(headers, body)?;
        paystack.client.keys().verify(|keys| keys.verify(&signed)).await?;
        let document = Document::new(body);
        let event = document.object()?;
        let kind: String = event.required("event")?;
        let data = event.object("data").unwrap_or_default();
        let Some(reference) = reference_of(&kind, &data) else { return Ok(WebhookEvent::Unrelated(kind)) };
        let domain = data.optional::<String>("domain");
        match domain.as_deref().map(mode_of_domain) {
            None => {}
            Some(Some(mode)) if mode == paystack.client.mode => {}
            Some(Some(_)) => return Ok(WebhookEvent::OtherMode(kind)),
            Some(None) => return Ok(WebhookEvent::ValueUnknown { id: reference.id, kind, field: "domain" }),
        }
        match kind.as_str() {
            "charge.success" | "charge.failed" => confirmed(paystack.payment_event(reference, kind).await),
            "refund.processed" | "refund.failed" | "refund.needs-attention" => {
                confirmed(paystack.refund_event(reference, kind).await)
            }
            "refund.pending"
            | "refund.processing"
            | "charge.dispute.create"
            | "charge.dispute.remind"
            | "charge.dispute.resolve" => Ok(WebhookEvent::Ignored(kind)),
            _ => Ok(WebhookEvent::Unrelated(kind)),
        }
    }
}

/// Returns the reference that an event names, if it is one of ours. Paystack puts it in another place for each object.
fn reference_of(kind: &str, data: &Object<'_>) -> Option<Reference> {
    let of = |object: &Object<'_>, name: &str| Reference::parse(&object.optional::<String>(name)?);
    match kind.split_once('.')?.0 {
        // The transaction of a dispute is an object of its own.
        "charge" => of(data, "reference").or_else(|| of(&data.object("transaction")?, "reference")),
        "refund" => of(data, "transaction_reference"),
        _ => None,
    }
}

/// Returns the identifier of a failed attempt. Paystack has none, but counts the attempts on a page.
fn attempt_of(reference: Reference, transaction: &Transaction) -> String {
    match transaction.attempts {
        Some(attempts) => format!("{reference}:{}:{attempts}", transaction.number),
        None => format!("{reference}:{}", transaction.number),
    }
}

/// Maps the errors of asking. The sender sends the event again where a later answer may be another one.
fn confirmed(asked: Result<WebhookEvent, ProviderError>) -> Result<WebhookEvent, WebhookError> {
    asked.map_err(|error| match error {
        error @ ProviderError::Unreadable(_) => WebhookError::Unreadable(chain(&error)),
        // A rejection is about the key, and says nothing about the event.
        error => WebhookError::Unconfirmed(error.into()),
    })
}

impl Paystack {
    /// Converts an event about a payment, by asking for its transaction.
    async fn payment_event(&self, reference: Reference, kind: String) -> Result<WebhookEvent, ProviderError> {
        let id = reference.id;
        let Some(transaction) = within_budget(self.verify(reference)).await? else {
            return Ok(WebhookEvent::Unrelated(kind));
        };
        let impossible = WebhookEvent::ImpossibleMoney(id);
        Ok(match transaction.outcome(reference)? {
            Outcome::Paid { money: None, .. } => impossible,
            Outcome::Paid { payment, earliest, money: Some(money) } => WebhookEvent::Report(
                // A card's payment is made when it arrives.
                if earliest == payment.paid_at {
                    ProviderEvent::Paid { id, payment, money }
                } else {
                    ProviderEvent::Arrived { id, payment, earliest: Some(earliest), money }
                },
            ),
            Outcome::Unknown => WebhookEvent::ValueUnknown { id, kind, field: "status" },
            Outcome::InFlight { payment, money } => {
                money.map_or(impossible, |money| WebhookEvent::Report(ProviderEvent::Processing { id, payment, money }))
            }
            // The page stays as it is, and the customer may try again. Whether money in flight has failed is asked.
            Outcome::Open | Outcome::Failed { .. } if kind == "charge.failed" && transaction.has_failed() => {
                WebhookEvent::Report(ProviderEvent::AttemptFailed {
                    id,
                    report: attempt_of(reference, &transaction),
                    reason: transaction.gateway_response.as_deref().and_then(Reason::fitted),
                })
            }
            Outcome::Open | Outcome::Failed { .. } => WebhookEvent::Ignored(kind),
        })
    }

    /// Converts an event about a refund, by asking for the refunds of its transaction.
    async fn refund_event(&self, reference: Reference, kind: String) -> Result<WebhookEvent, ProviderError> {
        let id: PaymentRequestId = reference.id;
        let asked = within_budget(async {
            let Some(transaction) = self.verify(reference).await? else { return Ok(None) };
            let refunds = self.refunds_of(&transaction).await?;
            Ok(Some((transaction, refunds)))
        });
        let Some((transaction, refunds)) = asked.await? else { return Ok(WebhookEvent::Unrelated(kind)) };
        Ok(match kind.as_str() {
            "refund.processed" => {
                // What customers pay on top as a fee goes back too, and is no part of the request's amount.
                let is_whole = refunds.processed() >= transaction.amount;
                let money = if is_whole { transaction.money() } else { transaction.part(refunds.processed()) };
                match money {
                    _ if refunds.processed() == 0 => WebhookEvent::Ignored(kind),
                    Some(money) => {
                        let reference = reference.to_string();
                        WebhookEvent::Report(ProviderEvent::Refunded { id, reference, money })
                    }
                    None => WebhookEvent::ImpossibleMoney(id),
                }
            }
            // Another refund has taken its place.
            _ if refunds.taken() >= transaction.amount && !refunds.any_is(RefundStatus::NeedsAttention) => {
                WebhookEvent::Ignored(kind)
            }
            _ if refunds.any_is(RefundStatus::Failed) || refunds.any_is(RefundStatus::NeedsAttention) => {
                WebhookEvent::RefundFailed(id)
            }
            _ => WebhookEvent::Ignored(kind),
        })
    }
}
