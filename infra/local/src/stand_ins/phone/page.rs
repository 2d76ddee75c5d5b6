//! The phone's page for a browser.

use super::{Message, Phone, PhoneQuery, number};
use crate::pages::POLICY;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use reqwest::Url;
use stand_in_host::web::{ProblemResponse, html};
use std::collections::BTreeSet;
use std::sync::Arc;

const SCRIPT: &str = include_str!("../../../templates/phone.js");

#[derive(Template)]
#[template(path = "phone.html")]
struct PhonePage {
    /// The number whose texts are shown; without it, the texts of all numbers.
    number: Option<String>,
    /// All numbers that have received a text.
    numbers: BTreeSet<String>,
    messages: Vec<Shown>,
}

/// A text as the phone shows it.
struct Shown {
    event_id: String,
    to: String,
    at: String,
    time: String,
    parts: Vec<Part>,
    /// Whether the text has a link. Only such a text can be reported as undelivered.
    has_link: bool,
}

/// A part of a text: plain text, or a URL, which phones show as a link.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Link(String),
}

impl From<Message> for Shown {
    fn from(message: Message) -> Self {
        let Message { event_id, to, text, at } = message;
        let time = at.get(11..16).unwrap_or_default().to_owned();
        let parts = parts(&text);
        let has_link = parts.iter().any(|part| matches!(part, Part::Link(_)));
        Self { event_id, to, at, time, parts, has_link }
    }
}

fn parts(text: &str) -> Vec<Part> {
    let parts = text.split_inclusive(' ').flat_map(|word| {
        let address = word.trim_end();
        let link = Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if link {
            vec![Part::Link(address.to_owned()), Part::Text(word[address.len()..].to_owned())]
        } else {
            vec![Part::Text(word.to_owned())]
        }
    });
    parts.collect()
}

/// `GET /local/phone?phone=`: returns the page with the texts of one number, or of all.
pub(super) async fn show(
    State(phone): State<Arc<Phone>>,
    query: Result<Query<PhoneQuery>, QueryRejection>,
) -> Result<Response, ProblemResponse> {
    let number = number(query)?;
    let all = phone.messages(None).await?;
    let numbers = all.iter().map(|message| message.to.clone()).collect();
    let messages = all.into_iter().filter(|message| number.as_ref().is_none_or(|number| *number == message.to));
    let page = PhonePage { messages: messages.map(Shown::from).collect(), numbers, number };
    Ok(html::page(StatusCode::OK, &page, POLICY))
}

/// `GET /local/pages/phone.js`: returns the page's script.
pub(super) async fn script() -> impl IntoResponse {
    html::file("text/javascript; charset=utf-8", SCRIPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_addresses_become_links() {
        let (text, link) = (|text: &str| Part::Text(text.to_owned()), |url: &str| Part::Link(url.to_owned()));
        assert_eq!(
            parts("Pay: https://pay.example.com/p/x The"),
            [text("Pay: "), link("https://pay.example.com/p/x"), text(" "), text("The")]
        );
        assert_eq!(parts("javascript:alert(1)"), [text("javascript:alert(1)")]);
    }

    #[test]
    fn markup_in_a_text_is_escaped() {
        let message = ["\"><b>", "+27831234567", "<script>1</script> https://a.example/\"><b>", "2026-01-05T10:00:00Z"];
        let [event_id, to, text, at] = message.map(str::to_owned);
        let message = Message { event_id, to, text, at };
        let page = PhonePage { number: None, numbers: BTreeSet::new(), messages: vec![message.into()] };
        let page = page.render().unwrap();
        assert!(!page.contains("<script>1") && !page.contains("\"><b>"), "{page}");
    }
}
