//! How stored items are read: attribute by attribute, and only those that are needed.
//!
//! An item can hold what this version does not know: after a roll back, or because a person changed it. Such an item is
//! left out wherever many are read, so that it costs nobody else anything, and each time it is logged by its key and
//! counted. Where one request was asked for, the call fails.

use super::item::EntryItem;
use super::keys::{redacted_key, request_of_key};
use domain::ports::{Link, Place, Position, StoreError, Window};
use domain::{
    CheckoutAttempt, Customer, Details, Difference, Fact, HistoryEntry, Metadata, Money, OperationId, PaymentRequest,
    PaymentRequestId, Timestamp,
};
use runtime::telemetry::{Metric, count};
use serde::de::DeserializeOwned;
use serde_dynamo::AttributeValue;
use std::collections::{BTreeSet, HashMap};

/// The error for a stored item that cannot be read.
///
/// It names the item and the attribute, and shows no value: an attribute may hold a phone number or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored item {key} cannot be read: its attribute {attribute} is missing or holds an unknown value")]
pub struct Unreadable {
    key: String,
    attribute: &'static str,
}

impl Unreadable {
    /// Counts the item and returns the store's error, for a call that asked for this very item.
    pub(super) fn into_error(self) -> StoreError {
        count(Metric::StoredItemUnreadable);
        StoreError::Corrupt(self.into())
    }

    /// Counts and logs the item, for a call that goes on without it.
    pub(super) fn leave_out(&self) {
        count(Metric::StoredItemUnreadable);
        tracing::error!(key = self.key, attribute = self.attribute, "stored item left out: it cannot be read");
    }
}

/// An attribute's value, of the SDK or of a stream record.
pub(super) trait Stored: Clone {
    /// Returns the value as `serde_dynamo` reads it.
    fn into_value(self) -> AttributeValue;
}

impl Stored for AttributeValue {
    fn into_value(self) -> AttributeValue {
        self
    }
}

impl Stored for aws_sdk_dynamodb::types::AttributeValue {
    /// Returns a value that no attribute of ours can have if it contains a type that the SDK does not know:
    /// `serde_dynamo` would panic. So it is an error where it is needed, and nowhere else.
    fn into_value(self) -> AttributeValue {
        if is_known(&self) { self.into() } else { AttributeValue::Bs(Vec::new()) }
    }
}

fn is_known(value: &aws_sdk_dynamodb::types::AttributeValue) -> bool {
    use aws_sdk_dynamodb::types::AttributeValue as Value;
    match value {
        Value::L(elements) => elements.iter().all(is_known),
        Value::M(fields) => fields.values().all(is_known),
        other => !other.is_unknown(),
    }
}

/// The attributes of one item. Each read removes one.
struct Attributes<A> {
    key: String,
    item: HashMap<String, A>,
}

impl<A: Stored> Attributes<A> {
    fn new(item: HashMap<String, A>) -> Self {
        let pk = item.get("pk").cloned().map(Stored::into_value);
        let key = if let Some(AttributeValue::S(pk)) = pk { redacted_key(&pk) } else { redacted_key("") };
        Self { key, item }
    }

    fn unreadable(&self, attribute: &'static str) -> Unreadable {
        Unreadable { key: self.key.clone(), attribute }
    }

    /// Reads an attribute that may be missing; NULL counts as missing.
    fn optional<T: DeserializeOwned>(&mut self, attribute: &'static str) -> Result<Option<T>, Unreadable> {
        match self.item.remove(attribute).map(Stored::into_value) {
            None | Some(AttributeValue::Null(_)) => Ok(None),
            Some(value) => serde_dynamo::from_attribute_value(value).map(Some).map_err(|_| self.unreadable(attribute)),
        }
    }

    /// Reads an attribute that may be missing and that changes write to: any other type, NULL too, would fail them.
    fn of_type<T: DeserializeOwned>(
        &mut self,
        attribute: &'static str,
        is_right: impl FnOnce(&AttributeValue) -> bool,
    ) -> Result<Option<T>, Unreadable> {
        let value = self.item.get(attribute).cloned().map(Stored::into_value);
        if value.is_some_and(|value| !is_right(&value)) {
            return Err(self.unreadable(attribute));
        }
        self.optional(attribute)
    }

    /// Reads an attribute that every item has.
    fn required<T: DeserializeOwned>(&mut self, attribute: &'static str) -> Result<T, Unreadable> {
        self.optional(attribute)?.ok_or_else(|| self.unreadable(attribute))
    }

    /// Reads an attribute that every item has, and parses it.
    fn parsed<T>(&mut self, attribute: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Unreadable> {
        let text: String = self.required(attribute)?;
        parse(&text).ok_or_else(|| self.unreadable(attribute))
    }

    fn attempts(&mut self) -> Result<Option<CheckoutAttempt>, Unreadable> {
        let number: Option<i64> = self.optional("attempts")?;
        number.map(CheckoutAttempt::new).transpose().map_err(|_| self.unreadable("attempts"))
    }

    fn time(&mut self, attribute: &'static str) -> Result<Timestamp, Unreadable> {
        self.optional_time(attribute)?.ok_or_else(|| self.unreadable(attribute))
    }

    fn optional_time(&mut self, attribute: &'static str) -> Result<Option<Timestamp>, Unreadable> {
        let milliseconds: Option<i64> = self.optional(attribute)?;
        milliseconds.map(Timestamp::from_milliseconds).transpose().map_err(|_| self.unreadable(attribute))
    }
}

fn is_set(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::Ss(_))
}

/// Reads a payment request. The attributes of the indexes and the time to live are not needed.
pub(super) fn payment_request<A: Stored>(item: HashMap<String, A>) -> Result<PaymentRequest, Unreadable> {
    let mut item = Attributes::new(item);
    let id = item.parsed("pk", request_of_key)?;
    // The version is the history's length. Its attribute has to be a number all the same, for every change adds to it.
    item.required::<u64>("version")?;
    // So has the time of the last change, with which every change compares its own. Items of release 0.1 lack it.
    item.of_type::<i64>("updated_at", |value| matches!(value, AttributeValue::N(_)))?;
    let Position { created_at, .. } = item.parsed("created", |text| text.parse().ok())?;
    let due_at = item.time("due_at")?;
    Ok(PaymentRequest {
        id,
        workspace: item.required("workspace")?,
        agent: item.required("agent")?,
        details: Details {
            order_number: item.required("order_number")?,
            money: Money { amount: item.required("amount")?, currency: item.required("currency")? },
            customer: Customer {
                phone: item.required("phone")?,
                name: item.optional("customer_name")?,
                email: item.optional("email")?,
            },
            description: item.optional("description")?,
            conversation_id: item.optional("conversation_id")?,
            metadata: item.optional::<Metadata>("metadata")?.unwrap_or_default(),
        },
        token: item.parsed("token", |text| text.parse().ok())?,
        created_at,
        click_deadline: item.time("link_until")?,
        status: item.required("status")?,
        deadline: item.optional_time("deadline")?.unwrap_or(due_at),
        due_at: item.optional::<u8>("due_shard")?.map(|_| due_at),
        history: item.required::<Vec<EntryItem>>("history")?.into_iter().map(HistoryEntry::from).collect(),
        operations: item.of_type::<BTreeSet<OperationId>>("operations", is_set)?.unwrap_or_default(),
        facts: item.of_type::<BTreeSet<String>>("facts", is_set)?.into_iter().flatten().map(Fact::from_text).collect(),
        checkout: item.optional("checkout_id")?,
        in_flight: item.optional("in_flight")?,
        payment: item.optional("payment")?,
        fingerprint: item.optional("fingerprint")?,
    })
}

/// Reads the request that a link leads to.
pub(super) fn target_of_link<A: Stored>(item: HashMap<String, A>) -> Result<PaymentRequestId, Unreadable> {
    Attributes::new(item).required("request_id")
}

/// Reads a link. One of which only one half of the payment page is stored has none: the provider returns it again.
pub(super) fn link<A: Stored>(item: HashMap<String, A>) -> Result<Link, Unreadable> {
    let mut item = Attributes::new(item);
    let (id, checkout) = (item.required("request_id")?, item.optional("checkout_id")?);
    let (checkout_url, attempts) = (item.optional("checkout_url")?, item.attempts()?);
    Ok(Link { id, checkout, checkout_url, attempts: attempts.unwrap_or(CheckoutAttempt::FIRST) })
}

/// Reads the number of the attempt that has begun.
pub(super) fn attempts<A: Stored>(written: HashMap<String, A>) -> Result<CheckoutAttempt, Unreadable> {
    let mut written = Attributes::new(written);
    written.attempts()?.ok_or_else(|| written.unreadable("attempts"))
}

/// Reads a key of the index `by_agent` or `by_month`.
pub(super) fn position<A: Stored>(key: HashMap<String, A>) -> Result<Position, Unreadable> {
    let mut key = Attributes::new(key);
    let id = key.parsed("pk", request_of_key)?;
    key.parsed("created", |text| text.parse().ok().filter(|position: &Position| position.id == id))
}

/// Reads a key of the index `due`: the request, and when it is due.
pub(super) fn due<A: Stored>(key: HashMap<String, A>) -> Result<(PaymentRequestId, Timestamp), Unreadable> {
    let mut key = Attributes::new(key);
    Ok((key.parsed("pk", request_of_key)?, key.time("due_at")?))
}

/// Reads a difference.
pub(super) fn difference<A: Stored>(item: HashMap<String, A>) -> Result<Difference, Unreadable> {
    Attributes::new(item).required("difference")
}

/// Reads the place of a reconciliation.
pub(super) fn place<A: Stored>(item: HashMap<String, A>) -> Result<Place, Unreadable> {
    let mut item = Attributes::new(item);
    let window = Window { from: item.required("from")?, to: item.required("to")? };
    Ok(Place { window, stage: item.parsed("stage", |text| text.parse().ok())?, cursor: item.optional("cursor")? })
}
