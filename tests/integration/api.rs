//! The HTTP API (specification, section 3): every status, header and problem code.

use crate::reports::{past, store};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Status;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::system::{
    Answer, Directory, SHORT_LINK, System, User, WEBHOOK_SECRET, all, id, link, now, order, paid, phone, shifted,
    signed, signed_with, time, workspace,
};

const NOBODY: &str = "01990000-0000-7000-8000-000000000000";

/// Returns the routes that need a caller's token, each with a body if it takes one.
fn guarded_routes(id: &str) -> Vec<(Method, String, Option<Value>)> {
    vec![
        (Method::POST, "/payment-requests".to_owned(), Some(order("+27831234567"))),
        (Method::GET, "/payment-requests".to_owned(), None),
        (Method::GET, format!("/payment-requests/{id}"), None),
        (Method::POST, format!("/payment-requests/{id}/cancel"), None),
        (Method::GET, "/reports/agents".to_owned(), None),
    ]
}

fn with_body(request: reqwest::RequestBuilder, body: Option<&Value>) -> reqwest::RequestBuilder {
    match body {
        Some(body) => request.json(body),
        None => request,
    }
}

async fn sara<'a>(system: &'a System, alice: &User<'_>) -> User<'a> {
    system.user(&alice.workspace, "sara", "supervisor").await
}

mod creating {
    use super::*;

    #[tokio::test]
    async fn a_create_returns_201_with_the_location_of_the_new_request() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let answer = alice.create(&order(&phone())).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("idempotency-replayed"), "");
        let found = Answer::of(alice.request(Method::GET, answer.header("location"))).await;
        assert_eq!((found.status, found.json()), (200, answer.json()));
    }

    #[tokio::test]
    async fn a_supervisor_can_create_a_request() {
        let system = System::shared(&[]).await;
        let sara = system.user(&workspace(), "sara", "supervisor").await;
        let sent = sara.sent().await;
        assert_eq!(sent["agent"], json!({ "id": "sara", "name": "Sara" }));
        assert_eq!(sent["history"][0]["actor"], json!({ "type": "agent", "id": "sara" }));
    }

    #[tokio::test]
    async fn fields_of_the_specified_maximum_length_are_accepted() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let metadata: Value = (0..10).map(|n| (format!("{n}"), json!("é".repeat(500)))).collect();
        let order = json!({ "order_number": "№".repeat(64), "amount": 99_999_999, "currency": "KWD",
            "customer": { "phone": phone(), "name": "ü".repeat(200) }, "description": "ß".repeat(200),
            "conversation_id": "c".repeat(128), "metadata": metadata });
        let sent = alice.sent_as(&order).await;
        for (name, value) in order.as_object().unwrap() {
            assert_eq!(sent[name], *value, "{name}");
        }
        alice
            .sent_as(&json!({ "order_number": "1", "amount": 1, "currency": "JPY", "customer": { "phone": phone() } }))
            .await;
    }

    #[tokio::test]
    async fn every_invalid_field_is_named_and_nothing_is_stored() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let too_many: Value = (0..11).map(|n| (format!("{n}"), json!("x"))).collect();
        for (field, wrong) in [
            ("order_number", json!("")),
            ("order_number", json!("   ")),
            ("order_number", json!("x".repeat(65))),
            ("order_number", json!("x".repeat(10_000))),
            ("order_number", json!("a\u{0}b")),
            ("order_number", json!("a\nb")),
            ("order_number", json!("a\u{202e}b")),
            ("order_number", json!(10_045)),
            ("order_number", json!(["10045"])),
            ("order_number", Value::Null),
            ("amount", json!(0)),
            ("amount", json!(-1)),
            ("amount", json!(100_000_000)),
            ("amount", json!(250.0)),
            ("amount", json!(250.5)),
            ("amount", json!(1e3)),
            ("amount", json!(u64::MAX)),
            ("amount", json!("25000")),
            ("amount", json!(true)),
            ("amount", Value::Null),
            ("currency", json!("zar")),
            ("currency", json!("ZZZ")),
            ("currency", json!("XXX")),
            ("currency", json!("XAU")),
            ("currency", json!("R")),
            ("currency", json!("")),
            ("currency", json!(710)),
            ("currency", Value::Null),
            ("customer", json!("Thandi")),
            ("customer", json!([])),
            ("customer", Value::Null),
            ("customer.phone", json!("0831234567")),
            ("customer.phone", json!("+27 83 123 4567")),
            ("customer.phone", json!("+1415555")),
            ("customer.phone", json!("+278312345678901")),
            ("customer.phone", json!("+999123456789")),
            ("customer.phone", json!("tel:+27831234567")),
            ("customer.phone", json!(27_831_234_567_u64)),
            ("customer.phone", Value::Null),
            ("customer.name", json!("x".repeat(201))),
            ("customer.name", json!("a\u{7f}b")),
            ("customer.name", json!({})),
            ("customer.age", json!(7)),
            ("description", json!("x".repeat(201))),
            ("description", json!("\u{1b}[2J")),
            ("description", json!(1)),
            ("conversation_id", json!("x".repeat(129))),
            ("conversation_id", json!(false)),
            ("metadata", too_many),
            ("metadata", json!({ "a": "x".repeat(501) })),
            ("metadata", json!({ ("k".repeat(501)): "x" })),
            ("metadata", json!({ "": "x" })),
            ("metadata", json!({ "a": 1 })),
            ("metadata", json!({ "a": null })),
            ("metadata", json!({ "a": { "b": "c" } })),
            ("metadata", json!([["a", "b"]])),
            ("metadata", json!("a=b")),
            ("status", json!("paid")),
            ("__proto__", json!({})),
        ] {
            let mut body = order(&phone());
            match field.split_once('.') {
                Some((object, name)) => body[object][name] = wrong,
                None => body[field] = wrong,
            }
            let answer = alice.create(&body).await;
            assert_eq!(answer.bad_fields(), [field], "{body}");
        }
        for missing in ["order_number", "amount", "currency", "customer"] {
            let mut body = order(&phone());
            body.as_object_mut().unwrap().remove(missing);
            assert_eq!(alice.create(&body).await.bad_fields(), [missing]);
        }
        assert!(alice.listed(&[]).await.0.is_empty());
    }

    #[tokio::test]
    async fn one_answer_names_all_invalid_fields() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let wrong = json!({ "order_number": "", "amount": 0.5, "currency": "rand",
            "customer": { "phone": "1", "name": "x".repeat(201), "vip": true }, "description": "x".repeat(201),
            "conversation_id": "x".repeat(129), "metadata": { "a": 1 }, "id": "mine", "status": "paid" });
        let expected = [
            "amount",
            "conversation_id",
            "currency",
            "customer.name",
            "customer.phone",
            "customer.vip",
            "description",
            "id",
            "metadata",
            "order_number",
            "status",
        ];
        assert_eq!(alice.create(&wrong).await.bad_fields(), expected);
        assert_eq!(alice.create(&json!({})).await.bad_fields(), ["amount", "currency", "customer", "order_number"]);
        let mut expected = expected.to_vec();
        expected.insert(0, "Idempotency-Key");
        assert_eq!(alice.create_with_key(&wrong, &"k".repeat(256)).await.bad_fields(), expected);
    }

    #[tokio::test]
    async fn a_body_that_is_not_one_json_object_with_distinct_names_is_malformed() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let good = order(&phone()).to_string();
        let twice = good.replacen('{', r#"{"amount":1,"#, 1);
        let twice_below = good.replacen(r#""customer":{"#, r#""customer":{"name":"Eve","#, 1);
        let twice_in_metadata = good.replacen(r#""metadata":{"#, r#""metadata":{"crm":"0","#, 1);
        let deep = format!("{}{}", "[".repeat(8_000), "]".repeat(8_000));
        for body in [
            "",
            " ",
            "{",
            "[]",
            "null",
            "1",
            "\"x\"",
            "{} {}",
            "{'amount':1}",
            "{\"amount\":1,}",
            "{\"amount\":01}",
            "{\"amount\":NaN}",
            "{\"amount\":1e999}",
            "{\"order_number\":\"\\ud800\"}",
            "\u{feff}{}",
            &deep,
            &twice,
            &twice_below,
            &twice_in_metadata,
        ] {
            let request = alice.request(Method::POST, "/payment-requests").header("content-type", "application/json");
            let answer = Answer::of(request.body(body.to_owned())).await;
            answer.problem(400, "malformed_body");
        }
        let request = alice.request(Method::POST, "/payment-requests").header("content-type", "application/json");
        Answer::of(request.body(&b"{\"order_number\":\"\xff\xfe\"}"[..])).await.problem(400, "malformed_body");
        assert!(alice.listed(&[]).await.0.is_empty());
    }

    #[tokio::test]
    async fn only_a_json_content_type_is_accepted() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let body = order(&phone()).to_string();
        let post = |content_type: Option<&str>| {
            let mut request = alice.request(Method::POST, "/payment-requests").body(body.clone());
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            Answer::of(request)
        };
        for wrong in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonp"),
            Some("application/problem+json"),
            Some("json"),
            Some("text/plain; application/json"),
        ] {
            post(wrong).await.problem(415, "unsupported_media_type");
        }
        for right in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
            assert_eq!(post(Some(right)).await.status, 201, "{right}");
        }
    }

    #[tokio::test]
    async fn a_body_of_16_kib_is_accepted_and_a_larger_one_is_rejected() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let mut body = order(&phone()).to_string();
        body.push_str(&" ".repeat(16 * 1024 - body.len()));
        let post = |path: String, body: String| {
            let request = alice.request(Method::POST, &path).header("content-type", "application/json");
            Answer::of(request.body(body))
        };
        let sent = post("/payment-requests".to_owned(), body.clone()).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        body.push(' ');
        post("/payment-requests".to_owned(), body).await.problem(413, "body_too_large");
        let cancel = format!("/payment-requests/{}/cancel", id(&sent.json()));
        post(cancel, " ".repeat(16 * 1024 + 1)).await.problem(413, "body_too_large");
        post("/payment-requests".to_owned(), "x".repeat(5 * 1024 * 1024)).await.problem(413, "body_too_large");
        Answer::of(system.post_webhook("/webhooks/sandbox", &"x".repeat(256 * 1024 + 1)))
            .await
            .problem(413, "body_too_large");
        assert_eq!(alice.listed(&[]).await.0.len(), 1);
        assert_eq!(alice.read(id(&sent.json())).await["version"], 1);
    }

    #[tokio::test]
    async fn a_compressed_body_is_rejected_on_every_route_with_the_accepted_coding() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        let cancel = format!("/payment-requests/{}/cancel", id(&sent));
        let webhook = paid(&sent, "pay_1", now()).to_string();
        let signature = signed("msg_1", now().as_milliseconds() / 1000, &webhook);
        let routes = [
            alice.request(Method::POST, "/payment-requests").body(order(&phone()).to_string()),
            alice.request(Method::POST, &cancel).body("{}"),
            system.request(Method::POST, "/webhooks/sandbox").headers(signature).body(webhook),
            system.request(Method::POST, "/delivery-reports/webhook").body("{}"),
        ];
        for route in &routes {
            for coding in ["gzip", "GZIP", "br", "identity, deflate", "x"] {
                let request = route.try_clone().unwrap().header("content-type", "application/json");
                let answer = Answer::of(request.header("content-encoding", coding)).await;
                answer.problem(415, "unsupported_media_type");
                assert_eq!(answer.header("accept-encoding"), "identity", "{coding}");
            }
        }
        assert_eq!(alice.listed(&[]).await.0, [id(&sent)]);
        assert_eq!(alice.read(id(&sent)).await, sent);
        for (route, status) in routes.iter().zip([201, 200]) {
            let request = route.try_clone().unwrap().header("content-type", "application/json");
            assert_eq!(Answer::of(request.header("content-encoding", "Identity")).await.status, status);
        }
    }

    #[tokio::test]
    async fn the_body_of_a_cancel_is_empty_or_an_empty_object() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        let path = format!("/payment-requests/{}/cancel", id(&sent));
        let refused = Answer::of(alice.request(Method::POST, &path).json(&json!({ "reason": "x" }))).await;
        assert_eq!(refused.bad_fields(), ["reason"]);
        assert_eq!(alice.read(id(&sent)).await, sent);
        assert_eq!(Answer::of(alice.request(Method::POST, &path).json(&json!({}))).await.status, 200);
    }
}

mod idempotency {
    use super::*;

    #[tokio::test]
    async fn the_same_key_and_body_return_the_same_request() {
        let system = System::shared(&[]).await;
        let (alice, phone) = (system.alice().await, phone());
        let first = alice.create_with_key(&order(&phone), "key-1").await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""), "{first:?}");
        for _ in 0..3 {
            let again = alice.create_with_key(&order(&phone), "key-1").await;
            assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"), "{again:?}");
            assert_eq!(again.header("location"), first.header("location"));
            assert_eq!(again.json(), first.json());
        }
        assert_eq!(alice.listed(&[]).await.0, [id(&first.json())]);
        // The link's text is not sent any more once its request is canceled.
        system.wait_for_texts(&phone, 1).await;
        // The answer shows the request's current state, not its state at the first call.
        let canceled = alice.cancel(id(&first.json())).await.json();
        let again = alice.create_with_key(&order(&phone), "key-1").await;
        assert_eq!((again.status, again.json()), (201, canceled));
        assert_eq!(system.wait_for_texts(&phone, 2).await.len(), 2, "one link, one cancellation");
        assert_eq!(system.wait_for_events(id(&first.json()), 2).await.len(), 2);
    }

    #[tokio::test]
    async fn the_same_key_with_another_body_is_rejected_and_changes_nothing() {
        let system = System::shared(&[]).await;
        let (alice, phone) = (system.alice().await, phone());
        let first = alice.create_with_key(&order(&phone), "key-1").await.json();
        for (field, other) in [
            ("order_number", json!("10046")),
            ("amount", json!(25_001)),
            ("currency", json!("USD")),
            ("customer", json!({ "phone": phone, "name": "Sipho" })),
            ("customer", json!({ "phone": tests::system::phone(), "name": "Thandi" })),
            ("description", json!("3 x tickets")),
            ("description", Value::Null),
            ("conversation_id", json!("c-982")),
            ("metadata", json!({ "crm": "78" })),
            ("metadata", json!({})),
        ] {
            let mut body = order(&phone);
            body[field] = other;
            alice.create_with_key(&body, "key-1").await.problem(422, "idempotency_key_reused");
        }
        assert_eq!(alice.listed(&[]).await.0, [id(&first)]);
        assert_eq!(alice.read(id(&first)).await, first);
    }

    #[tokio::test]
    async fn keys_of_different_workspaces_are_independent() {
        let system = System::shared(&[]).await;
        let (alice, other, phone) = (system.alice().await, system.alice().await, phone());
        let first = alice.create_with_key(&order(&phone), "key-1").await.json();
        let second = other.create_with_key(&order(&phone), "key-1").await;
        assert_eq!((second.status, second.header("idempotency-replayed")), (201, ""));
        assert_ne!(id(&second.json()), id(&first));
        let mut body = order(&phone);
        body["amount"] = 1.into();
        other.create_with_key(&body, "key-1").await.problem(422, "idempotency_key_reused");
        assert_eq!(other.listed(&[]).await.0, [id(&second.json())]);
    }

    #[tokio::test]
    async fn a_key_applies_to_the_whole_workspace() {
        let system = System::shared(&[]).await;
        let (alice, phone) = (system.alice().await, phone());
        let (bob, sara) = (
            system.user(&alice.workspace, "bob", "agent").await,
            system.user(&alice.workspace, "sara", "supervisor").await,
        );
        let first = alice.create_with_key(&order(&phone), "key-1").await.json();
        let again = sara.create_with_key(&order(&phone), "key-1").await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!(again.json(), first);
        bob.create_with_key(&order(&phone), "key-1").await.problem(422, "idempotency_key_reused");
        assert!(bob.listed(&[]).await.0.is_empty());
    }

    #[tokio::test]
    async fn creates_without_a_key_or_with_different_keys_make_separate_requests() {
        let system = System::shared(&[]).await;
        let (alice, order) = (system.alice().await, order(&phone()));
        let made = [
            alice.create(&order).await,
            alice.create(&order).await,
            alice.create_with_key(&order, "key-1").await,
            alice.create_with_key(&order, "Key-1").await,
            alice.create_with_key(&order, "key-1 x").await,
            alice.create_with_key(&order, &"k".repeat(255)).await,
            alice.create_with_key(&order, "~!@#$%^&*()_+{}|:\"<>?").await,
        ];
        let ids: BTreeSet<String> = made.iter().map(|answer| id(&answer.json()).to_owned()).collect();
        assert_eq!(ids.len(), made.len());
        assert!(made.iter().all(|answer| answer.status == 201 && answer.header("idempotency-replayed").is_empty()));
    }

    #[tokio::test]
    async fn a_key_has_1_to_255_printable_characters() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        for wrong in [&b""[..], &[b'k'; 256], b"a\tb", b"schl\xc3\xbcssel", b"\xff"] {
            let request = alice.request(Method::POST, "/payment-requests").json(&order(&phone()));
            let answer = Answer::of(request.header("Idempotency-Key", wrong)).await;
            assert_eq!(answer.bad_fields(), ["Idempotency-Key"], "{wrong:?}");
        }
        assert!(alice.listed(&[]).await.0.is_empty());
    }

    #[tokio::test]
    async fn twenty_concurrent_creates_under_one_key_make_one_request() {
        let system = System::shared(&[]).await;
        let (alice, phone) = (system.alice().await, phone());
        let order = order(&phone);
        let answers = all((0..20).map(|_| alice.create_with_key(&order, "key-1"))).await;
        assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
        let ids: BTreeSet<String> = answers.iter().map(|answer| id(&answer.json()).to_owned()).collect();
        assert_eq!(ids.len(), 1);
        let first = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty());
        assert_eq!(first.count(), 1, "one answer is the original, all others are replays");
        let links: BTreeSet<String> = answers.iter().map(|answer| link(&answer.json()).to_owned()).collect();
        assert_eq!(links.len(), 1);
        assert_eq!(system.page(Method::GET, links.first().unwrap()).await.status, 200);
        assert_eq!(alice.listed(&[]).await.0.len(), 1);
        // Texts to one phone arrive in order, so a text for another request comes after any duplicate for this one.
        alice.sent_to(&phone).await;
        assert_eq!(system.wait_for_texts(&phone, 2).await.len(), 2);
    }
}

mod callers {
    use super::*;

    #[tokio::test]
    async fn a_call_without_a_valid_token_is_unauthenticated() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        let (head, rest) = alice.token.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let mut mallory = claims.clone();
        mallory["role"] = "supervisor".into();
        let (none, hmac) = (encoded(json!({ "alg": "none" })), encoded(json!({ "alg": "HS256", "typ": "JWT" })));
        let wrong = [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            "Bearer x".to_owned(),
            "Bearer a.b.c".to_owned(),
            format!("Basic {}", alice.token),
            alice.token.clone(),
            format!("Bearer {none}.{payload}."),
            format!("Bearer {none}.{payload}.{signature}"),
            format!("Bearer {hmac}.{payload}.{signature}"),
            format!("Bearer {head}.{}.{signature}", encoded(mallory)),
            format!("Bearer {head}.{payload}.{}", "A".repeat(signature.len())),
            format!("Bearer {head}.{payload}"),
            format!("Bearer {head}.{payload}.{signature}.{signature}"),
        ];
        for (method, path, body) in guarded_routes(id(&sent)) {
            let request = with_body(system.request(method.clone(), &path), body.as_ref());
            let refused = Answer::of(request).await;
            refused.gateway(401);
            assert!(refused.header("www-authenticate").starts_with("Bearer"), "{refused:?}");
            for authorization in &wrong {
                let request = with_body(system.request(method.clone(), &path), body.as_ref());
                let answer = Answer::of(request.header("authorization", authorization)).await;
                answer.gateway(401);
            }
        }
        assert_eq!(alice.listed(&[]).await.0, [id(&sent)]);
        assert_eq!(alice.read(id(&sent)).await, sent);
    }

    /// Signs with the gateway's own key, so that a rejection is due to the claims and not to the signature.
    #[tokio::test]
    async fn a_signed_token_is_valid_only_for_its_lifetime_audience_and_issuer() {
        let directory = Directory::new();
        let system = System::start_in(Some(directory.path()), &[]).await;
        let alice = system.alice().await;
        let key = KeyPair::from_pkcs8(&std::fs::read(directory.path().join("signing-key")).unwrap()).unwrap();
        let (head, rest) = alice.token.split_once('.').unwrap();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(rest.split_once('.').unwrap().0).unwrap()).unwrap();
        let seconds = now().as_milliseconds() / 1000;
        let listed = async |changes: &[(&str, Value)]| {
            let mut claims = claims.clone();
            for (name, value) in changes {
                claims[name] = value.clone();
            }
            let text = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
            let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
            Answer::of(system.request(Method::GET, "/payment-requests").bearer_auth(token)).await
        };
        assert_eq!(listed(&[]).await.status, 200);
        for wrong in [
            ("exp", json!(seconds - 1)),
            ("exp", Value::Null),
            ("nbf", json!(seconds + 3_600)),
            ("aud", json!("another system")),
            ("iss", json!("https://login.example.com")),
        ] {
            listed(&[wrong]).await.gateway(401);
        }
        system.stop().await;
    }

    #[tokio::test]
    async fn a_token_with_a_missing_or_unknown_claim_is_forbidden_on_every_route() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        let right = json!({ "sub": "alice", "name": "Alice", "role": "agent", "workspace": alice.workspace });
        let mut wrong: Vec<Value> = Vec::new();
        for name in ["sub", "name", "role", "workspace"] {
            let mut claims = right.clone();
            claims.as_object_mut().unwrap().remove(name);
            wrong.push(claims);
        }
        for (name, value) in [
            ("role", "admin"),
            ("role", "Agent"),
            ("role", "agent supervisor"),
            ("role", ""),
            ("workspace", ""),
            ("workspace", "a#b"),
            ("workspace", "a\nb"),
            ("sub", ""),
            ("name", ""),
        ] {
            let mut claims = right.clone();
            claims[name] = value.into();
            wrong.push(claims);
        }
        for claims in wrong {
            let token = system.token(&claims).await;
            for (method, path, body) in guarded_routes(id(&sent)) {
                let request = with_body(system.request(method, &path), body.as_ref());
                Answer::of(request.bearer_auth(&token)).await.problem(403, "forbidden");
            }
        }
        assert_eq!(alice.read(id(&sent)).await, sent);
    }

    #[tokio::test]
    async fn the_names_of_the_claims_are_configurable() {
        let variables = [("WORKSPACE_CLAIM", "custom:company"), ("ROLE_CLAIM", "custom:role")];
        let system = System::shared(&variables).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        assert_eq!(sent["workspace"], alice.workspace);
        let (_, rest) = alice.token.split_once('.').unwrap();
        let payload = URL_SAFE_NO_PAD.decode(rest.split_once('.').unwrap().0).unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!((&claims["custom:company"], &claims["custom:role"]), (&json!(alice.workspace), &json!("agent")));
    }

    #[tokio::test]
    async fn the_requests_of_others_are_not_found() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let bob = system.user(&alice.workspace, "bob", "agent").await;
        let (stranger, elsewhere) = (system.alice().await, system.user(&workspace(), "sara", "supervisor").await);
        let sent = alice.sent().await;
        let unknown = stranger.get(NOBODY).await.problem(404, "not_found");
        for other in [&bob, &stranger, &elsewhere] {
            assert_eq!(
                other.get(id(&sent)).await.problem(404, "not_found"),
                unknown,
                "the answer equals the one for an unknown request"
            );
            assert_eq!(other.cancel(id(&sent)).await.problem(404, "not_found"), unknown);
            assert!(other.listed(&[]).await.0.is_empty());
            assert!(other.listed(&[("agent", "alice")]).await.0.is_empty());
        }
        assert_eq!(alice.read(id(&sent)).await, sent);
        let sara = sara(&system, &alice).await;
        assert_eq!(sara.read(id(&sent)).await, sent);
        assert_eq!(sara.cancel(id(&sent)).await.status, 200);
    }

    #[tokio::test]
    async fn an_invalid_identifier_is_not_found() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        let upper = id(&sent).to_uppercase();
        for wrong in [NOBODY, "x", "%20", "%00", &upper, &"x".repeat(9_000), "REQ%23x", "x%3Fx"] {
            alice.get(wrong).await.problem(404, "not_found");
        }
        for wrong in [NOBODY, "x", "%20", "%00", &upper, &"x".repeat(9_000), "REQ%23x"] {
            alice.cancel(wrong).await.problem(404, "not_found");
        }
        // The gateway decodes a path before it looks for a route, and these have none.
        for wrong in ["%2F", "%2e%2e%2fx"] {
            alice.get(wrong).await.gateway(404);
            alice.cancel(wrong).await.gateway(404);
        }
        alice.cancel("x%3Fx").await.gateway(404);
        // Clients resolve two dots themselves, here to the runner's own start page.
        alice.get("..").await.problem(404, "not_found");
        alice.cancel("..").await.gateway(404);
    }

    #[tokio::test]
    async fn an_unknown_route_is_not_found() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        for (method, path) in [
            (Method::HEAD, "/payment-requests"),
            (Method::HEAD, "/desk"),
            (Method::PUT, "/payment-requests"),
            (Method::DELETE, "/payment-requests/x"),
            (Method::PATCH, "/payment-requests/x"),
            (Method::GET, "/payment-requests/x/cancel"),
            (Method::POST, "/payment-requests/x"),
            (Method::GET, "/payment-requests/"),
            (Method::GET, "/webhooks/sandbox"),
            (Method::POST, "/webhooks"),
            (Method::GET, "/pay"),
        ] {
            let answer = Answer::of(alice.request(method.clone(), path)).await;
            if method == Method::HEAD {
                assert_eq!((answer.status, answer.body.len()), (404, 0), "{path}");
            } else {
                answer.gateway(404);
            }
        }
        // These are the runner's own, and no part of the API.
        for (method, path) in [(Method::GET, "/"), (Method::DELETE, "/local/messages")] {
            let answer = Answer::of(alice.request(method.clone(), path)).await;
            assert_eq!(answer.problem(404, "not_found")["status"], 404, "{method} {path}");
        }
    }
}

mod lists {
    use super::*;

    /// A list searches day by day as far back as requests are kept. A short retention keeps this test short.
    const SHORT_MEMORY: &[(&str, &str)] = &[("RETENTION_DAYS", "3")];

    /// Creates requests that differ in their millisecond, and returns them oldest first.
    async fn sent_apart(user: &User<'_>, count: usize) -> Vec<Value> {
        let mut sent: Vec<Value> = Vec::new();
        while sent.len() < count {
            let next = user.sent().await;
            let apart = sent.last().is_none_or(|before| time(&before["created_at"]) < time(&next["created_at"]));
            assert!(apart, "two consecutive creates ended in the same millisecond: {next}");
            sent.push(next);
        }
        sent
    }

    fn newest_first(requests: &[Value]) -> Vec<String> {
        requests.iter().rev().map(|request| id(request).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_list_returns_whole_requests_newest_first() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let sent = sent_apart(&alice, 3).await;
        let list = alice.list(&[]).await;
        assert_eq!((list.status, list.header("cache-control")), (200, "no-store"));
        let reversed: Vec<&Value> = sent.iter().rev().collect();
        assert_eq!(list.json(), json!({ "items": reversed, "next_cursor": null }));
        let nobody = system.user(&workspace(), "alice", "agent").await;
        assert_eq!(nobody.list(&[]).await.json(), json!({ "items": [], "next_cursor": null }));
    }

    #[tokio::test]
    async fn an_agent_lists_their_own_requests_and_a_supervisor_the_workspaces() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let bob = system.user(&alice.workspace, "bob", "agent").await;
        let sara = sara(&system, &alice).await;
        let (first, second, third) = (alice.sent().await, bob.sent().await, alice.sent().await);
        let all = newest_first(&[first.clone(), second.clone(), third.clone()]);
        let alices = newest_first(&[first, third]);
        assert_eq!(alice.listed(&[]).await.0, alices);
        assert_eq!(alice.listed(&[("agent", "alice")]).await.0, alices);
        assert!(alice.listed(&[("agent", "bob")]).await.0.is_empty());
        assert_eq!(bob.listed(&[]).await.0, [id(&second)]);
        assert_eq!(sara.listed(&[]).await.0, all);
        assert_eq!(sara.listed(&[("agent", "alice")]).await.0, alices);
        assert_eq!(sara.listed(&[("agent", "bob")]).await.0, [id(&second)]);
        assert!(sara.listed(&[("agent", "nobody")]).await.0.is_empty());
    }

    #[tokio::test]
    async fn a_list_can_be_filtered_by_status() {
        let (system, short) = (System::shared(SHORT_MEMORY).await, System::shared(SHORT_LINK).await);
        let alice = system.alice().await;
        let sara = sara(&system, &alice).await;
        let (sent, clicked, canceled, settled, refunded) =
            (alice.sent().await, alice.sent().await, alice.sent().await, alice.sent().await, alice.sent().await);
        system.click(link(&clicked)).await;
        alice.cancel(id(&canceled)).await;
        assert_eq!(system.webhook(&paid(&settled, "pay_1", now())).await.status, 200);
        alice.cancel(id(&refunded)).await;
        assert_eq!(system.webhook(&paid(&refunded, "pay_1", now())).await.status, 200);
        alice.wait_for(id(&refunded), "refunded").await;
        for user in [&alice, &sara] {
            for (status, request) in [
                ("sent", Some(&sent)),
                ("clicked", Some(&clicked)),
                ("canceled", Some(&canceled)),
                ("paid", Some(&settled)),
                ("refunded", Some(&refunded)),
                ("expired", None),
                ("refund_due", None),
            ] {
                let found = user.listed(&[("status", status)]).await.0;
                assert_eq!(found, request.map(id).into_iter().collect::<Vec<_>>(), "{status}");
            }
            assert_eq!(user.listed(&[]).await.0.len(), 5);
        }
        let bob = short.user(&workspace(), "bob", "agent").await;
        let expired = bob.sent().await;
        bob.wait_for_history(id(&expired), "expired").await;
        assert_eq!(bob.listed(&[("status", "expired")]).await.0, [id(&expired)]);
        assert!(bob.listed(&[("status", "sent")]).await.0.is_empty());
    }

    fn order_of(number: &str, phone: &str, conversation: Option<&str>) -> Value {
        let mut order = order(phone);
        order["order_number"] = number.into();
        order["conversation_id"] = conversation.into();
        order
    }

    #[tokio::test]
    async fn a_list_can_be_filtered_by_order_number_phone_and_conversation() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let bob = system.user(&alice.workspace, "bob", "agent").await;
        let sara = sara(&system, &alice).await;
        let (thandi, sipho) = (phone(), phone());
        let first = alice.sent_as(&order_of("7", &thandi, Some("c-1"))).await;
        let second = alice.sent_as(&order_of("77", &thandi, Some("c-2"))).await;
        let third = alice.sent_as(&order_of("7", &sipho, None)).await;
        let fourth = bob.sent_as(&order_of("7", &thandi, Some("c-1"))).await;
        assert_eq!(alice.cancel(id(&third)).await.status, 200);
        let from = second["created_at"].as_str().unwrap();
        for (query, expected) in [
            (vec![("order_number", "7")], vec![&first, &third, &fourth]),
            (vec![("order_number", "77")], vec![&second]),
            (vec![("order_number", "777")], vec![]),
            (vec![("phone", &*thandi)], vec![&first, &second, &fourth]),
            (vec![("phone", "+27831234567")], vec![]),
            (vec![("q", "7")], vec![&first, &third, &fourth]),
            (vec![("q", &*thandi)], vec![&first, &second, &fourth]),
            (vec![("q", &*nationally(&thandi))], vec![&first, &second, &fourth]),
            (vec![("q", "THAN"), ("order_number", "77")], vec![&second]),
            (vec![("q", "Sipho")], vec![]),
            (vec![("q", " ")], vec![&first, &second, &third, &fourth]),
            (vec![("conversation_id", "c-1")], vec![&first, &fourth]),
            (vec![("conversation_id", "C-1")], vec![]),
            (vec![("conversation_id", "c")], vec![]),
            (vec![("order_number", "7"), ("phone", &thandi)], vec![&first, &fourth]),
            (vec![("order_number", "7"), ("phone", &sipho), ("conversation_id", "c-1")], vec![]),
            (vec![("order_number", "7"), ("status", "canceled")], vec![&third]),
            (vec![("phone", &thandi), ("from", from)], vec![&second, &fourth]),
            (vec![("phone", &thandi), ("to", from)], vec![&first]),
            (vec![("phone", &thandi), ("agent", "bob")], vec![&fourth]),
        ] {
            let expected: Vec<Value> = expected.into_iter().cloned().collect();
            assert_eq!(sara.listed(&query).await, (newest_first(&expected), None), "{query:?}");
            // An agent's list has the same order, but only the agent's own requests.
            for (agent, name) in [(&alice, "alice"), (&bob, "bob")] {
                let own: Vec<Value> =
                    expected.iter().filter(|request| request["agent"]["id"] == name).cloned().collect();
                let other = query.iter().any(|(field, value)| *field == "agent" && *value != name);
                let own = if other { Vec::new() } else { newest_first(&own) };
                assert_eq!(agent.listed(&query).await, (own, None), "{name}: {query:?}");
            }
        }
    }

    /// Returns a South African number as people there write it.
    fn nationally(phone: &str) -> String {
        let (network, number) = phone.strip_prefix("+27").unwrap().split_at(2);
        format!("(0{network}) {number}")
    }

    #[tokio::test]
    async fn no_filter_reaches_another_agents_or_workspaces_requests() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let phone = phone();
        let sent = alice.sent_as(&order_of("10045", &phone, Some("c-981"))).await;
        let bob = system.user(&alice.workspace, "bob", "agent").await;
        let (stranger, elsewhere) = (system.alice().await, system.user(&workspace(), "sara", "supervisor").await);
        for other in [&bob, &stranger, &elsewhere] {
            for filter in [("order_number", "10045"), ("phone", &*phone), ("conversation_id", "c-981")] {
                for query in [vec![filter], vec![filter, ("agent", "alice")], vec![filter, ("status", "sent")]] {
                    let found = other.list(&query).await.json();
                    assert_eq!(found, json!({ "items": [], "next_cursor": null }), "{query:?}");
                }
            }
        }
        assert_eq!(alice.listed(&[("phone", &phone)]).await.0, [id(&sent)]);
    }

    #[tokio::test]
    async fn a_filter_matches_its_exact_text_with_any_characters() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let texts = [
            "a b",
            "a+b",
            "a%20b",
            "a&b=c",
            "#7",
            "a#2026-01",
            "🎟 7",
            "<script>",
            "' OR 1=1 --",
            "é",
            "e\u{301}",
            "*",
            "%",
        ];
        let mut sent = Vec::new();
        for text in texts {
            sent.push(alice.sent_as(&order_of(text, &phone(), Some(text))).await);
        }
        for (text, request) in texts.iter().zip(&sent) {
            for name in ["order_number", "conversation_id"] {
                assert_eq!(alice.listed(&[(name, text)]).await.0, [id(request)], "{name} {text}");
            }
        }
    }

    #[tokio::test]
    async fn a_plus_that_was_decoded_as_a_space_is_explained() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let phone = phone();
        let sent = alice.sent_to(&phone).await;
        let list = async |value: &str| {
            Answer::of(alice.request(Method::GET, &format!("/payment-requests?phone={value}"))).await
        };
        let refused = list(&phone).await;
        assert_eq!(refused.bad_fields(), ["phone"]);
        let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("+27831234567") && message.contains("its plus sign was received as a space"),
            "{message}"
        );
        assert!(!message.contains('%'), "the message contains no percent-encoding: {message}");
        assert!(!message.contains(&phone[1..]), "the message does not repeat the phone number: {message}");
        let found = list(&phone.replace('+', "%2B")).await;
        assert_eq!(found.json()["items"][0]["id"], sent["id"]);
    }

    #[tokio::test]
    async fn filtered_pages_show_every_match_once_newest_first() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let bob = system.user(&alice.workspace, "bob", "agent").await;
        let sara = sara(&system, &alice).await;
        let (thandi, sipho) = (phone(), phone());
        let mut sent = Vec::new();
        for place in 0..24 {
            let agent = if place % 2 == 0 { &alice } else { &bob };
            let (number, phone) = (["7", "8", "9"][place % 3], if place % 4 < 2 { &thandi } else { &sipho });
            sent.push(agent.sent_as(&order_of(number, phone, Some(&format!("c-{}", place % 5)))).await);
        }
        for (user, query) in [
            (&sara, vec![("order_number", "7")]),
            (&sara, vec![("phone", &*thandi)]),
            (&sara, vec![("conversation_id", "c-3")]),
            (&sara, vec![("phone", &thandi), ("order_number", "8"), ("status", "sent")]),
            (&sara, vec![("agent", "bob"), ("phone", &sipho)]),
            (&alice, vec![("order_number", "9")]),
            (&alice, vec![("phone", &sipho)]),
        ] {
            let expected: Vec<Value> =
                sent.iter().filter(|request| fits(request, user, &alice, &query)).cloned().collect();
            assert!(expected.len() > 1, "{query:?}");
            for limit in ["1", "2", "3", "100"] {
                let pages = walk(user, &[&query[..], &[("limit", limit)]].concat()).await;
                assert!(pages.iter().all(|page| page.len() <= limit.parse().unwrap()));
                assert_eq!(pages.concat(), newest_first(&expected), "{query:?}, {limit} at a time");
            }
        }
    }

    /// Returns whether a user may see a request and the request matches a query of order number, phone, conversation
    /// and agent.
    fn fits(request: &Value, user: &User<'_>, alice: &User<'_>, query: &[(&str, &str)]) -> bool {
        (user.token != alice.token || request["agent"]["id"] == "alice")
            && query.iter().all(|(name, value)| match *name {
                "phone" => request["customer"]["phone"] == *value,
                "agent" => request["agent"]["id"] == *value,
                name => request[name] == *value,
            })
    }

    /// Returns the identifiers on each page of a list.
    async fn walk(user: &User<'_>, query: &[(&str, &str)]) -> Vec<Vec<String>> {
        let (mut pages, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = cursor.as_deref().map(|cursor| ("cursor", cursor));
            let (ids, next) = user.listed(&query.iter().copied().chain(page).collect::<Vec<_>>()).await;
            pages.push(ids);
            cursor = next;
            if cursor.is_none() {
                return pages;
            }
            assert!(pages.len() < 100, "the list does not end after 100 pages");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_reads_1000_requests_and_its_empty_page_leads_on_to_the_match() {
        let system = System::start(&[]).await;
        let alice = system.alice().await;
        let sara = sara(&system, &alice).await;
        let yesterday = now().saturating_sub(Duration::from_hours(24));
        let mut requests: Vec<_> =
            (0..1_010).map(|place| past(&alice, "alice", shifted(yesterday, -place), &[Status::Expired])).collect();
        for (place, request) in requests.iter_mut().enumerate() {
            if [999, 1_005, 1_009].contains(&place) {
                request.details.order_number = "rare".parse().unwrap();
            }
        }
        store(&system, &requests).await;
        let ids = |places: &[usize]| places.iter().map(|place| requests[*place].id.to_string()).collect::<Vec<_>>();
        for user in [&alice, &sara] {
            assert_eq!(walk(user, &[("order_number", "rare")]).await, [ids(&[999]), ids(&[1_005, 1_009])]);
            assert_eq!(walk(user, &[("order_number", "none")]).await, [ids(&[]), ids(&[])]);
            let (from, to) = (requests[1_000].created_at.to_string(), requests[0].created_at.to_string());
            let within = [("order_number", "rare"), ("from", &*from), ("to", &*to)];
            assert_eq!(walk(user, &within).await, [ids(&[999])], "a range of exactly 1000 requests is one page");
        }
        system.stop().await;
    }

    #[tokio::test]
    async fn from_is_inclusive_and_to_is_exclusive() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let sara = sara(&system, &alice).await;
        let sent = sent_apart(&alice, 4).await;
        let at = |index: usize| sent[index]["created_at"].as_str().unwrap();
        let day = &at(0)[..10];
        let next_week = shifted(time(&sent[3]["created_at"]), 7 * 86_400_000).to_string();
        // The same time, written with another offset.
        let moment = time(&sent[1]["created_at"]);
        let elsewhere = shifted(moment, 2 * 3_600_000).to_string().replace('Z', "+02:00");
        let of = |range: std::ops::Range<usize>| newest_first(&sent[range]);
        for user in [&alice, &sara] {
            for (query, expected) in [
                (vec![("from", at(1))], of(1..4)),
                (vec![("to", at(2))], of(0..2)),
                (vec![("from", at(1)), ("to", at(2))], of(1..2)),
                (vec![("from", at(1)), ("to", at(3))], of(1..3)),
                (vec![("from", at(1)), ("to", at(1))], of(0..0)),
                (vec![("from", &elsewhere), ("to", at(2))], of(1..2)),
                (vec![("from", day)], of(0..4)),
                (vec![("to", day)], of(0..0)),
                (vec![("from", "2020-01-01"), ("to", &next_week[..10])], of(0..4)),
                (vec![("from", "2020-01-01"), ("to", "2020-02-01")], of(0..0)),
                (vec![("from", &next_week)], of(0..0)),
                (vec![("from", "0001-01-01"), ("to", "9999-12-30")], of(0..4)),
                (vec![("agent", "alice"), ("status", "sent"), ("from", at(2))], of(2..4)),
            ] {
                assert_eq!(user.listed(&query).await.0, expected, "{query:?}");
            }
        }
    }

    #[tokio::test]
    async fn every_invalid_query_parameter_is_named() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        for (name, value) in [
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "-1"),
            ("limit", "2.5"),
            ("limit", "1e1"),
            ("limit", "ten"),
            ("limit", "99999999999999999999"),
            ("status", "lost"),
            ("status", "SENT"),
            ("order_number", "   "),
            ("order_number", "a\nb"),
            ("order_number", "a\0"),
            ("order_number", "a\u{202e}b"),
            ("order_number", &"7".repeat(65)),
            ("order_number", &"7".repeat(9_000)),
            ("phone", "0831234567"),
            ("phone", "27831234567"),
            ("phone", " 27831234567"),
            ("phone", "+0831234567"),
            ("phone", "+2783123456789012"),
            ("phone", "+27 83 123 4567"),
            ("phone", "+２７８３１２３４５６７"),
            ("phone", "+"),
            ("phone", "*"),
            ("conversation_id", "a\tb"),
            ("conversation_id", "\u{200b}"),
            ("conversation_id", &"c".repeat(129)),
            ("from", "yesterday"),
            ("from", "2026-02-30"),
            ("from", "2026-13-01"),
            ("from", "2026-01-05T10:00:00"),
            ("from", "1767607200"),
            ("to", "2026-1-5"),
            ("to", "2026-01-05T25:00:00Z"),
            ("colour", "blue"),
            ("colour", ""),
            ("", "x"),
        ] {
            assert_eq!(alice.list(&[(name, value)]).await.bad_fields(), [name], "{name}={value}");
        }
        let wrong = [("limit", "x"), ("status", "x"), ("from", "x"), ("to", "x"), ("x", "x")];
        assert_eq!(alice.list(&wrong).await.bad_fields(), ["from", "limit", "status", "to", "x"]);
        let wrong = [("order_number", " "), ("phone", "x"), ("conversation_id", "\0"), ("status", "x")];
        assert_eq!(alice.list(&wrong).await.bad_fields(), ["conversation_id", "order_number", "phone", "status"]);
        assert_eq!(alice.list(&[("phone", "+27831234567"), ("phone", "+27831234568")]).await.bad_fields(), ["phone"]);
        assert_eq!(alice.list(&[("limit", "1"), ("limit", "2")]).await.bad_fields(), ["limit"]);
        assert_eq!(alice.list(&[("limit", "1"), ("limit", "")]).await.bad_fields(), ["limit"]);
        assert_eq!(alice.list(&[("from", "2026-01-02"), ("to", "2026-01-01")]).await.bad_fields(), ["to"]);
    }

    #[tokio::test]
    async fn an_empty_parameter_counts_as_absent() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        let empty = ["agent", "status", "order_number", "phone", "conversation_id", "from", "to", "limit", "cursor"]
            .map(|name| (name, ""));
        assert_eq!(alice.listed(&empty).await.0, [id(&sent)]);
    }

    #[tokio::test]
    async fn pages_have_no_gaps_and_no_duplicates() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let bob = system.user(&alice.workspace, "bob", "agent").await;
        let sara = sara(&system, &alice).await;
        let mut sent = Vec::new();
        for _ in 0..14 {
            sent.extend(sent_apart(&alice, 1).await);
            sent.extend(sent_apart(&bob, 1).await);
        }
        let everything = newest_first(&sent);
        let alices: Vec<String> = sent.iter().step_by(2).rev().map(|request| id(request).to_owned()).collect();
        let oldest = sent[2]["created_at"].as_str().unwrap();
        let from_the_third = everything[..26].to_vec();
        for (user, query, expected) in [
            (&sara, vec![], &everything),
            (&alice, vec![], &alices),
            (&sara, vec![("agent", "alice")], &alices),
            (&sara, vec![("status", "sent")], &everything),
            (&sara, vec![("from", oldest)], &from_the_third),
        ] {
            for limit in ["1", "5", "7", "14", "28", "100"] {
                let pages = walk(user, &[&query[..], &[("limit", limit)]].concat()).await;
                assert!(pages.iter().all(|page| page.len() <= limit.parse().unwrap()));
                assert_eq!(pages.concat(), *expected, "{query:?}, {limit} at a time");
            }
        }
        // The default page size is 25.
        let (ids, next) = sara.listed(&[]).await;
        assert_eq!((ids.as_slice(), next.is_some()), (&everything[..25], true));
    }

    #[tokio::test]
    async fn new_requests_do_not_shift_the_pages_of_a_list() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        let expected = newest_first(&sent_apart(&alice, 6).await);
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = cursor.as_deref().map_or_else(Vec::new, |cursor| vec![("cursor", cursor)]);
            let (ids, next) = alice.listed(&[page, vec![("limit", "2")]].concat()).await;
            found.extend(ids);
            alice.sent().await;
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn only_a_cursor_that_a_list_returned_is_accepted() {
        let system = System::shared(SHORT_MEMORY).await;
        let alice = system.alice().await;
        sent_apart(&alice, 2).await;
        let cursor = alice.listed(&[("limit", "1")]).await.1.unwrap();
        let cut = &cursor[1..];
        let longer = format!("{cursor}A");
        for wrong in ["x", "%", "AAAA", "null", cut, &longer, &"A".repeat(9_000), "ä", "\u{0}"] {
            alice.list(&[("cursor", wrong)]).await.problem(400, "invalid_cursor");
        }
        // A cursor that another user received shows only the caller's own requests.
        let stranger = system.alice().await;
        let (ids, _) = stranger.listed(&[("cursor", &cursor)]).await;
        assert!(ids.is_empty());
    }
}

mod webhooks {
    use super::*;

    fn report() -> String {
        let nobody = json!({ "id": NOBODY, "amount": 1, "currency": "ZAR" });
        paid(&nobody, "pay_1", now()).to_string()
    }

    #[tokio::test]
    async fn a_signed_webhook_about_something_else_is_accepted_and_ignored() {
        let system = System::shared(&[]).await;
        for body in [
            report(),
            report().replace(NOBODY, "not-one-of-ours"),
            json!({ "type": "checkout.created", "data": {} }).to_string(),
            json!({ "type": "invoice.paid", "timestamp": now(), "data": { "anything": [1, 2, 3] } }).to_string(),
            json!({ "type": "checkout.payment_failed",
                    "data": { "payment_request_id": NOBODY, "reason": "card_declined" } })
            .to_string(),
        ] {
            let answer = system.webhook_as("msg_foreign", &body).await;
            assert_eq!(answer.status, 200, "{body}: {answer:?}");
        }
    }

    #[tokio::test]
    async fn a_missing_wrong_old_or_future_signature_is_rejected_and_changes_nothing() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        let body = paid(&sent, "pay_1", now()).to_string();
        let seconds = now().as_milliseconds() / 1000;
        let right = signed("msg_1", seconds, &body);
        let mut wrong = vec![
            http::HeaderMap::new(),
            signed("msg_1", seconds - 310, &body),
            signed("msg_1", seconds + 310, &body),
            signed("msg_1", seconds, &body.replace("pay_1", "pay_2")),
            signed_with("whsec_YW5vdGhlciBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz", "msg_1", seconds, &body),
        ];
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut without = right.clone();
            without.remove(name);
            wrong.push(without);
        }
        for (name, value) in [
            ("webhook-id", "msg_2"),
            ("webhook-id", ""),
            ("webhook-timestamp", "now"),
            ("webhook-timestamp", ""),
            ("webhook-timestamp", "9223372036854775807"),
            ("webhook-timestamp", "-9223372036854775808"),
            ("webhook-signature", ""),
            ("webhook-signature", "v1,"),
            ("webhook-signature", "v1,AAAA"),
            ("webhook-signature", "v2,AAAA"),
        ] {
            let mut changed = right.clone();
            changed.insert(name, value.parse().unwrap());
            wrong.push(changed);
        }
        let mut another_second = right.clone();
        another_second.insert("webhook-timestamp", (seconds - 1).to_string().parse().unwrap());
        wrong.push(another_second);
        let mut another_version = right.clone();
        let signature = right["webhook-signature"].to_str().unwrap().replace("v1,", "v1a,");
        another_version.insert("webhook-signature", signature.parse().unwrap());
        wrong.push(another_version);
        for headers in wrong {
            let answer = Answer::of(system.post_webhook("/webhooks/sandbox", &body).headers(headers.clone())).await;
            assert_eq!(answer.problem(401, "unauthenticated")["status"], 401, "{headers:?}");
        }
        assert_eq!(alice.read(id(&sent)).await, sent);

        // Timestamps just within the tolerance are accepted, both past and future; one valid signature among several is
        // enough.
        for shift in [-280, 280] {
            let body = report();
            let headers = signed("msg_1", seconds + shift, &body);
            assert_eq!(Answer::of(system.post_webhook("/webhooks/sandbox", &body).headers(headers)).await.status, 200);
        }
        let mut several = right.clone();
        let signatures = format!("v1,AAAA v2,AAAA {}", right["webhook-signature"].to_str().unwrap());
        several.insert("webhook-signature", signatures.parse().unwrap());
        assert_eq!(Answer::of(system.post_webhook("/webhooks/sandbox", &body).headers(several)).await.status, 200);
        assert_eq!(alice.read(id(&sent)).await["status"], "paid");
    }

    #[tokio::test]
    async fn both_secrets_are_valid_during_a_rotation() {
        let new = "whsec_YW5vdGhlciBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz";
        let both = format!("{new} {WEBHOOK_SECRET}");
        let system = System::shared(&[("SANDBOX_WEBHOOK_SECRET", &both)]).await;
        let seconds = now().as_milliseconds() / 1000;
        let body = report();
        for secret in [new, WEBHOOK_SECRET] {
            let headers = signed_with(secret, "msg_1", seconds, &body);
            assert_eq!(Answer::of(system.post_webhook("/webhooks/sandbox", &body).headers(headers)).await.status, 200);
        }
        // The provider signs with the newer secret, and its webhook is accepted.
        let alice = system.alice().await;
        let sent = alice.sent().await;
        system.settle(&system.click(link(&sent)).await, "succeeded").await;
        alice.wait_for(id(&sent), "paid").await;
    }

    #[tokio::test]
    async fn a_signed_body_that_cannot_be_parsed_is_malformed_and_changes_nothing() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        let sent = alice.sent().await;
        let good = paid(&sent, "pay_1", now());
        let mut bodies = vec![
            String::new(),
            "{".to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            "checkout.paid".to_owned(),
            json!({ "data": {} }).to_string(),
            json!({ "type": 7, "data": {} }).to_string(),
            json!({ "type": "checkout.paid" }).to_string(),
            json!({ "type": "checkout.paid", "data": [] }).to_string(),
            "[".repeat(10_000),
        ];
        for name in ["payment_request_id", "payment_id", "amount", "currency", "paid_at"] {
            let mut without = good.clone();
            without["data"].as_object_mut().unwrap().remove(name);
            bodies.push(without.to_string());
            let mut wrong = good.clone();
            wrong["data"][name] = json!({ "x": 1 });
            bodies.push(wrong.to_string());
        }
        for (name, value) in [("amount", json!(250.5)), ("amount", json!("25000")), ("paid_at", json!("soon"))] {
            let mut wrong = good.clone();
            wrong["data"][name] = value;
            bodies.push(wrong.to_string());
        }
        for body in bodies {
            let answer = system.webhook_as("msg_1", &body).await;
            assert_eq!(answer.problem(400, "malformed_body")["status"], 400, "{body}");
        }
        assert_eq!(alice.read(id(&sent)).await, sent);
    }

    #[tokio::test]
    async fn the_webhook_address_of_an_unknown_provider_is_not_found_signed_or_not() {
        let system = System::shared(&[]).await;
        let body = report();
        for provider in ["stripe", "Sandbox", "sandbox%20", "%00"] {
            let path = format!("/webhooks/{provider}");
            Answer::of(system.post_webhook(&path, &body)).await.problem(404, "not_found");
            let headers = signed("msg_1", now().as_milliseconds() / 1000, &body);
            Answer::of(system.post_webhook(&path, &body).headers(headers)).await.problem(404, "not_found");
        }
    }

    #[tokio::test]
    async fn a_webhook_is_accepted_by_its_signature_whatever_its_content_type() {
        let system = System::shared(&[]).await;
        let alice = system.alice().await;
        for content_type in ["application/json", "text/plain", "application/octet-stream", "application/webhook+json"] {
            let sent = alice.sent().await;
            let body = paid(&sent, "pay_1", now()).to_string();
            let headers = signed("msg_1", now().as_milliseconds() / 1000, &body);
            let request = system.request(Method::POST, "/webhooks/sandbox").headers(headers);
            let answer = Answer::of(request.header("content-type", content_type).body(body)).await;
            assert_eq!(answer.status, 200, "{content_type}: {answer:?}");
            assert_eq!(alice.read(id(&sent)).await["status"], "paid", "{content_type}");
        }
    }
}

mod other_sites {
    use super::*;

    async fn preflight(system: &System, origin: &str, method: &str) -> Answer {
        let request = system.request(Method::OPTIONS, "/payment-requests").header("origin", origin);
        let request = request.header("access-control-request-method", method);
        Answer::of(request.header("access-control-request-headers", "authorization,content-type,idempotency-key")).await
    }

    #[tokio::test]
    async fn by_default_no_other_origin_may_call() {
        let system = System::shared(&[]).await;
        let answer = preflight(&system, "https://desk.example.com", "POST").await;
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert!(!(200..300).contains(&answer.status), "{answer:?}");
        let alice = system.alice().await;
        let list = alice.request(Method::GET, "/payment-requests").header("origin", "https://desk.example.com");
        let list = Answer::of(list).await;
        assert_eq!((list.status, list.header("access-control-allow-origin")), (200, ""));
    }

    #[tokio::test]
    async fn only_the_allowed_origins_may_call() {
        let system = System::shared(&[("ALLOWED_ORIGINS", "https://desk.example.com,http://localhost:5173")]).await;
        let alice = system.alice().await;
        for origin in ["https://desk.example.com", "http://localhost:5173"] {
            for method in ["GET", "POST"] {
                let answer = preflight(&system, origin, method).await;
                assert!((200..300).contains(&answer.status), "{answer:?}");
                assert_eq!(answer.header("access-control-allow-origin"), origin);
                assert!(answer.header("access-control-allow-methods").contains(method), "{answer:?}");
                let allowed = answer.header("access-control-allow-headers").to_ascii_lowercase();
                for name in ["authorization", "content-type", "idempotency-key"] {
                    assert!(allowed.contains(name), "{name}: {answer:?}");
                }
            }
            let create = alice.request(Method::POST, "/payment-requests").header("origin", origin);
            let answer = Answer::of(create.json(&order(&phone()))).await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (201, origin));
            let exposed = answer.header("access-control-expose-headers").to_ascii_lowercase();
            assert!(exposed.contains("location") && exposed.contains("idempotency-replayed"), "{answer:?}");
            // A page of an allowed origin can also read errors.
            let refused = Answer::of(system.request(Method::GET, "/payment-requests").header("origin", origin)).await;
            assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, origin));
        }
        for origin in
            ["https://evil.example.com", "https://desk.example.com.evil.com", "http://desk.example.com", "null"]
        {
            let answer = preflight(&system, origin, "POST").await;
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
            let list = Answer::of(alice.request(Method::GET, "/payment-requests").header("origin", origin)).await;
            assert_eq!(list.header("access-control-allow-origin"), "", "{origin}");
        }
    }
}
