//! Load: a thousand requests by 32 clients, half of them canceled while they are clicked.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::system::{Answer, System, all, eventually, id, link, order, phone, workspace};

const REQUESTS: usize = 1_000;
const CLIENTS: usize = 32;

/// The outcome of a request that was canceled and clicked at the same time, or of one that was left alone.
struct Ended {
    id: String,
    status: &'static str,
}

/// Returns which of two racing commands won, and asserts that the loser's answer names the winner.
fn winner(click: &Answer, cancel: &Answer) -> &'static str {
    match (click.status, cancel.status) {
        (303, 409) => {
            cancel.problem(409, "already_clicked");
            "clicked"
        }
        (410, 200) => {
            assert!(click.text().contains("canceled"), "{click:?}");
            "canceled"
        }
        _ => panic!("not exactly one winner: {click:?} and {cancel:?}"),
    }
}

async fn client(base: String, token: String, next: &AtomicUsize) -> Vec<Ended> {
    let system = System::at(base);
    let alice = system.bearer(&token, "");
    let mut ended = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= REQUESTS {
            return ended;
        }
        let created = alice.create_with_key(&order(&phone()), &format!("key-{number}")).await;
        assert_eq!((created.status, created.header("idempotency-replayed")), (201, ""), "{created:?}");
        let sent = created.json();
        let (id, link) = (id(&sent).to_owned(), link(&sent).to_owned());
        let status = match number % 4 {
            0 | 2 => "sent",
            // The future that is polled first has a head start, so the order alternates.
            1 => {
                let (click, cancel) = tokio::join!(system.press(&link), alice.cancel(&id));
                winner(&click, &cancel)
            }
            _ => {
                let (cancel, click) = tokio::join!(alice.cancel(&id), system.press(&link));
                winner(&click, &cancel)
            }
        };
        ended.push(Ended { id, status });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_raced_requests_have_one_winner_each_and_every_event_once() {
    let system = System::start(&[]).await;
    let workspace = workspace();
    let token = system.user(&workspace, "alice", "agent").await.token;
    let next = AtomicUsize::new(0);
    let ended: Vec<Ended> = all((0..CLIENTS).map(|_| client(system.base().to_owned(), token.clone(), &next)))
        .await
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(ended.len(), REQUESTS);
    let raced = ended.iter().filter(|ended| ended.status != "sent").count();
    assert_eq!(raced, REQUESTS / 2);

    let alice = system.bearer(&token, &workspace);
    let stored: BTreeMap<String, Value> =
        alice.everything().await.into_iter().map(|request| (id(&request).to_owned(), request)).collect();
    assert_eq!(stored.len(), REQUESTS);
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for Ended { id, status } in &ended {
        let request = &stored[id];
        let history: Vec<&str> =
            request["history"].as_array().unwrap().iter().map(|entry| entry["status"].as_str().unwrap()).collect();
        let right: &[&str] = if *status == "sent" { &["sent"] } else { &["sent", status] };
        assert_eq!(history, right, "{request}");
        for version in 1..=history.len() {
            expected.insert(format!("{id}#{version}"), 1);
        }
    }
    let found = eventually("the events", async || {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for event in system.events().await {
            *found.entry(event["detail"]["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let missing = expected.keys().filter(|id| !found.contains_key(*id)).count();
        if missing == 0 { Ok(found) } else { Err(format!("{missing} of {} are missing", expected.len())) }
    })
    .await;
    assert!(
        found == expected,
        "duplicate or unexpected events: {:?}",
        found.iter().filter(|(id, count)| expected.get(*id) != Some(count)).collect::<Vec<_>>()
    );
    system.stop().await;
}
