//! The transition table: the only definition of what may happen to a payment request.
//!
//! [`TRANSITIONS`] is the table of the specification. The use cases decide by it, and the store derives from it the
//! condition of every write, so that the two cannot disagree.

use crate::delivery::DeliveryFailure;
use crate::fact::Fact;
use crate::id::OperationId;
use crate::limits::FIRST_LOOK;
use crate::money::Money;
use crate::payment_request::{HistoryEntry, Payment, PaymentRequest};
use crate::people::{Actor, Scope};
use crate::status::Status;
use crate::text::Reason;
use crate::time::Timestamp;
use std::time::Duration;

/// Something that a person, the provider or the system wants to happen to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The customer continues to the payment page.
    Click {
        /// How long the payment page stays open.
        checkout_limit: Duration,
    },
    /// The agent cancels the request.
    Cancel,
    /// The deadline of a request that nobody clicked has passed.
    ExpireUnclicked,
    /// A clicked request's deadline has passed without a payment, and the provider has closed its checkout.
    ExpireUnpaid(CheckoutClosed),
    /// The provider reports that the customer has done their part of a payment, and that the money is in flight.
    Process {
        /// The payment.
        payment: Payment,
        /// The amount and its currency.
        money: Money,
    },
    /// The provider reports that money has arrived.
    Pay {
        /// The payment. Its time is the latest at which the customer can have done their part.
        payment: Payment,
        /// The earliest such time; the same if the provider says exactly when it was. The command changes nothing while
        /// the deadline lies between the two, where it matters.
        earliest: Timestamp,
        /// Whether both times are an assumption: the provider does not say when the customer paid, and nobody saw the
        /// money in flight in time.
        is_assumed: bool,
        /// The amount and its currency. They must equal those of the request, otherwise the command changes nothing.
        money: Money,
    },
    /// The provider reports that the money will not come: a payment that the customer had done their part of has
    /// failed.
    FailPayment {
        /// The provider.
        provider: String,
        /// The provider's own identifier of the payment.
        reference: String,
        /// Whether the customer may still pay on the page, because the provider's pages never close.
        page_is_open: bool,
    },
    /// The provider reports a failed attempt to pay. The customer may try again.
    RecordFailedAttempt {
        /// The reason, in the provider's words.
        reason: Option<Reason>,
    },
    /// The provider has sent the late money back.
    CompleteRefund,
    /// The message with the link did not reach the customer. The link itself stays valid.
    RecordFailedDelivery {
        /// The reason that the channel gives.
        reason: DeliveryFailure,
    },
}

/// The kinds of [`Command`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// [`Command::Click`]
    Click,
    /// [`Command::Cancel`]
    Cancel,
    /// [`Command::ExpireUnclicked`]
    ExpireUnclicked,
    /// [`Command::ExpireUnpaid`]
    ExpireUnpaid,
    /// [`Command::Process`]
    Process,
    /// [`Command::Pay`]
    Pay,
    /// [`Command::FailPayment`]
    FailPayment,
    /// [`Command::RecordFailedAttempt`]
    RecordFailedAttempt,
    /// [`Command::CompleteRefund`]
    CompleteRefund,
    /// [`Command::RecordFailedDelivery`]
    RecordFailedDelivery,
}

impl Command {
    /// Returns the command's kind.
    #[must_use]
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::Click { .. } => CommandKind::Click,
            Self::Cancel => CommandKind::Cancel,
            Self::ExpireUnclicked => CommandKind::ExpireUnclicked,
            Self::ExpireUnpaid(_) => CommandKind::ExpireUnpaid,
            Self::Process { .. } => CommandKind::Process,
            Self::Pay { .. } => CommandKind::Pay,
            Self::FailPayment { .. } => CommandKind::FailPayment,
            Self::RecordFailedAttempt { .. } => CommandKind::RecordFailedAttempt,
            Self::CompleteRefund => CommandKind::CompleteRefund,
            Self::RecordFailedDelivery { .. } => CommandKind::RecordFailedDelivery,
        }
    }

    /// Returns the payment that the command reports as arrived or in flight, with the amount.
    #[must_use]
    pub const fn payment(&self) -> Option<(&Payment, Money)> {
        match self {
            Self::Process { payment, money } | Self::Pay { payment, money, .. } => Some((payment, *money)),
            _ => None,
        }
    }
}

/// The proof that an unpaid request may expire. It exists only after the provider was asked, or after the provider has
/// been unavailable for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckoutClosed {
    is_certain: bool,
    /// Whether the provider said at or after the deadline that nobody had paid yet, on a page that stays open.
    is_unpaid: bool,
}

impl CheckoutClosed {
    /// Builds the proof from the provider's confirmation that nobody can pay on the checkout any more.
    pub(crate) const fn confirmed() -> Self {
        Self { is_certain: true, is_unpaid: false }
    }

    /// Builds the proof from the provider's word that nobody has paid yet, on a page that it cannot close. Whoever pays
    /// on it from now on is late.
    pub(crate) const fn unpaid() -> Self {
        Self { is_certain: false, is_unpaid: true }
    }

    /// Builds the proof from the provider's word that nothing was paid in time, where money is coming: the customer
    /// paid too late and the money is in flight, or a report says that money has arrived.
    pub(crate) const fn open_ended() -> Self {
        Self { is_certain: false, is_unpaid: false }
    }

    /// Builds the proof without confirmation, if [`crate::limits::PROVIDER_GRACE`] has passed since the deadline;
    /// `None` before that.
    pub(crate) fn unconfirmed(request: &PaymentRequest, now: Timestamp) -> Option<Self> {
        (!request.may_wait_for_provider(now)).then_some(Self::open_ended())
    }
}

/// A command with its author, its time, the requests that it reaches, and its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The command.
    pub command: Command,
    /// The time of the change by the clock of its author. Deadlines are compared with it; the history has
    /// [`Self::recorded_at`].
    pub at: Timestamp,
    /// The person or system that makes the change.
    pub actor: Actor,
    /// The identifier by which a retry of the change is recognized.
    pub operation: OperationId,
    /// The requests that the change can reach.
    pub scope: Scope,
}

impl Change {
    /// Builds a change by the system, the customer or the provider. Such a change can reach every request.
    #[must_use]
    pub fn new(command: Command, at: Timestamp, actor: Actor, operation: OperationId) -> Self {
        Self { command, at, actor, operation, scope: Scope::Everything }
    }
}

/// A condition of a transition, besides the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The command's time is before the deadline.
    BeforeDeadline,
    /// The command's time is at or after the deadline.
    DeadlinePassed,
    /// The provider's time of the payment is not after the deadline.
    PaidInTime,
    /// The provider's time of the payment is after the deadline, even if it was as early as it can have been.
    PaidLate,
    /// The provider has not reported this payment as failed ([`Fact::PaymentFailed`]). Its reports come in any order,
    /// and a request that waits for a failed payment would never end.
    NotFailed,
    /// The provider did not say at or after the deadline that nobody had paid yet ([`Fact::UnpaidAtDeadline`]). Of a
    /// payment in flight a provider may only say that it is not older than its page.
    NotSeenUnpaid,
    /// The payment is the one in flight, made again in another way and at a known time. Another payment is a second
    /// one, and goes back by itself.
    ReplacesInFlight,
    /// The history has room for another failed attempt. Without this bound, repeated attempts with a bad card could
    /// grow a request until it is too large to be written, and then it could not be paid either.
    RoomForAttempt,
}

/// The number of history entries from which on failed attempts are logged but no longer recorded.
pub const ATTEMPTS_END_AT: u16 = 100;

/// A bound of how often a request changes its status: clicked, expired, processing, expired, refund due, refunded, and
/// some to spare. A write that loses more races than this indicates a defect.
pub const STATUS_CHANGES_AT_MOST: usize = 8;

/// The history's reason when a request ends because the payment in flight failed.
pub const PAYMENT_FAILED: &str = "payment_failed";

/// One row of the transition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The stored status before the transition.
    pub from: Status,
    /// The command that causes it.
    pub on: CommandKind,
    /// The guards, all of which must hold.
    pub when: &'static [Guard],
    /// The status after the transition.
    pub to: Status,
    /// The reason to record in the history, unless the command brings its own.
    pub reason: Option<&'static str>,
}

const fn row(from: Status, on: CommandKind, when: &'static [Guard], to: Status) -> Transition {
    Transition { from, on, when, to, reason: None }
}

const fn because(
    from: Status,
    on: CommandKind,
    when: &'static [Guard],
    to: Status,
    reason: &'static str,
) -> Transition {
    Transition { from, on, when, to, reason: Some(reason) }
}

/// Every transition; any other command changes nothing. For one status and command, the guards of at most one row hold.
///
/// A payment that takes time is judged by when the customer did their part, like an instant payment:
///
/// - A `Clicked` request may be past its deadline, until its checkout is closed. A payment on it counts if the customer
///   was in time. So its end does not depend on what came first, the report of a late payment or the expiry.
/// - An `Expired` request for which money is in flight expired without the provider's confirmation. If the customer was
///   in time, it moves on: otherwise the agent would read that it has expired, and send another link, while the money
///   is in flight. If the customer was late, nothing changes until the money arrives, and then it is refunded.
/// - A `Processing` request was judged when its money was seen in flight, so its payment comes with the customer's
///   time. If that payment fails unseen, and the customer pays on the same page in another way, the new time decides.
/// - `Sent` and `Canceled` have no such row, because no checkout exists before the click, and only a `Sent` becomes
///   `Canceled`. If money arrives for them all the same, `Pay` accepts it.
///
/// A delivery can fail only while the request is `Sent`. After the click the customer has the link, and after the end
/// nobody needs it. There is at most one such entry, because its identifier is derived from the one event that carries
/// the link.
///
/// A payment that fails where `FailPayment` has no row is remembered as a fact alone ([`Fact::PaymentFailed`]), so that
/// `NotFailed` can check for it.
#[rustfmt::skip]
pub const TRANSITIONS: &[Transition] = {
    use CommandKind::{
        Cancel, Click, CompleteRefund, ExpireUnclicked, ExpireUnpaid, FailPayment, Pay, Process, RecordFailedAttempt,
        RecordFailedDelivery,
    };
    use Guard::{
        BeforeDeadline, DeadlinePassed, NotFailed, NotSeenUnpaid, PaidInTime, PaidLate, ReplacesInFlight,
        RoomForAttempt,
    };
    use Status::{Canceled, Clicked, Expired, Paid, Processing, RefundDue, Refunded, Sent};
    &[
        row(Sent,           Click,                &[BeforeDeadline],             Clicked),
        row(Sent,           Cancel,               &[BeforeDeadline],             Canceled),
        because(Sent,       ExpireUnclicked,      &[DeadlinePassed],             Expired,   "not_clicked"),
        because(Clicked,    ExpireUnpaid,         &[DeadlinePassed],             Expired,   "not_paid"),
        row(Clicked,        Process,              &[PaidInTime, NotFailed],      Processing),
        row(Expired,        Process,              &[PaidInTime, NotFailed, NotSeenUnpaid], Processing),
        row(Sent,           Pay,                  &[PaidInTime],                 Paid),
        row(Clicked,        Pay,                  &[PaidInTime],                 Paid),
        row(Processing,     Pay,                  &[PaidInTime],                 Paid),
        row(Expired,        Pay,                  &[PaidInTime],                 Paid),
        because(Sent,       Pay,                  &[PaidLate],                   RefundDue, "paid_after_expiry"),
        because(Clicked,    Pay,                  &[PaidLate],                   RefundDue, "paid_after_expiry"),
        because(Processing, Pay,                  &[PaidLate, ReplacesInFlight], RefundDue, "paid_after_expiry"),
        because(Expired,    Pay,                  &[PaidLate],                   RefundDue, "paid_after_expiry"),
        because(Canceled,   Pay,                  &[],                           RefundDue, "paid_after_cancellation"),
        because(Clicked,    FailPayment,          &[],                           Expired,   PAYMENT_FAILED),
        because(Processing, FailPayment,          &[],                           Expired,   PAYMENT_FAILED),
        row(Clicked,        RecordFailedAttempt,  &[RoomForAttempt],             Clicked),
        row(RefundDue,      CompleteRefund,       &[],                           Refunded),
        row(Sent,           RecordFailedDelivery, &[BeforeDeadline],             Sent),
    ]
};

impl Guard {
    /// Returns whether the guard holds for this request and change.
    fn holds(self, request: &PaymentRequest, change: &Change) -> bool {
        match self {
            Self::BeforeDeadline => !request.is_overdue(change.at),
            Self::DeadlinePassed => request.is_overdue(change.at),
            Self::PaidInTime => change.paid_at().is_some_and(|paid_at| paid_at <= request.deadline),
            Self::PaidLate => change.paid_not_before().is_some_and(|earliest| earliest > request.deadline),
            Self::NotFailed => change.failure().is_some_and(|failure| !request.has_fact(&failure)),
            Self::NotSeenUnpaid => !request.has_fact(&Fact::UnpaidAtDeadline),
            Self::ReplacesInFlight => change.replacement().is_some_and(|reference| {
                request.in_flight.as_ref().is_none_or(|in_flight| in_flight.reference == reference)
            }),
            Self::RoomForAttempt => request.version() < usize::from(ATTEMPTS_END_AT),
        }
    }
}

impl Change {
    /// Returns the provider's time of the payment; `None` if the command is not about one.
    #[must_use]
    pub fn paid_at(&self) -> Option<Timestamp> {
        self.command.payment().map(|(payment, _)| payment.paid_at)
    }

    /// Returns the earliest time at which the customer can have paid; `None` if the command is not about a payment.
    #[must_use]
    pub fn paid_not_before(&self) -> Option<Timestamp> {
        match &self.command {
            Command::Pay { earliest, .. } => Some(*earliest),
            _ => self.paid_at(),
        }
    }

    /// Returns the reference of a payment that has arrived at a known time, which may replace the one in flight.
    #[must_use]
    pub fn replacement(&self) -> Option<&str> {
        match &self.command {
            Command::Pay { payment, is_assumed: false, .. } => Some(&payment.reference),
            _ => None,
        }
    }

    /// Returns the fact that is recorded once the command's payment has failed; `None` if the command is not about a
    /// payment.
    #[must_use]
    pub fn failure(&self) -> Option<Fact> {
        let (payment, _) = self.command.payment()?;
        Some(Fact::payment_failed(&payment.provider, &payment.reference))
    }

    /// Returns the fact that is recorded in the same write as the change.
    #[must_use]
    pub fn fact(&self) -> Option<Fact> {
        match &self.command {
            Command::FailPayment { provider, reference, .. } => Some(Fact::payment_failed(provider, reference)),
            Command::ExpireUnpaid(CheckoutClosed { is_unpaid: true, .. }) => Some(Fact::UnpaidAtDeadline),
            _ => None,
        }
    }

    /// Returns the time that the history records for this change of a request whose last change was at `updated_at`.
    /// Clocks of different machines differ. So that the times of a history never go backwards, a change by a slower
    /// clock gets the time of the change before it.
    #[must_use]
    pub fn recorded_at(&self, updated_at: Timestamp) -> Timestamp {
        self.at.max(updated_at)
    }

    /// Returns the history entry that this change adds along a row of the table, with this recorded time.
    #[must_use]
    pub fn entry(&self, row: &Transition, recorded_at: Timestamp) -> HistoryEntry {
        let reason = match &self.command {
            Command::RecordFailedAttempt { reason } => reason.clone(),
            Command::RecordFailedDelivery { reason } => reason.reason(),
            _ => row.reason.and_then(Reason::fitted),
        };
        HistoryEntry { status: row.to, at: recorded_at, actor: self.actor.clone(), reason }
    }

    /// Returns when the request is due once this change is applied along a row of the table, with this recorded time.
    #[must_use]
    pub fn next_due(&self, row: &Transition, recorded_at: Timestamp) -> NextDue {
        match (&self.command, row.to) {
            (Command::Click { checkout_limit }, _) => NextDue::Deadline(recorded_at.saturating_add(*checkout_limit)),
            (
                Command::ExpireUnpaid(CheckoutClosed { is_certain: false, .. })
                | Command::FailPayment { page_is_open: true, .. },
                _,
            )
            | (_, Status::Processing | Status::RefundDue) => NextDue::Look(recorded_at.saturating_add(FIRST_LOOK)),
            (_, to) if to == row.from => NextDue::Unchanged,
            _ => NextDue::Never,
        }
    }

    /// Returns the row of the table that applies to this change and the request; `None` if the change is not allowed.
    #[must_use]
    pub fn transition(&self, request: &PaymentRequest) -> Option<&'static Transition> {
        if self.command.payment().is_some_and(|(_, money)| money != request.details.money) {
            return None;
        }
        TRANSITIONS.iter().find(|row| {
            row.from == request.status
                && row.on == self.command.kind()
                && row.when.iter().all(|guard| guard.holds(request, self))
        })
    }
}

/// When a request is due after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextDue {
    /// At the same time as before.
    Unchanged,
    /// At its new deadline.
    Deadline(Timestamp),
    /// At this time the provider is asked, because it has not said how the request ends. The deadline stays.
    Look(Timestamp),
    /// Never: the request has ended, and its provider has nothing to add.
    Never,
}

/// Groups a command's rows by outcome: one write can carry out all rows of a group, because they lead to the same
/// status with the same reason. The first group is the command's usual outcome.
pub fn alternatives(on: CommandKind) -> impl Iterator<Item = Vec<&'static Transition>> {
    let mut groups: Vec<Vec<&'static Transition>> = Vec::new();
    for row in TRANSITIONS.iter().filter(|row| row.on == on) {
        match groups.iter_mut().find(|group| group.iter().all(|other| other.leads_as(row))) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups.into_iter()
}

impl Transition {
    /// Returns whether both rows have the same command, status and reason.
    #[must_use]
    pub fn leads_as(&self, other: &Self) -> bool {
        self.on == other.on && self.to == other.to && self.reason == other.reason
    }
}

/// The reason why a request can no longer be canceled. Its `Display` is the sentence that the agent reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CancelRefusal {
    /// The customer has clicked.
    #[error("The customer has already clicked the link, so this request can no longer be canceled.")]
    AlreadyClicked,
    /// The request is already canceled.
    #[error("This request is already canceled.")]
    AlreadyCanceled,
    /// Its deadline has passed.
    #[error("The link has expired, so there is nothing left to cancel.")]
    LinkExpired,
    /// The money has arrived.
    #[error("The customer has already paid.")]
    AlreadyPaid,
}

impl CancelRefusal {
    /// Returns why a request in this stored status cannot be canceled; `None` if it can until its deadline.
    #[must_use]
    pub const fn of(status: Status) -> Option<Self> {
        match status {
            Status::Sent => None,
            Status::Clicked | Status::Processing => Some(Self::AlreadyClicked),
            Status::Canceled => Some(Self::AlreadyCanceled),
            Status::Expired => Some(Self::LinkExpired),
            Status::Paid | Status::RefundDue | Status::Refunded => Some(Self::AlreadyPaid),
        }
    }

    /// Returns the refusal's code in the interface.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlreadyClicked => "already_clicked",
            Self::AlreadyCanceled => "already_canceled",
            Self::LinkExpired => "link_expired",
            Self::AlreadyPaid => "already_paid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PROVIDER_GRACE;
    use crate::test_support::{at, money, request};
    use CommandKind as On;
    use Status::{Canceled, Clicked, Expired, Paid, Processing, RefundDue, Refunded, Sent};

    const KINDS: [CommandKind; 10] = [
        On::Click,
        On::Cancel,
        On::ExpireUnclicked,
        On::ExpireUnpaid,
        On::Process,
        On::Pay,
        On::FailPayment,
        On::RecordFailedAttempt,
        On::CompleteRefund,
        On::RecordFailedDelivery,
    ];

    fn change(kind: CommandKind, now: i64, paid_at: i64) -> Change {
        let payment = Payment { provider: "sandbox".into(), reference: "p".into(), paid_at: at(paid_at) };
        let command = match kind {
            On::Click => Command::Click { checkout_limit: Duration::from_mins(15) },
            On::Cancel => Command::Cancel,
            On::ExpireUnclicked => Command::ExpireUnclicked,
            On::ExpireUnpaid => Command::ExpireUnpaid(CheckoutClosed::confirmed()),
            On::Process => Command::Process { payment, money: money(25_000, "ZAR") },
            On::Pay => {
                Command::Pay { earliest: payment.paid_at, is_assumed: false, payment, money: money(25_000, "ZAR") }
            }
            On::FailPayment => {
                Command::FailPayment { provider: "sandbox".into(), reference: "p".into(), page_is_open: false }
            }
            On::RecordFailedAttempt => Command::RecordFailedAttempt { reason: None },
            On::CompleteRefund => Command::CompleteRefund,
            On::RecordFailedDelivery => Command::RecordFailedDelivery { reason: DeliveryFailure::ChannelRefused },
        };
        Change::new(command, at(now), Actor::System, OperationId::of_message("test"))
    }

    /// The specification's table, written out once more by hand: the outcome of every command in every status, before
    /// and at the deadline (1000), with a payment in time (1000) and a late one (1001).
    #[test]
    fn every_command_in_every_status_has_the_specified_outcome() {
        const DEADLINE: i64 = 1_000;
        for status in Status::ALL {
            for kind in KINDS {
                for now in [DEADLINE - 1, DEADLINE, DEADLINE + 1] {
                    for paid_at in [DEADLINE, DEADLINE + 1] {
                        let (early, in_time) = (now < DEADLINE, paid_at <= DEADLINE);
                        let expected = match (kind, status) {
                            (On::Click, Sent) if early => Some((Clicked, None)),
                            (On::Cancel, Sent) if early => Some((Canceled, None)),
                            (On::ExpireUnclicked, Sent) if !early => Some((Expired, Some("not_clicked"))),
                            (On::ExpireUnpaid, Clicked) if !early => Some((Expired, Some("not_paid"))),
                            (On::Process, Clicked | Expired) if in_time => Some((Processing, None)),
                            (On::Pay, Sent | Clicked | Processing | Expired) if in_time => Some((Paid, None)),
                            (On::Pay, Sent | Clicked | Processing | Expired) => {
                                Some((RefundDue, Some("paid_after_expiry")))
                            }
                            (On::Pay, Canceled) => Some((RefundDue, Some("paid_after_cancellation"))),
                            (On::FailPayment, Clicked | Processing) => Some((Expired, Some("payment_failed"))),
                            (On::RecordFailedAttempt, Clicked) => Some((Clicked, None)),
                            (On::CompleteRefund, RefundDue) => Some((Refunded, None)),
                            (On::RecordFailedDelivery, Sent) if early => Some((Sent, None)),
                            _ => None,
                        };
                        let request = request(status, DEADLINE);
                        let found = change(kind, now, paid_at).transition(&request).map(|row| (row.to, row.reason));
                        assert_eq!(found, expected, "{kind:?} of {status} at {now}, paid at {paid_at}");
                    }
                }
            }
        }
    }

    #[test]
    fn at_most_one_row_applies_so_the_order_of_rows_is_irrelevant() {
        for status in Status::ALL {
            for kind in KINDS {
                for (now, paid_at) in [(999, 1_000), (999, 1_001), (1_000, 1_000), (1_000, 1_001)] {
                    let (request, change) = (request(status, 1_000), change(kind, now, paid_at));
                    let applying = TRANSITIONS
                        .iter()
                        .filter(|row| row.from == status && row.on == kind)
                        .filter(|row| row.when.iter().all(|guard| guard.holds(&request, &change)))
                        .count();
                    assert!(applying <= 1, "{kind:?} of {status} at {now}, paid at {paid_at}: {applying} rows");
                }
            }
        }
    }

    #[test]
    fn a_payment_of_another_amount_or_currency_does_not_pay_the_request() {
        for wrong in [money(24_999, "ZAR"), money(25_000, "USD")] {
            for (status, kind) in Status::ALL.into_iter().flat_map(|status| [(status, On::Process), (status, On::Pay)])
            {
                let mut change = change(kind, 0, 0);
                if let Command::Process { money, .. } | Command::Pay { money, .. } = &mut change.command {
                    *money = wrong;
                }
                assert_eq!(change.transition(&request(status, 1_000)), None, "{kind:?} of {status}");
            }
        }
    }

    #[test]
    fn a_failed_payment_does_not_make_a_request_processing_and_another_payment_does() {
        for status in [Clicked, Expired] {
            let mut request = request(status, 1_000);
            request.facts.insert(change(On::FailPayment, 1_500, 0).fact().unwrap());
            assert_eq!(change(On::Process, 2_000, 1_000).transition(&request), None);
            let mut other = change(On::Process, 2_000, 1_000);
            if let Command::Process { payment, .. } = &mut other.command {
                payment.reference = "q".into();
            }
            assert_eq!(other.transition(&request).map(|row| row.to), Some(Processing));
            assert!(change(On::Pay, 2_000, 1_000).transition(&request).is_some(), "money is money");
        }
    }

    /// Only the provider ends `Processing`, so every transition to it must have a way out of it.
    #[test]
    fn a_processing_request_waits_only_for_the_provider() {
        let request = request(Processing, 1_000);
        for kind in KINDS {
            let moves = change(kind, 1_000_000_000, 1_000).transition(&request).is_some();
            assert_eq!(moves, matches!(kind, On::Pay | On::FailPayment), "{kind:?}");
        }
        assert!(!Processing.is_open(), "a processing request has no deadline");
        assert!(!Processing.is_settled(), "a processing request is not terminal");
    }

    #[test]
    fn a_full_history_accepts_payments_but_no_failed_attempts() {
        let mut full = request(Clicked, 1_000);
        let entry = full.history[0].clone();
        full.history.resize(usize::from(ATTEMPTS_END_AT), entry);
        assert_eq!(change(On::RecordFailedAttempt, 0, 0).transition(&full), None);
        assert!(change(On::Pay, 0, 0).transition(&full).is_some());
    }

    #[test]
    fn a_cancel_is_rejected_with_the_reason_of_the_current_status() {
        use CancelRefusal::{AlreadyCanceled, AlreadyClicked, AlreadyPaid, LinkExpired};
        let expected = [
            None,
            Some(AlreadyClicked),
            Some(AlreadyClicked),
            Some(AlreadyPaid),
            Some(AlreadyCanceled),
            Some(LinkExpired),
            Some(AlreadyPaid),
            Some(AlreadyPaid),
        ];
        assert_eq!(Status::ALL.map(CancelRefusal::of), expected);
        // `CancelRefusal` and the table must agree on every status.
        for status in Status::ALL {
            let request = request(status, 1_000);
            let allowed = change(On::Cancel, 0, 0).transition(&request).is_some();
            assert_eq!(allowed, CancelRefusal::of(request.status).is_none(), "{status}");
        }
    }

    #[test]
    fn every_row_is_in_exactly_one_alternative_and_the_usual_outcome_comes_first() {
        let grouped: usize = KINDS.iter().flat_map(|kind| alternatives(*kind)).map(|group| group.len()).sum();
        assert_eq!(grouped, TRANSITIONS.len());
        assert_eq!(alternatives(On::Pay).next().unwrap()[0].to, Paid);
    }

    #[test]
    fn an_unpaid_request_expires_without_confirmation_only_after_the_grace_period() {
        let request = request(Clicked, 1_000);
        let grace = i64::try_from(PROVIDER_GRACE.as_millis()).unwrap();
        assert_eq!(CheckoutClosed::unconfirmed(&request, at(999 + grace)), None);
        assert!(CheckoutClosed::unconfirmed(&request, at(1_000 + grace)).is_some());
    }
}
