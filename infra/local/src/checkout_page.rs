//! The page on which a stand-in provider's customer pays, and the forms on it.

use crate::body;
use crate::html;
use crate::queue::{Job, Queue};
use crate::refusal::Refusal;
use crate::store::Store;
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
/// How long a customer who has paid waits for the merchant to hear of it.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

/// The provider whose page it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Brand {
    /// Its name, as customers know it.
    pub(crate) name: &'static str,
    /// Where its style sheet is, which [`style`] answers.
    pub(crate) style: &'static str,
}

/// What there is to pay.
#[derive(Debug)]
pub(crate) struct Order {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// How much, for people.
    pub(crate) amount: String,
    /// The way back to the merchant.
    pub(crate) return_url: String,
    /// Where its forms lead, without `/pay` and `/settle`.
    pub(crate) address: String,
    /// Where it stands.
    pub(crate) state: State,
}

/// Where a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It can be paid.
    Open,
    /// The customer's part is done, and the money is on its way.
    Processing,
    /// It was paid.
    Paid,
    /// It can no longer be paid.
    Closed,
}

/// The button that the customer pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Succeeded,
    Declined,
    /// Paid by a method that takes time, such as a bank transfer.
    Processing,
}

/// What becomes of the money that a checkout waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Settlement {
    Succeeded,
    Failed,
}

#[derive(Deserialize)]
struct Form<T> {
    outcome: T,
}

/// A form's values, and what to say when it holds none of them.
pub(crate) trait Choice: DeserializeOwned + Send + 'static {
    /// The values, as the end of a sentence about the field.
    const VALUES: &'static str;
}

impl Choice for Outcome {
    const VALUES: &'static str = "must be succeeded, declined or processing";
}

impl Choice for Settlement {
    const VALUES: &'static str = "must be succeeded or failed";
}

/// What a form did.
pub(crate) enum Pressed {
    /// The merchant is to be told.
    Told { jobs: Vec<Job>, return_url: String },
    /// It was done before, so nothing.
    Already { return_url: String },
    /// It is too late.
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
            State::Open => ("Pay for your order", "This is a stand-in payment page. No money is moved."),
            State::Processing => (
                "Your transfer is on its way",
                "Your part is done. Outside of this stand-in the bank now takes its time; here, you say how it ends.",
            ),
            State::Paid => ("This order is paid", "Your payment went through. There is nothing left to do here."),
            State::Closed => ("This checkout is closed", "It can no longer be paid, and no money was taken."),
        };
        Page { brand, title, text, order: Some(self) }
    }
}

impl Brand {
    /// The page of an order, in the state that it is in.
    pub(crate) fn show(self, order: &Order) -> Response {
        respond(StatusCode::OK, &order.page(self))
    }

    /// The answer to a checkout that does not exist.
    pub(crate) fn unknown(self) -> Response {
        let (title, text) = ("There is no such checkout", "Please open the link from your chat once more.");
        respond(StatusCode::NOT_FOUND, &Page { brand: self, title, text, order: None })
    }

    /// Does what a form says, tells the merchant, and sends the customer back there.
    pub(crate) async fn press<T: Choice>(
        self,
        store: &Store,
        webhooks: &Queue,
        body: Body,
        work: impl FnOnce(&Transaction<'_>, T) -> rusqlite::Result<Pressed> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let body = body::read(body, body::OWN_LIMIT).await?;
        let form = serde_urlencoded::from_bytes::<Form<T>>(&body);
        let form = form.map_err(|_| Refusal::invalid("outcome", T::VALUES))?;
        let pressed = store.transaction(move |transaction| work(transaction, form.outcome)).await?;
        Ok(match pressed {
            Pressed::Told { jobs, return_url } => {
                // The customer's next page should show what the merchant knows by then; if that takes long, it goes on
                // without them.
                let told = async {
                    for attempted in jobs.into_iter().map(|job| webhooks.submit(job)).collect::<Vec<_>>() {
                        attempted.await.ok();
                    }
                };
                tokio::time::timeout(FIRST_ATTEMPT, told).await.ok();
                Redirect::to(&return_url).into_response()
            }
            Pressed::Already { return_url } => Redirect::to(&return_url).into_response(),
            Pressed::Closed(order) => respond(StatusCode::GONE, &order.page(self)),
            Pressed::NotProcessing => return Err(Refusal::invalid("checkout", "must be processing")),
            Pressed::Unknown => self.unknown(),
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

/// The pages' style sheet.
pub(crate) async fn style() -> impl IntoResponse {
    html::file("text/css; charset=utf-8", STYLE)
}
