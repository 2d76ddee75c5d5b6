//! The page on which a stand-in provider's customer pays, and the forms on it.

use crate::durable::{DurableStore, Job, Queue};
use crate::web::{ProblemResponse, body, html};
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
/// How long a customer who has paid waits for the first attempt of the webhooks.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

/// The provider whose page it is.
#[derive(Debug, Clone, Copy)]
pub struct Brand {
    /// Its name, as customers know it.
    pub name: &'static str,
    /// Where its style sheet is, which [`style`] answers.
    pub style: &'static str,
}

/// What there is to pay.
#[derive(Debug)]
pub struct Order {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The amount, as a person reads it.
    pub amount: String,
    /// The way back to the merchant.
    pub return_url: String,
    /// Where its forms lead, without `/pay` and `/settle`.
    pub address: String,
    /// Where it stands.
    pub state: CheckoutState,
}

/// Where a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutState {
    /// It can be paid.
    Open,
    /// The customer's part is done, and the money is on its way.
    Processing,
    /// It was paid.
    Paid,
    /// It can no longer be paid.
    Closed,
}

/// The button by which a customer pays, or tries to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentOutcome {
    /// The money is there at once.
    Succeeded,
    /// The attempt fails, and the customer can try again.
    Declined,
    /// Paid by a method that takes time, such as a bank transfer.
    Processing,
}

/// What becomes of the money that a checkout waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settlement {
    /// It arrives.
    Succeeded,
    /// It will not come.
    Failed,
}

#[derive(Deserialize)]
struct Form<T> {
    outcome: T,
}

/// What a form's field `outcome` may hold.
pub trait FormValue: DeserializeOwned + Send + 'static {
    /// The values, as the end of a sentence about the field.
    const EXPECTED: &'static str;
}

impl FormValue for PaymentOutcome {
    const EXPECTED: &'static str = "must be succeeded, declined or processing";
}

impl FormValue for Settlement {
    const EXPECTED: &'static str = "must be succeeded or failed";
}

/// What a form did.
#[derive(Debug)]
pub enum FormResult {
    /// Something changed.
    Applied {
        /// The webhooks about it, which are stored already.
        pending_webhooks: Vec<Job>,
        /// The way back to the merchant.
        return_url: String,
    },
    /// It had been done before.
    AlreadyDone {
        /// The way back to the merchant.
        return_url: String,
    },
    /// The checkout can no longer be paid.
    Closed(Box<Order>),
    /// There is no money to wait for.
    NotProcessing,
    /// There is no such checkout.
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
}

impl Brand {
    /// Answers the page of an order, in the state that it is in.
    #[must_use]
    pub fn show(self, order: &Order) -> Response {
        respond(StatusCode::OK, &order.page(self))
    }

    /// Answers a request for a checkout that does not exist.
    #[must_use]
    pub fn unknown(self) -> Response {
        let (title, text) = ("There is no such checkout", "Please open the link from your chat once more.");
        respond(StatusCode::NOT_FOUND, &Page { brand: self, title, text, order: None })
    }

    /// Does what a form says within one transaction, sends the merchant the webhooks about it, and the customer back.
    ///
    /// # Errors
    /// The form cannot be read, or says something that cannot be done; or the store failed.
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
        let result = store.transaction(move |transaction| work(transaction, form.outcome)).await?;
        Ok(match result {
            FormResult::Applied { pending_webhooks, return_url } => {
                // The customer's next page should show what the merchant knows by then. If that takes long, the
                // webhooks go on without the customer.
                let attempted = async {
                    let attempts = pending_webhooks.into_iter().map(|job| webhooks.submit(job));
                    for attempt in attempts.collect::<Vec<_>>() {
                        attempt.await.ok();
                    }
                };
                tokio::time::timeout(FIRST_ATTEMPT, attempted).await.ok();
                Redirect::to(&return_url).into_response()
            }
            FormResult::AlreadyDone { return_url } => Redirect::to(&return_url).into_response(),
            FormResult::Closed(order) => respond(StatusCode::GONE, &order.page(self)),
            FormResult::NotProcessing => return Err(ProblemResponse::invalid("checkout", "must be processing")),
            FormResult::Unknown => self.unknown(),
        })
    }
}

fn respond(status: StatusCode, page: &Page<'_>) -> Response {
    // Browsers hold the redirect after a form against this policy too, so the way back has to be in it.
    let back = page.order.and_then(|order| Url::parse(&order.return_url).ok());
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        back.map(|url| url.origin().ascii_serialization()).unwrap_or_default(),
    );
    html::page(status, page, &policy)
}

/// Answers the pages' style sheet.
#[expect(clippy::unused_async, reason = "a handler is an async function")]
pub async fn style() -> impl IntoResponse {
    html::file("text/css; charset=utf-8", STYLE)
}
