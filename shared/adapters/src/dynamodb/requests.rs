//! The store's ports for requests: one item each, with everything about it.

use super::condition::{conditional_update, end_of_looks_update, look_update, record_update, retract_update};
use super::item::RequestItem;
use super::keys::request_key;
use super::store::{DynamoDbStore, Written, read, unwritable};
use crate::aws::OPERATION_TIMEOUT;
use domain::limits::WRITE_GRACE;
use domain::ports::{Changed, Changes, Facts, Inserted, Inserts, Looks, Reads, StoreError};
use domain::transition::{STATUS_CHANGES_AT_MOST, alternatives};
use domain::{Change, CheckoutId, Fact, PaymentRequest, PaymentRequestId, Timestamp, Transition};
use serde_dynamo::aws_sdk_dynamodb_1::to_item;
use std::pin::pin;
use std::time::Duration;

/// The timeout of one change, with all attempts under all of its conditions. The caller reads the clock right before,
/// so no write begins or ends later than this after the moment that its deadline is compared with.
const CHANGE_TIMEOUT: Duration = OPERATION_TIMEOUT;

// A second remains for clocks that differ, and for a call that is still on its way when its caller gives up (decision
// 0019).
const _: () = assert!(CHANGE_TIMEOUT.as_millis() + 1_000 <= WRITE_GRACE.as_millis());

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
        // Pinned where it is: the future is large, and the timeout would copy it.
        let attempt = pin!(self.attempt_change(id, change));
        let changed = tokio::time::timeout(CHANGE_TIMEOUT, attempt).await;
        changed.unwrap_or_else(|elapsed| Err(StoreError::Unavailable(elapsed.into())))
    }
}

impl DynamoDbStore {
    async fn attempt_change(&self, id: PaymentRequestId, change: &Change) -> Result<Changed, StoreError> {
        let outcomes: Vec<Vec<&'static Transition>> = alternatives(change.command.kind()).collect();
        let mut rows = outcomes.first().map(Vec::as_slice).unwrap_or_default();
        let mut found = None;
        // Changes of the status can get in between, and failed attempts to pay with later times.
        for _ in 0..2 * STATUS_CHANGES_AT_MOST {
            let update = conditional_update(self.update(id), id, change, rows, found.as_ref(), self.retention)?;
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
            // The table has another outcome for the request's actual status, such as a refund for late money. Or it has
            // the same one, and the last change was recorded by a faster clock.
            rows = outcomes
                .iter()
                .find(|outcome| outcome.iter().any(|other| other.leads_as(row)))
                .map(Vec::as_slice)
                .unwrap_or_default();
            found = Some(request);
        }
        Err(StoreError::kept_changing())
    }
}

impl Looks for DynamoDbStore {
    async fn schedule_look(
        &self,
        seen: &PaymentRequest,
        next: Timestamp,
        checkout: Option<&CheckoutId>,
    ) -> Result<Changed, StoreError> {
        Ok(match self.write(look_update(self.update(seen.id), seen, next, checkout)).await? {
            // This very look was scheduled: the response to the first attempt was lost.
            Written::Refused(Some(request)) if is_scheduled(&request, seen, Some(next)) => {
                Changed::Applied(Box::new(request))
            }
            written => written.changed(),
        })
    }

    async fn end_looks(&self, seen: &PaymentRequest) -> Result<Changed, StoreError> {
        let Some(retention) = self.retention else {
            return Err(StoreError::Refused("a store without a retention cannot end a request".into()));
        };
        Ok(match self.write(end_of_looks_update(self.update(seen.id), seen, retention)).await? {
            Written::Refused(Some(request)) if is_scheduled(&request, seen, None) => {
                Changed::Applied(Box::new(request))
            }
            written => written.changed(),
        })
    }
}

/// Returns whether a request has not changed since it was seen, and is due next at this time.
fn is_scheduled(request: &PaymentRequest, seen: &PaymentRequest, next: Option<Timestamp>) -> bool {
    request.version() == seen.version() && request.due_at == next
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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::Client;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use domain::{
        Actor, Agent, Amount, Command, Customer, Details, Doors, LinkToken, Metadata, Money, OperationId, Phone,
        Sender, Timestamp,
    };
    use runtime::Environment;
    use serde_json::json;
    use std::sync::{Arc, Mutex};
    use tokio::time::{Instant, sleep};

    /// A DynamoDB that answers each call after this time, or never, with this response. It remembers when the calls
    /// began.
    #[derive(Debug, Clone)]
    struct Slow {
        answers_after: Option<Duration>,
        body: String,
        calls: Arc<Mutex<Vec<Instant>>>,
    }

    impl HttpConnector for Slow {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.calls.lock().unwrap().push(Instant::now());
            let Self { answers_after, body, .. } = self.clone();
            HttpConnectorFuture::new(async move {
                match answers_after {
                    Some(pause) => sleep(pause).await,
                    None => std::future::pending().await,
                }
                Ok(HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::from(body)))
            })
        }
    }

    fn store_over(slow: &Slow) -> DynamoDbStore {
        let environment = Environment::default()
            .with("TABLE_NAME", "chat2pay")
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test");
        let store = DynamoDbStore::new(&environment).unwrap();
        let connector = SharedHttpConnector::new(slow.clone());
        let http_client = http_client_fn(move |_, _| connector.clone());
        let config = store.client.config().to_builder().http_client(http_client).build();
        DynamoDbStore { client: Client::from_conf(config), ..store }
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds).unwrap()
    }

    fn sent() -> PaymentRequest {
        let doors = Doors::default();
        let agent = Agent { id: "alice".parse().unwrap(), name: "Alice".parse().unwrap() };
        let details = Details {
            order_number: "10045".parse().unwrap(),
            money: Money { amount: Amount::new(25_000).unwrap(), currency: "ZAR".parse().unwrap() },
            customer: Customer { phone: Phone::from_record("+27831234567").unwrap(), name: None, email: None },
            description: None,
            conversation_id: None,
            metadata: Metadata::default(),
        };
        PaymentRequest::new(
            PaymentRequestId::new(&doors).unwrap(),
            Sender::of_agent("acme".parse().unwrap(), agent),
            details,
            LinkToken::random(&doors).unwrap(),
            at(1_000),
            Duration::from_mins(5),
            OperationId::of_message("created"),
        )
    }

    /// Whether DynamoDB never answers or is slow to refuse, all attempts of a click together end a second before a read
    /// shows the deadline as passed that the click was compared with.
    #[tokio::test(start_paused = true)]
    async fn no_attempt_of_a_change_outlives_the_grace_of_writes() {
        let request = sent();
        let item: serde_dynamo::Item = serde_dynamo::to_item(RequestItem::from(&request)).unwrap();
        let refusal = json!({ "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message": "The conditional request failed", "Item": item });
        for answers_after in [None, Some(Duration::from_millis(1_500))] {
            let slow = Slow { answers_after, body: refusal.to_string(), calls: Arc::default() };
            let click = Command::Click { checkout_limit: Duration::from_mins(15) };
            // The clock is behind that of the last change, so the change is tried again as often as it is refused.
            let click = Change::new(click, at(999), Actor::Customer, OperationId::of_message("click"));
            let began = Instant::now();
            let error = store_over(&slow).change(request.id, &click).await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            assert!(began.elapsed() + Duration::from_secs(1) <= WRITE_GRACE, "{:?}", began.elapsed());
            assert!(slow.calls.lock().unwrap().len() > 1, "it is tried again");
        }
    }
}
