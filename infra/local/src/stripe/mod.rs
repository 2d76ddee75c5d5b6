//! A stand-in for Stripe: its interface below `/stripe/v1`, its payment page, its events. It knows Checkout Sessions with what
//! comes of them, and behaves as <https://docs.stripe.com/api> says; what it does not know it refuses.

mod account;
mod amount;
mod api;
mod error;
mod objects;
mod parameters;
mod webhook;

use crate::checkout_page::{self, Brand, Choice, Order, Outcome, Pressed, Settlement, State as PageState};
use crate::queue::{Job, Queue};
use crate::refusal::Refusal;
use crate::stage::Stage;
use crate::start::StartError;
use crate::store::Store;
use account::{Account, RefundOutcome, Request};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use objects::{Checkout, PaymentStatus, SessionStatus};
use reqwest::Client;
use runtime::Environment;
use runtime::stripe_signature::SigningSecrets;
use rusqlite::Transaction;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const BRAND: Brand = Brand { name: "Stand-in for Stripe", style: "/stripe/style.css" };
/// How often sessions are looked at whose time may have come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The stand-in.
pub(crate) struct Stripe {
    store: Store,
    webhooks: Queue,
    in_progress: api::InProgress,
    secret_key: String,
    livemode: bool,
    /// Where sessions' pages are, up to their identifier.
    page_base: String,
}

impl Stripe {
    /// Starts the stand-in, with the webhooks that an earlier run has not got rid of. It goes by the variables that the
    /// functions are handed.
    pub(crate) async fn start(
        store: Store,
        client: Client,
        webhook_url: String,
        environment: &Environment,
        stage: Stage,
        tasks: &mut JoinSet<()>,
    ) -> Result<Arc<Self>, StartError> {
        let secrets = SigningSecrets::from_environment(environment, "STRIPE_WEBHOOK_SECRET")?;
        let origin = environment.require("STRIPE_CHECKOUT_ORIGIN")?;
        let (page_base, secret_key) =
            (format!("{origin}/stripe/c/pay/"), environment.require("STRIPE_SECRET_KEY")?.to_owned());
        let livemode = environment.get("STRIPE_LIVEMODE") == Some("true");
        let sender = webhook::Sender { client, url: webhook_url, secrets };
        let webhooks = Queue::start(webhook::QUEUE, store.clone(), Arc::new(sender), stage.clone(), tasks).await?;
        let in_progress = api::InProgress::default();
        let stripe = Arc::new(Self { store, webhooks, in_progress, secret_key, livemode, page_base });
        tasks.spawn(Arc::clone(&stripe).expire(stage));
        Ok(stripe)
    }

    /// Expires sessions as their time comes.
    async fn expire(self: Arc<Self>, stage: Stage) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stage.draining() => return,
            }
            let livemode = self.livemode;
            let expired = self.store.transaction(move |transaction| {
                let mut account = Account::new(transaction, now(), livemode, Request::default());
                account.expire_overdue()?;
                Ok(account.told)
            });
            match expired.await {
                Ok(told) => self.submit(told),
                Err(error) => tracing::error!(%error, "the stand-in for Stripe could not expire its sessions"),
            }
        }
    }

    /// Hands over webhooks that are stored already.
    fn submit(&self, jobs: Vec<Job>) {
        for job in jobs {
            drop(self.webhooks.submit(job));
        }
    }

    /// Does what a form on a session's page says.
    async fn form<T: Choice>(
        &self,
        id: String,
        body: Body,
        work: fn(&mut Account<'_>, Checkout, T) -> rusqlite::Result<Pressed>,
    ) -> Result<Response, Refusal> {
        let livemode = self.livemode;
        let find_and_work = move |transaction: &Transaction<'_>, choice| {
            let mut account = Account::new(transaction, now(), livemode, Request::default());
            match account.checkout(&id)? {
                Some(checkout) => work(&mut account, checkout, choice),
                None => Ok(Pressed::Unknown),
            }
        };
        BRAND.press(&self.store, &self.webhooks, body, find_and_work).await
    }
}

/// The stand-in's routes.
pub(crate) fn router(stripe: Arc<Stripe>) -> Router {
    Router::new()
        .route("/stripe/v1/{*path}", any(api::call))
        .route("/stripe/c/pay/{session}", get(show))
        .route("/stripe/c/pay/{session}/pay", post(pay))
        .route("/stripe/c/pay/{session}/settle", post(settle))
        .route("/stripe/c/pay/{session}/refunds", post(refunds))
        .route("/stripe/style.css", get(checkout_page::style))
        .with_state(stripe)
}

async fn show(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let livemode = stripe.livemode;
    let found = stripe.store.transaction(move |transaction| {
        let mut account = Account::new(transaction, now(), livemode, Request::default());
        Ok((account.checkout(&id)?, account.told))
    });
    let (checkout, told) = found.await?;
    stripe.submit(told);
    Ok(checkout.map_or_else(|| BRAND.unknown(), |checkout| BRAND.show(&checkout.into())))
}

async fn pay(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>, body: Body) -> Result<Response, Refusal> {
    stripe.form(id, body, attempt).await
}

/// Time passes at the customer's bank: the money that a session waits for arrives, or does not.
async fn settle(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>, body: Body) -> Result<Response, Refusal> {
    stripe.form(id, body, settle_payment).await
}

/// What becomes of the refunds of a payment, which Stripe has special cards for in its test mode
/// (<https://docs.stripe.com/testing#refunds>).
async fn refunds(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>, body: Body) -> Result<Response, Refusal> {
    stripe.form(id, body, settle_refunds).await
}

fn attempt(account: &mut Account<'_>, mut checkout: Checkout, outcome: Outcome) -> rusqlite::Result<Pressed> {
    match checkout.session.status {
        SessionStatus::Complete => return Ok(Pressed::Already { return_url: checkout.session.success_url }),
        SessionStatus::Expired => return Ok(Pressed::Closed(Box::new(checkout.into()))),
        SessionStatus::Open => {}
    }
    account.attempt(&mut checkout, outcome)?;
    Ok(Pressed::Told { jobs: std::mem::take(&mut account.told), return_url: checkout.session.success_url })
}

fn settle_payment(
    account: &mut Account<'_>,
    mut checkout: Checkout,
    settlement: Settlement,
) -> rusqlite::Result<Pressed> {
    match checkout.session.status {
        SessionStatus::Open => Ok(Pressed::NotProcessing),
        SessionStatus::Expired => Ok(Pressed::Closed(Box::new(checkout.into()))),
        SessionStatus::Complete => {
            let settled = account.settle(&mut checkout, settlement)?;
            let return_url = checkout.session.success_url;
            let jobs = std::mem::take(&mut account.told);
            Ok(if settled { Pressed::Told { jobs, return_url } } else { Pressed::Already { return_url } })
        }
    }
}

fn settle_refunds(
    account: &mut Account<'_>,
    mut checkout: Checkout,
    outcome: RefundOutcome,
) -> rusqlite::Result<Pressed> {
    let paid = account.settle_refunds(&mut checkout, outcome)?;
    let (jobs, return_url) = (std::mem::take(&mut account.told), checkout.session.success_url);
    Ok(if paid { Pressed::Told { jobs, return_url } } else { Pressed::Already { return_url } })
}

impl From<Checkout> for Order {
    fn from(checkout: Checkout) -> Self {
        let Checkout { session, line_items, failed, .. } = checkout;
        let names: Vec<&str> = line_items.iter().map(|item| item.description.as_str()).collect();
        Self {
            name: names.join(", "),
            description: line_items.first().and_then(|item| item.note()).map(str::to_owned),
            amount: amount::display(session.amount_total, &session.currency),
            address: format!("/stripe/c/pay/{}", session.id),
            state: match (session.status, session.payment_status) {
                (SessionStatus::Open, _) => PageState::Open,
                (SessionStatus::Complete, PaymentStatus::Paid) => PageState::Paid,
                (SessionStatus::Complete, PaymentStatus::Unpaid) if !failed => PageState::Processing,
                (SessionStatus::Complete | SessionStatus::Expired, _) => PageState::Closed,
            },
            return_url: session.success_url,
        }
    }
}

/// Now, in Stripe's whole seconds since the Unix epoch.
fn now() -> i64 {
    crate::time::moment().as_milliseconds().div_euclid(1000)
}
