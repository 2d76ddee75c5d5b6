//! The use case of a supervisor's report: how many links each agent sent, and their outcomes.

use super::sums::{Progress, Summing, listing};
use crate::people::{Agent, AgentId, Caller};
use crate::ports::{KeptSums, Lists, StoreError};
use crate::status::Status;
use crate::sums::{AgentSums, Period, Sums, closed_until};
use crate::time::{Clock, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest period of one report.
pub const LONGEST: Duration = Duration::from_hours(92 * 24);

/// The default period of a report.
pub const USUAL: Duration = Duration::from_hours(7 * 24);

/// The time after which a report begins to sum no further hour or day. It leaves the function, which is stopped after
/// 25 seconds, enough time for the hours that are being summed and for the answer.
pub const TIME_TO_SUM: Duration = Duration::from_secs(12);

const DAY: Duration = Duration::from_hours(24);

/// A number of requests and their total value, in minor units by ISO 4217 code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// The number of requests.
    pub count: u64,
    /// The total value of each currency. Amounts of different currencies are not added.
    pub value: BTreeMap<&'static str, i64>,
}

/// The requests that were sent, by status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of requests that were sent.
    pub sent: u64,
    /// The same requests by their status at the time of the report; a status without requests is absent.
    pub statuses: BTreeMap<Status, Sum>,
    /// The number of these requests that the customer ever clicked, whatever their status now.
    pub clicked: u64,
}

impl Tally {
    fn add(&mut self, agent: &AgentSums) {
        self.clicked += agent.clicked;
        for (currency, cells) in &agent.cells {
            for (status, cell) in cells {
                self.sent += cell.count;
                let sum = self.statuses.entry(*status).or_default();
                sum.count += cell.count;
                *sum.value.entry(currency).or_default() += cell.value;
            }
        }
    }

    fn of(sums: &Sums) -> Self {
        let mut tally = Self::default();
        sums.agents.values().for_each(|agent| tally.add(agent));
        tally
    }
}

/// The requests created within a period, by agent, by day and in total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The earliest time of creation, inclusive.
    pub from: Timestamp,
    /// The latest time of creation, exclusive.
    pub to: Timestamp,
    /// The agents, each with their latest name, sorted by requests sent, most first.
    pub agents: Vec<(Agent, Tally)>,
    /// Every UTC day of the period, keyed by its midnight, including days without requests. Of a first or last day that
    /// lies only partly within the period, only that part counts.
    pub days: BTreeMap<Timestamp, Tally>,
    /// All requests of the period.
    pub total: Tally,
}

/// The error of a report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There was not enough time to make all sums of the period. What was summed is kept, so the next report goes on
    /// from there.
    #[error("the report is not ready: {} hours and days were summed, and {} are left", .0.made, .0.left)]
    NotReady(Progress),
}

/// What a report reads: requests one by one, and sums of whole hours and days. Together they are the period, newest
/// first.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Requests { from: Timestamp, to: Timestamp },
    Sums(Period),
}

/// Returns the report on the requests of a supervisor's workspace created at or after `from` and before `to`, each by
/// its status at `now`.
///
/// Hours that are closed are read as their kept sums, and whole days as those of the day. The hours that `from` and
/// `to` cut, and those that are not closed yet, are read request by request.
///
/// # Errors
/// [`ReportError::NotReady`] if [`TIME_TO_SUM`] was over before all sums were made. The store failed.
pub async fn report(
    store: &impl Lists,
    kept: &impl KeptSums,
    clock: &impl Clock,
    now: Timestamp,
    caller: &Caller,
    (from, to): (Timestamp, Timestamp),
) -> Result<Report, ReportError> {
    let workspace = &caller.workspace;
    let pieces = pieces(from, to, closed_until(now));
    let periods: Vec<Period> = pieces.iter().filter_map(Piece::period).collect();
    let over = now.saturating_add(TIME_TO_SUM);
    let summing = Summing { lists: store, kept, workspace, now };
    let summed = summing.sums(&periods, &|| clock.now() < over).await?;
    if summed.progress.left > 0 {
        return Err(ReportError::NotReady(summed.progress));
    }
    let mut all = Sums::default();
    let mut by_day: BTreeMap<Timestamp, Sums> = days(from, to).map(|day| (day, Sums::default())).collect();
    for piece in &pieces {
        match piece {
            Piece::Requests { from, to } => {
                let mut listing = listing(workspace, *from, *to);
                loop {
                    let listed = store.list(&listing).await?;
                    for request in &listed.requests {
                        all.add(request, now);
                        by_day.entry(request.created_at.start_of_day()).or_default().add(request, now);
                    }
                    if listed.next.is_none() {
                        break;
                    }
                    listing.after = listed.next;
                }
            }
            Piece::Sums(period) => {
                if let Some(sums) = summed.sums.get(period) {
                    all.add_older(sums);
                    by_day.entry(period.start().start_of_day()).or_default().add_older(sums);
                }
            }
        }
    }
    let total = Tally::of(&all);
    let of_agent = |(id, sums): (AgentId, AgentSums)| {
        let mut tally = Tally::default();
        tally.add(&sums);
        (Agent { id, name: sums.name }, tally)
    };
    let mut agents: Vec<_> = all.agents.into_iter().map(of_agent).collect();
    agents.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.sent));
    let days = by_day.iter().map(|(day, sums)| (*day, Tally::of(sums))).collect();
    Ok(Report { from, to, agents, days, total })
}

impl Piece {
    fn period(&self) -> Option<Period> {
        match self {
            Self::Sums(period) => Some(*period),
            Self::Requests { .. } => None,
        }
    }
}

/// Splits a report's period. Of `closed`, the end of the last closed hour, everything before it is read as sums.
fn pieces(from: Timestamp, to: Timestamp, closed: Timestamp) -> Vec<Piece> {
    let first = Period::hour_of(from);
    let start = if first.start() == from { from } else { first.end() };
    let end = to.start_of_hour().min(closed);
    if from >= to {
        return Vec::new();
    }
    if start >= end {
        return vec![Piece::Requests { from, to }];
    }
    let mut pieces = Vec::new();
    if end < to {
        pieces.push(Piece::Requests { from: end, to });
    }
    pieces.extend(whole_periods(start, end).into_iter().map(Piece::Sums));
    if from < start {
        pieces.push(Piece::Requests { from, to: start });
    }
    pieces
}

/// Returns the fewest periods, newest first, that make up the time between two moments that each begin an hour.
pub(super) fn whole_periods(start: Timestamp, end: Timestamp) -> Vec<Period> {
    let mut periods = Vec::new();
    let mut rest = end;
    while rest > start {
        let last = rest.saturating_sub(Duration::from_millis(1));
        let day = Period::day_of(last);
        let period = if day.end() == rest && day.start() >= start { day } else { Period::hour_of(last) };
        periods.push(period);
        rest = period.start();
    }
    periods
}

/// Returns the UTC days, each by its midnight, that the period from `from` (inclusive) to `to` (exclusive) touches.
fn days(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let first = (from < to).then(|| from.start_of_day());
    std::iter::successors(first, move |day| Some(day.saturating_add(DAY)).filter(|next| *next < to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment_request::{HistoryEntry, PaymentRequest};
    use crate::people::Actor;
    use crate::test_support::{at, request};
    use Status::{Canceled, Clicked, Expired, Paid, Refunded, Sent};

    fn of_history(statuses: &[Status]) -> PaymentRequest {
        let mut request = request(Sent, 1_000);
        for (status, moment) in statuses.iter().zip(1..) {
            request.status = *status;
            request.history.push(HistoryEntry { status: *status, at: at(moment), actor: Actor::System, reason: None });
        }
        request
    }

    #[test]
    fn a_request_that_was_ever_clicked_counts_as_clicked() {
        let mut sums = Sums::default();
        for history in [
            &[Clicked][..],
            &[Clicked, Paid],
            &[Clicked, Expired],
            &[Clicked, Clicked, Expired],
            &[Clicked, Expired, Status::RefundDue, Refunded],
        ] {
            sums.add(&of_history(history), at(10_000));
        }
        assert_eq!((Tally::of(&sums).sent, Tally::of(&sums).clicked), (5, 5));
        for history in [&[][..], &[Canceled], &[Expired], &[Paid]] {
            sums.add(&of_history(history), at(10_000));
        }
        let tally = Tally::of(&sums);
        assert_eq!((tally.sent, tally.clicked), (9, 5), "the other requests were not clicked");
        assert_eq!(tally.statuses[&Clicked].count, 1, "the current status is counted separately");
        assert_eq!(tally.statuses[&Expired].count, 4);
    }

    fn days_of(from: &str, to: &str) -> Vec<String> {
        days(from.parse().unwrap(), to.parse().unwrap()).map(|day| day.to_string()).collect()
    }

    #[test]
    fn every_day_that_the_range_touches_occurs_once_in_order() {
        assert_eq!(
            days_of("2026-02-27", "2026-03-02"),
            ["2026-02-27T00:00:00.000Z", "2026-02-28T00:00:00.000Z", "2026-03-01T00:00:00.000Z"]
        );
        let touched = ["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"];
        assert_eq!(days_of("2026-01-01T23:59:59.999Z", "2026-01-02T00:00:00.001Z"), touched);
        assert_eq!(days_of("2026-01-01T12:00:00Z", "2026-01-03"), touched);
        assert_eq!(days_of("2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"), touched[..1]);
    }

    #[test]
    fn an_empty_range_has_no_days() {
        assert!(days_of("2026-01-01", "2026-01-01").is_empty());
        assert!(days_of("2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z").is_empty());
    }

    #[test]
    fn the_days_end_with_the_calendar() {
        assert_eq!(days_of("9999-12-29", "9999-12-30T22:00:00Z").len(), 2);
        assert_eq!(days_of("0001-01-01", "0001-01-02").len(), 1);
    }

    /// Returns the pieces as texts, newest first.
    fn read(from: &str, to: &str, closed: &str) -> Vec<String> {
        let text = |piece: &Piece| match piece {
            Piece::Sums(period) => period.to_string(),
            Piece::Requests { from, to } => format!("{} to {}", &from.to_string()[5..19], &to.to_string()[5..19]),
        };
        pieces(from.parse().unwrap(), to.parse().unwrap(), closed.parse().unwrap()).iter().map(text).collect()
    }

    #[test]
    fn whole_days_and_hours_are_read_as_sums_and_the_rest_request_by_request() {
        let closed = "2026-01-04T02:00:00Z";
        assert_eq!(
            read("2026-01-01T22:30:00Z", "2026-01-05", closed),
            [
                "01-04T02:00:00 to 01-05T00:00:00",
                "hour#2026-01-04T01",
                "hour#2026-01-04T00",
                "day#2026-01-03",
                "day#2026-01-02",
                "hour#2026-01-01T23",
                "01-01T22:30:00 to 01-01T23:00:00",
            ]
        );
        assert_eq!(read("2026-01-01", "2026-01-02", closed), ["day#2026-01-01"]);
        assert_eq!(read("2026-01-01T10:10:00Z", "2026-01-01T10:20:00Z", closed), ["01-01T10:10:00 to 01-01T10:20:00"]);
        assert_eq!(read("2026-01-04T02:00:00Z", "2026-01-06", closed), ["01-04T02:00:00 to 01-06T00:00:00"]);
        assert!(read("2026-01-01", "2026-01-01", closed).is_empty());
    }
}
