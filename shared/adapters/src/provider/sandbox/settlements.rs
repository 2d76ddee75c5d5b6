//! What the sandbox provider took and gave back.

use super::Sandbox;
use crate::json::FromObject;
use domain::ports::{
    Fee, PaymentsPage, PayoutsPage, ProviderError, ProviderPayment, SettlementList, SettlementState, Settlements,
    Window,
};
use domain::{Amount, Currency, Money};
use http::StatusCode;
use runtime::json::{Object, Unreadable};
use serde_json::value::RawValue;

/// The greatest size of a page in bytes. It has 100 payments of about 300 bytes each.
const PAGE_AT_MOST: usize = 256 * 1024;

impl FromObject for PaymentsPage {
    fn from_object(page: &Object<'_>) -> Result<Self, Unreadable> {
        let elements: Vec<&RawValue> = page.required("payments")?;
        let mut read = Self { next: page.optional("next"), ..Self::default() };
        for element in elements {
            let element = Object::of(element).ok_or_else(|| Unreadable::new("a payment is not an object"))?;
            if let Some((payment, is_known)) = payment(&element)? {
                read.payments.push(payment);
                read.unknown += usize::from(!is_known);
            }
        }
        Ok(read)
    }
}

/// A payment, and whether its state is known; `None` for one of another system.
struct SinglePayment(Option<ProviderPayment>);

impl FromObject for SinglePayment {
    fn from_object(object: &Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self(payment(object)?.map(|(payment, _)| payment)))
    }
}

/// Reads a payment, and whether its state is known. Returns `None` for one that is not of a request of ours.
fn payment(object: &Object<'_>) -> Result<Option<(ProviderPayment, bool)>, Unreadable> {
    let Some(id) = object.optional::<String>("payment_request_id").and_then(|id| id.parse().ok()) else {
        return Ok(None);
    };
    let (amount, currency): (i64, Currency) = (object.required("amount")?, object.required("currency")?);
    let money = |amount| Amount::new(amount).ok().map(|amount| Money { amount, currency });
    let status: String = object.required("status")?;
    let state = match status.as_str() {
        "paid" => SettlementState::Settled,
        "failed" => SettlementState::Failed,
        _ => SettlementState::Pending,
    };
    let payment = ProviderPayment {
        reference: object.required("payment_id")?,
        id,
        money: money(amount),
        paid_at: object.required("paid_at")?,
        state,
        refunded: money(object.required("amount_refunded")?),
        disputed: object.required("disputed")?,
        fee: object.optional("fee").map(|minor_units| Fee { minor_units, currency }),
        balance_entry: None,
        payout: object.optional("payout_id"),
    };
    if !is_reference(&payment.reference) {
        return Err(Unreadable::new("a payment's identifier has another form"));
    }
    Ok(Some((payment, matches!(status.as_str(), "paid" | "processing" | "failed"))))
}

/// Returns whether a text has the form of a payment's identifier, so that it is safe in a path and in the table.
fn is_reference(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(is_safe)
}

impl Settlements for Sandbox {
    async fn settlements(
        &self,
        list: SettlementList,
        window: Window,
        place: Option<&str>,
    ) -> Result<PaymentsPage, ProviderError> {
        let list = match list {
            SettlementList::Payments => "payments",
            SettlementList::Refunds => "refunds",
            SettlementList::Disputes => "disputes",
        };
        let (from, to) = (window.from.to_string(), window.to.to_string());
        let mut query = vec![("from", from.as_str()), ("to", to.as_str())];
        query.extend(place.map(|place| ("after", place)));
        let query = serde_urlencoded::to_string(query).map_err(|error| ProviderError::Refused(error.into()))?;
        let request = self.http.get(&format!("{}/{list}?{query}", self.url)).response_at_most(PAGE_AT_MOST);
        Ok(request.send_for_json().await?)
    }

    async fn payment(&self, reference: &str) -> Result<Option<ProviderPayment>, ProviderError> {
        // Reports that were signed by hand may name any payment. One of another form is none of this provider's.
        if !is_reference(reference) {
            return Ok(None);
        }
        let response = self.http.get(&format!("{}/payments/{reference}", self.url)).exchange().await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let SinglePayment(payment) = response.json()?;
        Ok(payment)
    }

    /// Returns none: each payment names its payout.
    async fn payouts(&self, _: Window, _: Option<&str>) -> Result<PayoutsPage, ProviderError> {
        Ok(PayoutsPage::default())
    }
}
