//! The port for what a reconciliation reads and writes.

use crate::difference::Difference;
use crate::id::PaymentRequestId;
use crate::invalid::Invalid;
use crate::payment_request::PaymentRequest;
use crate::ports::{StoreError, Window};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

/// The stages of a comparison, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The payments at the provider, held against the requests.
    Payments,
    /// The refunds at the provider, held against the requests.
    Refunds,
    /// The disputes at the provider, held against the requests.
    Disputes,
    /// The paid requests, held against the payments at the provider.
    Requests,
    /// The comparison is complete.
    Done,
}

impl Stage {
    /// Returns the stage as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Refunds => "refunds",
            Self::Disputes => "disputes",
            Self::Requests => "requests",
            Self::Done => "done",
        }
    }
}

impl FromStr for Stage {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Payments, Self::Refunds, Self::Disputes, Self::Requests, Self::Done];
        all.into_iter().find(|stage| stage.as_str() == text).ok_or(Invalid("is not a stage of a comparison"))
    }
}

/// The place of a comparison: everything before it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The window that is compared.
    pub window: Window,
    /// The stage.
    pub stage: Stage,
    /// The place within the stage, as the list or the store returned it; `None` at its beginning.
    pub cursor: Option<String>,
}

/// The requests with given identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundRequests {
    /// Those that exist.
    pub requests: HashMap<PaymentRequestId, PaymentRequest>,
    /// Those that exist and cannot be read. They are missing nowhere, and nothing is known of them.
    pub unreadable: HashSet<PaymentRequestId>,
}

/// One page of the requests that were created in a window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreatedRequests {
    /// The requests, in any order. Those that cannot be read are left out.
    pub requests: Vec<PaymentRequest>,
    /// The place at which the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// What a reconciliation reads and writes.
pub trait Reconciliations: Send + Sync {
    /// Returns the requests with these identifiers (a consistent read).
    fn find_requests(&self, ids: &[PaymentRequestId])
    -> impl Future<Output = Result<FoundRequests, StoreError>> + Send;

    /// Returns one page of the requests of all workspaces that were created in the window, 1,000 at most, from a place
    /// that an earlier page returned. The list is eventually consistent, so it may miss the writes of the last moments.
    fn requests_created(
        &self,
        window: Window,
        place: Option<&str>,
    ) -> impl Future<Output = Result<CreatedRequests, StoreError>> + Send;

    /// Stores a difference unless it is stored already. Returns whether it is new. A stored difference is published. A
    /// retry after a lost response returns that it is new, too.
    fn record_difference(&self, difference: &Difference) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Returns the place last kept under this name; `None` if no run has kept one.
    fn place(&self, name: &str) -> impl Future<Output = Result<Option<Place>, StoreError>> + Send;

    /// Keeps a place under a name, in place of an earlier one.
    fn keep_place(&self, name: &str, place: &Place) -> impl Future<Output = Result<(), StoreError>> + Send;
}
