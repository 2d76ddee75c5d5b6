//! The parts of Stripe's objects that are read, in the pinned version of its interface. Fields that nobody reads pass.

use super::NAME;
use super::currency::from_stripe;
use domain::{Money, Payment, PaymentRequestId, Timestamp};
use serde::Deserialize;

/// What is invalid about one of Stripe's objects: it has the documented form, but contradicts what was asked for or
/// itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidResponse(pub(super) &'static str);

/// A field that holds another object, or only its identifier.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable<T> {
    Id(String),
    Object(T),
}

/// A Checkout Session (<https://docs.stripe.com/api/checkout/sessions/object>).
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub(super) status: SessionStatus,
    pub(super) payment_status: PaymentStatus,
    pub(super) amount_total: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) payment_intent: Option<Expandable<PaymentIntent>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionStatus {
    Open,
    Complete,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentStatus {
    Paid,
    Unpaid,
    NoPaymentRequired,
}

/// A Payment Intent (<https://docs.stripe.com/api/payment_intents/object>).
#[derive(Debug, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) status: String,
    created: i64,
    latest_charge: Option<Expandable<Charge>>,
}

/// A Charge (<https://docs.stripe.com/api/charges/object>).
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    created: i64,
}

/// What we put on every object, which says which request it belongs to.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    payment_request_id: Option<String>,
}

impl Metadata {
    /// The request that the object belongs to.
    pub(super) fn owner(&self) -> Option<PaymentRequestId> {
        self.payment_request_id.as_ref()?.parse().ok()
    }
}

impl Session {
    /// The sum, as Stripe reports it and not as it was asked for; none if nobody can have asked for it.
    ///
    /// # Errors
    /// There is no sum in it.
    pub(super) fn money(&self) -> Result<Option<Money>, InvalidResponse> {
        let (Some(amount), Some(currency)) = (self.amount_total, &self.currency) else {
            return Err(InvalidResponse("a session has no sum"));
        };
        Ok(from_stripe(amount, currency))
    }

    /// The identifier of its payment.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn payment_reference(&self) -> Result<&str, InvalidResponse> {
        match &self.payment_intent {
            Some(Expandable::Id(id)) => Ok(id),
            Some(Expandable::Object(intent)) => Ok(&intent.id),
            None => Err(InvalidResponse("a session has no payment")),
        }
    }
}

impl PaymentIntent {
    /// The payment, at the time when the customer did their part: that of the charge, and before there is one, that of
    /// the intent, which Checkout makes as the customer submits the payment.
    ///
    /// # Errors
    /// The time is out of bounds, or the charge was not expanded.
    pub(super) fn payment(&self) -> Result<Payment, InvalidResponse> {
        let created = match &self.latest_charge {
            Some(Expandable::Object(charge)) => charge.created,
            Some(Expandable::Id(_)) => return Err(InvalidResponse("the charge is not expanded")),
            None => self.created,
        };
        Ok(payment(&self.id, moment(created)?))
    }
}

/// Builds a payment through Stripe.
pub(super) fn payment(reference: &str, paid_at: Timestamp) -> Payment {
    Payment { provider: NAME.to_owned(), reference: reference.to_owned(), paid_at }
}

/// Converts a time of Stripe's, in whole seconds since the Unix epoch.
///
/// # Errors
/// Outside the years 1 to 9999.
pub(super) fn moment(seconds: i64) -> Result<Timestamp, InvalidResponse> {
    let moment = seconds.checked_mul(1000).and_then(|milliseconds| Timestamp::from_milliseconds(milliseconds).ok());
    moment.ok_or(InvalidResponse("a time is outside the years 1 to 9999"))
}
