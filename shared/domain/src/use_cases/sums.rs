//! The use case that makes the sums of closed periods, and keeps them.

use crate::people::{Audience, WorkspaceId};
use crate::ports::{Kept, KeptSums, Listing, Lists, StoreError};
use crate::sums::{INDEX_LAG, MadeSums, Period, Sums};
use crate::time::Timestamp;
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, HashMap};

/// The number of requests that one read returns.
const PAGE: usize = 1_000;

/// The number of periods that are summed at the same time.
const AT_ONCE: usize = 8;

/// Sums the closed periods of one workspace, as of one moment.
pub struct Summing<'a, L, K> {
    /// The requests.
    pub lists: &'a L,
    /// The sums that are kept.
    pub kept: &'a K,
    /// The workspace.
    pub workspace: &'a WorkspaceId,
    /// The moment, which was read from the clock before anything is read from the store.
    pub now: Timestamp,
}

/// What summing closed periods led to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summed {
    /// The sums of every period that is complete.
    pub sums: BTreeMap<Period, Sums>,
    /// How much of it had to be made.
    pub progress: Progress,
}

/// The numbers of hours and days that had to be summed from their requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Those that were summed.
    pub made: usize,
    /// Those that are still to be summed, because the time was over.
    pub left: usize,
}

/// The hours and days that are known so far.
type Known = HashMap<Period, MadeSums>;

/// What is stored about periods, as it was read before anything was made.
type Items = HashMap<Period, Kept>;

/// How summing one period from its requests ended.
enum Making {
    Made(MadeSums),
    /// The day has more requests than one read returns.
    TooMany,
    /// The time was over.
    Left,
}

impl<L: Lists, K: KeptSums> Summing<'_, L, K> {
    /// Returns the sums of these closed periods. Those that are not kept are made of their requests, and kept. Before
    /// each period that is to be made, `may_go_on` decides whether there is still time; what is made until then is
    /// kept.
    ///
    /// A day is made at once if one read returns all of its requests. Otherwise it is made of its hours, each of which
    /// is kept too: then a late change makes no more than one hour be read again.
    ///
    /// A day's own item is read before its hours are, and a change drops its hour before its day. So whoever still
    /// reads an hour's old sums has read the day's item before it is dropped, and keeps no sums of the day.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sums(&self, periods: &[Period], may_go_on: &(impl Fn() -> bool + Sync)) -> Result<Summed, StoreError> {
        let mut items = self.kept.read_sums(self.workspace, periods).await?;
        let mut known = Known::new();
        let (days, mut hours) = self.take_known(periods, &items, &mut known);
        // Of a day that was never summed, no hours are kept, unless somebody read a part of it.
        let (mut of_hours, mut at_once): (Vec<Period>, Vec<Period>) =
            days.iter().partition(|day| items.contains_key(day));
        hours.extend(self.take_hours(&mut of_hours, &mut at_once, &mut items, &mut known).await?);
        let mut progress = self.make_of_hours(&of_hours, &hours, &items, &mut known, may_go_on).await?;
        // A few days at a time, each with its hours: what was begun is then kept when the time is over.
        for some in at_once.chunks(AT_ONCE) {
            let mut too_many = Vec::new();
            for (day, making) in self.make_all(some, &items, may_go_on).await? {
                match making {
                    Making::TooMany => too_many.push(day),
                    making => progress.count(day, making, &mut known),
                }
            }
            let rest: Vec<Period> = too_many.iter().copied().flat_map(Period::hours).collect();
            items.extend(self.read(&rest).await?);
            let (_, hours) = self.take_known(&rest, &items, &mut known);
            progress.add(self.make_of_hours(&too_many, &hours, &items, &mut known, may_go_on).await?);
        }
        let sums = periods.iter().filter_map(|period| Some((*period, known.remove(period)?.sums))).collect();
        Ok(Summed { sums, progress })
    }

    /// Makes and keeps these hours, and then those of the days whose hours are all known.
    async fn make_of_hours(
        &self,
        days: &[Period],
        hours: &[Period],
        items: &Items,
        known: &mut Known,
        may_go_on: &(impl Fn() -> bool + Sync),
    ) -> Result<Progress, StoreError> {
        let mut progress = Progress::default();
        for (hour, making) in self.make_all(hours, items, may_go_on).await? {
            progress.count(hour, making, known);
        }
        let made: Vec<_> = days.iter().filter_map(|day| Some((*day, day_of_hours(*day, known)?))).collect();
        for some in made.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|(day, made)| self.keep(*day, items, made))).await?;
        }
        known.extend(made);
        Ok(progress)
    }

    /// Reads the hours of these days. Returns those that are missing. A day of which none is kept is made at once.
    async fn take_hours(
        &self,
        of_hours: &mut Vec<Period>,
        at_once: &mut Vec<Period>,
        items: &mut Items,
        known: &mut Known,
    ) -> Result<Vec<Period>, StoreError> {
        let hours: Vec<Period> = of_hours.iter().copied().flat_map(Period::hours).collect();
        items.extend(self.read(&hours).await?);
        let mut missing = self.take_known(&hours, items, known).1;
        at_once.extend(of_hours.extract_if(.., |day| day.hours().all(|hour| !known.contains_key(&hour))));
        missing.retain(|hour| of_hours.contains(&Period::day_of(hour.start())));
        Ok(missing)
    }

    async fn read(&self, periods: &[Period]) -> Result<Items, StoreError> {
        if periods.is_empty() { Ok(Items::new()) } else { self.kept.read_sums(self.workspace, periods).await }
    }

    /// Adds the periods whose sums are kept and valid to `known`, and returns the days and the hours that are missing.
    fn take_known(&self, periods: &[Period], items: &Items, known: &mut Known) -> (Vec<Period>, Vec<Period>) {
        let mut missing = (Vec::new(), Vec::new());
        for period in periods {
            let kept = items.get(period).filter(|kept| kept.valid_until.is_none_or(|until| self.now < until));
            match kept.and_then(|kept| Some((kept.sums.clone()?, kept.valid_until))) {
                Some((sums, valid_until)) => {
                    known.insert(*period, MadeSums { sums, valid_until, is_final: true });
                }
                None if period.is_day() => missing.0.push(*period),
                None => missing.1.push(*period),
            }
        }
        missing
    }

    /// Makes and keeps the sums of these periods, several at once, while there is time.
    async fn make_all(
        &self,
        periods: &[Period],
        items: &Items,
        may_go_on: &(impl Fn() -> bool + Sync),
    ) -> Result<Vec<(Period, Making)>, StoreError> {
        let make = |period: Period| async move {
            let making = if may_go_on() { self.make(period).await? } else { Making::Left };
            if let Making::Made(made) = &making {
                self.keep(period, items, made).await?;
            }
            Ok((period, making))
        };
        stream::iter(periods.iter().copied().map(make)).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Sums the requests of a period, page by page. Of a day, it reads one page at most.
    async fn make(&self, period: Period) -> Result<Making, StoreError> {
        let mut made = MadeSums::default();
        let mut listing = listing(self.workspace, period.start(), period.end());
        loop {
            let listed = self.lists.list(&listing).await?;
            made.is_final &= listed.unreadable == 0;
            made.limit(listed.deleted_from);
            for request in &listed.requests {
                made.add(request, self.now);
            }
            match listed.next {
                None => return Ok(Making::Made(made)),
                Some(_) if period.is_day() => return Ok(Making::TooMany),
                next => listing.after = next,
            }
        }
    }

    /// Keeps sums, if they are right for as long as nobody drops them.
    ///
    /// Whether they are kept makes no difference to this report. If they were dropped meanwhile, they are as old as the
    /// moment, and the next report makes them again.
    async fn keep(&self, period: Period, items: &Items, made: &MadeSums) -> Result<(), StoreError> {
        let unknown = Kept::default();
        let read = items.get(&period).unwrap_or(&unknown);
        let is_listed = read.inserted_at.is_none_or(|at| self.now >= at.saturating_add(INDEX_LAG));
        let is_valid = made.valid_until.is_none_or(|until| self.now < until);
        if made.is_final && is_listed && is_valid {
            self.kept.keep_sums(self.workspace, period, read, made).await?;
        }
        Ok(())
    }
}

/// Returns the sums of a day, if all of its hours are known.
fn day_of_hours(day: Period, known: &Known) -> Option<MadeSums> {
    let mut made = MadeSums::default();
    for hour in day.hours() {
        made.add_older(known.get(&hour)?);
    }
    Some(made)
}

impl Progress {
    fn add(&mut self, other: Self) {
        self.made += other.made;
        self.left += other.left;
    }

    fn count(&mut self, period: Period, making: Making, known: &mut Known) {
        if let Making::Made(made) = making {
            self.made += 1;
            known.insert(period, made);
        } else {
            self.left += 1;
        }
    }
}

/// Returns the first page of the requests of a workspace that were created at or after `from` and before `to`.
pub(super) fn listing(workspace: &WorkspaceId, from: Timestamp, to: Timestamp) -> Listing {
    Listing { audience: Audience::Workspace(workspace.clone()), from, to, after: None, limit: PAGE }
}
