//! A stand-in for Stripe: its API below `/stripe/v1`, its payment page, its events. It supports Checkout Sessions and
//! the objects that they create, and behaves as <https://docs.stripe.com/api> documents. It rejects everything else.

mod account;
mod amount;
mod api;
mod error;
mod objects;
mod parameters;
mod settlements;
mod webhook;

use account::{Account, ApiRequest, RefundOutcome, Settings};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use http::StatusCode;
use objects::{Checkout, PaymentStatus, SessionStatus};
use runtime::stripe_signature::SigningSecrets;
use runtime::{BoxFuture, ConfigError, Environment};
use rusqlite::Transaction;
use stand_in_host::checkout_page::{
    self, Brand, CheckoutState, DisputeOutcome, FormResult, FormValue, Order, PaymentOutcome, Settlement,
};
use stand_in_host::durable::{DurableStore, Queue};
use stand_in_host::web::ProblemResponse;
use stand_in_host::webhook::Webhooks;
use stand_in_host::{Host, Shutdown, StandIn, StandInError};
use std::sync::Arc;
use std::time::Duration;

/// The account's API key, unless `STRIPE_SECRET_KEY` is set. It protects nothing.
const DEVELOPMENT_KEY: &str = "sk_test_local0stand0in";
const BRAND: Brand = Brand { name: "Stand-in for Stripe", style: "/stripe/style.css" };
/// The query of a session's page after a declined attempt to pay.
const DECLINED: &str = "declined";
/// The interval between two searches for sessions past their expiry.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);

/// The stand-in for Stripe, below `/stripe`.
#[derive(Debug, Clone, Copy)]
pub struct StripeStandIn;

impl StandIn for StripeStandIn {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn is_elsewhere(&self, given: &Environment) -> bool {
        given.get("STRIPE_API_URL").is_some()
    }

    fn configure(&self, host: &Host, given: Environment) -> Result<Environment, ConfigError> {
        Ok(given
            .or("STRIPE_SECRET_KEY", DEVELOPMENT_KEY)
            .or("STRIPE_WEBHOOK_SECRET", host.random_webhook_secret("STRIPE_WEBHOOK_SECRET")?)
            .or("STRIPE_LIVEMODE", "false")
            .or("STRIPE_CHECKOUT_ORIGIN", &host.base_url)
            .with("STRIPE_API_URL", format!("{}/stripe", host.own_url)))
    }

    fn start<'a>(
        &'a self,
        host: &'a Host,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Router, StandInError>> {
        Box::pin(async move {
            let stripe = Arc::new(Stripe::start(host, environment).await?);
            host.shutdown.spawn(Arc::clone(&stripe).expire_sessions(host.shutdown.clone()));
            Ok(router(stripe))
        })
    }
}

/// The state of the running stand-in.
struct Stripe {
    store: DurableStore,
    webhooks: Queue,
    in_progress: api::InProgress,
    secret_key: String,
    settings: Settings,
}

impl Stripe {
    async fn start(host: &Host, environment: &Environment) -> Result<Self, StandInError> {
        host.store.create_tables(objects::SCHEMA).await?;
        host.store.create_tables(api::SCHEMA).await?;
        host.store.create_tables(settlements::SCHEMA).await?;
        let origin = environment.require("STRIPE_CHECKOUT_ORIGIN")?;
        let settings = Settings {
            livemode: environment.get("STRIPE_LIVEMODE") == Some("true"),
            page_base: format!("{origin}/stripe/c/pay/"),
            doors: host.doors.clone(),
        };
        let sender = webhook::Sender {
            client: host.client.clone(),
            doors: host.doors.clone(),
            url: host.function_url(environment, "STRIPE_WEBHOOK_URL", "/webhooks/stripe"),
            secrets: SigningSecrets::from_environment(environment, "STRIPE_WEBHOOK_SECRET")?,
            webhooks: Webhooks::from_environment(environment)?,
        };
        Ok(Self {
            store: host.store.clone(),
            secret_key: environment.require("STRIPE_SECRET_KEY")?.to_owned(),
            webhooks: Queue::start(host, webhook::QUEUE, Arc::new(sender)).await?,
            in_progress: api::InProgress::default(),
            settings,
        })
    }

    /// Expires sessions past their expiry, until the runner stops.
    async fn expire_sessions(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EXPIRE_EVERY) => {}
                () = shutdown.draining() => return,
            }
            let settings = self.settings.clone();
            let expired = self.store.transaction(move |transaction| {
                let mut account = Account::open(transaction, &settings, ApiRequest::default());
                account.expire_overdue()?;
                Ok(account.pending_webhooks)
            });
            match expired.await {
                Ok(pending_webhooks) => self.webhooks.submit_all(pending_webhooks),
                Err(error) => tracing::error!(%error, "the stand-in for Stripe could not expire its sessions"),
            }
        }
    }

    /// Applies a form that was submitted on a session's page.
    async fn form<T: FormValue>(
        &self,
        id: String,
        body: Body,
        work: fn(&mut Account<'_>, Checkout, T) -> rusqlite::Result<FormResult>,
    ) -> Result<Response, ProblemResponse> {
        let settings = self.settings.clone();
        let find_and_work = move |transaction: &Transaction<'_>, value| {
            let mut account = Account::open(transaction, &settings, ApiRequest::default());
            match account.checkout(&id)? {
                Some(checkout) => work(&mut account, checkout, value),
                None => Ok(FormResult::Unknown),
            }
        };
        BRAND.submit(&self.store, &self.webhooks, body, find_and_work).await
    }
}

fn router(stripe: Arc<Stripe>) -> Router {
    Router::new()
        .route("/stripe/v1/{*path}", any(api::call))
        .route("/stripe/c/pay/{session}", get(show))
        .route("/stripe/c/pay/{session}/pay", post(pay))
        .route("/stripe/c/pay/{session}/settle", post(settle))
        .route("/stripe/c/pay/{session}/refunds", post(refunds))
        .route("/stripe/c/pay/{session}/dispute", post(dispute))
        .route("/stripe/payouts", post(pay_out))
        .route("/stripe/style.css", get(checkout_page::style))
        .with_state(stripe)
}

async fn show(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ProblemResponse> {
    let settings = stripe.settings.clone();
    let found = stripe.store.transaction(move |transaction| {
        let mut account = Account::open(transaction, &settings, ApiRequest::default());
        Ok((account.checkout(&id)?, account.pending_webhooks))
    });
    let (checkout, pending_webhooks) = found.await?;
    stripe.webhooks.submit_all(pending_webhooks);
    let notice = (query.as_deref() == Some(DECLINED)).then_some("Your card was declined. Try a different one.");
    Ok(checkout.map_or_else(|| BRAND.unknown(), |checkout| BRAND.show(&Order { notice, ..checkout.into() })))
}

async fn pay(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ProblemResponse> {
    stripe.form(id, body, attempt_payment).await
}

/// Settles a processing payment, in place of the customer's bank: the money arrives or does not.
async fn settle(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ProblemResponse> {
    stripe.form(id, body, settle_payment).await
}

/// Sets the outcome of the refunds of a payment. Stripe has special cards for this in its test mode
/// (<https://docs.stripe.com/testing#refunds>).
async fn refunds(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ProblemResponse> {
    stripe.form(id, body, settle_refunds).await
}

/// Opens a dispute of the payment, in place of the customer's bank.
async fn dispute(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ProblemResponse> {
    stripe.form(id, body, open_dispute).await
}

/// Pays out the account's balance, in place of the clock.
async fn pay_out(State(stripe): State<Arc<Stripe>>) -> Result<StatusCode, ProblemResponse> {
    let settings = stripe.settings.clone();
    let paid_out = stripe
        .store
        .transaction(move |transaction| Account::open(transaction, &settings, ApiRequest::default()).pay_out());
    paid_out.await?;
    Ok(StatusCode::NO_CONTENT)
}

fn attempt_payment(
    account: &mut Account<'_>,
    mut checkout: Checkout,
    outcome: PaymentOutcome,
) -> rusqlite::Result<FormResult> {
    match checkout.session.status {
        SessionStatus::Complete => return Ok(FormResult::AlreadyDone { next_url: checkout.session.success_url }),
        SessionStatus::Expired => return Ok(FormResult::Closed(Box::new(checkout.into()))),
        SessionStatus::Open => {}
    }
    account.attempt(&mut checkout, outcome)?;
    // After a decline, Stripe keeps the customer on its page, with the error, to try another way to pay.
    let declined = (outcome == PaymentOutcome::Declined).then(|| format!("{}?{DECLINED}", path_of(&checkout)));
    let next_url = declined.unwrap_or(checkout.session.success_url);
    Ok(FormResult::Applied { pending_webhooks: std::mem::take(&mut account.pending_webhooks), next_url })
}

fn settle_payment(
    account: &mut Account<'_>,
    mut checkout: Checkout,
    settlement: Settlement,
) -> rusqlite::Result<FormResult> {
    match checkout.session.status {
        SessionStatus::Open => Ok(FormResult::NotProcessing),
        SessionStatus::Expired => Ok(FormResult::Closed(Box::new(checkout.into()))),
        SessionStatus::Complete => {
            let settled = account.settle(&mut checkout, settlement)?;
            Ok(submitted(account, checkout, settled))
        }
    }
}

fn settle_refunds(
    account: &mut Account<'_>,
    mut checkout: Checkout,
    outcome: RefundOutcome,
) -> rusqlite::Result<FormResult> {
    let paid = account.settle_refunds(&mut checkout, outcome)?;
    Ok(submitted(account, checkout, paid))
}

fn open_dispute(account: &mut Account<'_>, checkout: Checkout, _: DisputeOutcome) -> rusqlite::Result<FormResult> {
    let exists = account.dispute(&checkout)?;
    Ok(submitted(account, checkout, exists))
}

/// Builds the result of a form, with the webhooks about the change if it was `applied`.
fn submitted(account: &mut Account<'_>, checkout: Checkout, applied: bool) -> FormResult {
    let next_url = checkout.session.success_url;
    if applied {
        FormResult::Applied { pending_webhooks: std::mem::take(&mut account.pending_webhooks), next_url }
    } else {
        FormResult::AlreadyDone { next_url }
    }
}

/// Returns the path of a session's page.
fn path_of(checkout: &Checkout) -> String {
    format!("/stripe/c/pay/{}", checkout.session.id)
}

impl From<Checkout> for Order {
    fn from(checkout: Checkout) -> Self {
        let address = path_of(&checkout);
        let Checkout { session, line_items, notes, failed, .. } = checkout;
        let names: Vec<&str> = line_items.iter().map(|item| item.description.as_str()).collect();
        Self {
            name: names.join(", "),
            description: notes.into_iter().next().flatten(),
            amount: amount::display(session.amount_total, &session.currency),
            address,
            state: match (session.status, session.payment_status) {
                (SessionStatus::Open, _) => CheckoutState::Open,
                (SessionStatus::Complete, PaymentStatus::Paid) => CheckoutState::Paid,
                (SessionStatus::Complete, PaymentStatus::Unpaid) if !failed => CheckoutState::Processing,
                (SessionStatus::Complete | SessionStatus::Expired, _) => CheckoutState::Closed,
            },
            done_url: session.success_url,
            // Without it there is no way back (https://docs.stripe.com/api/checkout/sessions/create).
            back_url: session.cancel_url,
            notice: None,
        }
    }
}
