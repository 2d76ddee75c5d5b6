//! The merchant's objects as Paystack's API and webhooks show them. The fields are those of the published description
//! (<https://github.com/PaystackOSS/openapi>) and, for webhooks, of the documentation's examples
//! (<https://github.com/PaystackOSS/doc-code-snippets>).

use super::objects::{Customer, Dispute, Refund, RefundStatus, Settlement, Status, Transaction};
use domain::Timestamp;
use serde_json::{Map, Value, json};

/// The number of the merchant's integration.
const INTEGRATION: i64 = 700_001;
/// The address of the person who asks for refunds.
const MERCHANT: &str = "merchant@example.com";
/// The time until a refund is expected to arrive, in milliseconds.
const EXPECTED_AFTER: i64 = 5 * 24 * 60 * 60 * 1000;

/// The place in which a transaction is shown. Each leaves out what it does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `VerifyResponse`.
    Verified,
    /// `TransactionFetchResponse`.
    Fetched,
    /// `TransactionListResponseArray`.
    Listed,
    /// The event `charge.success`.
    Reported,
}

/// Formats a time in milliseconds as Paystack does, in whole seconds.
pub(super) fn time(milliseconds: i64) -> String {
    let whole = milliseconds - milliseconds.rem_euclid(1000);
    Timestamp::from_milliseconds(whole).map(|time| time.to_string()).unwrap_or_default()
}

fn optional_time(milliseconds: Option<i64>) -> Value {
    milliseconds.map_or(Value::Null, |milliseconds| time(milliseconds).into())
}

/// Builds a transaction. `domain` is the mode, `test` or `live`.
pub(super) fn transaction(of: &Transaction, domain: &str, place: Place) -> Value {
    let metadata = match (&of.metadata, place) {
        // As documented, an absent value is null in lists alone.
        (Value::Null, Place::Listed) => Value::Null,
        (Value::Null, _) => json!(""),
        (metadata, _) => metadata.clone(),
    };
    let mut fields = fields(json!({
        "id": of.id, "domain": domain, "status": of.status.name(), "reference": of.reference, "amount": of.amount,
        "message": message(of.status), "gateway_response": gateway_response(of.status),
        "paid_at": optional_time(of.paid_at), "created_at": time(of.created_at), "channel": of.channel,
        "currency": of.currency, "ip_address": "127.0.0.1", "metadata": metadata, "log": log(of), "fees": of.fees,
        "fees_split": null, "authorization": authorization(of, place), "customer": customer(of, place),
        "plan": if place == Place::Verified { Value::Null } else { json!({}) }, "split": {}, "subaccount": {},
        "order_id": null, "paidAt": optional_time(of.paid_at), "createdAt": time(of.created_at),
        "requested_amount": of.amount, "pos_transaction_data": null, "connect": null, "source": source(place),
    }));
    let more = match place {
        Place::Verified => json!({
            "receipt_number": null, "fees_breakdown": null, "transaction_date": time(of.created_at), "plan_object": {},
        }),
        Place::Fetched => json!({ "receipt_number": null, "helpdesk_link": null, "fees_breakdown": null }),
        Place::Listed => json!({}),
        Place::Reported => json!({ "fees_breakdown": null }),
    };
    fields.extend(self::fields(more));
    Value::Object(fields)
}

const fn message(status: Status) -> Option<&'static str> {
    match status {
        Status::Failed => Some("Declined"),
        _ => None,
    }
}

const fn gateway_response(status: Status) -> &'static str {
    match status {
        Status::Abandoned => "The transaction was not completed",
        Status::Failed => "Declined",
        Status::Ongoing | Status::Pending => "Transaction in progress",
        Status::Success | Status::ReversalPending | Status::Reversed => "Successful",
    }
}

/// Builds the log of what the customer did on the page; `null` before the first attempt to pay.
fn log(of: &Transaction) -> Value {
    if of.attempts == 0 {
        return Value::Null;
    }
    let attempted = json!({ "type": "action", "message": format!("Attempted to pay with {}", of.channel), "time": 3 });
    let mut history = vec![attempted];
    if of.paid_at.is_some() {
        history.push(json!({
            "type": "success", "message": format!("Successfully paid with {}", of.channel), "time": 4,
        }));
    }
    json!({
        "start_time": of.created_at / 1000, "time_spent": 4, "attempts": of.attempts, "errors": of.errors,
        "success": of.paid_at.is_some(), "mobile": false, "input": [], "history": history,
    })
}

/// Builds what began the transaction.
fn source(place: Place) -> Value {
    match place {
        Place::Verified => Value::Null,
        Place::Fetched => json!({ "source": "merchant_api", "type": "api", "identifier": null }),
        Place::Listed | Place::Reported => json!({
            "source": "merchant_api", "type": "api", "identifier": null, "entry_point": "transaction_initialize",
        }),
    }
}

/// Builds what the customer paid with; it is empty until they have paid.
fn authorization(of: &Transaction, place: Place) -> Value {
    if of.paid_at.is_none() {
        return json!({});
    }
    let is_card = of.channel == "card";
    let mut fields = fields(json!({
        "authorization_code": format!("AUTH_{}", of.access_code), "bin": if is_card { "408408" } else { "008XXX" },
        "last4": if is_card { "4081" } else { "X553" }, "exp_month": "12", "exp_year": "2030", "channel": of.channel,
        "card_type": if is_card { "visa " } else { "transfer" }, "bank": "TEST BANK", "country_code": "NG",
        "brand": if is_card { "visa" } else { "Managed Account" }, "reusable": is_card,
        "signature": format!("SIG_{}", of.access_code), "account_name": null,
    }));
    if place != Place::Listed {
        fields.extend(["receiver_bank_account_number", "receiver_bank"].map(|name| (name.to_owned(), Value::Null)));
    }
    Value::Object(fields)
}

/// Builds the customer, of whom the stand-in knows the email address alone.
fn customer(of: &Transaction, place: Place) -> Value {
    if place == Place::Fetched {
        return described_customer(of, json!({}));
    }
    let Customer { id, code } = &of.customer;
    let mut fields = fields(json!({
        "id": id, "first_name": null, "last_name": null, "email": of.email, "customer_code": code, "phone": null,
        "metadata": null, "risk_action": "default",
    }));
    if place != Place::Listed {
        fields.insert("international_format_phone".to_owned(), Value::Null);
    }
    Value::Object(fields)
}

/// Builds the customer where the published description allows no null.
fn described_customer(of: &Transaction, metadata: Value) -> Value {
    let Customer { id, code } = &of.customer;
    let mut fields = fields(json!({
        "id": id, "first_name": "", "last_name": "", "email": of.email, "customer_code": code, "phone": "",
        "risk_action": "default", "international_format_phone": "",
    }));
    fields.insert("metadata".to_owned(), metadata);
    Value::Object(fields)
}

/// Builds the answer to the request for a refund (`RefundCreateResponse`). A refund is always pending in it.
pub(super) fn requested_refund(of: &Refund, transaction: &Transaction, domain: &str) -> Value {
    json!({
        "transaction": {
            "id": transaction.id, "domain": domain, "reference": transaction.reference, "amount": transaction.amount,
            "paid_at": optional_time(transaction.paid_at), "channel": transaction.channel,
            "currency": transaction.currency,
            "authorization": { "exp_month": null, "exp_year": null, "account_name": null },
            "customer": { "international_format_phone": null }, "plan": {}, "subaccount": { "currency": null },
            "split": {}, "order_id": null, "paidAt": optional_time(transaction.paid_at),
            "pos_transaction_data": null, "source": null, "fees_breakdown": null,
        },
        "integration": INTEGRATION, "deducted_amount": 0, "channel": null, "merchant_note": of.merchant_note,
        "customer_note": of.customer_note, "status": RefundStatus::Pending.name(), "refunded_by": MERCHANT,
        "expected_at": time(of.created_at + EXPECTED_AFTER), "currency": of.currency, "domain": domain,
        "amount": of.amount, "fully_deducted": false, "id": of.id, "createdAt": time(of.created_at),
        "updatedAt": time(of.created_at),
    })
}

/// Builds a refund (`RefundFetchResponse`, `RefundListResponseArray`).
pub(super) fn refund(of: &Refund, transaction: &Transaction, domain: &str) -> Value {
    let is_deducted = of.status != RefundStatus::Pending;
    let is_whole = of.amount == transaction.amount;
    json!({
        "integration": INTEGRATION, "transaction": transaction.id, "dispute": null, "settlement": null, "id": of.id,
        "domain": domain, "currency": of.currency, "amount": of.amount, "status": of.status.name(),
        "refunded_at": optional_time(of.refunded_at), "refunded_by": MERCHANT, "customer_note": of.customer_note,
        "merchant_note": of.merchant_note, "deducted_amount": if is_deducted { of.amount } else { 0 },
        "fully_deducted": i32::from(is_deducted), "createdAt": time(of.created_at), "bank_reference": null,
        "transaction_reference": transaction.reference, "reason": of.status.name().to_ascii_uppercase(),
        "customer": described_customer(transaction, json!("")),
        "refund_type": if is_whole { "full" } else { "partial" }, "transaction_amount": transaction.amount,
        "initiated_by": MERCHANT, "refund_channel": "instant-transfer", "session_id": null,
        "collect_account_number": false,
    })
}

/// Builds the data of an event about a refund. As documented, an amount in flight is a text, and only a refund that
/// needs attention has its identifier
/// (<https://github.com/PaystackOSS/doc-code-snippets/tree/main/src/doc/payments/refunds/events>).
pub(super) fn reported_refund(of: &Refund, transaction: &Transaction, domain: &str) -> Value {
    let is_text = matches!(of.status, RefundStatus::Pending | RefundStatus::Processing | RefundStatus::Processed);
    let reference = match of.status {
        RefundStatus::Pending | RefundStatus::Processing => Value::Null,
        _ => format!("TRF_{}", of.id).into(),
    };
    let mut fields = fields(json!({
        "status": of.status.name(), "transaction_reference": transaction.reference, "refund_reference": reference,
        "amount": if is_text { json!(of.amount.to_string()) } else { json!(of.amount) }, "currency": of.currency,
        "customer": { "first_name": null, "last_name": null, "email": transaction.email },
        "integration": INTEGRATION, "domain": domain,
    }));
    let more = if of.status == RefundStatus::NeedsAttention {
        json!({ "id": of.id.to_string(), "customer_note": of.customer_note, "merchant_note": of.merchant_note })
    } else {
        json!({ "processor": "instant-transfer" })
    };
    fields.extend(self::fields(more));
    Value::Object(fields)
}

/// Builds a dispute, in the place of the transaction that it is about (`DisputeFetchResponse`,
/// `DisputeListResponseArray`, and the event `charge.dispute.create`).
pub(super) fn dispute(of: &Dispute, about: &Transaction, domain: &str, place: Place) -> Value {
    let mut shown = fields(transaction(about, domain, Place::Fetched));
    shown.insert("customer".to_owned(), json!({ "international_format_phone": null }));
    shown.insert("source".to_owned(), Value::Null);
    let (authorization, left_out): (Value, &[&str]) = match place {
        Place::Listed => (json!({}), &["helpdesk_link", "receipt_number", "requested_amount"]),
        Place::Reported => (json!({}), &["helpdesk_link", "receipt_number"]),
        _ => (json!({ "receiver_bank_account_number": null, "receiver_bank": null }), &["helpdesk_link"]),
    };
    shown.insert("authorization".to_owned(), authorization);
    for name in left_out {
        shown.remove(*name);
    }
    let metadata = if place == Place::Listed { json!("") } else { json!({}) };
    let (created, due) = (time(of.created_at), time(of.created_at + 24 * 60 * 60 * 1000));
    let mut fields = fields(json!({
        "id": of.id, "refund_amount": of.amount, "currency": of.currency, "status": of.status, "resolution": null,
        "domain": domain, "transaction": shown, "transaction_reference": null, "category": "chargeback",
        "customer": described_customer(about, metadata), "bin": "408408", "last4": "4081", "dueAt": due,
        "resolvedAt": null, "evidence": null, "attachments": null, "note": null,
        "history": [{ "status": "pending", "by": MERCHANT, "createdAt": created }],
        "messages": [{
            "sender": MERCHANT, "body": "Customer complained about debit without value", "createdAt": created,
        }],
    }));
    // As documented, the event names its times in another way.
    let names = if place == Place::Reported { ["created_at", "updated_at"] } else { ["createdAt", "updatedAt"] };
    fields.extend(names.map(|name| (name.to_owned(), json!(created))));
    Value::Object(fields)
}

/// Builds the data of the event about a transfer that the bank of the account sends back
/// (<https://github.com/PaystackOSS/doc-code-snippets/tree/main/src/doc/payments/payment-methods/pwt-events>).
pub(super) fn rejected_transfer(of: &Transaction, domain: &str) -> Value {
    let created = time(of.created_at);
    json!({
        "bank_transfer": {
            "amount": (of.amount / 2).to_string(), "message": "incorrect amount sent",
            "message_type": "INCORRECT_AMOUNT", "transaction_id": of.id.to_string(),
        },
        "customer": {
            "first_name": null, "last_name": null, "email": of.email, "phone": null, "metadata": null,
            "domain": domain, "customer_code": of.customer.code, "risk_action": "default", "id": of.customer.id,
            "integration": INTEGRATION, "createdAt": created, "updatedAt": created,
        },
    })
}

/// Builds a settlement (<https://github.com/PaystackOSS/doc-code-snippets/tree/main/dist/api/settlements/list>).
pub(super) fn settlement(of: &Settlement, domain: &str) -> Value {
    let net = of.total_processed - of.total_fees;
    json!({
        "id": of.id, "domain": domain, "status": of.status, "currency": of.currency, "integration": INTEGRATION,
        "total_amount": net, "effective_amount": net, "total_fees": of.total_fees,
        "total_processed": of.total_processed, "deductions": null, "settlement_date": time(of.created_at),
        "settled_by": null, "createdAt": time(of.created_at), "updatedAt": time(of.created_at),
    })
}

/// Returns the fields of a JSON object.
fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_whole_seconds() {
        assert_eq!(time(1_767_607_200_999), "2026-01-05T10:00:00.000Z");
        assert_eq!(optional_time(None), Value::Null);
    }
}
