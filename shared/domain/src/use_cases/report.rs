//! The use case of a supervisor's report: how many links each agent sent, and their outcomes.

use super::UseCaseError;
use crate::payment_request::PaymentRequest;
use crate::people::{Agent, Audience, Caller};
use crate::ports::{Listing, Lists};
use crate::status::Status;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest period of one report.
pub const LONGEST: Duration = Duration::from_hours(92 * 24);

/// The default period of a report.
pub const USUAL: Duration = Duration::from_hours(7 * 24);

/// The number of requests that one read returns.
const PAGE: usize = 1_000;

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
    fn add(&mut self, request: &PaymentRequest, now: Timestamp) {
        self.sent += 1;
        let sum = self.statuses.entry(request.status_at(now)).or_default();
        sum.count += 1;
        *sum.value.entry(request.details.money.currency.code()).or_default() +=
            request.details.money.amount.minor_units();
        self.clicked += u64::from(request.history.iter().any(|entry| entry.status == Status::Clicked));
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

/// Returns the report on the requests of a supervisor's workspace created at or after `from` and before `to`, each by
/// its status at `now`.
///
/// # Errors
/// The store failed.
pub async fn report(
    store: &impl Lists,
    now: Timestamp,
    caller: &Caller,
    from: Timestamp,
    to: Timestamp,
) -> Result<Report, UseCaseError> {
    let audience = Audience::Workspace(caller.workspace.clone());
    let mut listing = Listing { audience, from, to, after: None, limit: PAGE };
    let mut total = Tally::default();
    let mut days: BTreeMap<_, _> = days(from, to).map(|day| (day, Tally::default())).collect();
    let mut agents: BTreeMap<_, (Agent, Tally)> = BTreeMap::new();
    loop {
        let listed = store.list(&listing).await?;
        for request in &listed.requests {
            total.add(request, now);
            days.entry(request.created_at.start_of_day()).or_default().add(request, now);
            // Requests are listed newest first, so the first name seen is the latest.
            let agent = agents.entry(request.agent.id.clone());
            agent.or_insert_with(|| (request.agent.clone(), Tally::default())).1.add(request, now);
        }
        if listed.next.is_none() {
            break;
        }
        listing.after = listed.next;
    }
    let mut agents: Vec<_> = agents.into_values().collect();
    agents.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.sent));
    Ok(Report { from, to, agents, days, total })
}

/// Returns the UTC days, each by its midnight, that the period from `from` (inclusive) to `to` (exclusive) touches.
fn days(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let first = (from < to).then(|| from.start_of_day());
    std::iter::successors(first, move |day| Some(day.saturating_add(DAY)).filter(|next| *next < to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment_request::HistoryEntry;
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
        let mut tally = Tally::default();
        for history in [
            &[Clicked][..],
            &[Clicked, Paid],
            &[Clicked, Expired],
            &[Clicked, Clicked, Expired],
            &[Clicked, Expired, Status::RefundDue, Refunded],
        ] {
            tally.add(&of_history(history), at(10_000));
        }
        assert_eq!((tally.sent, tally.clicked), (5, 5));
        for history in [&[][..], &[Canceled], &[Expired], &[Paid]] {
            tally.add(&of_history(history), at(10_000));
        }
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
}
