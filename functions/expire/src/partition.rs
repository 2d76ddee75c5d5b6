//! One partition of the index of what is due, as a run reads it: page by page, each request at its moment.

use domain::ports::{Due, DueIndex, DuePeriod, StoreError};
use domain::{Clock, Timestamp};
use futures::{Stream, stream};
use runtime::telemetry::chain;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long an entry may come late to the index, so that the next look up finds it only then.
const LATE: Duration = Duration::from_secs(10);

/// The pause before a page is read again that could not be read.
const AGAIN: Duration = Duration::from_secs(5);

/// The time that a run has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// What is due later is for a later run.
    pub(crate) end: Timestamp,
    /// The interval between two look ups.
    pub(crate) interval: Duration,
    /// When the run begins nothing new.
    pub(crate) stop_at: Instant,
}

/// A partition that is being read. It holds one page, however many requests are due.
pub(crate) struct Partition<'a, Index, Doors> {
    index: &'a Index,
    doors: &'a Doors,
    number: u8,
    times: Times,
    /// The earliest time that this look up is about.
    earliest: Timestamp,
    /// Why the page that is wanted could not be read.
    unread: Option<StoreError>,
    /// The entry that the next page begins after.
    after: Option<Due>,
    page: VecDeque<Due>,
    is_last_page: bool,
    next_look_up: Instant,
    /// The entries that were returned, and that another look up may find again.
    returned: HashSet<Due>,
}

impl<'a, Index: DueIndex, Doors: Clock> Partition<'a, Index, Doors> {
    pub(crate) fn new(index: &'a Index, doors: &'a Doors, number: u8, times: Times) -> Self {
        Self {
            index,
            doors,
            number,
            times,
            earliest: times.end.saturating_sub(Duration::MAX),
            unread: None,
            after: None,
            page: VecDeque::new(),
            is_last_page: false,
            next_look_up: Instant::now() + times.interval,
            returned: HashSet::new(),
        }
    }

    /// Returns the requests of the partition, each when it is due; at the end, the error of a page that was never read.
    pub(crate) fn due(self) -> impl Stream<Item = Result<Due, StoreError>> + Send + use<'a, Index, Doors> {
        stream::unfold(self, |mut partition| async move { partition.next().await.map(|due| (due, partition)) })
    }

    /// Waits until the next request is due, and returns it; `None` at the end of the run.
    async fn next(&mut self) -> Option<Result<Due, StoreError>> {
        while Instant::now() < self.times.stop_at {
            if let Some(due) = self.page.front().copied() {
                let left = due.due_at.saturating_duration_since(self.doors.now());
                if !left.is_zero() {
                    // The timer runs on another clock, which may be slightly ahead of the one that judges deadlines.
                    self.wait_until(Instant::now() + left).await;
                    continue;
                }
                self.page.pop_front();
                if self.remember(due) {
                    return Some(Ok(due));
                }
            } else if !self.is_last_page {
                self.read_page().await;
                if self.unread.is_some() {
                    self.wait_until(Instant::now() + AGAIN).await;
                }
            } else if self.has_another_look_up() {
                self.wait_until(self.next_look_up).await;
            } else {
                break;
            }
        }
        self.unread.take().map(Err)
    }

    async fn read_page(&mut self) {
        let period = DuePeriod { earliest: self.earliest, latest: self.times.end };
        match self.index.due(self.number, period, self.after).await {
            Ok(page) => {
                self.is_last_page = page.len() < Index::PAGE;
                self.after = page.last().copied();
                self.page = page.into();
                self.unread = None;
            }
            Err(error) => {
                tracing::warn!(partition = self.number, cause = chain(&error), "due requests not read: again soon");
                self.unread = Some(error);
            }
        }
    }

    /// Waits until a moment, until the run stops, or until the partition has to be looked up again, which it then is.
    /// A request can be created and become due while a run waits for another one.
    async fn wait_until(&mut self, moment: Instant) {
        let look_up = self.has_another_look_up().then_some(self.next_look_up);
        sleep_until(look_up.unwrap_or(moment).min(moment).min(self.times.stop_at)).await;
        let now = Instant::now();
        if look_up.is_none_or(|look_up| now < look_up) {
            return;
        }
        // All that was due before has been returned, but for what comes late to the index and what was not read yet.
        if self.unread.is_none() {
            let usual = self.doors.now().saturating_sub(LATE);
            self.earliest = self.page.front().map_or(usual, |due| usual.min(due.due_at));
            self.returned.retain(|due| due.due_at >= self.earliest);
        }
        self.after = None;
        self.page.clear();
        self.is_last_page = false;
        self.next_look_up = now + self.times.interval;
    }

    /// Returns whether the next look up is before the end of the run, so that the run is to wait for it.
    fn has_another_look_up(&self) -> bool {
        let left = self.next_look_up.saturating_duration_since(Instant::now());
        self.doors.now().saturating_add(left) < self.times.end
    }

    /// Remembers an entry if it may be found again. Returns whether it has not been returned before.
    fn remember(&mut self, due: Due) -> bool {
        let is_found_again = due.due_at >= self.doors.now().saturating_sub(LATE) && self.has_another_look_up();
        if is_found_again { self.returned.insert(due) } else { !self.returned.contains(&due) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Status;
    use futures::StreamExt as _;
    use std::ops::Range;
    use std::sync::Mutex;

    const START: i64 = 1_767_600_000_000;

    /// The time since the test began, as the clock and the timers of a paused runtime have it.
    struct PausedClock(Instant);

    impl Clock for PausedClock {
        fn now(&self) -> Timestamp {
            at(i64::try_from(self.0.elapsed().as_millis()).unwrap())
        }
    }

    /// Returns a moment of the test, in milliseconds from its start.
    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(START + milliseconds).unwrap()
    }

    /// An index with pages of three entries, in the order of DynamoDB: by the range key, then by the table's key.
    #[derive(Default)]
    struct Index {
        entries: Mutex<Vec<Due>>,
        /// How many pages are not read.
        failures: Mutex<usize>,
    }

    impl Index {
        fn with(moments: impl IntoIterator<Item = i64>) -> Self {
            let index = Self::default();
            moments.into_iter().for_each(|moment| index.add(moment));
            index
        }

        fn add(&self, moment: i64) {
            let mut entries = self.entries.lock().unwrap();
            let number = entries.len();
            let id = format!("01980000-0000-7000-8000-{number:012x}").parse().unwrap();
            entries.push(Due { id, due_at: at(moment) });
        }
    }

    fn place(due: &Due) -> (Timestamp, [u8; 16]) {
        (due.due_at, *due.id.as_bytes())
    }

    impl DueIndex for Index {
        const PAGE: usize = 3;

        fn partitions(&self) -> Range<u8> {
            0..1
        }

        async fn due(&self, _: u8, period: DuePeriod, after: Option<Due>) -> Result<Vec<Due>, StoreError> {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(StoreError::Unavailable("it is away".into()));
            }
            let mut entries = self.entries.lock().unwrap().clone();
            entries.retain(|due| (period.earliest..=period.latest).contains(&due.due_at));
            entries.retain(|due| after.is_none_or(|after| place(due) > place(&after)));
            entries.sort_by_key(place);
            entries.truncate(Self::PAGE);
            Ok(entries)
        }

        async fn waiting(&self) -> Result<Vec<(Status, usize)>, StoreError> {
            Ok(vec![])
        }
    }

    fn times(interval: u64) -> Times {
        Times {
            end: at(60_000),
            interval: Duration::from_secs(interval),
            stop_at: Instant::now() + Duration::from_secs(62),
        }
    }

    /// Reads a partition to its end: when each entry was returned, and when it was due, in milliseconds.
    async fn run(index: &Index, times: Times) -> Vec<(i64, Option<i64>)> {
        let clock = PausedClock(Instant::now());
        let partition = Partition::new(index, &clock, 0, times);
        let moment = |time: Timestamp| time.as_milliseconds() - START;
        partition.due().map(|due| (moment(clock.now()), due.ok().map(|due| moment(due.due_at)))).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_is_returned_once_when_it_is_due_however_many_pages_there_are() {
        let overdue = (0..20).map(|number| -1_000 * number);
        let index = Index::with(overdue.chain([5_000, 59_999, 60_000, 60_001]));
        let returned = run(&index, times(60)).await;
        assert_eq!(returned.len(), 23, "what is due after the end is for the next run: {returned:?}");
        for (when, due) in returned {
            assert_eq!(when, due.unwrap().max(0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_may_be_due_at_the_same_moment() {
        let index = Index::with([7_000; 50]);
        assert_eq!(run(&index, times(60)).await, vec![(7_000, Some(7_000)); 50]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_created_while_the_run_waits_is_returned_when_it_is_due() {
        let index = Index::with([-20_000, 100, 50_000]);
        let create = async {
            sleep_until(Instant::now() + Duration::from_millis(2_500)).await;
            index.add(4_000);
        };
        let (returned, ()) = futures::join!(run(&index, times(1)), create);
        let expected = [(0, -20_000), (100, 100), (4_000, 4_000), (50_000, 50_000)];
        assert_eq!(returned, expected.map(|(when, due)| (when, Some(due))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_read_again_soon() {
        for interval in [3, 60] {
            let index = Index::with([-90_000, -80_000, -70_000, -60_000, 30_000]);
            *index.failures.lock().unwrap() = 2;
            let returned = run(&index, times(interval)).await;
            let when = if interval == 3 { 6_000 } else { 10_000 };
            let overdue = [-90_000, -80_000, -70_000, -60_000].map(|due| (when, Some(due)));
            assert_eq!(returned, [&overdue[..], &[(30_000, Some(30_000))]].concat(), "{interval}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_could_not_read_everything_ends_with_the_error() {
        let index = Index::with([1_000]);
        *index.failures.lock().unwrap() = usize::MAX;
        assert_eq!(run(&index, times(60)).await, [(62_000, None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_begins_nothing_new_after_its_time() {
        let index = Index::with([1_000, 30_000]);
        let stop_at = Instant::now() + Duration::from_secs(20);
        assert_eq!(run(&index, Times { stop_at, ..times(60) }).await, [(1_000, Some(1_000))]);
    }
}
