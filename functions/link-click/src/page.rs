//! The customer's pages: one template, filled in for each state that a payment request can be in.

use crate::brand::Brand;
use crate::language::{Texts, Words};
use askama::Template;
use domain::limits::CALL_INTERVAL;
use domain::{HistoryEntry, PaymentRequest, Reason, Status, Timestamp};
use http::{HeaderValue, StatusCode};
use runtime::assets::Assets;
use std::time::Duration;

/// The static files that the pages load.
pub(crate) const ASSETS: Assets = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// How long a page without scripts waits before it reloads to show the payment's progress, in seconds.
const LOOK_AGAIN_AFTER: u64 = 10;

/// How long it waits after the deadline of a link, in seconds. Whether somebody continued in time is decided within
/// [`domain::limits::WRITE_GRACE`].
const LOOK_AGAIN_WHEN_OVER: u64 = 2;

/// The icons, as SVG path data in a view box of 24 by 24.
mod icon {
    pub(super) const CHECK: &str = "M6 12.5l4 4 8-9";
    pub(super) const CLOCK: &str = "M12 6.5V12l3.5 3";
    pub(super) const CROSS: &str = "M8 8l8 8m0-8-8 8";
    pub(super) const EXCLAMATION: &str = "M12 6.5v7m0 3.5v.01";
    pub(super) const RETURN: &str = "M9.5 6 6 9.5 9.5 13M6.5 9.5H14a4 4 0 0 1 0 8h-3";
}

/// A rendered page, with the response's status and the values of its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) html: String,
    pub(crate) language: &'static str,
    pub(crate) policy: HeaderValue,
    /// Identifies the page's content for the `ETag`: it changes whenever the content does, except for the time left.
    /// None if the page is not about a known request.
    pub(crate) version: Option<String>,
    /// After how many seconds another try may succeed, for `Retry-After`. None if nothing failed, or for good.
    pub(crate) retry_after: Option<u64>,
}

/// The person who opens the page, as far as their request describes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    /// The texts in their language.
    pub(crate) texts: &'static Texts,
    /// Where they come from.
    pub(crate) arrival: Arrival,
}

/// Where a customer comes from, by the query of the page's address. The provider sends them to one of
/// [`domain::event::back_url`] and [`domain::event::done_url`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// From the chat, by the link itself.
    Link,
    /// From the provider's payment page, where they gave up: `?back`.
    Back,
    /// From the provider's payment page, where they did their part: `?done`.
    Done,
}

impl Arrival {
    /// Reads a query. Its parameters may have any value and any order, and others may be among them: the provider and
    /// the chat app add their own. If both of ours are there, `done` counts: a page that waits for a payment which
    /// never comes does less harm than one that tells somebody who has paid that they have not.
    pub(crate) fn of_query(query: &str) -> Self {
        let has = |name| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        match (has("done"), has("back")) {
            (true, _) => Self::Done,
            (false, true) => Self::Back,
            (false, false) => Self::Link,
        }
    }

    /// Returns the end of the page's version. The pages of the three addresses differ.
    const fn version(self) -> &'static str {
        match self {
            Self::Link => "",
            Self::Back => "-back",
            Self::Done => "-done",
        }
    }
}

/// The values that the template shows.
#[derive(Template)]
#[template(path = "page.html")]
struct View<'a> {
    texts: &'a Texts,
    brand: &'a Brand,
    script: &'a str,
    state: &'a State,
    order: Option<Order<'a>>,
    version: Option<&'a str>,
    look_again_after: Option<u64>,
    is_watched: bool,
    /// The address that the button posts to. It is without a query, so that the page of a failed click does not wait
    /// for a payment.
    pay: String,
    /// The address that asks the provider whether the customer has paid, if the page waits for that.
    check: Option<String>,
}

/// The order as the page shows it.
struct Order<'a> {
    from: &'a str,
    amount: String,
    number: &'a str,
    description: Option<&'a str>,
    left: Option<Left>,
    payment: Option<(&'a str, Moment)>,
}

/// The time left until the deadline, for a countdown.
struct Left {
    milliseconds: u128,
    clock: String,
    until: Moment,
}

/// A point in time in two forms: `machine`, which the script converts to the reader's time zone, and `person`, the UTC
/// text that is shown without scripts.
struct Moment {
    machine: String,
    person: String,
}

impl Moment {
    /// Shows the time of day alone, `10:00 UTC`.
    fn time(timestamp: Timestamp) -> Self {
        let machine = timestamp.to_string();
        let person = format!("{} UTC", machine.get(11..16).unwrap_or_default());
        Self { machine, person }
    }

    /// Shows the date and the time of day, `2026-01-05 10:00 UTC`.
    fn date(timestamp: Timestamp) -> Self {
        let Self { machine, person } = Self::time(timestamp);
        let person = format!("{} {person}", machine.get(..10).unwrap_or_default());
        Self { machine, person }
    }
}

/// A state of the page: its name for scripts and tags, its response status, its look and its texts.
struct State {
    name: &'static str,
    status: StatusCode,
    tone: Tone,
    icon: Option<&'static str>,
    words: Option<&'static Words>,
    /// A second text, below that of `words`.
    more: Option<&'static str>,
    /// The text that the script shows once the confirmation is late.
    late: Option<&'static str>,
    /// The text of the button that leads to the provider's payment page.
    button: Option<&'static str>,
    /// Whether the page asks the provider if the customer has paid.
    checks: bool,
    /// After how many seconds another try may succeed.
    retry_after: Option<u64>,
}

/// What a state means to the customer. Each tone is a class in the style sheet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    /// The customer has to act.
    Live,
    /// The customer waits for a confirmation, but may return to the checkout.
    Waiting,
    /// Something failed, and the customer can react, for example by another attempt.
    Bad,
    /// The customer has paid, even if the payment is still processing.
    Good,
    /// The request can no longer be paid.
    Ended,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
            Self::Good => "good",
            Self::Ended => "ended",
        }
    }
}

impl State {
    fn new(name: &'static str, tone: Tone, words: &'static Words) -> Self {
        let (status, icon) = match tone {
            Tone::Live | Tone::Waiting => (StatusCode::OK, None),
            Tone::Bad => (StatusCode::OK, Some(icon::EXCLAMATION)),
            Tone::Good => (StatusCode::OK, Some(icon::CHECK)),
            Tone::Ended => (StatusCode::GONE, Some(icon::CLOCK)),
        };
        Self {
            name,
            status,
            tone,
            icon,
            words: Some(words),
            more: None,
            late: None,
            button: None,
            checks: false,
            retry_after: None,
        }
    }

    fn button(self, text: &'static str) -> Self {
        Self { button: Some(text), ..self }
    }

    fn icon(self, icon: &'static str) -> Self {
        Self { icon: Some(icon), ..self }
    }

    /// Makes the page ask the provider, if the customer says that they have done their part.
    fn checks(self, visitor: Visitor) -> Self {
        Self { checks: visitor.arrival == Arrival::Done, ..self }
    }

    /// Returns the state of an error page.
    fn trouble(status: StatusCode, words: &'static Words) -> Self {
        Self { status, ..Self::new("trouble", Tone::Bad, words) }
    }

    /// Returns the page's state for a request at `now`.
    fn of(request: &PaymentRequest, now: Timestamp, visitor: Visitor) -> Self {
        let texts = visitor.texts;
        match request.status_at(now) {
            Status::Sent if !request.is_live(now) => Self::new("time_over", Tone::Waiting, &texts.time_over),
            Status::Sent => {
                let sent = Self::new("sent", Tone::Live, &texts.not_yet_paid).button(texts.continue_to_payment);
                Self { words: None, ..sent }
            }
            Status::Clicked if request.is_live(now) => Self::of_clicked(request, visitor),
            // Only the provider knows whether it was paid, so the page says neither that it was nor that it was not.
            Status::Clicked => Self::new("overdue", Tone::Waiting, &texts.overdue).checks(visitor),
            Status::Processing => Self::new("processing", Tone::Good, &texts.processing).icon(icon::CLOCK),
            Status::Paid => Self::new("paid", Tone::Good, &texts.paid),
            Status::Canceled => Self::new("canceled", Tone::Ended, &texts.canceled).icon(icon::CROSS),
            Status::Expired if request.waits_for_provider(now) => {
                Self::new("unconfirmed", Tone::Ended, &texts.unconfirmed).checks(visitor)
            }
            Status::Expired if request.payment_failed() => {
                Self::new("payment_failed", Tone::Ended, &texts.payment_failed)
            }
            Status::Expired if request.history.iter().any(|entry| entry.status == Status::Clicked) => {
                Self::new("not_paid", Tone::Ended, &texts.not_paid)
            }
            Status::Expired => Self::new("not_clicked", Tone::Ended, &texts.not_clicked),
            Status::RefundDue => Self::new("refund_due", Tone::Ended, &texts.refund_due).icon(icon::RETURN),
            Status::Refunded => Self::new("refunded", Tone::Ended, &texts.refunded).icon(icon::RETURN),
        }
    }

    /// Returns the state between the click and the confirmation.
    ///
    /// A failed attempt to pay is shown if it is the latest that is known, also with `?done`. There it may be the
    /// reason why the customer comes back, or they have tried again since and paid, which the provider has not reported
    /// yet. Nothing that is stored tells the one from the other. So the page says what is true of both: which attempt
    /// failed, and that a payment since then will appear. It asks the provider at once. The button is safe: it leads to
    /// the same payment page, on which nobody can pay twice.
    fn of_clicked(request: &PaymentRequest, visitor: Visitor) -> Self {
        let (texts, is_done) = (visitor.texts, visitor.arrival == Arrival::Done);
        if let Some(attempt) = failed_attempt(request) {
            // The reason is the provider's own text, so it is never shown. A known reason selects one of our translated
            // texts.
            let words = match attempt.reason.as_ref().map(Reason::as_str) {
                Some("card_declined") => &texts.card_declined,
                _ => &texts.attempt_failed,
            };
            let declined = Self::new("declined", Tone::Bad, words).button(texts.try_again).checks(visitor);
            return Self { more: is_done.then_some(texts.paid_since), ..declined };
        }
        if is_done {
            let confirming = Self::new("confirming", Tone::Waiting, &texts.confirming).button(texts.back_to_payment);
            return Self { late: Some(texts.confirmation_late), ..confirming.checks(visitor) };
        }
        Self::new("not_yet_paid", Tone::Live, &texts.not_yet_paid).button(texts.go_on_to_payment)
    }
}

/// Returns the latest entry of the history, if it is a failed attempt to pay. Such an entry repeats the status before
/// it.
fn failed_attempt(request: &PaymentRequest) -> Option<&HistoryEntry> {
    match request.history.as_slice() {
        [.., before, last] if before.status == last.status => Some(last),
        _ => None,
    }
}

/// Renders the page of a request as it stands at `now`.
pub(crate) fn of_request(request: &PaymentRequest, now: Timestamp, visitor: Visitor, brand: &Brand) -> Page {
    let state = State::of(request, now, visitor);
    rendered(&state, Some((request, now)), visitor, brand)
}

/// Renders the page for a click during which the payment provider failed. The click is recorded, and the button tries
/// again.
pub(crate) fn provider_unavailable(request: &PaymentRequest, now: Timestamp, visitor: Visitor, brand: &Brand) -> Page {
    let trouble = State::trouble(StatusCode::SERVICE_UNAVAILABLE, &visitor.texts.provider_unavailable);
    // This page keeps the state name of the page that it replaces, and so its version. The script that polls for a new
    // version therefore leaves it in place until the request changes.
    let State { name, .. } = State::of(request, now, visitor);
    let state = State { name, retry_after: Some(1), ..trouble.button(visitor.texts.try_again) };
    rendered(&state, Some((request, now)), visitor, brand)
}

/// Renders the page for a click that the payment provider rejected, and would reject again. It offers nothing, and the
/// script leaves it in place until the request changes, as that of [`provider_unavailable`].
pub(crate) fn provider_refused(request: &PaymentRequest, now: Timestamp, visitor: Visitor, brand: &Brand) -> Page {
    let State { name, .. } = State::of(request, now, visitor);
    let state = State { name, ..State::trouble(StatusCode::BAD_GATEWAY, &visitor.texts.provider_refused) };
    rendered(&state, Some((request, now)), visitor, brand)
}

/// Renders the page for a click while an earlier one is still fetching the payment page, or did so a moment ago. It has
/// no button. The script, or without it a reload, gets the link's page instead, whose button works by then.
pub(crate) fn busy(request: &PaymentRequest, now: Timestamp, visitor: Visitor, brand: &Brand) -> Page {
    let state = State {
        status: StatusCode::SERVICE_UNAVAILABLE,
        retry_after: Some(CALL_INTERVAL.as_secs()),
        ..State::new("busy", Tone::Waiting, &visitor.texts.busy)
    };
    rendered(&state, Some((request, now)), visitor, brand)
}

/// Renders the page for a failure of our own, such as an unreachable store.
pub(crate) fn unavailable(visitor: Visitor, brand: &Brand) -> Page {
    let trouble = State::trouble(StatusCode::SERVICE_UNAVAILABLE, &visitor.texts.unavailable);
    rendered(&State { retry_after: Some(1), ..trouble }, None, visitor, brand)
}

/// Renders the page of a link whose token is malformed or belongs to no request.
pub(crate) fn unknown(visitor: Visitor, brand: &Brand) -> Page {
    rendered(&State::trouble(StatusCode::NOT_FOUND, &visitor.texts.unknown), None, visitor, brand)
}

/// Renders the page for a POST whose body is too large. Such a body is not from our own form, which sends none.
pub(crate) fn too_large(visitor: Visitor, brand: &Brand) -> Page {
    rendered(&State::trouble(StatusCode::PAYLOAD_TOO_LARGE, &visitor.texts.too_large), None, visitor, brand)
}

/// Renders the page of a state; `request` is what it shows below the texts, with the present time.
fn rendered(state: &State, request: Option<(&PaymentRequest, Timestamp)>, visitor: Visitor, brand: &Brand) -> Page {
    let version =
        request.map(|(request, _)| format!("{}-{}{}", state.name, request.version(), visitor.arrival.version()));
    let link = request.map(|(request, _)| format!("{}/{}", brand.pages, request.token.reveal())).unwrap_or_default();
    let changes_after = changes_after(state, request);
    let view = View {
        texts: visitor.texts,
        brand,
        script: &brand.script,
        state,
        order: request.map(|(request, now)| order(state, request, now, brand)),
        version: version.as_deref(),
        // A reload would replace the page of a rejection by one with a button, which would be rejected again.
        look_again_after: changes_after.filter(|_| state.status != StatusCode::BAD_GATEWAY),
        is_watched: changes_after.is_some(),
        check: state.checks.then(|| format!("{link}/check")),
        pay: link,
    };
    // Rendering cannot fail: every field is text, and writing text to a string always succeeds.
    let html = view.render().unwrap_or_default();
    Page {
        status: state.status,
        html,
        language: visitor.texts.language,
        policy: brand.policy.clone(),
        version,
        retry_after: state.retry_after,
    }
}

/// Returns after how many seconds the page may have changed, so that it is worth a reload; none if it is final.
fn changes_after(state: &State, request: Option<(&PaymentRequest, Timestamp)>) -> Option<u64> {
    let Some((request, now)) = request else {
        return (state.status == StatusCode::SERVICE_UNAVAILABLE).then_some(LOOK_AGAIN_AFTER);
    };
    let until_end = request.deadline.saturating_duration_since(now).as_secs() + 1;
    match request.status_at(now) {
        Status::Sent if request.is_live(now) => Some(until_end),
        Status::Sent => Some(LOOK_AGAIN_WHEN_OVER),
        // The payment page is being prepared.
        Status::Clicked if state.tone == Tone::Waiting && state.retry_after.is_some() => state.retry_after,
        Status::Clicked if request.is_live(now) => Some(until_end.min(LOOK_AGAIN_AFTER)),
        Status::Clicked | Status::Processing | Status::RefundDue => Some(LOOK_AGAIN_AFTER),
        Status::Expired if request.waits_for_provider(now) => Some(LOOK_AGAIN_AFTER),
        Status::Expired | Status::Paid | Status::Canceled | Status::Refunded => None,
    }
}

fn order<'a>(state: &State, request: &'a PaymentRequest, now: Timestamp, brand: &'a Brand) -> Order<'a> {
    let payment = request.payment.as_ref().filter(|_| request.status == Status::Paid);
    // Whoever waits for the confirmation of a payment is not hurried.
    let is_urgent = state.button.is_some() && state.tone != Tone::Waiting && request.is_live(now);
    Order {
        from: brand.name.as_deref().unwrap_or(request.workspace.as_str()),
        amount: request.details.money.to_string(),
        number: request.details.order_number.as_str(),
        description: request.details.description.as_ref().map(domain::Description::as_str),
        left: is_urgent.then(|| {
            let left = request.deadline.saturating_duration_since(now);
            Left { milliseconds: left.as_millis(), clock: clock(left), until: Moment::time(request.deadline) }
        }),
        payment: payment.map(|payment| (payment.reference.as_str(), Moment::date(payment.paid_at))),
    }
}

/// Formats the time left as a clock does, `4:59` or `1:04:59`. Seconds are rounded up, so that `0:00` means that the
/// time is over.
fn clock(left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brand::Brands;
    use crate::language::chosen;
    use domain::{
        Actor, Agent, Amount, Customer, Details, LinkToken, Metadata, Money, OperationId, Payment, PaymentRequestId,
        Phone, Sender,
    };
    use http::HeaderMap;
    use runtime::Environment;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(seconds * 1000).unwrap()
    }

    /// Returns a request for R250.00 with these changes in its history. It was sent at second 0, and its deadline is
    /// second 300.
    fn request(changes: &[(Status, i64, Option<&str>)]) -> PaymentRequest {
        let details = Details {
            order_number: "10045".parse().unwrap(),
            money: Money { amount: Amount::new(25_000).unwrap(), currency: "ZAR".parse().unwrap() },
            customer: Customer { phone: Phone::from_record("+27831234567").unwrap(), name: None, email: None },
            description: Some("\u{202e}2 x tickets".parse().unwrap()),
            conversation_id: None,
            metadata: Metadata::default(),
        };
        let agent = Agent { id: "alice".parse().unwrap(), name: "Alice".parse().unwrap() };
        let sender = Sender::of_agent("acme".parse().unwrap(), agent);
        let mut request = PaymentRequest::new(
            PaymentRequestId::new(&domain::Doors::default()).unwrap(),
            sender,
            details,
            LinkToken::random(&domain::Doors::default()).unwrap(),
            at(0),
            Duration::from_mins(5),
            OperationId::of_message("created"),
        );
        for (status, seconds, reason) in changes {
            let reason = reason.map(|reason| reason.parse().unwrap());
            request.history.push(HistoryEntry { status: *status, at: at(*seconds), actor: Actor::Provider, reason });
            request.status = *status;
        }
        if request.status.is_settled() {
            request.due_at = None;
        }
        request
    }

    /// A function that renders a page.
    type Render = fn(&PaymentRequest, Timestamp, Visitor, &Brand) -> Page;

    fn rendered_by(render: Render, language: &str, request: &PaymentRequest, now: i64, arrival: Arrival) -> Page {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT_LANGUAGE, language.parse().unwrap());
        let brands = Brands::new(&Environment::default(), "https://provider.example", "/stage").unwrap();
        render(request, at(now), Visitor { texts: chosen(&headers), arrival }, brands.of(None))
    }

    fn page_at(arrival: Arrival, request: &PaymentRequest, now: i64) -> Page {
        rendered_by(of_request, "en", request, now, arrival)
    }

    fn page(request: &PaymentRequest, now: i64) -> Page {
        page_at(Arrival::Link, request, now)
    }

    const ARRIVALS: [Arrival; 3] = [Arrival::Link, Arrival::Back, Arrival::Done];

    /// Asserts that a page contains these texts, and none of those.
    fn assert_says(page: &Page, texts: &[&str], others: &[&str]) {
        for text in texts {
            assert!(page.html.contains(text), "{text}: {}", page.html);
        }
        for text in others {
            assert!(!page.html.contains(text), "{text}: {}", page.html);
        }
    }

    const CLICKED: (Status, i64, Option<&str>) = (Status::Clicked, 10, None);

    #[test]
    fn the_query_says_where_a_customer_comes_from_and_done_counts_before_back() {
        for (query, arrival) in [
            ("", Arrival::Link),
            ("back", Arrival::Back),
            ("done", Arrival::Done),
            ("back=", Arrival::Back),
            ("done=1", Arrival::Done),
            ("back&done", Arrival::Done),
            ("done&back=1", Arrival::Done),
            ("utm_source=chat&done", Arrival::Done),
            ("session_id=cs_1&back&utm_source=chat", Arrival::Back),
            ("&&back&", Arrival::Back),
            ("done=a=b&x", Arrival::Done),
            ("utm_source=done&x=back", Arrival::Link),
            ("Done&BACK&done1&undone&back%20", Arrival::Link),
            ("=&=back&%", Arrival::Link),
        ] {
            assert_eq!(Arrival::of_query(query), arrival, "{query}");
        }
    }

    #[test]
    fn whoever_gave_up_is_told_that_nothing_is_paid_and_whoever_is_done_that_it_is_being_confirmed() {
        let request = request(&[CLICKED]);
        for arrival in [Arrival::Link, Arrival::Back] {
            let page = page_at(arrival, &request, 20);
            let pay = format!("<form class=\"pay\" method=\"post\" action=\"/stage/p/{}\">", request.token.reveal());
            let offers = ["You have not paid yet", "class=\"live\"", "Go on to payment", "Time left", &pay];
            assert_says(&page, &offers, &["confirm", "data-check", "class=\"check\"", "class=\"progress\""]);
        }
        let done = page_at(Arrival::Done, &request, 20);
        let check = format!("data-check=\"/stage/p/{}/check\"", request.token.reveal());
        let waits = ["Your payment is being confirmed", "class=\"waiting\"", "Back to the payment page", &check];
        assert_says(&done, &waits, &["You have not paid", "Time left", "Go on to payment"]);
        assert_says(&done, &["action=\"/stage/p/", "/check\"><button", "class=\"text late\" hidden"], &["?done"]);
        let [link, back, done] = ARRIVALS.map(|arrival| page_at(arrival, &request, 20).version);
        assert!(link != back && back != done && link != done, "{link:?} {back:?} {done:?}");
    }

    #[test]
    fn a_failed_attempt_is_shown_and_with_done_so_that_it_stays_true_for_whoever_has_paid_since() {
        let request = request(&[CLICKED, (Status::Clicked, 20, Some("card_declined"))]);
        for arrival in ARRIVALS {
            let page = page_at(arrival, &request, 30);
            assert_says(&page, &["Your card was declined", "Try again", "Time left"], &["being confirmed"]);
            for since in ["If you have paid since then", "data-check", "class=\"check\""] {
                assert_eq!(page.html.contains(since), arrival == Arrival::Done, "{since}: {}", page.html);
            }
        }
    }

    #[test]
    fn an_unknown_reason_is_not_shown() {
        for reason in [Some("<b>do_not_honor</b>"), None] {
            let page = page(&request(&[CLICKED, (Status::Clicked, 20, reason)]), 30);
            assert!(page.html.contains("did not go through") && !page.html.contains("honor"), "{}", page.html);
        }
    }

    #[test]
    fn a_passed_deadline_is_no_end_until_the_end_is_written() {
        for arrival in ARRIVALS {
            let page = page_at(arrival, &request(&[CLICKED]), 300);
            assert_eq!(page.status, StatusCode::OK);
            let says = ["The time to pay is over", "checking whether a payment was made", "class=\"waiting\""];
            assert_says(&page, &says, &["class=\"pay\"", "not been charged", "Time left"]);
            assert_says(&page, &[" data-watched", "http-equiv=\"refresh\" content=\"10\""], &[]);
            assert_eq!(page.html.contains("data-check"), arrival == Arrival::Done);
        }
    }

    #[test]
    fn an_expiry_without_the_providers_word_does_not_say_that_nothing_was_charged() {
        let mut request = request(&[CLICKED, (Status::Expired, 300, Some("not_paid"))]);
        assert_says(&page(&request, 900), &["You have not been charged"], &[" data-watched"]);
        request.due_at = Some(at(960));
        let page = page(&request, 900);
        assert_eq!(page.status, StatusCode::GONE);
        assert_says(&page, &["The time to pay has run out", "If you have paid", " data-watched"], &["been charged"]);
    }

    #[test]
    fn the_page_of_a_click_that_failed_says_whether_another_helps() {
        let request = request(&[CLICKED]);
        let failed = |render: Render| rendered_by(render, "en", &request, 20, Arrival::Back);
        let unavailable = failed(provider_unavailable);
        assert_eq!((unavailable.status, unavailable.retry_after), (StatusCode::SERVICE_UNAVAILABLE, Some(1)));
        assert_says(&unavailable, &["does not answer", "Try again", "Time left"], &[]);

        let busy = failed(busy);
        assert_eq!((busy.status, busy.retry_after), (StatusCode::SERVICE_UNAVAILABLE, Some(3)));
        let prepares = ["being prepared", "class=\"waiting\"", "data-after=\"3\"", "content=\"3\"", " data-watched"];
        assert_says(&busy, &prepares, &["<form", "<button", "Time left"]);

        let refused = failed(provider_refused);
        assert_eq!((refused.status, refused.retry_after), (StatusCode::BAD_GATEWAY, None));
        let admits = ["The problem is on our side", "No money was taken", "tell us in the chat", " data-watched"];
        assert_says(&refused, &admits, &["<form", "<button", "Time left", "http-equiv=\"refresh\""]);

        // The script gets 304 and leaves the page in place, but exchanges the one that waits for the button.
        let shown = page_at(Arrival::Back, &request, 20).version;
        assert_eq!((&unavailable.version, &refused.version), (&shown, &shown));
        assert_ne!(busy.version, shown);
    }

    /// A click that began in time may still be applied, so the page says neither that the link has expired nor that it
    /// can be used.
    #[test]
    fn a_link_whose_time_is_over_promises_nothing_until_its_end_is_certain() {
        for now in [300, 305] {
            let page = page(&request(&[]), now);
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.html.contains("The time on this link is over") && page.html.contains(" data-watched"));
            assert!(page.html.contains("http-equiv=\"refresh\" content=\"2\""), "{}", page.html);
            for promise in ["<form", "<button", "Time left", "expired"] {
                assert!(!page.html.contains(promise), "{promise}: {}", page.html);
            }
        }
        let over = page(&request(&[]), 306);
        assert_eq!(over.status, StatusCode::GONE);
        assert!(over.html.contains("This link has expired") && !over.html.contains(" data-watched"));
    }

    #[test]
    fn a_link_that_nobody_clicked_does_not_read_as_if_a_payment_had_failed() {
        // Release 0.1 added the last entry when the provider reported a failed payment of an expired request.
        let late_failure = (Status::Expired, 400, Some("payment_failed"));
        let unclicked = page(&request(&[(Status::Expired, 300, Some("not_clicked")), late_failure]), 500);
        assert!(unclicked.html.contains("This link has expired"), "{}", unclicked.html);
        let unpaid = page(&request(&[CLICKED, (Status::Expired, 300, Some("not_paid")), late_failure]), 500);
        assert!(unpaid.html.contains("The time to pay has run out"), "{}", unpaid.html);
        for page in [unclicked, unpaid] {
            assert!(!page.html.contains("did not go through"), "{}", page.html);
        }
    }

    #[test]
    fn a_customer_who_has_paid_is_asked_to_wait_and_not_to_pay_again() {
        let page = page_at(Arrival::Done, &request(&[CLICKED, (Status::Processing, 20, None)]), 400);
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.html.contains("being processed") && page.html.contains("do not pay again"), "{}", page.html);
        assert!(!page.html.contains("<form"));
    }

    #[test]
    fn a_failed_payment_is_worded_differently_from_an_expired_link() {
        let changes = [CLICKED, (Status::Processing, 20, None), (Status::Expired, 90, Some("payment_failed"))];
        let page = page(&request(&changes), 100);
        assert_eq!(page.status, StatusCode::GONE);
        assert!(page.html.contains("did not go through") && !page.html.contains("run out"), "{}", page.html);
    }

    #[test]
    fn a_page_is_watched_as_long_as_it_can_change() {
        for (changes, watched) in [
            (vec![], true),
            (vec![CLICKED], true),
            (vec![CLICKED, (Status::Processing, 20, None)], true),
            (vec![CLICKED, (Status::Paid, 20, None)], false),
            (vec![(Status::Canceled, 20, None)], false),
            (vec![(Status::Expired, 300, None)], false),
            (vec![CLICKED, (Status::Expired, 20, None)], false),
            (vec![(Status::Canceled, 20, None), (Status::RefundDue, 30, None)], true),
            (vec![(Status::Canceled, 20, None), (Status::RefundDue, 30, None), (Status::Refunded, 40, None)], false),
        ] {
            let page = page(&request(&changes), 50);
            assert_eq!(page.html.contains(" data-watched"), watched, "{changes:?}");
            assert_eq!(page.html.contains("http-equiv=\"refresh\""), watched, "{changes:?}");
        }
    }

    #[test]
    fn every_state_has_its_own_version() {
        let states = [
            page(&request(&[]), 50),
            page(&request(&[]), 300),
            page(&request(&[]), 306),
            page(&request(&[(Status::Expired, 300, None)]), 301),
            page(&request(&[CLICKED]), 50),
            page_at(Arrival::Back, &request(&[CLICKED]), 50),
            page_at(Arrival::Done, &request(&[CLICKED]), 50),
            page(&request(&[CLICKED]), 300),
            page(&request(&[CLICKED, (Status::Clicked, 20, None)]), 50),
            page(&request(&[CLICKED, (Status::Processing, 20, None)]), 50),
            page(&request(&[CLICKED, (Status::Paid, 20, None)]), 50),
            page(&request(&[CLICKED, (Status::Expired, 20, Some("not_paid"))]), 50),
            page(&request(&[CLICKED, (Status::Expired, 20, Some("payment_failed"))]), 50),
        ];
        for (index, state) in states.iter().enumerate() {
            assert!(states[..index].iter().all(|other| other.version != state.version), "{:?}", state.version);
        }
        assert_eq!(page(&request(&[]), 50).version, page(&request(&[]), 60).version);
    }

    #[test]
    fn a_text_from_outside_is_isolated_from_the_pages_direction() {
        let mut paid = request(&[CLICKED, (Status::Paid, 20, None)]);
        paid.payment = Some(Payment { provider: "sandbox".to_owned(), reference: "pay_1".to_owned(), paid_at: at(20) });
        let page = rendered_by(of_request, "ar", &paid, 50, Arrival::Link);
        assert!(page.html.contains("<html lang=\"ar\" dir=\"rtl\">"));
        for isolated in [
            "<bdi>acme</bdi>",
            "<bdi>10045</bdi>",
            "<bdi>\u{202e}2 x tickets</bdi>",
            "<bdi>pay_1</bdi>",
            "<bdi dir=\"ltr\">R250.00</bdi>",
            "<time datetime=\"1970-01-01T00:00:20.000Z\" data-date dir=\"auto\">1970-01-01 00:00 UTC</time>",
        ] {
            assert!(page.html.contains(isolated), "{isolated}: {}", page.html);
        }
    }

    #[test]
    fn the_clock_shows_zero_at_the_end_and_not_before() {
        for (milliseconds, shown) in
            [(0, "0:00"), (1, "0:01"), (299_001, "5:00"), (299_000, "4:59"), (3_600_000, "1:00:00"), (59_999, "1:00")]
        {
            assert_eq!(clock(Duration::from_millis(milliseconds)), shown);
        }
    }
}
