//! Facts are recorded and retracted once, however often that is tried. Release 0.1 understands what 0.2 wrote, and the
//! other way round. The identifiers and conditions of 0.1 are copied here unchanged.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{Changed, Changes as _, Facts as _, StoreError};
use domain::use_cases::pay::{ProviderEvent, ProviderEventOutcome, record_provider_event};
use domain::{
    Actor, Change, Command, Fact, Money, OperationId, Payment, PaymentRequest, PaymentRequestId, RunId, Status,
    SystemClock, Timestamp,
};
use futures::future::join_all;
use local::dynamodb::TABLE_NAME;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use tests::handlers::Handlers;
use tests::proxy::Fault;

/// Items that release 0.1 stored. The customer of the first had clicked, and its payment `pay_1` then failed. The
/// second was canceled, paid all the same by `pay_2`, and its refund was requested. A run had claimed the first message
/// of each.
const PAYMENT_FAILED: &str = include_str!("items/release-0.1-payment-failed.json");
const REFUND_DUE: &str = include_str!("items/release-0.1-refund-due.json");

/// The operation in the first item that 0.1 wrote for the claim to its first message.
const CLAIMED_MESSAGE: &str = "46TYJN3iqqQmE";
/// The operation in the first item that 0.1 wrote for the run that claimed the message.
const CLAIMING_RUN: &str = "3CX4QRb7f1hTs";
/// The operation in the first item that 0.1 wrote for the failure of the sandbox's payment `pay_1`.
const FAILED_PAYMENT: &str = "3RTDXS7xWKqSj";
/// The operation in the second item that 0.1 wrote for the refund that it had requested.
const ASKED_REFUND: &str = "2fPtcyAfHu8K7";

type Item = HashMap<String, AttributeValue>;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn set(texts: &[&str]) -> AttributeValue {
    AttributeValue::Ss(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// Reads an item in DynamoDB's JSON and removes these operations from it.
fn item_without(json: &str, operations: &[&str]) -> Item {
    let mut item: Value = serde_json::from_str(json).unwrap();
    let left = item["operations"]["SS"].as_array_mut().unwrap();
    left.retain(|operation| !operations.contains(&operation.as_str().unwrap()));
    serde_json::from_value::<serde_dynamo::Item>(item).unwrap().into()
}

async fn put(handlers: &Handlers, item: Item) -> PaymentRequestId {
    let id = item["pk"].as_s().unwrap().strip_prefix("REQ#").unwrap().parse().unwrap();
    handlers.database_client().put_item().table_name(TABLE_NAME).set_item(Some(item)).send().await.unwrap();
    id
}

async fn stored(handlers: &Handlers, id: PaymentRequestId) -> PaymentRequest {
    handlers.stored(&id.to_string()).await
}

/// Returns the texts of a string set of the stored item, or `None` if it lacks the attribute.
async fn texts(handlers: &Handlers, id: PaymentRequestId, attribute: &str) -> Option<BTreeSet<String>> {
    let item = handlers.item(&format!("REQ#{id}")).await;
    Some(item.get(attribute)?.as_ss().unwrap().iter().cloned().collect())
}

async fn has_operation(handlers: &Handlers, id: PaymentRequestId, operation: &str) -> bool {
    texts(handlers, id, "operations").await.unwrap().contains(operation)
}

/// Makes an update as release 0.1 does, and returns whether its condition held.
async fn release_0_1(
    handlers: &Handlers,
    id: PaymentRequestId,
    update: &str,
    condition: &str,
    values: &[(&str, AttributeValue)],
) -> bool {
    let call = handlers.database_client().update_item().table_name(TABLE_NAME).key("pk", text(&format!("REQ#{id}")));
    let mut call = call.update_expression(update).condition_expression(condition);
    for name in ["pk", "operations", "status", "amount", "currency", "due_at", "version", "ttl"] {
        if update.contains(&format!("#{name}")) || condition.contains(&format!("#{name}")) {
            call = call.expression_attribute_names(format!("#{name}"), name);
        }
    }
    for (name, value) in values {
        call = call.expression_attribute_values(format!(":{name}"), value.clone());
    }
    match call.send().await {
        Ok(_) => true,
        Err(SdkError::ServiceError(error))
            if matches!(error.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
        {
            false
        }
        Err(error) => panic!("{error:?}"),
    }
}

async fn release_0_1_claims(handlers: &Handlers, id: PaymentRequestId, run: &str) -> bool {
    let values = [("message", text(CLAIMED_MESSAGE)), ("marks", set(&[CLAIMED_MESSAGE, run]))];
    let condition = "attribute_exists(#pk) AND NOT contains(#operations, :message)";
    release_0_1(handlers, id, "ADD #operations :marks", condition, &values).await
}

async fn release_0_1_releases(handlers: &Handlers, id: PaymentRequestId, run: &str) -> bool {
    let values = [("run", text(run)), ("marks", set(&[CLAIMED_MESSAGE, run]))];
    let condition = "attribute_exists(#pk) AND contains(#operations, :run)";
    release_0_1(handlers, id, "DELETE #operations :marks", condition, &values).await
}

/// Marks a refund as release 0.1 does: `action` is `ADD` before it requests the refund, and `DELETE` after the provider
/// has rejected the refund.
async fn release_0_1_marks_refund(handlers: &Handlers, id: PaymentRequestId, action: &str) -> bool {
    let values = [("mark", set(&[ASKED_REFUND])), ("is_refund_due", text("refund_due"))];
    let condition = "attribute_exists(#pk) AND #status = :is_refund_due";
    release_0_1(handlers, id, &format!("{action} #operations :mark"), condition, &values).await
}

/// Handles the provider's report that the customer had paid in time as release 0.1 does. `failure` is the operation
/// that 0.1 would have stored for a failure of this payment.
async fn release_0_1_processes(handlers: &Handlers, id: PaymentRequestId, failure: &str) -> bool {
    let due_at = handlers.item(&format!("REQ#{id}")).await["due_at"].clone();
    let values = [
        ("operation", text("processing")),
        ("operations", set(&["processing"])),
        ("amount", AttributeValue::N("25000".to_owned())),
        ("currency", text("ZAR")),
        ("is_clicked", text("clicked")),
        ("is_expired", text("expired")),
        ("is_processing", text("processing")),
        ("paid_at", due_at),
        ("failure", text(failure)),
    ];
    let condition = "attribute_exists(#pk) AND NOT contains(#operations, :operation) AND #amount = :amount \
        AND #currency = :currency AND ((#status = :is_clicked) OR (#status = :is_expired AND #due_at >= :paid_at \
        AND NOT contains(#operations, :failure)))";
    let update = "SET #status = :is_processing ADD #operations :operations";
    release_0_1(handlers, id, update, condition, &values).await
}

/// Handles the provider's report that `pay_1` failed as release 0.1 does.
async fn release_0_1_fails_payment(handlers: &Handlers, id: PaymentRequestId) -> bool {
    let values = [
        ("operation", text(FAILED_PAYMENT)),
        ("operations", set(&[FAILED_PAYMENT])),
        ("is_clicked", text("clicked")),
        ("is_processing", text("processing")),
        ("is_expired", text("expired")),
    ];
    let condition = "attribute_exists(#pk) AND NOT contains(#operations, :operation) AND \
        ((#status = :is_clicked) OR (#status = :is_processing) OR (#status = :is_expired))";
    let update = "SET #status = :is_expired ADD #operations :operations";
    release_0_1(handlers, id, update, condition, &values).await
}

fn claim() -> Fact {
    Fact::MessageClaimed { version: 1, run: RunId::random(&domain::Doors::default()).unwrap() }
}

fn money() -> Money {
    Money { amount: 25_000.try_into().unwrap(), currency: "ZAR".parse().unwrap() }
}

fn processing(reference: &str, paid_at: Timestamp) -> Change {
    let payment = Payment { provider: "sandbox".into(), reference: reference.into(), paid_at };
    let operation = OperationId::of_message(&format!("sandbox:{reference}:processing"));
    Change::new(Command::Process { payment, money: money() }, paid_at, Actor::Provider, operation)
}

fn failed(id: PaymentRequestId) -> ProviderEvent {
    ProviderEvent::PaymentFailed { id, provider: "sandbox".into(), reference: "pay_1".into() }
}

#[tokio::test]
async fn facts_that_release_0_1_stored_as_operations_are_honoured() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    let (failed_one, due) =
        (put(&handlers, item_without(PAYMENT_FAILED, &[])).await, put(&handlers, item_without(REFUND_DUE, &[])).await);

    // The message is claimed already.
    for id in [failed_one, due] {
        assert!(matches!(store.record_fact(id, &claim()).await.unwrap(), Changed::Unchanged(_)));
    }
    // `pay_1` has failed, so the request does not wait for it, but it waits for another payment. A repeated report adds
    // nothing.
    let request = stored(&handlers, failed_one).await;
    assert!(request.has_fact(&Fact::payment_failed("sandbox", "pay_1")));
    assert!(!request.has_fact(&Fact::payment_failed("sandbox", "pay_2")));
    record_provider_event(&store, &SystemClock, failed(failed_one)).await.unwrap();
    let again = store.change(failed_one, &processing("pay_1", request.deadline)).await.unwrap();
    assert!(matches!(again, Changed::Unchanged(_)), "{again:?}");
    assert_eq!(stored(&handlers, failed_one).await, request);
    let other = store.change(failed_one, &processing("pay_2", request.deadline)).await.unwrap();
    assert!(matches!(&other, Changed::Applied(request) if request.status == Status::Processing), "{other:?}");
    // The fact says that we requested the refund, so the report that it was accepted changes nothing. Once the fact is
    // retracted, the refund may be one that a person made.
    assert!(stored(&handlers, due).await.has_fact(&Fact::RefundRequested));
    let accepted = || ProviderEvent::RefundTaken { id: due, reference: "pay_2".into(), money: money() };
    let ours = record_provider_event(&store, &SystemClock, accepted()).await.unwrap();
    assert!(matches!(ours, ProviderEventOutcome::Unchanged(_)), "{ours:?}");
    let Changed::Applied(retracted) = store.retract_fact(due, &Fact::RefundRequested).await.unwrap() else { panic!() };
    assert!(!retracted.has_fact(&Fact::RefundRequested) && !has_operation(&handlers, due, ASKED_REFUND).await);
    let a_persons = record_provider_event(&store, &SystemClock, accepted()).await.unwrap();
    assert!(matches!(a_persons, ProviderEventOutcome::Applied(_)), "{a_persons:?}");
}

#[tokio::test]
async fn a_claim_holds_against_the_other_release_until_it_is_released() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    let id = put(&handlers, item_without(PAYMENT_FAILED, &[CLAIMED_MESSAGE, CLAIMING_RUN])).await;
    for _ in 0..2 {
        let ours = claim();
        assert!(matches!(store.record_fact(id, &ours).await.unwrap(), Changed::Applied(_)));
        assert!(!release_0_1_claims(&handlers, id, CLAIMING_RUN).await, "0.1 sees our claim");
        assert!(!release_0_1_releases(&handlers, id, CLAIMING_RUN).await, "0.1 cannot release our claim");
        store.retract_fact(id, &ours).await.unwrap();
        assert!(release_0_1_claims(&handlers, id, CLAIMING_RUN).await, "0.1 sees that our claim is released");
        assert!(matches!(store.record_fact(id, &claim()).await.unwrap(), Changed::Unchanged(_)), "we see 0.1's claim");
        store.retract_fact(id, &claim()).await.unwrap();
        assert!(has_operation(&handlers, id, CLAIMED_MESSAGE).await, "we cannot release 0.1's claim");
        assert!(release_0_1_releases(&handlers, id, CLAIMING_RUN).await);
    }
}

#[tokio::test]
async fn release_0_1_recognizes_failed_payments() {
    let handlers = Handlers::start().await;
    let mut item = item_without(PAYMENT_FAILED, &[FAILED_PAYMENT]);
    item.insert("status".to_owned(), text("clicked"));
    let id = put(&handlers, item).await;
    let outcome = record_provider_event(&handlers.store(), &SystemClock, failed(id)).await.unwrap();
    assert!(matches!(outcome, ProviderEventOutcome::Applied(_)), "{outcome:?}");
    let facts = texts(&handlers, id, "facts").await.unwrap();
    assert_eq!(facts, BTreeSet::from([format!("payment_failed:{FAILED_PAYMENT}")]), "the change records the fact");
    assert!(!release_0_1_fails_payment(&handlers, id).await, "a repeat of the report");
    assert!(!release_0_1_processes(&handlers, id, FAILED_PAYMENT).await, "an outdated report");
    assert!(release_0_1_processes(&handlers, id, "another").await, "another payment");
}

/// A fact needs no history entry and no event, and both releases know it.
#[tokio::test]
async fn a_failed_payment_can_be_recorded_without_a_change() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    let id = put(&handlers, item_without(PAYMENT_FAILED, &[FAILED_PAYMENT])).await;
    let before = stored(&handlers, id).await;
    let failure = Fact::payment_failed("sandbox", "pay_1");
    assert!(matches!(store.record_fact(id, &failure).await.unwrap(), Changed::Applied(_)));
    let after = stored(&handlers, id).await;
    assert!(!before.has_fact(&failure) && after.has_fact(&failure));
    assert_eq!((after.status, &after.history), (before.status, &before.history));
    let outdated = store.change(id, &processing("pay_1", after.deadline)).await.unwrap();
    assert!(matches!(outdated, Changed::Unchanged(_)), "{outdated:?}");
    assert!(!release_0_1_processes(&handlers, id, FAILED_PAYMENT).await);
    let other = store.change(id, &processing("pay_2", after.deadline)).await.unwrap();
    assert!(matches!(other, Changed::Applied(_)), "{other:?}");
}

#[tokio::test]
async fn release_0_1_recognizes_requested_refunds() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    let id = put(&handlers, item_without(REFUND_DUE, &[ASKED_REFUND])).await;
    assert!(matches!(store.record_fact(id, &Fact::RefundRequested).await.unwrap(), Changed::Applied(_)));
    assert!(has_operation(&handlers, id, ASKED_REFUND).await);
    store.retract_fact(id, &Fact::RefundRequested).await.unwrap();
    assert!(!has_operation(&handlers, id, ASKED_REFUND).await);
    assert_eq!(texts(&handlers, id, "facts").await, None, "the attribute goes with its last text");
    // A refund that 0.1 requested in between is known, and is marked only once.
    assert!(release_0_1_marks_refund(&handlers, id, "ADD").await);
    assert!(stored(&handlers, id).await.has_fact(&Fact::RefundRequested));
    assert!(release_0_1_marks_refund(&handlers, id, "DELETE").await);
    assert!(!stored(&handlers, id).await.has_fact(&Fact::RefundRequested));
}

/// The release after 0.2 will write no marks, and a rollback from it has to work too.
#[tokio::test]
async fn a_fact_counts_without_its_marks() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    let failure = format!("payment_failed:{FAILED_PAYMENT}");
    let mut item = item_without(PAYMENT_FAILED, &[CLAIMED_MESSAGE, CLAIMING_RUN, FAILED_PAYMENT]);
    item.insert("facts".to_owned(), set(&["claimed:1", "claimed:1:run", &failure]));
    let id = put(&handlers, item).await;
    assert!(matches!(store.record_fact(id, &claim()).await.unwrap(), Changed::Unchanged(_)));
    let deadline = stored(&handlers, id).await.deadline;
    let outdated = store.change(id, &processing("pay_1", deadline)).await.unwrap();
    assert!(matches!(outdated, Changed::Unchanged(_)), "{outdated:?}");
    let mut item = item_without(REFUND_DUE, &[ASKED_REFUND]);
    item.insert("facts".to_owned(), set(&["refund_requested"]));
    let id = put(&handlers, item).await;
    let accepted = ProviderEvent::RefundTaken { id, reference: "pay_2".into(), money: money() };
    let ours = record_provider_event(&store, &SystemClock, accepted).await.unwrap();
    assert!(matches!(ours, ProviderEventOutcome::Unchanged(_)), "{ours:?}");
    store.retract_fact(id, &Fact::RefundRequested).await.unwrap();
    assert_eq!(texts(&handlers, id, "facts").await, None);
}

#[tokio::test]
async fn unknown_facts_of_another_release_are_kept_and_ignored() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    let foreign = ["seen:by:a:later:release", "claimed:first", "refund_requested:twice"];
    let (id, token) = handlers.sent().await;
    let mut item = handlers.item(&format!("REQ#{id}")).await;
    assert!(!item.contains_key("facts"), "an ordinary request has none");
    item.insert("facts".to_owned(), set(&foreign));
    let id = put(&handlers, item).await;

    assert_eq!(handlers.get(&id.to_string()).await.status, 200);
    let claim = claim();
    store.record_fact(id, &claim).await.unwrap();
    assert_eq!(handlers.click(&token).await.status, 303);
    store.retract_fact(id, &claim).await.unwrap();
    assert_eq!(handlers.pay(&id.to_string(), stored(&handlers, id).await.deadline).await.status, 200);
    let request = stored(&handlers, id).await;
    assert_eq!((request.status, request.has_fact(&Fact::RefundRequested)), (Status::Paid, false));
    assert_eq!(texts(&handlers, id, "facts").await.unwrap(), foreign.map(str::to_owned).into());
}

#[tokio::test]
async fn a_fact_whose_answers_are_lost_is_recorded_and_retracted_once() {
    for faults in [
        vec![Fault::AnswerLost],
        vec![Fault::RequestLost],
        vec![Fault::AnswerLost, Fault::AnswerLost],
        vec![Fault::RequestLost, Fault::AnswerLost],
    ] {
        let handlers = Handlers::start().await;
        let store = handlers.faulty_store();
        let id = put(&handlers, item_without(REFUND_DUE, &[ASKED_REFUND])).await;
        let before = texts(&handlers, id, "operations").await;
        for fact in [
            Fact::MessageClaimed { version: 3, run: RunId::random(&domain::Doors::default()).unwrap() },
            Fact::RefundRequested,
        ] {
            handlers.proxy.fail_next_writes(&faults);
            let Changed::Applied(recorded) = store.record_fact(id, &fact).await.unwrap() else { panic!("{fact:?}") };
            assert!(recorded.has_fact(&fact) && stored(&handlers, id).await.has_fact(&fact), "{fact:?} {faults:?}");
            assert_eq!(texts(&handlers, id, "facts").await.unwrap(), fact.texts().collect(), "{faults:?}");
            handlers.proxy.fail_next_writes(&faults);
            let Changed::Applied(retracted) = store.retract_fact(id, &fact).await.unwrap() else { panic!("{fact:?}") };
            assert!(!retracted.has_fact(&fact), "{fact:?} {faults:?}");
            assert_eq!(handlers.proxy.faults_left(), 0);
            assert_eq!(texts(&handlers, id, "facts").await, None, "{faults:?}");
            assert_eq!(texts(&handlers, id, "operations").await, before, "{faults:?}");
        }
    }
}

#[tokio::test]
async fn exactly_one_of_many_claims_to_a_message_is_recorded() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    let id: PaymentRequestId = handlers.sent().await.0.parse().unwrap();
    let claims: Vec<Fact> = (0..8).map(|_| claim()).collect();
    let recorded = join_all(claims.iter().map(|claim| store.record_fact(id, claim))).await;
    let won: Vec<_> = claims.iter().zip(&recorded).filter(|(_, one)| matches!(one, Ok(Changed::Applied(_)))).collect();
    let [(winner, _)] = won.as_slice() else { panic!("{recorded:?}") };
    assert_eq!(texts(&handlers, id, "facts").await.unwrap(), winner.texts().collect());
    // Another message of the same request has a claim of its own.
    let other = Fact::MessageClaimed { version: 2, run: RunId::random(&domain::Doors::default()).unwrap() };
    assert!(matches!(store.record_fact(id, &other).await.unwrap(), Changed::Applied(_)));
}

#[tokio::test]
async fn a_refund_is_requested_only_while_it_is_due() {
    let handlers = Handlers::start().await;
    let store = handlers.store();
    let id: PaymentRequestId = handlers.sent().await.0.parse().unwrap();
    assert!(matches!(store.record_fact(id, &Fact::RefundRequested).await.unwrap(), Changed::Unchanged(_)));
    assert_eq!(texts(&handlers, id, "facts").await, None);
    let due = put(&handlers, item_without(REFUND_DUE, &[])).await;
    store.record_fact(due, &Fact::RefundRequested).await.unwrap();
    handlers.refund_due(&due.to_string()).await.unwrap();
    let Changed::Unchanged(done) = store.retract_fact(due, &Fact::RefundRequested).await.unwrap() else { panic!() };
    assert!(
        done.status == Status::Refunded && done.has_fact(&Fact::RefundRequested),
        "the requested refund stays recorded"
    );
    let unknown = PaymentRequestId::new(&domain::Doors::default()).unwrap();
    assert_eq!(store.record_fact(unknown, &Fact::RefundRequested).await.unwrap(), Changed::NotFound);
    assert_eq!(store.retract_fact(unknown, &Fact::RefundRequested).await.unwrap(), Changed::NotFound);
}

/// Without a retention, the item of an ended request would never be removed. A store that ends requests therefore needs
/// a retention.
#[tokio::test]
async fn a_store_without_a_retention_ends_no_request() {
    let handlers = Handlers::start().await;
    let store = adapters::DynamoDbStore::new(handlers.environment()).unwrap();
    let (id, _) = handlers.sent().await;
    let request = handlers.stored(&id).await;
    let change = |command| {
        Change::new(command, request.created_at, Actor::System, OperationId::random(&domain::Doors::default()).unwrap())
    };
    let refused = store.change(request.id, &change(Command::Cancel)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(handlers.stored(&id).await, request);
    let click = Command::Click { checkout_limit: std::time::Duration::from_mins(15) };
    assert!(matches!(store.change(request.id, &change(click)).await.unwrap(), Changed::Applied(_)));
    let kept = store.clone().with_retention(std::time::Duration::from_hours(24));
    let failed = record_provider_event(&kept, &SystemClock, failed(request.id)).await.unwrap();
    assert!(matches!(failed, ProviderEventOutcome::Applied(_)));
    let ended = handlers.stored(&id).await.updated_at().saturating_add(std::time::Duration::from_hours(24));
    assert_eq!(handlers.time_to_live(&id).await, Some(ended.as_seconds_ceiling()));
}
