//! Makes the sums that reports over past days are read from, before somebody asks for such a report, or again.
//!
//! A report makes the sums that it needs itself, and is not ready until then. This does the same without a time limit.

use adapters::{DynamoDbStore, SumsTable};
use domain::ports::{KeptSums as _, StoreError};
use domain::sums::Period;
use domain::use_cases::sums::{Progress, Summing};
use domain::{Timestamp, WorkspaceId};
use runtime::{ConfigError, Environment};
use std::time::Duration;

/// The days to sum.
#[derive(Debug, Clone)]
pub struct Options {
    /// The workspace whose requests are summed.
    pub workspace: WorkspaceId,
    /// The first day, by any of its moments.
    pub from: Timestamp,
    /// The end: the day of this moment is summed only if the moment is not its beginning.
    pub to: Timestamp,
    /// Whether to drop what is kept first.
    pub again: bool,
}

/// The reason why the command stopped. It can be repeated: what is kept is not made again.
#[derive(Debug, thiserror::Error)]
pub enum SumError {
    /// An environment variable is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes and keeps the sums of these days that are closed, newest first. Calls `notify` after each day with the number
/// of hours and days that had to be made for it. Returns the number of days.
///
/// # Errors
/// [`SumError`] at the first failure. The sums of the days before it are kept.
pub async fn sum_reports(
    environment: &Environment,
    options: &Options,
    notify: &mut (impl FnMut(Period, Progress) + Send),
) -> Result<usize, SumError> {
    let (store, sums) = (DynamoDbStore::new(environment)?, SumsTable::new(environment)?);
    let (doors, workspace) = (environment.doors(), &options.workspace);
    let mut summed = 0;
    for day in days(options.from, options.to) {
        // A drop is as of now, and so is what is made after it.
        if options.again {
            for period in day.hours().chain([day]) {
                sums.drop_sums(workspace, period, false).await?;
            }
        }
        let now = doors.now();
        if day.is_closed(now) {
            let summing = Summing { lists: &store, kept: &sums, workspace, now };
            notify(day, summing.sums(&[day], &|| true).await?.progress);
            summed += 1;
        }
    }
    Ok(summed)
}

/// Returns the days that a range touches, newest first.
fn days(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Period> {
    let before = |moment: Timestamp| moment.saturating_sub(Duration::from_millis(1));
    let last = (from < to).then(|| Period::day_of(before(to)));
    std::iter::successors(last, move |day| (from < day.start()).then(|| Period::day_of(before(day.start()))))
}
