//! The payment page of a stand-in provider, and its forms.

use crate::durable::{DurableStore, Job, Queue};
use crate::web::{ProblemResponse, body, html};
use crate::webhook::Webhooks;
use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use reqwest::Url;
use rusqlite::Transaction;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

const STYLE: &str = include_str!("../templates/style.css");
/// The maximum time for which a form's response waits for the first delivery attempt of its webhooks.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

/// The provider's branding on its payment page.
#[derive(Debug, Clone, Copy)]
pub struct Brand {
    /// The provider's name as customers know it.
    pub name: &'static str,
    /// The URL of the page's style sheet, which [`style`] serves.
    pub style: &'static str,
}

/// The order on the payment page.
#[derive(Debug)]
pub struct Order {
    /// The order's name.
    pub name: String,
    /// The description of the goods or services.
    pub description: Option<String>,
    /// The amount, formatted for a person.
    pub amount: String,
    /// The URL of the merchant for a customer who has paid.
    pub done_url: String,
    /// The URL of the merchant for a customer who gives up, if there is one.
    pub back_url: Option<String>,
    /// The base URL of its forms, to which `/pay` and `/settle` are appended.
    pub address: String,
    /// The state of its checkout.
    pub state: CheckoutState,
    /// The problem that the customer has just met, if there was one.
    pub notice: Option<&'static str>,
}

/// The state of a checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutState {
    /// The checkout can be paid.
    Open,
    /// The customer has paid, and the money has not arrived yet.
    Processing,
    /// The checkout is paid.
    Paid,
    /// The checkout can no longer be paid.
    Closed,
}

/// The outcome of a payment attempt, which the customer selects by a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentOutcome {
    /// The payment succeeds immediately.
    Succeeded,
    /// The attempt fails, and the customer can retry.
    Declined,
    /// The customer pays by a method that takes time, such as a bank transfer.
    Processing,
}

/// The outcome of a payment that is processing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settlement {
    /// The money arrives.
    Succeeded,
    /// The money does not arrive.
    Failed,
}

/// The outcome of a dispute: it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisputeOutcome {
    /// The dispute is open.
    Opened,
}

#[derive(Deserialize)]
struct Form<T> {
    outcome: T,
    /// `off` loses the webhooks about this change alone.
    webhooks: Option<String>,
}

/// An allowed value of a form's field `outcome`.
pub trait FormValue: DeserializeOwned + Send + 'static {
    /// The allowed values, as the end of a sentence that begins with the field's name.
    const EXPECTED: &'static str;
}

impl FormValue for PaymentOutcome {
    const EXPECTED: &'static str = "must be succeeded, declined or processing";
}

impl FormValue for Settlement {
    const EXPECTED: &'static str = "must be succeeded or failed";
}

impl FormValue for DisputeOutcome {
    const EXPECTED: &'static str = "must be opened";
}

/// The result of a submitted form.
#[derive(Debug)]
pub enum FormResult {
    /// The form changed the checkout.
    Applied {
        /// The stored webhooks about the change, still to be delivered.
        pending_webhooks: Vec<Job>,
        /// The URL that the customer goes to next.
        next_url: String,
    },
    /// The same change was made before.
    AlreadyDone {
        /// The URL that the customer goes to next.
        next_url: String,
    },
    /// The checkout can no longer be paid.
    Closed(Box<Order>),
    /// The checkout is not processing, so that there is nothing to settle.
    NotProcessing,
    /// The checkout does not exist.
    Unknown,
}

#[derive(Template)]
#[template(path = "checkout.html")]
struct Page<'a> {
    brand: Brand,
    title: &'static str,
    text: &'static str,
    order: Option<&'a Order>,
}

impl Order {
    fn page(&self, brand: Brand) -> Page<'_> {
        let (title, text) = match self.state {
            CheckoutState::Open => ("Pay for your order", "This is a stand-in payment page. No money is moved."),
            CheckoutState::Processing => (
                "Your transfer is on its way",
                "Your part is done. Outside of this stand-in the bank now takes its time; here, you say how it ends.",
            ),
            CheckoutState::Paid => {
                ("This order is paid", "Your payment went through. There is nothing left to do here.")
            }
            CheckoutState::Closed => ("This checkout is closed", "It can no longer be paid, and no money was taken."),
        };
        Page { brand, title, text, order: Some(self) }
    }

    /// Returns the link that leads back to the merchant, as its text and its URL; `None` if the merchant gave none.
    fn way_back(&self) -> Option<(&'static str, &str)> {
        match self.state {
            CheckoutState::Open => Some(("Cancel and go back", self.back_url.as_deref()?)),
            CheckoutState::Closed => Some(("Back to the shop", self.back_url.as_deref()?)),
            CheckoutState::Processing | CheckoutState::Paid => Some(("Back to the shop", &self.done_url)),
        }
    }
}

impl Brand {
    /// Builds the page of an order in its current state.
    #[must_use]
    pub fn show(self, order: &Order) -> Response {
        respond(StatusCode::OK, &order.page(self))
    }

    /// Builds the response for a checkout that does not exist.
    #[must_use]
    pub fn unknown(self) -> Response {
        let (title, text) = ("There is no such checkout", "Please open the link from your chat once more.");
        respond(StatusCode::NOT_FOUND, &Page { brand: self, title, text, order: None })
    }

    /// Applies a form within one transaction, delivers the webhooks about the change to the merchant, and redirects the
    /// customer. With the field `webhooks=off` the webhooks about this change are lost.
    ///
    /// # Errors
    /// [`ProblemResponse`] if the form cannot be parsed, if its change is not possible, or if the store failed.
    pub async fn submit<T: FormValue>(
        self,
        store: &DurableStore,
        webhooks: &Queue,
        form: Body,
        work: impl FnOnce(&Transaction<'_>, T) -> rusqlite::Result<FormResult> + Send + 'static,
    ) -> Result<Response, ProblemResponse> {
        let form = body::read(form, body::OWN_LIMIT).await?;
        let form = serde_urlencoded::from_bytes::<Form<T>>(&form);
        let form = form.map_err(|_| ProblemResponse::invalid("outcome", T::EXPECTED))?;
        let is_told = Webhooks::parse(form.webhooks.as_deref());
        let is_told = is_told.ok_or_else(|| ProblemResponse::invalid("webhooks", "must be on or off"))?;
        let work = move |transaction: &Transaction<'_>| {
            let mut result = work(transaction, form.outcome)?;
            if let (Webhooks::Off, FormResult::Applied { pending_webhooks, .. }) = (is_told, &mut result) {
                pending_webhooks.drain(..).try_for_each(|job| job.discard(transaction))?;
            }
            Ok(result)
        };
        let result = store.transaction(work).await?;
        Ok(match result {
            FormResult::Applied { pending_webhooks, next_url } => {
                // Wait for the first attempts, so that the merchant's next page already shows the payment. After the
                // timeout the customer is redirected, and the deliveries continue.
                let attempted = async {
                    let attempts = pending_webhooks.into_iter().map(|job| webhooks.submit(job));
                    for attempt in attempts.collect::<Vec<_>>() {
                        attempt.await.ok();
                    }
                };
                tokio::time::timeout(FIRST_ATTEMPT, attempted).await.ok();
                Redirect::to(&next_url).into_response()
            }
            FormResult::AlreadyDone { next_url } => Redirect::to(&next_url).into_response(),
            FormResult::Closed(order) => respond(StatusCode::GONE, &order.page(self)),
            FormResult::NotProcessing => return Err(ProblemResponse::invalid("checkout", "must be processing")),
            FormResult::Unknown => self.unknown(),
        })
    }
}

fn respond(status: StatusCode, page: &Page<'_>) -> Response {
    // Browsers apply `form-action` to the redirect after a form too, so that the policy has to include the merchant's
    // origin.
    let back = page.order.and_then(|order| Url::parse(&order.done_url).ok());
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        back.map(|url| url.origin().ascii_serialization()).unwrap_or_default(),
    );
    html::page(status, page, &policy)
}

/// Serves the pages' style sheet.
#[expect(clippy::unused_async, reason = "a handler is an async function")]
pub async fn style() -> impl IntoResponse {
    html::file("text/css; charset=utf-8", STYLE)
}
