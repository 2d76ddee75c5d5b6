//! The parts of Stripe's objects that are read, in the pinned version of its interface. Fields that nobody reads pass.

use super::NAME;
use super::currency::from_stripe;
use domain::{Money, Payment, PaymentRequestId, Timestamp};
use serde::Deserialize;

/// Something about a payment in one of Stripe's objects that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Senseless(pub(super) &'static str);

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

/// What we put on every object, so that whoever reads it knows whose it is.
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
    /// The sum, which is the provider's word and not what was asked for; none if nobody can have asked for it.
    ///
    /// # Errors
    /// There is no sum in it.
    pub(super) fn money(&self) -> Result<Option<Money>, Senseless> {
        let (Some(amount), Some(currency)) = (self.amount_total, &self.currency) else {
            return Err(Senseless("a session has no sum"));
        };
        Ok(from_stripe(amount, currency))
    }

    /// The identifier of its payment.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn payment_reference(&self) -> Result<&str, Senseless> {
        match &self.payment_intent {
            Some(Expandable::Id(id)) => Ok(id),
            Some(Expandable::Object(intent)) => Ok(&intent.id),
            None => Err(Senseless("a session has no payment")),
        }
    }
}

impl PaymentIntent {
    /// When the customer did their part: the time of the charge, and before there is one, that of the intent, which Checkout
    /// makes as the customer submits the payment.
    ///
    /// # Errors
    /// It is no time, or the charge was not expanded.
    pub(super) fn payment(&self) -> Result<Payment, Senseless> {
        let created = match &self.latest_charge {
            Some(Expandable::Object(charge)) => charge.created,
            Some(Expandable::Id(_)) => return Err(Senseless("the charge is not expanded")),
            None => self.created,
        };
        Ok(payment(&self.id, moment(created)?))
    }
}

/// A payment through Stripe.
pub(super) fn payment(reference: &str, paid_at: Timestamp) -> Payment {
    Payment { provider: NAME.to_owned(), reference: reference.to_owned(), paid_at }
}

/// A time of Stripe's, in whole seconds since the Unix epoch.
///
/// # Errors
/// Outside the years 1 to 9999.
pub(super) fn moment(seconds: i64) -> Result<Timestamp, Senseless> {
    let moment = seconds.checked_mul(1000).and_then(|milliseconds| Timestamp::from_milliseconds(milliseconds).ok());
    moment.ok_or(Senseless("a time is none"))
}
