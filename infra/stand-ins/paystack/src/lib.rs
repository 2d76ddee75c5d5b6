//! A stand-in for Paystack: its API below `/paystack`, its payment page, its events. It supports transactions and the
//! objects that come of them, and behaves as the published description
//! (<https://github.com/PaystackOSS/openapi>) and the documentation (<https://paystack.com/docs>) say. It rejects
//! everything else.

mod account;
mod amount;
mod api;
mod error;
mod given;
mod lists;
mod objects;
mod refunds;
mod shown;
#[cfg(test)]
mod tests;
mod webhook;

use account::{Account, AttemptOutcome, Settings};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use http::StatusCode;
use objects::{RefundsEnd, Status, Transaction};
use reqwest::Url;
use runtime::{BoxFuture, ConfigError, Environment};
use rusqlite::Transaction as Work;
use serde_json::Value;
use stand_in_host::checkout_page::{
    self, Brand, CheckoutState, DisputeOutcome, FormResult, FormValue, Order, Settlement,
};
use stand_in_host::durable::{DurableStore, Queue};
use stand_in_host::web::ProblemResponse;
use stand_in_host::webhook::Webhooks;
use stand_in_host::{Host, StandIn, StandInError};
use std::sync::Arc;

/// The account's secret key, unless `PAYSTACK_SECRET_KEY` is set. It protects nothing.
const DEVELOPMENT_KEY: &str = "sk_test_local0stand0in";
/// How the secret keys of the live mode begin (<https://paystack.com/docs/api/authentication/>).
const LIVE_KEYS: &str = "sk_live_";
const BRAND: Brand = Brand { name: "Stand-in for Paystack", style: "/paystack/style.css" };
/// The query of a page after a declined attempt to pay.
const DECLINED: &str = "declined";

/// The stand-in for Paystack, below `/paystack`.
#[derive(Debug, Clone, Copy)]
pub struct PaystackStandIn;

impl StandIn for PaystackStandIn {
    fn name(&self) -> &'static str {
        "paystack"
    }

    fn is_elsewhere(&self, given: &Environment) -> bool {
        given.get("PAYSTACK_API_URL").is_some()
    }

    fn configure(&self, host: &Host, given: Environment) -> Result<Environment, ConfigError> {
        let given = given.or("PAYSTACK_SECRET_KEY", DEVELOPMENT_KEY);
        let is_live = given.get("PAYSTACK_SECRET_KEY").is_some_and(|keys| keys.starts_with(LIVE_KEYS));
        Ok(given
            .or("PAYSTACK_LIVEMODE", is_live.to_string())
            .or("PAYSTACK_FALLBACK_EMAIL", "customer@example.com")
            .or("PAYSTACK_CHECKOUT_ORIGIN", &host.base_url)
            .with("PAYSTACK_API_URL", format!("{}/paystack", host.own_url)))
    }

    fn start<'a>(
        &'a self,
        host: &'a Host,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Router, StandInError>> {
        Box::pin(async move { Ok(router(Arc::new(Paystack::start(host, environment).await?))) })
    }
}

/// The state of the running stand-in.
struct Paystack {
    store: DurableStore,
    webhooks: Queue,
    /// The account's secret keys: a key that is replaced stays valid for a while.
    secret_keys: Vec<String>,
    settings: Settings,
}

impl Paystack {
    async fn start(host: &Host, environment: &Environment) -> Result<Self, StandInError> {
        host.store.create_tables(objects::SCHEMA).await?;
        // Several keys are separated by spaces, the newest first: the account signs with that one.
        let secret_keys = environment.require("PAYSTACK_SECRET_KEY")?.split_whitespace().map(str::to_owned);
        let secret_keys: Vec<String> = secret_keys.collect();
        let newest = secret_keys.first().cloned().unwrap_or_default();
        let origin = environment.require("PAYSTACK_CHECKOUT_ORIGIN")?;
        let settings = Settings {
            domain: if newest.starts_with(LIVE_KEYS) { "live" } else { "test" },
            page_base: format!("{origin}/paystack/checkout/"),
            doors: host.doors.clone(),
        };
        let sender = webhook::Sender {
            client: host.client.clone(),
            url: host.function_url(environment, "PAYSTACK_WEBHOOK_URL", "/webhooks/paystack"),
            secret_key: newest,
            webhooks: Webhooks::from_environment(environment)?,
        };
        let webhooks = Queue::start(host, webhook::QUEUE, Arc::new(sender)).await?;
        Ok(Self { store: host.store.clone(), webhooks, secret_keys, settings })
    }

    /// Applies a form that was submitted on a transaction's page.
    async fn form<T: FormValue>(
        &self,
        code: String,
        body: Body,
        work: fn(&mut Account<'_>, &mut Transaction, T) -> rusqlite::Result<FormResult>,
    ) -> Result<Response, ProblemResponse> {
        let settings = self.settings.clone();
        let find_and_work = move |store: &Work<'_>, value| {
            let mut account = Account::open(store, &settings);
            match account.by_page(&code)? {
                Some(mut transaction) => work(&mut account, &mut transaction, value),
                None => Ok(FormResult::Unknown),
            }
        };
        BRAND.submit(&self.store, &self.webhooks, body, find_and_work).await
    }
}

fn router(paystack: Arc<Paystack>) -> Router {
    Router::new()
        .route("/paystack/{*path}", any(api::call))
        .route("/paystack/checkout/{code}", get(show))
        .route("/paystack/checkout/{code}/pay", post(pay))
        .route("/paystack/checkout/{code}/settle", post(settle))
        .route("/paystack/checkout/{code}/refunds", post(refunds))
        .route("/paystack/checkout/{code}/dispute", post(dispute))
        .route("/paystack/settlements", post(settle_all))
        .route("/paystack/style.css", get(checkout_page::style))
        .with_state(paystack)
}

async fn show(
    State(paystack): State<Arc<Paystack>>,
    Path(code): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ProblemResponse> {
    let settings = paystack.settings.clone();
    let found = paystack.store.transaction(move |work| Account::open(work, &settings).by_page(&code)).await?;
    let notice = (query.as_deref() == Some(DECLINED)).then_some("Your card was declined. Try a different one.");
    Ok(found.map_or_else(|| BRAND.unknown(), |found| BRAND.show(&Order { notice, ..found.into() })))
}

async fn pay(
    State(paystack): State<Arc<Paystack>>,
    Path(code): Path<String>,
    body: Body,
) -> Result<Response, ProblemResponse> {
    paystack.form(code, body, attempt_payment).await
}

/// Settles a transfer, in place of the customer's bank: the money arrives or does not.
async fn settle(
    State(paystack): State<Arc<Paystack>>,
    Path(code): Path<String>,
    body: Body,
) -> Result<Response, ProblemResponse> {
    paystack.form(code, body, settle_transfer).await
}

/// Sets how the refunds of a payment end.
async fn refunds(
    State(paystack): State<Arc<Paystack>>,
    Path(code): Path<String>,
    body: Body,
) -> Result<Response, ProblemResponse> {
    paystack.form(code, body, end_refunds).await
}

/// Opens a dispute of the payment, in place of the customer's bank.
async fn dispute(
    State(paystack): State<Arc<Paystack>>,
    Path(code): Path<String>,
    body: Body,
) -> Result<Response, ProblemResponse> {
    paystack.form(code, body, open_dispute).await
}

/// Settles all payments, in place of the clock.
async fn settle_all(State(paystack): State<Arc<Paystack>>) -> Result<StatusCode, ProblemResponse> {
    let settings = paystack.settings.clone();
    paystack.store.transaction(move |work| Account::open(work, &settings).settle_all()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn attempt_payment(
    account: &mut Account<'_>,
    transaction: &mut Transaction,
    outcome: AttemptOutcome,
) -> rusqlite::Result<FormResult> {
    match transaction.status {
        Status::Abandoned | Status::Failed | Status::Ongoing => {}
        Status::Pending | Status::Success | Status::ReversalPending | Status::Reversed => {
            return Ok(FormResult::AlreadyDone { next_url: done_url(transaction) });
        }
    }
    account.attempt(transaction, outcome)?;
    let next_url = match outcome {
        AttemptOutcome::Declined => format!("{}?{DECLINED}", path_of(transaction)),
        AttemptOutcome::Ongoing => path_of(transaction),
        AttemptOutcome::Succeeded | AttemptOutcome::Processing => done_url(transaction),
    };
    Ok(FormResult::Applied { pending_webhooks: std::mem::take(&mut account.pending_webhooks), next_url })
}

fn settle_transfer(
    account: &mut Account<'_>,
    transaction: &mut Transaction,
    settlement: Settlement,
) -> rusqlite::Result<FormResult> {
    if transaction.status == Status::Abandoned {
        return Ok(FormResult::NotProcessing);
    }
    let settled = account.settle(transaction, settlement)?;
    Ok(submitted(account, transaction, settled))
}

fn end_refunds(
    account: &mut Account<'_>,
    transaction: &mut Transaction,
    end: RefundsEnd,
) -> rusqlite::Result<FormResult> {
    let is_paid = account.end_refunds(transaction, end)?;
    Ok(submitted(account, transaction, is_paid))
}

fn open_dispute(
    account: &mut Account<'_>,
    transaction: &mut Transaction,
    _: DisputeOutcome,
) -> rusqlite::Result<FormResult> {
    let is_paid = account.dispute(transaction)?;
    Ok(submitted(account, transaction, is_paid))
}

/// Builds the result of a form, with the webhooks about the change if it was `applied`.
fn submitted(account: &mut Account<'_>, transaction: &Transaction, applied: bool) -> FormResult {
    let next_url = done_url(transaction);
    if applied {
        FormResult::Applied { pending_webhooks: std::mem::take(&mut account.pending_webhooks), next_url }
    } else {
        FormResult::AlreadyDone { next_url }
    }
}

/// Returns the path of a transaction's page.
fn path_of(transaction: &Transaction) -> String {
    format!("/paystack/checkout/{}", transaction.access_code)
}

/// Returns the address to which the customer goes from a page on which they have done their part: the merchant's, with
/// the reference (<https://paystack.com/docs/payments/accept-payments/#redirect>). Without one they stay on the page.
fn done_url(transaction: &Transaction) -> String {
    let callback = transaction.callback_url.as_deref().and_then(|url| Url::parse(url).ok());
    let Some(mut url) = callback else { return path_of(transaction) };
    let reference = &transaction.reference;
    url.query_pairs_mut().append_pair("trxref", reference).append_pair("reference", reference);
    url.into()
}

impl From<Transaction> for Order {
    fn from(transaction: Transaction) -> Self {
        let done_url = done_url(&transaction);
        let address = path_of(&transaction);
        let Transaction { reference, label, metadata, amount, currency, status, .. } = transaction;
        let custom_fields = metadata["custom_fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |field: &Value| Some(format!("{}: {}", field["display_name"].as_str()?, field["value"].as_str()?));
        let description: Vec<String> = custom_fields.iter().filter_map(text).collect();
        Self {
            name: label.unwrap_or(reference),
            description: (!description.is_empty()).then(|| description.join(", ")),
            amount: amount::display(amount, &currency),
            address,
            state: match status {
                Status::Abandoned | Status::Failed | Status::Ongoing => CheckoutState::Open,
                Status::Pending => CheckoutState::Processing,
                Status::Success | Status::ReversalPending | Status::Reversed => CheckoutState::Paid,
            },
            done_url,
            // Without it there is no way back (https://paystack.com/docs/payments/metadata/#cancel-action).
            back_url: metadata["cancel_action"].as_str().map(str::to_owned),
            notice: None,
        }
    }
}
