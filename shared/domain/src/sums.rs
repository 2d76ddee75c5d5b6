//! The sums of a report over a closed period: which periods there are, when each is closed, and what is summed.
//!
//! A sum is made by whoever reads a report and finds none, and it is kept ([`crate::ports::KeptSums`]). It is dropped
//! by whoever learns of a change of one of its requests, and never adjusted. So a change that is reported twice, late
//! or out of order cannot make a sum wrong (decision 0036).

use crate::invalid::Invalid;
use crate::payment_request::PaymentRequest;
use crate::people::{AgentId, AgentName, WorkspaceId};
use crate::status::Status;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The time after a period's end from which its sums may be made. With the default time limits, the ordinary life of a
/// request is over by then: five minutes until the click, fifteen until the payment, and ten in which the provider is
/// waited for. It is the same whatever the limits are, so that two releases or two configurations, which run side by
/// side during a deployment, never disagree about it.
pub const CLOSES_AFTER: Duration = Duration::from_mins(35);

/// The time by which a change drops its period's sums before these may be made at all. It covers clocks that differ,
/// and an index that lags behind its table: a change that dropped nothing was stored, and is listed, before any sum of
/// its period was begun.
pub const DROP_MARGIN: Duration = Duration::from_mins(5);

/// The time after a request was inserted into a closed period within which none of its sums is kept. The stream may
/// report the insertion before the index lists the request.
pub const INDEX_LAG: Duration = Duration::from_mins(5);

/// An hour or a day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    start: Timestamp,
    length: Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Length {
    Hour,
    Day,
}

impl Period {
    /// Returns the hour that a moment lies in.
    #[must_use]
    pub fn hour_of(moment: Timestamp) -> Self {
        Self { start: moment.start_of_hour(), length: Length::Hour }
    }

    /// Returns the day that a moment lies in.
    #[must_use]
    pub fn day_of(moment: Timestamp) -> Self {
        Self { start: moment.start_of_day(), length: Length::Day }
    }

    /// Returns the period's first moment.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// Returns the moment at which the period has ended: the first that is no part of it.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.start.saturating_add(if self.is_day() { DAY } else { HOUR })
    }

    /// Returns whether the period is a day.
    #[must_use]
    pub const fn is_day(self) -> bool {
        matches!(self.length, Length::Day)
    }

    /// Returns the day's hours, newest first; of an hour itself alone.
    pub fn hours(self) -> impl Iterator<Item = Self> {
        let last = Self::hour_of(self.end().saturating_sub(HOUR));
        std::iter::successors(Some(last), move |hour| {
            let earlier = hour.start.saturating_sub(HOUR);
            (earlier >= self.start && earlier < hour.start).then(|| Self::hour_of(earlier))
        })
    }

    /// Returns whether the period's sums may be made at `now`.
    #[must_use]
    pub fn is_closed(self, now: Timestamp) -> bool {
        self.end() <= closed_until(now)
    }

    /// Returns whether a change that is reported at `now` has to drop the period's sums: somebody may be making them,
    /// or have made them.
    #[must_use]
    pub fn may_have_sums(self, now: Timestamp) -> bool {
        self.is_closed(now.saturating_add(DROP_MARGIN))
    }
}

/// Writes the period as `day#2026-01-05` or `hour#2026-01-05T10`. Texts of one kind sort in the order of time.
impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, characters) = match self.length {
            Length::Day => ("day", "2026-01-05".len()),
            Length::Hour => ("hour", "2026-01-05T10".len()),
        };
        write!(formatter, "{kind}#{}", self.start.to_string().get(..characters).ok_or(fmt::Error)?)
    }
}

impl FromStr for Period {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const WRONG: Invalid = Invalid("is not a period");
        let period = match text.split_once('#').ok_or(WRONG)? {
            ("day", day) => Self::day_of(day.parse()?),
            ("hour", hour) => Self::hour_of(format!("{hour}:00:00Z").parse()?),
            _ => return Err(WRONG),
        };
        if period.to_string() == text { Ok(period) } else { Err(WRONG) }
    }
}

/// Returns the end of the last hour whose sums may be made at `now`.
#[must_use]
pub fn closed_until(now: Timestamp) -> Timestamp {
    now.saturating_sub(CLOSES_AFTER).start_of_hour()
}

/// Requests of one agent with one status and currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// The number of requests.
    pub count: u64,
    /// Their total value, in the currency's minor unit.
    pub value: i64,
}

/// What one agent sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSums {
    /// The agent's name in the newest of these requests.
    pub name: AgentName,
    /// The number of requests that the customer ever clicked, whatever their status.
    pub clicked: u64,
    /// All requests, by ISO 4217 code and by status.
    pub cells: BTreeMap<&'static str, BTreeMap<Status, Cell>>,
}

impl AgentSums {
    /// Builds the sums of an agent with this name who sent nothing.
    #[must_use]
    pub const fn new(name: AgentName) -> Self {
        Self { name, clicked: 0, cells: BTreeMap::new() }
    }
}

/// The sums of some requests by agent, status and currency. What is added is older than everything before it, so the
/// first name of an agent is the latest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// The agents who sent at least one request.
    pub agents: BTreeMap<AgentId, AgentSums>,
}

impl Sums {
    /// Adds a request that is older than all before it, with the status to show at `now`.
    pub fn add(&mut self, request: &PaymentRequest, now: Timestamp) {
        let agent = self.agent(&request.agent.id, &request.agent.name);
        agent.clicked += u64::from(request.history.iter().any(|entry| entry.status == Status::Clicked));
        let money = &request.details.money;
        let cells = agent.cells.entry(money.currency.code()).or_default();
        let cell = cells.entry(request.status_at(now)).or_default();
        cell.count += 1;
        cell.value += money.amount.minor_units();
    }

    /// Adds the sums of requests that are older than all before them.
    pub fn add_older(&mut self, older: &Self) {
        for (id, sums) in &older.agents {
            let agent = self.agent(id, &sums.name);
            agent.clicked += sums.clicked;
            for (currency, cells) in &sums.cells {
                let own = agent.cells.entry(currency).or_default();
                for (status, Cell { count, value }) in cells {
                    let cell = own.entry(*status).or_default();
                    cell.count += count;
                    cell.value += value;
                }
            }
        }
    }

    fn agent(&mut self, id: &AgentId, name: &AgentName) -> &mut AgentSums {
        self.agents.entry(id.clone()).or_insert_with(|| AgentSums::new(name.clone()))
    }
}

/// Sums of a period as they are made, with what decides whether they may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeSums {
    /// The sums.
    pub sums: Sums,
    /// The time from which the sums are not used any more: one of the requests expires then, or may be deleted from
    /// then on, and the stream does not say so.
    pub valid_until: Option<Timestamp>,
    /// Whether all requests could be read.
    pub is_final: bool,
}

impl Default for MadeSums {
    fn default() -> Self {
        Self { sums: Sums::default(), valid_until: None, is_final: true }
    }
}

impl MadeSums {
    /// Adds the sums of an older period.
    pub fn add_older(&mut self, older: &Self) {
        self.sums.add_older(&older.sums);
        self.limit(older.valid_until);
        self.is_final &= older.is_final;
    }

    /// Adds a request that is older than all before it, with the status to show at `now`.
    pub fn add(&mut self, request: &PaymentRequest, now: Timestamp) {
        // Its expiry is still to come, without a write that would drop the sums. The deadline is the request's own, so
        // a longer time limit that was in force when it was sent counts too.
        if request.status_at(now) == Status::Sent {
            self.limit(Some(request.deadline));
        }
        self.sums.add(request, now);
    }

    /// Limits the time for which the sums are valid.
    pub fn limit(&mut self, until: Option<Timestamp>) {
        self.valid_until = match (self.valid_until, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

/// A request's place among the periods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SummedHour {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The hour in which the request was created.
    pub hour: Period,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_written_and_read_and_sorts_by_time() {
        for text in ["day#2026-01-05", "hour#2026-01-05T00", "hour#2026-12-31T23"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        for text in ["", "day", "day#2026-01-05T10", "hour#2026-01-05", "week#2026-01-05", "hour#2026-01-05T24"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        let hours: Vec<String> = "day#2026-01-05".parse::<Period>().unwrap().hours().map(|h| h.to_string()).collect();
        assert_eq!((hours.len(), &*hours[0], &*hours[23]), (24, "hour#2026-01-05T23", "hour#2026-01-05T00"));
    }

    #[test]
    fn a_change_drops_the_sums_of_a_period_before_anybody_may_make_them() {
        let hour: Period = "hour#2026-01-05T10".parse().unwrap();
        for (minutes, is_closed, may_have_sums) in
            [(29, false, false), (30, false, true), (34, false, true), (35, true, true)]
        {
            let now = hour.end().saturating_add(Duration::from_mins(minutes));
            assert_eq!((hour.is_closed(now), hour.may_have_sums(now)), (is_closed, may_have_sums), "{minutes}");
        }
    }
}
