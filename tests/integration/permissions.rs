//! Each function's role allows exactly the DynamoDB calls that the function makes: one more would be a risk, one less
//! an outage.

use domain::{Clock as _, SystemClock};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::bus::Bus;
use tests::channels::{Channels, Reply, TOKEN, clickatell_refusal};
use tests::handlers::Handlers;
use tests::live::Live;
use tests::provider::OnClose;
use tests::proxy::{Call, Proxy};
use tests::stream::Stream;
use tests::stripe::Stripe;
use tests::webhooks::{Receiver, Webhooks, event};

/// The logical id of a table, a DynamoDB action, and the index that it uses or `None` for the table itself.
type Permission = (&'static str, String, Option<String>);

/// The logical id of each table, with its name in the tests.
const TABLES: [(&str, &str); 4] = [
    ("Table", local::dynamodb::TABLE_NAME),
    ("LiveTable", local::dynamodb::LIVE_TABLE_NAME),
    ("SumsTable", local::dynamodb::SUMS_TABLE_NAME),
    ("WebhooksTable", local::dynamodb::WEBHOOKS_TABLE_NAME),
];

/// Returns what a function's role allows on the tables, read from the text of the deployment template.
fn allowed(function: &str) -> BTreeSet<Permission> {
    let template = include_str!("../../infra/template.yaml");
    let id: String = function.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    let role = template.split_once(&format!("\n  {id}Role:\n")).expect("every function has a role").1;
    let role = role.split_once("\n\n").unwrap().0;
    let mut allowed = BTreeSet::new();
    for statement in role.split("- Effect: Allow").skip(1) {
        let line = |name: &str| statement.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_default();
        let actions = line("Action: ").trim_matches(['[', ']']).split(", ").map(|action| action.trim_matches('"'));
        let resource = line("Resource: ");
        if resource.contains("Table.StreamArn") {
            continue;
        }
        for action in actions.filter_map(|action| action.strip_prefix("dynamodb:")) {
            let is_about = |id: &str| [" ", "{"].iter().any(|before| resource.contains(&format!("{before}{id}.Arn")));
            let (table, _) = TABLES.into_iter().find(|(id, _)| is_about(id)).expect(resource);
            let indexes: Vec<_> =
                resource.split("/index/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
            if indexes.is_empty() {
                assert_eq!(resource, format!("!GetAtt {table}.Arn"), "{function}: {action}");
                allowed.insert((table, action.to_owned(), None));
            }
            allowed.extend(indexes.into_iter().map(|index| (table, action.to_owned(), Some(index))));
        }
    }
    allowed
}

fn made(proxy: &Proxy) -> BTreeSet<Permission> {
    let permission = |call: Call| {
        let (table, _) = TABLES.into_iter().find(|(_, name)| *name == call.table).expect("a table of the template");
        (table, call.operation, call.index)
    };
    proxy.take_calls().into_iter().map(permission).collect()
}

/// Both functions have a table of their own.
#[tokio::test]
async fn every_permission_of_the_webhooks_is_used_and_every_call_is_permitted() {
    let webhooks = Webhooks::start().await;
    let receiver = Receiver::start().await;
    let made = || made(&webhooks.proxy);
    let (id, _) = webhooks.register(&receiver.url).await;
    webhooks.register(&format!("{}?2", receiver.url)).await;
    let other = webhooks.register(&format!("{}?3", receiver.url)).await.0;
    webhooks.call("POST /webhook-endpoints/{id}/rotate-secret", &id, None).await;
    webhooks.call("DELETE /webhook-endpoints/{id}", &other, None).await;
    let mut of_endpoints = made();
    webhooks.publish(&event("0199-1", 1, webhooks.now())).await.unwrap();
    webhooks.work().await;
    let mut of_webhooks = made();
    webhooks.log(&id).await;
    webhooks.replay(&id, &json!({ "event_id": "0199-1#1" })).await;
    webhooks.pass(std::time::Duration::from_secs(1));
    webhooks.replay(&id, &json!({ "since": "2026-01-01" })).await;
    of_endpoints.extend(made());
    webhooks.work().await;
    of_webhooks.extend(made());
    assert_eq!(of_endpoints, allowed("webhook-endpoints"));
    assert_eq!(of_webhooks, allowed("webhooks"));
}

#[tokio::test]
async fn every_permission_of_live_updates_is_used_and_every_call_is_permitted() {
    let live = Live::start().await;
    let (id, _) = live.handlers.sent().await;
    made(&live.handlers.proxy);
    live.warm().await;
    live.connected("a", "alice", "agent").await;
    live.announce(&id).await.unwrap();
    live.message("a", r#"{"type":"ping"}"#).await;
    live.disconnect("a").await;
    assert_eq!(made(&live.handlers.proxy), allowed("live"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_permission_is_used_and_every_call_is_permitted() {
    let handlers = Handlers::with_limits(300, 1).await;
    let warmed = |name: &'static str| {
        let handlers = &handlers;
        async move {
            made(&handlers.proxy);
            handlers.warm(name).await;
        }
    };

    warmed("create").await;
    let (id, token) = handlers.sent().await;
    assert_eq!(made(&handlers.proxy), allowed("create"), "create");

    warmed("link-click").await;
    handlers.click(&token).await;
    handlers.check(&token).await;
    assert_eq!(made(&handlers.proxy), allowed("link-click"), "link-click");

    warmed("query").await;
    handlers.get(&id).await;
    handlers.list("agent").await;
    handlers.list("supervisor").await;
    handlers.read("/reports/agents", "supervisor").await;
    assert_eq!(made(&handlers.proxy), allowed("query"), "query");

    // The path with the most calls: closing the checkout shows that the money is in flight.
    let deadline = handlers.stored(&id).await.deadline;
    handlers.provider.on_close(&id, OnClose::Processing(deadline, 25_000));
    tests::until(deadline).await;
    warmed("expire").await;
    handlers.expire_what_is_due().await;
    assert_eq!(made(&handlers.proxy), allowed("expire"), "expire");

    let ((canceled, _), (clicked, _)) = (handlers.sent().await, handlers.clicked().await);
    warmed("cancel").await;
    handlers.cancel(&canceled).await;
    assert_eq!(made(&handlers.proxy), allowed("cancel"), "cancel");

    warmed("payment-webhook").await;
    handlers.pay(&canceled, SystemClock.now()).await;
    handlers.process(&clicked, SystemClock.now()).await;
    assert_eq!(made(&handlers.proxy), allowed("payment-webhook"), "payment-webhook");

    warmed("refund").await;
    handlers.refund_due(&canceled).await.unwrap();
    // A payment that takes time also prolongs the customer's link.
    let (stripe, with_stripe) = Stripe::with_handlers(300, 900).await;
    let (late, _) = crate::stripe::waiting(&stripe, &with_stripe).await;
    made(&with_stripe.proxy);
    with_stripe.refund_due(&late).await.unwrap();
    assert_eq!(&made(&handlers.proxy) | &made(&with_stripe.proxy), allowed("refund"), "refund");

    // A message is claimed, released when the channel is busy, claimed again, and abandoned.
    let channels = Channels::start().await;
    let notify = handlers.notify(&[
        ("CHANNEL", "clickatell"),
        ("CLICKATELL_CHANNEL", "sms"),
        ("CLICKATELL_API_KEY", TOKEN),
        ("CLICKATELL_API_URL", &channels.url),
    ]);
    let (undelivered, _) = handlers.sent().await;
    let (_, event) = handlers.events(&undelivered).await.remove(0);
    let event = json!({ "source": "chat2pay", "detail": event }).to_string();
    made(&handlers.proxy);
    for (code, given_up) in [(43, false), (27, true)] {
        channels.always(Some(Reply::Refused(400, clickatell_refusal(code))));
        assert_eq!(notify.invoke(&event).await.is_ok(), given_up);
    }
    // A chat that drops repeats needs no claim for a fresh link, but the request is read before the link is sent.
    let url = format!("{}/chat", channels.url);
    let chat = handlers.notify(&[
        ("CHANNEL", "webhook"),
        ("CHANNEL_WEBHOOK_URL", &url),
        ("CHANNEL_WEBHOOK_SECRET", "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz"),
    ]);
    let mut fresh: Value = serde_json::from_str(&event).unwrap();
    fresh["detail"]["occurred_at"] = json!(SystemClock.now());
    chat.invoke(&fresh.to_string()).await.unwrap();
    assert_eq!(made(&handlers.proxy), allowed("notify"), "notify");

    let reports = handlers.delivery_reports(&[("CHANNEL", "clickatell"), ("CLICKATELL_API_KEY", TOKEN)]);
    channels.always(None);
    let (undelivered, _) = handlers.sent().await;
    let (_, event) = handlers.events(&undelivered).await.remove(0);
    notify.invoke(&json!({ "source": "chat2pay", "detail": event }).to_string()).await.unwrap();
    let mark = &channels.received()[0].body["messages"][0]["clientMessageId"];
    let update = json!({ "event": { "messageStatusUpdate": [{ "clientMessageId": mark, "statusCode": 23 }] } });
    made(&handlers.proxy);
    reports.warm().await;
    handlers.report_delivery(&*reports, "clickatell", json!({}), &update.to_string()).await;
    assert_eq!(made(&handlers.proxy), allowed("delivery-report"), "delivery-report");

    // A request that has waited since release 0.1 gets a look.
    let (waits, _) = handlers.clicked().await;
    handlers.process(&waits, SystemClock.now()).await;
    let mut item = handlers.item(&format!("REQ#{waits}")).await;
    item.remove("due_shard").unwrap();
    handlers.put_item(item).await;
    // A payment that the table does not know is looked at once more, and stored as a difference.
    handlers.provider.add_payment(&canceled.replace(|c: char| c.is_ascii_digit(), "0"), SystemClock.now());
    let tomorrow = tests::doors_at(tests::system::shifted(SystemClock.now(), 24 * 60 * 60 * 1000));
    let tomorrow = handlers.environment().clone().with_doors(tomorrow);
    let reconcile = reconcile::function(&tomorrow).unwrap();
    made(&handlers.proxy);
    reconcile.invoke("{}").await.unwrap();
    assert_eq!(made(&handlers.proxy), allowed("reconcile"), "reconcile");

    // A change of a request whose hour is closed.
    let bus = Bus::start().await;
    let publish = bus.publisher(&tomorrow);
    let mut stream = Stream::at_its_start(&handlers);
    made(&handlers.proxy);
    publish.invoke(&json!({ "Records": stream.next(&handlers) }).to_string()).await.unwrap();
    assert_eq!(made(&handlers.proxy), allowed("publish"), "publish");
}
