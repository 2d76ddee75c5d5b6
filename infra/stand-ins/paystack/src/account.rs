//! The rules by which a merchant's transactions change, and the events about each change.

use super::amount;
use super::error::{AccountError, ApiError};
use super::given::Given;
use super::objects::{
    Clauses, Customer, Dispute, RefundsEnd, Status, Stored, Transaction, load, next_id, save, transaction_by,
};
use super::shown::{self, Place};
use super::webhook;
use domain::Timestamp;
use rusqlite::Transaction as Work;
use serde::Deserialize;
use serde_json::{Value, json};
use stand_in_host::checkout_page::{FormValue, Settlement};
use stand_in_host::durable::Job;
use stand_in_host::{Doors, Identifiers as _};

/// The supported parameters of a new transaction (`TransactionInitialize` in the published description); Paystack
/// supports more.
pub(super) const INITIALIZE: &[&str] =
    &["amount", "callback_url", "channels", "currency", "email", "label", "metadata", "reference"];

/// The ways to pay (<https://paystack.com/docs/api/transaction/#initialize>).
const CHANNELS: &[&str] =
    &["apple_pay", "bank", "bank_transfer", "capitec_pay", "card", "eft", "mobile_money", "payattitude", "qr", "ussd"];
/// Those whose outcome is known at once. If a transaction offers none of them, the customer pays by the first.
const FAST_CHANNELS: &[&str] = &["card", "apple_pay", "qr", "payattitude", "capitec_pay"];
/// Those that take time. If a transaction offers none of them, the customer pays by the first.
const SLOW_CHANNELS: &[&str] = &["bank_transfer", "bank", "eft", "mobile_money", "ussd"];

/// The currency of a transaction that names none: that of an account in Nigeria.
const CURRENCY: &str = "NGN";
/// The identifier of the first customer.
const FIRST_CUSTOMER: i64 = 180_000_001;

/// The outcome of an attempt to pay, which the customer selects by a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AttemptOutcome {
    /// The card is charged.
    Succeeded,
    /// The card is declined. The customer stays on the page, and can try again.
    Declined,
    /// The customer has made a transfer, which takes time.
    Processing,
    /// The customer has begun a transfer, and not made it yet.
    Ongoing,
}

impl FormValue for AttemptOutcome {
    const EXPECTED: &'static str = "must be succeeded, declined, processing or ongoing";
}

/// The settings shared by all changes of the account.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The mode, `test` or `live`.
    pub(super) domain: &'static str,
    /// The base URL of the transactions' pages, to which the access code is appended.
    pub(super) page_base: String,
    pub(super) doors: Doors,
}

/// The account within one transaction of the store and at one time.
pub(super) struct Account<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) settings: &'a Settings,
    moment: Timestamp,
    /// `moment` in milliseconds since the Unix epoch.
    pub(super) now: i64,
    /// The stored webhooks about the changes, still to be delivered.
    pub(super) pending_webhooks: Vec<Job>,
}

impl<'a> Account<'a> {
    /// Opens the account for changes at the current time.
    pub(super) fn open(work: &'a Work<'a>, settings: &'a Settings) -> Self {
        let moment = settings.doors.now();
        Self { work, settings, moment, now: moment.as_milliseconds(), pending_webhooks: Vec::new() }
    }

    /// Creates a transaction, which the customer can pay on its page from now on, for ever. Returns the answer's data.
    pub(super) fn initialize(&self, given: &Given) -> Result<Value, AccountError> {
        let email = given.text("email")?.ok_or_else(|| ApiError::missing("Email Address"))?;
        if !is_email(email) {
            return Err(ApiError::email().into());
        }
        let amount = given.integer("amount")?.ok_or_else(|| ApiError::missing("Amount"))?;
        let currency = given.text("currency")?.unwrap_or(CURRENCY);
        amount::check(amount, currency)?;
        let code = self.settings.doors.identifier("");
        let reference = given.text("reference")?.unwrap_or(&code);
        if !reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.=".contains(&byte)) {
            let message = "Invalid reference. Only -, ., = and alphanumeric characters are allowed";
            return Err(ApiError::invalid(message).into());
        }
        let transaction = Transaction {
            id: next_id::<Transaction>(self.work)?,
            reference: reference.to_owned(),
            access_code: code.chars().take(15).collect(),
            amount,
            currency: currency.to_owned(),
            email: email.to_owned(),
            customer: self.customer(email)?,
            callback_url: given.url("callback_url")?.map(str::to_owned),
            label: given.text("label")?.map(str::to_owned),
            metadata: metadata(given)?,
            channels: given.list("channels", CHANNELS)?,
            status: Status::Abandoned,
            created_at: self.now,
            paid_at: None,
            channel: "card".to_owned(),
            attempts: 0,
            errors: 0,
            fees: None,
            refunds_end: RefundsEnd::Succeeded,
            settlement: None,
        };
        if transaction_by(self.work, "reference", &transaction.reference)?.is_some() {
            return Err(ApiError::duplicate_reference().into());
        }
        save(self.work, &transaction)?;
        Ok(json!({
            "authorization_url": format!("{}{}", self.settings.page_base, transaction.access_code),
            "access_code": transaction.access_code, "reference": transaction.reference,
        }))
    }

    /// Returns the customer with this email address: the one of an earlier transaction, or a new one.
    fn customer(&self, email: &str) -> rusqlite::Result<Customer> {
        let of_address = Clauses::new::<Transaction>().equal("email", email.to_owned());
        if let Some(earlier) = of_address.load::<Transaction>(self.work, 1, 0)?.pop() {
            return Ok(earlier.customer);
        }
        let (transactions, _) = Clauses::new::<Transaction>().count(self.work, "amount")?;
        let code = self.settings.doors.identifier("").chars().take(15).collect::<String>();
        Ok(Customer { id: FIRST_CUSTOMER + transactions, code: format!("CUS_{code}") })
    }

    /// Returns the transaction whose page has this access code.
    pub(super) fn by_page(&self, access_code: &str) -> rusqlite::Result<Option<Transaction>> {
        transaction_by(self.work, "access_code", access_code)
    }

    /// Makes an attempt to pay on an unpaid transaction, as the customer does on the page.
    pub(super) fn attempt(&mut self, transaction: &mut Transaction, outcome: AttemptOutcome) -> rusqlite::Result<()> {
        transaction.attempts += 1;
        let wanted = match outcome {
            AttemptOutcome::Succeeded | AttemptOutcome::Declined => FAST_CHANNELS,
            AttemptOutcome::Processing | AttemptOutcome::Ongoing => SLOW_CHANNELS,
        };
        let is_offered = |wanted: &&&str| transaction.channels.iter().any(|offered| offered == **wanted);
        let channel = wanted.iter().find(is_offered).or(wanted.first()).copied();
        channel.unwrap_or_default().clone_into(&mut transaction.channel);
        match outcome {
            AttemptOutcome::Succeeded => return self.succeed(transaction),
            AttemptOutcome::Declined => {
                // No event: Paystack reports successful transactions alone
                // (https://paystack.com/docs/payments/verify-payments/).
                transaction.status = Status::Failed;
                transaction.errors += 1;
            }
            AttemptOutcome::Processing => transaction.status = Status::Pending,
            AttemptOutcome::Ongoing => transaction.status = Status::Ongoing,
        }
        save(self.work, transaction)
    }

    /// Settles a transfer in flight: the money arrives, or the bank sends it back. Returns whether there was one.
    pub(super) fn settle(&mut self, transaction: &mut Transaction, settlement: Settlement) -> rusqlite::Result<bool> {
        if !matches!(transaction.status, Status::Pending | Status::Ongoing) {
            return Ok(false);
        }
        match settlement {
            Settlement::Succeeded => self.succeed(transaction)?,
            Settlement::Failed => {
                transaction.status = Status::Failed;
                transaction.errors += 1;
                save(self.work, transaction)?;
                let rejected = shown::rejected_transfer(transaction, self.settings.domain);
                self.tell("bank.transfer.rejected", &rejected)?;
            }
        }
        Ok(true)
    }

    fn succeed(&mut self, transaction: &mut Transaction) -> rusqlite::Result<()> {
        transaction.status = Status::Success;
        transaction.paid_at = Some(self.now);
        transaction.fees = Some(amount::fee(transaction.amount));
        save(self.work, transaction)?;
        let reported = shown::transaction(transaction, self.settings.domain, Place::Reported);
        self.tell("charge.success", &reported)
    }

    /// Opens the dispute of a payment, as the customer does at their bank. Returns whether the transaction is paid; a
    /// second dispute changes nothing.
    pub(super) fn dispute(&mut self, transaction: &Transaction) -> rusqlite::Result<bool> {
        if transaction.paid_at.is_none() {
            return Ok(false);
        }
        let earlier = Clauses::new::<Dispute>().equal("transaction", transaction.id);
        if earlier.load::<Dispute>(self.work, 1, 0)?.is_empty() {
            let dispute = Dispute {
                id: next_id::<Dispute>(self.work)?,
                transaction: transaction.id,
                amount: transaction.amount,
                currency: transaction.currency.clone(),
                status: "awaiting-merchant-feedback".to_owned(),
                created_at: self.now,
            };
            save(self.work, &dispute)?;
            let reported = shown::dispute(&dispute, transaction, self.settings.domain, Place::Reported);
            self.tell("charge.dispute.create", &reported)?;
        }
        Ok(true)
    }

    /// Loads an object that another one names.
    pub(super) fn named<T: Stored>(&self, id: i64) -> rusqlite::Result<T> {
        load(self.work, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// Stores the webhook of an event.
    pub(super) fn tell(&mut self, event: &str, data: &Value) -> rusqlite::Result<()> {
        let id = self.settings.doors.identifier("event-");
        self.pending_webhooks.push(webhook::put(self.work, &id, event, data, self.moment)?);
        Ok(())
    }
}

/// Returns the merchant's own data: an object, also one that is given as a text (Paystack's own client does so), or any
/// other text.
fn metadata(given: &Given) -> Result<Value, ApiError> {
    match given.value("metadata") {
        None => Ok(Value::Null),
        Some(object @ Value::Object(_)) => Ok(object.clone()),
        Some(Value::String(text)) => Ok(match serde_json::from_str(text) {
            Ok(object @ Value::Object(_)) => object,
            _ => text.as_str().into(),
        }),
        Some(_) => Err(ApiError::invalid("metadata has to be an object")),
    }
}

fn is_email(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains(|sign: char| sign.is_whitespace() || sign == '@');
    let is_domain = |domain: &str| domain.contains('.') && domain.split('.').all(is_part);
    text.split_once('@').is_some_and(|(name, domain)| is_part(name) && is_domain(domain))
}
