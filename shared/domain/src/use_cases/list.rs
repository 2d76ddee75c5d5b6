//! The use cases of agents and supervisors who list and read requests.

use super::UseCaseError;
use crate::id::PaymentRequestId;
use crate::limits::{LONGEST_PROCESSING, Limits};
use crate::payment_request::PaymentRequest;
use crate::people::{AgentId, Audience, Caller, Identity};
use crate::phone::Phone;
use crate::ports::{Listing, Lists, Position, Reads};
use crate::search_text::SearchText;
use crate::status::Status;
use crate::text::{ConversationId, OrderNumber};
use crate::time::Timestamp;
use std::time::Duration;

/// The properties that a request must have. The empty filter matches every request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The status that is shown at the moment of the search ([`PaymentRequest::status_at`]).
    pub status: Option<Status>,
    /// What a person types to find a request.
    pub text: Option<SearchText>,
    /// The order number, matched exactly.
    pub order_number: Option<OrderNumber>,
    /// The phone number, matched exactly.
    pub phone: Option<Phone>,
    /// The conversation, matched exactly.
    pub conversation_id: Option<ConversationId>,
}

impl Filter {
    /// Returns whether a request matches the filter at `now`.
    #[must_use]
    pub fn matches(&self, request: &PaymentRequest, now: Timestamp) -> bool {
        let details = &request.details;
        self.status.is_none_or(|status| request.status_at(now) == status)
            && self.text.as_ref().is_none_or(|text| text.finds(details))
            && self.order_number.as_ref().is_none_or(|order_number| *order_number == details.order_number)
            && self.phone.as_ref().is_none_or(|phone| *phone == details.customer.phone)
            && (self.conversation_id.is_none() || self.conversation_id == details.conversation_id)
    }
}

/// A search in the caller's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The agent who sent the requests.
    pub agent: Option<AgentId>,
    /// The earliest time of creation, inclusive.
    pub from: Option<Timestamp>,
    /// The latest time of creation, exclusive.
    pub to: Option<Timestamp>,
    /// The properties that each request must have.
    pub filter: Filter,
    /// The position after which the page starts.
    pub after: Option<Position>,
    /// The greatest number of requests to return, at least 1.
    pub limit: usize,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The requests.
    pub items: Vec<PaymentRequest>,
    /// The position after which the next page starts; `None` on the last page.
    pub next: Option<Position>,
}

/// The number of requests that a call with a filter examines before it returns what it has found and where to continue.
/// Without this bound, a rare match in a large workspace would exceed the function's timeout.
const LOOKED_AT: usize = 1_000;

/// The number of requests that a call with a filter reads first. Each further read is twice as large. So a frequent
/// match costs little more than a page of its own, and a rare one takes few calls.
const READ_AT_FIRST: usize = 100;

/// Returns the caller's requests that match at `now`, newest first. An agent only receives their own. The caller has
/// read `now` from the clock, and shows the requests as of the same moment.
///
/// # Errors
/// The store failed.
pub async fn list(
    store: &impl Lists,
    now: Timestamp,
    limits: &Limits,
    caller: &Caller,
    search: &Search,
) -> Result<Page, UseCaseError> {
    let empty = Page { items: Vec::new(), next: None };
    let audience = match (&caller.identity, &search.agent) {
        (Identity::Agent(own), Some(agent)) if *agent != own.id => return Ok(empty),
        (Identity::Supervisor(_) | Identity::Service(_), Some(agent)) => {
            Audience::Agent(caller.workspace.clone(), agent.clone())
        }
        _ => caller.audience(),
    };
    // The store holds nothing older: a request is deleted `retention` after its end, and its life lasts no longer than
    // the other three durations together.
    let oldest = now.saturating_sub(limits.retention + limits.link + limits.checkout + LONGEST_PROCESSING);
    // The margin includes requests that are created during the read, or by a machine whose clock is ahead.
    let newest = now.saturating_add(Duration::from_hours(1));
    let (mut left, read_at_first) =
        if search.filter == Filter::default() { (search.limit, search.limit) } else { (LOOKED_AT, READ_AT_FIRST) };
    let mut listing = Listing {
        audience,
        from: search.from.map_or(oldest, |from| from.max(oldest)),
        to: search.to.map_or(newest, |to| to.min(newest)),
        after: search.after,
        limit: read_at_first,
    };
    if listing.from >= listing.to {
        return Ok(empty);
    }
    let mut items = Vec::new();
    loop {
        let listed = store.list(&listing).await?;
        left -= listing.limit;
        for request in listed.requests {
            if !search.filter.matches(&request, now) {
                continue;
            }
            if items.len() == search.limit {
                return Ok(Page { next: items.last().map(Position::after), items });
            }
            items.push(request);
        }
        if listed.next.is_none() || items.len() == search.limit || left == 0 {
            return Ok(Page { items, next: listed.next });
        }
        listing.after = listed.next;
        listing.limit = left.min(listing.limit * 2);
    }
}

/// Returns one request if the caller may see it.
///
/// # Errors
/// The store failed.
pub async fn get(
    store: &impl Reads,
    caller: &Caller,
    id: PaymentRequestId,
) -> Result<Option<PaymentRequest>, UseCaseError> {
    let audience = caller.audience();
    Ok(store.get(id).await?.filter(|request| audience.covers(&request.workspace, &request.agent.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::WRITE_GRACE;
    use crate::people::Agent;
    use crate::ports::{Listed, StoreError};
    use crate::test_support::{at, at_once, request};
    use std::sync::Mutex;

    const NOW: i64 = 100_000;

    /// A fake store with these requests, newest first. It records the listings that it receives.
    struct FakeStore {
        requests: Vec<PaymentRequest>,
        listings: Mutex<Vec<Listing>>,
    }

    impl FakeStore {
        /// Builds a store with `count` requests that Alice has just sent, each created in its own millisecond. `make`
        /// adjusts each request by its position, counted from the newest.
        fn of(count: usize, make: impl Fn(usize, &mut PaymentRequest)) -> Self {
            let requests = (0..count).map(|place| {
                let mut request = request(Status::Sent, NOW + 300_000);
                request.created_at = at(NOW - i64::try_from(place).unwrap());
                make(place, &mut request);
                request
            });
            Self { requests: requests.collect(), listings: Mutex::default() }
        }

        /// Takes the listings received since the last call.
        fn listings(&self) -> Vec<Listing> {
            std::mem::take(&mut self.listings.lock().unwrap())
        }

        /// Takes the limits of the listings received since the last call.
        fn asked_for(&self) -> Vec<usize> {
            self.listings().iter().map(|listing| listing.limit).collect()
        }

        fn list(&self, search: &Search) -> Page {
            self.list_for(&supervisor(), search)
        }

        fn list_for(&self, caller: &Caller, search: &Search) -> Page {
            let limits = Limits {
                link: Duration::from_mins(5),
                checkout: Duration::from_mins(15),
                retention: Duration::from_hours(24),
            };
            at_once(list(self, at(NOW), &limits, caller, search)).unwrap()
        }

        /// Returns all pages of a search in order.
        fn pages(&self, search: &Search) -> Vec<Page> {
            let mut pages = vec![self.list(search)];
            while let Some(next) = pages.last().and_then(|page| page.next) {
                pages.push(self.list(&Search { after: Some(next), ..search.clone() }));
                assert!(pages.len() <= self.requests.len() + 1, "the list does not end");
            }
            pages
        }
    }

    impl Lists for FakeStore {
        async fn list(&self, listing: &Listing) -> Result<Listed, StoreError> {
            self.listings.lock().unwrap().push(listing.clone());
            let after = listing.after.map_or(0, |after| {
                self.requests.iter().position(|request| Position::after(request) == after).unwrap() + 1
            });
            let rest = self.requests.get(after..).unwrap_or_default();
            let requests = rest.iter().take(listing.limit).cloned().collect::<Vec<_>>();
            let more = rest.len() > listing.limit;
            let next = requests.last().filter(|_| more).map(Position::after);
            Ok(Listed { requests, next, unreadable: 0, deleted_from: None })
        }
    }

    fn supervisor() -> Caller {
        let agent = Agent { id: "sara".parse().unwrap(), name: "Sara".parse().unwrap() };
        Caller { workspace: "acme".parse().unwrap(), identity: Identity::Supervisor(agent) }
    }

    fn search(filter: Filter, limit: usize) -> Search {
        Search { agent: None, from: None, to: None, filter, after: None, limit }
    }

    fn order(number: &str) -> Filter {
        Filter { order_number: Some(number.parse().unwrap()), ..Filter::default() }
    }

    /// Gives order number 7 to every `step`th request, starting at position `from`.
    fn every(step: usize, from: usize) -> impl Fn(usize, &mut PaymentRequest) {
        move |place, request| {
            if place >= from && (place - from).is_multiple_of(step) {
                request.details.order_number = "7".parse().unwrap();
            }
        }
    }

    #[test]
    fn a_list_contains_only_the_requests_in_the_callers_scope() {
        let (alice, bob): (AgentId, AgentId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let acme = || "acme".parse().unwrap();
        let supervisor = supervisor();
        let identity = Identity::Agent(Agent { id: alice.clone(), name: "Alice".parse().unwrap() });
        let agent = Caller { identity, ..supervisor.clone() };
        for (caller, asked, audience) in [
            (&supervisor, None, Some(Audience::Workspace(acme()))),
            (&supervisor, Some(&bob), Some(Audience::Agent(acme(), bob.clone()))),
            (&agent, None, Some(Audience::Agent(acme(), alice.clone()))),
            (&agent, Some(&alice), Some(Audience::Agent(acme(), alice.clone()))),
            (&agent, Some(&bob), None),
        ] {
            let store = FakeStore::of(1, |_, _| ());
            let page = store.list_for(caller, &Search { agent: asked.cloned(), ..search(Filter::default(), 25) });
            assert_eq!(page.items.len(), usize::from(audience.is_some()), "{asked:?}");
            let audiences: Vec<_> = store.listings().into_iter().map(|listing| listing.audience).collect();
            assert_eq!(audiences, audience.into_iter().collect::<Vec<_>>(), "{asked:?}");
        }
    }

    #[test]
    fn a_request_matches_a_filter_only_in_every_named_field() {
        let mut sent = request(Status::Sent, 1_000);
        sent.details.conversation_id = Some("c-981".parse().unwrap());
        let all = Filter {
            status: Some(Status::Sent),
            text: SearchText::read("thandi").unwrap(),
            order_number: Some("10045".parse().unwrap()),
            phone: Some(Phone::from_record("+27831234567").unwrap()),
            conversation_id: Some("c-981".parse().unwrap()),
        };
        assert!(all.matches(&sent, at(999)));
        assert!(Filter::default().matches(&sent, at(999)));
        for other in [
            Filter { status: Some(Status::Paid), ..all.clone() },
            Filter { text: SearchText::read("sipho").unwrap(), ..all.clone() },
            Filter { order_number: Some("1004".parse().unwrap()), ..all.clone() },
            Filter { order_number: Some(OrderNumber::from_record("10045 ").unwrap()), ..all.clone() },
            Filter { phone: Some(Phone::from_record("+2783123456").unwrap()), ..all.clone() },
            Filter { conversation_id: Some("C-981".parse().unwrap()), ..all.clone() },
        ] {
            assert!(!other.matches(&sent, at(999)), "{other:?}");
        }
    }

    #[test]
    fn a_request_without_a_conversation_matches_no_conversation() {
        let sent = request(Status::Sent, 1_000);
        let filter = Filter { conversation_id: Some("c-981".parse().unwrap()), ..Filter::default() };
        assert!(!filter.matches(&sent, at(0)));
    }

    #[test]
    fn a_link_past_its_deadline_is_sent_until_no_write_that_began_in_time_can_still_be_applied() {
        let deadline = at(1_000);
        let sent = request(Status::Sent, 1_000);
        let over = deadline.saturating_add(WRITE_GRACE);
        let status = |now: Timestamp| {
            let of = |status| Filter { status: Some(status), ..Filter::default() };
            let found = Status::ALL.into_iter().filter(|status| of(*status).matches(&sent, now));
            found.collect::<Vec<_>>()
        };
        for now in [at(0), deadline, over.saturating_sub(Duration::from_millis(1))] {
            assert_eq!((sent.status_at(now), status(now)), (Status::Sent, vec![Status::Sent]), "{now}");
        }
        for now in [over, over.saturating_add(Duration::from_hours(1))] {
            assert_eq!((sent.status_at(now), status(now)), (Status::Expired, vec![Status::Expired]), "{now}");
        }
    }

    #[test]
    fn the_pages_show_every_match_once_newest_first() {
        for (step, from) in [(1, 0), (2, 1), (7, 0), (100, 99), (197, 1_003), (5_000, 0), (5_000, 1_299)] {
            let store = FakeStore::of(1_300, every(step, from));
            let expected: Vec<_> = store.requests.iter().skip(from).step_by(step).map(|request| request.id).collect();
            for limit in [7, 25, 100] {
                let pages = store.pages(&search(order("7"), limit));
                assert!(pages.iter().all(|page| page.items.len() <= limit));
                let found: Vec<_> = pages.iter().flat_map(|page| &page.items).map(|request| request.id).collect();
                assert_eq!(found, expected, "one in {step} from {from} on, {limit} at a time");
            }
        }
    }

    #[test]
    fn without_a_filter_a_call_reads_only_what_it_returns() {
        let store = FakeStore::of(60, |_, _| ());
        let pages = store.pages(&search(Filter::default(), 25));
        assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [25, 25, 10]);
        assert_eq!(store.asked_for(), [25, 25, 25]);
    }

    #[test]
    fn with_a_filter_a_call_reads_1000_requests_in_growing_steps_and_returns_a_cursor() {
        let store = FakeStore::of(1_001, every(1_000, 1_000));
        let first = store.list(&search(order("7"), 25));
        assert_eq!((first.items.len(), first.next), (0, Some(Position::after(&store.requests[999]))));
        assert_eq!(store.asked_for(), [100, 200, 400, 300]);
        let second = store.list(&Search { after: first.next, ..search(order("7"), 25) });
        assert_eq!((second.items.len(), second.next), (1, None));
    }

    #[test]
    fn with_a_filter_nothing_is_read_beyond_a_full_page() {
        let store = FakeStore::of(1_000, every(2, 0));
        let page = store.list(&search(order("7"), 50));
        assert_eq!((page.items.len(), page.next.is_some()), (50, true));
        assert_eq!(store.asked_for(), [100]);
    }
}
