//! The table: one item per request, one per link, and one conditional write per change.

mod condition;
mod error;
pub mod item;
mod store;
pub mod stream;

pub use store::DynamoDbStore;
