//! The cost of a payment request: DynamoDB calls per path, write units per request, bytes per item.

#![allow(clippy::print_stdout, reason = "the figures are shown on demand, by --nocapture")]

use domain::ports::Facts as _;
use domain::{Clock as _, Fact, PaymentRequestId, RunId, Status, SystemClock};
use tests::costs::{BOUNDS, Costs, DOLLARS_OF_A_PAID_LIFE, DOLLARS_OF_LOOKS, Prices};
use tests::handlers::Handlers;
use tests::proxy::{reads_and_writes, write_units};

#[tokio::test]
async fn no_path_costs_more_than_it_may() {
    let costs = Costs::measure().await;
    let mut above = Vec::new();
    for (path, cost) in costs.all() {
        println!("{path}: {:?}", cost.counts().map(|(_, count)| count));
        match BOUNDS.iter().find(|(name, _)| name == path) {
            Some((_, bound)) => above.extend(cost.above(bound).into_iter().map(|count| format!("{path}: {count}"))),
            None => above.push(format!("{path}: no bound")),
        }
    }
    assert!(above.is_empty(), "{above:#?}");
    assert_eq!(costs.all().len(), BOUNDS.len(), "a path with a bound was not measured");
    let prices = Prices::read();
    let (life, looks) = (costs.paid_life(), costs.of("read of one request"));
    let dollars = [life, looks].map(|cost| cost.dollars(prices.usual()));
    println!("dollars per million: {} for paid lives, {} for looks", dollars[0], dollars[1]);
    assert!(dollars[0] <= DOLLARS_OF_A_PAID_LIFE, "a million paid lives cost {} dollars", dollars[0]);
    assert!(dollars[1] <= DOLLARS_OF_LOOKS, "a million looks cost {} dollars", dollars[1]);
}

#[tokio::test]
async fn each_path_makes_the_calls_it_needs_and_a_whole_life_takes_at_most_11_write_units() {
    let handlers = Handlers::start().await;
    let (id, token) = handlers.sent().await;
    let create = handlers.proxy.take_calls();
    assert_eq!(reads_and_writes(&create), (1, 2), "{create:?}");
    let latest = &create[0];
    assert_eq!((latest.operation.as_str(), latest.index.as_deref()), ("Query", Some("by_agent")));
    assert!(latest.units <= 0.5, "an eventually consistent read of one page: {latest:?}");
    handlers.click(&token).await;
    let click = handlers.proxy.take_calls();
    assert_eq!(reads_and_writes(&click), (1, 2), "{click:?}");
    handlers.pay(&id, SystemClock.now()).await;
    let pay = handlers.proxy.take_calls();
    assert_eq!(reads_and_writes(&pay), (0, 1), "{pay:?}");
    let life = write_units(&create) + write_units(&click) + write_units(&pay);
    println!("write units: create {}, click {}, pay {}", write_units(&create), write_units(&click), write_units(&pay));
    assert!(life <= 11.0, "a whole life took {life} write units: {create:?} {click:?} {pay:?}");
    assert_eq!(handlers.stored(&id).await.status, Status::Paid);
    let size = handlers.item_size(&id).await;
    println!("item: {size} bytes");
    assert!(size <= 1024, "{size} bytes: each further kilobyte costs another unit with every write");
}

/// The customer's part and the money are reported separately. That makes one more write, and another that prolongs the
/// customer's link. In between, the request stays in the index with the time of its next look.
#[tokio::test]
async fn a_delayed_payment_costs_four_more_write_units() {
    for arrives in [true, false] {
        let handlers = Handlers::start().await;
        let (id, _) = handlers.clicked().await;
        handlers.proxy.take_calls();
        handlers.process(&id, SystemClock.now()).await;
        let process = handlers.proxy.take_calls();
        if arrives {
            handlers.pay(&id, SystemClock.now()).await
        } else {
            handlers.fail_payment(&id).await
        };
        let settle = handlers.proxy.take_calls();
        println!("write units: process {}, settle {}", write_units(&process), write_units(&settle));
        assert_eq!((reads_and_writes(&process), write_units(&process)), ((0, 2), 4.0), "{process:?}");
        assert_eq!((reads_and_writes(&settle), write_units(&settle)), ((0, 1), 2.0), "{settle:?}");
        let size = handlers.item_size(&id).await;
        assert!(size <= 1024, "{size} bytes: each further kilobyte costs another unit with every write");
    }
}

/// On a channel that does not drop repeats, each of a request's two usual messages is claimed and settled. Release 0.2
/// writes a claim in two forms, which have to fit into the item's first kilobyte.
#[tokio::test]
async fn a_claim_to_a_message_costs_two_write_units_and_leaves_the_item_below_a_kilobyte() {
    let handlers = Handlers::start().await;
    let (id, token) = handlers.sent().await;
    let request: PaymentRequestId = id.parse().unwrap();
    let claim = |version| Fact::MessageClaimed { version, run: RunId::random(&domain::Doors::default()).unwrap() };
    let store = handlers.faulty_store();
    handlers.proxy.take_calls();
    store.record_fact(request, &claim(1)).await.unwrap();
    store.record_fact(request, &Fact::MessageSettled { version: 1 }).await.unwrap();
    let first = handlers.proxy.take_calls();
    handlers.click(&token).await;
    handlers.pay(&id, SystemClock.now()).await;
    let life = handlers.proxy.take_calls();
    store.record_fact(request, &claim(3)).await.unwrap();
    store.record_fact(request, &Fact::MessageSettled { version: 3 }).await.unwrap();
    let second = handlers.proxy.take_calls();
    for claimed in [&first, &second] {
        assert_eq!((reads_and_writes(claimed), write_units(claimed)), ((0, 2), 2.0), "{claimed:?}");
    }
    assert!(write_units(&life) <= 6.0, "click and pay cost no more than without claims: {life:?}");
    let size = handlers.item_size(&id).await;
    println!("item with two claims, both settled: {size} bytes");
    assert!(size <= 1024, "{size} bytes: each further kilobyte costs another unit at every write");
}

#[tokio::test]
async fn a_cancel_is_one_call_whether_it_works_or_not() {
    let handlers = Handlers::start().await;
    let (id, _) = handlers.sent().await;
    for expected in [200, 409] {
        handlers.proxy.take_calls();
        assert_eq!(handlers.cancel(&id).await.status, expected);
        assert_eq!(reads_and_writes(&handlers.proxy.take_calls()), (0, 1));
    }
}

#[tokio::test]
async fn a_repeated_click_is_two_reads_and_no_call_to_the_provider() {
    let handlers = Handlers::start().await;
    let (_, token) = handlers.clicked().await;
    handlers.proxy.take_calls();
    let calls = handlers.provider.calls().len();
    assert_eq!(handlers.click(&token).await.status, 303);
    assert_eq!(reads_and_writes(&handlers.proxy.take_calls()), (2, 0));
    assert_eq!(handlers.provider.calls().len(), calls);
}

#[tokio::test]
async fn the_expiry_of_an_unclicked_request_is_one_write_and_removes_it_from_the_index() {
    let handlers = Handlers::with_limits(1, 1).await;
    let (id, _) = handlers.sent().await;
    let deadline = handlers.stored(&id).await.deadline;
    tests::until(deadline).await;
    handlers.proxy.take_calls();
    handlers.link_removed(&id).await;
    assert_eq!(reads_and_writes(&handlers.proxy.take_calls()), (0, 1));
    assert!(handlers.due().await.is_empty());
}

#[tokio::test]
async fn a_read_is_one_call() {
    let handlers = Handlers::start().await;
    let (id, _) = handlers.sent().await;
    handlers.proxy.take_calls();
    assert_eq!(handlers.get(&id).await.status, 200);
    assert_eq!(reads_and_writes(&handlers.proxy.take_calls()), (1, 0));
}
