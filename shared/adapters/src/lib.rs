//! The outside world behind the domain's ports: DynamoDB, EventBridge, payment providers, channels to the customer.

mod aws;
pub mod channel;
pub mod dynamodb;
pub mod eventbridge;
mod http_client;
mod json;
pub mod provider;
pub mod secrets;
mod webhook_error;

pub use channel::{ConfiguredChannel, ConfiguredReports};
pub use dynamodb::DynamoDbStore;
pub use eventbridge::EventBus;
pub use provider::{AcceptedMoney, ConfiguredProvider, ConfiguredWebhooks};
pub use webhook_error::WebhookError;
