//! The DynamoDB table: one item per request, link and difference, and one conditional write per change.

mod batch;
mod condition;
mod due_index;
mod error;
mod item;
mod keys;
mod links;
mod lists;
mod read;
mod reconciliations;
mod requests;
mod store;
pub mod stream;

pub(crate) use batch::{Batch, KEYS_AT_MOST};
pub(crate) use error::store_error;
pub use read::Unreadable;
pub use store::DynamoDbStore;
