//! The use case that holds what a provider took and gave back against what is stored here.
//!
//! It works page by page. A page of the provider's list is held against the requests that it names, and a page of the
//! stored requests against the payments that the provider listed. So memory is bounded whatever the window's size.
//!
//! What settles by itself soon is no difference. The daily run therefore compares windows that ended at least
//! [`DAY_MARGIN`] ago. By then the reports of their payments have come, or never will. A second pass compares the same
//! windows [`LATE_MARGIN`] later, for payments and refunds that take days.

use super::UseCaseError;
use crate::difference::{Difference, DifferenceKind};
use crate::payment_request::PaymentRequest;
use crate::ports::{
    Place, ProviderPayment, Reads, Reconciliations, SettlementList, SettlementState, Settlements, Stage, StoreError,
    Window,
};
use crate::status::Status;
use crate::time::{Clock, Timestamp};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// How long ago a window ended when it is compared for the first time. A provider retries a report for hours, but one
/// that has not come within an hour is worth a look.
pub const DAY_MARGIN: Duration = Duration::from_hours(1);

/// How long ago a window ended when it is compared for the second time. The slowest of Stripe's methods, a SEPA direct
/// debit, is confirmed within 14 business days (<https://docs.stripe.com/payments/sepa-debit>).
pub const LATE_MARGIN: Duration = Duration::from_hours(21 * 24);

/// The longest window of one comparison.
pub const LONGEST_WINDOW: Duration = Duration::from_hours(24);

/// The shortest window that a run begins. Each window costs a scan of an index, so a run that is repeated within half a
/// day begins no new one.
pub const SHORTEST_WINDOW: Duration = Duration::from_hours(12);

/// The longest time from a request's creation to the customer's payment: the longest time limits of the link and of the
/// checkout, and the longest life of a checkout that could not be closed, a day each.
pub const CREATED_BEFORE_PAID: Duration = Duration::from_hours(3 * 24);

/// The greatest number of payments of which a comparison remembers that the provider listed them: about 16 MB. The
/// provider is asked for each of the others by its reference.
pub const LISTED_AT_MOST: usize = 1_000_000;

/// The number of pages that are listed once more by a run that goes on from a place: half a minute to five minutes. The
/// payments after these are asked for one by one, and each page of them keeps its place.
const LISTED_AGAIN_AT_MOST: usize = 300;

/// The passes of the daily run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The first comparison of a window.
    Day,
    /// The second comparison, when everything that takes days has settled.
    Late,
}

impl Pass {
    const ALL: [Self; 2] = [Self::Day, Self::Late];

    /// Returns how long ago the pass's windows ended.
    const fn margin(self) -> Duration {
        match self {
            Self::Day => DAY_MARGIN,
            Self::Late => LATE_MARGIN,
        }
    }

    /// Returns the name under which the pass keeps its place.
    #[must_use]
    pub fn name(self, provider: &str) -> String {
        match self {
            Self::Day => provider.to_owned(),
            Self::Late => format!("{provider}#late"),
        }
    }
}

/// A payment with the request that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The payment.
    pub payment: ProviderPayment,
    /// The request; `None` if it does not exist or cannot be read.
    pub request: Option<PaymentRequest>,
}

/// The result of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The window that is compared.
    pub window: Window,
    /// The page's stage.
    pub stage: Stage,
    /// The payments of the page, at most as many as the provider returns in one; for [`Stage::Requests`] none.
    pub compared: Vec<Compared>,
    /// The number of stored payments that were compared; for other stages 0.
    pub requests: usize,
    /// The number of values that this version does not know.
    pub unknown: usize,
    /// The differences, each confirmed by a second look at both sides.
    pub differences: Vec<Difference>,
    /// The place after the page.
    pub next: Place,
}

/// A comparison of one provider's payments with the requests of one window.
#[derive(Debug)]
pub struct Comparison<'a> {
    provider: &'a str,
    /// A request whose payment is older than this may have been deleted.
    kept_since: Timestamp,
    /// Digests of the payments that the provider has listed. An entry saves a call to the provider, and nothing else
    /// depends on it: a run that goes on from a place lists the payments once more.
    listed: HashSet<u64>,
    /// Whether the provider's payments have been listed from the window's beginning on.
    is_complete: bool,
}

impl<'a> Comparison<'a> {
    /// Builds a comparison. `provider` is the name in a payment. A request whose payment is older than `kept_since` may
    /// have been deleted, so it is not missing.
    #[must_use]
    pub fn new(provider: &'a str, kept_since: Timestamp) -> Self {
        Self { provider, kept_since, listed: HashSet::new(), is_complete: false }
    }

    /// Compares one page, and returns the place after it.
    ///
    /// # Errors
    /// The store or the provider failed; nothing was written, and the page can be compared again.
    pub async fn step(
        &mut self,
        store: &(impl Reconciliations + Reads),
        provider: &impl Settlements,
        clock: &impl Clock,
        place: &Place,
    ) -> Result<Step, UseCaseError> {
        let list = match place.stage {
            Stage::Payments => SettlementList::Payments,
            Stage::Refunds => SettlementList::Refunds,
            Stage::Disputes => SettlementList::Disputes,
            Stage::Requests => return self.requests(store, provider, clock, place).await,
            Stage::Done => return Ok(Step::empty(place)),
        };
        let page = provider.settlements(list, place.window, place.cursor.as_deref()).await?;
        if place.stage == Stage::Payments && place.cursor.is_none() {
            self.is_complete = true;
        }
        let ids: Vec<_> = page.payments.iter().map(|payment| payment.id).collect::<HashSet<_>>().into_iter().collect();
        let found = store.find_requests(&ids).await?;
        let (mut compared, mut differences) = (Vec::with_capacity(page.payments.len()), Vec::new());
        for payment in page.payments {
            self.remember(&payment);
            let request = found.requests.get(&payment.id).cloned();
            if !found.unreadable.contains(&payment.id) && !self.kinds(&payment, request.as_ref()).is_empty() {
                differences.extend(self.confirmed(store, provider, clock, &payment).await?);
            }
            compared.push(Compared { payment, request });
        }
        let next = place.after(page.next);
        let (window, stage) = (place.window, place.stage);
        Ok(Step { window, stage, compared, requests: 0, unknown: page.unknown, differences, next })
    }

    /// Holds one page of the stored requests against the payments at the provider.
    async fn requests(
        &mut self,
        store: &(impl Reconciliations + Reads),
        provider: &impl Settlements,
        clock: &impl Clock,
        place: &Place,
    ) -> Result<Step, UseCaseError> {
        let window = place.window;
        self.list_again(provider, window).await?;
        let created = Window { from: window.from.saturating_sub(CREATED_BEFORE_PAID), to: window.to };
        let page = store.requests_created(created, place.cursor.as_deref()).await?;
        let mut step = Step { next: place.after(page.next), ..Step::empty(place) };
        for request in page.requests {
            let Some(payment) = request.payment.as_ref().filter(|_| is_paid(request.status)) else { continue };
            if payment.provider != self.provider || !window.contains(payment.paid_at) {
                continue;
            }
            step.requests += 1;
            if self.listed.contains(&hash(&payment.reference)) {
                continue;
            }
            // Not listed: the provider's time lies in the next window, this run began later, or there is no payment.
            match provider.payment(&payment.reference).await? {
                Some(known) if known.state == SettlementState::Settled => {
                    if !self.kinds(&known, Some(&request)).is_empty() {
                        step.differences.extend(self.confirmed(store, provider, clock, &known).await?);
                    }
                }
                // It counts as not yet.
                Some(known) if known.state == SettlementState::Pending => {}
                known => {
                    step.differences.push(Difference {
                        kind: DifferenceKind::NotAtProvider,
                        provider: self.provider.to_owned(),
                        reference: payment.reference.clone(),
                        found_at: clock.now(),
                        paid_at: payment.paid_at,
                        id: request.id,
                        workspace: Some(request.workspace.clone()),
                        order_number: Some(request.details.order_number.clone()),
                        status: Some(request.status),
                        requested: Some(request.details.money),
                        paid: None,
                        refunded: known.and_then(|known| known.refunded),
                    });
                }
            }
        }
        Ok(step)
    }

    /// Lists the provider's payments once more if this run has not listed all of them: a page of 100 is one call, and
    /// without it each stored payment would be one.
    async fn list_again(&mut self, provider: &impl Settlements, window: Window) -> Result<(), UseCaseError> {
        if std::mem::replace(&mut self.is_complete, true) {
            return Ok(());
        }
        let mut cursor = None;
        for _ in 0..LISTED_AGAIN_AT_MOST {
            let page = provider.settlements(SettlementList::Payments, window, cursor.as_deref()).await?;
            page.payments.iter().for_each(|payment| self.remember(payment));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Remembers that the provider has listed a payment.
    fn remember(&mut self, payment: &ProviderPayment) {
        if payment.state == SettlementState::Settled && self.listed.len() < LISTED_AT_MOST {
            self.listed.insert(hash(&payment.reference));
        }
    }

    /// Looks at both sides once more, and returns the differences that remain. A refund or a report between the two
    /// reads of the page would otherwise look like a difference.
    async fn confirmed(
        &self,
        store: &impl Reads,
        provider: &impl Settlements,
        clock: &impl Clock,
        listed: &ProviderPayment,
    ) -> Result<Vec<Difference>, UseCaseError> {
        let payment = provider.payment(&listed.reference).await?;
        let payment = payment.as_ref().filter(|payment| payment.id == listed.id).unwrap_or(listed);
        let request = match store.get(payment.id).await {
            Ok(request) => request,
            // The store has counted it. Nothing is known of it, so nothing differs.
            Err(StoreError::Corrupt(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let request = request.as_ref();
        let found_at = clock.now();
        let difference = |kind| Difference {
            kind,
            provider: self.provider.to_owned(),
            reference: payment.reference.clone(),
            found_at,
            paid_at: payment.paid_at,
            id: payment.id,
            workspace: request.map(|request| request.workspace.clone()),
            order_number: request.map(|request| request.details.order_number.clone()),
            status: request.map(|request| request.status),
            requested: request.map(|request| request.details.money),
            paid: payment.money,
            refunded: payment.refunded,
        };
        Ok(self.kinds(payment, request).into_iter().map(difference).collect())
    }

    /// Returns in what ways a payment differs from its request.
    fn kinds(&self, payment: &ProviderPayment, request: Option<&PaymentRequest>) -> Vec<DifferenceKind> {
        // Money in flight is asked about until it has settled, and money that never came is nobody's.
        if payment.state != SettlementState::Settled {
            return Vec::new();
        }
        let mut kinds = Vec::new();
        kinds.extend(match request {
            None => self.of_missing(payment),
            Some(request) => self.of_request(payment, request),
        });
        if payment.disputed {
            kinds.push(DifferenceKind::Disputed);
        }
        kinds
    }

    fn of_missing(&self, payment: &ProviderPayment) -> Option<DifferenceKind> {
        let may_be_deleted = payment.paid_at < self.kept_since;
        (!may_be_deleted && !has_gone_back(payment)).then_some(DifferenceKind::NotRecorded)
    }

    fn of_request(&self, payment: &ProviderPayment, request: &PaymentRequest) -> Option<DifferenceKind> {
        let is_by_this_payment = request
            .payment
            .as_ref()
            .is_some_and(|own| own.provider == self.provider && own.reference == payment.reference);
        // Once such money has gone back as a whole, nothing is left of it to look at.
        if payment.money != Some(request.details.money) {
            return (is_by_this_payment || !has_gone_back(payment)).then_some(DifferenceKind::AmountDiffers);
        }
        if !is_by_this_payment {
            let in_flight = request.status == Status::Processing;
            return (!in_flight && !has_gone_back(payment)).then_some(DifferenceKind::NotRecorded);
        }
        match request.status {
            Status::Paid if payment.refunded.is_some() => Some(DifferenceKind::RefundedByPerson),
            Status::Refunded if !has_gone_back(payment) => Some(DifferenceKind::NotRefunded),
            // A refund that is due is under way, and has an alarm of its own.
            _ => None,
        }
    }
}

impl Step {
    fn empty(place: &Place) -> Self {
        Self {
            window: place.window,
            stage: place.stage,
            compared: Vec::new(),
            requests: 0,
            unknown: 0,
            differences: Vec::new(),
            next: place.clone(),
        }
    }
}

impl Place {
    /// Returns the beginning of a comparison.
    #[must_use]
    pub const fn start(window: Window) -> Self {
        Self { window, stage: Stage::Payments, cursor: None }
    }

    /// Returns the place after a page: the next page of its stage, or the beginning of the next stage.
    fn after(&self, next_page: Option<String>) -> Self {
        let stage = match self.stage {
            stage if next_page.is_some() => stage,
            Stage::Payments => Stage::Refunds,
            Stage::Refunds => Stage::Disputes,
            Stage::Disputes => Stage::Requests,
            Stage::Requests | Stage::Done => Stage::Done,
        };
        Self { window: self.window, stage, cursor: next_page }
    }
}

/// Returns whether a payment's money has gone back as a whole.
fn has_gone_back(payment: &ProviderPayment) -> bool {
    match (payment.refunded, payment.money) {
        (Some(refunded), Some(paid)) => refunded.amount >= paid.amount,
        _ => false,
    }
}

/// Returns whether a request in this status was paid at some time.
const fn is_paid(status: Status) -> bool {
    matches!(status, Status::Paid | Status::RefundDue | Status::Refunded)
}

fn hash(reference: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    reference.hash(&mut hasher);
    hasher.finish()
}

/// How a daily run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every window that may be compared is.
    CaughtUp,
    /// The run's time was over. The next run goes on from its place.
    TimeIsOver,
}

/// The settings of a daily run.
#[derive(Debug, Clone, Copy)]
pub struct DailyRun<'a> {
    /// The name of the provider.
    pub provider: &'a str,
    /// How long an ended request is kept.
    pub retention: Duration,
    /// How long the run may begin further pages.
    pub at_most: Duration,
}

/// Compares every window that may be compared and is not yet, in both passes. After each page it stores the new
/// differences, hands the page and them to `report`, and keeps the place. So a run that stops anywhere goes on from its
/// place: it misses nothing, and the page that it compares again adds nothing.
///
/// The late pass compares only windows whose requests are still stored.
///
/// # Errors
/// The store or the provider failed. The place is kept, and the next run goes on from there.
pub async fn reconcile(
    store: &(impl Reconciliations + Reads),
    provider: &impl Settlements,
    clock: &impl Clock,
    run: DailyRun<'_>,
    report: &mut (impl FnMut(&Step, &[Difference]) + Send),
) -> Result<Ended, UseCaseError> {
    let started = clock.now();
    for pass in Pass::ALL {
        if pass == Pass::Late && run.retention < LATE_MARGIN + 2 * LONGEST_WINDOW {
            continue;
        }
        let name = pass.name(run.provider);
        let mut kept = store.place(&name).await?;
        while let Some(mut place) = next_place(kept.as_ref(), started.saturating_sub(pass.margin())) {
            let mut comparison = Comparison::new(run.provider, started.saturating_sub(run.retention));
            while place.stage != Stage::Done {
                if clock.now().saturating_duration_since(started) >= run.at_most {
                    return Ok(Ended::TimeIsOver);
                }
                let step = comparison.step(store, provider, clock, &place).await?;
                let new = record(store, &step.differences).await?;
                report(&step, &new);
                place = step.next;
                store.keep_place(&name, &place).await?;
            }
            kept = Some(place);
        }
    }
    Ok(Ended::CaughtUp)
}

/// Stores differences, and returns those that were not stored before.
///
/// # Errors
/// The store failed.
pub async fn record(store: &impl Reconciliations, differences: &[Difference]) -> Result<Vec<Difference>, UseCaseError> {
    let mut new = Vec::new();
    for difference in differences {
        if store.record_difference(difference).await? {
            new.push(difference.clone());
        }
    }
    Ok(new)
}

/// Returns the place at which a run goes on: the kept one, or the beginning of the window after it, which ends at `end`
/// at the latest. Returns `None` if the run has caught up.
fn next_place(kept: Option<&Place>, end: Timestamp) -> Option<Place> {
    let from = match kept {
        Some(place) if place.stage != Stage::Done => return Some(place.clone()),
        Some(place) => place.window.to,
        None => end.saturating_sub(LONGEST_WINDOW),
    };
    let to = end.min(from.saturating_add(LONGEST_WINDOW));
    (to.saturating_duration_since(from) >= SHORTEST_WINDOW).then(|| Place::start(Window { from, to }))
}
