//! The `detail` of a problem is a sentence fit to show a person, in its words; `errors` holds the fields' paths
//! (specification, section 3).

use http::Method;
use serde_json::{Value, json};
use tests::system::{Answer, System, User, order, phone};

/// Asserts that a problem's detail is a sentence in a person's words, and returns it.
fn detail(answer: &Answer) -> String {
    let problem = answer.json();
    let detail = problem["detail"].as_str().unwrap_or_else(|| panic!("no problem: {answer:?}")).to_owned();
    assert!(detail.starts_with(|first: char| first.is_ascii_uppercase()) && detail.ends_with('.'), "{detail}");
    for syntax in ["%", "`", "{", "\"", "\\", "UTF", "ASCII", "ISO-8859", "application/", "must be must", "..", "  "] {
        assert!(!detail.contains(syntax), "{syntax:?} in {detail}");
    }
    for error in problem["errors"].as_array().into_iter().flatten() {
        let path = error["field"].as_str().unwrap();
        let is_syntax = path.contains(['.', '_', '-']);
        assert!(!is_syntax || !detail.contains(path), "{path} in {detail}");
    }
    detail
}

/// Returns an order with this field set, or removed if the value is null.
fn order_with(field: &str, value: Value) -> Value {
    let mut order = order(&phone());
    let (object, name) = match field.split_once('.') {
        Some((object, name)) => (&mut order[object], name),
        None => (&mut order, field),
    };
    let fields = object.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(name)
    } else {
        fields.insert(name.to_owned(), value)
    };
    order
}

#[tokio::test]
async fn a_rejected_create_has_a_detail_in_words() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for (field, value, expected) in [
        ("order_number", Value::Null, "The order number is missing."),
        ("order_number", json!(""), "The order number must be 1 to 64 printable characters."),
        ("order_number", json!(" 7"), "The order number must not begin or end with a space."),
        ("amount", json!("250"), "The amount must be a whole number of the currency's minor unit from 1 to 99999999."),
        ("currency", json!("rand"), "The currency must be an ISO 4217 currency code in capital letters, such as ZAR."),
        (
            "currency",
            json!("BGN"),
            "The currency must be a currency in circulation, such as ZAR; this one is no longer accepted.",
        ),
        ("customer", Value::Null, "The customer is missing."),
        ("customer", json!("Thandi"), "The customer must be given as a group of fields."),
        ("customer.phone", Value::Null, "The phone number is missing."),
        (
            "customer.phone",
            json!("083 123 4001"),
            "The phone number must be a valid phone number in international form, such as +27831234567.",
        ),
        (
            "customer.phone",
            json!("+4407911123456"),
            "The phone number must be in international form: write it as +447911123456.",
        ),
        (
            "customer.name",
            json!("a\tb"),
            "The customer's name must be at most 200 characters, none of them a control character.",
        ),
        (
            "customer.email",
            json!("thandi"),
            "The e-mail address must be of the form thandi@example.com, with at most 254 characters.",
        ),
        ("description", json!(1), "The description must be at most 200 characters, none of them a control character."),
        ("conversation_id", json!(1), "The conversation must be at most 128 printable characters."),
        (
            "metadata",
            json!({ "a": 1 }),
            "The metadata must contain keys and texts of at most 500 characters, none of them a control character, and \
             no empty key.",
        ),
        ("crm_id", json!(1), "There is a field that is not known here."),
        ("customer.vip", json!(true), "There is a field that is not known here."),
        ("100% {\"wrong\"}", json!(true), "There is a field that is not known here."),
        ("", json!(true), "There is a field that is not known here."),
    ] {
        let answer = alice.create(&order_with(field, value)).await;
        assert_eq!(answer.bad_fields(), [field]);
        assert_eq!(detail(&answer), expected, "{field}");
    }
    let key = alice.create_with_key(&order(&phone()), &"k".repeat(256)).await;
    assert_eq!(detail(&key), "The idempotency key must be 1 to 255 plain printable characters.");
}

#[tokio::test]
async fn several_fields_are_named_in_one_sentence() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let wrong = order_with("customer.phone", json!("1"));
    for (changes, expected) in [
        (vec![("amount", json!(0))], "Please correct the amount and the phone number."),
        (
            vec![("amount", json!(0)), ("order_number", json!(""))],
            "Please correct the order number, the amount and the phone number.",
        ),
        (
            vec![("a_b", json!(0)), ("c_d", json!(""))],
            "Please correct the phone number and a field that is not known here.",
        ),
    ] {
        let mut order = wrong.clone();
        for (field, value) in changes {
            order[field] = value;
        }
        assert_eq!(detail(&alice.create(&order).await), expected);
    }
    let mut unknown = order(&phone());
    unknown["a_b"] = json!(1);
    unknown["c_d"] = json!(1);
    assert_eq!(detail(&alice.create(&unknown).await), "There are fields that are not known here.");
}

async fn get(user: &User<'_>, path: &str) -> Answer {
    Answer::of(user.request(Method::GET, path)).await
}

#[tokio::test]
async fn a_rejected_query_has_a_detail_in_words() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sara = system.user(&alice.workspace, "sara", "supervisor").await;
    let time = "must be a date such as 2026-01-31 or a time such as 2026-01-31T10:00:00.000Z";
    let with_code = "The phone number must be written with its country code, such as +27831234567";
    let lost_plus = "its plus sign was received as a space";
    for (query, expected) in [
        ("phone=083%20123%204001", format!("{with_code}.")),
        ("phone=083+123+4001", format!("{with_code}.")),
        ("phone=0831234001", format!("{with_code}.")),
        ("phone=+27831234567", format!("{with_code}; {lost_plus}.")),
        ("phone=%2B27%2083", format!("{with_code}.")),
        ("from=yesterday", format!("The start of the period {time}.")),
        ("to=2026-01-05T10:00:00+02:00", format!("The end of the period {time}; {lost_plus}.")),
        ("from=2026-01-02&to=2026-01-01", "The end of the period must not be before the start.".to_owned()),
        ("limit=0", "The number of items on a page must be a whole number from 1 to 100.".to_owned()),
        (
            "status=gone",
            "The status must be one of sent, clicked, processing, paid, canceled, expired, refund_due, refunded."
                .to_owned(),
        ),
        ("order_number=%0a", "The order number must be 1 to 64 printable characters.".to_owned()),
        ("conversation_id=%0a", "The conversation must be at most 128 printable characters.".to_owned()),
        ("agent=%0a", "The agent must be 1 to 255 characters, none of them a control character.".to_owned()),
        ("agent=a&agent=b", "The agent must be given once.".to_owned()),
        ("order_id=7", "There is a field that is not known here.".to_owned()),
        ("cursor=x", "This page of the list cannot be found. Please begin with the first one.".to_owned()),
        ("phone=1&limit=x", "Please correct the number of items on a page and the phone number.".to_owned()),
    ] {
        assert_eq!(detail(&get(&sara, &format!("/payment-requests?{query}")).await), expected, "{query}");
    }
    for (query, expected) in [
        ("from=2026-01-02&to=2026-01-01", "The end of the period must not be before the start."),
        ("from=2026-01-01&to=2026-06-01", "The start of the period must be at most 92 days before the end."),
        ("include=cats", "What to include must be clicks, days, or both with a comma between."),
        ("agent=alice", "The agent is not a field of this request."),
    ] {
        assert_eq!(detail(&get(&sara, &format!("/reports/agents?{query}")).await), expected, "{query}");
    }
}

#[tokio::test]
async fn every_other_problem_has_a_detail_in_words() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let post = async |media_type: &str, body: String| {
        let request = alice.request(Method::POST, "/payment-requests").header("content-type", media_type);
        Answer::of(request.body(body)).await
    };
    let order = order(&phone());
    let mut other = order.clone();
    other["amount"] = json!(1);
    assert_eq!(alice.create_with_key(&order, "key-1").await.status, 201);
    for (answer, expected) in [
        (post("application/json", "[]".to_owned()).await, "The request cannot be read: it must be a JSON object."),
        (
            post("application/json", "{".to_owned()).await,
            "The request cannot be read: it must be one JSON object without duplicate names.",
        ),
        (post("text/plain", order.to_string()).await, "The request must be sent as JSON."),
        (
            post("application/json", " ".repeat(16 * 1024 + 1)).await,
            "The request is too large: at most 16 KiB can be read.",
        ),
        (
            alice.create_with_key(&other, "key-1").await,
            "The same key was already used for another payment request. Please use a new one.",
        ),
        (alice.get("x").await, "This does not exist, or you are not allowed to see it."),
        (get(&alice, "/reports/agents").await, "You are not allowed to do this."),
    ] {
        assert_eq!(detail(&answer), expected);
    }
}
