//! Tests of the account's rules, within one transaction of the store.

use super::account::{Account, AttemptOutcome, INITIALIZE, Settings};
use super::error::AccountError;
use super::given::Given;
use super::lists::{DISPUTES, REFUNDS, SETTLED, SETTLEMENTS, TRANSACTIONS};
use super::objects::{Clauses, Refund, RefundsEnd, Settlement as Settled, Status, Transaction, load};
use super::refunds::REFUND;
use super::shown::{self, Place};
use super::{attempt_payment, done_url, end_refunds, open_dispute, settle_transfer};
use domain::Timestamp;
use rusqlite::Transaction as Work;
use serde_json::{Value, json};
use stand_in_host::checkout_page::{CheckoutState, DisputeOutcome, FormResult, Order, Settlement};
use stand_in_host::doors::{Clock, Doors, NoRandomness, Randomness};
use stand_in_host::durable::{DurableStore, Job};
use std::sync::atomic::{AtomicU64, Ordering};

const NOW: i64 = 1_767_607_200_000;

struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(NOW).unwrap()
    }
}

/// A counter in place of randomness: identifiers are distinct, and the same in every run.
struct Counter(AtomicU64);

impl Randomness for Counter {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.iter_mut().zip(number.iter().rev().cycle()).for_each(|(byte, from)| *byte = *from);
        Ok(())
    }
}

/// Runs `work` within one transaction, which is all that these rules need. Returns its result and the events that were
/// stored for the merchant.
async fn within<T: Send + 'static>(
    work: impl FnOnce(&mut Account<'_>) -> Result<T, AccountError> + Send + 'static,
) -> (T, Vec<Value>) {
    let store = DurableStore::open(None).unwrap();
    store.create_tables(super::objects::SCHEMA).await.unwrap();
    let work = move |store: &Work<'_>| {
        let settings = Settings {
            domain: "test",
            page_base: "http://127.0.0.1/paystack/checkout/".to_owned(),
            doors: Doors::new(StandingClock, Counter(AtomicU64::new(1))),
        };
        let mut account = Account::open(store, &settings);
        let result = work(&mut account).unwrap();
        let event = |job: &Job| serde_json::from_str::<Value>(&job.body).unwrap();
        // The forms take the events out, to be delivered: what is stored is all of them.
        let mut bodies = store.prepare("SELECT body FROM jobs ORDER BY sequence")?;
        let stored = bodies.query_map([], |row| row.get::<_, String>(0))?;
        let events: Vec<Value> = stored.map(|body| serde_json::from_str(&body.unwrap()).unwrap()).collect();
        assert!(account.pending_webhooks.iter().all(|job| events.contains(&event(job))));
        Ok((result, events))
    };
    store.transaction(work).await.unwrap()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

fn given(value: &Value, known: &[&str]) -> Given {
    Given::from_body(value.to_string().as_bytes(), "application/json", known).unwrap()
}

fn query(text: &str, known: &[&str]) -> Given {
    Given::from_pairs(text.as_bytes(), known).unwrap()
}

/// Returns the parameters of a transaction as chat2pay asks for one, with other values.
fn parameters(other: &Value) -> Given {
    let mut parameters = json!({
        "email": "a@example.com", "amount": 25_000, "currency": "ZAR", "reference": "order-1",
        "callback_url": "http://127.0.0.1/p/x?done",
        "metadata": {
            "cancel_action": "http://127.0.0.1/p/x?back",
            "custom_fields": [{ "display_name": "Order", "variable_name": "order", "value": "10045" }],
        },
    });
    let fields = parameters.as_object_mut().unwrap();
    for (name, value) in other.as_object().unwrap() {
        fields.insert(name.clone(), value.clone());
    }
    given(&parameters, INITIALIZE)
}

fn created(account: &Account<'_>, other: &Value) -> Result<Transaction, AccountError> {
    let answer = account.initialize(&parameters(other))?;
    Ok(account.by_page(answer["access_code"].as_str().unwrap())?.unwrap())
}

fn paid(account: &mut Account<'_>, other: &Value) -> Result<Transaction, AccountError> {
    let mut transaction = created(account, other)?;
    account.attempt(&mut transaction, AttemptOutcome::Succeeded)?;
    Ok(transaction)
}

/// Returns the code of a rejection.
fn code<T>(result: Result<T, AccountError>) -> String {
    match result {
        Err(AccountError::Api(error)) => error.body()["code"].as_str().unwrap().to_owned(),
        Err(AccountError::Store(error)) => panic!("{error}"),
        Ok(_) => "accepted".to_owned(),
    }
}

fn request_refund(account: &mut Account<'_>, value: &Value) -> Result<Value, AccountError> {
    account.refund(&given(value, REFUND))
}

#[tokio::test]
async fn a_transaction_is_abandoned_until_it_is_paid_and_keeps_its_reference() {
    let (transaction, events) = within(|account| created(account, &json!({}))).await;
    assert_eq!((transaction.status, transaction.amount, transaction.id), (Status::Abandoned, 25_000, 5_000_000_001));
    assert!(events.is_empty());
    let shown = shown::transaction(&transaction, "test", Place::Verified);
    assert_eq!((&shown["paid_at"], &shown["fees"], &shown["authorization"]), (&Value::Null, &Value::Null, &json!({})));
    assert_eq!(shown["metadata"]["cancel_action"], "http://127.0.0.1/p/x?back");
    let (codes, _) = within(|account| {
        created(account, &json!({}))?;
        let again = code(created(account, &json!({})));
        Ok((again, code(created(account, &json!({ "reference": "order-2" })))))
    })
    .await;
    assert_eq!(codes, ("duplicate_reference".to_owned(), "accepted".to_owned()));
}

#[tokio::test]
async fn a_new_transaction_needs_valid_values() {
    for (other, refusal) in [
        (json!({ "email": null }), "missing_params"),
        (json!({ "email": "a@b" }), "invalid_email_address"),
        (json!({ "email": "a b@example.com" }), "invalid_email_address"),
        (json!({ "amount": null }), "missing_params"),
        (json!({ "amount": 99 }), "invalid_amount"),
        (json!({ "amount": "1.5" }), "invalid_params"),
        (json!({ "currency": "EUR" }), "unsupported_currency"),
        (json!({ "reference": "a_b" }), "invalid_params"),
        (json!({ "reference": "a/b" }), "invalid_params"),
        (json!({ "callback_url": "p/x" }), "invalid_params"),
        (json!({ "channels": ["cheque"] }), "invalid_params"),
        (json!({ "metadata": 1 }), "invalid_params"),
        (json!({ "amount": "25000", "reference": "a-1.b=", "channels": ["card", "ussd"] }), "accepted"),
        (json!({ "callback_url": null, "metadata": null, "currency": "NGN" }), "accepted"),
    ] {
        let shown = other.to_string();
        let (found, _) = within(move |account| Ok(code(created(account, &other)))).await;
        assert_eq!(found, refusal, "{shown}");
    }
}

#[tokio::test]
async fn metadata_given_as_a_text_is_shown_as_the_object_in_it() {
    for (given, kept) in [(json!("{\"a\":1}"), json!({ "a": 1 })), (json!("a"), json!("a")), (json!(null), json!(""))] {
        let (transaction, _) = within(move |account| created(account, &json!({ "metadata": given }))).await;
        assert_eq!(shown::transaction(&transaction, "test", Place::Verified)["metadata"], kept);
    }
}

#[tokio::test]
async fn one_email_address_is_one_customer() {
    let (same, _) = within(|account| {
        let first = created(account, &json!({}))?;
        let second = created(account, &json!({ "reference": "order-2" }))?;
        let other = created(account, &json!({ "reference": "order-3", "email": "b@example.com" }))?;
        Ok((first.customer.code == second.customer.code, first.customer.id == other.customer.id))
    })
    .await;
    assert_eq!(same, (true, false));
}

#[tokio::test]
async fn a_declined_card_leaves_the_page_open_and_only_success_is_reported() {
    let (statuses, events) = within(|account| {
        let mut transaction = created(account, &json!({}))?;
        account.attempt(&mut transaction, AttemptOutcome::Declined)?;
        let declined = transaction.status;
        let page = Order::from(transaction.clone());
        assert_eq!((page.state, page.back_url.as_deref()), (CheckoutState::Open, Some("http://127.0.0.1/p/x?back")));
        assert_eq!(page.description.as_deref(), Some("Order: 10045"));
        account.attempt(&mut transaction, AttemptOutcome::Succeeded)?;
        assert_eq!(Order::from(transaction.clone()).state, CheckoutState::Paid);
        Ok((declined, transaction.status))
    })
    .await;
    assert_eq!(statuses, (Status::Failed, Status::Success));
    assert_eq!(names(&events), ["charge.success"]);
    let reported = &events[0]["data"];
    assert_eq!((&reported["reference"], &reported["status"]), (&json!("order-1"), &json!("success")));
    assert_eq!((&reported["amount"], &reported["currency"]), (&json!(25_000), &json!("ZAR")));
    assert_eq!((&reported["log"]["attempts"], &reported["log"]["errors"]), (&json!(2), &json!(1)));
    assert_eq!((&reported["paid_at"], &reported["fees"]), (&json!("2026-01-05T10:00:00.000Z"), &json!(375)));
}

#[tokio::test]
async fn the_customer_goes_back_with_the_reference() {
    let (urls, _) = within(|account| {
        let mut transaction = created(account, &json!({}))?;
        let url = done_url(&transaction);
        let FormResult::Applied { next_url, .. } =
            attempt_payment(account, &mut transaction, AttemptOutcome::Declined)?
        else {
            panic!("not declined")
        };
        let FormResult::Applied { next_url: done, .. } =
            attempt_payment(account, &mut transaction, AttemptOutcome::Succeeded)?
        else {
            panic!("not paid")
        };
        let FormResult::AlreadyDone { next_url: again } =
            attempt_payment(account, &mut transaction, AttemptOutcome::Succeeded)?
        else {
            panic!("paid twice")
        };
        assert!(next_url.ends_with("?declined") && next_url.starts_with("/paystack/checkout/"), "{next_url}");
        let without = created(account, &json!({ "reference": "order-2", "callback_url": null }))?;
        assert_eq!(done_url(&without), format!("/paystack/checkout/{}", without.access_code));
        Ok([url, done, again])
    })
    .await;
    for url in urls {
        assert_eq!(url, "http://127.0.0.1/p/x?done&trxref=order-1&reference=order-1");
    }
}

#[tokio::test]
async fn a_transfer_arrives_or_fails_once_and_the_page_can_be_paid_after_it_failed() {
    for settlement in [Settlement::Succeeded, Settlement::Failed] {
        let (status, events) = within(move |account| {
            let mut transaction = created(account, &json!({ "channels": ["ussd", "card"] }))?;
            assert!(matches!(settle_transfer(account, &mut transaction, settlement)?, FormResult::NotProcessing));
            account.attempt(&mut transaction, AttemptOutcome::Ongoing)?;
            assert_eq!(transaction.status, Status::Ongoing);
            account.attempt(&mut transaction, AttemptOutcome::Processing)?;
            assert_eq!((transaction.status, transaction.channel.as_str()), (Status::Pending, "ussd"));
            assert_eq!(Order::from(transaction.clone()).state, CheckoutState::Processing);
            // Nobody pays a second time while the transfer is in flight.
            let again = attempt_payment(account, &mut transaction, AttemptOutcome::Succeeded)?;
            assert!(matches!(again, FormResult::AlreadyDone { .. }));
            assert!(account.settle(&mut transaction, settlement)?);
            assert!(!account.settle(&mut transaction, Settlement::Succeeded)?);
            let settled = transaction.status;
            if settled == Status::Failed {
                assert_eq!(Order::from(transaction.clone()).state, CheckoutState::Open);
                account.attempt(&mut transaction, AttemptOutcome::Succeeded)?;
                assert_eq!(transaction.channel, "card");
            }
            Ok(settled)
        })
        .await;
        match settlement {
            Settlement::Succeeded => assert_eq!((status, names(&events)), (Status::Success, vec!["charge.success"])),
            Settlement::Failed => {
                assert_eq!(
                    (status, names(&events)),
                    (Status::Failed, vec!["bank.transfer.rejected", "charge.success"])
                );
                assert_eq!(events[0]["data"]["bank_transfer"]["transaction_id"], "5000000001");
            }
        }
    }
}

#[tokio::test]
async fn a_payment_is_refunded_once_and_is_then_reversed() {
    let ((answer, found), events) = within(|account| {
        paid(account, &json!({}))?;
        let answer = request_refund(account, &json!({ "transaction": "order-1" }))?;
        let again = code(request_refund(account, &json!({ "transaction": "order-1" })));
        let transaction = load::<Transaction>(account.work, 5_000_000_001)?.unwrap();
        Ok((answer, (again, transaction.status)))
    })
    .await;
    assert_eq!((&answer["status"], &answer["amount"]), (&json!("pending"), &json!(25_000)));
    assert_eq!(answer["transaction"]["reference"], "order-1");
    assert_eq!(found, ("transaction_reversed".to_owned(), Status::Reversed));
    assert_eq!(names(&events), ["charge.success", "refund.pending", "refund.processing", "refund.processed"]);
    assert_eq!(events[1]["data"]["amount"], "25000");
    assert_eq!(events[3]["data"]["transaction_reference"], "order-1");
}

#[tokio::test]
async fn a_refund_takes_no_more_than_there_is() {
    let (codes, _) = within(|account| {
        paid(account, &json!({}))?;
        created(account, &json!({ "reference": "order-2" }))?;
        let refund = |account: &mut Account<'_>, value: Value| code(request_refund(account, &value));
        Ok([
            refund(account, json!({})),
            refund(account, json!({ "transaction": "unknown" })),
            refund(account, json!({ "transaction": "order-2" })),
            refund(account, json!({ "transaction": "order-1", "currency": "NGN" })),
            refund(account, json!({ "transaction": "order-1", "amount": 25_001 })),
            refund(account, json!({ "transaction": "order-1", "amount": 0 })),
            refund(account, json!({ "transaction": 5_000_000_001_i64, "amount": 10_000 })),
            refund(account, json!({ "transaction": "5000000001", "amount": 15_001 })),
            refund(account, json!({ "transaction": "order-1", "amount": 15_000 })),
            refund(account, json!({ "transaction": "order-1", "amount": 1 })),
        ])
    })
    .await;
    assert_eq!(
        codes,
        [
            "missing_params",
            "transaction_not_found",
            "invalid_params",
            "invalid_params",
            "invalid_params",
            "invalid_params",
            "accepted",
            "invalid_params",
            "accepted",
            "transaction_reversed",
        ]
    );
}

#[tokio::test]
async fn a_refund_waits_needs_a_person_fails_or_is_refused_as_the_payment_says() {
    let refund = json!({ "transaction": "order-1" });
    for (end, told) in [
        (RefundsEnd::Succeeded, "refund.processed"),
        (RefundsEnd::Failed, "refund.failed"),
        (RefundsEnd::NeedsAttention, "refund.needs-attention"),
    ] {
        let refund = refund.clone();
        let (code, events) = within(move |account| {
            let mut transaction = paid(account, &json!({}))?;
            account.end_refunds(&mut transaction, RefundsEnd::Waiting)?;
            request_refund(account, &refund)?;
            let stored = Clauses::new::<Refund>().load::<Refund>(account.work, 9, 0)?;
            assert_eq!(stored.iter().map(|refund| refund.status.name()).collect::<Vec<_>>(), ["pending"]);
            transaction = load::<Transaction>(account.work, transaction.id)?.unwrap();
            assert_eq!(transaction.status, Status::ReversalPending);
            assert_eq!(Order::from(transaction.clone()).state, CheckoutState::Paid);
            let result = end_refunds(account, &mut transaction, end)?;
            assert!(matches!(result, FormResult::Applied { .. }));
            Ok(code(request_refund(account, &refund)))
        })
        .await;
        let expected = vec!["charge.success", "refund.pending", "refund.processing", told];
        assert_eq!(names(&events)[..4], expected);
        // A refund that failed can be requested again: the money is still the merchant's.
        assert_eq!(code == "accepted", end == RefundsEnd::Failed, "{code}");
        if end == RefundsEnd::NeedsAttention {
            assert_eq!(events[3]["data"]["id"], "15000001");
        }
    }
    let (codes, events) = within(move |account| {
        let mut transaction = paid(account, &json!({}))?;
        account.end_refunds(&mut transaction, RefundsEnd::Refused)?;
        let refused = code(request_refund(account, &refund));
        account.end_refunds(&mut transaction, RefundsEnd::Succeeded)?;
        Ok((refused, code(request_refund(account, &refund))))
    })
    .await;
    assert_eq!(codes, ("insufficient_balance".to_owned(), "accepted".to_owned()));
    assert_eq!(names(&events).len(), 4);
}

#[tokio::test]
async fn a_paid_transaction_is_disputed_once() {
    let (list, events) = within(|account| {
        let mut unpaid = created(account, &json!({ "reference": "order-2" }))?;
        let nothing = open_dispute(account, &mut unpaid, DisputeOutcome::Opened)?;
        assert!(matches!(nothing, FormResult::AlreadyDone { .. }));
        let mut transaction = paid(account, &json!({}))?;
        for _ in 0..2 {
            open_dispute(account, &mut transaction, DisputeOutcome::Opened)?;
        }
        account.disputes(&query(&format!("transaction={}", transaction.id), DISPUTES))
    })
    .await;
    assert_eq!(names(&events), ["charge.success", "charge.dispute.create"]);
    assert_eq!(events[1]["data"]["transaction"]["reference"], "order-1");
    assert_eq!((list.data.len(), &list.data[0]["status"]), (1, &json!("awaiting-merchant-feedback")));
}

#[tokio::test]
async fn a_list_is_newest_first_in_pages_and_can_be_filtered() {
    let (pages, _) = within(|account| {
        for number in 1..=5 {
            let transaction = json!({ "reference": format!("order-{number}"), "amount": 1_000 * number });
            if number % 2 == 0 {
                paid(account, &transaction)?
            } else {
                created(account, &transaction)?
            };
        }
        let list = |text: &str| account.transactions(&query(text, TRANSACTIONS)).unwrap();
        let references = |text: &str| {
            let page = list(text);
            page.data.iter().map(|found| found["reference"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            list("perPage=2&page=2").meta,
            json!({
                "total": 5, "total_volume": 15_000, "skipped": 2, "perPage": 2, "page": 2, "pageCount": 3,
            })
        );
        assert_eq!(code(account.transactions(&query("perPage=0", TRANSACTIONS))), "invalid_params");
        assert_eq!(code(account.transactions(&query("status=pending", TRANSACTIONS))), "invalid_params");
        assert_eq!(code(account.transactions(&query("from=today", TRANSACTIONS))), "invalid_params");
        Ok([
            references("perPage=2"),
            references("per_page=2&page=3"),
            references("status=success"),
            references("amount=3000"),
            references("from=2026-01-05T10:00:00Z&to=2026-01-05T10:00:00Z&page=1&perPage=1"),
            references("from=2026-01-06"),
            references("to=2026-01-05"),
        ])
    })
    .await;
    let expected: [&[&str]; 7] =
        [&["order-5", "order-4"], &["order-1"], &["order-4", "order-2"], &["order-3"], &["order-5"], &[], &[]];
    assert_eq!(
        pages.each_ref().map(|page| page.iter().map(String::as_str).collect::<Vec<_>>()),
        expected.map(<[_]>::to_vec)
    );
}

#[tokio::test]
async fn refunds_are_listed_by_their_transaction() {
    let (list, _) = within(|account| {
        for reference in ["order-1", "order-2"] {
            paid(account, &json!({ "reference": reference }))?;
            request_refund(account, &json!({ "transaction": reference, "amount": 100 }))?;
        }
        account.refunds(&query("transaction=5000000001&perPage=10", REFUNDS))
    })
    .await;
    assert_eq!(list.data.len(), 1);
    assert_eq!(
        (&list.data[0]["transaction_reference"], &list.data[0]["status"]),
        (&json!("order-1"), &json!("processed"))
    );
    assert_eq!(list.meta["perPage"], "10");
}

#[tokio::test]
async fn each_currency_is_settled_once_with_what_was_paid() {
    let ((settlements, settled, unknown), _) = within(|account| {
        paid(account, &json!({}))?;
        paid(account, &json!({ "reference": "order-2", "amount": 5_000 }))?;
        paid(account, &json!({ "reference": "order-3", "currency": "NGN" }))?;
        created(account, &json!({ "reference": "order-4" }))?;
        account.settle_all()?;
        account.settle_all()?;
        let rands = Clauses::new::<Settled>().equal("currency", "ZAR".to_owned());
        let rands = rands.load::<Settled>(account.work, 1, 0)?.remove(0).id;
        let settled = account.settled(rands, &query("", SETTLED))?;
        let same = account.transactions(&query(&format!("settlement={rands}"), TRANSACTIONS))?;
        assert_eq!(settled.data, same.data);
        let unknown = code(account.settled(1, &query("", SETTLED)));
        Ok((account.settlements(&query("status=success", SETTLEMENTS))?, settled, unknown))
    })
    .await;
    assert_eq!((settlements.data.len(), settled.data.len(), unknown.as_str()), (2, 2, "not_found"));
    let rands = settlements.data.iter().find(|settlement| settlement["currency"] == "ZAR").unwrap();
    assert_eq!((&rands["total_processed"], &rands["total_fees"]), (&json!(30_000), &json!(450)));
    assert_eq!(rands["effective_amount"], 29_550);
}
