//! Agents and supervisors look at what was sent.

use super::UseCaseError;
use crate::ports::{Listing, Position, Store};
use crate::{AgentId, Caller, Clock, Limits, PaymentRequest, PaymentRequestId, Role, Scope, Status, Timestamp};
use std::time::Duration;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Sent by this agent.
    pub agent: Option<AgentId>,
    /// In this status, as it truly is at the moment of asking.
    pub status: Option<Status>,
    /// Created at or after.
    pub from: Option<Timestamp>,
    /// Created before.
    pub to: Option<Timestamp>,
    /// After this place.
    pub after: Option<Position>,
    /// At most how many, at least 1.
    pub limit: usize,
}

/// Part of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The requests.
    pub items: Vec<PaymentRequest>,
    /// Where the next part starts; none if this was the last.
    pub next: Option<Position>,
}

/// With a filter on the status, how many requests one call looks at before it answers with what it has found and where to
/// go on. Without this bound, a rare status in a large workspace would run into the function's time limit.
const LOOKED_AT: usize = 1_000;

/// The caller's requests that match, newest first. An agent only ever gets their own.
///
/// # Errors
/// The store failed.
pub async fn list(
    store: &impl Store,
    clock: &impl Clock,
    limits: &Limits,
    caller: &Caller,
    filter: &Filter,
) -> Result<Page, UseCaseError> {
    let empty = Page { items: Vec::new(), next: None };
    let scope = match (caller.role, &filter.agent) {
        (Role::Agent, Some(agent)) if *agent != caller.agent.id => return Ok(empty),
        (Role::Supervisor, Some(agent)) => Scope::Agent(caller.workspace.clone(), agent.clone()),
        (Role::Agent | Role::Supervisor, _) => caller.scope(),
    };
    let now = clock.now();
    // Nothing older is stored: a request is removed so long after its end, and has ended within a day of its creation.
    let oldest = now.minus(limits.retention + limits.link + limits.checkout + Duration::from_hours(24));
    // A request made while the list is read, or by a machine whose clock is ahead, still belongs to it.
    let newest = now.plus(Duration::from_hours(1));
    let mut listing = Listing {
        scope,
        from: filter.from.map_or(oldest, |from| from.max(oldest)),
        to: filter.to.map_or(newest, |to| to.min(newest)),
        after: filter.after,
        limit: filter.limit,
    };
    if listing.from >= listing.to {
        return Ok(empty);
    }
    let (mut items, mut looked_at) = (Vec::new(), 0);
    loop {
        let listed = store.list(&listing).await?;
        looked_at += listed.requests.len();
        for request in listed.requests {
            if filter.status.is_some_and(|status| request.status_at(now) != status) {
                continue;
            }
            if items.len() == filter.limit {
                return Ok(Page { next: items.last().map(Position::after), items });
            }
            items.push(request);
        }
        match listed.next {
            None => return Ok(Page { items, next: None }),
            Some(_) if filter.status.is_none() || looked_at >= LOOKED_AT => {
                return Ok(Page { items, next: listed.next });
            }
            next => listing.after = next,
        }
    }
}

/// One request, if the caller may see it.
///
/// # Errors
/// The store failed.
pub async fn get(
    store: &impl Store,
    caller: &Caller,
    id: PaymentRequestId,
) -> Result<Option<PaymentRequest>, UseCaseError> {
    let scope = caller.scope();
    Ok(store.get(id).await?.filter(|request| scope.covers(&request.workspace, &request.agent.id)))
}
