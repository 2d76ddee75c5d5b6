//! The stand-in payment provider: an interface for the merchant, pages for the customer, webhooks.

mod checkout;
mod webhook;

use crate::body;
use crate::checkout_page::{self, Brand, Choice, Order, Outcome, Pressed, Settlement, State as PageState};
use crate::queue::{Job, Queue};
use crate::refusal::Refusal;
use crate::stage::Stage;
use crate::store::{Store, StoreError};
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use checkout::{Checkout, NewCheckout, NewRefund, Status};
use http::request::Parts;
use reqwest::{Client, Url};
use runtime::problem::Problem;
use runtime::webhook::Secrets;
use rusqlite::Transaction;
use serde::Serialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::task::JoinSet;
use webhook::{Sender, Webhook};

const QUEUE: &str = "provider";
const BRAND: Brand = Brand { name: "Sandbox Pay", style: "/sandbox/style.css" };

/// The provider.
pub(crate) struct Provider {
    store: Store,
    webhooks: Queue,
    public_base_url: String,
}

/// A checkout as the merchant sees it.
#[derive(Serialize)]
struct CheckoutAnswer {
    id: String,
    url: String,
    status: &'static str,
}

impl Provider {
    /// Starts the provider, and with it the webhooks that an earlier run has not got rid of. `webhook_url` is
    /// where the merchant takes them.
    pub(crate) async fn start(
        store: Store,
        client: Client,
        webhook_url: String,
        public_base_url: &str,
        secrets: Secrets,
        stage: Stage,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, StoreError> {
        let sender = Sender { client, url: webhook_url, secrets };
        let webhooks = Queue::start(QUEUE, store.clone(), Arc::new(sender), stage, tasks).await?;
        Ok(Self { store, webhooks, public_base_url: public_base_url.trim_end_matches('/').to_owned() })
    }
}

/// The id in a checkout's path. One that is not text is nobody's, which each route says in its own way.
struct CheckoutId(String);

impl<S: Send + Sync> FromRequestParts<S> for CheckoutId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map(|Path(id)| id).unwrap_or_default()))
    }
}

/// The provider's routes.
pub(crate) fn router(provider: Provider) -> Router {
    Router::new()
        .route("/sandbox/checkouts", post(create))
        .route("/sandbox/checkouts/{id}", get(show))
        .route("/sandbox/checkouts/{id}/pay", post(pay))
        .route("/sandbox/checkouts/{id}/settle", post(settle))
        .route("/sandbox/checkouts/{id}/close", post(close))
        .route("/sandbox/refunds", post(refund))
        .route("/sandbox/style.css", get(checkout_page::style))
        .with_state(Arc::new(provider))
}

async fn create(State(provider): State<Arc<Provider>>, body: Body) -> Result<Json<CheckoutAnswer>, Refusal> {
    let new: NewCheckout = body::json(body).await?;
    if !Url::parse(&new.return_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(Refusal::invalid("return_url", "must be an http or https address"));
    }
    let checkout = provider.store.transaction(|transaction| checkout::create(transaction, new)).await?;
    Ok(Json(CheckoutAnswer {
        url: format!("{}/sandbox/checkouts/{}", provider.public_base_url, checkout.id),
        id: checkout.id,
        status: match checkout.status {
            Status::Open => "open",
            Status::Processing(_) => "processing",
            Status::Paid(_) => "paid",
            Status::Closed => "closed",
        },
    }))
}

async fn close(State(provider): State<Arc<Provider>>, CheckoutId(id): CheckoutId) -> Result<Json<Value>, Refusal> {
    let closed = provider.store.transaction(move |transaction| checkout::close(transaction, &id)).await?;
    let checkout = closed.ok_or(Problem::NotFound)?;
    let mut answer = json!(checkout.status);
    if let (Status::Processing(_) | Status::Paid(_), Some(answer)) = (&checkout.status, answer.as_object_mut()) {
        answer.insert("amount".to_owned(), json!(checkout.money.amount));
        answer.insert("currency".to_owned(), json!(checkout.money.currency));
    }
    Ok(Json(answer))
}

async fn refund(State(provider): State<Arc<Provider>>, body: Body) -> Result<Json<Value>, Refusal> {
    let new: NewRefund = body::json(body).await?;
    let refund_id = provider.store.transaction(|transaction| checkout::refund(transaction, new)).await?;
    Ok(Json(json!({ "refund_id": refund_id, "status": "succeeded" })))
}

async fn show(State(provider): State<Arc<Provider>>, CheckoutId(id): CheckoutId) -> Result<Response, Refusal> {
    let found = provider.store.transaction(move |transaction| checkout::find(transaction, &id)).await?;
    Ok(found.map_or_else(|| BRAND.unknown(), |checkout| BRAND.show(&checkout.into())))
}

async fn pay(
    State(provider): State<Arc<Provider>>,
    CheckoutId(id): CheckoutId,
    body: Body,
) -> Result<Response, Refusal> {
    provider.form(id, body, press).await
}

/// Time passes at the customer's bank: the money that a checkout waits for arrives, or does not.
async fn settle(
    State(provider): State<Arc<Provider>>,
    CheckoutId(id): CheckoutId,
    body: Body,
) -> Result<Response, Refusal> {
    provider.form(id, body, settle_payment).await
}

impl Provider {
    /// Does what a form says to a checkout.
    async fn form<T: Choice>(
        &self,
        id: String,
        body: Body,
        work: fn(&Transaction<'_>, Checkout, T) -> rusqlite::Result<Pressed>,
    ) -> Result<Response, Refusal> {
        let find_and_work = move |transaction: &Transaction<'_>, choice| match checkout::find(transaction, &id)? {
            Some(checkout) => work(transaction, checkout, choice),
            None => Ok(Pressed::Unknown),
        };
        BRAND.press(&self.store, &self.webhooks, body, find_and_work).await
    }
}

impl From<Checkout> for Order {
    fn from(checkout: Checkout) -> Self {
        Self {
            address: format!("/sandbox/checkouts/{}", checkout.id),
            name: checkout.order_number,
            description: checkout.description,
            amount: checkout.money.to_string(),
            return_url: checkout.return_url,
            state: match checkout.status {
                Status::Open => PageState::Open,
                Status::Processing(_) => PageState::Processing,
                Status::Paid(_) => PageState::Paid,
                Status::Closed => PageState::Closed,
            },
        }
    }
}

/// Pays or declines, and stores the webhook about it in the same transaction.
fn press(transaction: &Transaction<'_>, checkout: Checkout, outcome: Outcome) -> rusqlite::Result<Pressed> {
    match checkout.status {
        Status::Processing(_) | Status::Paid(_) => return Ok(Pressed::Already { return_url: checkout.return_url }),
        Status::Closed => return Ok(Pressed::Closed(Box::new(checkout.into()))),
        Status::Open => {}
    }
    let now = crate::time::moment();
    if outcome == Outcome::Declined {
        return tell(transaction, &Webhook::attempt_failed(&checkout, "card_declined", now), checkout);
    }
    let paid = checkout::pay(transaction, &checkout.id, now, outcome == Outcome::Succeeded)?;
    match paid.as_ref().map(|paid| &paid.status) {
        Some(Status::Processing(payment)) => tell(transaction, &Webhook::processing(&checkout, payment, now), checkout),
        Some(Status::Paid(payment)) => tell(transaction, &Webhook::paid(&checkout, payment, now), checkout),
        _ => Ok(Pressed::Already { return_url: checkout.return_url }),
    }
}

/// Ends the wait for a payment's money, and stores the webhook about it in the same transaction.
fn settle_payment(
    transaction: &Transaction<'_>,
    checkout: Checkout,
    settlement: Settlement,
) -> rusqlite::Result<Pressed> {
    let payment = match &checkout.status {
        Status::Processing(payment) => payment,
        Status::Paid(_) => return Ok(Pressed::Already { return_url: checkout.return_url }),
        Status::Closed => return Ok(Pressed::Closed(Box::new(checkout.into()))),
        Status::Open => return Ok(Pressed::NotProcessing),
    };
    checkout::settle(transaction, &checkout.id, settlement == Settlement::Succeeded)?;
    let now = crate::time::moment();
    let webhook = match settlement {
        Settlement::Succeeded => Webhook::paid(&checkout, payment, now),
        Settlement::Failed => Webhook::payment_failed(&checkout, payment, now),
    };
    tell(transaction, &webhook, checkout)
}

/// Stores a webhook. Every one goes its own way: one that is not taken does not hold up the next.
fn tell(transaction: &Transaction<'_>, webhook: &Webhook, checkout: Checkout) -> rusqlite::Result<Pressed> {
    let job = Job::put(transaction, QUEUE, "webhook", &webhook.id, json!(webhook).to_string())?;
    Ok(Pressed::Told { jobs: vec![job], return_url: checkout.return_url })
}
