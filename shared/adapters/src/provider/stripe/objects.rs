//! The parsed parts of Stripe's objects, in the pinned API version. Unused fields are ignored.

use super::NAME;
use super::currency::from_stripe;
use domain::{Money, Payment, PaymentRequestId, Timestamp};
use serde::Deserialize;

/// The error for an object of Stripe's that has the documented form, but contradicts the request or itself.
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

/// The metadata that we set on every object, which identifies its request.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    payment_request_id: Option<String>,
}

impl Metadata {
    /// Returns the request that the object belongs to; `None` if it is not one of ours.
    pub(super) fn owner(&self) -> Option<PaymentRequestId> {
        self.payment_request_id.as_ref()?.parse().ok()
    }
}

impl Session {
    /// Returns the amount as Stripe reports it, not as it was requested; `None` if no request can have asked for it.
    ///
    /// # Errors
    /// The object has no amount.
    pub(super) fn money(&self) -> Result<Option<Money>, InvalidResponse> {
        let (Some(amount), Some(currency)) = (self.amount_total, &self.currency) else {
            return Err(InvalidResponse("a session has no amount"));
        };
        Ok(from_stripe(amount, currency))
    }

    /// Returns the identifier of the session's payment.
    ///
    /// # Errors
    /// The session has no payment.
    pub(super) fn payment_reference(&self) -> Result<&str, InvalidResponse> {
        match &self.payment_intent {
            Some(Expandable::Id(id)) => Ok(id),
            Some(Expandable::Object(intent)) => Ok(&intent.id),
            None => Err(InvalidResponse("a session has no payment")),
        }
    }
}

impl PaymentIntent {
    /// Returns the payment, with the time at which the customer did their part. This is the time of the charge. Before
    /// there is a charge, it is that of the intent, which Checkout creates when the customer submits the payment.
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

/// Builds a payment by Stripe.
pub(super) fn payment(reference: &str, paid_at: Timestamp) -> Payment {
    Payment { provider: NAME.to_owned(), reference: reference.to_owned(), paid_at }
}

/// Converts a time from Stripe, in whole seconds since the Unix epoch.
///
/// # Errors
/// The time is outside of the years 1 to 9999.
pub(super) fn moment(seconds: i64) -> Result<Timestamp, InvalidResponse> {
    let moment = seconds.checked_mul(1000).and_then(|milliseconds| Timestamp::from_milliseconds(milliseconds).ok());
    moment.ok_or(InvalidResponse("a time is outside the years 1 to 9999"))
}
