//! What Stripe took and gave back: charges, refunds and disputes, each of which leads to its charge.
//!
//! Lists are newest first, and a page begins after the last element of the page before
//! (<https://docs.stripe.com/api/pagination>).

use super::client::StripeError;
use super::currency::{from_stripe, minor_units};
use super::objects::{moment, owner};
use super::{Stripe, is_identifier};
use crate::json::FromObject;
use crate::provider::answer::{InvalidResponse, Open};
use crate::provider::budget::within_budget;
use domain::PaymentRequestId;
use domain::ports::{
    Fee, PaymentsPage, Payout, PayoutsPage, ProviderError, ProviderPayment, SettlementList, SettlementState,
    Settlements, Window,
};
use http::StatusCode;
use runtime::json::{Object, Unreadable};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The status of a charge (<https://docs.stripe.com/api/charges/object>).
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChargeStatus {
    Succeeded,
    Pending,
    Failed,
}

/// A page of any list, before its elements are read.
struct List {
    payments: PaymentsPage,
    /// The last element, if there are more.
    end: Option<String>,
}

/// Charges, as they are listed.
struct Charges(List);
/// Refunds or disputes, each with its charge.
struct OfCharges(List);

impl FromObject for Charges {
    fn from_object(list: &Object<'_>) -> Result<Self, Unreadable> {
        List::read(list, |charge| read_charge(charge, owner(charge))).map(Self)
    }
}

impl FromObject for OfCharges {
    fn from_object(list: &Object<'_>) -> Result<Self, Unreadable> {
        List::read(list, |element| {
            // A dispute of money that no charge stands for, such as one of another product, is none of ours.
            let Some(charge) = element.raw("charge") else { return Ok(None) };
            let charge = Object::of(charge).ok_or_else(|| Unreadable::new("the charge is not expanded"))?;
            read_charge(&charge, owner(&charge))
        })
        .map(Self)
    }
}

impl List {
    /// Reads a page. An element that is no object, or has no identifier, makes the whole page unreadable: it could be
    /// ours.
    fn read(
        list: &Object<'_>,
        read: impl Fn(&Object<'_>) -> Result<Option<(ProviderPayment, bool)>, Unreadable>,
    ) -> Result<Self, Unreadable> {
        let elements: Vec<&RawValue> = list.required("data")?;
        let (mut payments, mut end) = (PaymentsPage::default(), None);
        for element in elements {
            let element =
                Object::of(element).ok_or_else(|| Unreadable::new("an element of a list is not an object"))?;
            end = Some(element.required("id")?);
            if let Some((payment, is_known)) = read(&element)? {
                payments.payments.push(payment);
                payments.unknown += usize::from(!is_known);
            }
        }
        let has_more: bool = list.required("has_more")?;
        end = end.filter(|_| has_more);
        if has_more && !end.as_deref().is_some_and(is_identifier) {
            return Err(Unreadable::new("a list has more, and no element to go on from"));
        }
        Ok(Self { payments, end })
    }
}

/// Reads a charge of a request of ours, and whether its status is known. Returns `None` for other money.
fn read_charge(
    charge: &Object<'_>,
    id: Option<PaymentRequestId>,
) -> Result<Option<(ProviderPayment, bool)>, Unreadable> {
    let Some(id) = id else { return Ok(None) };
    let reference = match charge.object("payment_intent") {
        Some(intent) => intent.required("id")?,
        None => charge.required::<String>("payment_intent")?,
    };
    if !is_identifier(&reference) {
        return Err(Unreadable::new("a payment's identifier has another form"));
    }
    let (units, refunded): (i64, i64) = (charge.required("amount")?, charge.required("amount_refunded")?);
    let currency: String = charge.required("currency")?;
    let money = from_stripe(units, &currency);
    let refunded = match (refunded, money) {
        (0, _) | (_, None) => None,
        (units, Some(_)) => {
            let refunded = from_stripe(units, &currency);
            Some(refunded.ok_or_else(|| Unreadable::new("a refunded amount cannot be one"))?)
        }
    };
    let status = Open::of_field(charge, "status");
    let state = match status {
        Open::Known(ChargeStatus::Succeeded) => SettlementState::Settled,
        Open::Known(ChargeStatus::Failed) => SettlementState::Failed,
        Open::Known(ChargeStatus::Pending) | Open::Unknown => SettlementState::Pending,
    };
    let entry = charge.object("balance_transaction");
    let paid_at = moment(charge.required("created")?).map_err(|error| Unreadable::new(error.to_string()))?;
    let payment = ProviderPayment {
        reference,
        id,
        money,
        paid_at,
        state,
        refunded,
        disputed: charge.required("disputed")?,
        fee: entry.as_ref().and_then(fee),
        balance_entry: entry.and_then(|entry| entry.optional("id")),
        payout: None,
    };
    Ok(Some((payment, !matches!(status, Open::Unknown))))
}

/// Reads the fee of a balance transaction, which is in the currency of the payout
/// (<https://docs.stripe.com/api/balance_transactions/object>).
fn fee(entry: &Object<'_>) -> Option<Fee> {
    let (minor_units, currency) = minor_units(entry.optional("fee")?, &entry.optional::<String>("currency")?)?;
    Some(Fee { minor_units, currency })
}

/// A payment intent with its charge.
struct Intent(Option<ProviderPayment>);

impl FromObject for Intent {
    fn from_object(intent: &Object<'_>) -> Result<Self, Unreadable> {
        let _: String = intent.required("id")?;
        // Before there is a charge, no money has moved.
        let Some(charge) = intent.raw("latest_charge") else { return Ok(Self(None)) };
        let charge = Object::of(charge).ok_or_else(|| Unreadable::new("the charge is not expanded"))?;
        Ok(Self(read_charge(&charge, owner(intent))?.map(|(payment, _)| payment)))
    }
}

/// A page of payouts or of their balance transactions: identifiers, and whether there are more.
struct Identifiers {
    ids: Vec<String>,
    has_more: bool,
}

impl FromObject for Identifiers {
    fn from_object(list: &Object<'_>) -> Result<Self, Unreadable> {
        let elements: Vec<&RawValue> = list.required("data")?;
        let mut ids = Vec::with_capacity(elements.len());
        for element in elements {
            let element =
                Object::of(element).ok_or_else(|| Unreadable::new("an element of a list is not an object"))?;
            let id: String = element.required("id")?;
            if !is_identifier(&id) {
                return Err(Unreadable::new("an identifier has another form"));
            }
            ids.push(id);
        }
        Ok(Self { ids, has_more: list.required("has_more")? })
    }
}

/// Returns the query that selects a window. Stripe counts in whole seconds, so a second belongs to the window that its
/// beginning lies in.
fn created(window: Window) -> String {
    let (from, to) = (window.from.as_seconds_ceiling(), window.to.as_seconds_ceiling());
    format!("created%5Bgte%5D={from}&created%5Blt%5D={to}")
}

/// Returns the part of a query by which a page begins after an element.
fn starting_after(place: Option<&str>) -> Result<String, ProviderError> {
    match place {
        None => Ok(String::new()),
        Some(place) if is_identifier(place) => Ok(format!("&starting_after={place}")),
        Some(_) => Err(ProviderError::Refused("the place is not one of Stripe's".into())),
    }
}

impl Settlements for Stripe {
    async fn settlements(
        &self,
        list: SettlementList,
        window: Window,
        place: Option<&str>,
    ) -> Result<PaymentsPage, ProviderError> {
        let (name, expand) = match list {
            SettlementList::Payments => ("charges", "data.balance_transaction"),
            SettlementList::Refunds => ("refunds", "data.charge"),
            SettlementList::Disputes => ("disputes", "data.charge"),
        };
        let (created, after) = (created(window), starting_after(place)?);
        let path = format!("/v1/{name}?limit=100&{created}&expand%5B%5D={expand}{after}");
        let list = within_budget(async {
            Ok(match list {
                SettlementList::Payments => self.read::<Charges>(path).await?.0,
                SettlementList::Refunds | SettlementList::Disputes => self.read::<OfCharges>(path).await?.0,
            })
        });
        let List { payments, end } = list.await?;
        Ok(PaymentsPage { next: end, ..payments })
    }

    async fn payment(&self, reference: &str) -> Result<Option<ProviderPayment>, ProviderError> {
        // Another provider's payment may have been stored before the deployment changed over to Stripe.
        if !is_identifier(reference) {
            return Ok(None);
        }
        let path = format!("/v1/payment_intents/{reference}?expand%5B%5D=latest_charge.balance_transaction");
        within_budget(async {
            match self.read::<Intent>(path).await {
                Ok(Intent(payment)) => Ok(payment),
                Err(StripeError::Refused(error))
                    if error.status == StatusCode::NOT_FOUND && error.has_code("resource_missing") =>
                {
                    Ok(None)
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Lists payouts and their entries. A balance transaction does not name its payout, but a payout lists its balance
    /// transactions (<https://docs.stripe.com/api/balance_transactions/list>). The place names the payout whose entries
    /// come next, and after a colon the entry before them.
    async fn payouts(&self, window: Window, place: Option<&str>) -> Result<PayoutsPage, ProviderError> {
        let invalid = || ProviderError::Refused("the place is not one of Stripe's".into());
        let (payout, entry) = match place {
            // The first payout of the window.
            None => (self.payout_after(window, None).await?, None),
            Some(place) => {
                let (payout, entry) = place.split_once(':').ok_or_else(invalid)?;
                if !is_identifier(payout) {
                    return Err(invalid());
                }
                (Some(payout.to_owned()), Some(entry.to_owned()).filter(|entry| !entry.is_empty()))
            }
        };
        let Some(payout) = payout else { return Ok(PayoutsPage::default()) };
        let after = starting_after(entry.as_deref())?;
        let path = format!("/v1/balance_transactions?limit=100&payout={payout}{after}");
        let listed = within_budget(async {
            match self.read::<Identifiers>(path).await {
                // Stripe lists the entries of automatic payouts alone.
                Err(StripeError::Refused(error)) if error.status == StatusCode::BAD_REQUEST => {
                    Ok(Identifiers { ids: Vec::new(), has_more: false })
                }
                result => Ok(result?),
            }
        })
        .await?;
        let next = match listed.ids.last() {
            Some(last) if listed.has_more => Some(format!("{payout}:{last}")),
            None if listed.has_more => return Err(InvalidResponse("a list has more, and no element").into()),
            _ => self.payout_after(window, Some(&payout)).await?.map(|next| format!("{next}:")),
        };
        let entry = |balance_entry| Payout { payout: payout.clone(), balance_entry };
        Ok(PayoutsPage { entries: listed.ids.into_iter().map(entry).collect(), next })
    }
}

impl Stripe {
    /// Returns the payout after this one in the window; `None` if it was the last one.
    async fn payout_after(&self, window: Window, payout: Option<&str>) -> Result<Option<String>, ProviderError> {
        let (created, after) = (created(window), starting_after(payout)?);
        let path = format!("/v1/payouts?limit=1&{created}{after}");
        let listed = within_budget(async { Ok(self.read::<Identifiers>(path).await?) }).await?;
        Ok(listed.ids.into_iter().next())
    }
}
