//! A supervisor looks at who sent how many links, and what became of them.

use super::UseCaseError;
use crate::ports::{Listing, Store};
use crate::{Agent, Caller, Clock, PaymentRequest, Scope, Status, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest time that one report covers.
pub const LONGEST: Duration = Duration::from_hours(92 * 24);

/// The time that a report covers unless it is asked for another.
pub const USUAL: Duration = Duration::from_hours(7 * 24);

/// How many requests are read at a time.
const PAGE: usize = 1_000;

/// How many requests there are, and how much they are over: minor units by ISO 4217 code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// How much, for each currency on its own: amounts of different currencies are not added.
    pub value: BTreeMap<&'static str, i64>,
}

/// What was sent, by what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many requests were sent.
    pub sent: u64,
    /// The same requests by their status at the moment of the report; a status that none has is not in it.
    pub statuses: BTreeMap<Status, Sum>,
}

impl Tally {
    fn add(&mut self, request: &PaymentRequest, now: Timestamp) {
        self.sent += 1;
        let sum = self.statuses.entry(request.status_at(now)).or_default();
        sum.count += 1;
        *sum.value.entry(request.details.money.currency.code()).or_default() +=
            request.details.money.amount.minor_units();
    }
}

/// The requests created within a time, by agent and in total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// From when on.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub to: Timestamp,
    /// Each agent under the latest name they had, whoever sent most first.
    pub agents: Vec<(Agent, Tally)>,
    /// All of them together.
    pub total: Tally,
}

/// The report of a supervisor's workspace on the requests created from `from` up to but not at `to`.
///
/// # Errors
/// The store failed.
pub async fn report(
    store: &impl Store,
    clock: &impl Clock,
    caller: &Caller,
    from: Timestamp,
    to: Timestamp,
) -> Result<Report, UseCaseError> {
    let now = clock.now();
    let scope = Scope::Workspace(caller.workspace.clone());
    let mut listing = Listing { scope, from, to, after: None, limit: PAGE };
    let mut total = Tally::default();
    let mut agents: BTreeMap<_, (Agent, Tally)> = BTreeMap::new();
    loop {
        let listed = store.list(&listing).await?;
        for request in &listed.requests {
            total.add(request, now);
            // The newest come first, so the first name seen is the latest.
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
    Ok(Report { from, to, agents, total })
}
