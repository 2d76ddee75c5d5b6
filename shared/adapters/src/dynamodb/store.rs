//! The domain's store, on the AWS SDK: the table, its connection, and the calls that the ports share.

use super::error::store_error;
use super::keys::key;
use super::read::{Unreadable, payment_request};
use crate::aws::client_config;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::ports::{Changed, StoreError};
use domain::{Doors, PaymentRequest, PaymentRequestId};
use runtime::{ConfigError, Environment};
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
    pub(super) doors: Doors,
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
    /// The greatest number of readable keys; `None` for all.
    pub(super) at_most: Option<usize>,
    /// The key after which to begin: the last one of the page before.
    pub(super) after: Option<Item>,
}

impl DynamoDbStore {
    /// Builds the store from the environment: `TABLE_NAME` in `AWS_REGION`, with the endpoint
    /// `AWS_ENDPOINT_URL_DYNAMODB` if that is set. Until [`Self::with_retention`] is called, the store ends no request.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::from_conf(client_config!(aws_sdk_dynamodb, environment, DYNAMODB)),
            table: environment.require("TABLE_NAME")?.to_owned(),
            retention: None,
            doors: environment.doors(),
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
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the item, before or after the update, cannot be read.
    pub(super) async fn write(&self, update: UpdateItemFluentBuilder) -> Result<Written, StoreError> {
        let key = update.get_key().as_ref().and_then(|key| key.get("pk")).and_then(|pk| pk.as_s().ok()).cloned();
        match update.send().await {
            Ok(output) => match output.attributes {
                Some(item) => Ok(Written::New(read(item)?)),
                None => Err(StoreError::Refused("an update answered no item".into())),
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
            Err(error) => {
                // DynamoDB refuses an update that adds to an attribute of another type as invalid. Then the item is at
                // fault and not the call, and a caller with many requests goes on with the others.
                if let (Some("ValidationException"), Some(key)) = (error.code(), key)
                    && let Ok(Some(item)) = self.get_item(key).await
                {
                    read(item)?;
                }
                Err(store_error(error))
            }
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
                        None => Err(StoreError::Refused("a refused put answered no item".into())),
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

    /// Reads the keys of one page of an index, each by `read`, and leaves out those that cannot be read.
    pub(super) async fn query<T>(
        &self,
        page: Page<'_>,
        read: impl Fn(Item) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, StoreError> {
        let Page { index, partition, range, newest_first, at_most, after: mut start } = page;
        let mut keys = Vec::new();
        loop {
            let wanted = at_most.map(|limit| limit.saturating_sub(keys.len()));
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
            let found = output.items.unwrap_or_default().into_iter();
            keys.extend(found.filter_map(|key| read(key).inspect_err(Unreadable::leave_out).ok()));
            start = output.last_evaluated_key;
            if start.is_none() || at_most.is_some_and(|limit| keys.len() >= limit) {
                return Ok(keys);
            }
        }
    }
}

/// Reads the payment request that a call was about.
pub(super) fn read(item: Item) -> Result<PaymentRequest, StoreError> {
    payment_request(item).map_err(Unreadable::into_error)
}

/// Maps the error of an item that could not be built, which a defect alone can cause.
pub(super) fn unwritable(error: serde_dynamo::Error) -> StoreError {
    StoreError::Refused(error.into())
}
