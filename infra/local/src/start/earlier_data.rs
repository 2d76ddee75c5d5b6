//! Tests that a data directory of an earlier version can still be used.

use super::{Local, Options, start};
use crate::test::Directory;
use runtime::Environment;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// `local.sqlite` as version 0.1.0 created it, with every table at once.
const TABLES: &str = "
    CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, envelope TEXT NOT NULL) STRICT;
    CREATE TABLE jobs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, topic TEXT NOT NULL, lane TEXT NOT NULL,
        body TEXT NOT NULL, attempts INTEGER NOT NULL, created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE dead_letters (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE stream_positions (consumer TEXT PRIMARY KEY, sequence_number TEXT NOT NULL) STRICT;
    CREATE TABLE messages (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, webhook_id TEXT NOT NULL UNIQUE, phone TEXT NOT NULL,
        text TEXT NOT NULL, at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE checkouts (
        id TEXT PRIMARY KEY, payment_request_id TEXT NOT NULL UNIQUE, order_number TEXT NOT NULL, description TEXT,
        amount INTEGER NOT NULL, currency TEXT NOT NULL, return_url TEXT NOT NULL, status TEXT NOT NULL,
        payment_id TEXT, paid_at TEXT
    ) STRICT;
    CREATE TABLE refunds (
        payment_request_id TEXT PRIMARY KEY, refund_id TEXT NOT NULL, payment_id TEXT NOT NULL,
        amount INTEGER NOT NULL, currency TEXT NOT NULL
    ) STRICT;
    CREATE TABLE stripe_objects (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
    CREATE TABLE stripe_answers (
        idempotency_key TEXT PRIMARY KEY, call TEXT NOT NULL, request_id TEXT NOT NULL, status INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
";

/// The rows of a killed version 0.1.0, with data in every table that a person can see.
const ROWS: &str = r#"
    INSERT INTO events VALUES (1, '{"detail-type":"PaymentRequestStatusChanged","detail":{"id":"r1"}}');
    INSERT INTO messages VALUES (1, 'r1#1', '+27831234567', 'Please pay R250.00', '2026-11-26T00:16:25.636Z');
    INSERT INTO checkouts VALUES (
        'chk_1', 'r1', '10045', NULL, 25000, 'ZAR', 'https://pay.example.com/p/x', 'open', NULL, NULL
    );
    INSERT INTO checkouts VALUES (
        'chk_3', 'r3', '10047', NULL, 25000, 'ZAR', 'https://pay.example.com/p/z', 'closed', 'pay_3',
        '2026-11-26T00:16:25.709Z'
    );
    INSERT INTO refunds VALUES ('r2', 'ref_earlier', 'pay_2', 25000, 'ZAR');
    INSERT INTO jobs VALUES (1, 'bus', 'gone/Rule', 'gone/Rule/r1', '{}', 0, 0);
"#;

/// A session as version 0.1.0 stored it, without most of the constant fields.
fn session() -> Value {
    json!({
        "session": {
            "id": "cs_test_1", "object": "checkout.session", "amount_subtotal": 25_000, "amount_total": 25_000,
            "cancel_url": null, "client_reference_id": "r1", "created": 1_795_652_191, "currency": "zar",
            "expires_at": 4_102_444_800_i64, "livemode": false, "locale": null, "metadata": {}, "payment_intent": null,
            "payment_status": "unpaid", "status": "open", "success_url": "https://pay.example.com/p/x",
            "url": "http://127.0.0.1:1/stripe/c/pay/cs_test_1",
        },
        "line_items": [{
            "id": "li_1", "object": "item", "amount_total": 25_000, "currency": "zar", "description": "Order 10045",
            "quantity": 1,
        }],
        "intent_metadata": {},
        "failed": false,
    })
}

/// Webhooks as version 0.1.0 stored them, about a request that no longer exists.
fn webhooks() -> [(&'static str, &'static str, String); 2] {
    let data = json!({
        "checkout_id": "chk_2", "payment_request_id": "01a21535-ecde-71ec-9c57-3b2fb4b5271a", "payment_id": "pay_2",
        "amount": 25_000, "currency": "ZAR", "paid_at": "2026-11-26T00:16:25.709Z",
    });
    let paid = json!({ "type": "checkout.paid", "timestamp": "2026-11-26T00:16:25.709Z", "data": data });
    let charge = json!({
        "id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": 1_795_652_191,
        "data": { "object": { "id": "ch_1", "object": "charge" } }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null }, "type": "charge.succeeded",
    });
    [
        ("provider", "msg_1", json!({ "id": "msg_1", "body": paid.to_string() }).to_string()),
        ("stripe", "evt_1", charge.to_string()),
    ]
}

fn write(directory: &Path) {
    let connection = Connection::open(directory.join("local.sqlite")).unwrap();
    connection.execute_batch(TABLES).unwrap();
    connection.execute_batch(ROWS).unwrap();
    for (queue, lane, body) in webhooks() {
        let insert =
            "INSERT INTO jobs (queue, topic, lane, body, attempts, created_at) VALUES (?1, 'webhook', ?2, ?3, 3, 0)";
        connection.execute(insert, (queue, lane, body)).unwrap();
    }
    let answer = ("key-1", "refunds/re_1?", "req_earlier", 404, r#"{"error":{"code":"resource_missing"}}"#);
    connection.execute("INSERT INTO stripe_answers VALUES (?1, ?2, ?3, ?4, ?5)", answer).unwrap();
    let object = ("cs_test_1", session().to_string());
    connection.execute("INSERT INTO stripe_objects VALUES (?1, ?2)", object).unwrap();
}

/// Returns the number of jobs left in a queue, and the sources of the dead letters.
fn left(directory: &Path, queue: &str) -> (i64, Vec<String>) {
    let connection = Connection::open(directory.join("local.sqlite")).unwrap();
    let jobs = connection.query_row("SELECT count(*) FROM jobs WHERE queue = ?1", [queue], |row| row.get(0)).unwrap();
    let mut sources = connection.prepare("SELECT source FROM dead_letters ORDER BY sequence").unwrap();
    let sources = sources.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    (jobs, sources)
}

async fn run(directory: &Path, provider: &str) -> Local {
    let environment = Environment::default().with("PAYMENT_PROVIDER", provider);
    let options = Options { port: 0, data_dir: Some(directory.to_owned()), lambda: None, environment };
    start(options).await.unwrap()
}

async fn until_empty(directory: &Path, queue: &str) {
    tokio::time::timeout(Duration::from_secs(10), async {
        while left(directory, queue).0 > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_data_of_an_earlier_version_is_kept_and_its_pending_work_is_done() {
    let directory = Directory::new();
    write(directory.path());
    let client = stand_in_host::client(Duration::from_secs(10)).unwrap();

    let local = run(directory.path(), "sandbox").await;
    let url = |path: &str| format!("{}{path}", local.base_url());
    let json = async |path: &str| client.get(url(path)).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(json("/local/events").await[0]["detail"]["id"], "r1");
    assert_eq!(json("/local/messages").await[0]["text"], "Please pay R250.00");
    let page = client.get(url("/sandbox/checkouts/chk_1")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("10045") && page.contains("/sandbox/checkouts/chk_1/pay"), "{page}");
    assert_eq!(json("/sandbox/checkouts/chk_1/state").await, json!({ "status": "open" }));
    let failed = json("/sandbox/checkouts/chk_3/state").await;
    assert_eq!((&failed["status"], &failed["payment_id"]), (&json!("failed"), &json!("pay_3")), "a failed transfer");
    let pay = client.post(url("/sandbox/checkouts/chk_1/pay")).form(&[("outcome", "succeeded")]).send().await.unwrap();
    assert_eq!(pay.headers()["location"], "https://pay.example.com/p/x?done");
    let refund = json!({ "payment_request_id": "r2", "payment_id": "pay_2", "amount": 25_000, "currency": "ZAR" });
    let refund = client.post(url("/sandbox/refunds")).json(&refund).send().await.unwrap();
    assert_eq!(refund.json::<Value>().await.unwrap()["refund_id"], "ref_earlier");
    for queue in ["provider", "bus"] {
        until_empty(directory.path(), queue).await;
    }
    assert_eq!(left(directory.path(), "stripe"), (1, vec!["gone/Rule".to_owned()]));
    local.stop().await;

    let local = run(directory.path(), "stripe").await;
    let url = |path: &str| format!("{}{path}", local.base_url());
    let page = client.get(url("/stripe/c/pay/cs_test_1")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Order 10045") && page.contains("/stripe/c/pay/cs_test_1/pay"), "{page}");
    let pay = client.post(url("/stripe/c/pay/cs_test_1/pay")).form(&[("outcome", "succeeded"), ("webhooks", "off")]);
    assert_eq!(pay.send().await.unwrap().headers()["location"], "https://pay.example.com/p/x");
    let key = local.environment().get("STRIPE_SECRET_KEY").unwrap();
    let again = client.post(url("/stripe/v1/checkout/sessions")).bearer_auth(key).header("idempotency-key", "key-1");
    let again = again.form(&[("mode", "payment")]).send().await.unwrap();
    assert_eq!(
        again.json::<Value>().await.unwrap()["error"]["type"],
        "idempotency_error",
        "the idempotency key is still stored"
    );
    until_empty(directory.path(), "stripe").await;
    local.stop().await;
}
