//! Compares what the provider took and gave back in any window with the table, as the function `reconcile` does for the
//! past days, and exports the settled payments.

pub mod csv;

use adapters::{ConfiguredProvider, DynamoDbStore, ProviderName};
use csv::Export;
use domain::ports::{Place, ProviderError, SettlementState, Settlements as _, Stage, Window};
use domain::use_cases::UseCaseError;
use domain::use_cases::reconcile::{Comparison, DAY_MARGIN, Step, record};
use domain::{Difference, Timestamp};
use runtime::{ConfigError, Environment};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The time after a payment within which its payout is looked for.
const PAID_OUT_WITHIN: Duration = Duration::from_hours(31 * 24);

/// What to compare, and what to do with the result.
#[derive(Debug, Clone)]
pub struct Options {
    /// The window of the payments, refunds and disputes.
    pub window: Window,
    /// The file for the settled payments; an existing one is replaced.
    pub csv: Option<PathBuf>,
    /// Whether to report the differences without storing them.
    pub dry_run: bool,
}

/// What has been compared so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// The pages.
    pub pages: usize,
    /// The provider's payments, those of refunds and disputes included.
    pub payments: usize,
    /// The stored payments.
    pub requests: usize,
    /// The differences.
    pub differences: usize,
    /// The differences that were not stored before; with a dry run 0.
    pub new: usize,
    /// The values that this version does not know.
    pub unknown: usize,
}

/// Something to tell the operator.
#[derive(Debug)]
pub enum Notice<'a> {
    /// One more page is compared.
    Progress(Stage, Totals),
    /// A difference was found. Holds whether it was stored for the first time.
    Difference(&'a Difference, bool),
}

/// The reason why a comparison stopped. It can be repeated: nothing is reported twice.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// An environment variable is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The window is empty, or has not been over for long enough.
    #[error(
        "the window must end after it begins, and at least an hour ago ({latest}): reports may be in flight until then"
    )]
    Window {
        /// The latest end of a window.
        latest: Timestamp,
    },
    /// The provider or the store failed.
    #[error(transparent)]
    UseCase(#[from] UseCaseError),
    /// The provider failed while its payouts were read.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The file cannot be written.
    #[error("the file for the payments cannot be written: {0}")]
    File(#[from] io::Error),
}

/// Compares a window, page by page. Memory does not grow with the window, but for 13 bytes of each difference and 100
/// of each payment that was paid out, and the latter only for an export.
///
/// # Errors
/// [`WindowError`]
pub async fn reconcile_window(
    environment: &Environment,
    options: &Options,
    notify: &mut (impl FnMut(Notice<'_>) + Send),
) -> Result<Totals, WindowError> {
    let (store, provider) = (DynamoDbStore::new(environment)?, ConfiguredProvider::new(environment)?);
    let name = ProviderName::from_environment(environment)?;
    let retention = runtime::config::retention(environment)?;
    let (doors, window) = (environment.doors(), options.window);
    let latest = doors.now().saturating_sub(DAY_MARGIN);
    if window.from >= window.to || window.to > latest {
        return Err(WindowError::Window { latest });
    }
    let mut export = match &options.csv {
        None => None,
        Some(path) => {
            let paid_out = Window { from: window.from, to: window.to.saturating_add(PAID_OUT_WITHIN).min(doors.now()) };
            Some((Export::create(path, name.as_str())?, payouts(&provider, paid_out).await?))
        }
    };
    let mut comparison = Comparison::new(name.as_str(), doors.now().saturating_sub(retention));
    let (mut place, mut totals, mut found) = (Place::start(window), Totals::default(), HashSet::new());
    while place.stage != Stage::Done {
        let step = comparison.step(&store, &provider, &doors, &place).await?;
        let new = if options.dry_run { Vec::new() } else { record(&store, &step.differences).await? };
        // A payment that was refunded or disputed within the window is in two lists.
        let once: Vec<&Difference> = step.differences.iter().filter(|one| found.insert(one.digest())).collect();
        for difference in &once {
            notify(Notice::Difference(difference, new.contains(difference)));
        }
        totals.count(&step, once.len(), new.len());
        if let (Some((file, payouts)), Stage::Payments) = (&mut export, step.stage) {
            for compared in &step.compared {
                if compared.payment.state == SettlementState::Settled {
                    let entry = compared.payment.balance_entry.as_ref();
                    file.write(compared, entry.and_then(|entry| payouts.get(entry)).map(AsRef::as_ref))?;
                }
            }
        }
        notify(Notice::Progress(step.stage, totals));
        place = step.next;
    }
    if let Some((file, _)) = export {
        file.finish()?;
    }
    Ok(totals)
}

impl Totals {
    fn count(&mut self, step: &Step, differences: usize, new: usize) {
        self.pages += 1;
        self.payments += step.compared.len();
        self.requests += step.requests;
        self.differences += differences;
        self.new += new;
        self.unknown += step.unknown;
    }
}

/// Returns the payout of each entry of the account's balance that was paid out in the window.
async fn payouts(provider: &ConfiguredProvider, window: Window) -> Result<HashMap<String, Arc<str>>, ProviderError> {
    let (mut found, mut place): (HashMap<String, Arc<str>>, _) = (HashMap::new(), None);
    loop {
        let page = provider.payouts(window, place.as_deref()).await?;
        // All entries of a page belong to one payout.
        if let Some(first) = page.entries.first() {
            let payout: Arc<str> = Arc::from(first.payout.as_str());
            found.extend(page.entries.into_iter().map(|entry| (entry.balance_entry, Arc::clone(&payout))));
        }
        place = page.next;
        if place.is_none() {
            return Ok(found);
        }
    }
}
