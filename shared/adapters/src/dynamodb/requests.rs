//! The store's ports for requests: one item each, with everything about it.

use super::condition::{checkout_update, conditional_update, record_update, retract_update};
use super::item::RequestItem;
use super::keys::request_key;
use super::store::{DynamoDbStore, Written, read, unwritable};
use domain::ports::{Changed, Changes, Checkouts, Facts, Inserted, Inserts, Reads, StoreError};
use domain::transition::alternatives;
use domain::{Change, CheckoutId, Fact, PaymentRequest, PaymentRequestId, Transition};
use serde_dynamo::aws_sdk_dynamodb_1::to_item;

/// The greatest number of attempts of one change. A request changes its status at most six times (clicked, expired,
/// processing, expired, refund due, refunded), so more lost races than this indicate a defect.
const OVERTAKEN_AT_MOST: usize = 8;

impl Inserts for DynamoDbStore {
    async fn insert(&self, request: &PaymentRequest) -> Result<Inserted, StoreError> {
        match self.put_new(to_item(RequestItem::from(request)).map_err(unwritable)?).await? {
            None => Ok(Inserted::New),
            Some(existing) => Ok(Inserted::Existing(Box::new(read(existing)?))),
        }
    }
}

impl Reads for DynamoDbStore {
    async fn get(&self, id: PaymentRequestId) -> Result<Option<PaymentRequest>, StoreError> {
        self.get_item(request_key(id)).await?.map(read).transpose()
    }
}

impl Changes for DynamoDbStore {
    async fn change(&self, id: PaymentRequestId, change: &Change) -> Result<Changed, StoreError> {
        let outcomes: Vec<Vec<&'static Transition>> = alternatives(change.command.kind()).collect();
        let mut rows = outcomes.first().map(Vec::as_slice).unwrap_or_default();
        for _ in 0..OVERTAKEN_AT_MOST {
            let update = conditional_update(self.update(id), id, change, rows, self.retention)?;
            let request = match self.write(update).await? {
                Written::New(request) => return Ok(Changed::Applied(Box::new(request))),
                Written::Refused(None) => return Ok(Changed::NotFound),
                Written::Refused(Some(request)) => request,
            };
            if !change.scope.covers(&request.workspace, &request.agent.id) {
                return Ok(Changed::NotFound);
            }
            // This very change was applied: the response to the first attempt was lost.
            if request.operations.contains(&change.operation) {
                return Ok(Changed::Applied(Box::new(request)));
            }
            let Some(row) = change.transition(&request) else { return Ok(Changed::Unchanged(Box::new(request))) };
            // The table has another outcome for the request's actual status, such as a refund for late money.
            rows = outcomes
                .iter()
                .find(|outcome| outcome.iter().any(|other| other.leads_as(row)))
                .map(Vec::as_slice)
                .unwrap_or_default();
        }
        Err(StoreError::Unavailable("the request kept changing".into()))
    }
}

impl Checkouts for DynamoDbStore {
    async fn set_checkout(&self, id: PaymentRequestId, checkout: &CheckoutId) -> Result<Changed, StoreError> {
        Ok(self.write(checkout_update(self.update(id), &checkout.0)).await?.changed())
    }
}

impl Facts for DynamoDbStore {
    async fn record_fact(&self, id: PaymentRequestId, fact: &Fact) -> Result<Changed, StoreError> {
        Ok(match self.write(record_update(self.update(id), id, fact)).await? {
            // This very fact was recorded: the response to the first attempt was lost.
            Written::Refused(Some(request)) if request.has_fact(fact) => Changed::Applied(Box::new(request)),
            written => written.changed(),
        })
    }

    async fn retract_fact(&self, id: PaymentRequestId, fact: &Fact) -> Result<Changed, StoreError> {
        Ok(match self.write(retract_update(self.update(id), id, fact)).await? {
            // The fact was retracted and the response to the first attempt lost, or there was no fact.
            Written::Refused(Some(request)) if !request.has_fact(fact) => Changed::Applied(Box::new(request)),
            written => written.changed(),
        })
    }
}
