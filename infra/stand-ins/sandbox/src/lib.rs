//! The sandbox payment provider: an API for the merchant, pages for the customer, webhooks.

mod checkout;
mod settlements;
mod webhook;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use checkout::{Checkout, NewCheckout, NewRefund, Status};
use domain::Timestamp;
use domain::ports::Closes;
use http::StatusCode;
use http::request::Parts;
use reqwest::Url;
use runtime::config::sandbox_closes;
use runtime::problem::Problem;
use runtime::webhook::Secrets;
use runtime::{BoxFuture, ConfigError, Environment};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settlements::List;
use stand_in_host::checkout_page::{
    self, Brand, CheckoutState, FormResult, FormValue, Order, PaymentOutcome, Settlement,
};
use stand_in_host::durable::{Job, NewJob, Queue};
use stand_in_host::web::{ProblemResponse, body};
use stand_in_host::webhook::Webhooks;
use stand_in_host::{Doors, DurableStoreError, Host, Identifiers as _, StandIn, StandInError};
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
    closes: Closes,
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
            webhooks: Webhooks::from_environment(environment)?,
        };
        let webhooks = Queue::start(host, QUEUE, Arc::new(sender)).await?;
        let public_base_url = environment.get("PUBLIC_BASE_URL").unwrap_or(&host.base_url);
        Ok(Self {
            host: host.clone(),
            webhooks,
            closes: sandbox_closes(environment)?,
            public_base_url: public_base_url.trim_end_matches('/').to_owned(),
        })
    }

    /// Runs `work` in one transaction and at one time.
    async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&UnitOfWork<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DurableStoreError> {
        let (doors, closes) = (self.host.doors.clone(), self.closes);
        self.host.store.transaction(move |transaction| work(&UnitOfWork::new(transaction, &doors, closes))).await
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
        let (doors, closes) = (self.host.doors.clone(), self.closes);
        let find_and_work = move |transaction: &Transaction<'_>, value| {
            let unit = UnitOfWork::new(transaction, &doors, closes);
            unit.find(&id)?.map_or(Ok(FormResult::Unknown), |checkout| work(&unit, checkout, value))
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
        .route("/sandbox/checkouts", get(find).post(create))
        .route("/sandbox/checkouts/{id}", get(show))
        .route("/sandbox/checkouts/{id}/pay", post(pay))
        .route("/sandbox/checkouts/{id}/settle", post(settle))
        .route("/sandbox/checkouts/{id}/state", get(state))
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
    // How the customer comes back is appended to it as a query.
    let is_address = |url: Url| matches!(url.scheme(), "http" | "https") && url.query().or(url.fragment()).is_none();
    if !Url::parse(&new.return_url).is_ok_and(is_address) {
        let expected = "must be an http or https address without a query or a fragment";
        return Err(ProblemResponse::invalid("return_url", expected));
    }
    let id = provider.host.doors.identifier("chk_");
    let create = move |unit: &UnitOfWork<'_>| {
        let checkout = checkout::create(unit.transaction, &id, new)?;
        Ok(unit.find(&checkout.id)?.unwrap_or(checkout))
    };
    let checkout = provider.transaction(create).await?;
    Ok(Json(CheckoutResponse {
        url: format!("{}/sandbox/checkouts/{}", provider.public_base_url, checkout.id),
        id: checkout.id,
        status: checkout.status.name(),
    }))
}

/// The parameters of a search for a checkout.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    payment_request_id: String,
}

/// Returns the identifier of a payment request's checkout; `null` if it has no checkout.
async fn find(
    State(provider): State<Arc<Provider>>,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Json<Value>, ProblemResponse> {
    let Ok(Query(Search { payment_request_id })) = search else {
        return Err(ProblemResponse::invalid("payment_request_id", "must be there, and nothing else"));
    };
    let find = move |transaction: &Transaction<'_>| checkout::of_request(transaction, &payment_request_id);
    let found = provider.host.store.transaction(find).await?;
    Ok(Json(json!({ "id": found.map(|checkout| checkout.id) })))
}

/// Returns the state of a checkout, and changes nothing that a customer could notice.
async fn state(
    State(provider): State<Arc<Provider>>,
    CheckoutId(id): CheckoutId,
) -> Result<Json<Value>, ProblemResponse> {
    let checkout = provider.transaction(move |unit| unit.find(&id)).await?.ok_or(Problem::NotFound)?;
    Ok(Json(checkout.state()))
}

/// Closes a checkout, and returns its state afterwards. A provider that cannot do that refuses.
async fn close(State(provider): State<Arc<Provider>>, CheckoutId(id): CheckoutId) -> Result<Response, ProblemResponse> {
    let can_close = provider.closes == Closes::OnDemand;
    let close = move |unit: &UnitOfWork<'_>| {
        if can_close { checkout::close(unit.transaction, &id) } else { unit.find(&id) }
    };
    let checkout = provider.transaction(close).await?.ok_or(Problem::NotFound)?;
    if can_close {
        return Ok(Json(checkout.state()).into_response());
    }
    let refusal = json!({ "code": "not_closable", "detail": "This provider does not close checkouts on demand." });
    Ok((StatusCode::CONFLICT, Json(refusal)).into_response())
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
    let found = provider.transaction(move |unit| unit.find(&id)).await?;
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
            done_url: checkout.done_url(),
            back_url: Some(checkout.back_url()),
            notice: None,
            address: format!("/sandbox/checkouts/{}", checkout.id),
            name: checkout.order_number,
            description: checkout.description,
            amount: checkout.money.to_string(),
            state: match checkout.status {
                Status::Open => CheckoutState::Open,
                Status::Processing(_) => CheckoutState::Processing,
                Status::Paid(_) => CheckoutState::Paid,
                Status::Failed(_) | Status::Closed => CheckoutState::Closed,
            },
        }
    }
}

/// The transaction and the time in which a customer's form is applied.
struct UnitOfWork<'a> {
    transaction: &'a Transaction<'a>,
    now: Timestamp,
    doors: &'a Doors,
    closes: Closes,
}

impl<'a> UnitOfWork<'a> {
    fn new(transaction: &'a Transaction<'a>, doors: &'a Doors, closes: Closes) -> Self {
        Self { transaction, now: doors.now(), doors, closes }
    }

    /// Returns the checkout with this id, if it exists. One whose time is over is closed first, if checkouts do that.
    fn find(&self, id: &str) -> rusqlite::Result<Option<Checkout>> {
        if self.closes == Closes::AtItsTime {
            checkout::close_overdue(self.transaction, id, self.now)?;
        }
        checkout::find(self.transaction, id)
    }

    /// Stores a webhook. Each has its own message group, so that a webhook that is not accepted does not delay the
    /// next.
    fn tell(&self, event: &webhook::Event<'_>, checkout: &Checkout) -> rusqlite::Result<FormResult> {
        let webhook = Webhook::new(self.doors.identifier("msg_"), self.now, event, checkout);
        let job = NewJob { rule: "webhook", message_group: &webhook.id, body: json!(webhook).to_string() };
        let job = Job::put(self.transaction, QUEUE, job, self.now)?;
        Ok(FormResult::Applied { pending_webhooks: vec![job], next_url: checkout.done_url() })
    }
}

/// Pays or declines a checkout, and stores the webhook about it in the same transaction.
fn attempt_payment(unit: &UnitOfWork<'_>, checkout: Checkout, outcome: PaymentOutcome) -> rusqlite::Result<FormResult> {
    match checkout.status {
        Status::Processing(_) | Status::Paid(_) => {
            return Ok(FormResult::AlreadyDone { next_url: checkout.done_url() });
        }
        Status::Failed(_) | Status::Closed => return Ok(FormResult::Closed(Box::new(checkout.into()))),
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
        _ => Ok(FormResult::AlreadyDone { next_url: checkout.done_url() }),
    }
}

/// Settles a processing payment, and stores the webhook about it in the same transaction.
fn settle_payment(unit: &UnitOfWork<'_>, checkout: Checkout, settlement: Settlement) -> rusqlite::Result<FormResult> {
    let payment = match &checkout.status {
        Status::Processing(payment) => payment,
        Status::Paid(_) => return Ok(FormResult::AlreadyDone { next_url: checkout.done_url() }),
        Status::Failed(_) | Status::Closed => return Ok(FormResult::Closed(Box::new(checkout.into()))),
        Status::Open => return Ok(FormResult::NotProcessing),
    };
    checkout::settle(unit.transaction, &checkout.id, settlement == Settlement::Succeeded)?;
    let event = match settlement {
        Settlement::Succeeded => webhook::Event::Paid(payment),
        Settlement::Failed => webhook::Event::PaymentFailed(payment),
    };
    unit.tell(&event, &checkout)
}

#[cfg(test)]
mod tests;
