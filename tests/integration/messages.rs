//! The messages that the customer receives in the chat (specification, section 4).

use http::Method;
use serde_json::json;
use tests::examples::Examples;
use tests::system::{
    Answer, SHORT_CHECKOUT, SHORT_LINK, System, User, id, link, now, order, paid, phone, shifted, time,
};

fn please_pay(link: &str, limit: &str) -> String {
    format!("Please pay R250.00 for order 10045: {link} The link expires in {limit}.")
}

const THANK_YOU: &str = "Thank you. We received your payment of R250.00 for order 10045.";
const CANCELED: &str = "The 10045 has been canceled by the Agent";

/// Waits until every pending text of a phone has been sent, and returns them. The texts of another request, created
/// after everything else was published, come last and mark the end.
async fn settled_texts(system: &System, user: &User<'_>, phone: &str, expected: usize) -> Vec<String> {
    let mut last = order(phone);
    last["order_number"] = "the last".into();
    user.sent_as(&last).await;
    let mut texts = system.wait_for_texts(phone, expected + 1).await;
    let end = texts.iter().position(|text| text.contains("order the last")).unwrap();
    texts.remove(end);
    texts
}

#[tokio::test]
async fn the_texts_for_sent_canceled_and_paid_are_exact_and_sent_once() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let canceled = alice.sent_to(&phone).await;
    system.wait_for_texts(&phone, 1).await;
    alice.cancel(id(&canceled)).await;
    system.wait_for_texts(&phone, 2).await;
    let settled = alice.sent_to(&phone).await;
    system.wait_for_texts(&phone, 3).await;
    system.settle(&system.click(link(&settled)).await, "succeeded").await;
    system.wait_for_texts(&phone, 4).await;
    // The same commands and the same webhook again.
    alice.cancel(id(&canceled)).await.problem(409, "already_canceled");
    let payment = alice.read(id(&settled)).await["payment"].clone();
    let report = paid(&settled, payment["reference"].as_str().unwrap(), time(&payment["paid_at"]));
    assert_eq!(system.webhook(&report).await.status, 200);
    let texts = settled_texts(&system, &alice, &phone, 4).await;
    let expected = [
        please_pay(link(&canceled), "5 minutes"),
        CANCELED.into(),
        please_pay(link(&settled), "5 minutes"),
        THANK_YOU.into(),
    ];
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn a_click_a_failed_attempt_an_expiry_and_a_refund_send_no_text() {
    for (variables, pressed, limit) in [(SHORT_LINK, false, "2 seconds"), (SHORT_CHECKOUT, true, "5 minutes")] {
        let system = System::shared(variables).await;
        let (alice, phone) = (system.alice().await, phone());
        let sent = alice.sent_to(&phone).await;
        if pressed {
            system.settle(&system.click(link(&sent)).await, "declined").await;
        }
        let expired = alice.wait_for_history(id(&sent), "expired").await;
        let late = shifted(time(&expired["updated_at"]), 60_000);
        assert_eq!(system.webhook(&paid(&sent, "pay_late", late)).await.status, 200);
        let refunded = alice.wait_for(id(&sent), "refunded").await;
        system.wait_for_events(id(&sent), refunded["history"].as_array().unwrap().len()).await;
        assert_eq!(settled_texts(&system, &alice, &phone, 1).await, [please_pay(link(&sent), limit)]);
    }
}

#[tokio::test]
async fn money_for_a_canceled_request_sends_no_text() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let sent = alice.sent_to(&phone).await;
    system.wait_for_texts(&phone, 1).await;
    alice.cancel(id(&sent)).await;
    assert_eq!(system.webhook(&paid(&sent, "pay_1", now())).await.status, 200);
    alice.wait_for(id(&sent), "refunded").await;
    system.wait_for_events(id(&sent), 4).await;
    let texts = settled_texts(&system, &alice, &phone, 2).await;
    assert_eq!(texts, [please_pay(link(&sent), "5 minutes"), CANCELED.to_owned()]);
}

#[tokio::test]
async fn the_time_limit_is_worded_in_natural_units() {
    for (seconds, limit) in [("60", "1 minute"), ("90", "1 minute 30 seconds"), ("3600", "60 minutes")] {
        let system = System::start(&[("LINK_TTL_SECONDS", seconds)]).await;
        let (alice, phone) = (system.alice().await, phone());
        let sent = alice.sent_to(&phone).await;
        assert_eq!(system.wait_for_texts(&phone, 1).await, [please_pay(link(&sent), limit)]);
        system.stop().await;
    }
}

#[tokio::test]
async fn a_text_repeats_the_order_number_as_the_agent_wrote_it() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let mut order = order(&phone);
    order["order_number"] = "№ 7/ä <b>".into();
    let sent = alice.sent_as(&order).await;
    system.wait_for_texts(&phone, 1).await;
    alice.cancel(id(&sent)).await;
    let texts = system.wait_for_texts(&phone, 2).await;
    assert!(texts[0].contains(" for order № 7/ä <b>: "), "{texts:?}");
    assert_eq!(texts[1], "The № 7/ä <b> has been canceled by the Agent");
}

#[tokio::test]
async fn links_start_with_the_public_base_url() {
    let system = System::shared(&[("PUBLIC_BASE_URL", "https://pay.example.com/")]).await;
    let (alice, phone) = (system.alice().await, phone());
    let sent = alice.sent_to(&phone).await;
    assert!(link(&sent).starts_with("https://pay.example.com/p/"), "{sent}");
    assert_eq!(system.wait_for_texts(&phone, 1).await, [please_pay(link(&sent), "5 minutes")]);
    let events = system.wait_for_events(id(&sent), 1).await;
    assert_eq!(events[0]["detail"]["link"], sent["link"]);
}

#[tokio::test]
async fn the_phone_shows_its_own_texts_or_all_oldest_first() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let (one, other) = (phone(), phone());
    let before = now();
    alice.sent_to(&one).await;
    system.wait_for_texts(&one, 1).await;
    let sent = alice.sent_to(&other).await;
    system.wait_for_texts(&other, 1).await;
    let list = async |query: &str| {
        let answer = Answer::of(system.request(Method::GET, &format!("/local/messages{query}"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json().as_array().unwrap().clone()
    };
    let of_other = list(&format!("?phone=%2B{}", &other[1..])).await;
    Examples::of(&alice.workspace, &other).assert("local/messages", &json!(of_other));
    assert_eq!(of_other[0]["text"], please_pay(link(&sent), "5 minutes"));
    assert!((before..=now()).contains(&time(&of_other[0]["at"])));
    assert_eq!(list("?phone=%2B27830000000").await.len(), 0);
    let everything = list("").await;
    let place = |phone: &str| everything.iter().position(|message| message["to"] == phone).unwrap();
    assert!(place(&one) < place(&other));
    let times: Vec<_> = everything.iter().map(|message| time(&message["at"])).collect();
    assert!(times.is_sorted());
}
