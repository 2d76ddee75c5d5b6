//! The payment request: types that hold no wrong value, the transition table, use cases, and the ports they need.
//!
//! Nothing here knows of AWS, HTTP or an async runtime: the use cases are plain `async` functions over [`ports`].

pub mod currency;
pub mod delivery;
pub mod event;
pub mod id;
pub mod limits;
pub mod message;
pub mod money;
pub mod payment_request;
pub mod people;
pub mod phone;
pub mod ports;
pub mod status;
#[cfg(test)]
mod test_support;
pub mod text;
pub mod time;
pub mod token;
pub mod transition;
pub mod use_cases;

pub use currency::Currency;
pub use delivery::{DeliveryFailure, DeliveryReport};
pub use event::PaymentRequestEvent;
pub use id::{CheckoutId, Fingerprint, IdempotencyKey, OperationId, PaymentRequestId};
pub use limits::Limits;
pub use money::{Amount, Money};
pub use payment_request::{Details, HistoryEntry, Payment, PaymentRequest};
pub use people::{Actor, Agent, AgentId, Caller, Customer, Role, Scope, WorkspaceId};
pub use phone::Phone;
pub use status::Status;
pub use text::{ConversationId, CustomerName, Description, Metadata, OrderNumber, Reason};
pub use time::{Clock, SystemClock, Timestamp};
pub use token::LinkToken;
pub use transition::{CancelRefusal, Change, Command, Guard, TRANSITIONS, Transition};

/// A value that a type does not take, with a message fit to show the person who gave it. It never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) &'static str);

impl Invalid {
    /// What the value has to be, as the end of a sentence about the field.
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.0
    }
}
