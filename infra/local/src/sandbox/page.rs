//! The pages of the stand-in provider.

use super::checkout::{Checkout, Status};
use crate::html;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use reqwest::Url;

const STYLE: &str = include_str!("../../templates/style.css");

/// What the customer sees.
#[derive(Template)]
#[template(path = "checkout.html")]
struct Page<'a> {
    title: &'static str,
    text: &'static str,
    /// The order, if there is one.
    checkout: Option<&'a Checkout>,
    amount: String,
    /// Whether it can be paid here and now.
    payable: bool,
    /// Whether its money is on its way.
    processing: bool,
}

/// The payment page of a checkout, in the state it is in.
pub(super) fn checkout(checkout: &Checkout) -> Response {
    let (title, text) = match &checkout.status {
        Status::Open => ("Pay for your order", "This is a stand-in payment page. No money is moved."),
        Status::Processing(_) => (
            "Your transfer is on its way",
            "Your part is done. Outside of this stand-in the bank now takes its time; here, you say how it ends.",
        ),
        Status::Paid(_) => ("This order is paid", "Your payment went through. There is nothing left to do here."),
        Status::Closed => ("This checkout is closed", "It can no longer be paid, and no money was taken."),
    };
    let page = Page {
        title,
        text,
        checkout: Some(checkout),
        amount: checkout.money.to_string(),
        payable: checkout.status == Status::Open,
        processing: matches!(checkout.status, Status::Processing(_)),
    };
    respond(StatusCode::OK, &page, Some(&checkout.return_url))
}

/// The answer to somebody who pays too late.
pub(super) fn closed(checkout: &Checkout) -> Response {
    let page = Page {
        title: "This checkout is closed",
        text: "It can no longer be paid, and no money was taken.",
        checkout: Some(checkout),
        amount: checkout.money.to_string(),
        payable: false,
        processing: false,
    };
    respond(StatusCode::GONE, &page, Some(&checkout.return_url))
}

/// The answer to a checkout that does not exist.
pub(super) fn unknown() -> Response {
    let page = Page {
        title: "There is no such checkout",
        text: "Please open the link from your chat once more.",
        checkout: None,
        amount: String::new(),
        payable: false,
        processing: false,
    };
    respond(StatusCode::NOT_FOUND, &page, None)
}

fn respond(status: StatusCode, page: &Page<'_>, return_url: Option<&str>) -> Response {
    // Browsers hold the redirect after a form against this policy too, so the way back has to be in it.
    let back = return_url.and_then(|url| Url::parse(url).ok()).map(|url| url.origin().ascii_serialization());
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        back.unwrap_or_default(),
    );
    html::page(status, page, &policy)
}

/// `GET /sandbox/style.css`
pub(super) async fn style() -> impl IntoResponse {
    html::file("text/css; charset=utf-8", STYLE)
}
