//! The supervisor's report: requests per agent and in total, by their outcome.

use adapters::DynamoDbStore;
use domain::ports::{Inserted, Inserts as _};
use domain::{
    Actor, Agent, Customer, Details, HistoryEntry, LinkToken, Metadata, Money, OperationId, PaymentRequest,
    PaymentRequestId, Phone, Sender, Status, Timestamp,
};
use serde_json::{Value, json};
use std::time::Duration;
use tests::examples::Examples;
use tests::system::{Answer, System, User, all, link, now, order, phone, workspace};

async fn report(user: &User<'_>, query: &str) -> Answer {
    Answer::of(user.request(http::Method::GET, &format!("/reports/agents{query}"))).await
}

fn over(amount: u64, currency: &str) -> Value {
    let mut order = order(&phone());
    order["amount"] = amount.into();
    order["currency"] = currency.into();
    order
}

/// Builds a request of an agent over R250.00, created at `created_at`, that then went through these statuses, one a
/// minute.
pub(crate) fn past(user: &User<'_>, agent: &str, created_at: Timestamp, statuses: &[Status]) -> PaymentRequest {
    let agent = Agent { id: agent.parse().unwrap(), name: agent.parse().unwrap() };
    let details = Details {
        order_number: "10045".parse().unwrap(),
        money: Money { amount: domain::Amount::new(25_000).unwrap(), currency: "ZAR".parse().unwrap() },
        customer: Customer { phone: Phone::parse(&phone()).unwrap(), name: None, email: None },
        description: None,
        conversation_id: None,
        metadata: Metadata::default(),
    };
    let mut request = PaymentRequest::new(
        PaymentRequestId::new(&domain::Doors::default()).unwrap(),
        Sender::of_agent(user.workspace.parse().unwrap(), agent),
        details,
        LinkToken::random(&domain::Doors::default()).unwrap(),
        created_at,
        Duration::from_mins(5),
        OperationId::random(&domain::Doors::default()).unwrap(),
    );
    for status in statuses {
        let at = request.updated_at().saturating_add(Duration::from_mins(1));
        request.history.push(HistoryEntry { status: *status, at, actor: Actor::System, reason: None });
        request.status = *status;
    }
    request
}

/// Puts requests into the store of a system that this test started.
pub(crate) async fn store(system: &System, requests: &[PaymentRequest]) {
    let store = DynamoDbStore::new(system.environment()).unwrap();
    for some in requests.chunks(20) {
        for inserted in all(some.iter().map(|request| store.insert(request))).await {
            assert_eq!(inserted.unwrap(), Inserted::New);
        }
    }
}

fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_sees_the_requests_of_each_agent_by_outcome() {
    let system = System::shared(&[]).await;
    let workspace = workspace();
    let alice = system.user(&workspace, "alice", "agent").await;
    let bob = system.user(&workspace, "bob", "agent").await;
    let supervisor = system.user(&workspace, "sue", "supervisor").await;

    let empty = report(&supervisor, "").await;
    Examples::default().assert("api/report-empty", &empty);

    for (amount, currency) in [(1000, "ZAR"), (2500, "ZAR"), (700, "JPY")] {
        alice.sent_as(&over(amount, currency)).await;
    }
    let canceled = alice.sent_as(&over(400, "ZAR")).await;
    assert_eq!(alice.cancel(canceled["id"].as_str().unwrap()).await.status, 200);
    let clicked = bob.sent_as(&over(9900, "ZAR")).await;
    system.click(link(&clicked)).await;

    // Agents are ordered by the number of requests that they sent, highest first.
    Examples::default().assert("api/report", &report(&supervisor, "").await);

    let other = system.user("nobody-else", "sue", "supervisor").await;
    assert_eq!(
        report(&other, "").await.json()["total"]["sent"],
        0,
        "a report does not count another workspace's requests"
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn a_report_counts_clicks_and_days_only_on_demand() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    system.click(link(&alice.sent().await)).await;
    let supervisor = system.user(&alice.workspace, "sue", "supervisor").await;
    for (query, of_report, of_tally) in [
        ("", &["agents", "from", "to", "total"][..], &["sent", "statuses"][..]),
        ("?include=", &["agents", "from", "to", "total"], &["sent", "statuses"]),
        ("?include=clicks", &["agents", "from", "to", "total"], &["clicked", "sent", "statuses"]),
        ("?include=days", &["agents", "days", "from", "to", "total"], &["sent", "statuses"]),
        ("?include=clicks,days", &["agents", "days", "from", "to", "total"], &["clicked", "sent", "statuses"]),
        ("?include=days%2Cclicks", &["agents", "days", "from", "to", "total"], &["clicked", "sent", "statuses"]),
    ] {
        let answer = report(&supervisor, query).await.json();
        assert_eq!(names(&answer), of_report, "{query}");
        assert_eq!(names(&answer["total"]), of_tally, "{query}");
        assert_eq!(names(&answer["agents"][0]), [&["agent"], of_tally].concat(), "{query}");
        if let Some(days) = answer["days"].as_array() {
            let mut of_day = [&["date"], of_tally].concat();
            of_day.sort_unstable();
            assert!(days.iter().all(|day| names(day) == of_day), "{query}: {days:?}");
            assert_eq!(days.len(), 7, "the default range is seven days");
            assert_eq!(days[6]["sent"], 1, "the last day is today");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_counts_whatever_the_later_status() {
    let system = System::start(&[]).await;
    let alice = system.alice().await;
    let supervisor = system.user(&alice.workspace, "sue", "supervisor").await;
    let yesterday = now().saturating_sub(Duration::from_hours(24));
    let of = |agent, statuses: &[Status]| past(&alice, agent, yesterday, statuses);
    let requests = [
        of("alice", &[Status::Clicked, Status::Expired]),
        of("alice", &[Status::Clicked, Status::Clicked, Status::Paid]),
        of("alice", &[Status::Expired]),
        // Its deadline has passed, whether or not the expiry is written yet.
        of("alice", &[]),
        of("bob", &[Status::Canceled]),
        of("bob", &[Status::Paid]),
    ];
    store(&system, &requests).await;
    system.click(link(&alice.sent().await)).await;
    // One request is clicked and has no other status yet.
    Examples::default().assert("api/report-with-clicks", &report(&supervisor, "?include=clicks").await);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_every_day_of_its_range_in_order() {
    let system = System::start(&[]).await;
    let alice = system.alice().await;
    let supervisor = system.user(&alice.workspace, "sue", "supervisor").await;
    let after = |milliseconds| {
        tests::system::shifted(now().start_of_day().saturating_sub(Duration::from_hours(240)), milliseconds)
    };
    let day = |day: i64| after(day * 86_400_000);
    let date = |number| day(number).to_string()[..10].to_owned();
    let (midnight, noon) = (86_400_000, 86_400_000 + 43_200_000);
    store(
        &system,
        &[
            past(&alice, "alice", after(midnight - 1), &[Status::Clicked, Status::Paid]),
            past(&alice, "alice", after(midnight), &[Status::Canceled]),
            past(&alice, "bob", after(noon), &[Status::Clicked, Status::Expired]),
            past(&alice, "bob", day(3), &[Status::Expired]),
        ],
    )
    .await;
    let of = async |from: Timestamp, to: Timestamp| {
        let answer = report(&supervisor, &format!("?from={from}&to={to}&include=clicks,days")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let one = |status: &str| json!({ status: { "count": 1, "value": { "ZAR": 25_000 } } });
    let nothing = |number| json!({ "date": date(number), "sent": 0, "statuses": {}, "clicked": 0 });

    let whole = of(day(0), day(4)).await;
    assert_eq!(whole["days"][0]["date"], date(0));
    Examples::default().assert("api/report-with-days", &whole);

    // From the last millisecond of the first day until noon of the second, with noon itself excluded.
    let parts = of(after(midnight - 1), after(noon)).await;
    assert_eq!(
        parts["days"],
        json!([
            { "date": date(0), "sent": 1, "statuses": one("paid"), "clicked": 1 },
            { "date": date(1), "sent": 1, "statuses": one("canceled"), "clicked": 0 },
        ])
    );
    assert_eq!(of(after(midnight), after(noon)).await["days"][0]["date"], date(1));
    assert_eq!(of(day(2), day(3)).await["days"], json!([nothing(2)]));
    assert_eq!(of(day(1), day(1)).await["days"], json!([]));
    // A report of the maximum length touches one more day if it starts within a day.
    assert_eq!(of(day(-91), day(1)).await["days"].as_array().unwrap().len(), 92);
    assert_eq!(of(after(-91 * 86_400_000 + 1), after(midnight + 1)).await["days"].as_array().unwrap().len(), 93);

    let other = system.user("nobody-else", "sue", "supervisor").await;
    let other = report(&other, &format!("?from={}&to={}&include=days", day(0), day(4))).await.json();
    assert!(
        other["days"].as_array().unwrap().iter().all(|day| day["sent"] == 0),
        "a report does not count another workspace's requests"
    );
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_part_of_a_report_is_rejected_by_name() {
    let system = System::shared(&[]).await;
    let workspace = workspace();
    let supervisor = system.user(&workspace, "sue", "supervisor").await;
    for wrong in [
        "weeks",
        "clicks,weeks",
        "Clicks",
        "clicks,",
        ",",
        "clicks;days",
        "clicks,%20days",
        "clicks+days",
        "%00",
        "%FF",
    ] {
        assert_eq!(report(&supervisor, &format!("?include={wrong}")).await.bad_fields(), ["include"], "{wrong}");
    }
    let long = "clicks,".repeat(1_000);
    assert_eq!(report(&supervisor, &format!("?include={long}")).await.bad_fields(), ["include"]);
    assert_eq!(report(&supervisor, "?include=clicks&include=days").await.bad_fields(), ["include"]);
    assert_eq!(report(&supervisor, "?include=x&from=x&to=x&x=x").await.bad_fields(), ["from", "include", "to", "x"]);
    let agent = system.user(&workspace, "alice", "agent").await;
    report(&agent, "?include=clicks,days").await.problem(403, "forbidden");
}
