//! What a supervisor counts: per agent and in total, by what became of each request.

use serde_json::{Value, json};
use tests::system::{Answer, System, User, link, order, phone, workspace};

async fn report(user: &User<'_>, query: &str) -> Answer {
    Answer::of(user.request(http::Method::GET, &format!("/reports/agents{query}"))).await
}

fn over(amount: u64, currency: &str) -> Value {
    let mut order = order(&phone());
    order["amount"] = amount.into();
    order["currency"] = currency.into();
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_sees_who_sent_how_many_and_what_became_of_them() {
    let system = System::shared(&[]).await;
    let workspace = workspace();
    let alice = system.user(&workspace, "alice", "agent").await;
    let bob = system.user(&workspace, "bob", "agent").await;
    let supervisor = system.user(&workspace, "sue", "supervisor").await;

    let empty = report(&supervisor, "").await;
    assert_eq!(empty.status, 200);
    assert_eq!(empty.json()["agents"], json!([]));
    assert_eq!(empty.json()["total"], json!({ "sent": 0, "statuses": {} }));

    for (amount, currency) in [(1000, "ZAR"), (2500, "ZAR"), (700, "JPY")] {
        alice.sent_as(&over(amount, currency)).await;
    }
    let canceled = alice.sent_as(&over(400, "ZAR")).await;
    assert_eq!(alice.cancel(canceled["id"].as_str().unwrap()).await.status, 200);
    let clicked = bob.sent_as(&over(9900, "ZAR")).await;
    system.click(link(&clicked)).await;

    let answer = report(&supervisor, "").await.json();
    let of_alice = json!({ "sent": 4, "statuses": {
        "sent": { "count": 3, "value": { "JPY": 700, "ZAR": 3500 } }, "canceled": { "count": 1, "value": { "ZAR": 400 } } } });
    let agents = answer["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 2);
    assert_eq!(agents[0]["agent"]["id"], "alice", "whoever sent most comes first");
    assert_eq!((&agents[0]["sent"], &agents[0]["statuses"]), (&of_alice["sent"], &of_alice["statuses"]));
    assert_eq!(agents[1]["statuses"], json!({ "clicked": { "count": 1, "value": { "ZAR": 9900 } } }));
    assert_eq!(
        answer["total"],
        json!({ "sent": 5, "statuses": {
        "sent": { "count": 3, "value": { "JPY": 700, "ZAR": 3500 } }, "clicked": { "count": 1, "value": { "ZAR": 9900 } },
        "canceled": { "count": 1, "value": { "ZAR": 400 } } } })
    );
    let (from, to) = (answer["from"].as_str().unwrap(), answer["to"].as_str().unwrap());
    assert!(from.ends_with("T00:00:00.000Z") && to.ends_with("T00:00:00.000Z"), "{from} {to}");

    let other = system.user("nobody-else", "sue", "supervisor").await;
    assert_eq!(report(&other, "").await.json()["total"]["sent"], 0, "another workspace sees nothing of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_for_supervisors_and_covers_at_most_92_days() {
    let system = System::shared(&[]).await;
    let workspace = workspace();
    let agent = system.user(&workspace, "alice", "agent").await;
    report(&agent, "").await.problem(403, "forbidden");
    let supervisor = system.user(&workspace, "sue", "supervisor").await;
    let right = report(&supervisor, "?from=2026-01-01&to=2026-04-03").await;
    assert_eq!(right.status, 200);
    assert_eq!(right.json()["from"], "2026-01-01T00:00:00.000Z");
    let cases = [
        ("?from=2026-01-01&to=2026-04-04", "from"),
        ("?from=2026-01-02&to=2026-01-01", "to"),
        ("?from=yesterday", "from"),
        ("?until=2026-01-01", "until"),
    ];
    for (query, field) in cases {
        let answer = report(&supervisor, query).await;
        answer.problem(422, "validation_failed");
        assert_eq!(answer.bad_fields(), [field], "{query}");
    }
}
