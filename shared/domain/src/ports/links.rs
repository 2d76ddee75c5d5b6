//! Which request a link's token leads to.

use crate::id::PaymentRequestId;
use crate::ports::StoreError;
use crate::time::Timestamp;
use crate::token::LinkToken;

/// The customers' links.
pub trait Links: Send + Sync {
    /// Makes `token` lead to the request until `kept_until`. Called before the request itself is inserted: a link
    /// without a request leads nowhere, while a request without a link would be announced dead.
    fn insert_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes `token` lead to the request until a later time than it did, also if it does not lead there any more.
    fn keep_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns the request that `token` leads to.
    fn find_link(&self, token: &LinkToken)
    -> impl Future<Output = Result<Option<PaymentRequestId>, StoreError>> + Send;
}
