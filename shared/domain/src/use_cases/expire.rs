//! The use cases that end a payment request whose deadline has passed.

use super::UseCaseError;
use super::checkouts::close;
use super::payments::{Observed, change_and_look, record_state};
use crate::doors::Randomness;
use crate::id::{CheckoutId, OperationId, PaymentRequestId};
use crate::payment_request::PaymentRequest;
use crate::people::Actor;
use crate::ports::{Changed, Changes, Closes, Facts, Links, Looks, PaymentProvider, ProviderError, StoreError};
use crate::status::Status;
use crate::time::{Clock, Timestamp};
use crate::transition::{Change, CheckoutClosed, Command};

/// The outcome for a request that may be due.
#[derive(Debug)]
pub enum Settled {
    /// The request has expired.
    Expired(Box<PaymentRequest>),
    /// The provider's word has changed the request: it is paid, processing, due for a refund, refunded, or has expired
    /// because its payment failed.
    Changed(Box<PaymentRequest>),
    /// The request had expired without the provider's confirmation, and the provider has now confirmed it.
    Confirmed(Box<PaymentRequest>),
    /// Everything that was paid twice has gone back.
    SentBack(Box<PaymentRequest>),
    /// Nothing is due, or somebody else has changed the request in the meantime.
    NotDue,
    /// The provider has answered, and the request still waits for it: it is asked again at the request's next look.
    Waiting(Box<PaymentRequest>, Waiting),
    /// The provider is unavailable, or its answer cannot be read: it is asked again at the request's next look.
    Postponed(Box<PaymentRequest>, ProviderError),
    /// The provider reports a payment, arrived or in flight, with another amount or currency. The request has expired,
    /// and a person must check the payment.
    Mismatched(Box<PaymentRequest>),
    /// The request has expired without the provider's confirmation, which had been missing for ten minutes; or it had
    /// expired so, and the provider is no longer asked.
    ExpiredUnconfirmed(Box<PaymentRequest>, ProviderError),
}

impl Settled {
    /// Returns the request as it is after this outcome; `None` if nothing was due.
    #[must_use]
    pub fn request(&self) -> Option<&PaymentRequest> {
        match self {
            Self::Expired(request)
            | Self::Changed(request)
            | Self::Confirmed(request)
            | Self::SentBack(request)
            | Self::Waiting(request, _)
            | Self::Postponed(request, _)
            | Self::Mismatched(request)
            | Self::ExpiredUnconfirmed(request, _) => Some(request),
            Self::NotDue => None,
        }
    }
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// For money in flight.
    Money,
    /// For an open payment page that the provider cannot close.
    OpenPage,
    /// For a refund that the provider has accepted.
    Refund,
    /// For a refund that waits until the account has sufficient funds.
    RefundFunds,
    /// For a refund with a status that this version does not know.
    RefundStatusUnknown,
}

/// The outcome of [`expire_unclicked`].
#[derive(Debug)]
pub enum Found {
    /// The request has expired, or nothing is due for it.
    Settled(Settled),
    /// The request waits for its provider's word: [`look`](super::look::look) determines the outcome.
    Waits(Box<PaymentRequest>),
}

/// Expires a request past its deadline that nobody has clicked, in a single write: most due requests were never
/// clicked.
///
/// # Errors
/// The store failed.
pub async fn expire_unclicked(
    store: &impl Changes,
    doors: &(impl Clock + Randomness),
    id: PaymentRequestId,
) -> Result<Found, UseCaseError> {
    let now = doors.now();
    let change = Change::new(Command::ExpireUnclicked, now, Actor::System, OperationId::random(doors)?);
    Ok(match store.change(id, &change).await? {
        Changed::Applied(request) => Found::Settled(Settled::Expired(request)),
        Changed::Unchanged(request) if request.waits_for_provider(now) => Found::Waits(request),
        Changed::Unchanged(_) | Changed::NotFound => Found::Settled(Settled::NotDue),
    })
}

/// Writes the expiry of a request that a command at `now` found `Sent` past its deadline, and returns the request as it
/// is then; `None` if it no longer exists. Whoever is refused because the time is over is told by this outcome:
/// expired, or what became of it by a write that began in time and was applied a little later.
///
/// # Errors
/// The store failed.
pub(super) async fn expire_overdue(
    store: &impl Changes,
    doors: &(impl Clock + Randomness),
    id: PaymentRequestId,
    now: Timestamp,
) -> Result<Option<Box<PaymentRequest>>, UseCaseError> {
    let change = Change::new(Command::ExpireUnclicked, now, Actor::System, OperationId::random(doors)?);
    match store.change(id, &change).await? {
        Changed::Unchanged(request) if request.status == Status::Sent => Err(StoreError::kept_changing().into()),
        Changed::Applied(request) | Changed::Unchanged(request) => Ok(Some(request)),
        Changed::NotFound => Ok(None),
    }
}

/// Ends a clicked request whose time to pay is over.
///
/// The checkout is closed at the provider first, so that nobody can pay for a request that has ended. If it was paid in
/// time, the request becomes paid, or processing while the money is in flight.
///
/// Where the provider cannot close its pages, it is asked for the page's state. A page that never closes does not keep
/// the request from expiring, but money may still come: so the provider is asked again later.
///
/// # Errors
/// The store failed.
pub async fn settle_unpaid(
    store: &(impl Links + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    doors: &(impl Clock + Randomness),
    public_base_url: &str,
    request: PaymentRequest,
) -> Result<Settled, UseCaseError> {
    let asked = close(store, provider, public_base_url, &request).await?;
    let now = doors.now();
    let observed = match asked.state {
        Ok(state) => record_state(store, &request, provider, state, now).await?,
        Err(error) => return postpone_expiry(store, doors, request, error, asked.checkout.as_ref()).await,
    };
    match observed {
        Observed::Payment(Changed::Applied(request)) => Ok(Settled::Changed(request)),
        // The customer did their part too late. The money is judged when it comes.
        Observed::Payment(Changed::Unchanged(request)) if request.status == Status::Clicked => {
            expire(store, doors, request.id, CheckoutClosed::open_ended()).await
        }
        Observed::Payment(_) => Ok(Settled::NotDue),
        Observed::Mismatched => {
            // Where pages never close, another one may be paid as well.
            let never_closes = provider.closes() == Closes::Never;
            let proof = if never_closes { CheckoutClosed::open_ended() } else { CheckoutClosed::confirmed() };
            Ok(match expire(store, doors, request.id, proof).await? {
                Settled::Expired(request) => Settled::Mismatched(request),
                settled => settled,
            })
        }
        // A report says that money has arrived, and the provider does not know of it yet.
        Observed::Unpaid { is_open: false } if request.money_has_arrived() => {
            expire(store, doors, request.id, CheckoutClosed::open_ended()).await
        }
        // A press that began in time may still be creating the page, which would never close. Nothing is found at the
        // next look if none did.
        Observed::Unpaid { is_open: false } if asked.checkout.is_none() && provider.closes() == Closes::Never => {
            expire(store, doors, request.id, CheckoutClosed::unpaid()).await
        }
        Observed::Unpaid { is_open: false } => expire(store, doors, request.id, CheckoutClosed::confirmed()).await,
        Observed::Unpaid { is_open: true } if provider.closes() == Closes::Never => {
            let proof =
                if request.money_has_arrived() { CheckoutClosed::open_ended() } else { CheckoutClosed::unpaid() };
            expire(store, doors, request.id, proof).await
        }
        // The provider's clock may be behind.
        Observed::Unpaid { is_open: true } if CheckoutClosed::unconfirmed(&request, now).is_none() => {
            let waiting = |request| Settled::Waiting(request, Waiting::OpenPage);
            postpone(store, &request, now, asked.checkout.as_ref(), waiting).await
        }
        Observed::Unpaid { is_open: true } => {
            let open = ProviderError::Unreadable("a checkout is open after its time".into());
            postpone_expiry(store, doors, request, open, asked.checkout.as_ref()).await
        }
    }
}

/// Leaves a request as it is for as long as the provider's confirmation is worth waiting for, and expires it without
/// after that.
async fn postpone_expiry(
    store: &(impl Changes + Looks),
    doors: &(impl Clock + Randomness),
    request: PaymentRequest,
    error: ProviderError,
    checkout: Option<&CheckoutId>,
) -> Result<Settled, UseCaseError> {
    let now = doors.now();
    let postponed = postpone(store, &request, now, checkout, |request| Settled::Postponed(request, error)).await?;
    let Settled::Postponed(request, error) = postponed else { return Ok(postponed) };
    let Some(proof) = CheckoutClosed::unconfirmed(&request, now) else {
        return Ok(Settled::Postponed(request, error));
    };
    Ok(match expire(store, doors, request.id, proof).await? {
        Settled::Expired(request) => Settled::ExpiredUnconfirmed(request, error),
        settled => settled,
    })
}

/// Sets the next look at a request, and returns this outcome; [`Settled::NotDue`] if the request has changed in the
/// meantime.
pub(super) async fn postpone(
    store: &impl Looks,
    request: &PaymentRequest,
    now: Timestamp,
    checkout: Option<&CheckoutId>,
    outcome: impl FnOnce(Box<PaymentRequest>) -> Settled + Send,
) -> Result<Settled, UseCaseError> {
    Ok(match store.schedule_look(request, request.next_look(now), checkout).await? {
        Changed::Applied(request) => outcome(request),
        Changed::Unchanged(_) | Changed::NotFound => Settled::NotDue,
    })
}

/// Expires a clicked request. If a report has said in the meantime that money has arrived, the provider is asked at
/// once.
async fn expire(
    store: &(impl Changes + Looks),
    doors: &(impl Clock + Randomness),
    id: PaymentRequestId,
    proof: CheckoutClosed,
) -> Result<Settled, UseCaseError> {
    let now = doors.now();
    let change = Change::new(Command::ExpireUnpaid(proof), now, Actor::System, OperationId::random(doors)?);
    Ok(match change_and_look(store, id, &change).await? {
        Changed::Applied(request) => Settled::Expired(request),
        Changed::Unchanged(_) | Changed::NotFound => Settled::NotDue,
    })
}
