//! Measures how long after its deadline an expiry is published: from the deadline until the event is on the bus, for
//! links that nobody clicked and for payment pages where nobody paid.
//!
//! `cargo bench --profile dev -p tests --bench expiry`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot continue has no result")]

use domain::{Clock as _, SystemClock, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;
use tests::ledger::Row;
use tests::system::{System, id, link, time};

const ROUNDS: usize = 10;

#[tokio::main]
async fn main() {
    tests::log_to_standard_error();
    let system = System::start(&[("LINK_TTL_SECONDS", "3"), ("CHECKOUT_TTL_SECONDS", "5")]).await;
    let alice = system.alice().await;
    let mut waiting: BTreeMap<String, (&str, Timestamp)> = BTreeMap::new();
    let mut lags: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for round in 0.. {
        if round < ROUNDS {
            let unclicked = alice.sent().await;
            let unpaid = alice.sent().await;
            system.click(link(&unpaid)).await;
            for (kind, request) in [("unclicked", unclicked), ("unpaid", unpaid)] {
                let request = alice.read(id(&request)).await;
                waiting.insert(id(&request).to_owned(), (kind, time(&request["link"]["expires_at"])));
            }
        } else if waiting.is_empty() {
            break;
        }
        for event in system.events().await {
            if event["detail"]["status"] == "expired"
                && let Some((kind, deadline)) = waiting.remove(event["detail"]["id"].as_str().unwrap())
            {
                lags.entry(kind).or_default().push(SystemClock.now().saturating_duration_since(deadline));
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (kind, mut lags) in lags {
        lags.sort_unstable();
        let milliseconds = |lag: &Duration| lag.as_secs_f64() * 1_000.0;
        let row = Row::new("expiry", format!("{kind}, from its deadline to its event on the bus"));
        let row = row.with("expired", lags.len()).with_number("least_ms", milliseconds(&lags[0]).round());
        let row = row.with_number("median_ms", milliseconds(&lags[lags.len() / 2]).round());
        println!("{}", row.with_number("most_ms", milliseconds(&lags[lags.len() - 1]).round()).line());
    }
    system.stop().await;
}
