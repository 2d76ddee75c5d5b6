//! The customer's pages: one template, with the words for every state a request can be in.

use askama::Template;
use domain::message::in_words;
use domain::{PaymentRequest, Status, Timestamp};
use http::StatusCode;
use std::time::Duration;

/// The style sheet, inline because a page without a second request shows at once on a slow network. The
/// Content-Security-Policy allows this one by its hash.
pub(crate) const STYLE: &str = include_str!("../templates/page.css");

/// How long a clicked page waits before it looks again whether the provider has confirmed the money, in seconds.
const CONFIRMATION_LOOK: u64 = 10;

/// A page with the HTTP status it goes out with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) html: String,
}

#[derive(Template)]
#[template(path = "page.html")]
struct View<'a> {
    title: &'a str,
    tone: &'a str,
    style: &'a str,
    order: Option<Order<'a>>,
    lines: &'a [&'a str],
    button: Option<&'a str>,
    refresh_after: Option<u64>,
}

struct Order<'a> {
    from: &'a str,
    amount: String,
    number: &'a str,
    description: Option<&'a str>,
    reference: Option<&'a str>,
    paid_at: Option<Moment>,
    left: Option<String>,
    until: Moment,
}

struct Moment {
    machine: String,
    person: String,
}

impl From<Timestamp> for Moment {
    fn from(timestamp: Timestamp) -> Self {
        let machine = timestamp.to_string();
        let (day, time) = machine.split_once('T').unwrap_or((&machine, ""));
        let person = format!("{day} {} UTC", time.get(..8).unwrap_or_default());
        Self { machine, person }
    }
}

/// What a state says, and how.
struct Words {
    status: StatusCode,
    tone: &'static str,
    title: &'static str,
    lines: &'static [&'static str],
    button: Option<&'static str>,
}

const ENDED: StatusCode = StatusCode::GONE;

fn words(request: &PaymentRequest, now: Timestamp) -> Words {
    let ended = |title, lines| Words { status: ENDED, tone: "ended", title, lines, button: None };
    match request.status_at(now) {
        Status::Sent => Words {
            status: StatusCode::OK,
            tone: "live",
            title: "You have been asked to pay",
            lines: &[],
            button: Some("Continue to payment"),
        },
        Status::Clicked if request.is_live(now) => Words {
            status: StatusCode::OK,
            tone: "live",
            title: "Your payment page is open",
            lines: &["If you have just paid, the confirmation is on its way. This page looks for it by itself."],
            button: Some("Go on to payment"),
        },
        Status::Clicked => ended(
            "The time to pay has run out",
            &[
                "If you paid in the last moment, the confirmation is on its way.",
                "Otherwise please ask for a new link in the chat.",
            ],
        ),
        Status::Processing => Words {
            status: StatusCode::OK,
            tone: "good",
            title: "Your payment is being processed",
            lines: &[
                "You need not do anything else. Please do not pay again.",
                "Your bank may take a few days. You will hear from us in the chat once the money has arrived.",
            ],
            button: None,
        },
        Status::Paid => Words {
            status: StatusCode::OK,
            tone: "good",
            title: "Paid. Thank you!",
            lines: &["We received your payment. You need not do anything else."],
            button: None,
        },
        Status::Canceled => ended(
            "This request was canceled",
            &[
                "The agent has taken it back, and there is nothing to pay.",
                "If you have questions, please ask in the chat.",
            ],
        ),
        Status::Expired if request.payment_failed() => ended(
            "Your payment did not go through",
            &["You have not been charged.", "Please ask for a new link in the chat if you still want to pay."],
        ),
        Status::Expired if request.history.iter().any(|entry| entry.status == Status::Clicked) => ended(
            "The time to pay has run out",
            &["You have not been charged.", "Please ask for a new link in the chat if you still want to pay."],
        ),
        Status::Expired => ended(
            "This link has expired",
            &["You have not been charged.", "Please ask for a new link in the chat if you still want to pay."],
        ),
        Status::RefundDue => ended(
            "Your payment came too late",
            &["This request had already ended when your payment arrived. We are sending your money back."],
        ),
        Status::Refunded => ended(
            "Your money is on its way back",
            &["This request had already ended when your payment arrived, so we have sent the money back."],
        ),
    }
}

fn rendered(status: StatusCode, view: &View<'_>) -> Page {
    // Every field is text, and writing text to a string does not fail.
    Page { status, html: view.render().unwrap_or_default() }
}

/// The page of a request as it stands at a moment.
pub(crate) fn of_request(request: &PaymentRequest, now: Timestamp) -> Page {
    let words = words(request, now);
    let left = request.is_live(now).then(|| request.deadline.since(now));
    // At the deadline the page would say something else; a waiting one also looks for the confirmation before.
    let refresh_after = left.map(|left| {
        let until_end = left.as_secs() + 1;
        if request.status == Status::Clicked { until_end.min(CONFIRMATION_LOOK) } else { until_end }
    });
    let view = View {
        title: words.title,
        tone: words.tone,
        style: STYLE,
        order: Some(order(request, left)),
        lines: words.lines,
        button: words.button,
        refresh_after,
    };
    rendered(words.status, &view)
}

/// The page for when the payment provider cannot be reached: the click counts, so the button goes on from here.
pub(crate) fn provider_unavailable(request: &PaymentRequest, now: Timestamp) -> Page {
    let view = View {
        title: "The payment page does not answer",
        tone: "ended",
        style: STYLE,
        order: Some(order(request, request.is_live(now).then(|| request.deadline.since(now)))),
        lines: &["You have not been charged. Please try again in a moment."],
        button: Some("Try again"),
        refresh_after: None,
    };
    rendered(StatusCode::SERVICE_UNAVAILABLE, &view)
}

/// The page for when we cannot answer ourselves.
pub(crate) fn unavailable() -> Page {
    bare(
        StatusCode::SERVICE_UNAVAILABLE,
        "This does not work right now",
        &["You have not been charged. Please open the link again in a moment."],
    )
}

/// The page of a link that leads nowhere.
pub(crate) fn unknown() -> Page {
    bare(
        StatusCode::NOT_FOUND,
        "We do not know this link",
        &[
            "It may be incomplete, or it may have ended a while ago.",
            "Please open it from the chat again, or ask there for a new one.",
        ],
    )
}

/// The page for a form that is too long to be ours.
pub(crate) fn too_large() -> Page {
    bare(StatusCode::PAYLOAD_TOO_LARGE, "That was too much", &["Please open the link from the chat again."])
}

fn bare(status: StatusCode, title: &str, lines: &[&str]) -> Page {
    let view = View { title, tone: "ended", style: STYLE, order: None, lines, button: None, refresh_after: None };
    rendered(status, &view)
}

fn order(request: &PaymentRequest, left: Option<Duration>) -> Order<'_> {
    let payment = request.payment.as_ref().filter(|_| request.status == Status::Paid);
    Order {
        from: request.workspace.as_str(),
        amount: request.details.money.to_string(),
        number: request.details.order_number.as_str(),
        description: request.details.description.as_ref().map(domain::Description::as_str),
        reference: payment.map(|payment| payment.reference.as_str()),
        paid_at: payment.map(|payment| Moment::from(payment.paid_at)),
        left: left.map(in_words),
        until: Moment::from(request.deadline),
    }
}
