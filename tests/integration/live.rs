//! Live updates: a desk is notified of every change of the requests that it may see, and of no other.

use axum::http::{Method, StatusCode};
use domain::{Clock as _, SystemClock};
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::Duration;
use tests::live::{Client, Live, address, claims};
use tests::system::{Answer, System, now, shifted, workspace};

/// The end of a token that is still good, in seconds since the Unix epoch.
fn in_an_hour() -> i64 {
    now().as_milliseconds() / 1000 + 3600
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_notified_of_their_own_changes_alone_and_a_supervisor_of_all() {
    let system = System::shared(&[]).await;
    let workspace = workspace();
    let alice = system.user(&workspace, "alice", "agent").await;
    let bob = system.user(&workspace, "bob", "agent").await;
    let sam = system.user(&workspace, "sam", "supervisor").await;
    let namesake = system.alice().await;
    let mut at_alice = Client::of(&alice).await;
    let mut at_bob = Client::of(&bob).await;
    let mut at_sam = Client::of(&sam).await;
    let mut at_namesake = Client::of(&namesake).await;

    let of_alice = alice.sent().await;
    let id = of_alice["id"].as_str().unwrap();
    assert_eq!(at_alice.until(id, "sent").await, ["sent"]);
    assert_eq!(at_sam.until(id, "sent").await, ["sent"]);
    assert_eq!(alice.cancel(id).await.status, 200);
    assert_eq!(at_alice.changed().await, alice.read(id).await, "the message is what the API returns");
    assert_eq!(at_sam.changed().await["status"], "canceled");

    // Whoever was told of another's request would find it here before their own.
    for (user, client) in [(&bob, &mut at_bob), (&namesake, &mut at_namesake)] {
        let own = user.sent().await;
        assert_eq!(client.changed().await["id"], own["id"]);
    }
    assert_eq!(at_sam.changed().await["agent"]["id"], "bob", "and none of another workspace");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_life_arrives() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let mut client = Client::of(&alice).await;
    let request = alice.sent().await;
    let (id, link) = (request["id"].as_str().unwrap(), request["link"]["url"].as_str().unwrap());
    client.until(id, "sent").await;
    let checkout = system.click(link).await;
    client.until(id, "clicked").await;
    system.settle(&checkout, "declined").await;
    let declined = client.changed().await;
    assert_eq!((&declined["status"], declined["history"].as_array().unwrap().len()), (&json!("clicked"), 3));
    system.settle(&checkout, "succeeded").await;
    client.until(id, "paid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_connection() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let address = address(&alice).await;
    let _open = Client::at(&address).await.unwrap();
    let forged = address.replace("ticket=", "ticket=1");
    let none = address.split('?').next().unwrap();
    for refused in [address.as_str(), &forged, none, &format!("{none}?ticket=")] {
        assert_eq!(Client::at(refused).await.err(), Some(403));
    }
}

#[tokio::test]
async fn a_ticket_is_good_for_thirty_seconds() {
    let live = Live::start().await;
    for (later, status) in [(29_900, 200), (30_100, 403)] {
        let begun = SystemClock.now();
        let ticket = live.with_clock(tests::FixedClock(begun)).ticket("alice", "agent", in_an_hour()).await;
        let later = live.with_clock(tests::FixedClock(shifted(begun, later)));
        assert_eq!(later.connect("a", &ticket).await, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_and_a_stranger_get_no_ticket() {
    let system = System::shared(&[]).await;
    let service = system.user(&workspace(), "crm", "service").await;
    let answer = Answer::of(service.request(Method::POST, "/live/tickets")).await;
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("forbidden")));
    let alice = system.alice().await;
    let wrong = Answer::of(alice.request(Method::POST, "/live/tickets").json(&json!({ "for": "bob" }))).await;
    assert_eq!(wrong.status, 422);
    Answer::of(system.request(Method::POST, "/live/tickets")).await.gateway(401);
}

#[tokio::test]
async fn a_token_without_its_end_gets_no_ticket() {
    let live = Live::start().await;
    for exp in [json!(null), json!("soon"), json!(["1"]), json!(true), json!("99999999999999999")] {
        let mut claims = claims("alice", "agent", 0);
        claims["exp"] = exp;
        assert_eq!(live.ticket_with(&claims).await.0, 403, "{claims}");
    }
    let mut claims = claims("alice", "agent", 0);
    claims["exp"] = in_an_hour().into();
    assert_eq!(live.ticket_with(&claims).await.0, 201, "a gateway may pass it on as a number");
}

#[tokio::test]
async fn a_connection_past_its_token_is_notified_of_nothing_and_closed() {
    let live = Live::start().await;
    let ends = SystemClock.now().as_milliseconds() / 1000 + 60;
    for connection in ["changed", "pings"] {
        let ticket = live.ticket("alice", "agent", ends).await;
        assert_eq!(live.connect(connection, &ticket).await, 200);
    }
    let (id, _) = live.handlers.sent().await;
    let before = live.with_clock(tests::FixedClock(domain::Timestamp::from_milliseconds(ends * 1000 - 1).unwrap()));
    let after = live.with_clock(tests::FixedClock(domain::Timestamp::from_milliseconds(ends * 1000).unwrap()));
    before.announce(&id).await.unwrap();
    assert_eq!(live.gateway.take_messages().len(), 2);
    drop(live.gateway.take_calls());
    before.message("pings", r#"{"type":"ping"}"#).await;
    assert_eq!(live.gateway.take_calls(), []);

    after.message("pings", r#"{"type":"ping"}"#).await;
    assert_eq!(live.gateway.take_calls(), [(Method::DELETE, "pings".to_owned())]);
    after.announce(&id).await.unwrap();
    assert_eq!(live.gateway.take_calls(), [(Method::DELETE, "changed".to_owned())]);
    after.announce(&id).await.unwrap();
    assert_eq!(live.gateway.take_calls(), [], "both are forgotten");
}

#[tokio::test]
async fn a_client_that_has_gone_costs_one_failed_post() {
    let live = Live::start().await;
    live.connected("gone", "alice", "agent").await;
    live.connected("there", "alice", "agent").await;
    live.gateway.answer("gone", StatusCode::GONE);
    let (id, _) = live.handlers.sent().await;
    let posts = |live: &Live| {
        let mut calls = live.gateway.take_calls();
        calls.sort_by(|one, other| one.1.cmp(&other.1));
        calls.into_iter().map(|(_, connection)| connection).collect::<Vec<_>>()
    };
    live.announce(&id).await.unwrap();
    live.announce(&id).await.unwrap();
    assert_eq!(posts(&live), ["gone", "gone", "there", "there"], "the gateway may still be opening it");

    let later = live.with_clock(tests::FixedClock(shifted(SystemClock.now(), 60_000)));
    later.announce(&id).await.unwrap();
    assert_eq!(posts(&live), ["gone", "there"]);
    later.announce(&id).await.unwrap();
    assert_eq!(posts(&live), ["there"]);
}

#[tokio::test]
async fn a_connection_that_cannot_be_notified_is_closed_so_that_its_client_reads_and_holds_up_no_other() {
    let live = Live::start().await;
    for connection in ["a", "b", "c"] {
        live.connected(connection, "alice", "agent").await;
    }
    live.gateway.answer_posts("b", StatusCode::SERVICE_UNAVAILABLE);
    let (id, _) = live.handlers.sent().await;
    live.announce(&id).await.unwrap();
    let calls = live.gateway.take_calls();
    assert_eq!(calls.last(), Some(&(Method::DELETE, "b".to_owned())), "{calls:?}");
    assert!(calls.iter().filter(|(_, connection)| connection == "b").count() > 2, "it is tried again before");
    let mut told: Vec<_> = live.gateway.take_messages().into_iter().map(|(connection, _)| connection).collect();
    told.sort();
    assert_eq!(told, ["a", "c"]);
    live.announce(&id).await.unwrap();
    assert!(live.gateway.take_calls().iter().all(|(_, connection)| connection != "b"), "it is forgotten");
}

#[tokio::test]
async fn a_gateway_that_takes_no_call_fails_the_invocation_so_that_it_is_repeated_and_seen() {
    let live = Live::start().await;
    live.connected("a", "alice", "agent").await;
    live.gateway.answer("a", StatusCode::FORBIDDEN);
    let (id, _) = live.handlers.sent().await;
    let error = live.announce(&id).await.unwrap_err();
    assert!(format!("{error:?}").contains("Unreachable(1,"), "{error:?}");
    live.gateway.answer("a", StatusCode::OK);
    live.announce(&id).await.unwrap();
    assert_eq!(live.gateway.take_messages().len(), 1);
}

#[tokio::test]
async fn repeated_and_late_events_show_the_request_as_it_is() {
    let live = Live::start().await;
    live.connected("a", "alice", "agent").await;
    let (id, _) = live.handlers.sent().await;
    let (kind, first) = live.handlers.events(&id).await.remove(0);
    live.handlers.cancel(&id).await;
    let event = json!({ "source": "chat2pay", "detail-type": kind, "detail": first });
    for _ in 0..2 {
        live.invoke(&event).await.unwrap();
    }
    let messages = live.gateway.take_messages();
    assert!(messages.iter().all(|(_, message)| message["request"]["status"] == "canceled"), "{messages:?}");
    assert_eq!(messages.len(), 2);
}

#[tokio::test]
async fn an_event_cannot_show_a_request_to_others_than_those_who_may_see_it() {
    let live = Live::start().await;
    live.connected("bob", "bob", "agent").await;
    let (id, _) = live.handlers.sent().await;
    let (kind, mut event) = live.handlers.events(&id).await.remove(0);
    event["agent"]["id"] = "bob".into();
    live.invoke(&json!({ "source": "chat2pay", "detail-type": kind, "detail": event })).await.unwrap();
    assert_eq!(live.gateway.take_calls(), []);
}

#[tokio::test]
async fn the_connections_of_a_person_are_bounded_and_harm_no_other() {
    let live = Live::start().await;
    let most = domain::live::CONNECTIONS_OF_A_PERSON;
    for number in 0..most {
        live.connected(&format!("a{number}"), "alice", "agent").await;
        live.connected(&format!("s{number}"), "sam", "supervisor").await;
    }
    for (person, role) in [("alice", "agent"), ("sam", "supervisor")] {
        let ticket = live.ticket(person, role, in_an_hour()).await;
        assert_eq!(live.connect("one-more", &ticket).await, 429, "{person}");
    }
    live.connected("b", "bob", "agent").await;
    live.connected("sue", "sue", "supervisor").await;
    live.disconnect("a0").await;
    live.connected("instead", "alice", "agent").await;
    let (id, _) = live.handlers.sent().await;
    live.announce(&id).await.unwrap();
    assert_eq!(live.gateway.take_messages().len(), 2 * most + 1, "those of Alice, Sam and Sue");
}

#[tokio::test]
async fn what_is_no_ping_is_ignored() {
    let live = Live::start().await;
    live.connected("a", "alice", "agent").await;
    live.handlers.proxy.take_calls();
    for text in ["", "ping", "{}", r#"{"type":"pong"}"#, r#"{"type":["ping"]}"#, "[", &"x".repeat(100_000)] {
        live.message("a", text).await;
    }
    assert_eq!(live.handlers.proxy.take_calls().len() + live.gateway.take_calls().len(), 0);
    live.message("unknown", r#"{"type":"ping"}"#).await;
    assert_eq!(live.gateway.take_calls(), [(Method::DELETE, "unknown".to_owned())]);
}

#[tokio::test]
async fn an_event_without_a_watcher_is_two_queries_and_one_with_a_watcher_one_read_more() {
    let live = Live::start().await;
    let (id, _) = live.handlers.sent().await;
    let operations = |live: &Live| {
        let mut calls: Vec<_> = live.handlers.proxy.take_calls().into_iter().map(|call| call.operation).collect();
        calls.sort();
        calls
    };
    live.warm().await;
    operations(&live);
    live.announce(&id).await.unwrap();
    assert_eq!(operations(&live), ["Query", "Query"]);
    live.connected("a", "alice", "agent").await;
    assert_eq!(operations(&live), ["DeleteItem", "PutItem", "PutItem", "PutItem", "Query"]);
    live.announce(&id).await.unwrap();
    assert_eq!(operations(&live), ["GetItem", "Query", "Query"]);
    live.disconnect("a").await;
    assert_eq!(operations(&live), ["DeleteItem", "DeleteItem"]);
}

#[tokio::test]
async fn neither_a_ticket_nor_its_address_is_stored() {
    let live = Live::start().await;
    let ticket = live.ticket("alice", "agent", in_an_hour()).await;
    let scan = live.handlers.database_client().scan().table_name(local::dynamodb::LIVE_TABLE_NAME);
    let stored = format!("{:?}", scan.send().await.unwrap().items);
    assert!(stored.contains("TICKET#") && !stored.contains(&ticket), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_ends_its_connection_alone() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let (mut large, mut other) = (Client::of(&alice).await, Client::of(&alice).await);
    large.send(&"x".repeat(33 * 1024)).await;
    assert_eq!(large.closed().await, Some(1009));
    other.send(r#"{"type":"ping"}"#).await;
    let request = alice.sent().await;
    other.until(request["id"].as_str().unwrap(), "sent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_during_its_handshake_leaves_no_connection() {
    let system = System::start(&[]).await;
    let management = Management { system: &system };
    let alice = system.alice().await;
    let host = system.base().strip_prefix("http://").unwrap().to_owned();
    for _ in 0..20 {
        let address = address(&alice).await;
        let (_, path) = address.split_once(&host).unwrap();
        let mut stream = std::net::TcpStream::connect(&host).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        // Gone right after it has asked.
        stream.write_all(request.as_bytes()).unwrap();
    }
    tests::system::eventually("no connection", async || match management.connections().await.len() {
        0 => Ok(()),
        open => Err(format!("{open} are stored")),
    })
    .await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_floods_is_closed_and_one_that_closes_is_answered() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let (mut floods, mut closes) = (Client::of(&alice).await, Client::of(&alice).await);
    for _ in 0..300 {
        if !floods.try_send(r#"{"type":"ping"}"#).await {
            break;
        }
    }
    assert_eq!(floods.closed().await, Some(1008));
    closes.close().await;
    assert_eq!(closes.closed().await, Some(1000));
}

/// The management interface of the local system's gateway, as the function calls it.
struct Management<'a> {
    system: &'a System,
}

impl Management<'_> {
    /// Returns the identifiers of all connections that are stored.
    async fn connections(&self) -> Vec<String> {
        let environment = self.system.environment();
        let scan = crate::reconciliation::client(environment).scan().table_name(local::dynamodb::LIVE_TABLE_NAME);
        let items = scan.send().await.unwrap().items.unwrap_or_default();
        let id = |item: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>| {
            item["pk"].as_s().unwrap().strip_prefix("CONNECTION#").map(str::to_owned)
        };
        items.iter().filter_map(id).collect()
    }

    async fn call(&self, method: Method, connection: &str, body: String) -> u16 {
        let base = self.system.environment().get("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI").unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let call = client.request(method, format!("{base}/@connections/{connection}")).body(body);
        call.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_dropped_and_harms_nobody() {
    let system = System::start(&[]).await;
    let management = Management { system: &system };
    let alice = system.alice().await;
    let _never_reads = Client::of(&alice).await;
    let [id] = management.connections().await.try_into().unwrap();
    let mut reads = Client::of(&alice).await;
    let large = "x".repeat(128 * 1024);
    let mut posts = 0;
    while management.call(Method::POST, &id, large.clone()).await == 200 {
        posts += 1;
        assert!(posts < 2_000, "the runner keeps whatever nobody reads");
    }
    assert_eq!(management.call(Method::GET, &id, String::new()).await, 410);
    let request = alice.sent().await;
    reads.until(request["id"].as_str().unwrap(), "sent").await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_describes_and_closes_connections_as_aws_does() {
    let system = System::start(&[]).await;
    let management = Management { system: &system };
    let mut client = Client::of(&system.alice().await).await;
    let [id] = management.connections().await.try_into().unwrap();
    assert_eq!(management.call(Method::GET, &id, String::new()).await, 200);
    assert_eq!(management.call(Method::POST, &id, "x".repeat(128 * 1024 + 1)).await, 413);
    assert_eq!(management.call(Method::DELETE, &id, String::new()).await, 204);
    assert_eq!(client.closed().await, Some(1000));
    for method in [Method::GET, Method::POST, Method::DELETE] {
        assert_eq!(management.call(method, &id, "{}".to_owned()).await, 410);
    }
    tests::system::eventually("the end of the connection", async || match management.connections().await {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_every_connection() {
    let system = System::start(&[]).await;
    let mut client = Client::of(&system.alice().await).await;
    let stopped = tokio::spawn(system.stop());
    assert_eq!(client.closed().await, Some(1001));
    tokio::time::timeout(Duration::from_secs(20), stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_event_of_no_known_kind_is_an_error_without_its_content() {
    let live = Live::start().await;
    let unknown = json!({ "requestContext": { "eventType": "OTHER", "connectionId": "+27831234567" } });
    let no_connection = json!({ "requestContext": { "eventType": "CONNECT", "connectionId": "+27 831234567" } });
    for event in [unknown, no_connection, json!({ "detail": "+27831234567" }), json!({}), Value::Null] {
        let error = live.invoke(&event).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("831"), "{error:?}");
    }
}
