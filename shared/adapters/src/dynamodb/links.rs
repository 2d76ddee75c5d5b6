//! The store's port for links: one item each, apart from the requests that they lead to.

use super::error::store_error;
use super::item::LinkItem;
use super::keys::link_key;
use super::read::{self, Unreadable};
use super::store::{DynamoDbStore, Item, unwritable};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::limits::CALL_INTERVAL;
use domain::ports::{Checkout, Link, Links, StoreError};
use domain::{CheckoutAttempt, LinkToken, PaymentRequestId, Timestamp};
use serde_dynamo::aws_sdk_dynamodb_1::to_item;

/// The length in bytes up to which a payment page's address is stored. Stripe's are about half as long.
const LONGEST_ADDRESS: usize = 800;

/// The condition under which the provider may be called.
const CALL_IS_FREE: &str = "attribute_exists(pk) AND (attribute_not_exists(called_at) OR called_at <= :latest)";

impl Links for DynamoDbStore {
    async fn insert_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> Result<(), StoreError> {
        let link: Item = to_item(LinkItem::new(token, id, kept_until)).map_err(unwritable)?;
        match self.put_new(link.clone()).await? {
            None => Ok(()),
            // The SDK retried the put, and the response to the first attempt was lost.
            Some(existing) if existing == link => Ok(()),
            Some(_) => Err(StoreError::Refused("this token already leads to another request".into())),
        }
    }

    async fn keep_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self.update_link(token).update_expression("SET request_id = :request_id, #ttl = :ttl");
        let update = update
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":request_id", AttributeValue::S(id.to_string()))
            .expression_attribute_values(":ttl", number(kept_until.as_seconds_ceiling()));
        update.send().await.map_err(store_error)?;
        Ok(())
    }

    async fn find_link(&self, token: &LinkToken) -> Result<Option<Link>, StoreError> {
        let item = self.get_item(link_key(token)).await?;
        item.map(|item| read::link(item).map_err(Unreadable::into_error)).transpose()
    }

    async fn set_checkout(
        &self,
        token: &LinkToken,
        checkout: &Checkout,
        attempt: CheckoutAttempt,
    ) -> Result<(), StoreError> {
        // An item over 1 KB would cost another write unit. The address can be had from the provider again.
        let url = Some(&checkout.url).filter(|url| url.len() <= LONGEST_ADDRESS);
        let expression =
            if url.is_some() { "SET checkout_id = :id, checkout_url = :url" } else { "SET checkout_id = :id" };
        let update = self.update_link(token).update_expression(expression);
        let update = update
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(checkout_id) OR attribute_not_exists(attempts) OR \
                 attempts <= :attempt)",
            )
            .expression_attribute_values(":attempt", number(attempt.get().into()))
            .expression_attribute_values(":id", AttributeValue::S(checkout.id.0.clone()));
        let update = match url {
            Some(url) => update.expression_attribute_values(":url", AttributeValue::S(url.clone())),
            None => update,
        };
        applied(update).await.map(drop)
    }

    async fn begin_attempt(&self, token: &LinkToken, now: Timestamp) -> Result<Option<CheckoutAttempt>, StoreError> {
        // The first attempt, a press's claim, leaves no trace here.
        let update = self.update_link(token);
        let update = update
            .update_expression("SET called_at = :now, attempts = if_not_exists(attempts, :first) + :one")
            .condition_expression(format!("attribute_not_exists(checkout_url) AND {CALL_IS_FREE}"))
            .expression_attribute_values(":first", number(CheckoutAttempt::FIRST.get().into()))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew);
        let Some(written) = written(call_taken(update, now)).await? else { return Ok(None) };
        read::attempts(written).map(Some).map_err(Unreadable::into_error)
    }

    async fn take_call(&self, token: &LinkToken, now: Timestamp) -> Result<bool, StoreError> {
        let update = self.update_link(token).update_expression("SET called_at = :now");
        applied(call_taken(update.condition_expression(CALL_IS_FREE), now)).await
    }
}

impl DynamoDbStore {
    fn update_link(&self, token: &LinkToken) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("pk", AttributeValue::S(link_key(token)))
    }
}

/// Adds the values of [`CALL_IS_FREE`], and of a call that is taken now.
fn call_taken(update: UpdateItemFluentBuilder, now: Timestamp) -> UpdateItemFluentBuilder {
    let latest = now.saturating_sub(CALL_INTERVAL);
    update
        .expression_attribute_values(":now", number(now.as_milliseconds()))
        .expression_attribute_values(":latest", number(latest.as_milliseconds()))
}

/// Sends an update, and returns whether its condition held.
async fn applied(update: UpdateItemFluentBuilder) -> Result<bool, StoreError> {
    Ok(written(update).await?.is_some())
}

/// Sends an update, and returns the attributes that it asks for; `None` if its condition did not hold.
async fn written(update: UpdateItemFluentBuilder) -> Result<Option<Item>, StoreError> {
    match update.send().await {
        Ok(output) => Ok(Some(output.attributes.unwrap_or_default())),
        Err(SdkError::ServiceError(context))
            if matches!(context.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
        {
            Ok(None)
        }
        Err(error) => Err(store_error(error)),
    }
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
