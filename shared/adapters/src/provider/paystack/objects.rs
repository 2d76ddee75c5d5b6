//! The parsed parts of Paystack's objects. Unused fields are ignored.

use super::NAME;
use super::currency::from_paystack;
use super::reference::Reference;
use crate::json::FromObject;
use crate::provider::answer::{InvalidResponse, Open};
use crate::provider::mode::Mode;
use domain::{Money, Payment, PaymentRequestId, Timestamp};
use runtime::json::{Document, Object, Unreadable};
use serde::Deserialize;

/// Returns the mode of an object from its field `domain`; `None` if this version does not know the value.
pub(super) fn mode_of_domain(domain: &str) -> Option<Mode> {
    match domain {
        "live" => Some(Mode::Live),
        "test" => Some(Mode::Test),
        _ => None,
    }
}

/// A transaction's status (<https://paystack.com/docs/payments/verify-payments/#transaction-statuses>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TransactionStatus {
    /// The customer has not completed the payment, and may do so later.
    Abandoned,
    /// The customer is being asked for something, such as a code or the transfer itself.
    Ongoing,
    /// The customer has done their part, and the payment is in progress.
    Pending,
    /// The same, for a direct debit.
    Processing,
    /// The same, for a charge that Paystack makes later.
    Queued,
    /// The payment has failed.
    Failed,
    /// The money has arrived.
    Success,
    /// The money had arrived, and has gone back.
    Reversed,
    /// The money had arrived, and is going back: a refund is pending
    /// (<https://support.paystack.com/en/articles/2130434>).
    ReversalPending,
}

/// What has become of a transaction's money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nobody has paid, and the customer still may.
    Open,
    /// The money has arrived. It may have gone back since.
    Paid {
        payment: Payment,
        /// The earliest time at which the customer can have done their part; the payment's own if that is exact.
        earliest: Timestamp,
        /// `None` if no request can have asked for it.
        money: Option<Money>,
    },
    /// The customer has done their part, and the money is in flight.
    InFlight { payment: Payment, money: Option<Money> },
    /// The customer had done their part, and the money will not come. They may try again on the page.
    Failed { reference: String },
    /// A status or a mode that this version does not know, or a payment that is older than its page.
    Unknown,
}

/// A transaction (`VerifyResponse` in <https://github.com/PaystackOSS/openapi>).
#[derive(Debug)]
pub(super) struct Transaction {
    /// Paystack's own identifier, by which it lists a transaction's refunds and disputes.
    pub(super) number: u64,
    /// The reference, if it is one of ours.
    pub(super) reference: Option<Reference>,
    /// The request in the metadata that we set.
    owner: Option<PaymentRequestId>,
    mode: Option<Open<Mode>>,
    pub(super) status: Open<TransactionStatus>,
    /// What the customer was charged, in hundredths.
    pub(super) amount: i64,
    /// What was asked for. Where the account lets customers bear Paystack's fee, they are charged more.
    requested: Option<i64>,
    pub(super) currency: String,
    channel: Option<String>,
    pub(super) fees: Option<i64>,
    paid_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
    /// The processor's words on the outcome, such as "Declined".
    pub(super) gateway_response: Option<String>,
    /// How often the customer has tried to pay.
    pub(super) attempts: Option<u32>,
}

impl FromObject for Transaction {
    fn from_object(transaction: &Object<'_>) -> Result<Self, Unreadable> {
        let moment = |name: &'static str| transaction.optional::<String>(name)?.parse().ok();
        Ok(Self {
            number: transaction.required("id")?,
            reference: Reference::parse(&transaction.required::<String>("reference")?),
            owner: owner(transaction),
            mode: transaction
                .optional::<String>("domain")
                .as_deref()
                .map(|domain| mode_of_domain(domain).map_or(Open::Unknown, Open::Known)),
            status: Open::of_field(transaction, "status"),
            amount: transaction.required("amount")?,
            requested: transaction.optional("requested_amount").filter(|amount| *amount > 0),
            currency: transaction.required("currency")?,
            channel: transaction.optional("channel"),
            fees: transaction.optional("fees"),
            paid_at: moment("paid_at").or_else(|| moment("paidAt")),
            created_at: moment("created_at").or_else(|| moment("createdAt")),
            gateway_response: transaction.optional("gateway_response"),
            attempts: transaction.object("log").and_then(|log| log.optional("attempts")),
        })
    }
}

/// Returns the request in the metadata that we set. Paystack returns metadata as an object, or as the text of one.
fn owner(transaction: &Object<'_>) -> Option<PaymentRequestId> {
    let of = |metadata: &Object<'_>| metadata.optional::<String>("payment_request_id")?.parse().ok();
    match transaction.object("metadata") {
        Some(metadata) => of(&metadata),
        None => of(&Document::new(transaction.optional::<String>("metadata")?.as_bytes()).object().ok()?),
    }
}

impl Transaction {
    /// Returns the reference, if the transaction is one that we have created: both its reference and its metadata name
    /// the same request. Other systems may use the same account, with references of any form.
    pub(super) fn ours(&self) -> Option<Reference> {
        self.reference.filter(|reference| self.owner == Some(reference.id))
    }

    /// Returns whether the transaction belongs to this mode, as far as that can be read.
    pub(super) fn is_of(&self, mode: Mode) -> bool {
        !matches!(&self.mode, Some(Open::Known(own)) if *own != mode)
    }

    /// Returns the amount that the customer paid for the request, as Paystack reports it and not as we requested it. A
    /// fee that the customer bears on top is no part of it. Returns `None` if no request can have asked for it.
    pub(super) fn money(&self) -> Option<Money> {
        from_paystack(self.requested.unwrap_or(self.amount).min(self.amount), &self.currency)
    }

    /// Returns a part of the payment's amount; `None` if it cannot be one of the request's.
    pub(super) fn part(&self, units: i64) -> Option<Money> {
        from_paystack(units.min(self.requested.unwrap_or(self.amount)), &self.currency)
    }

    /// Returns the time of the payment, which is only there once the money has arrived.
    pub(super) fn paid_at(&self) -> Option<Timestamp> {
        self.paid_at
    }

    /// Returns whether the last attempt to pay has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.status == Open::Known(TransactionStatus::Failed)
    }

    /// Returns whether the payment is by a card, whose outcome is there within seconds, and which the customer may
    /// replace by another one on the same page. The money of every other method may take time.
    fn is_by_card(&self) -> bool {
        matches!(self.channel.as_deref(), Some("card" | "apple_pay"))
    }

    /// Returns what has become of the transaction's money.
    ///
    /// The time of a payment by card is Paystack's `paid_at`. Any other payment has arrived then, and Paystack does not
    /// say when the customer did their part; it was after the page was created. So a payment in flight counts as in
    /// time if its page was created in time, and if nobody saw the page unpaid at the deadline
    /// ([`Fact::UnpaidAtDeadline`](domain::Fact::UnpaidAtDeadline)).
    ///
    /// # Errors
    /// A time is missing.
    pub(super) fn outcome(&self, reference: Reference) -> Result<Outcome, InvalidResponse> {
        use TransactionStatus as Status;
        let payment = |time: Option<Timestamp>| {
            let paid_at = time.ok_or(InvalidResponse("a payment has no time"))?;
            Ok(Payment { provider: NAME.to_owned(), reference: reference.to_string(), paid_at })
        };
        let Open::Known(status) = self.status else { return Ok(Outcome::Unknown) };
        if self.mode == Some(Open::Unknown) {
            return Ok(Outcome::Unknown);
        }
        Ok(match status {
            Status::Abandoned | Status::Ongoing => Outcome::Open,
            Status::Pending | Status::Processing | Status::Queued | Status::Failed if self.is_by_card() => {
                Outcome::Open
            }
            Status::Pending | Status::Processing | Status::Queued => {
                Outcome::InFlight { payment: payment(self.created_at)?, money: self.money() }
            }
            Status::Failed => Outcome::Failed { reference: reference.to_string() },
            Status::Success | Status::Reversed | Status::ReversalPending => {
                let payment = payment(self.paid_at)?;
                let created_at = self.created_at.unwrap_or(payment.paid_at);
                if created_at > payment.paid_at {
                    return Ok(Outcome::Unknown);
                }
                let earliest = if self.is_by_card() { payment.paid_at } else { created_at };
                Outcome::Paid { payment, earliest, money: self.money() }
            }
        })
    }
}

/// Reads the object in an answer's `data`.
#[derive(Debug)]
pub(super) struct Data<T>(pub(super) T);

impl<T: FromObject> FromObject for Data<T> {
    fn from_object(answer: &Object<'_>) -> Result<Self, Unreadable> {
        let data = answer.object("data").ok_or_else(|| Unreadable::new("the field data is missing or no object"))?;
        T::from_object(&data).map(Self)
    }
}

/// A page of a list: the elements in an answer's `data`, and whether there may be more.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) elements: Vec<T>,
    pub(super) has_more: bool,
}

impl<T: FromObject> FromObject for Page<T> {
    /// Reads a page. An element that cannot be read makes the whole page unreadable: it could be ours.
    fn from_object(answer: &Object<'_>) -> Result<Self, Unreadable> {
        let elements: Vec<&serde_json::value::RawValue> = answer.required("data")?;
        let read = |raw| {
            T::from_object(&Object::of(raw).ok_or_else(|| Unreadable::new("an element of a list is not an object"))?)
        };
        let elements: Vec<T> = elements.into_iter().map(read).collect::<Result<_, _>>()?;
        // Without numbers, the list ends with the first empty page (https://paystack.com/docs/api/#pagination).
        let meta = answer.object("meta").unwrap_or_default();
        let is_last = match (meta.optional::<u64>("page"), meta.optional::<u64>("pageCount")) {
            (Some(page), Some(count)) => page >= count,
            _ => false,
        };
        let has_more = !elements.is_empty() && !is_last;
        Ok(Self { elements, has_more })
    }
}
