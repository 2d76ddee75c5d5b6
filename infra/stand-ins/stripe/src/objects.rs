//! Stripe's objects as its API shows them. The variable parts are fields; the constant parts are in `rest`.

use super::error::{AccountError, ApiError};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{OptionalExtension, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The table of all objects, each as JSON under its identifier.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS stripe_objects (
        id TEXT PRIMARY KEY,
        body TEXT NOT NULL
    ) STRICT;
";

/// The API version of these objects, which webhooks name.
pub(super) const VERSION: &str = "2026-10-28.endive";

/// The merchant's own key-value pairs on an object.
pub(super) type Metadata = BTreeMap<String, String>;

/// A session, with the data that Stripe keeps with it and shows on other objects or on request only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Checkout {
    pub(super) session: Session,
    pub(super) line_items: Vec<LineItem>,
    /// The products' own descriptions, one for each line item, which the payment page shows.
    #[serde(default)]
    pub(super) notes: Vec<Option<String>>,
    /// The metadata for the payment intent, once it exists.
    pub(super) intent_metadata: Metadata,
    /// Whether the customer paid and the money did not arrive.
    pub(super) failed: bool,
    /// Whether refunds of this payment wait, because the balance does not cover them.
    #[serde(default)]
    pub(super) refunds_wait: bool,
}

/// A Checkout Session (<https://docs.stripe.com/api/checkout/sessions/object>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) amount_subtotal: i64,
    pub(super) amount_total: i64,
    pub(super) cancel_url: Option<String>,
    pub(super) client_reference_id: Option<String>,
    pub(super) created: i64,
    pub(super) currency: String,
    pub(super) expires_at: i64,
    pub(super) livemode: bool,
    pub(super) locale: Option<String>,
    pub(super) metadata: Metadata,
    /// The payment intent's identifier; there is none until the customer tries to pay.
    pub(super) payment_intent: Option<String>,
    pub(super) payment_status: PaymentStatus,
    pub(super) status: SessionStatus,
    pub(super) success_url: String,
    pub(super) url: Option<String>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionStatus {
    Open,
    Complete,
    Expired,
}

impl SessionStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentStatus {
    Paid,
    Unpaid,
}

/// A line item of a session (<https://docs.stripe.com/api/checkout/sessions/line_items>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LineItem {
    pub(super) id: String,
    pub(super) amount_total: i64,
    pub(super) currency: String,
    /// The product's name.
    pub(super) description: String,
    pub(super) quantity: i64,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// A payment intent (<https://docs.stripe.com/api/payment_intents/object>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) amount_received: i64,
    pub(super) canceled_at: Option<i64>,
    pub(super) created: i64,
    pub(super) currency: String,
    pub(super) last_payment_error: Option<Value>,
    pub(super) latest_charge: Option<String>,
    pub(super) livemode: bool,
    pub(super) metadata: Metadata,
    pub(super) status: IntentStatus,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IntentStatus {
    RequiresPaymentMethod,
    Processing,
    Succeeded,
    Canceled,
}

/// A charge (<https://docs.stripe.com/api/charges/object>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) amount_captured: i64,
    pub(super) amount_refunded: i64,
    pub(super) created: i64,
    pub(super) currency: String,
    pub(super) failure_code: Option<String>,
    pub(super) livemode: bool,
    pub(super) metadata: Metadata,
    pub(super) paid: bool,
    pub(super) payment_intent: String,
    pub(super) refunded: bool,
    pub(super) status: ChargeStatus,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChargeStatus {
    Succeeded,
    Pending,
    Failed,
}

/// A refund (<https://docs.stripe.com/api/refunds/object>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) charge: String,
    pub(super) created: i64,
    pub(super) currency: String,
    pub(super) metadata: Metadata,
    pub(super) payment_intent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pending_reason: Option<String>,
    pub(super) status: RefundStatus,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// The status of a refund (<https://docs.stripe.com/refunds#refund-statuses>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

/// Returns the fields that are constant for a kind of Stripe object: those of a JSON object, and those that are always
/// null, by their names.
fn rest(object: Value, null: &str) -> Map<String, Value> {
    let fields = match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.into_iter().chain(null.split_ascii_whitespace().map(|name| (name.to_owned(), Value::Null))).collect()
}

impl Session {
    pub(super) fn rest() -> Map<String, Value> {
        rest(
            json!({
                "object": "checkout.session",
                "adaptive_pricing": { "enabled": false },
                "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
                "custom_fields": [],
                "custom_text": {
                    "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
                },
                "customer_creation": "if_required",
                "discounts": [],
                "mode": "payment",
                "payment_method_collection": "if_required",
                "payment_method_options": {},
                "payment_method_types": ["card", "customer_balance"],
                "phone_number_collection": { "enabled": false },
                "shipping_options": [],
                "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
                "ui_mode": "hosted_page",
            }),
            "after_expiration allow_promotion_codes allowed_payment_method_types billing_address_collection \
             client_secret collected_information consent consent_collection currency_conversion customer \
             customer_account customer_details customer_email integration_identifier invoice invoice_creation \
             managed_payments origin_context payment_link payment_method_configuration_details permissions \
             recovered_from saved_payment_method_options setup_intent shipping_address_collection shipping_cost \
             submit_type subscription wallet_options",
        )
    }
}

/// The price of a line item, which is made together with it.
pub(super) struct NewPrice<'a> {
    pub(super) id: String,
    pub(super) product: String,
    pub(super) created: i64,
    pub(super) currency: &'a str,
    pub(super) livemode: bool,
    pub(super) unit_amount: i64,
}

impl LineItem {
    /// Returns the constant fields of a line item, and those that follow from its price.
    pub(super) fn rest(price: &NewPrice<'_>, total: i64) -> Map<String, Value> {
        let NewPrice { id, product, created, currency, livemode, unit_amount } = price;
        rest(
            json!({
                "object": "item",
                "amount_discount": 0,
                "amount_subtotal": total,
                "amount_tax": 0,
                "metadata": {},
                // A price that is made for one session cannot be used again.
                "price": {
                    "id": id, "object": "price", "active": false, "billing_scheme": "per_unit", "created": created,
                    "currency": currency, "custom_unit_amount": null, "livemode": livemode, "lookup_key": null,
                    "metadata": {}, "nickname": null, "product": product, "recurring": null,
                    "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null, "type": "one_time",
                    "unit_amount": unit_amount, "unit_amount_decimal": unit_amount.to_string(),
                },
            }),
            "adjustable_quantity",
        )
    }
}

impl PaymentIntent {
    pub(super) fn rest(client_secret: &str) -> Map<String, Value> {
        rest(
            json!({
                "object": "payment_intent",
                "amount_capturable": 0,
                "capture_method": "automatic_async",
                "client_secret": client_secret,
                "confirmation_method": "automatic",
                "payment_method_options": {},
                "payment_method_types": ["card", "customer_balance"],
            }),
            "allowed_payment_method_types application application_fee_amount automatic_payment_methods \
             cancellation_reason customer customer_account description excluded_payment_method_types \
             managed_payments next_action on_behalf_of payment_method payment_method_configuration_details \
             payment_record processing receipt_email review setup_future_usage shipping source \
             statement_descriptor statement_descriptor_suffix transfer_group",
        )
    }
}

impl Charge {
    pub(super) fn rest() -> Map<String, Value> {
        let address = json!({
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        });
        rest(
            json!({
                "object": "charge",
                "billing_details": { "address": address, "email": null, "name": null, "phone": null, "tax_id": null },
                "captured": true,
                "disputed": false,
                "fraud_details": {},
            }),
            "application application_fee application_fee_amount balance_transaction \
             calculated_statement_descriptor customer description failure_balance_transaction failure_message \
             on_behalf_of outcome payment_method payment_method_details receipt_email receipt_number receipt_url \
             review shipping source source_transfer statement_descriptor statement_descriptor_suffix \
             transfer_data transfer_group",
        )
    }
}

impl Refund {
    /// Returns the constant fields of a refund. `reason` is the merchant's.
    pub(super) fn rest(reason: Option<&str>) -> Map<String, Value> {
        rest(
            json!({
                "object": "refund",
                "reason": reason,
            }),
            "balance_transaction customer customer_account payment_method receipt_number source_transfer_reversal \
             transfer_reversal",
        )
    }
}

/// Loads the object with this identifier, if it exists.
pub(super) fn load<T: DeserializeOwned>(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<T>> {
    transaction
        .prepare_cached("SELECT body FROM stripe_objects WHERE id = ?1")?
        .query_row([id], |row| row.get::<_, String>(0))
        .optional()?
        .map(|body| serde_json::from_str(&body))
        .transpose()
        // Only an older or newer version of the stand-in could have written an unreadable object.
        .map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, Type::Text, FromSqlError::Other(error.into()).into())
        })
}

/// Stores an object under its identifier, replacing an earlier state.
pub(super) fn save(transaction: &Transaction<'_>, id: &str, object: &impl Serialize) -> rusqlite::Result<()> {
    let statement = "INSERT INTO stripe_objects (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2";
    transaction.prepare_cached(statement)?.execute((id, json!(object).to_string())).map(|_| ())
}

/// Replaces identifiers with their objects along a path such as `payment_intent.latest_charge`, or
/// `data.balance_transaction` for every element of a list (<https://docs.stripe.com/api/expanding_objects>).
pub(super) fn expand(transaction: &Transaction<'_>, object: &mut Value, path: &str) -> Result<(), AccountError> {
    let (field, rest) = path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
    let cannot = || ApiError::refused(format!("This property cannot be expanded ({field})."));
    let here = object.get_mut(field).ok_or_else(cannot)?;
    match here {
        Value::Null => return Ok(()),
        Value::Object(_) => {}
        // Only the elements of a list can be expanded, not the list itself.
        Value::Array(elements) => {
            let rest = rest.ok_or_else(cannot)?;
            return elements.iter_mut().try_for_each(|element| expand(transaction, element, rest));
        }
        Value::String(id) => *here = load(transaction, id)?.ok_or_else(cannot)?,
        _ => return Err(cannot().into()),
    }
    rest.map_or(Ok(()), |rest| expand(transaction, here, rest))
}
