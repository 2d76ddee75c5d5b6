//! What is due, at any number: it is read page by page, and runs that overlap share it.

use domain::ports::{DueIndex as _, DuePeriod};
use domain::{Clock as _, Status, SystemClock, Timestamp};
use dynoxide::{AttributeValue, ImportOptions};
use futures::future::join_all;
use std::collections::HashSet;
use std::time::Duration;
use tests::handlers::{Handlers, assert_possible};
use tests::stored::Stored;
use tests::stream::Stream;

/// The period of everything that is due at this moment.
fn until(latest: Timestamp) -> DuePeriod {
    DuePeriod { earliest: latest.saturating_sub(Duration::MAX), latest }
}

#[tokio::test]
async fn a_partition_is_read_page_by_page_even_if_all_is_due_at_the_same_moment() {
    const COUNT: usize = 1_100;
    let handlers = Handlers::start().await;
    let now = SystemClock.now();
    let items = (0..COUNT).map(|number| {
        let text = |text: String| AttributeValue::S(text);
        let number_of = |number: i64| AttributeValue::N(number.to_string());
        [
            ("pk", text(format!("REQ#01980000-0000-7000-8000-{number:012x}"))),
            ("due_shard", number_of(3)),
            ("due_at", number_of(now.as_milliseconds())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    });
    let table = local::dynamodb::TABLE_NAME;
    handlers.database.database.import_items(table, items.collect(), ImportOptions::default()).unwrap();
    let (store, mut found, mut sizes, mut after) = (handlers.store(), HashSet::new(), Vec::new(), None);
    loop {
        let page = store.due(3, until(now), after).await.unwrap();
        found.extend(page.iter().copied());
        sizes.push(page.len());
        after = page.last().copied();
        if page.len() < 500 {
            break;
        }
    }
    assert_eq!((sizes, found.len()), (vec![500, 500, 100], COUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_overlap_and_the_stream_settle_each_request_once() {
    const COUNT: usize = 200;
    let handlers = Handlers::start().await;
    let now = SystemClock.now();
    let (from, to) = (now.saturating_sub(Duration::from_mins(10)), now.saturating_sub(Duration::from_mins(6)));
    Stored::sent().await.add(&handlers.database.database, COUNT, from, to);
    let due = handlers.due().await;
    assert_eq!(due.len(), COUNT);
    let mut stream = Stream::at_its_end(&handlers);
    let machines = [handlers.unobserved(), handlers.unobserved(), handlers.unobserved()];
    let runs = machines.iter().map(|machine| machine.expire_what_is_due());
    let removals = join_all(due.iter().map(|due| async {
        let failed = handlers.link_removed(&due.id.to_string()).await;
        assert_eq!(failed["batchItemFailures"], serde_json::json!([]));
    }));
    tokio::join!(join_all(runs), removals);
    assert!(handlers.due().await.is_empty());
    for due in &due {
        let request = handlers.stored(&due.id.to_string()).await;
        assert_possible(&request);
        assert_eq!((request.status, request.version()), (Status::Expired, 2));
    }
    assert_eq!(stream.next(&handlers).len(), COUNT, "each was written once");
}
