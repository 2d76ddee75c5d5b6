//! The input that callers type: phone numbers, order numbers, descriptions and times, and the messages built from them
//! (specification, sections 3 and 4).

use http::Method;
use runtime::{Environment, Function};
use serde_json::{Value, json};
use tests::channels::Channels;
use tests::log::Log;
use tests::system::{Answer, System, User, id, link, order, phone};

/// Returns the message of the only rejected field, which has to be `field`.
fn message(answer: &Answer, field: &str) -> String {
    assert_eq!(answer.bad_fields(), [field], "{answer:?}");
    answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

/// Returns an order with the field at this JSON pointer set, such as `/customer/phone`.
fn order_with(pointer: &str, value: impl Into<Value>) -> Value {
    let mut order = order(&phone());
    *order.pointer_mut(pointer).unwrap() = value.into();
    order
}

#[tokio::test]
async fn an_ambiguous_phone_number_is_rejected_with_the_form_to_write() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for (given, form) in [
        ("+4407911123456", "+447911123456"),
        ("+27 (0)83 123 4567", "+27831234567"),
        ("0027831234567", "+27831234567"),
        ("27831234567", "+27831234567"),
        ("tel:+27-83-123-4567", "+27831234567"),
        ("\u{202a}+27831234567\u{202c}", "+27831234567"),
        ("+5215512345678", "+525512345678"),
        ("+551187654321", "+5511987654321"),
        ("+540111523456789", "+5491123456789"),
    ] {
        let refused = alice.create(&order_with("/customer/phone", given)).await;
        let message = message(&refused, "customer.phone");
        assert!(message.ends_with(&format!("write it as {form}")), "{given}: {message}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(&format!("write it as {form}.")), "{refused:?}");
        // A phone in this form is accepted, and a search for it finds the request.
        let sent = alice.sent_as(&order_with("/customer/phone", form)).await;
        assert_eq!(sent["customer"]["phone"], form);
        assert!(alice.listed(&[("phone", form)]).await.0.contains(&id(&sent).to_owned()), "{form}");
    }
}

#[tokio::test]
async fn a_phone_number_is_validated_by_the_numbering_plan_of_its_country() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for valid in ["+78121234567", "+78005553535", "+390612345678", "+5491123456789"] {
        assert_eq!(alice.create(&order_with("/customer/phone", valid)).await.status, 201, "{valid}");
    }
    for invalid in ["+97233142764978", "+8610123456780", "083 123 4567", "+27831234567;ext=1", "+1800FLOWERS"] {
        let refused = alice.create(&order_with("/customer/phone", invalid)).await;
        let message = message(&refused, "customer.phone");
        assert_eq!(message, "must be a valid phone number in international form, such as +27831234567", "{invalid}");
    }
    for no_text in [json!(27_831_234_567_u64), json!(["+27831234567"]), json!({}), json!(true)] {
        message(&alice.create(&order_with("/customer/phone", no_text)).await, "customer.phone");
    }
}

#[tokio::test]
async fn an_order_number_consists_of_visible_characters() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for visible in ["10045", "№ 7/ä", "第\u{3000}7", "طلب ٧", "e\u{301}", "🎟 7", "½ Ⅷ", "_-+*#"] {
        let sent = alice.sent_as(&order_with("/order_number", visible)).await;
        assert_eq!(sent["order_number"], visible);
        assert!(alice.listed(&[("order_number", visible)]).await.0.contains(&id(&sent).to_owned()), "{visible}");
    }
    for invisible in [
        "10045\u{ad}",
        "\u{3164}",
        "1\u{115f}2",
        "1\u{34f}2",
        "1\u{fe0f}2",
        "1\u{180e}2",
        "1\u{200d}2",
        "1\u{e0020}2",
        "1\u{e000}2",
        "1\u{378}2",
        "1\u{ffff}2",
        "1\u{2028}2",
        "1\u{2029}2",
        "1\u{85}2",
        "1\t2",
        " 10045",
        "10045 ",
        "\u{a0}10045",
    ] {
        message(&alice.create(&order_with("/order_number", invisible)).await, "order_number");
    }
}

#[tokio::test]
async fn the_line_endings_of_a_description_are_normalised() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let key = "lines";
    let mut ids = Vec::new();
    for description in ["2 tickets\r\n1 drink", "2 tickets\n1 drink", "2 tickets\r1 drink"] {
        let mut order = order("+27831234567");
        order["description"] = description.into();
        let created = alice.create_with_key(&order, key).await;
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(created.json()["description"], "2 tickets\n1 drink");
        ids.push(created.json()["id"].clone());
    }
    assert_eq!(ids[0], ids[1], "under one key, line endings make no difference");
    assert_eq!(ids[0], ids[2]);
}

/// Requests a list and a report with this query, which is not encoded any further.
async fn asked(user: &User<'_>, query: &str) -> [Answer; 2] {
    let list = user.request(Method::GET, &format!("/payment-requests?{query}"));
    let report = user.request(Method::GET, &format!("/reports/agents?{query}"));
    [Answer::of(list).await, Answer::of(report).await]
}

#[tokio::test]
async fn an_offset_out_of_range_is_rejected_and_a_lost_plus_is_explained() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sara = system.user(&alice.workspace, "sara", "supervisor").await;
    for field in ["from", "to"] {
        for offset in ["%2B25:00", "%2B24:00", "-24:00", "%2B99:99", "-25:59"] {
            for answer in asked(&sara, &format!("{field}=2026-01-05T10:00:00{offset}")).await {
                let message = message(&answer, field);
                assert!(message.starts_with("must be a date such as"), "{message}");
                assert!(!message.contains("plus sign"), "{message}");
            }
        }
        for answer in asked(&sara, &format!("{field}=2026-01-05T10:00:00+02:00")).await {
            let message = message(&answer, field);
            assert!(message.ends_with("; its plus sign was received as a space"), "{message}");
            assert!(!message.contains('%'), "the message contains no percent-encoding: {message}");
        }
    }
    for offset in ["%2B23:59", "-23:59", "%2B05:30", "Z"] {
        for answer in asked(&sara, &format!("to=2026-01-05T10:00:00{offset}")).await {
            assert_eq!(answer.status, 200, "{offset}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_amount_has_a_plain_space_in_a_text_and_a_no_break_space_on_the_page() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    for (currency, text, page) in [("KES", "KES 250.00", "KES\u{a0}250.00"), ("INR", "INR 250.00", "₹250.00")] {
        let mut order = order(&phone);
        order["currency"] = currency.into();
        let sent = alice.sent_as(&order).await;
        let texts = system.wait_for_texts(&phone, if currency == "KES" { 1 } else { 2 }).await;
        let expected = format!("Please pay {text} for order 10045: {} The link expires in 5 minutes.", link(&sent));
        assert_eq!(texts.last(), Some(&expected));
        assert_eq!(domain::gsm::parts(&expected), 1);
        let shown = system.page(Method::GET, link(&sent)).await;
        assert!(shown.text().contains(page), "{shown:?}");
    }
}

#[tokio::test]
async fn a_link_that_lasts_a_day_expires_in_24_hours() {
    for (seconds, limit) in [("86400", "24 hours"), ("5400", "90 minutes"), ("61", "1 minute 1 second")] {
        let system = System::start(&[("LINK_TTL_SECONDS", seconds)]).await;
        let (alice, phone) = (system.alice().await, phone());
        alice.sent_to(&phone).await;
        let texts = system.wait_for_texts(&phone, 1).await;
        assert!(texts[0].ends_with(&format!(" The link expires in {limit}.")), "{texts:?}");
        system.stop().await;
    }
}

/// Hands an event to a function, and returns its answer with its log.
async fn invoked(function: &dyn Function, event: &Value) -> (Value, String) {
    let log = Log::default();
    let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    let subscriber = tracing::subscriber::set_default(everything.with_writer(log.clone()).finish());
    let answer = function.invoke(&event.to_string()).await.unwrap();
    drop(subscriber);
    (serde_json::from_str(&answer).unwrap(), log.take())
}

fn environment() -> Environment {
    Environment::default()
        .with("TABLE_NAME", "chat2pay")
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test")
        .with("PUBLIC_BASE_URL", "https://pay.example.com")
        .with("PAYMENT_PROVIDER", "sandbox")
}

#[tokio::test]
async fn a_rejection_shows_a_phone_number_to_its_caller_and_not_in_the_log() {
    let create = create::function(&environment()).unwrap();
    let mut event: Value =
        serde_json::from_str(include_str!("../../events/samples/create/created.json")).expect("a sample is JSON");
    for (given, form) in [
        ("+4407911123456", Some("+447911123456")),
        ("+27 (0)83 123 4567", Some("+27831234567")),
        ("+97233142764978", None),
        ("083 123 4567", None),
    ] {
        event["body"] = order(given).to_string().into();
        let (answer, log) = invoked(&*create, &event).await;
        assert_eq!(answer["statusCode"], 422, "{answer}");
        let body = answer["body"].as_str().unwrap();
        assert!(form.is_none_or(|form| body.contains(form)), "{answer}");
        assert!(log.contains("answered"), "{log}");
        for number in [Some(given), form].into_iter().flatten() {
            for digits in number.split(|character: char| !character.is_ascii_digit()).filter(|part| part.len() > 4) {
                assert!(!log.contains(digits), "{digits} in {log}");
            }
        }
        assert!(!log.contains("123 4567"), "{log}");
    }
}

#[tokio::test]
async fn each_delivery_logs_its_number_of_text_parts() {
    let channels = Channels::start().await;
    let notify = notify::function(
        &environment()
            .with("CHANNEL", "webhook")
            .with("CHANNEL_WEBHOOK_URL", format!("{}/chat", channels.url))
            .with("CHANNEL_WEBHOOK_SECRET", "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz"),
    )
    .unwrap();
    let mut event: Value =
        serde_json::from_str(include_str!("../../events/samples/notify/paid.json")).expect("a sample is JSON");
    for (order_number, parts) in [("10045", 1), ("№ 7", 1), ("№ 10045 of 2026-01-05", 2)] {
        event["detail"]["order_number"] = order_number.into();
        let (_, log) = invoked(&*notify, &event).await;
        assert!(log.contains(&format!("parts={parts}")), "{order_number}: {log}");
    }
    assert_eq!(channels.received().len(), 3);
}
