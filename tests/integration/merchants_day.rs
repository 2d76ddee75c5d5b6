//! A merchant's day with Paystack in its four African currencies: what the customer reads, what Paystack charges and
//! what the report sums are one amount.

use http::Method;
use serde_json::{Value, json};
use tests::paystack::KEY;
use tests::system::{Answer, System, id, link, phone};

/// One payment of the day.
struct Sale {
    currency: &'static str,
    /// The amount in the currency's minor unit.
    amount: i64,
    /// The amount as the customer reads it in a text message.
    text: &'static str,
    /// The amount as the customer reads it on the page.
    page: &'static str,
}

const fn sale(currency: &'static str, amount: i64, text: &'static str, page: &'static str) -> Sale {
    Sale { currency, amount, text, page }
}

const DAY: [Sale; 8] = [
    sale("ZAR", 25_000, "R250.00", "R250.00"),
    sale("ZAR", 1_999, "R19.99", "R19.99"),
    sale("NGN", 1_250_050, "NGN 12,500.50", "NGN\u{a0}12,500.50"),
    sale("NGN", 10_000, "NGN 100.00", "NGN\u{a0}100.00"),
    sale("KES", 300, "KES 3.00", "KES\u{a0}3.00"),
    sale("KES", 4_999_900, "KES 49,999.00", "KES\u{a0}49,999.00"),
    sale("GHS", 10, "GHS 0.10", "GHS\u{a0}0.10"),
    sale("GHS", 99_999_999, "GHS 999,999.99", "GHS\u{a0}999,999.99"),
];

/// Returns what Paystack knows of a request's transaction.
async fn at_paystack(system: &System, request: &Value) -> Value {
    let path = format!("/paystack/transaction/verify/{}-1", id(request));
    let answer = Answer::of(system.request(Method::GET, &path).bearer_auth(KEY)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"].clone()
}

#[tokio::test]
async fn the_amounts_in_the_text_on_the_page_at_paystack_and_in_the_report_agree() {
    let system = System::start(&[("PAYMENT_PROVIDER", "paystack"), ("PAYSTACK_SECRET_KEY", KEY)]).await;
    let alice = system.alice().await;
    let sara = system.user(&alice.workspace, "sara", "supervisor").await;
    for Sale { currency, amount, text, page } in DAY {
        let phone = phone();
        let order = json!({ "order_number": "10045", "amount": amount, "currency": currency,
            "customer": { "phone": phone } });
        let request = alice.sent_as(&order).await;
        let received = system.wait_for_texts(&phone, 1).await;
        assert!(received[0].starts_with(&format!("Please pay {text} for order 10045: ")), "{received:?}");
        let shown = system.page(Method::GET, link(&request)).await;
        let shown = String::from_utf8(shown.body).unwrap();
        assert!(shown.contains(page), "{currency}: {page} is not on the page: {shown}");

        let checkout = system.press(link(&request)).await.header("location").to_owned();
        let there = at_paystack(&system, &request).await;
        assert_eq!((&there["amount"], &there["currency"]), (&json!(amount), &json!(currency)));
        assert_eq!(system.settle(&checkout, "succeeded").await.status, 303);
        assert_eq!(alice.wait_for(id(&request), "paid").await["amount"], amount);
        let received = system.wait_for_texts(&phone, 2).await;
        assert_eq!(received[1], format!("Thank you. We received your payment of {text} for order 10045."));
    }
    let sum = |currency: &str| DAY.iter().filter(|sale| sale.currency == currency).map(|sale| sale.amount).sum::<i64>();
    let sums = ["ZAR", "NGN", "KES", "GHS"].map(|currency| (currency.to_owned(), json!(sum(currency))));
    let expected = Value::Object(sums.into_iter().collect());
    let report = Answer::of(sara.request(Method::GET, "/reports/agents")).await.json();
    assert_eq!(report["total"]["statuses"]["paid"], json!({ "count": 8, "value": expected }));
    system.stop().await;
}
