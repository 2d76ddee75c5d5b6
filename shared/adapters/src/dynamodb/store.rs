//! The domain's store, on the AWS SDK: the table, its connection, and the calls that the ports share.

use super::error::store_error;
use super::item::RequestItem;
use super::keys::key;
use crate::aws::client_config;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::ports::{Changed, StoreError};
use domain::{PaymentRequest, PaymentRequestId};
use runtime::{ConfigError, Environment};
use serde_dynamo::aws_sdk_dynamodb_1::from_item;
use std::collections::HashMap;
use std::time::Duration;

/// An item, or the key of an item.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The store of payment requests in one DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoDbStore {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) retention: Option<Duration>,
}

/// The outcome of one conditional update.
pub(super) enum Written {
    /// The update was applied. Holds the new item.
    New(PaymentRequest),
    /// The update's condition failed. Holds the unchanged item, if there is one.
    Refused(Option<PaymentRequest>),
}

impl Written {
    /// Maps the outcome of an update that is not retried under another condition.
    pub(super) fn changed(self) -> Changed {
        match self {
            Self::New(request) => Changed::Applied(Box::new(request)),
            Self::Refused(Some(request)) => Changed::Unchanged(Box::new(request)),
            Self::Refused(None) => Changed::NotFound,
        }
    }
}

/// The parameters for reading one page of an index.
pub(super) struct Page<'a> {
    /// The index's name.
    pub(super) index: &'a str,
    /// The name and the value of its hash key.
    pub(super) partition: (&'a str, AttributeValue),
    /// The name of its range key, and the lowest and the highest value, both inclusive.
    pub(super) range: (&'a str, AttributeValue, AttributeValue),
    /// Whether to begin with the highest value.
    pub(super) newest_first: bool,
    /// The greatest number of keys to read; `None` for all.
    pub(super) at_most: Option<usize>,
}

impl DynamoDbStore {
    /// Builds the store from the environment: `TABLE_NAME` in `AWS_REGION`, with the endpoint
    /// `AWS_ENDPOINT_URL_DYNAMODB` if that is set. Until [`Self::with_retention`] is called, the store ends no request.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::from_conf(client_config!(aws_sdk_dynamodb, environment, "AWS_ENDPOINT_URL_DYNAMODB")),
            table: environment.require("TABLE_NAME")?.to_owned(),
            retention: None,
        })
    }

    /// Sets the time for which a request is kept after its end. A store without it rejects every change that ends a
    /// request, because the request would never be deleted.
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention: Some(retention), ..self }
    }

    /// Opens the connection in advance, so that the first call does not wait for it: reads an item that does not exist.
    pub async fn warm(&self) {
        let warming = self.client.get_item().table_name(&self.table).key("pk", AttributeValue::S("WARM".to_owned()));
        // A failure here is only logged: it will recur at the first real call, which handles it.
        if let Err(error) = warming.send().await {
            tracing::warn!(error = %store_error(error), "DynamoDB connection not opened in advance");
        }
    }

    /// Starts an update of one request that returns the item, also when its condition fails.
    pub(super) fn update(&self, id: PaymentRequestId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", key(id))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Sends one conditional update.
    pub(super) async fn write(&self, update: UpdateItemFluentBuilder) -> Result<Written, StoreError> {
        match update.send().await {
            Ok(output) => match output.attributes {
                Some(item) => Ok(Written::New(read(item)?)),
                None => Err(StoreError::Corrupt("an update answered no item".into())),
            },
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                match context.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        Ok(Written::Refused(failed.item.map(read).transpose()?))
                    }
                    other => Err(StoreError::Refused(other.into())),
                }
            }
            Err(error) => Err(store_error(error)),
        }
    }

    /// Puts an item if none with its key exists; otherwise returns the existing one.
    pub(super) async fn put_new(&self, item: Item) -> Result<Option<Item>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(None),
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                match context.into_err() {
                    PutItemError::ConditionalCheckFailedException(failed) => match failed.item {
                        Some(existing) => Ok(Some(existing)),
                        None => Err(StoreError::Corrupt("a refused put answered no item".into())),
                    },
                    other => Err(StoreError::Refused(other.into())),
                }
            }
            Err(error) => Err(store_error(error)),
        }
    }

    /// Reads one item (a consistent read).
    pub(super) async fn get_item(&self, pk: String) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).key("pk", AttributeValue::S(pk)).consistent_read(true);
        Ok(get.send().await.map_err(store_error)?.item)
    }

    /// Reads the keys of one page of an index.
    pub(super) async fn query(&self, page: Page<'_>) -> Result<Vec<Item>, StoreError> {
        let Page { index, partition, range, newest_first, at_most } = page;
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let wanted = at_most.map(|limit| limit.saturating_sub(items.len()));
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(index)
                .key_condition_expression("#partition = :partition AND #range BETWEEN :low AND :high")
                .expression_attribute_names("#partition", partition.0)
                .expression_attribute_names("#range", range.0)
                .expression_attribute_values(":partition", partition.1.clone())
                .expression_attribute_values(":low", range.1.clone())
                .expression_attribute_values(":high", range.2.clone())
                .scan_index_forward(!newest_first)
                .set_limit(wanted.and_then(|wanted| i32::try_from(wanted).ok()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(store_error)?;
            items.extend(output.items.unwrap_or_default());
            start = output.last_evaluated_key;
            if start.is_none() || at_most.is_some_and(|limit| items.len() >= limit) {
                return Ok(items);
            }
        }
    }
}

/// Parses a payment request from its item.
pub(super) fn read(item: Item) -> Result<PaymentRequest, StoreError> {
    let item: Item = item.into_iter().map(|(name, value)| (name, readable(value))).collect();
    let item: RequestItem = from_item(item).map_err(corrupt)?;
    item.try_into().map_err(|error: domain::Invalid| StoreError::Corrupt(error.into()))
}

/// Returns the value itself, or, for one of a type that the SDK does not know, a value that no attribute of ours can
/// have. So it is an error where it is needed, and nowhere else. `serde_dynamo` would panic.
fn readable(value: AttributeValue) -> AttributeValue {
    fn is_known(value: &AttributeValue) -> bool {
        match value {
            AttributeValue::L(elements) => elements.iter().all(is_known),
            AttributeValue::M(fields) => fields.values().all(is_known),
            other => !other.is_unknown(),
        }
    }
    if is_known(&value) { value } else { AttributeValue::Bs(Vec::new()) }
}

/// Returns the error for an item that cannot be read. The reader's own text may show a value, so it is left out.
#[allow(clippy::needless_pass_by_value, reason = "errors are handed over by value")]
pub(super) fn corrupt(_error: serde_dynamo::Error) -> StoreError {
    StoreError::Corrupt("an attribute is missing, of another type, or of an unknown value".into())
}

/// Returns a text attribute from an index's key.
pub(super) fn text<'a>(item: &'a Item, attribute: &str) -> Result<&'a str, StoreError> {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(StoreError::Corrupt(format!("an index key without its {attribute}").into())),
    }
}
