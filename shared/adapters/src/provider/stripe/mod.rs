//! Stripe, by its hosted Checkout: card data never comes near us.
//!
//! A checkout is a Checkout Session, a payment its Payment Intent. Whose they are is in the metadata that we put on both.

mod client;
mod currency;
mod objects;
mod settings;
mod webhook;

use self::client::{Call, Client, StripeError};
use self::objects::{Expandable, PaymentStatus, Senseless, Session, SessionStatus};
use super::MoneyRefusal;
use domain::ports::{Checkout, Closing, PaymentProvider, ProviderError};
use domain::{CheckoutId, Money, Payment, PaymentRequest, Status};
use http::{Method, StatusCode};
use runtime::{ConfigError, Environment};
use serde::Deserialize;
use std::time::Duration;

pub use self::webhook::StripeWebhooks;

/// Its name, in its webhooks' address and in a payment's `provider`.
pub(super) const NAME: &str = "stripe";

/// How long after our deadline a session that we could not close ends by itself. Ten minutes after the deadline a request is
/// ended without Stripe's word at the latest, its checkout possibly made in that very moment, and Stripe wants at least 30
/// minutes from then on; five more are for clocks that differ.
const BACKSTOP: Duration = Duration::from_mins(45);
/// A session lasts 24 hours at most, less what clocks may differ by.
const LONGEST_SESSION: Duration = Duration::from_mins(24 * 60 - 5);

/// A client of Stripe.
#[derive(Debug, Clone)]
pub struct Stripe {
    client: Client,
    checkout_origin: String,
}

#[derive(Deserialize)]
struct CreatedSession {
    id: String,
    url: String,
}

#[derive(Deserialize)]
struct Refund {
    status: RefundStatus,
}

/// <https://docs.stripe.com/refunds#refund-statuses>
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefundStatus {
    /// Stripe has taken it on. Should it fail later, a webhook says so.
    Pending,
    /// Stripe has taken it on, and asks the customer where the money shall go.
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
}

/// Checks that Stripe takes an amount.
///
/// # Errors
/// It does not.
pub(super) fn check(money: Money) -> Result<(), MoneyRefusal> {
    currency::to_stripe(money)?;
    Ok(())
}

impl Stripe {
    /// The account of `STRIPE_SECRET_KEY`, or of the secret at `STRIPE_SECRET_KEY_ARN`, in the mode that `STRIPE_LIVEMODE`
    /// says. `STRIPE_API_URL` and `STRIPE_CHECKOUT_ORIGIN` are Stripe's own unless they are set.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { client: Client::new(environment)?, checkout_origin: settings::checkout_origin(environment)? })
    }

    pub(super) fn checkout_origin(&self) -> &str {
        &self.checkout_origin
    }

    /// Whether customers may be sent there: nobody but Stripe may be behind the button.
    fn leads_to_checkout(&self, url: &str) -> bool {
        url.parse::<url::Url>().is_ok_and(|url| {
            url.origin().ascii_serialization() == self.checkout_origin
                && url.username().is_empty()
                && url.password().is_none()
        })
    }

    async fn read_session(&self, id: &str) -> Result<Session, StripeError> {
        let path = format!("/v1/checkout/sessions/{id}?expand%5B%5D=payment_intent.latest_charge");
        self.client.send(&Call { method: Method::GET, path, parameters: Vec::new(), idempotency_key: None }).await
    }
}

impl PaymentProvider for Stripe {
    async fn create_checkout(&self, request: &PaymentRequest, return_url: &str) -> Result<Checkout, ProviderError> {
        let parameters = session_parameters(request, return_url)?;
        let created: CreatedSession = Client::within_budget(async {
            let call = Call {
                method: Method::POST,
                path: "/v1/checkout/sessions".to_owned(),
                parameters,
                idempotency_key: Some(request.id.to_string()),
            };
            Ok(self.client.send(&call).await?)
        })
        .await?;
        if !is_identifier(&created.id) {
            return Err(senseless("a session's identifier is none"));
        }
        if !self.leads_to_checkout(&created.url) {
            return Err(senseless("a session's address is not below STRIPE_CHECKOUT_ORIGIN"));
        }
        Ok(Checkout { id: CheckoutId(created.id), url: created.url })
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<Closing, ProviderError> {
        let id = checkout.0.as_str();
        if !is_identifier(id) {
            return Err(ProviderError::Refused("the checkout is none of Stripe's".into()));
        }
        Client::within_budget(async {
            let path = format!("/v1/checkout/sessions/{id}/expire");
            // Under an idempotency key, Stripe would repeat its first refusal for as long as it remembers the key.
            let call = Call { method: Method::POST, path, parameters: Vec::new(), idempotency_key: None };
            match self.client.send::<Session>(&call).await {
                Ok(session) if session.status == SessionStatus::Expired => Ok(Closing::Closed),
                Ok(_) => Err(senseless("a session that was to expire has not")),
                // Only an open session expires. Which state another one is in decides: the expiry may have been ours, its
                // answer lost.
                Err(StripeError::Refused(refusal)) if refusal.status == StatusCode::BAD_REQUEST => {
                    let session = self.read_session(id).await?;
                    match session.status {
                        SessionStatus::Open => Err(StripeError::Refused(refusal).into()),
                        SessionStatus::Expired => Ok(Closing::Closed),
                        SessionStatus::Complete => completed(&session),
                    }
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<(), ProviderError> {
        Client::within_budget(async {
            let call = Call {
                method: Method::POST,
                path: "/v1/refunds".to_owned(),
                // Without an amount: whatever of it a person has not sent back yet.
                parameters: vec![
                    ("payment_intent", payment.reference.clone()),
                    ("metadata[payment_request_id]", request.id.to_string()),
                ],
                idempotency_key: Some(format!("{}:refund", request.id)),
            };
            match self.client.send::<Refund>(&call).await {
                Ok(Refund { status: RefundStatus::Failed | RefundStatus::Canceled }) => {
                    Err(ProviderError::Refused("the refund failed or was canceled".into()))
                }
                Ok(_) => Ok(()),
                Err(StripeError::Refused(refusal)) if refusal.has_code("charge_already_refunded") => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }
}

/// The parameters of a session, the same however often they are asked for: under one idempotency key Stripe refuses others
/// than the first.
fn session_parameters(
    request: &PaymentRequest,
    return_url: &str,
) -> Result<Vec<(&'static str, String)>, ProviderError> {
    let details = &request.details;
    // Such a request was made before the provider was Stripe, or its rules have changed.
    let amount = currency::to_stripe(details.money)
        .map_err(|refusal| ProviderError::Refused(format!("Stripe takes no such payment: {refusal:?}").into()))?;
    let mut parameters = vec![
        ("mode", "payment".to_owned()),
        ("locale", "auto".to_owned()),
        ("client_reference_id", request.id.to_string()),
        ("metadata[payment_request_id]", request.id.to_string()),
        ("payment_intent_data[metadata][payment_request_id]", request.id.to_string()),
        ("line_items[0][quantity]", "1".to_owned()),
        ("line_items[0][price_data][currency]", details.money.currency.code().to_ascii_lowercase()),
        ("line_items[0][price_data][unit_amount]", amount.to_string()),
        ("line_items[0][price_data][product_data][name]", format!("Order {}", details.order_number.as_str())),
        // The customer pays what the agent asked for, not its worth in another currency.
        ("adaptive_pricing[enabled]", "false".to_owned()),
        ("success_url", return_url.to_owned()),
        ("cancel_url", return_url.to_owned()),
    ];
    if let Some(description) = &details.description {
        parameters.push(("line_items[0][price_data][product_data][description]", description.as_str().to_owned()));
    }
    parameters.extend(expires_at(request).map(|seconds| ("expires_at", seconds.to_string())));
    Ok(parameters)
}

/// When a session ends if we never close it, in seconds since the Unix epoch; none where Stripe takes no such time, and then
/// it is 24 hours after the session was made.
fn expires_at(request: &PaymentRequest) -> Option<i64> {
    let clicked = request.history.iter().find(|entry| entry.status == Status::Clicked)?;
    let end = request.deadline.plus(BACKSTOP);
    (end <= clicked.at.plus(LONGEST_SESSION)).then(|| end.as_seconds_ceiling())
}

/// What came of a session in which the customer has done their part.
fn completed(session: &Session) -> Result<Closing, ProviderError> {
    let Some(Expandable::Object(intent)) = &session.payment_intent else {
        return Err(senseless("the payment is not expanded"));
    };
    let paid = match (session.payment_status, intent.status.as_str()) {
        (PaymentStatus::Paid, _) | (PaymentStatus::Unpaid, "succeeded") => true,
        // The payment has failed, and nobody can try another one in this session.
        (PaymentStatus::Unpaid, "requires_payment_method" | "canceled") => return Ok(Closing::Closed),
        (PaymentStatus::Unpaid, _) => false,
        (PaymentStatus::NoPaymentRequired, _) => return Err(senseless("a session wants no payment")),
    };
    let money = session.money()?.ok_or(Senseless("a session's sum is none"))?;
    let payment = intent.payment()?;
    Ok(if paid { Closing::Paid { payment, money } } else { Closing::Processing { payment, money } })
}

/// Whether a text is an identifier of Stripe's, which can stand in a path and in the table.
fn is_identifier(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn senseless(what: &'static str) -> ProviderError {
    Senseless(what).into()
}

impl From<Senseless> for ProviderError {
    fn from(error: Senseless) -> Self {
        Self::Unreadable(error.into())
    }
}

#[cfg(test)]
mod tests;
