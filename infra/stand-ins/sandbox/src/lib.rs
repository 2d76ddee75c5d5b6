//! The sandbox payment provider: an API for the merchant, pages for the customer, webhooks.

mod checkout;
mod settlements;
mod webhook;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use checkout::{Checkout, NewCheckout, NewRefund, Status};
use domain::Timestamp;
use http::request::Parts;
use reqwest::Url;
use runtime::problem::Problem;
use runtime::webhook::Secrets;
use runtime::{BoxFuture, ConfigError, Environment};
use rusqlite::Transaction;
use serde::Serialize;
use serde_json::{Value, json};
use settlements::List;
use stand_in_host::checkout_page::{
    self, Brand, CheckoutState, FormResult, FormValue, Order, PaymentOutcome, Settlement,
};
use stand_in_host::durable::{Job, NewJob, Queue};
use stand_in_host::web::{ProblemResponse, body};
use stand_in_host::{Doors, Host, Identifiers as _, StandIn, StandInError};
use std::convert::Infallible;
use std::sync::Arc;
use webhook::{Sender, Webhook};

/// The provider's signing secret while the functions run under `cargo lambda watch`, unless `SANDBOX_WEBHOOK_SECRET` is
/// set. Both processes have to know it in advance. It protects nothing.
const DEVELOPMENT_WEBHOOK_SECRET: &str = "whsec_bG9jYWwtc2FuZGJveC1zZWNyZXQtZm9yLWRldg==";
/// The name of the webhook queue, under which existing data directories store it.
const QUEUE: &str = "provider";
const BRAND: Brand = Brand { name: "Sandbox Pay", style: "/sandbox/style.css" };

/// The stand-in for a generic payment provider, below `/sandbox`.
#[derive(Debug, Clone, Copy)]
pub struct SandboxStandIn;

impl StandIn for SandboxStandIn {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn configure(&self, host: &Host, given: Environment) -> Result<Environment, ConfigError> {
        let secret = host.webhook_secret("SANDBOX_WEBHOOK_SECRET", DEVELOPMENT_WEBHOOK_SECRET)?;
        Ok(given
            .or("SANDBOX_WEBHOOK_SECRET", secret)
            .with("PAYMENT_PROVIDER", self.name())
            .with("SANDBOX_PROVIDER_URL", format!("{}/sandbox", host.own_url)))
    }

    fn start<'a>(
        &'a self,
        host: &'a Host,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Router, StandInError>> {
        Box::pin(async move { Ok(router(Provider::start(host, environment).await?)) })
    }
}

/// The state of the running provider.
struct Provider {
    host: Host,
    webhooks: Queue,
    /// The base URL under which customers reach the provider's pages.
    public_base_url: String,
}

/// A checkout as the merchant sees it.
#[derive(Serialize)]
struct CheckoutResponse {
    id: String,
    url: String,
    status: &'static str,
}

impl Provider {
    async fn start(host: &Host, environment: &Environment) -> Result<Self, StandInError> {
        host.store.create_tables(checkout::SCHEMA).await?;
        host.store.create_tables(settlements::SCHEMA).await?;
        let sender = Sender {
            client: host.client.clone(),
            doors: host.doors.clone(),
            url: host.function_url(environment, "SANDBOX_WEBHOOK_URL", "/webhooks/sandbox"),
            secrets: Secrets::from_environment(environment, "SANDBOX_WEBHOOK_SECRET")?,
        };
        let webhooks = Queue::start(host, QUEUE, Arc::new(sender)).await?;
        let public_base_url = environment.get("PUBLIC_BASE_URL").unwrap_or(&host.base_url);
        Ok(Self { host: host.clone(), webhooks, public_base_url: public_base_url.trim_end_matches('/').to_owned() })
    }

    /// Returns one page of a list.
    async fn list(&self, list: List, query: ListQuery) -> Result<Json<settlements::Page>, ProblemResponse> {
        let Ok(Query(query)) = query else {
            return Err(ProblemResponse::invalid(
                "from",
                "must be a time, and so must to; there is only after besides",
            ));
        };
        let page = self.host.store.transaction(move |transaction| settlements::page(transaction, list, query)).await?;
        page.map(Json).ok_or_else(|| ProblemResponse::invalid("after", "must be a payment"))
    }

    /// Applies a submitted form to a checkout.
    async fn form<T: FormValue>(
        &self,
        id: String,
        body: Body,
        work: fn(&UnitOfWork<'_>, Checkout, T) -> rusqlite::Result<FormResult>,
    ) -> Result<Response, ProblemResponse> {
        let doors = self.host.doors.clone();
        let find_and_work = move |transaction: &Transaction<'_>, value| match checkout::find(transaction, &id)? {
            Some(checkout) => work(&UnitOfWork { transaction, now: doors.now(), doors: &doors }, checkout, value),
            None => Ok(FormResult::Unknown),
        };
        BRAND.submit(&self.host.store, &self.webhooks, body, find_and_work).await
    }
}

/// The id in a checkout's path. An id that is not UTF-8 matches no checkout, and each route responds to that in its own
/// form.
struct CheckoutId(String);

impl<S: Send + Sync> FromRequestParts<S> for CheckoutId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map(|Path(id)| id).unwrap_or_default()))
    }
}

fn router(provider: Provider) -> Router {
    Router::new()
        .route("/sandbox/checkouts", post(create))
        .route("/sandbox/checkouts/{id}", get(show))
        .route("/sandbox/checkouts/{id}/pay", post(pay))
        .route("/sandbox/checkouts/{id}/settle", post(settle))
        .route("/sandbox/checkouts/{id}/close", post(close))
        .route("/sandbox/refunds", get(refunds).post(refund))
        .route("/sandbox/payments", get(payments))
        .route("/sandbox/payments/{id}", get(payment))
        .route("/sandbox/payments/{id}/dispute", post(dispute))
        .route("/sandbox/disputes", get(disputes))
        .route("/sandbox/style.css", get(checkout_page::style))
        .with_state(Arc::new(provider))
}

async fn create(State(provider): State<Arc<Provider>>, body: Body) -> Result<Json<CheckoutResponse>, ProblemResponse> {
    let new: NewCheckout = body::json(body).await?;
    if !Url::parse(&new.return_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(ProblemResponse::invalid("return_url", "must be an http or https address"));
    }
    let id = provider.host.doors.identifier("chk_");
    let checkout = provider.host.store.transaction(|transaction| checkout::create(transaction, id, new)).await?;
    Ok(Json(CheckoutResponse {
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

async fn close(
    State(provider): State<Arc<Provider>>,
    CheckoutId(id): CheckoutId,
) -> Result<Json<Value>, ProblemResponse> {
    let closed = provider.host.store.transaction(move |transaction| checkout::close(transaction, &id)).await?;
    let checkout = closed.ok_or(Problem::NotFound)?;
    let mut answer = json!(checkout.status);
    if let (Status::Processing(_) | Status::Paid(_), Some(answer)) = (&checkout.status, answer.as_object_mut()) {
        answer.insert("amount".to_owned(), json!(checkout.money.amount));
        answer.insert("currency".to_owned(), json!(checkout.money.currency));
    }
    Ok(Json(answer))
}

async fn refund(State(provider): State<Arc<Provider>>, body: Body) -> Result<Json<Value>, ProblemResponse> {
    let new: NewRefund = body::json(body).await?;
    let id = provider.host.doors.identifier("ref_");
    let now = provider.host.doors.now();
    let refunded = provider.host.store.transaction(move |transaction| {
        settlements::record_refund(transaction, &new.payment_request_id, now)?;
        checkout::refund(transaction, id, new)
    });
    let refund_id = refunded.await?;
    Ok(Json(json!({ "refund_id": refund_id, "status": "succeeded" })))
}

/// The parameters of a list, if they can be read.
type ListQuery = Result<Query<settlements::Query>, QueryRejection>;

async fn payments(
    State(provider): State<Arc<Provider>>,
    query: ListQuery,
) -> Result<Json<settlements::Page>, ProblemResponse> {
    provider.list(List::Payments, query).await
}

async fn refunds(
    State(provider): State<Arc<Provider>>,
    query: ListQuery,
) -> Result<Json<settlements::Page>, ProblemResponse> {
    provider.list(List::Refunds, query).await
}

async fn disputes(
    State(provider): State<Arc<Provider>>,
    query: ListQuery,
) -> Result<Json<settlements::Page>, ProblemResponse> {
    provider.list(List::Disputes, query).await
}

async fn payment(
    State(provider): State<Arc<Provider>>,
    CheckoutId(id): CheckoutId,
) -> Result<Json<settlements::Settlement>, ProblemResponse> {
    let found = provider.host.store.transaction(move |transaction| settlements::payment(transaction, &id)).await?;
    Ok(Json(found.ok_or(Problem::NotFound)?))
}

/// Opens a dispute of a payment, in place of the customer's bank.
async fn dispute(
    State(provider): State<Arc<Provider>>,
    CheckoutId(id): CheckoutId,
) -> Result<Json<settlements::Settlement>, ProblemResponse> {
    let now = provider.host.doors.now();
    let found = provider.host.store.transaction(move |transaction| settlements::dispute(transaction, &id, now)).await?;
    Ok(Json(found.ok_or(Problem::NotFound)?))
}

async fn show(State(provider): State<Arc<Provider>>, CheckoutId(id): CheckoutId) -> Result<Response, ProblemResponse> {
    let found = provider.host.store.transaction(move |transaction| checkout::find(transaction, &id)).await?;
    Ok(found.map_or_else(|| BRAND.unknown(), |checkout| BRAND.show(&checkout.into())))
}

async fn pay(
    State(provider): State<Arc<Provider>>,
    CheckoutId(id): CheckoutId,
    body: Body,
) -> Result<Response, ProblemResponse> {
    provider.form(id, body, attempt_payment).await
}

/// Settles a processing payment, in place of the customer's bank: the money arrives or does not.
async fn settle(
    State(provider): State<Arc<Provider>>,
    CheckoutId(id): CheckoutId,
    body: Body,
) -> Result<Response, ProblemResponse> {
    provider.form(id, body, settle_payment).await
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
                Status::Open => CheckoutState::Open,
                Status::Processing(_) => CheckoutState::Processing,
                Status::Paid(_) => CheckoutState::Paid,
                Status::Closed => CheckoutState::Closed,
            },
        }
    }
}

/// The transaction and the time in which a customer's form is applied.
struct UnitOfWork<'a> {
    transaction: &'a Transaction<'a>,
    now: Timestamp,
    doors: &'a Doors,
}

impl UnitOfWork<'_> {
    /// Stores a webhook. Each has its own message group, so that a webhook that is not accepted does not delay the
    /// next.
    fn tell(&self, event: &webhook::Event<'_>, checkout: &Checkout) -> rusqlite::Result<FormResult> {
        let webhook = Webhook::new(self.doors.identifier("msg_"), self.now, event, checkout);
        let job = NewJob { rule: "webhook", message_group: &webhook.id, body: json!(webhook).to_string() };
        let job = Job::put(self.transaction, QUEUE, job, self.now)?;
        Ok(FormResult::Applied { pending_webhooks: vec![job], return_url: checkout.return_url.clone() })
    }
}

/// Pays or declines a checkout, and stores the webhook about it in the same transaction.
fn attempt_payment(unit: &UnitOfWork<'_>, checkout: Checkout, outcome: PaymentOutcome) -> rusqlite::Result<FormResult> {
    match checkout.status {
        Status::Processing(_) | Status::Paid(_) => {
            return Ok(FormResult::AlreadyDone { return_url: checkout.return_url });
        }
        Status::Closed => return Ok(FormResult::Closed(Box::new(checkout.into()))),
        Status::Open => {}
    }
    if outcome == PaymentOutcome::Declined {
        return unit.tell(&webhook::Event::AttemptFailed { reason: "card_declined" }, &checkout);
    }
    let payment_id = unit.doors.identifier("pay_");
    let arrived = outcome == PaymentOutcome::Succeeded;
    let paid = checkout::pay(unit.transaction, &checkout.id, payment_id, unit.now, arrived)?;
    match paid.as_ref().map(|paid| &paid.status) {
        Some(Status::Processing(payment)) => unit.tell(&webhook::Event::Processing(payment), &checkout),
        Some(Status::Paid(payment)) => unit.tell(&webhook::Event::Paid(payment), &checkout),
        _ => Ok(FormResult::AlreadyDone { return_url: checkout.return_url }),
    }
}

/// Settles a processing payment, and stores the webhook about it in the same transaction.
fn settle_payment(unit: &UnitOfWork<'_>, checkout: Checkout, settlement: Settlement) -> rusqlite::Result<FormResult> {
    let payment = match &checkout.status {
        Status::Processing(payment) => payment,
        Status::Paid(_) => return Ok(FormResult::AlreadyDone { return_url: checkout.return_url }),
        Status::Closed => return Ok(FormResult::Closed(Box::new(checkout.into()))),
        Status::Open => return Ok(FormResult::NotProcessing),
    };
    checkout::settle(unit.transaction, &checkout.id, settlement == Settlement::Succeeded)?;
    let event = match settlement {
        Settlement::Succeeded => webhook::Event::Paid(payment),
        Settlement::Failed => webhook::Event::PaymentFailed(payment),
    };
    unit.tell(&event, &checkout)
}
