//! What the use cases need from outside, each with the contract its implementations keep.

use crate::{
    Change, CheckoutId, DeliveryFailure, Invalid, LinkToken, Money, OperationId, Payment, PaymentRequest,
    PaymentRequestEvent, PaymentRequestId, Scope, Timestamp,
};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::str::FromStr;

/// An error's cause, for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The store could not do what it was asked. Whether a write was applied is then unknown; sending the same [`Change`]
/// again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It did not answer in time, refused for load, or cannot be reached.
    #[error("the store is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// It refused the call itself: a wrong table name, a missing permission, a defect.
    #[error("the store refused the call: {0}")]
    Refused(#[source] Cause),
    /// What it holds is not a payment request.
    #[error("a stored item cannot be read: {0}")]
    Corrupt(#[source] Cause),
}

/// What became of [`Store::insert`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored now.
    New,
    /// There already was one of this identifier, unchanged by the call.
    Existing(Box<PaymentRequest>),
}

/// What became of [`Store::change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The change was made, by this call or by an earlier one of the same operation. The request as it is now.
    Applied(Box<PaymentRequest>),
    /// Nothing happened. The request as it was at that moment, which is the reason: whoever lost a race reads in it
    /// what won.
    Unchanged(Box<PaymentRequest>),
    /// There is no such request within the change's scope.
    NotFound,
}

/// Taking on to send one message, so that no other run of the function sends it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The message: every run has the same.
    pub message: OperationId,
    /// This run alone: by it, it knows its own claim again when the store's answer was lost.
    pub run: OperationId,
}

impl Claim {
    /// A claim to the message that an event brings.
    ///
    /// # Errors
    /// The operating system's random source failed.
    pub fn new(event_id: &str) -> Result<Self, getrandom::Error> {
        Ok(Self { message: OperationId::of_claimed_message(event_id), run: OperationId::random()? })
    }
}

/// What became of [`Store::claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The message is this run's to send. The request as it was at that moment.
    Won(Box<PaymentRequest>),
    /// Another run has it, or has sent it. The request as it was at that moment.
    Taken(Box<PaymentRequest>),
    /// There is no such request.
    NotFound,
}

/// A request whose deadline comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Due {
    /// Which.
    pub id: PaymentRequestId,
    /// When.
    pub at: Timestamp,
}

/// A place in a list, newest first: just after this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// When the request was created.
    pub created_at: Timestamp,
    /// Which it is among those created in the same millisecond.
    pub id: PaymentRequestId,
}

impl Position {
    /// The place just after a request.
    #[must_use]
    pub fn after(request: &PaymentRequest) -> Self {
        Self { created_at: request.created_at, id: request.id }
    }
}

/// The place as text, `<created_at>#<id>`, which sorts by time of creation.
impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.created_at, self.id)
    }
}

impl FromStr for Position {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (created_at, id) = text.split_once('#').ok_or(Invalid("is not a place in a list"))?;
        Ok(Self { created_at: created_at.parse()?, id: id.parse()? })
    }
}

/// Which requests to list: those created from `from` up to but not at `to`, after `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Whose; [`Scope::Everything`] lists nothing, because nobody may see across workspaces.
    pub scope: Scope,
    /// The earliest time of creation, inclusive.
    pub from: Timestamp,
    /// The latest, exclusive.
    pub to: Timestamp,
    /// Where the page before ended.
    pub after: Option<Position>,
    /// At most how many, at least 1.
    pub limit: usize,
}

/// Part of a list, as [`Store::list`] answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The requests, newest first, at most as many as asked for.
    pub requests: Vec<PaymentRequest>,
    /// Where to go on; none if there are no more.
    pub next: Option<Position>,
}

/// Where payment requests are kept.
pub trait Store: Send + Sync {
    /// Makes `token` lead to the request until `until`. Called before the request itself is inserted: a link without a
    /// request leads nowhere, while a request without a link would be announced dead.
    fn insert_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes `token` lead to the request until a later time than it did, also if it does not lead there any more.
    fn keep_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The request that `token` leads to.
    fn find_link(&self, token: &LinkToken)
    -> impl Future<Output = Result<Option<PaymentRequestId>, StoreError>> + Send;

    /// Stores a new request unless there is one of its identifier. Of any number of concurrent inserts of one
    /// identifier exactly one answers [`Inserted::New`]; that stays so when the answer is lost and the call is repeated
    /// under the same operation.
    fn insert(&self, request: &PaymentRequest) -> impl Future<Output = Result<Inserted, StoreError>> + Send;

    /// The request as it is now (a consistent read).
    fn get(&self, id: PaymentRequestId) -> impl Future<Output = Result<Option<PaymentRequest>, StoreError>> + Send;

    /// Makes a change if the transition table allows it at the moment of the write: the status, the deadline and the
    /// history move in one step, or nothing does. Of any number of conflicting changes exactly one is applied, and every
    /// other is answered with the request that made it lose.
    fn change(&self, id: PaymentRequestId, change: &Change)
    -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// Keeps which checkout belongs to a clicked request. It is no change of the request: no history, no event.
    ///
    /// Answers [`Changed::Unchanged`] if the request is not clicked any more.
    fn remember_checkout(
        &self,
        id: PaymentRequestId,
        checkout: &CheckoutId,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// Keeps that we ask the provider to send the late money back, while a refund is due. It is no change of the request: no
    /// history, no event.
    fn mark_refund(&self, id: PaymentRequestId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps that we do not, after [`Self::mark_refund`].
    fn unmark_refund(&self, id: PaymentRequestId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes on one message of a request. Of any number of claims to one message at most one is won, until that one is
    /// released. It is no change of the request: no history, no event.
    fn claim(&self, id: PaymentRequestId, claim: &Claim) -> impl Future<Output = Result<Claimed, StoreError>> + Send;

    /// Gives a claim back, so that a later run can win it: its message was not sent. Nothing happens if it is not held.
    fn release(&self, id: PaymentRequestId, claim: &Claim) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Every open request whose deadline is at or before `until`, earliest first. It may miss what was written within
    /// the last moments; whoever relies on it asks again.
    fn due(&self, until: Timestamp) -> impl Future<Output = Result<Vec<Due>, StoreError>> + Send;

    /// Part of the requests, newest first.
    fn list(&self, listing: &Listing) -> impl Future<Output = Result<Listed, StoreError>> + Send;
}

/// The provider could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It did not answer in time, refused for load, or cannot be reached. The same call again is safe.
    #[error("the payment provider is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// It refused, and will again.
    #[error("the payment provider refused: {0}")]
    Refused(#[source] Cause),
    /// It accepts no payment of this amount. There is no checkout for it, and there will be none.
    #[error("the payment provider does not accept the amount: {0}")]
    AmountNotAccepted(#[source] Cause),
    /// It answered something that makes no sense.
    #[error("the payment provider's answer cannot be read: {0}")]
    Unreadable(#[source] Cause),
}

/// A payment page at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The provider's identifier of it.
    pub id: CheckoutId,
    /// Where the customer pays.
    pub url: String,
}

/// What became of [`PaymentProvider::close_checkout`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// Nobody can pay on it any more, and nobody has.
    Closed,
    /// It had been paid.
    Paid {
        /// The payment.
        payment: Payment,
        /// How much it was.
        money: Money,
    },
    /// The customer has done their part, so nobody can pay on it any more, and the money is on its way.
    Processing {
        /// The payment.
        payment: Payment,
        /// How much it is.
        money: Money,
    },
}

/// What became of [`PaymentProvider::refund`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refunding {
    /// The money has gone back.
    Done,
    /// The provider has taken it on, and reports by itself when the money has gone back.
    UnderWay,
    /// The provider has taken it on, and waits until there is enough money in the account: a person has to put some there.
    WaitsForFunds,
}

/// Who takes the money.
pub trait PaymentProvider: Send + Sync {
    /// The payment page for a request, with the same one answered however often it is asked for: the request's
    /// identifier is the provider's idempotency key. `return_url` is where the customer comes back to.
    fn create_checkout(
        &self,
        request: &PaymentRequest,
        return_url: &str,
    ) -> impl Future<Output = Result<Checkout, ProviderError>> + Send;

    /// Closes a payment page for good, or says that it was paid or is being paid. Closing twice is closing once.
    fn close_checkout(&self, checkout: &CheckoutId) -> impl Future<Output = Result<Closing, ProviderError>> + Send;

    /// Sends a payment back, once however often it is asked for. One that failed after it had been taken on is sent anew.
    fn refund(
        &self,
        request: &PaymentRequest,
        payment: &Payment,
    ) -> impl Future<Output = Result<Refunding, ProviderError>> + Send;
}

/// A message for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The event it tells of. Its `event_id` is what a receiver can know the message again by.
    pub event: &'a PaymentRequestEvent,
    /// What the customer reads.
    pub text: String,
}

impl Message<'_> {
    /// From when on the message is worth nothing: the end of the link in it.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.event.link.as_ref().map(|link| link.expires_at)
    }

    /// The request whose link is in the message; none for other messages. What a channel says later of a message is worth
    /// hearing only of these.
    #[must_use]
    pub fn link_of(&self) -> Option<PaymentRequestId> {
        self.event.link.as_ref().map(|_| self.event.id)
    }
}

/// A message was not delivered, or nobody knows. No text of an error holds a phone number or a message.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// It cannot be reached or refuses for load. The same message again is safe: it was not sent, or its receiver would
    /// drop the repeat.
    #[error("the channel is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// It refused the message, which was not sent, and will again.
    #[error("the channel refused the message ({code}): {cause}", code = reason.code())]
    Refused {
        /// Why, as the agent is told.
        reason: DeliveryFailure,
        /// Why, for the log.
        #[source]
        cause: Cause,
    },
    /// Its answer was lost or makes no sense. The message may have been sent, so the same again could send it twice.
    #[error("nobody knows whether the message was sent: {0}")]
    Unconfirmed(#[source] Cause),
}

/// The way to the customer's chat.
pub trait Channel: Send + Sync {
    /// Whether handing over a message twice delivers it once. A message for a channel that cannot promise this is claimed
    /// before it is handed over ([`Store::claim`]), and such a channel never tries again by itself after a try whose
    /// outcome nobody knows.
    fn drops_repeats(&self) -> bool;

    /// Hands a message over, if need be with several tries, none of which begins when the message is worth nothing any more
    /// ([`Message::until`]).
    fn deliver(&self, message: &Message<'_>) -> impl Future<Output = Result<(), ChannelError>> + Send;
}
