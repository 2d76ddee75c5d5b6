//! Snapshots of whole answers. Values that differ from run to run are replaced by fixed examples, and the result is
//! compared with a snapshot below `tests/integration/snapshots`.
//!
//! A replaced value stays recognizable: the same identifier, token or time always becomes the same example. Times keep
//! their order, and a deadline keeps its distance from the time that it was computed from. A snapshot therefore also
//! shows which values have to be equal.

use crate::{handlers, system};
use http::HeaderMap;
use regex::{Captures, Regex};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// The customer's phone number in every example.
const PHONE: &str = "+27831234567";
/// The workspace of every example.
const WORKSPACE: &str = "acme";
/// The base address of every example.
const BASE: &str = "https://pay.example.com";
/// The time of an example's first request: 2026-01-05 10:00 UTC, in milliseconds since the Unix epoch.
const START: i64 = 1_767_607_200_000;
/// The start of an example's first day: 2026-01-01, in milliseconds since the Unix epoch.
const FIRST_DAY: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;
/// The time of everything that the payment provider reports.
const PAID: i64 = START + 90_000;
/// The replacement for a deadline when the answer does not contain the time that it was computed from.
const UNKNOWN_DEADLINE: i64 = START + 12 * 3_600_000;
/// The lifetimes of links and checkouts that the tests use, in milliseconds.
const LIMITS: [i64; 3] = [300_000, 900_000, system::SHORT];
/// Headers that belong to the transport of a message and say nothing about its content.
const PASSING_HEADERS: [&str; 12] = [
    "accept",
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "connection",
    "content-length",
    "date",
    "host",
    "transfer-encoding",
    "user-agent",
    "x-amz-date",
    "x-amz-user-agent",
];

static LOCAL: LazyLock<Regex> = LazyLock::new(|| regex(r"http://127\.0\.0\.1:\d+"));
static UUID: LazyLock<Regex> =
    LazyLock::new(|| regex("[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
static TOKEN: LazyLock<Regex> = LazyLock::new(|| regex(r"(/p/)([1-9A-HJ-NP-Za-km-z]{22})\b"));
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| regex(r"\b([a-z_]+_(?:a1)?)([0-9a-f]{32})\b"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?:"([a-z_]+)": ")?\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"#));
static PAID_AT: LazyLock<Regex> = LazyLock::new(|| regex(r#"(<time datetime=")[^"]+(" data-date)"#));
static DATE: LazyLock<Regex> = LazyLock::new(|| regex(r#"("date": ")(\d{4}-\d\d-\d\d)""#));

/// Patterns that are replaced after identifiers, tokens and times, each with its fixed example.
static REST: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"ws://127\.0\.0\.1:\d+", "wss://live.example.com"),
        // The envelope's `time` has no milliseconds.
        (r#"("time": ")[^"]+""#, r#"${1}2026-01-05T10:00:00Z""#),
        (r#"("(?:next_)?cursor": ")[^"]+""#, r#"${1}bmV4dA""#),
        (r"\bv1,[A-Za-z0-9+/]{43}=", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        (r"(webhook-timestamp: )\d+", "${1}1767607200"),
        (r"\bwhe_[A-Za-z0-9]{16,22}\b", "whe_2Jr7DVXm4bWq8n3cQzT5yK"),
        (r"\bwhsec_[A-Za-z0-9+/]+=*", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        (r#"("clientMessageId": ")[\w-]{32}""#, r#"${1}AZkAAAAAcACAAAAAAAAAAQAAAAAAAAAA""#),
        (r"(Credential=\w+)/.*", "${1}/…\","),
        (r#"("TimeToLive": )\d+"#, "${1}299"),
        (r#"("expires_at": ")\d{10}""#, r#"${1}1767609060""#),
        (r#"("access_token": ")[\w-]+\.[\w-]+\.[\w-]+""#, r#"${1}eyJhbGciOiJSUzI1NiJ9.e30.AAAA""#),
        (r#""paid_at" data-date"#, r#""2026-01-05T10:01:30.000Z" data-date"#),
        // In pages: the style, the hashed files, the countdown, and times in the form that people read.
        (r"(?s)<style>.*</style>", "<style>…</style>"),
        (r"'sha256-[^']+'", "'sha256-…'"),
        (r"(assets/)[0-9a-f]+/", "${1}0123456789abcdef/"),
        (r#"(role="timer"[^>]*data-left=")\d+("[^>]*>)[0-9:]+"#, "${1}299000${2}4:59"),
        (r"\b(\d{4}-\d\d-\d\d )\d\d:\d\d UTC", "2026-01-05 10:01 UTC"),
        (r">\d\d:\d\d UTC", ">10:05 UTC"),
        (r#"(http-equiv="refresh" content=")\d+"#, "${1}299"),
    ]
    .map(|(pattern, replacement)| (regex(pattern), replacement))
    .into()
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// A value that can be compared with a snapshot.
pub trait Whole {
    /// Returns the whole value as readable text.
    fn whole(&self) -> String;
}

/// Formats JSON with indentation.
impl Whole for Value {
    fn whole(&self) -> String {
        serde_json::to_string_pretty(self).unwrap()
    }
}

/// Formats the status, the headers in alphabetical order, an empty line, and the body.
impl Whole for system::Answer {
    fn whole(&self) -> String {
        let body = match serde_json::from_slice::<Value>(&self.body) {
            Ok(json) => json.whole(),
            Err(_) => String::from_utf8(self.body.clone()).unwrap(),
        };
        format!("HTTP {}\n{}\n\n{body}", self.status, header_lines(&self.headers).join("\n"))
    }
}

/// Formats a response that was built but never sent, as a [`system::Answer`] is formatted.
impl<B: AsRef<[u8]>> Whole for http::Response<B> {
    fn whole(&self) -> String {
        let (status, headers) = (self.status().as_u16(), self.headers().clone());
        system::Answer { status, headers, body: self.body().as_ref().to_vec() }.whole()
    }
}

/// Formats a handler's answer that did not pass through a gateway, as a [`system::Answer`] is formatted.
impl Whole for handlers::HandlerAnswer {
    fn whole(&self) -> String {
        let headers = self.headers.as_object().unwrap();
        let lines: String = headers.iter().fold(String::new(), |mut lines, (name, value)| {
            writeln!(lines, "{name}: {}", value.as_str().unwrap()).unwrap();
            lines
        });
        let body = self.body.as_str().map_or_else(|| self.body.whole(), str::to_owned);
        format!("HTTP {}\n{lines}\n{body}", self.status)
    }
}

/// Returns headers as lines in alphabetical order, without those in `PASSING_HEADERS`.
#[must_use]
pub fn header_lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !PASSING_HEADERS.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort_unstable();
    lines
}

/// The replaced values of one example, shared by all answers about the same requests.
#[derive(Debug, Default)]
pub struct Examples {
    known: Vec<(String, String)>,
    ids: Vec<String>,
    tokens: Vec<String>,
    references: Vec<String>,
    /// Each time seen so far with its replacement, both in milliseconds.
    times: BTreeMap<i64, i64>,
    minutes: i64,
    first_day: Option<i64>,
}

impl Examples {
    /// Creates examples for requests from this workspace to this phone.
    #[must_use]
    pub fn of(workspace: &str, phone: &str) -> Self {
        let known = [(workspace, WORKSPACE), (phone, PHONE)];
        Self { known: known.map(|(own, example)| (own.to_owned(), example.to_owned())).into(), ..Self::default() }
    }

    /// Creates examples for the workspace and phone of this request, as the API returns it.
    #[must_use]
    pub fn about(request: &Value) -> Self {
        Self::of(request["workspace"].as_str().unwrap(), request["customer"]["phone"].as_str().unwrap())
    }

    /// Returns the examples with a replacement for a value of this run.
    #[must_use]
    pub fn with(mut self, own: &str, example: &str) -> Self {
        self.known.push((own.to_owned(), example.to_owned()));
        self
    }

    /// Compares an answer with the snapshot named `folder/name`.
    pub fn assert(&mut self, name: &str, whole: &impl Whole) {
        let text = self.example(&whole.whole());
        let (folder, name) = name.rsplit_once('/').unwrap();
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(format!("{}/integration/snapshots/{folder}", env!("CARGO_MANIFEST_DIR")));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }

    /// Replaces every value that differs from run to run.
    fn example(&mut self, text: &str) -> String {
        let text = self.known.iter().fold(text.to_owned(), |text, (own, example)| text.replace(own, example));
        let text = LOCAL.replace_all(&text, BASE);
        let text = UUID.replace_all(&text, |found: &Captures<'_>| {
            format!("01990000-0000-7000-8000-{:012x}", place(&mut self.ids, &found[0]))
        });
        let text = TOKEN.replace_all(&text, |found: &Captures<'_>| {
            format!("{}4ZrjxzUmPJr1kqZ1VqVQ7{}", &found[1], place(&mut self.tokens, &found[2]))
        });
        let text = REFERENCE.replace_all(&text, |found: &Captures<'_>| {
            format!("{}{:032x}", &found[1], place(&mut self.references, &found[2]))
        });
        let text = PAID_AT.replace_all(&text, "${1}paid_at$2");
        let text = self.with_times(&text);
        REST.iter().fold(text, |text, (pattern, value)| pattern.replace_all(&text, *value).into_owned())
    }

    /// Replaces times. A deadline keeps its distance from the time that it was computed from, and the days of a report
    /// keep their distances from one another. Times that the payment provider reports all become `PAID`, because its
    /// clock and ours may or may not show the same millisecond. Every other time gets a minute of its own.
    fn with_times(&mut self, text: &str) -> String {
        let days = TIME.captures_iter(text).map(|found| milliseconds(&found[2])).filter(|time| time % DAY == 0);
        self.first_day = self.first_day.or(days.min());
        let shift = self.first_day.map_or(0, |day| FIRST_DAY - day);
        let mut new = BTreeSet::new();
        let mut deadlines = BTreeSet::new();
        for found in TIME.captures_iter(text) {
            let time = milliseconds(&found[2]);
            match found.get(1).map(|name| name.as_str()) {
                Some("paid_at" | "timestamp") => {}
                _ if self.times.contains_key(&time) => {}
                _ if time % DAY == 0 => drop(self.times.insert(time, time + shift)),
                Some("expires_at") => drop(deadlines.insert(time)),
                _ => drop(new.insert(time)),
            }
        }
        for time in new {
            self.times.insert(time, START + self.minutes * 60_000);
            self.minutes += 1;
        }
        for deadline in deadlines {
            let began = LIMITS.iter().find_map(|limit| Some(self.times.get(&(deadline - limit))? + limit));
            self.times.insert(deadline, began.unwrap_or(UNKNOWN_DEADLINE));
        }
        let replaced = TIME.replace_all(text, |found: &Captures<'_>| {
            let (name, time) = (found.get(1).map(|name| name.as_str()), milliseconds(&found[2]));
            let time = if matches!(name, Some("paid_at" | "timestamp")) { PAID } else { self.times[&time] };
            format!("{}{}", name.map(|name| format!("\"{name}\": \"")).unwrap_or_default(), written(time))
        });
        let replaced = DATE.replace_all(&replaced, |found: &Captures<'_>| {
            let day = milliseconds(&format!("{}T00:00:00.000Z", &found[2]));
            format!("{}{}\"", &found[1], &written(day + shift)[..10])
        });
        replaced.into_owned()
    }
}

/// Returns the position of a value among those seen so far, counted from 1, and adds the value if it is new.
fn place(seen: &mut Vec<String>, value: &str) -> usize {
    let found = seen.iter().position(|one| one == value);
    1 + found.unwrap_or_else(|| {
        seen.push(value.to_owned());
        seen.len() - 1
    })
}

fn written(milliseconds: i64) -> String {
    domain::Timestamp::from_milliseconds(milliseconds).unwrap().to_string()
}

fn milliseconds(time: &str) -> i64 {
    time.parse::<domain::Timestamp>().unwrap().as_milliseconds()
}
