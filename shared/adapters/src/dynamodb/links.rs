//! The store's port for links: one item each, apart from the requests that they lead to.

use super::error::store_error;
use super::item::LinkItem;
use super::keys::link_key;
use super::store::{DynamoDbStore, corrupt};
use domain::ports::{Links, StoreError};
use domain::{LinkToken, PaymentRequestId, Timestamp};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};

impl Links for DynamoDbStore {
    async fn insert_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> Result<(), StoreError> {
        let link = LinkItem::new(token, id, kept_until);
        match self.put_new(to_item(&link).map_err(corrupt)?).await? {
            None => Ok(()),
            // The SDK retried the put, and the response to the first attempt was lost.
            Some(existing) if from_item::<LinkItem>(existing.clone()).map_err(corrupt)? == link => Ok(()),
            Some(_) => Err(StoreError::Refused("this token already leads to another request".into())),
        }
    }

    async fn keep_link(
        &self,
        token: &LinkToken,
        id: PaymentRequestId,
        kept_until: Timestamp,
    ) -> Result<(), StoreError> {
        let item = to_item(LinkItem::new(token, id, kept_until)).map_err(corrupt)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map_err(store_error)?;
        Ok(())
    }

    async fn find_link(&self, token: &LinkToken) -> Result<Option<PaymentRequestId>, StoreError> {
        match self.get_item(link_key(token)).await? {
            Some(item) => Ok(Some(from_item::<LinkItem>(item).map_err(corrupt)?.request_id)),
            None => Ok(None),
        }
    }
}
