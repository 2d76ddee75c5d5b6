//! A currency that its country has abandoned. New requests in it are rejected; existing requests still continue.

use crate::reports::{past, store};
use adapters::DynamoDbStore;
use domain::ports::Links as _;
use domain::{PaymentRequest, Status, Timestamp};
use serde_json::json;
use tests::system::{Answer, System, User, link, now, order, paid, phone, shifted, workspace};

/// Builds a request over BGN 250.00 as an earlier release stored it. Bulgaria adopted the euro on 2026-01-01.
fn in_leva(user: &User<'_>, created_at: Timestamp, statuses: &[Status]) -> PaymentRequest {
    let mut request = past(user, "alice", created_at, statuses);
    request.details.money.currency = "BGN".parse().unwrap();
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_request_in_a_former_currency_is_rejected() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for former in ["BGN", "HRK", "SLL", "ZWL", "BOV", "CLF"] {
        let mut order = order(&phone());
        order["currency"] = former.into();
        let answer = alice.create(&order).await;
        assert_eq!(answer.bad_fields(), ["currency"], "{former}");
        let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("no longer accepted"), "{former}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_a_former_currency_is_shown_paid_and_counted() {
    let system = System::start(&[]).await;
    let workspace = workspace();
    let alice = system.user(&workspace, "alice", "agent").await;
    let supervisor = system.user(&workspace, "sue", "supervisor").await;
    let request = in_leva(&alice, now(), &[]);
    let (id, phone) = (request.id.to_string(), request.details.customer.phone.as_str().to_owned());
    let link_store = DynamoDbStore::new(system.environment()).unwrap();
    link_store.insert_link(&request.token, request.id, request.click_deadline).await.unwrap();
    store(&system, &[request]).await;

    let shown = alice.read(&id).await;
    assert_eq!((&shown["amount"], &shown["currency"]), (&json!(25_000), &json!("BGN")));
    assert_eq!(alice.everything().await[0]["currency"], "BGN");
    let page = system.page(http::Method::GET, link(&shown)).await;
    assert!(page.text().contains("BGN\u{a0}250.00"), "{}", page.text());

    // The link's text is not sent any more once the customer has clicked.
    system.wait_for_texts(&phone, 1).await;
    let checkout = system.click(link(&shown)).await;
    system.settle(&checkout, "succeeded").await;
    alice.wait_for(&id, "paid").await;
    let texts = system.wait_for_texts(&phone, 2).await;
    assert!(texts[1].contains("250.00") && texts[1].contains("BGN"), "{texts:?}");
    for event in system.wait_for_events(&id, 3).await {
        assert_eq!(event["detail"]["currency"], "BGN", "{event}");
    }
    let report = Answer::of(supervisor.request(http::Method::GET, "/reports/agents")).await.json();
    assert_eq!(report["total"]["statuses"]["paid"]["value"], json!({ "BGN": 25_000 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_money_in_a_former_currency_is_refunded() {
    let system = System::start(&[]).await;
    let alice = system.alice().await;
    let request = in_leva(&alice, shifted(now(), -120_000), &[Status::Canceled]);
    let id = request.id.to_string();
    store(&system, &[request]).await;
    let report = paid(&alice.read(&id).await, "pay_late", now());
    assert_eq!(report["data"]["currency"], "BGN");
    assert_eq!(system.webhook(&report).await.status, 200);
    let refunded = alice.wait_for(&id, "refunded").await;
    assert_eq!(refunded["currency"], "BGN");
}
