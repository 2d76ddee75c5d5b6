//! The store's port for links: one item each, apart from the requests that they lead to.

use super::error::store_error;
use super::item::LinkItem;
use super::keys::link_key;
use super::read::{Unreadable, target_of_link};
use super::store::{DynamoDbStore, Item, unwritable};
use domain::ports::{Links, StoreError};
use domain::{LinkToken, PaymentRequestId, Timestamp};
use serde_dynamo::aws_sdk_dynamodb_1::to_item;

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
        let item = to_item(LinkItem::new(token, id, kept_until)).map_err(unwritable)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map_err(store_error)?;
        Ok(())
    }

    async fn find_link(&self, token: &LinkToken) -> Result<Option<PaymentRequestId>, StoreError> {
        let item = self.get_item(link_key(token)).await?;
        item.map(|item| target_of_link(item).map_err(Unreadable::into_error)).transpose()
    }
}
