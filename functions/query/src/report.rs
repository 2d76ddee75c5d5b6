//! `GET /reports/agents`: reading the question, writing the answer.

use domain::use_cases::report::{LONGEST, Report, Sum, Tally, USUAL};
use domain::{Agent, Clock, Status, SystemClock, Timestamp};
use runtime::fields::Fields;
use runtime::{Problem, Request};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The time that a report is asked for: by default the last seven days, today included.
pub(crate) fn range(request: &Request) -> Result<(Timestamp, Timestamp), Problem> {
    let mut fields = Fields::of_query(request)?;
    let from: Option<Timestamp> = fields.optional("from", super::parsed);
    let to: Option<Timestamp> = fields.optional("to", super::parsed);
    let tomorrow = SystemClock.now().start_of_day().plus(Duration::from_hours(24));
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, tomorrow.max(from)),
        (None, to) => {
            let to = to.unwrap_or(tomorrow);
            (to.minus(USUAL), to)
        }
    };
    if from > to {
        fields.refuse("to", "must not be before from");
    } else if to.since(from) > LONGEST {
        fields.refuse("from", "must be at most 92 days before to");
    }
    fields.finish(Some((from, to)))
}

#[derive(Serialize)]
struct ReportView<'a> {
    from: Timestamp,
    to: Timestamp,
    agents: Vec<AgentView<'a>>,
    total: TallyView<'a>,
}

#[derive(Serialize)]
struct AgentView<'a> {
    agent: &'a Agent,
    #[serde(flatten)]
    tally: TallyView<'a>,
}

#[derive(Serialize)]
struct TallyView<'a> {
    sent: u64,
    statuses: BTreeMap<Status, SumView<'a>>,
}

#[derive(Serialize)]
struct SumView<'a> {
    count: u64,
    value: &'a BTreeMap<&'static str, i64>,
}

fn tally(tally: &Tally) -> TallyView<'_> {
    let statuses = tally.statuses.iter();
    let statuses = statuses.map(|(status, Sum { count, value })| (*status, SumView { count: *count, value }));
    TallyView { sent: tally.sent, statuses: statuses.collect() }
}

/// The report as it is answered.
pub(crate) fn view(report: &Report) -> impl Serialize {
    let agents = report.agents.iter().map(|(agent, of)| AgentView { agent, tally: tally(of) });
    ReportView { from: report.from, to: report.to, agents: agents.collect(), total: tally(&report.total) }
}
