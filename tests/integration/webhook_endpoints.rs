//! The routes of webhook endpoints: what they take, what they refuse, and what they return.

use serde_json::{Value, json};
use std::time::Duration;
use tests::proxy::Fault;
use tests::webhooks::{Receiver, Webhooks, event};

const REGISTER: &str = "POST /webhook-endpoints";
const LIST: &str = "GET /webhook-endpoints";
const REMOVE: &str = "DELETE /webhook-endpoints/{id}";
const ROTATE: &str = "POST /webhook-endpoints/{id}/rotate-secret";
const DELIVERIES: &str = "GET /webhook-endpoints/{id}/deliveries";
const REPLAY: &str = "POST /webhook-endpoints/{id}/replay";

const URL: &str = "https://crm.example.com/payments";
const UNKNOWN: &str = "whe_1111111111111111111111";

#[tokio::test]
async fn an_endpoint_is_registered_listed_rotated_and_removed() {
    let webhooks = Webhooks::start().await;
    let new = json!({ "url": URL, "events": ["PaymentRequestStatusChanged"], "description": "CRM" });
    let created = webhooks.call(REGISTER, "", Some(&new)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let mut endpoint = created.body;
    let id = endpoint["id"].as_str().unwrap().to_owned();
    assert_eq!(created.headers["location"], format!("/webhook-endpoints/{id}"));
    assert!(id.starts_with("whe_"), "{id}");
    let secret = endpoint.as_object_mut().unwrap().remove("secret").unwrap();
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    let expected = json!({
        "id": id, "url": URL, "events": ["PaymentRequestStatusChanged"], "description": "CRM", "status": "enabled",
        "created_at": "2026-01-05T10:00:00.000Z",
    });
    assert_eq!(endpoint, expected);
    let listed = webhooks.call(LIST, "", None).await;
    assert_eq!((listed.status, listed.body), (200, json!({ "items": [expected] })), "the secret is shown once");

    let rotated = webhooks.call(ROTATE, &id, None).await;
    assert_eq!(rotated.status, 200);
    assert_ne!(rotated.body["secret"], secret);
    assert_eq!(rotated.body["url"], URL);

    assert_eq!(webhooks.call(REMOVE, &id, None).await.status, 204);
    assert_eq!(webhooks.call(REMOVE, &id, None).await.status, 404);
    assert_eq!(webhooks.call(LIST, "", None).await.body, json!({ "items": [] }));
}

/// Each secret signs for a day after it was replaced, so that there are only so many in a day.
#[tokio::test]
async fn a_fourth_rotation_within_a_day_is_refused() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.register(URL).await;
    for _ in 0..3 {
        assert_eq!(webhooks.call(ROTATE, &id, None).await.status, 200);
        webhooks.pass(Duration::from_hours(1));
    }
    let refused = webhooks.call(ROTATE, &id, None).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("too_many_requests")));
    assert_eq!(refused.headers["retry-after"], (21 * 60 * 60).to_string());
    assert_eq!(refused.body["detail"], "The secret was replaced too often within a day. Please try again in 21 hours.");
    webhooks.pass(Duration::from_hours(21));
    assert_eq!(webhooks.call(ROTATE, &id, None).await.status, 200);
}

#[tokio::test]
async fn the_list_refuses_parameters_that_it_does_not_have() {
    let webhooks = Webhooks::start().await;
    let answer = webhooks.query(LIST, "", "limit=1").await;
    assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!("limit")));
}

#[tokio::test]
async fn without_a_list_of_events_an_endpoint_takes_all() {
    let webhooks = Webhooks::start().await;
    let other = json!({ "url": format!("{URL}/2"), "events": null, "description": "" });
    for body in [json!({ "url": URL }), other] {
        let created = webhooks.call(REGISTER, "", Some(&body)).await;
        let kinds = [
            "PaymentRequestStatusChanged",
            "PaymentAttemptFailed",
            "PaymentLinkDeliveryFailed",
            "ReconciliationDifferenceFound",
        ];
        assert_eq!((created.status, &created.body["events"]), (201, &json!(kinds)));
        assert_eq!(created.body["description"], Value::Null);
    }
}

#[tokio::test]
async fn only_a_supervisor_of_the_workspace_reaches_an_endpoint() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.register(URL).await;
    let (new, replay) = (json!({ "url": URL }), json!({ "since": "2026-01-01" }));
    let routes = [
        (REGISTER, Some(&new)),
        (LIST, None),
        (REMOVE, None),
        (ROTATE, None),
        (DELIVERIES, None),
        (REPLAY, Some(&replay)),
    ];
    for (route, body) in routes {
        for role in ["agent", "service", "customer"] {
            let answer = webhooks.call_by(("acme", role), route, &id, body).await;
            assert_eq!((answer.status, &answer.body["code"]), (403, &json!("forbidden")), "{route} {role}");
        }
    }
    for (route, body) in &routes[2..] {
        for (workspace, id) in [("globex", id.as_str()), ("acme", UNKNOWN), ("acme", "x"), ("acme", "whe_é")] {
            let answer = webhooks.call_by((workspace, "supervisor"), route, id, *body).await;
            assert_eq!((answer.status, &answer.body["code"]), (404, &json!("not_found")), "{route} {workspace} {id}");
        }
    }
    let others = webhooks.call_by(("globex", "supervisor"), LIST, "", None).await;
    assert_eq!(others.body, json!({ "items": [] }));
    assert_eq!(webhooks.endpoint(&id).await["id"], id);
}

#[tokio::test]
async fn every_invalid_field_of_a_new_endpoint_is_named() {
    let webhooks = Webhooks::start().await;
    let deployed = webhooks.endpoints_with("WEBHOOK_ENDPOINTS_ON_LOOPBACK", "");
    let long = "x".repeat(201);
    for (body, fields) in [
        (json!({}), vec!["url"]),
        (json!({ "url": null }), vec!["url"]),
        (json!({ "url": 7 }), vec!["url"]),
        (json!({ "url": "http://crm.example.com" }), vec!["url"]),
        (json!({ "url": "http://127.0.0.1:9000/" }), vec!["url"]),
        (json!({ "url": "https://10.0.0.1/" }), vec!["url"]),
        (json!({ "url": "https://169.254.169.254/latest/meta-data/" }), vec!["url"]),
        (json!({ "url": "https://[::1]/" }), vec!["url"]),
        (json!({ "url": "https://crm.internal/" }), vec!["url"]),
        (json!({ "url": "https://user:secret@crm.example.com/" }), vec!["url"]),
        (json!({ "url": URL, "events": [] }), vec!["events"]),
        (json!({ "url": URL, "events": "PaymentAttemptFailed" }), vec!["events"]),
        (json!({ "url": URL, "events": ["Payment"] }), vec!["events"]),
        (json!({ "url": URL, "events": [7] }), vec!["events"]),
        (json!({ "url": URL, "events": ["PaymentAttemptFailed", "PaymentAttemptFailed"] }), vec!["events"]),
        (json!({ "url": URL, "description": long }), vec!["description"]),
        (json!({ "url": URL, "description": "a\nb" }), vec!["description"]),
        (json!({ "url": URL, "description": 7 }), vec!["description"]),
        (json!({ "url": URL, "secret": "whsec_mine" }), vec!["secret"]),
        (json!({ "url": "x", "events": [], "description": 7, "id": 1 }), vec!["url", "events", "description", "id"]),
    ] {
        let who = ("acme", "supervisor");
        let answer = webhooks.call_as(&*deployed, who, REGISTER, "", "", Some(&body)).await;
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("validation_failed")), "{body}");
        let named: Vec<&Value> =
            answer.body["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(named, fields, "{body}");
        assert!(!answer.body.to_string().contains("secret@"), "{body}");
    }
    let refused = json!({ "url": "https://192.168.1.1/hook" });
    let answer = webhooks.call_as(&*deployed, ("acme", "supervisor"), REGISTER, "", "", Some(&refused)).await;
    assert_eq!(
        answer.body["detail"],
        "The address must be an address on the public internet, not one inside a private network."
    );
    assert_eq!(webhooks.call(LIST, "", None).await.body, json!({ "items": [] }));
}

#[tokio::test]
async fn a_workspace_has_at_most_twenty_endpoints() {
    let webhooks = Webhooks::start().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(webhooks.register(&format!("{URL}/{number}")).await.0);
        webhooks.pass(Duration::from_secs(1));
    }
    let listed = webhooks.call(LIST, "", None).await.body;
    let listed: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    ids.reverse();
    assert_eq!(listed, ids, "the newest first");
    let answer = webhooks.call(REGISTER, "", Some(&json!({ "url": URL }))).await;
    assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!("url")));
    assert_eq!(answer.body["detail"], "The address cannot be added: a workspace has at most 20 webhook endpoints.");
    let other = webhooks.call_by(("globex", "supervisor"), REGISTER, "", Some(&json!({ "url": URL }))).await;
    assert_eq!(other.status, 201, "another workspace's are not counted");
    assert_eq!(webhooks.call(REMOVE, &ids[0], None).await.status, 204);
    webhooks.register(URL).await;
}

/// A caller repeats a request whose answer was lost. A second endpoint would receive each event once more, signed with
/// a secret that nobody has seen.
#[tokio::test]
async fn an_address_is_registered_once_in_the_form_in_which_it_is_called() {
    let webhooks = Webhooks::start().await;
    let created = webhooks.call(REGISTER, "", Some(&json!({ "url": "https://CRM.example.com:443" }))).await;
    assert_eq!((created.status, &created.body["url"]), (201, &json!("https://crm.example.com/")));
    let id = created.body["id"].as_str().unwrap();
    for same in ["https://crm.example.com/", "https://crm.example.com", "https://crm.exam\u{200b}ple.com/"] {
        let refused = webhooks.call(REGISTER, "", Some(&json!({ "url": same }))).await;
        assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("url")), "{same}");
        let detail = format!("The address is already that of the webhook endpoint {id}.");
        assert_eq!(refused.body["detail"], detail, "{same}");
    }
    webhooks.register("https://crm.example.com/2").await;
    let same = json!({ "url": created.body["url"] });
    let other = webhooks.call_by(("globex", "supervisor"), REGISTER, "", Some(&same)).await;
    assert_eq!(other.status, 201, "another workspace's are not compared");
    for nearly in ["https:crm.example.com/3", "https:\\\\crm.example.com\\3", "https://@crm.example.com/3"] {
        let refused = webhooks.call(REGISTER, "", Some(&json!({ "url": nearly }))).await;
        assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("url")), "{nearly}");
    }
}

#[tokio::test]
async fn the_log_is_paged_and_filtered() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, _) = webhooks.register(&receiver.url).await;
    for number in 0..7 {
        webhooks.publish(&event(&format!("0199-{number}"), 1, webhooks.now())).await.unwrap();
        webhooks.pass(Duration::from_secs(1));
        // Every second one is accepted.
        receiver.answers(if number % 2 == 0 { 200 } else { 410 });
        if number % 2 == 0 {
            webhooks.work().await;
        }
    }
    let ids = |page: &Value| {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["event_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (mut found, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = webhooks.query(DELIVERIES, &id, &query).await;
        assert_eq!(page.status, 200, "{page:?}");
        found.extend(ids(&page.body));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        assert_eq!(ids(&page.body).len(), 3);
        query = format!("limit=3&cursor={cursor}");
    }
    let expected: Vec<_> = (0..7).rev().map(|number| format!("0199-{number}#1")).collect();
    assert_eq!(found, expected, "the newest first, each once");
    let exact = webhooks.query(DELIVERIES, &id, "limit=7").await.body;
    assert_eq!((ids(&exact).len(), &exact["next_cursor"]), (7, &Value::Null));
    let delivered = webhooks.query(DELIVERIES, &id, "status=delivered").await.body;
    assert_eq!(ids(&delivered), ["0199-6#1", "0199-5#1", "0199-4#1", "0199-3#1", "0199-2#1", "0199-1#1", "0199-0#1"]);
    for status in ["pending", "failed"] {
        let none = webhooks.query(DELIVERIES, &id, &format!("status={status}")).await.body;
        assert_eq!((ids(&none).len(), &none["next_cursor"]), (0, &Value::Null), "{status}");
    }
    let first = webhooks.query(DELIVERIES, &id, "status=delivered&limit=2").await.body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = webhooks.query(DELIVERIES, &id, &format!("status=delivered&limit=2&cursor={cursor}")).await.body;
    assert_eq!((ids(&first), ids(&second)), (vec![expected[0].clone(), expected[1].clone()], expected[2..4].to_vec()));
}

#[tokio::test]
async fn every_invalid_parameter_of_the_log_is_named() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.register(URL).await;
    for (query, status, code) in [
        ("status=lost", 422, "validation_failed"),
        ("limit=0", 422, "validation_failed"),
        ("limit=101", 422, "validation_failed"),
        ("limit=x", 422, "validation_failed"),
        ("limit=1&limit=2", 422, "validation_failed"),
        ("since=2026-01-01", 422, "validation_failed"),
        ("cursor=x", 400, "invalid_cursor"),
        ("status=&limit=&cursor=", 200, ""),
    ] {
        let answer = webhooks.query(DELIVERIES, &id, query).await;
        assert_eq!((answer.status, answer.body["code"].as_str().unwrap_or_default()), (status, code), "{query}");
    }
}

#[tokio::test]
async fn a_replay_is_of_one_event_or_of_all_since_a_moment() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.register(URL).await;
    for (body, field) in [
        (json!({}), "event_id"),
        (json!({ "event_id": null, "since": null }), "event_id"),
        (json!({ "event_id": "0199-1#1", "since": "2026-01-01" }), "since"),
        (json!({ "event_id": 7 }), "event_id"),
        (json!({ "event_id": "+27831234567" }), "event_id"),
        (json!({ "event_id": "0199-1#1" }), "event_id"),
        (json!({ "since": "yesterday" }), "since"),
        (json!({ "since": 7 }), "since"),
        (json!({ "since": "2026-01-05T10:00:00.001Z" }), "since"),
        (json!({ "since": "2026-01-01", "status": "failed" }), "status"),
    ] {
        let answer = webhooks.call(REPLAY, &id, Some(&body)).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(field)), "{body}");
    }
    assert_eq!(webhooks.tasks(), 0);
    webhooks.replay(&id, &json!({ "since": "2026-01-05T10:00:00Z" })).await;
    assert_eq!(webhooks.tasks(), 1);
}

/// DynamoDB's client repeats a write whose answer was lost. The caller must not notice it.
#[tokio::test]
async fn a_lost_answer_is_no_failure_and_happens_once() {
    let webhooks = Webhooks::start().await;
    let lost = || webhooks.proxy.fail_next_writes(&[Fault::AnswerLost]);
    lost();
    let (id, secret) = webhooks.register(URL).await;
    assert_eq!(webhooks.call(LIST, "", None).await.body["items"].as_array().unwrap().len(), 1);
    lost();
    let rotated = webhooks.call(ROTATE, &id, None).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    assert_ne!(rotated.body["secret"], secret);
    let stored = webhooks.items().await;
    assert_eq!(stored.matches("v1:").count(), 2, "one rotation: {stored}");
    lost();
    assert_eq!(webhooks.call(REMOVE, &id, None).await.status, 204);
    assert_eq!(webhooks.proxy.faults_left(), 0);
    for (fault, url) in [(Fault::RequestLost, URL.to_owned()), (Fault::AnswerLost, format!("{URL}/2"))] {
        webhooks.proxy.fail_next_writes(&[fault]);
        webhooks.register(&url).await;
    }
    assert_eq!(webhooks.call(LIST, "", None).await.body["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn of_two_rotations_at_the_same_moment_both_secrets_sign() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let (id, first) = webhooks.register(&receiver.url).await;
    let (one, other) = tokio::join!(webhooks.call(ROTATE, &id, None), webhooks.call(ROTATE, &id, None));
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    let posted = receiver.take().remove(0);
    assert_eq!(posted.signatures(), 3);
    for secret in [&json!(first), &one.body["secret"], &other.body["secret"]] {
        assert!(posted.is_signed_with(secret.as_str().unwrap()));
    }
}

#[tokio::test]
async fn no_secret_is_stored_in_plain_text() {
    let webhooks = Webhooks::start().await;
    let (id, first) = webhooks.register(URL).await;
    let second = webhooks.call(ROTATE, &id, None).await.body["secret"].as_str().unwrap().to_owned();
    let stored = webhooks.items().await;
    assert!(stored.contains(&id), "{stored}");
    for secret in [first, second] {
        let encoded = secret.trim_start_matches("whsec_");
        assert!(!stored.contains(encoded), "{stored}");
    }
    assert!(!stored.contains("whsec_"), "{stored}");
}
