//! `GET /reports/agents`: the parameters of the request and the JSON of the response.

use domain::use_cases::report::{LONGEST, Report, Sum, Tally, USUAL};
use domain::{Agent, Status, Timestamp};
use runtime::fields::Fields;
use runtime::{Problem, Request};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The parameters of a report, validated and with their defaults.
pub(crate) struct ReportQuery {
    /// The start of the range of creation times, inclusive.
    pub(crate) from: Timestamp,
    /// The end of that range, exclusive.
    pub(crate) to: Timestamp,
    /// The optional parts to include.
    pub(crate) include: ReportInclude,
}

/// The optional parts of a report, which the parameter `include` requests.
#[derive(Clone, Copy, Default)]
pub(crate) struct ReportInclude {
    clicks: bool,
    days: bool,
}

impl ReportInclude {
    fn parse(text: &str) -> Option<Self> {
        let mut include = Self::default();
        for word in text.split(',') {
            match word {
                "clicks" => include.clicks = true,
                "days" => include.days = true,
                _ => return None,
            }
        }
        Some(include)
    }
}

/// Reads the parameters of a request made at `now`. The default range is the last seven days, including today.
///
/// # Errors
/// A 422 problem that names every invalid parameter.
pub(crate) fn query(request: &Request, now: Timestamp) -> Result<ReportQuery, Problem> {
    let mut fields = Fields::of_query(request)?;
    let from: Option<Timestamp> = super::with_plus(&mut fields, "from", str::parse);
    let to: Option<Timestamp> = super::with_plus(&mut fields, "to", str::parse);
    let include = super::optional(
        &mut fields,
        "include",
        "must be clicks, days, or both with a comma between",
        ReportInclude::parse,
    );
    let tomorrow = now.start_of_day().saturating_add(Duration::from_hours(24));
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, tomorrow.max(from)),
        (None, to) => {
            let to = to.unwrap_or(tomorrow);
            (to.saturating_sub(USUAL), to)
        }
    };
    if from > to {
        fields.refuse("to", "must not be before the start");
    } else if to.saturating_duration_since(from) > LONGEST {
        fields.refuse("from", "must be at most 92 days before the end");
    }
    fields.finish(Some(ReportQuery { from, to, include: include.unwrap_or_default() }))
}

/// The totals of a period.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Report"))]
pub(crate) struct ReportView<'a> {
    /// The start of the period, inclusive.
    from: Timestamp,
    /// The end of the period, exclusive.
    to: Timestamp,
    agents: Vec<AgentView<'a>>,
    total: TallyView<'a>,
    /// Every day of the period with its totals, with `include=days`.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<DayView<'a>>>,
}

/// One agent's totals.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AgentTotals"))]
struct AgentView<'a> {
    agent: &'a Agent,
    #[serde(flatten)]
    tally: TallyView<'a>,
}

/// One day's totals.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "DayTotals"))]
struct DayView<'a> {
    /// The day in UTC, as `yyyy-mm-dd`.
    date: String,
    #[serde(flatten)]
    tally: TallyView<'a>,
}

/// How many requests were sent, and how they stand.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Totals"))]
struct TallyView<'a> {
    /// How many requests were sent.
    sent: u64,
    /// What is at each status; a status that no request has is absent.
    statuses: BTreeMap<Status, SumView<'a>>,
    /// How many requests were clicked, with `include=clicks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    clicked: Option<u64>,
}

/// A count with its value.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Sum"))]
struct SumView<'a> {
    /// How many requests.
    count: u64,
    /// The sum of their amounts by currency, in its minor unit.
    value: &'a BTreeMap<&'static str, i64>,
}

impl<'a> TallyView<'a> {
    fn new(tally: &'a Tally, include: ReportInclude) -> Self {
        let statuses = tally.statuses.iter();
        let statuses = statuses.map(|(status, Sum { count, value })| (*status, SumView { count: *count, value }));
        let clicked = include.clicks.then_some(tally.clicked);
        TallyView { sent: tally.sent, statuses: statuses.collect(), clicked }
    }
}

/// Builds the response's JSON from a report, with the optional parts that `include` requests.
pub(crate) fn view(report: &Report, include: ReportInclude) -> impl Serialize {
    let tally = |tally| TallyView::new(tally, include);
    let agents = report.agents.iter().map(|(agent, of)| AgentView { agent, tally: tally(of) });
    let days = report.days.iter().map(|(day, of)| DayView { date: date(*day), tally: tally(of) });
    ReportView {
        from: report.from,
        to: report.to,
        agents: agents.collect(),
        total: tally(&report.total),
        days: include.days.then(|| days.collect()),
    }
}

/// Returns the UTC date of a moment, as `yyyy-mm-dd`.
fn date(moment: Timestamp) -> String {
    moment.to_string().chars().take(10).collect()
}
