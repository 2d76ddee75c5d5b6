//! The port for links: which request a link's token leads to, and on which payment page it is paid.

use crate::checkout_attempt::CheckoutAttempt;
use crate::id::{CheckoutId, PaymentRequestId};
use crate::ports::{Checkout, StoreError};
use crate::time::Timestamp;
use crate::token::LinkToken;

/// A customer's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The request that the link leads to.
    pub id: PaymentRequestId,
    /// The payment page at the provider, once chat2pay knows that it exists.
    pub checkout: Option<CheckoutId>,
    /// The payment page's address. It may be unknown for a known page, if it is too long to be stored.
    pub checkout_url: Option<String>,
    /// The latest attempt to create a payment page. It is 1 before the first press, too.
    pub attempts: CheckoutAttempt,
}

/// The customers' links.
///
/// A link's checkout is beside the request, so that another press on the link finds it by the read that it makes
/// anyway.
pub trait Links: Send + Sync {
    /// Stores a link from `token` to the request until `kept_until`. This is called before the request itself is
    /// inserted. A link without a request only leads nowhere, but a request without a link would be announced with a
    /// dead one.
    fn insert_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Extends a link's life to `kept_until`, or stores the link again, without its checkout, if it was deleted.
    fn keep_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns the link of `token` by a consistent read; `None` if the link does not exist.
    fn find_link(&self, token: &LinkToken) -> impl Future<Output = Result<Option<Link>, StoreError>> + Send;

    /// Sets the payment page that an attempt has created. If the link was deleted in the meantime, or has the page of
    /// a later attempt, this does nothing.
    fn set_checkout(
        &self,
        token: &LinkToken,
        checkout: &Checkout,
        attempt: CheckoutAttempt,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes the permission to call the provider, as [`Links::take_call`] does, for another attempt to create the
    /// payment page. Returns the attempt's number, which is stored; `None` if the permission was not given, or if the
    /// page's address has become known.
    fn begin_attempt(
        &self,
        token: &LinkToken,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<CheckoutAttempt>, StoreError>> + Send;

    /// Takes the permission to call the provider for a link, which is given once in every
    /// [`CALL_INTERVAL`](crate::limits::CALL_INTERVAL), whichever instance asks. Returns whether it was given. It is
    /// not given for a deleted link. After a lost response it may be reported as not given.
    fn take_call(&self, token: &LinkToken, now: Timestamp) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
