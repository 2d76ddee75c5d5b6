//! The port for lists of the requests that an audience may see, in the order of creation.

use crate::id::PaymentRequestId;
use crate::invalid::Invalid;
use crate::payment_request::PaymentRequest;
use crate::people::Audience;
use crate::ports::StoreError;
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A position in a list, newest first: just after this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The request's time of creation.
    pub created_at: Timestamp,
    /// Its identifier, which orders requests of the same millisecond.
    pub id: PaymentRequestId,
}

impl Position {
    /// Returns the position just after a request.
    #[must_use]
    pub fn after(request: &PaymentRequest) -> Self {
        Self { created_at: request.created_at, id: request.id }
    }
}

/// Writes the position as `<created_at>#<id>`, which sorts by time of creation.
impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.created_at, self.id)
    }
}

impl FromStr for Position {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (created_at, id) = text.split_once('#').ok_or(Invalid("is not a position in a list"))?;
        Ok(Self { created_at: created_at.parse()?, id: id.parse()? })
    }
}

/// The requests to list: those created from `from` (inclusive) to `to` (exclusive), after the position `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The audience, whose rights limit the list.
    pub audience: Audience,
    /// The earliest time of creation, inclusive.
    pub from: Timestamp,
    /// The latest time of creation, exclusive.
    pub to: Timestamp,
    /// The position at which the previous page ended.
    pub after: Option<Position>,
    /// The greatest number of requests to return, at least 1.
    pub limit: usize,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The requests, newest first, at most as many as the limit.
    pub requests: Vec<PaymentRequest>,
    /// The position at which the next page starts; `None` on the last page.
    pub next: Option<Position>,
    /// The number of requests that are left out because this version cannot read them.
    pub unreadable: usize,
    /// The earliest time at which one of the requests may be deleted; `None` if none is to be deleted yet.
    pub deleted_from: Option<Timestamp>,
}

/// Lists of requests.
pub trait Lists: Send + Sync {
    /// Returns a page of the requests that an audience may see, newest first. One whose retention is over is left out,
    /// whether it is still stored or not.
    fn list(&self, listing: &Listing) -> impl Future<Output = Result<Listed, StoreError>> + Send;
}
