//! The port for links: which request a link's token leads to.

use crate::id::PaymentRequestId;
use crate::ports::StoreError;
use crate::time::Timestamp;
use crate::token::LinkToken;

/// The customers' links.
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

    /// Extends a link's life to `kept_until`, or stores the link again if it was deleted.
    fn keep_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns the request that `token` leads to; `None` if there is no such link.
    fn find_link(&self, token: &LinkToken)
    -> impl Future<Output = Result<Option<PaymentRequestId>, StoreError>> + Send;
}
