//! The rules by which a merchant's account changes, and the events about each change.

use super::amount;
use super::error::{AccountError, ApiError};
use super::objects::{
    Charge, ChargeStatus, Checkout, IntentStatus, LineItem, NewPrice, PaymentIntent, PaymentStatus, Refund,
    RefundStatus, Session, SessionStatus, VERSION, load, save,
};
use super::parameters::Parameters;
use super::settlements;
use super::webhook;
use domain::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stand_in_host::checkout_page::{FormValue, PaymentOutcome, Settlement};
use stand_in_host::durable::Job;
use stand_in_host::{Doors, Identifiers as _};

/// The minimum lifetime of a session, in seconds (<https://docs.stripe.com/api/checkout/sessions/create>).
const SHORTEST_SESSION: i64 = 30 * 60;
/// The maximum and default lifetime of a session, in seconds.
const LONGEST_SESSION: i64 = 24 * 60 * 60;

/// The greatest number of line items of a session that takes one payment.
const LINE_ITEMS: usize = 100;
/// The greatest length of `client_reference_id`, in characters.
const REFERENCE_CHARACTERS: usize = 200;
/// The languages of the payment page (<https://docs.stripe.com/api/checkout/sessions/create>).
const LOCALES: &[&str] = &[
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hi-IN",
    "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk",
    "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];
/// The reasons that a merchant can give for a refund (<https://docs.stripe.com/api/refunds/create>).
const REFUND_REASONS: &[&str] = &["duplicate", "fraudulent", "requested_by_customer"];

/// The supported parameters of a new session; Stripe supports more.
pub(super) const SESSION_PARAMETERS: &[&str] = &[
    "adaptive_pricing[enabled]",
    "cancel_url",
    "client_reference_id",
    "expand[]",
    "expires_at",
    "line_items[][price_data][currency]",
    "line_items[][price_data][product_data][description]",
    "line_items[][price_data][product_data][name]",
    "line_items[][price_data][unit_amount]",
    "line_items[][quantity]",
    "locale",
    "metadata[*]",
    "mode",
    "payment_intent_data[metadata][*]",
    "success_url",
];

/// The supported parameters of a new refund.
pub(super) const REFUND_PARAMETERS: &[&str] =
    &["amount", "charge", "expand[]", "metadata[*]", "payment_intent", "reason"];

/// The outcome of the refunds of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RefundOutcome {
    /// The refunds wait until the balance covers them.
    Waiting,
    /// The refunds succeed.
    Succeeded,
    /// The refunds fail.
    Failed,
}

impl FormValue for RefundOutcome {
    const EXPECTED: &'static str = "must be waiting, succeeded or failed";
}

/// The API request that caused an event (Stripe's `event.request`); empty when the customer caused it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ApiRequest {
    pub(super) id: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

/// The settings shared by all changes of the account.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) livemode: bool,
    /// The base URL of the sessions' pages, to which the identifier is appended.
    pub(super) page_base: String,
    pub(super) doors: Doors,
}

/// The account within one transaction and at one time.
pub(super) struct Account<'a> {
    transaction: &'a Transaction<'a>,
    settings: &'a Settings,
    moment: Timestamp,
    /// `moment` in seconds since the Unix epoch, as Stripe expresses all times.
    pub(super) now: i64,
    request: ApiRequest,
    /// The stored webhooks about the changes, still to be delivered.
    pub(super) pending_webhooks: Vec<Job>,
}

impl<'a> Account<'a> {
    /// Opens the account for changes at the current time. `request` is the API request that causes them.
    pub(super) fn open(transaction: &'a Transaction<'a>, settings: &'a Settings, request: ApiRequest) -> Self {
        let moment = settings.doors.now();
        let now = moment.as_milliseconds().div_euclid(1000);
        Self { transaction, settings, moment, now, request, pending_webhooks: Vec::new() }
    }

    pub(super) fn transaction(&self) -> &Transaction<'_> {
        self.transaction
    }

    pub(super) fn settings(&self) -> &Settings {
        self.settings
    }

    /// Generates an identifier with a prefix that names its kind, such as `pi_`.
    fn identifier(&self, prefix: &str) -> String {
        self.settings.doors.identifier(prefix)
    }

    /// Creates a session from its parameters, and stores it.
    pub(super) fn create_session(&mut self, given: &Parameters) -> Result<Session, AccountError> {
        given.one_of("mode", &["payment", "setup", "subscription"])?;
        if given.required("mode")? != "payment" {
            return Err(ApiError::invalid("mode", "The stand-in takes payments alone.").into());
        }
        if given.boolean("adaptive_pricing[enabled]")? == Some(true) {
            return Err(ApiError::invalid("adaptive_pricing[enabled]", "The stand-in converts no currencies.").into());
        }
        let success_url = given.url("success_url")?;
        let success_url = success_url.ok_or_else(|| {
            ApiError::parameter("parameter_missing", "success_url", "Missing required param: success_url.")
        })?;
        let (line_items, notes) = self.line_items(given)?;
        let (total, currency) = total(&line_items)?;
        let expires_at = given.integer("expires_at")?.unwrap_or(self.now + LONGEST_SESSION);
        if expires_at < self.now + SHORTEST_SESSION {
            let message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.";
            return Err(ApiError::parameter("parameter_invalid_integer", "expires_at", message).into());
        }
        if expires_at > self.now + LONGEST_SESSION {
            let message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.";
            return Err(ApiError::parameter("parameter_invalid_integer", "expires_at", message).into());
        }
        let id = self.identifier(if self.settings.livemode { "cs_live_a1" } else { "cs_test_a1" });
        let session = Session {
            amount_subtotal: total,
            amount_total: total,
            cancel_url: given.url("cancel_url")?,
            client_reference_id: given.text_of_at_most("client_reference_id", REFERENCE_CHARACTERS)?.map(str::to_owned),
            created: self.now,
            currency,
            expires_at,
            livemode: self.settings.livemode,
            locale: given.one_of("locale", LOCALES)?.map(str::to_owned),
            metadata: given.metadata("metadata")?,
            payment_intent: None,
            payment_status: PaymentStatus::Unpaid,
            status: SessionStatus::Open,
            success_url,
            url: Some(format!("{}{id}", self.settings.page_base)),
            rest: Session::rest(),
            id,
        };
        let intent_metadata = given.metadata("payment_intent_data[metadata]")?;
        let checkout = Checkout { session, line_items, notes, intent_metadata, failed: false, refunds_wait: false };
        self.save_checkout(&checkout)?;
        Ok(checkout.session)
    }

    /// Parses the line items of a new session, and the products' own descriptions.
    fn line_items(&self, given: &Parameters) -> Result<(Vec<LineItem>, Vec<Option<String>>), ApiError> {
        let (mut items, mut notes) = (Vec::new(), Vec::new());
        for place in 0.. {
            let item = format!("line_items[{place}]");
            if !given.has(&item) {
                break;
            }
            if place == LINE_ITEMS {
                return Err(ApiError::invalid("line_items", format!("There can be at most {LINE_ITEMS} line items.")));
            }
            let quantity = format!("{item}[quantity]");
            let quantity = match given.integer(&quantity)? {
                Some(count @ ..=0) => {
                    let message = format!("This value must be greater than or equal to 1: {count}.");
                    return Err(ApiError::parameter("parameter_invalid_integer", &quantity, message));
                }
                count => count.unwrap_or(1),
            };
            let unit_amount = given.required_integer(&format!("{item}[price_data][unit_amount]"))?;
            let currency = given.required(&format!("{item}[price_data][currency]"))?.to_ascii_lowercase();
            let name = given.required(&format!("{item}[price_data][product_data][name]"))?;
            let note = given.text(&format!("{item}[price_data][product_data][description]"))?;
            notes.push(note.map(str::to_owned));
            let price = NewPrice {
                id: self.identifier("price_"),
                product: self.identifier("prod_"),
                created: self.now,
                currency: &currency,
                livemode: self.settings.livemode,
                unit_amount,
            };
            let amount_total = quantity.saturating_mul(unit_amount);
            let rest = LineItem::rest(&price, amount_total);
            let (id, description) = (self.identifier("li_"), name.to_owned());
            items.push(LineItem { id, amount_total, currency, description, quantity, rest });
        }
        Ok((items, notes))
    }

    /// Returns the session with this identifier. An open session past its expiry is expired first.
    pub(super) fn checkout(&mut self, id: &str) -> rusqlite::Result<Option<Checkout>> {
        let checkout = if id.starts_with("cs_") { load::<Checkout>(self.transaction, id)? } else { None };
        let Some(mut checkout) = checkout else { return Ok(None) };
        if checkout.session.status == SessionStatus::Open && checkout.session.expires_at <= self.now {
            self.expire(&mut checkout)?;
        }
        Ok(Some(checkout))
    }

    /// Expires every open session past its expiry.
    pub(super) fn expire_overdue(&mut self) -> rusqlite::Result<()> {
        let overdue: Vec<String> = self
            .transaction
            .prepare_cached(
                "SELECT id FROM stripe_objects
                 WHERE json_extract(body, '$.session.status') = 'open'
                   AND json_extract(body, '$.session.expires_at') <= ?1",
            )?
            .query_map([self.now], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in overdue {
            self.checkout(&id)?;
        }
        Ok(())
    }

    /// Expires an open session at the merchant's request.
    pub(super) fn expire_session(&mut self, id: &str) -> Result<Session, AccountError> {
        let mut checkout = self.checkout(id)?.ok_or_else(|| ApiError::missing("checkout.session", "session", id))?;
        if checkout.session.status != SessionStatus::Open {
            // <https://docs.stripe.com/api/checkout/sessions/expire> documents the rejection without its wording. The
            // message is the one that merchants report, which has no code.
            return Err(ApiError::refused(format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status \
                 of `{}`.",
                checkout.session.status.name()
            ))
            .into());
        }
        self.expire(&mut checkout)?;
        Ok(checkout.session)
    }

    fn expire(&mut self, checkout: &mut Checkout) -> rusqlite::Result<()> {
        checkout.session.status = SessionStatus::Expired;
        checkout.session.url = None;
        if let Some(mut intent) = self.intent_of(checkout)? {
            intent.status = IntentStatus::Canceled;
            intent.canceled_at = Some(self.now);
            save(self.transaction, &intent.id, &intent)?;
            self.tell("payment_intent.canceled", &intent)?;
        }
        self.save_checkout(checkout)?;
        self.tell("checkout.session.expired", &checkout.session)
    }

    /// Makes a payment attempt on an open session, as the customer does.
    pub(super) fn attempt(&mut self, checkout: &mut Checkout, outcome: PaymentOutcome) -> rusqlite::Result<()> {
        let mut intent = match self.intent_of(checkout)? {
            Some(intent) => intent,
            None => self.new_intent(checkout),
        };
        let mut charge = self.new_charge(&intent, outcome);
        if outcome == PaymentOutcome::Succeeded {
            settlements::settle(self.transaction, self.settings, self.now, &mut charge)?;
        }
        intent.latest_charge = Some(charge.id.clone());
        checkout.session.payment_intent = Some(intent.id.clone());
        save(self.transaction, &charge.id, &charge)?;
        match outcome {
            PaymentOutcome::Declined => {
                intent.last_payment_error = Some(json!({
                    "type": "card_error", "code": "card_declined", "decline_code": "generic_decline",
                    "message": "Your card was declined.", "charge": charge.id,
                }));
                save(self.transaction, &intent.id, &intent)?;
                self.save_checkout(checkout)?;
                self.tell("charge.failed", &charge)?;
                self.tell("payment_intent.payment_failed", &intent)
            }
            PaymentOutcome::Processing => {
                intent.status = IntentStatus::Processing;
                intent.last_payment_error = None;
                save(self.transaction, &intent.id, &intent)?;
                self.complete(checkout, PaymentStatus::Unpaid)?;
                self.tell("charge.pending", &charge)?;
                self.tell("payment_intent.processing", &intent)?;
                self.tell("checkout.session.completed", &checkout.session)
            }
            PaymentOutcome::Succeeded => {
                intent.status = IntentStatus::Succeeded;
                intent.amount_received = intent.amount;
                intent.last_payment_error = None;
                save(self.transaction, &intent.id, &intent)?;
                self.complete(checkout, PaymentStatus::Paid)?;
                self.tell("charge.succeeded", &charge)?;
                self.tell("payment_intent.succeeded", &intent)?;
                self.tell("checkout.session.completed", &checkout.session)
            }
        }
    }

    /// Settles a processing payment: the money arrives or does not. Returns whether the payment was processing.
    pub(super) fn settle(&mut self, checkout: &mut Checkout, settlement: Settlement) -> rusqlite::Result<bool> {
        let Some(mut intent) = self.intent_of(checkout)? else { return Ok(false) };
        if intent.status != IntentStatus::Processing {
            return Ok(false);
        }
        let Some(mut charge) = self.latest_charge(&intent)? else { return Ok(false) };
        match settlement {
            Settlement::Succeeded => {
                charge.status = ChargeStatus::Succeeded;
                (charge.paid, charge.amount_captured) = (true, charge.amount);
                settlements::settle(self.transaction, self.settings, self.now, &mut charge)?;
                intent.status = IntentStatus::Succeeded;
                intent.amount_received = intent.amount;
                checkout.session.payment_status = PaymentStatus::Paid;
            }
            Settlement::Failed => {
                checkout.failed = true;
                charge.status = ChargeStatus::Failed;
                charge.failure_code = Some("insufficient_funds".to_owned());
                intent.status = IntentStatus::RequiresPaymentMethod;
                intent.last_payment_error = Some(json!({
                    "type": "invalid_request_error", "code": "payment_intent_payment_attempt_failed",
                    "message": "The payment failed.", "charge": charge.id,
                }));
            }
        }
        save(self.transaction, &charge.id, &charge)?;
        save(self.transaction, &intent.id, &intent)?;
        self.save_checkout(checkout)?;
        if settlement == Settlement::Succeeded {
            self.tell("charge.succeeded", &charge)?;
            self.tell("payment_intent.succeeded", &intent)?;
            self.tell("checkout.session.async_payment_succeeded", &checkout.session)?;
        } else {
            self.tell("charge.failed", &charge)?;
            self.tell("payment_intent.payment_failed", &intent)?;
            self.tell("checkout.session.async_payment_failed", &checkout.session)?;
        }
        Ok(true)
    }

    /// Creates a refund: of the given amount, or else of all that has not been refunded yet.
    pub(super) fn refund(&mut self, given: &Parameters) -> Result<Refund, AccountError> {
        let mut charge = self.charge_to_refund(given)?;
        let left = charge.amount - charge.amount_refunded;
        if left == 0 {
            let message = format!("Charge {} has already been refunded.", charge.id);
            return Err(ApiError::refused(message).with_code("charge_already_refunded").into());
        }
        let reason = given.one_of("reason", REFUND_REASONS)?;
        let amount = given.integer("amount")?.unwrap_or(left);
        if amount < 1 {
            let message = "This value must be greater than or equal to 1.";
            return Err(ApiError::parameter("parameter_invalid_integer", "amount", message).into());
        }
        if amount > left {
            let (asked, left) = (amount::display(amount, &charge.currency), amount::display(left, &charge.currency));
            let message = format!("Refund amount ({asked}) is greater than unrefunded amount on charge ({left})");
            return Err(ApiError::refused(message).into());
        }
        let waits = self.refunds_wait(&charge)?;
        charge.amount_refunded += amount;
        charge.refunded = charge.amount_refunded == charge.amount;
        let refund = Refund {
            id: self.identifier("re_"),
            amount,
            charge: charge.id.clone(),
            created: self.now,
            currency: charge.currency.clone(),
            metadata: given.metadata("metadata")?,
            payment_intent: charge.payment_intent.clone(),
            pending_reason: waits.then(|| "insufficient_funds".to_owned()),
            status: if waits { RefundStatus::Pending } else { RefundStatus::Succeeded },
            rest: Refund::rest(reason),
        };
        save(self.transaction, &charge.id, &charge)?;
        save(self.transaction, &refund.id, &refund)?;
        self.tell("refund.created", &refund)?;
        self.tell("charge.refunded", &charge)?;
        if !waits {
            self.tell("refund.updated", &refund)?;
        }
        Ok(refund)
    }

    fn refunds_of(&self, intent: &str) -> rusqlite::Result<Vec<Refund>> {
        let ids: Vec<String> = self
            .transaction
            .prepare_cached(
                "SELECT id FROM stripe_objects
                 WHERE json_extract(body, '$.object') = 'refund' AND json_extract(body, '$.payment_intent') = ?1
                 ORDER BY rowid DESC",
            )?
            .query_map([intent], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        ids.iter().filter_map(|id| load(self.transaction, id).transpose()).collect()
    }

    /// Returns whether refunds of a charge's payment wait because the balance does not cover them.
    fn refunds_wait(&self, charge: &Charge) -> rusqlite::Result<bool> {
        let waits = self
            .transaction
            .prepare_cached(
                "SELECT json_extract(body, '$.refunds_wait') FROM stripe_objects
                 WHERE json_extract(body, '$.session.payment_intent') = ?1",
            )?
            .query_row([&charge.payment_intent], |row| row.get::<_, Option<bool>>(0))
            .optional()?;
        Ok(waits.flatten().unwrap_or_default())
    }

    /// Sets the outcome of the refunds of a session's payment: future ones wait, or those that wait are settled.
    /// Returns whether the payment exists.
    pub(super) fn settle_refunds(&mut self, checkout: &mut Checkout, outcome: RefundOutcome) -> rusqlite::Result<bool> {
        checkout.refunds_wait = outcome == RefundOutcome::Waiting;
        self.save_checkout(checkout)?;
        let Some(intent) = self.intent_of(checkout)? else { return Ok(false) };
        if outcome == RefundOutcome::Waiting {
            return Ok(true);
        }
        for mut refund in
            self.refunds_of(&intent.id)?.into_iter().filter(|refund| refund.status == RefundStatus::Pending)
        {
            refund.pending_reason = None;
            refund.status = RefundStatus::Succeeded;
            if outcome == RefundOutcome::Failed {
                refund.status = RefundStatus::Failed;
                if let Some(mut charge) = load::<Charge>(self.transaction, &refund.charge)? {
                    charge.amount_refunded -= refund.amount;
                    charge.refunded = false;
                    save(self.transaction, &charge.id, &charge)?;
                }
                self.tell("refund.failed", &refund)?;
            }
            save(self.transaction, &refund.id, &refund)?;
            self.tell("refund.updated", &refund)?;
        }
        Ok(true)
    }

    /// Opens the dispute of a session's payment, as the customer does at their bank. Returns whether the payment has
    /// succeeded; a second dispute changes nothing.
    pub(super) fn dispute(&mut self, checkout: &Checkout) -> rusqlite::Result<bool> {
        let intent = self.intent_of(checkout)?;
        let charge = intent.map_or(Ok(None), |intent| self.latest_charge(&intent))?;
        let Some(mut charge) = charge.filter(|charge| charge.status == ChargeStatus::Succeeded) else {
            return Ok(false);
        };
        if charge.rest.insert("disputed".to_owned(), json!(true)) != Some(json!(true)) {
            let (id, dispute) = settlements::dispute(self.settings, self.now, &charge);
            save(self.transaction, &charge.id, &charge)?;
            save(self.transaction, &id, &dispute)?;
            self.tell("charge.dispute.created", &dispute)?;
        }
        Ok(true)
    }

    fn charge_to_refund(&self, given: &Parameters) -> Result<Charge, AccountError> {
        let charge = if let Some(id) = given.text("payment_intent")? {
            let intent = if id.starts_with("pi_") { load::<PaymentIntent>(self.transaction, id)? } else { None };
            let intent = intent.ok_or_else(|| ApiError::missing("payment_intent", "payment_intent", id))?;
            self.latest_charge(&intent)?
        } else if let Some(id) = given.text("charge")? {
            let charge = if id.starts_with("ch_") { load::<Charge>(self.transaction, id)? } else { None };
            Some(charge.ok_or_else(|| ApiError::missing("charge", "charge", id))?)
        } else {
            let message = "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::parameter("parameter_missing", "payment_intent", message).into());
        };
        charge
            .filter(|charge| charge.status == ChargeStatus::Succeeded)
            .ok_or_else(|| ApiError::refused("This PaymentIntent does not have a successful charge to refund.").into())
    }

    fn complete(&mut self, checkout: &mut Checkout, payment_status: PaymentStatus) -> rusqlite::Result<()> {
        checkout.session.status = SessionStatus::Complete;
        checkout.session.payment_status = payment_status;
        checkout.session.url = None;
        self.save_checkout(checkout)
    }

    fn new_intent(&self, checkout: &Checkout) -> PaymentIntent {
        let id = self.identifier("pi_");
        let client_secret = self.identifier(&format!("{id}_secret_"));
        PaymentIntent {
            amount: checkout.session.amount_total,
            amount_received: 0,
            canceled_at: None,
            created: self.now,
            currency: checkout.session.currency.clone(),
            last_payment_error: None,
            latest_charge: None,
            livemode: self.settings.livemode,
            metadata: checkout.intent_metadata.clone(),
            status: IntentStatus::RequiresPaymentMethod,
            rest: PaymentIntent::rest(&client_secret),
            id,
        }
    }

    fn new_charge(&self, intent: &PaymentIntent, outcome: PaymentOutcome) -> Charge {
        let paid = outcome == PaymentOutcome::Succeeded;
        Charge {
            id: self.identifier("ch_"),
            amount: intent.amount,
            amount_captured: if paid { intent.amount } else { 0 },
            amount_refunded: 0,
            created: self.now,
            currency: intent.currency.clone(),
            failure_code: (outcome == PaymentOutcome::Declined).then(|| "card_declined".to_owned()),
            livemode: self.settings.livemode,
            metadata: intent.metadata.clone(),
            paid,
            payment_intent: intent.id.clone(),
            refunded: false,
            status: match outcome {
                PaymentOutcome::Succeeded => ChargeStatus::Succeeded,
                PaymentOutcome::Declined => ChargeStatus::Failed,
                PaymentOutcome::Processing => ChargeStatus::Pending,
            },
            rest: Charge::rest(),
        }
    }

    fn intent_of(&self, checkout: &Checkout) -> rusqlite::Result<Option<PaymentIntent>> {
        checkout.session.payment_intent.as_deref().map_or(Ok(None), |id| load(self.transaction, id))
    }

    fn latest_charge(&self, intent: &PaymentIntent) -> rusqlite::Result<Option<Charge>> {
        intent.latest_charge.as_deref().map_or(Ok(None), |id| load(self.transaction, id))
    }

    fn save_checkout(&self, checkout: &Checkout) -> rusqlite::Result<()> {
        save(self.transaction, &checkout.session.id, checkout)
    }

    /// Stores the webhook of an event, with the object's current state.
    fn tell(&mut self, kind: &str, object: &impl Serialize) -> rusqlite::Result<()> {
        let id = self.identifier("evt_");
        let event = json!({
            "id": id, "object": "event", "api_version": VERSION, "created": self.now, "data": { "object": object },
            "livemode": self.settings.livemode, "pending_webhooks": 1, "request": self.request, "type": kind,
        });
        self.pending_webhooks.push(webhook::put(self.transaction, &id, &event, self.moment)?);
        Ok(())
    }
}

/// Returns the total and the currency of the items, which must all have the same currency.
fn total(items: &[LineItem]) -> Result<(i64, String), ApiError> {
    let Some(first) = items.first() else {
        return Err(ApiError::parameter("parameter_missing", "line_items", "Missing required param: line_items."));
    };
    if items.iter().any(|item| item.currency != first.currency) {
        return Err(ApiError::invalid("line_items[0][price_data][currency]", "All line items need one currency."));
    }
    let total = items.iter().fold(0_i64, |sum, item| sum.saturating_add(item.amount_total));
    amount::check(total, &first.currency)?;
    Ok((total, first.currency.clone()))
}

/// Builds the JSON of a session, with its line items if `expand` requests them.
pub(super) fn shown(checkout: &Checkout, expand: &[&str]) -> Value {
    let mut session = json!(checkout.session);
    if let (true, Some(fields)) = (expand.contains(&"line_items"), session.as_object_mut()) {
        let list = json!({ "object": "list", "data": checkout.line_items, "has_more": false,
            "url": format!("/v1/checkout/sessions/{}/line_items", checkout.session.id) });
        fields.insert("line_items".to_owned(), list);
    }
    session
}

#[cfg(test)]
mod tests {
    use super::*;
    use stand_in_host::doors::{Clock, NoRandomness, Randomness};
    use stand_in_host::durable::DurableStore;
    use std::sync::atomic::{AtomicU64, Ordering};

    const NOW: i64 = 1_767_607_200;

    fn parameters(more: &str) -> Parameters {
        let text = format!(
            "mode=payment&success_url=http://127.0.0.1/p/x&line_items[0][quantity]=2\
             &line_items[0][price_data][currency]=ZAR\
             &line_items[0][price_data][unit_amount]=12500&line_items[0][price_data][product_data][name]=Order+1\
             &payment_intent_data[metadata][a]=1{more}"
        );
        Parameters::read(text.as_bytes(), SESSION_PARAMETERS).unwrap()
    }

    struct StandingClock;

    impl Clock for StandingClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_milliseconds(NOW * 1000).unwrap()
        }
    }

    /// A counter in place of randomness: identifiers are distinct, and the same in every run.
    struct Counter(AtomicU64);

    impl Randomness for Counter {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            bytes.iter_mut().zip(number.iter().cycle()).for_each(|(byte, from)| *byte = *from);
            Ok(())
        }
    }

    /// Runs `work` within one transaction, which is all that these rules need. Returns its result and the kinds of the
    /// stored webhooks.
    async fn within<T: Send + 'static>(
        work: impl FnOnce(&mut Account<'_>) -> Result<T, AccountError> + Send + 'static,
    ) -> (T, Vec<String>) {
        let store = DurableStore::open(None).unwrap();
        store.create_tables(crate::objects::SCHEMA).await.unwrap();
        let work = move |transaction: &Transaction<'_>| {
            let settings = Settings {
                livemode: false,
                page_base: "http://127.0.0.1/".to_owned(),
                doors: Doors::new(StandingClock, Counter(AtomicU64::new(0))),
            };
            let mut account = Account::open(transaction, &settings, ApiRequest::default());
            let result = work(&mut account).unwrap();
            let kind =
                |job: &Job| serde_json::from_str::<Value>(&job.body).unwrap()["type"].as_str().unwrap().to_owned();
            Ok((result, account.pending_webhooks.iter().map(kind).collect()))
        };
        store.transaction(work).await.unwrap()
    }

    fn created(account: &mut Account<'_>, more: &str) -> Result<Checkout, AccountError> {
        let id = account.create_session(&parameters(more))?.id;
        Ok(account.checkout(&id)?.unwrap())
    }

    #[tokio::test]
    async fn a_session_costs_the_sum_of_its_items_and_lasts_a_day_by_default() {
        let (checkout, webhooks) = within(|account| created(account, "")).await;
        let session = checkout.session;
        assert_eq!((session.amount_total, session.currency.as_str()), (25_000, "zar"));
        assert_eq!(session.expires_at, NOW + LONGEST_SESSION);
        assert_eq!((session.status, session.payment_status), (SessionStatus::Open, PaymentStatus::Unpaid));
        assert_eq!((session.payment_intent, webhooks.len()), (None, 0));
    }

    #[tokio::test]
    async fn a_session_lasts_between_half_an_hour_and_a_day() {
        for (seconds, taken) in [(1_799, false), (1_800, true), (86_400, true), (86_401, false)] {
            let (result, _) = within(move |account| {
                let parameters = parameters(&format!("&expires_at={}", NOW + seconds));
                Ok(account.create_session(&parameters).is_ok())
            })
            .await;
            assert_eq!(result, taken, "{seconds}");
        }
    }

    #[tokio::test]
    async fn a_session_expires_at_its_time_and_cancels_its_payment() {
        let (status, webhooks) = within(|account| {
            let mut checkout = created(account, &format!("&expires_at={}", NOW + 1_800))?;
            account.attempt(&mut checkout, PaymentOutcome::Declined)?;
            for later in [1_799, 1] {
                account.now += later;
                account.expire_overdue()?;
            }
            account.expire_overdue()?;
            Ok(account.checkout(&checkout.session.id)?.unwrap().session.status)
        })
        .await;
        assert_eq!(status, SessionStatus::Expired);
        let after = ["payment_intent.canceled", "checkout.session.expired"];
        assert_eq!(webhooks, [["charge.failed", "payment_intent.payment_failed"], after].concat());
    }

    #[tokio::test]
    async fn one_payment_is_tried_again_after_a_decline_and_is_refunded_once() {
        let (refused, webhooks) = within(|account| {
            let mut checkout = created(account, "")?;
            account.attempt(&mut checkout, PaymentOutcome::Declined)?;
            let declined = checkout.session.payment_intent.clone();
            account.attempt(&mut checkout, PaymentOutcome::Succeeded)?;
            assert_eq!(checkout.session.payment_intent, declined);
            account.pending_webhooks.clear();
            let intent = declined.unwrap();
            let refund = format!("payment_intent={intent}");
            let refund = Parameters::read(refund.as_bytes(), REFUND_PARAMETERS).unwrap();
            assert_eq!(account.refund(&refund)?.amount, 25_000);
            let Err(AccountError::Api(refused)) = account.refund(&refund) else { panic!("refunded twice") };
            Ok(refused.body()["error"]["code"].clone())
        })
        .await;
        assert_eq!(refused, "charge_already_refunded");
        assert_eq!(webhooks, ["refund.created", "charge.refunded", "refund.updated"]);
    }

    #[tokio::test]
    async fn a_delayed_payment_arrives_or_fails_once() {
        for settlement in [Settlement::Succeeded, Settlement::Failed] {
            let ((), webhooks) = within(move |account| {
                let mut checkout = created(account, "")?;
                account.attempt(&mut checkout, PaymentOutcome::Processing)?;
                assert_eq!(checkout.session.payment_status, PaymentStatus::Unpaid);
                account.pending_webhooks.clear();
                assert!(account.settle(&mut checkout, settlement)?);
                assert!(!account.settle(&mut checkout, Settlement::Succeeded)?);
                Ok(())
            })
            .await;
            let end = match settlement {
                Settlement::Succeeded => "checkout.session.async_payment_succeeded",
                Settlement::Failed => "checkout.session.async_payment_failed",
            };
            assert_eq!((webhooks.len(), webhooks.last().map(String::as_str)), (3, Some(end)));
        }
    }
}
