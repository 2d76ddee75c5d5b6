//! What the account took and gave back: balance transactions, disputes and payouts, and the lists of all objects.

use super::account::{Account, Settings};
use super::error::{AccountError, ApiError};
use super::objects::{Charge, load, save};
use super::parameters::Parameters;
use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension as _, Transaction, params_from_iter};
use serde_json::{Map, Value, json};
use stand_in_host::Identifiers as _;

/// The table of the balance transactions that each payout contains. The objects themselves do not name their payout.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS stripe_payout_entries (
        entry TEXT PRIMARY KEY,
        payout TEXT NOT NULL
    ) STRICT;
";

/// Stripe's fee: 2.9 % and 30 units (<https://stripe.com/pricing>).
const FEE_PER_MILLE: i64 = 29;
const FEE_FIXED: i64 = 30;
/// The time until the money of a charge is available for a payout, in seconds.
const AVAILABLE_AFTER: i64 = 2 * 24 * 60 * 60;

/// The bounds and the default of the number of objects in a list (<https://docs.stripe.com/api/pagination>).
const LIMITS: std::ops::RangeInclusive<i64> = 1..=100;
const LIMIT: i64 = 10;

/// A kind of listed object (<https://docs.stripe.com/api/pagination>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// <https://docs.stripe.com/api/charges/list>
    Charge,
    /// <https://docs.stripe.com/api/refunds/list>
    Refund,
    /// <https://docs.stripe.com/api/disputes/list>
    Dispute,
    /// <https://docs.stripe.com/api/payouts/list>
    Payout,
    /// <https://docs.stripe.com/api/balance_transactions/list>
    BalanceTransaction,
}

/// The time range that every list can be limited to, and the parameters of every list.
macro_rules! list_parameters {
    ($($own:literal),*) => {
        &[
            "created", "created[gt]", "created[gte]", "created[lt]", "created[lte]", "ending_before", "expand[]",
            "limit", "starting_after", $($own),*
        ]
    };
}

impl Kind {
    /// Returns the last segment of the list's path.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Charge => "charges",
            Self::Refund => "refunds",
            Self::Dispute => "disputes",
            Self::Payout => "payouts",
            Self::BalanceTransaction => "balance_transactions",
        }
    }

    const fn object(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::Payout => "payout",
            Self::BalanceTransaction => "balance_transaction",
        }
    }

    /// Returns the fields by which the list can be filtered; Stripe supports more.
    const fn filters(self) -> &'static [&'static str] {
        match self {
            Self::Charge => &["payment_intent"],
            Self::Refund | Self::Dispute => &["charge", "payment_intent"],
            Self::Payout => &["status"],
            Self::BalanceTransaction => &["source", "type"],
        }
    }

    pub(super) const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Charge => list_parameters!("payment_intent"),
            Self::Refund | Self::Dispute => list_parameters!("charge", "payment_intent"),
            Self::Payout => list_parameters!("status"),
            Self::BalanceTransaction => list_parameters!("payout", "source", "type"),
        }
    }
}

/// Returns a page of a list, newest first.
pub(super) fn list(transaction: &Transaction<'_>, kind: Kind, given: &Parameters) -> Result<Value, AccountError> {
    let limit = given.integer("limit")?.unwrap_or(LIMIT);
    let Some(limit) = usize::try_from(limit).ok().filter(|_| LIMITS.contains(&limit)) else {
        let message = format!("Limit must be between {} and {}.", LIMITS.start(), LIMITS.end());
        return Err(ApiError::parameter("parameter_invalid_integer", "limit", message).into());
    };
    if given.text("ending_before")?.is_some() {
        return Err(ApiError::invalid("ending_before", "The stand-in lists forwards alone.").into());
    }
    let mut clauses = vec!["json_extract(body, '$.object') = ?1".to_owned()];
    let mut values = vec![SqlValue::from(kind.object().to_owned())];
    let mut add = |clause: &str, value: SqlValue| {
        values.push(value);
        clauses.push(clause.replace("{}", &format!("?{}", values.len())));
    };
    for (name, comparison) in
        [("created", "="), ("created[gt]", ">"), ("created[gte]", ">="), ("created[lt]", "<"), ("created[lte]", "<=")]
    {
        if let Some(seconds) = given.integer(name)? {
            add(&format!("json_extract(body, '$.created') {comparison} {{}}"), seconds.into());
        }
    }
    for filter in kind.filters() {
        if let Some(text) = given.text(filter)? {
            add(&format!("json_extract(body, '$.{filter}') = {{}}"), text.to_owned().into());
        }
    }
    if kind == Kind::BalanceTransaction
        && let Some(payout) = given.text("payout")?
    {
        if load::<Value>(transaction, payout)?.is_none_or(|payout| payout["object"] != "payout") {
            return Err(ApiError::missing("payout", "payout", payout).into());
        }
        add("id IN (SELECT entry FROM stripe_payout_entries WHERE payout = {})", payout.to_owned().into());
    }
    if let Some(last) = given.text("starting_after")? {
        let place: Option<i64> = transaction
            .prepare_cached("SELECT rowid FROM stripe_objects WHERE id = ?1 AND json_extract(body, '$.object') = ?2")?
            .query_row([last, kind.object()], |row| row.get(0))
            .optional()?;
        let place = place.ok_or_else(|| ApiError::missing(kind.object(), "starting_after", last))?;
        add("rowid < {}", place.into());
    }
    let sql = format!(
        "SELECT body FROM stripe_objects WHERE {} ORDER BY rowid DESC LIMIT {}",
        clauses.join(" AND "),
        limit + 1
    );
    let mut statement = transaction.prepare_cached(&sql)?;
    let bodies = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
    let mut data = Vec::new();
    for body in bodies {
        // Only an older or newer version of the stand-in could have written an unreadable object.
        data.push(serde_json::from_str::<Value>(&body?).unwrap_or_default());
    }
    let has_more = data.len() > limit;
    data.truncate(limit);
    Ok(json!({ "object": "list", "url": format!("/v1/{}", kind.path()), "has_more": has_more, "data": data }))
}

/// Creates the balance transaction of a charge that succeeded, and notes it on the charge
/// (<https://docs.stripe.com/api/balance_transactions/object>). The account is paid out in the charge's currency.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    settings: &Settings,
    now: i64,
    charge: &mut Charge,
) -> rusqlite::Result<()> {
    let id = settings.doors.identifier("txn_");
    let fee = charge.amount * FEE_PER_MILLE / 1000 + FEE_FIXED;
    let entry = json!({
        "id": id, "object": "balance_transaction", "amount": charge.amount,
        "available_on": now + AVAILABLE_AFTER, "balance_type": "payments", "created": now,
        "currency": charge.currency, "description": null, "exchange_rate": null, "fee": fee,
        "fee_details": [{
            "amount": fee, "application": null, "currency": charge.currency,
            "description": "Stripe processing fees", "type": "stripe_fee",
        }],
        "net": charge.amount - fee, "reporting_category": "charge", "source": charge.id, "status": "pending",
        "type": "charge",
    });
    save(transaction, &id, &entry)?;
    charge.rest.insert("balance_transaction".to_owned(), json!(id));
    Ok(())
}

/// Builds the dispute of a charge (<https://docs.stripe.com/api/disputes/object>).
pub(super) fn dispute(settings: &Settings, now: i64, charge: &Charge) -> (String, Value) {
    let id = settings.doors.identifier("du_");
    let evidence: Map<String, Value> = "access_activity_log billing_address cancellation_policy \
        cancellation_policy_disclosure cancellation_rebuttal customer_communication customer_email_address \
        customer_name customer_purchase_ip customer_signature duplicate_charge_documentation \
        duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy \
        refund_policy_disclosure refund_refusal_explanation service_date service_documentation shipping_address \
        shipping_carrier shipping_date shipping_documentation shipping_tracking_number uncategorized_file \
        uncategorized_text"
        .split_ascii_whitespace()
        .map(|name| (name.to_owned(), Value::Null))
        .chain([("enhanced_evidence".to_owned(), json!({}))])
        .collect();
    let dispute = json!({
        "id": id, "object": "dispute", "amount": charge.amount, "balance_transactions": [], "charge": charge.id,
        "created": now, "currency": charge.currency, "enhanced_eligibility_types": [], "evidence": evidence,
        "evidence_details": {
            "due_by": now + 7 * 24 * 60 * 60, "enhanced_eligibility": {}, "has_evidence": false, "past_due": false,
            "submission_count": 0, "submission_method": "not_submitted",
        },
        "intended_submission_method": null, "is_charge_refundable": false, "livemode": settings.livemode,
        "metadata": {}, "payment_intent": charge.payment_intent, "reason": "fraudulent", "status": "needs_response",
    });
    (id, dispute)
}

impl Account<'_> {
    /// Pays out everything that has not been paid out yet, as the automatic payout of a day does
    /// (<https://docs.stripe.com/payouts>). Each currency has a payout of its own.
    pub(super) fn pay_out(&mut self) -> rusqlite::Result<()> {
        let entries: Vec<(String, i64, String)> = self
            .transaction()
            .prepare_cached(
                "SELECT id, json_extract(body, '$.net'), json_extract(body, '$.currency') FROM stripe_objects
                 WHERE json_extract(body, '$.object') = 'balance_transaction'
                   AND id NOT IN (SELECT entry FROM stripe_payout_entries)
                 ORDER BY json_extract(body, '$.currency'), rowid",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        for paid_out in entries.chunk_by(|(.., one), (.., other)| one == other) {
            let Some((.., currency)) = paid_out.first() else { continue };
            let id = self.settings().doors.identifier("po_");
            let payout = json!({
                "id": id, "object": "payout", "amount": paid_out.iter().map(|(_, net, _)| net).sum::<i64>(),
                "application_fee": null, "application_fee_amount": null, "arrival_date": self.now,
                "automatic": true, "balance_transaction": null, "created": self.now, "currency": currency,
                "description": "STRIPE PAYOUT", "destination": null, "failure_balance_transaction": null,
                "failure_code": null, "failure_message": null, "livemode": self.settings().livemode, "metadata": {},
                "method": "standard", "original_payout": null, "payout_method": null,
                "reconciliation_status": "completed", "reversed_by": null, "source_type": "card",
                "statement_descriptor": null, "status": "paid", "trace_id": null, "type": "bank_account",
            });
            save(self.transaction(), &id, &payout)?;
            for (entry, ..) in paid_out {
                self.transaction()
                    .prepare_cached("INSERT INTO stripe_payout_entries VALUES (?1, ?2)")?
                    .execute((entry, &id))?;
            }
        }
        Ok(())
    }
}
