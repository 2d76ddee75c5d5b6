//! The adapters behind the domain's ports: DynamoDB, EventBridge, payment providers, channels to the customer,
//! status webhooks, live updates, sums of reports.

mod aws;
pub mod channel;
pub mod dynamodb;
mod endpoint;
pub mod eventbridge;
mod http_client;
mod https;
mod json;
pub mod live;
mod names;
pub mod provider;
mod retry;
pub mod secrets;
mod sums;
mod trust;
pub mod webhooks;

pub use channel::{ChannelName, ConfiguredChannel, ConfiguredReports, ReportedOutcome, UnknownPart};
pub use dynamodb::DynamoDbStore;
pub use eventbridge::EventBus;
pub use provider::{ConfiguredProvider, ConfiguredWebhooks, ProviderName};
pub use sums::SumsTable;
