//! The payment request: types that reject every invalid value, the transition table, the use cases, and their ports.
//!
//! Nothing here depends on a cloud, on HTTP or on an async runtime: the use cases are plain `async` functions over
//! [`ports`]. Modules import from each other by path, never from the crate's root; the names below are for other
//! crates.

pub mod checkout_attempt;
pub mod country;
pub mod currency;
pub mod delivery;
pub mod difference;
pub mod doors;
pub mod email;
pub mod event;
pub mod fact;
pub mod gsm;
pub mod id;
pub mod invalid;
pub mod limits;
pub mod live;
pub mod message;
pub mod money;
pub mod payment_request;
pub mod people;
pub mod phone;
pub mod ports;
pub mod retry_schedule;
#[cfg(feature = "schema")]
pub mod schema;
pub mod search_text;
pub mod status;
pub mod sums;
#[cfg(test)]
mod test_support;
pub mod text;
pub mod time;
pub mod token;
pub mod transition;
pub mod use_cases;
pub mod webhooks;

pub use checkout_attempt::CheckoutAttempt;
pub use country::AllowedCountries;
pub use currency::Currency;
pub use delivery::{DeliveryFailure, DeliveryReport};
pub use difference::{Difference, DifferenceKind};
pub use doors::{Doors, NoRandomness, Randomness, SystemRandomness};
pub use email::EmailAddress;
pub use event::PaymentRequestEvent;
pub use fact::Fact;
pub use id::{CheckoutId, Fingerprint, IdempotencyKey, OperationId, PaymentRequestId, RunId};
pub use invalid::Invalid;
pub use limits::{CreationLimit, Limits};
pub use money::{Amount, Money};
pub use payment_request::{Details, HistoryEntry, Payment, PaymentRequest};
pub use people::{Actor, Agent, AgentId, Audience, Caller, Customer, Identity, Role, Scope, Sender, WorkspaceId};
pub use phone::Phone;
pub use retry_schedule::RetrySchedule;
pub use search_text::SearchText;
pub use status::Status;
pub use text::{ConversationId, CustomerName, Description, Metadata, OrderNumber, Reason};
pub use time::{Clock, SystemClock, Timestamp};
pub use token::LinkToken;
pub use transition::{CancelRefusal, Change, Command, Guard, TRANSITIONS, Transition};
