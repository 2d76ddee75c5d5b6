//! The public contract, with a complete snapshot of each part: the answer of every route, and every problem, event,
//! message and webhook.
//!
//! A snapshot that belongs to the test of a rule is made in that test. The other snapshots are made here.

use crate::stripe::waiting;
use adapters::ChannelName;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use domain::{Clock as _, SystemClock};
use http::Method;
use runtime::problem::Problem;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::examples::{Examples, header_lines};
use tests::handlers::Handlers;
use tests::proxy::Fault;
use tests::stripe::{Stripe, session_of};
use tests::system::{
    Answer, SHORT_CHECKOUT, SHORT_LINK, System, eventually, id, link, now, order, paid, phone, workspace,
};
use tests::webhooks::{Received, Receiver};

/// Each route of the deployment template, with the snapshot of its answer.
const ROUTES: [(&str, &str); 27] = [
    ("ANY /p", "pages/link-unknown"),
    ("ANY /p/{proxy+}", "pages/link-unknown"),
    ("DELETE /webhook-endpoints/{id}", "api/webhook-endpoint-removed"),
    ("GET /delivery-reports/{channel}", "api/delivery-report-verification"),
    ("GET /desk", "pages/desk"),
    ("GET /desk/assets/{version}/{folder}/{file}", "pages/desk-asset"),
    ("GET /desk/element.js", "pages/desk-element"),
    ("GET /desk/signed-in", "pages/desk-signed-in"),
    ("GET /desk/supervisor", "pages/desk-supervisor"),
    ("GET /p/assets/{version}/{file}", "pages/link-asset"),
    ("GET /p/{token}", "pages/link-sent"),
    ("GET /payment-requests", "api/list"),
    ("GET /payment-requests/{id}", "api/read"),
    ("GET /reports/agents", "api/report"),
    ("GET /webhook-endpoints", "api/webhook-endpoints"),
    ("GET /webhook-endpoints/{id}/deliveries", "api/webhook-deliveries"),
    ("HEAD /p/{token}", "pages/link-sent-head"),
    ("POST /delivery-reports/{channel}", "api/delivery-report"),
    ("POST /live/tickets", "api/live-ticket"),
    ("POST /p/{token}", "pages/press"),
    ("POST /p/{token}/check", "pages/check"),
    ("POST /payment-requests", "api/create"),
    ("POST /payment-requests/{id}/cancel", "api/cancel"),
    ("POST /webhook-endpoints", "api/webhook-endpoint-registered"),
    ("POST /webhook-endpoints/{id}/replay", "api/webhook-replay"),
    ("POST /webhook-endpoints/{id}/rotate-secret", "api/webhook-secret-rotated"),
    ("POST /webhooks/{provider}", "api/payment-webhook"),
];

/// Every problem code of the specification, section 3.
pub(crate) const PROBLEMS: [&str; 15] = [
    "malformed_body",
    "invalid_cursor",
    "unauthenticated",
    "forbidden",
    "not_found",
    "already_clicked",
    "already_canceled",
    "link_expired",
    "already_paid",
    "body_too_large",
    "unsupported_media_type",
    "validation_failed",
    "idempotency_key_reused",
    "too_many_requests",
    "temporarily_unavailable",
];

#[test]
fn every_route_of_the_template_has_a_snapshot() {
    let routes: BTreeSet<String> = local::routes().unwrap().into_iter().collect();
    assert_eq!(routes, ROUTES.map(|(route, _)| route.to_owned()).into());
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/snapshots");
    for (route, name) in ROUTES {
        assert!(snapshots.join(format!("{name}.snap")).exists(), "{route}: {name}");
    }
}

#[tokio::test]
async fn answers_to_agents_and_supervisors() {
    let system = System::shared(&[]).await;
    let (alice, phone) = (system.alice().await, phone());
    let mut examples = Examples::of(&alice.workspace, &phone);
    let first = alice.create_with_key(&order(&phone), "key-1").await.json();
    let second = alice.sent_to(&phone).await;
    examples.assert("api/read", &alice.get(id(&first)).await);
    examples.assert("api/create-replayed", &alice.create_with_key(&order(&phone), "key-1").await);
    // A list is ordered newest first.
    examples.assert("api/list", &alice.list(&[]).await);
    examples.assert("api/list-with-more", &alice.list(&[("limit", "1")]).await);
    assert_eq!(alice.listed(&[]).await.0, [id(&second), id(&first)]);
}

#[tokio::test]
async fn answers_about_live_updates() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let answer = Answer::of(alice.request(Method::POST, "/live/tickets")).await;
    let address = answer.json()["url"].as_str().unwrap().to_owned();
    let example = "wss://live.example.com/live?ticket=4ZrjxzUmPJr1kqZ1VqVQ71";
    let mut examples = Examples::of(&alice.workspace, &phone()).with(&address, example);
    examples.assert("api/live-ticket", &answer);
}

#[tokio::test]
async fn answers_to_supervisors_about_webhook_endpoints() {
    let system = System::shared(&[]).await;
    let sam = system.user(&workspace(), "sam", "supervisor").await;
    let (receiver, phone) = (Receiver::start().await, phone());
    let mut examples = Examples::of(&sam.workspace, &phone).with(&receiver.url, "https://crm.example.com/payments");
    let call = async |method: Method, path: &str, body: Option<Value>| {
        let call = sam.request(method, &format!("/webhook-endpoints{path}"));
        Answer::of(if let Some(body) = body { call.json(&body) } else { call }).await
    };
    let registered = call(Method::POST, "", Some(json!({ "url": receiver.url, "description": "CRM" }))).await;
    examples.assert("api/webhook-endpoint-registered", &registered);
    examples.assert("api/webhook-endpoints", &call(Method::GET, "", None).await);
    let path = format!("/{}", id(&registered.json()));
    let rotated = call(Method::POST, &format!("{path}/rotate-secret"), None).await;
    examples.assert("api/webhook-secret-rotated", &rotated);
    let request = sam.sent_to(&phone).await;
    let log = eventually("the delivery", async || {
        let log = call(Method::GET, &format!("{path}/deliveries"), None).await;
        if log.json()["items"][0]["status"] == "delivered" { Ok(log) } else { Err(format!("{log:?}")) }
    });
    examples.assert("api/webhook-deliveries", &log.await);
    receiver.take().iter().for_each(Received::assert_described);
    let since = json!({ "since": request["created_at"] });
    let replay = call(Method::POST, &format!("{path}/replay"), Some(since)).await;
    examples.assert("api/webhook-replay", &replay);
    examples.assert("api/webhook-endpoint-removed", &call(Method::DELETE, &path, None).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem() {
    let (system, short) = (System::shared(&[]).await, System::shared(SHORT_LINK).await);
    let (alice, phone) = (system.alice().await, phone());
    let create = |content_type: &str, body: String| {
        let request = alice.request(Method::POST, "/payment-requests").header("content-type", content_type);
        Answer::of(request.body(body))
    };
    let good = order(&phone);
    let (clicked, canceled, settled) = (alice.sent().await, alice.sent().await, alice.sent().await);
    system.click(link(&clicked)).await;
    alice.cancel(id(&canceled)).await;
    assert_eq!(system.webhook(&paid(&settled, "pay_1", now())).await.status, 200);
    let bob = short.user(&workspace(), "bob", "agent").await;
    let expired = bob.sent().await;
    bob.wait_for_history(id(&expired), "expired").await;
    alice.create_with_key(&good, "key-1").await;
    let mut other = good.clone();
    other["amount"] = 1.into();
    let wrong = json!({ "order_number": "", "amount": 0.5, "currency": "rand", "customer": { "phone": "083" } });

    let mut found = Vec::new();
    for answer in [
        create("application/json", "{".to_owned()).await,
        alice.list(&[("cursor", "x")]).await,
        Answer::of(system.post_webhook("/webhooks/sandbox", "{}")).await,
        Answer::of(alice.request(Method::GET, "/reports/agents")).await,
        alice.get("x").await,
        alice.cancel(id(&clicked)).await,
        alice.cancel(id(&canceled)).await,
        bob.cancel(id(&expired)).await,
        alice.cancel(id(&settled)).await,
        create("application/json", " ".repeat(16 * 1024 + 1)).await,
        create("text/plain", good.to_string()).await,
        alice.create(&wrong).await,
        alice.create_with_key(&other, "key-1").await,
    ] {
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        answer.problem(answer.status, &code);
        Examples::of(&alice.workspace, &phone).assert(&format!("problems/{code}"), &answer);
        found.push(code);
    }
    let coded = alice.request(Method::POST, "/payment-requests").header("content-type", "application/json");
    let coded = Answer::of(coded.header("content-encoding", "gzip").body("{}")).await;
    Examples::of(&alice.workspace, &phone).assert("problems/unsupported_media_type-coded", &coded);
    // Built here, because the pause that a function answers depends on the time of its call.
    let too_many = Problem::TooManyRequests(Duration::from_secs(42));
    found.push(too_many.code().to_owned());
    Examples::default().assert("problems/too_many_requests", &too_many.into_response());
    let handlers = Handlers::start().await;
    let (id, _) = handlers.sent().await;
    handlers.proxy.fail_next_writes(&[Fault::RequestLost; 4]);
    let unavailable = handlers.cancel(&id).await;
    found.push(unavailable.code().to_owned());
    Examples::default().assert("problems/temporarily_unavailable", &unavailable);
    assert_eq!(found, PROBLEMS);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page() {
    let (system, short, checkout) =
        (System::shared(&[]).await, System::shared(SHORT_LINK).await, System::shared(SHORT_CHECKOUT).await);
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let mut examples = Examples::about(&sent);
    examples.assert("requests/sent", &sent);
    examples.assert("pages/link-sent", &system.page(Method::GET, link(&sent)).await);
    examples.assert("pages/link-sent-head", &system.page(Method::HEAD, link(&sent)).await);
    let pressed = system.press(link(&sent)).await;
    let page = pressed.header("location").to_owned();
    examples.assert("pages/press", &pressed);
    examples.assert("requests/clicked", &alice.read(id(&sent)).await);
    examples.assert("pages/link-clicked", &system.page(Method::GET, link(&sent)).await);
    let done = format!("{}?done", link(&sent));
    examples.assert("pages/link-confirming", &system.page(Method::GET, &done).await);
    let check = format!("{}/check", link(&sent));
    examples.assert("pages/check", &system.page(Method::POST, &check).await);
    system.settle(&page, "processing").await;
    alice.wait_for(id(&sent), "processing").await;
    examples.assert("pages/link-processing", &system.page(Method::GET, link(&sent)).await);
    examples.assert("pages/press-processing", &system.press(link(&sent)).await);
    system.settle_transfer(&page, "succeeded").await;
    alice.wait_for(id(&sent), "paid").await;
    examples.assert("pages/link-paid", &system.page(Method::GET, link(&sent)).await);

    let canceled = alice.sent().await;
    alice.cancel(id(&canceled)).await;
    let mut examples = Examples::about(&canceled);
    examples.assert("pages/link-canceled", &system.page(Method::GET, link(&canceled)).await);
    examples.assert("pages/press-canceled", &system.press(link(&canceled)).await);
    let (bob, carol) = (short.alice().await, checkout.alice().await);
    let (unclicked, unpaid) = (bob.sent().await, carol.sent().await);
    checkout.click(link(&unpaid)).await;
    bob.wait_for_history(id(&unclicked), "expired").await;
    carol.wait_for_history(id(&unpaid), "expired").await;
    let page = short.page(Method::GET, link(&unclicked)).await;
    Examples::about(&unclicked).assert("pages/link-expired-not-clicked", &page);
    let page = checkout.page(Method::GET, link(&unpaid)).await;
    Examples::about(&unpaid).assert("pages/link-expired-not-paid", &page);
    Examples::default().assert("pages/link-unknown", &system.page(Method::GET, "/p/x").await);

    // The content of the files is tested in a browser.
    let head = |mut answer: Answer| {
        answer.body.clear();
        answer
    };
    let page = system.page(Method::GET, link(&canceled)).await;
    let (_, script) = page.text().split_once("src=\"").unwrap();
    let script = script.split('"').next().unwrap();
    Examples::default().assert("pages/link-asset", &head(system.page(Method::GET, script).await));
    for (path, name) in [
        ("/desk", "pages/desk"),
        ("/desk/supervisor", "pages/desk-supervisor"),
        ("/desk/signed-in", "pages/desk-signed-in"),
        ("/desk/element.js", "pages/desk-element"),
    ] {
        Examples::default().assert(name, &head(system.page(Method::GET, path).await));
    }
    let element = system.page(Method::GET, "/desk/element.js").await.header("location").to_owned();
    Examples::default().assert("pages/desk-asset", &head(system.page(Method::GET, &element).await));
}

/// Creates a request whose last event brings a message of this kind, and returns that event.
async fn last_event(handlers: &Handlers, kind: &str) -> Value {
    let (id, _) = handlers.sent().await;
    match kind {
        "canceled" => drop(handlers.cancel(&id).await),
        "paid" => drop(handlers.pay(&id, SystemClock.now()).await),
        _ => {}
    }
    handlers.events(&id).await.pop().unwrap().1
}

#[tokio::test]
async fn every_message_of_every_channel() {
    for &channel in ChannelName::ALL {
        let setting = crate::channels::Setting::of(channel).await;
        for kind in ["sent", "canceled", "paid"] {
            let event = last_event(&setting.handlers, kind).await;
            setting.run(&event).await.unwrap();
            let message = crate::channels::whole(&setting.channels.received().pop().unwrap());
            Examples::default().assert(&format!("messages/{channel}-{kind}"), &message);
        }
    }
}

#[tokio::test]
async fn a_delivery_report_and_its_answer() {
    let setting = crate::delivery_reports::Setting::of(ChannelName::Webhook).await;
    let (_, _, message) = setting.accepted().await;
    let report =
        crate::delivery_reports::report(ChannelName::Webhook, &message, crate::delivery_reports::Outcome::Failed);
    let answer = setting.post(&report).await;
    let mut examples = Examples::default();
    examples.assert("webhooks/message-failed", &report);
    examples.assert("api/delivery-report", &answer);
}

/// The webhooks that an integrator's program received: path, headers and body of each.
type Mailbox = Arc<Mutex<Vec<Value>>>;

async fn keep(State(mailbox): State<Mailbox>, uri: Uri, headers: HeaderMap, body: String) {
    let body: Value = serde_json::from_str(&body).unwrap();
    mailbox.lock().unwrap().push(json!({ "path": uri.path(), "headers": header_lines(&headers), "body": body }));
}

#[tokio::test]
async fn every_webhook_of_the_sandbox() {
    let mailbox = Mailbox::default();
    let router = axum::Router::new().fallback(keep).with_state(Arc::clone(&mailbox));
    let url = format!("{}/webhooks/sandbox", tests::serve(router).await);
    let system = System::start(&[("SANDBOX_WEBHOOK_URL", &url)]).await;
    let alice = system.alice().await;
    let mut examples = Examples::default();
    for (presses, transfer) in [(&["declined", "succeeded"][..], None), (&["processing"], Some("failed"))] {
        let checkout = system.click(link(&alice.sent().await)).await;
        for outcome in presses {
            system.settle(&checkout, outcome).await;
        }
        if let Some(outcome) = transfer {
            system.settle_transfer(&checkout, outcome).await;
        }
    }
    for kind in ["payment_failed", "paid", "processing", "async_payment_failed"] {
        let webhook = eventually("the webhook", async || {
            let kept = mailbox.lock().unwrap().clone();
            let found = kept.iter().find(|webhook| webhook["body"]["type"] == format!("checkout.{kind}")).cloned();
            found.ok_or_else(|| format!("checkout.{kind} is not among {kept:?}"))
        })
        .await;
        examples.assert(&format!("webhooks/sandbox-{kind}"), &webhook);
    }
    let sent = alice.sent().await;
    let answer = system.webhook(&paid(&sent, "pay_1", now())).await;
    examples.assert("api/payment-webhook", &answer);
    system.stop().await;
}

#[tokio::test]
async fn calls_to_the_sandbox() {
    let handlers = Handlers::with_limits(300, 1).await;
    let (unpaid, _) = handlers.clicked().await;
    tests::until(handlers.stored(&unpaid).await.deadline).await;
    handlers.expire_what_is_due().await;
    let (canceled, _) = handlers.sent().await;
    handlers.cancel(&canceled).await;
    handlers.pay(&canceled, SystemClock.now()).await;
    handlers.refund_due(&canceled).await.unwrap();
    let calls = handlers.provider.calls();
    assert_eq!(calls.len(), 3, "{calls:?}");
    let mut examples = Examples::default();
    for (call, name) in calls.iter().zip(["create-checkout", "close-checkout", "refund"]) {
        examples.assert(&format!("provider/sandbox-{name}"), call);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_stripe() {
    let (stripe, handlers) = Stripe::with_handlers(300, 1).await;
    let (unpaid, token) = handlers.sent().await;
    let session = session_of(handlers.click(&token).await.headers["location"].as_str().unwrap());
    let mut examples = Examples::default();
    tests::until(handlers.stored(&unpaid).await.deadline).await;
    handlers.expire_what_is_due().await;
    assert_eq!(stripe.session(&session).await["status"], "expired");
    let (canceled, _) = waiting(&stripe, &handlers).await;
    handlers.refund_due(&canceled).await.unwrap();
    let calls = stripe.requests();
    examples.assert("provider/stripe", &json!(calls));
}

#[tokio::test]
async fn a_token_of_the_local_runner() {
    let system = System::shared(&[]).await;
    let claims = json!({ "sub": "alice", "name": "Alice", "role": "agent", "workspace": "acme" });
    let token = Answer::of(system.request(Method::POST, "/local/token").json(&claims)).await;
    Examples::default().assert("local/token", &token);
}
