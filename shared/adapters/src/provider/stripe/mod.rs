//! Stripe, by its hosted Checkout: card data never reaches chat2pay.
//!
//! A checkout is a Checkout Session, and a payment its Payment Intent. The metadata that we set on both identifies
//! their request.

mod client;
mod currency;
mod objects;
mod settings;
mod settlements;
mod webhook;

use self::client::{ApiRequest, ApiResponse, Client, REPEATED_AT_MOST, StripeError};
use self::objects::{Expandable, PaymentStatus, Session, SessionStatus, owner};
use self::settings::Account;
use super::answer::{InvalidResponse, Open};
use super::budget::within_budget;
use super::{MoneyRefusal, ProviderName};
use crate::endpoint::is_below;
use crate::json::FromObject;
use crate::trust::Trust;
use domain::event::{back_url, done_url};
use domain::ports::{Arrival, Checkout, CheckoutState, Closes, PaymentProvider, ProviderError, Refunding};
use domain::{CheckoutAttempt, CheckoutId, Doors, Money, Payment, PaymentRequest, PaymentRequestId, Status};
use http::{Method, StatusCode};
use runtime::json::{Object, Unreadable};
use runtime::{ConfigError, Environment};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

pub use self::webhook::StripeWebhooks;

/// The provider's name in a payment.
const NAME: &str = ProviderName::Stripe.as_str();

/// The time after our deadline at which a session that we could not close ends by itself. A request expires without
/// Stripe's confirmation at most ten minutes after the deadline. Its checkout may have been created in that very
/// moment, and Stripe demands at least 30 minutes from then on. Five more are for clocks that differ.
const BACKSTOP: Duration = Duration::from_mins(45);
/// The longest life of a session: Stripe's 24 hours, less the possible difference of the clocks.
const LONGEST_SESSION: Duration = Duration::from_mins(24 * 60 - 5);

/// The client of one Stripe account.
#[derive(Debug, Clone)]
pub struct Stripe {
    client: Client,
    /// The client of a request's first attempt to create a checkout.
    first_attempt: Client,
    checkout_origin: String,
}

struct CreatedSession {
    id: String,
    url: String,
}

impl FromObject for CreatedSession {
    fn from_object(session: &Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self { id: session.required("id")?, url: session.required("url")? })
    }
}

/// A refund (<https://docs.stripe.com/api/refunds/object>).
struct Refund {
    id: String,
    status: Open<RefundStatus>,
    pending_reason: Option<String>,
    owner: Option<PaymentRequestId>,
}

/// A refund's status (<https://docs.stripe.com/refunds#refund-statuses>).
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefundStatus {
    /// Stripe has accepted it; a webhook reports when it has succeeded or failed.
    Pending,
    /// Stripe has accepted it, and asks the customer for the destination of the money.
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
}

/// The refunds of a payment, newest first. One response holds all of them: a payment hardly ever has more than one.
struct Refunds(Vec<Refund>);

impl FromObject for Refund {
    fn from_object(refund: &Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            // An object without one is no refund, and says nothing of ours.
            id: refund.required("id")?,
            status: Open::of_field(refund, "status"),
            pending_reason: refund.optional("pending_reason"),
            owner: owner(refund),
        })
    }
}

impl FromObject for Refunds {
    fn from_object(list: &Object<'_>) -> Result<Self, Unreadable> {
        let refunds: Vec<&RawValue> = list.required("data")?;
        // One that cannot be read could be ours, and not be done.
        let read = |raw| Object::of(raw).ok_or_else(|| Unreadable::new("a refund is not an object"));
        refunds.into_iter().map(|raw| Refund::from_object(&read(raw)?)).collect::<Result<_, _>>().map(Self)
    }
}

impl Refund {
    /// Returns the refund's outcome; `None` if it has failed or was canceled.
    fn outcome(&self) -> Option<Refunding> {
        let Open::Known(status) = self.status else { return Some(Refunding::StatusUnknown) };
        match status {
            RefundStatus::Succeeded => Some(Refunding::Done),
            // The balance does not cover it (https://docs.stripe.com/changelog/basil/2025-04-30/refund-pending-reason).
            RefundStatus::Pending if self.pending_reason.as_deref() == Some("insufficient_funds") => {
                Some(Refunding::WaitsForFunds)
            }
            RefundStatus::Pending | RefundStatus::RequiresAction => Some(Refunding::UnderWay),
            RefundStatus::Failed | RefundStatus::Canceled => None,
        }
    }
}

/// Checks that Stripe accepts an amount.
///
/// # Errors
/// Stripe does not accept it.
pub(super) fn check(money: Money) -> Result<(), MoneyRefusal> {
    currency::to_stripe(money)?;
    Ok(())
}

impl Stripe {
    /// Builds the client from the environment.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self::new(Account::from_environment(environment)?, &Trust::of(environment)?, environment.doors()))
    }

    /// Builds the client of this account.
    fn new(account: Account, trust: &Arc<Trust>, doors: Doors) -> Self {
        let Account { keys, mode, api_url, checkout_origin } = account;
        let client = Client::new(keys, mode, api_url, trust, doors);
        Self { first_attempt: client.clone(), client, checkout_origin }
    }

    /// See [`ConfiguredProvider::for_presses`](super::ConfiguredProvider::for_presses).
    pub(super) fn for_presses(self) -> Self {
        Self { client: self.client.without_retries(), ..self }
    }

    pub(super) fn checkout_origin(&self) -> &str {
        &self.checkout_origin
    }

    async fn read<T: FromObject>(&self, path: String) -> Result<T, StripeError> {
        let request = ApiRequest { method: Method::GET, path, parameters: Vec::new(), idempotency_key: None };
        Ok(self.client.send(&request).await?.object)
    }

    async fn read_session(&self, id: &str) -> Result<Session, StripeError> {
        self.read(format!("/v1/checkout/sessions/{id}?expand%5B%5D=payment_intent.latest_charge")).await
    }

    /// Returns the outcome for a payment that is already refunded: the state of our own refund if there is one,
    /// otherwise done. Another refund was made by a person, who is responsible for it.
    async fn refunded_already(&self, request: PaymentRequestId, payment: &Payment) -> Result<Refunding, ProviderError> {
        let Refunds(refunds) = self.read(format!("/v1/refunds?limit=100&payment_intent={}", payment.reference)).await?;
        let ours = refunds.iter().filter(|refund| refund.owner == Some(request));
        Ok(ours.filter_map(Refund::outcome).find(|outcome| *outcome != Refunding::Done).unwrap_or(Refunding::Done))
    }
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn closes(&self) -> Closes {
        Closes::OnDemand
    }

    fn repeats_pages(&self) -> bool {
        true
    }

    async fn create_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempt: CheckoutAttempt,
    ) -> Result<Checkout, ProviderError> {
        let client = if attempt == CheckoutAttempt::FIRST { &self.first_attempt } else { &self.client };
        let parameters = session_parameters(request, &back_url(link), &done_url(link))?;
        let created: CreatedSession = within_budget(async {
            let mut call = ApiRequest {
                method: Method::POST,
                path: "/v1/checkout/sessions".to_owned(),
                parameters,
                idempotency_key: Some(request.id.to_string()),
            };
            let mut sent = client.send(&call).await;
            // The session was created by release 0.1, which sent other parameters under this key. Stripe returns it for
            // those alone. Remove this a day after 0.1 is gone: Stripe then knows none of its keys any more.
            if matches!(&sent, Err(StripeError::Refused(error)) if error.has_other_parameters()) {
                call.parameters = session_parameters(request, link, link)?;
                sent = client.send(&call).await;
            }
            match sent {
                Ok(created) => Ok(created.object),
                // The account is paid out in another currency, whose limits only Stripe knows.
                Err(StripeError::Refused(error))
                    if error.has_code("amount_too_small")
                        || error.has_code("amount_too_large")
                        // The session would have to end too soon. One that exists is returned before this is checked.
                        || error.is_about("expires_at") =>
                {
                    Err(ProviderError::AmountNotAccepted(StripeError::Refused(error).into()))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        if !is_identifier(&created.id) {
            return Err(invalid_response("a session's identifier has another form"));
        }
        // The customer's button must not lead anywhere else.
        if !is_below(&created.url, &self.checkout_origin) {
            return Err(invalid_response("a session's address is not below STRIPE_CHECKOUT_ORIGIN"));
        }
        Ok(Checkout { id: CheckoutId(created.id), url: created.url })
    }

    async fn find_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempts: CheckoutAttempt,
        known: Option<CheckoutId>,
    ) -> Result<Option<CheckoutId>, ProviderError> {
        match known {
            Some(known) => Ok(Some(known)),
            None => self.create_checkout(request, link, attempts).await.map(|created| Some(created.id)),
        }
    }

    async fn check_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        let id = identifier_of(checkout)?;
        within_budget(async {
            let session = self.read_session(id).await?;
            match session.status {
                Open::Known(SessionStatus::Open) => Ok(CheckoutState::Open),
                Open::Known(SessionStatus::Expired) => Ok(CheckoutState::Closed),
                Open::Known(SessionStatus::Complete) => completed(&session),
                Open::Unknown => Err(invalid_response("a session has an unknown status")),
            }
        })
        .await
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        let id = identifier_of(checkout)?;
        within_budget(async {
            let path = format!("/v1/checkout/sessions/{id}/expire");
            // No idempotency key: under one, Stripe would repeat its first rejection for as long as it remembers the
            // key.
            let call = ApiRequest { method: Method::POST, path, parameters: Vec::new(), idempotency_key: None };
            match self.client.send::<Session>(&call).await {
                Ok(session) if session.object.status == Open::Known(SessionStatus::Expired) => {
                    Ok(CheckoutState::Closed)
                }
                Ok(_) => Err(invalid_response("a session that was to expire has not")),
                // Only an open session can be expired. For any other its state decides: our own call may have expired
                // it, and its response was lost.
                Err(StripeError::Refused(error)) if error.status == StatusCode::BAD_REQUEST => {
                    let session = self.read_session(id).await?;
                    match session.status {
                        Open::Known(SessionStatus::Open) => Err(StripeError::Refused(error).into()),
                        Open::Known(SessionStatus::Expired) => Ok(CheckoutState::Closed),
                        Open::Known(SessionStatus::Complete) => completed(&session),
                        Open::Unknown => Err(invalid_response("a session has an unknown status")),
                    }
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Refunds a payment once. For a day, Stripe repeats its response to an idempotency key, even after the refund has
    /// failed. So a repeated response is followed by a read of the refund. A failed refund is requested again, under a
    /// key derived from its identifier, so that every retry uses the same key.
    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
        if !is_identifier(&payment.reference) {
            return Err(ProviderError::Refused("the payment is not one of Stripe's".into()));
        }
        within_budget(async {
            // A second payment of a request is refunded beside the first.
            let first = if request.is_paid_by_another(payment) {
                format!("{}:refund:{}", request.id, payment.reference)
            } else {
                format!("{}:refund", request.id)
            };
            let mut idempotency_key = first.clone();
            for _ in 0..REPEATED_AT_MOST {
                let call = ApiRequest {
                    method: Method::POST,
                    path: "/v1/refunds".to_owned(),
                    // No amount: Stripe then refunds the rest that no person has refunded yet.
                    parameters: vec![
                        ("payment_intent", payment.reference.clone()),
                        ("metadata[payment_request_id]", request.id.to_string()),
                    ],
                    idempotency_key: Some(idempotency_key.clone()),
                };
                let refund = match self.client.send::<Refund>(&call).await {
                    Ok(ApiResponse { object, is_repeated: false }) => {
                        let failed = || ProviderError::Refused("the refund failed or was canceled".into());
                        return object.outcome().ok_or_else(failed);
                    }
                    Ok(ApiResponse { object, .. }) if !is_identifier(&object.id) => {
                        return Err(invalid_response("a refund's identifier has another form"));
                    }
                    Ok(ApiResponse { object, .. }) => self.read::<Refund>(format!("/v1/refunds/{}", object.id)).await?,
                    Err(StripeError::Refused(error)) if error.has_code("charge_already_refunded") => {
                        return self.refunded_already(request.id, payment).await;
                    }
                    Err(error) => return Err(error.into()),
                };
                if let Some(outcome) = refund.outcome() {
                    return Ok(outcome);
                }
                idempotency_key = format!("{first}:{}", refund.id);
            }
            Err(ProviderError::Refused("every refund so far has failed or was canceled".into()))
        })
        .await
    }
}

/// Builds the parameters of a session. They are always the same for one request, because Stripe rejects other
/// parameters under the same idempotency key.
fn session_parameters(
    request: &PaymentRequest,
    cancel_url: &str,
    success_url: &str,
) -> Result<Vec<(&'static str, String)>, ProviderError> {
    let details = &request.details;
    // This fails for a request that was created with another provider, or under earlier limits of Stripe.
    let amount = currency::to_stripe(details.money)
        .map_err(|refusal| ProviderError::AmountNotAccepted(format!("{refusal:?}").into()))?;
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
        // The customer pays the requested amount, not its equivalent in another currency.
        ("adaptive_pricing[enabled]", "false".to_owned()),
        ("success_url", success_url.to_owned()),
        ("cancel_url", cancel_url.to_owned()),
    ];
    if let Some(description) = &details.description {
        parameters.push(("line_items[0][price_data][product_data][description]", description.as_str().to_owned()));
    }
    parameters.extend(expires_at(request).map(|seconds| ("expires_at", seconds.to_string())));
    Ok(parameters)
}

/// Returns when a session ends if we never close it, in seconds since the Unix epoch. Returns `None` if Stripe accepts
/// no such time; the session then ends 24 hours after its creation.
fn expires_at(request: &PaymentRequest) -> Option<i64> {
    let clicked = request.history.iter().find(|entry| entry.status == Status::Clicked)?;
    let end = request.deadline.saturating_add(BACKSTOP);
    (end <= clicked.at.saturating_add(LONGEST_SESSION)).then(|| end.as_seconds_ceiling())
}

/// Returns the outcome of a session in which the customer has done their part.
fn completed(session: &Session) -> Result<CheckoutState, ProviderError> {
    let Some(Expandable::Object(intent)) = &session.payment_intent else {
        return Err(invalid_response("the payment is not expanded"));
    };
    let Open::Known(payment_status) = session.payment_status else {
        return Err(invalid_response("a session has an unknown payment status"));
    };
    let paid = match (payment_status, intent.status.as_deref()) {
        (PaymentStatus::Paid, _) | (PaymentStatus::Unpaid, Some("succeeded")) => true,
        // The payment has failed, and nobody can try another one in this session.
        (PaymentStatus::Unpaid, Some("requires_payment_method" | "canceled")) => {
            return Ok(CheckoutState::Failed { references: vec![intent.id.clone()] });
        }
        (PaymentStatus::Unpaid, _) => false,
        (PaymentStatus::NoPaymentRequired, _) => return Err(invalid_response("a session wants no payment")),
    };
    let money = session.money()?.ok_or(InvalidResponse("a session's amount cannot have been requested"))?;
    let payment = intent.payment()?;
    Ok(if paid {
        CheckoutState::Paid(vec![Arrival::at_its_time(payment, money)])
    } else {
        CheckoutState::Processing { payment, money }
    })
}

/// Returns the identifier of a checkout's session.
///
/// # Errors
/// The checkout was created at another provider.
fn identifier_of(checkout: &CheckoutId) -> Result<&str, ProviderError> {
    let CheckoutId(id) = checkout;
    if is_identifier(id) { Ok(id) } else { Err(ProviderError::Refused("the checkout is not one of Stripe's".into())) }
}

/// Returns whether a text has the form of a Stripe identifier, so that it is safe in a path and in the table.
fn is_identifier(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn invalid_response(what: &'static str) -> ProviderError {
    InvalidResponse(what).into()
}

#[cfg(test)]
mod tests;
