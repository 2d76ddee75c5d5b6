//! The parsed parts of Stripe's objects, in the pinned API version. Unused fields are ignored.

use super::NAME;
use super::currency::from_stripe;
use crate::json::FromObject;
use crate::provider::answer::{InvalidResponse, Open};
use domain::{Money, Payment, PaymentRequestId, Timestamp};
use runtime::json::{Object, Unreadable};
use serde::Deserialize;

/// A field that holds another object, or only its identifier.
#[derive(Debug)]
pub(super) enum Expandable<T> {
    Id(String),
    Object(T),
}

impl<T: FromObject> Expandable<T> {
    /// Reads a field; `None` if it is missing or null.
    ///
    /// # Errors
    /// The field holds neither an identifier nor a `T`.
    fn of_field(object: &Object<'_>, name: &'static str) -> Result<Option<Self>, Unreadable> {
        match (object.object(name), object.raw(name)) {
            (Some(expanded), _) => Ok(Some(Self::Object(T::from_object(&expanded)?))),
            (None, Some(_)) => Ok(Some(Self::Id(object.required(name)?))),
            (None, None) => Ok(None),
        }
    }
}

/// A Checkout Session (<https://docs.stripe.com/api/checkout/sessions/object>).
#[derive(Debug)]
pub(super) struct Session {
    pub(super) status: Open<SessionStatus>,
    pub(super) payment_status: Open<PaymentStatus>,
    amount_total: Option<i64>,
    currency: Option<String>,
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

impl FromObject for Session {
    fn from_object(session: &Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            status: Open::of_field(session, "status"),
            payment_status: Open::of_field(session, "payment_status"),
            amount_total: session.optional("amount_total"),
            currency: session.optional("currency"),
            payment_intent: Expandable::of_field(session, "payment_intent")?,
        })
    }
}

/// A Payment Intent (<https://docs.stripe.com/api/payment_intents/object>).
#[derive(Debug)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    /// Its status, if it is a text.
    pub(super) status: Option<String>,
    created: Option<i64>,
    latest_charge: Option<Expandable<Charge>>,
}

impl FromObject for PaymentIntent {
    fn from_object(intent: &Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: intent.required("id")?,
            status: intent.optional("status"),
            created: intent.optional("created"),
            latest_charge: Expandable::of_field(intent, "latest_charge")?,
        })
    }
}

/// A Charge (<https://docs.stripe.com/api/charges/object>).
#[derive(Debug)]
pub(super) struct Charge {
    created: i64,
}

impl FromObject for Charge {
    fn from_object(charge: &Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self { created: charge.required("created")? })
    }
}

/// Returns the request that an object belongs to, by the metadata that we set on every object; `None` if it is not one
/// of ours. Other systems may use the same account, and their objects may have any structure.
pub(super) fn owner(object: &Object<'_>) -> Option<PaymentRequestId> {
    object.object("metadata")?.optional::<String>("payment_request_id")?.parse().ok()
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
            Some(Expandable::Object(charge)) => Some(charge.created),
            Some(Expandable::Id(_)) => return Err(InvalidResponse("the charge is not expanded")),
            None => self.created,
        };
        let created = created.ok_or(InvalidResponse("a payment has no time"))?;
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
