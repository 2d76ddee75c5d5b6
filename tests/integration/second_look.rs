//! Nothing waits for a report alone: whatever is open at the provider is asked about again until it has settled.

use domain::limits::{FIRST_LOOK, LONGEST_LOOK, LOOKS_AT_EXPIRED, PROVIDER_GRACE};
use domain::ports::DueIndex as _;
use domain::{Status, Timestamp};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tests::handlers::{Handlers, assert_possible};
use tests::log::Log;
use tests::provider::OnClose;
use tests::proxy::Fault;

const HOUR: Duration = Duration::from_hours(1);

fn before(moment: Timestamp) -> Timestamp {
    moment.saturating_sub(Duration::from_secs(1))
}

/// Runs `expire` at every moment at which something is due until this one, as the schedule does. Returns the number of
/// runs.
async fn sweep_until(handlers: &Arc<Handlers>, id: &str, end: Timestamp) -> usize {
    for run in 0.. {
        match handlers.stored(id).await.due_at {
            Some(due_at) if due_at <= end => handlers.at(due_at).expire_what_is_due().await,
            _ => return run,
        }
    }
    unreachable!("the range has no end")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_customer_whose_reports_were_lost_is_paid_when_they_come_back_or_at_the_deadline() {
    let handlers = Handlers::start().await;
    for comes_back in [true, false] {
        let (id, token) = handlers.clicked().await;
        let deadline = handlers.stored(&id).await.deadline;
        handlers.provider.on_close(&id, OnClose::Paid(before(deadline), 25_000));
        if comes_back {
            assert_eq!(handlers.check(&token).await.status, 303);
        } else {
            handlers.at(deadline).expire_what_is_due().await;
        }
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.due_at), (Status::Paid, None), "{comes_back}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_expired_while_the_provider_was_away_is_closed_or_paid_when_it_is_back() {
    for state in [OnClose::Closes, OnClose::Failed] {
        let handlers = Handlers::start().await;
        let (id, _) = handlers.clicked().await;
        let deadline = handlers.stored(&id).await.deadline;
        handlers.provider.set_unreachable(true);
        let away_until = deadline.saturating_add(HOUR);
        let runs = sweep_until(&handlers, &id, away_until).await;
        assert!((12..30).contains(&runs), "each minute at first, then ever more rarely: {runs}");
        let request = handlers.stored(&id).await;
        let waited = request.updated_at().saturating_duration_since(deadline);
        assert_eq!(request.status, Status::Expired, "{state:?}");
        assert!(waited >= PROVIDER_GRACE && waited <= PROVIDER_GRACE + 2 * FIRST_LOOK, "{waited:?}");
        assert_eq!(request.deadline, deadline, "late money is still judged by the deadline");
        assert!(!handlers.provider.has_closed(&id), "the page is still open");

        handlers.provider.set_unreachable(false);
        handlers.provider.on_close(&id, state.clone());
        sweep_until(&handlers, &id, away_until.saturating_add(LONGEST_LOOK)).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.due_at), (Status::Expired, None), "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_in_flight_is_asked_about_until_it_has_come_or_failed() {
    for state in [OnClose::Failed, OnClose::Closes] {
        let handlers = Handlers::start().await;
        let (id, _) = handlers.clicked().await;
        let request = handlers.stored(&id).await;
        let (deadline, paid_at) = (request.deadline, before(request.deadline));
        handlers.process(&id, paid_at).await;
        handlers.provider.on_close(&id, OnClose::Processing(paid_at, 25_000));
        let days = deadline.saturating_add(Duration::from_hours(72));
        let runs = sweep_until(&handlers, &id, days).await;
        assert!((10..40).contains(&runs), "three days at six hours, and some looks before: {runs}");
        assert_eq!(handlers.stored(&id).await.status, Status::Processing);
        assert_eq!(
            handlers.store().waiting().await.unwrap(),
            [(Status::Processing, 1), (Status::RefundDue, 0), (Status::Expired, 0)]
        );
        handlers.provider.on_close(&id, state.clone());
        sweep_until(&handlers, &id, days.saturating_add(LONGEST_LOOK)).await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.due_at), (Status::Expired, None), "{state:?}");
        assert!(request.payment_failed(), "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_owed_goes_back_as_soon_as_the_provider_takes_it_without_any_event() {
    let handlers = Handlers::start().await;
    let (id, _) = handlers.sent().await;
    handlers.cancel(&id).await;
    let paid_at = handlers.stored(&id).await.updated_at();
    handlers.pay(&id, paid_at).await;
    handlers.provider.set_unreachable(true);
    let away_until = paid_at.saturating_add(24 * HOUR);
    sweep_until(&handlers, &id, away_until).await;
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    handlers.provider.set_unreachable(false);
    sweep_until(&handlers, &id, away_until.saturating_add(LONGEST_LOOK)).await;
    let request = handlers.stored(&id).await;
    assert_possible(&request);
    assert_eq!((request.status, handlers.provider.refunds(&id)), (Status::Refunded, 1));
}

/// The schedule never runs here.
#[tokio::test(flavor = "multi_thread")]
async fn the_removal_of_links_alone_settles_a_request_whose_provider_was_away() {
    let handlers = Handlers::start().await;
    let (id, token) = handlers.clicked().await;
    let deadline = handlers.stored(&id).await.deadline;
    handlers.provider.set_unreachable(true);
    handlers.remove_link(&token).await;
    handlers.at(deadline).link_removed(&id).await;
    assert_eq!(handlers.stored(&id).await.status, Status::Clicked);
    let kept_until = handlers.link_time_to_live(&token).await;
    assert!(kept_until > deadline.as_seconds_ceiling(), "the link is stored again, to be removed again");
    handlers.provider.set_unreachable(false);
    handlers.provider.on_close(&id, OnClose::Paid(before(deadline), 25_000));
    handlers.at(deadline.saturating_add(2 * FIRST_LOOK)).link_removed(&id).await;
    assert_eq!(handlers.stored(&id).await.status, Status::Paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_pages_never_close_late_money_is_found_and_goes_back_without_any_report() {
    let handlers = Handlers::with_variables(300, 900, &[("SANDBOX_CLOSES", "never".to_owned())]).await;
    let (id, token) = handlers.clicked().await;
    let deadline = handlers.stored(&id).await.deadline;
    handlers.at(deadline).expire_what_is_due().await;
    let request = handlers.stored(&id).await;
    assert_eq!(request.status, Status::Expired, "the request ends as it would without a payment");
    assert!(request.due_at.is_some() && !handlers.provider.has_closed(&id), "the provider is asked again, not told");
    assert_eq!(handlers.get(&id).await.body["payment_page_may_be_open"], true);
    let page = handlers.at(deadline.saturating_add(FIRST_LOOK)).open(&token).await;
    assert_eq!(page.status, 410);
    assert!(!page.body.as_str().unwrap().contains("<form"), "our page offers no way to pay any more");

    // The customer pays on the page that they have open, and nothing is reported.
    let paid_at = deadline.saturating_add(HOUR);
    handlers.provider.on_close(&id, OnClose::Paid(paid_at, 25_000));
    sweep_until(&handlers, &id, paid_at.saturating_add(LONGEST_LOOK)).await;
    let request = handlers.stored(&id).await;
    assert_possible(&request);
    assert_eq!((request.status, handlers.provider.refunds(&id)), (Status::Refunded, 1));
    assert_eq!(handlers.get(&id).await.body.get("payment_page_may_be_open"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_never_closes_is_not_asked_about_for_ever() {
    let handlers = Handlers::with_variables(300, 900, &[("SANDBOX_CLOSES", "never".to_owned())]).await;
    let (id, _) = handlers.clicked().await;
    let deadline = handlers.stored(&id).await.deadline;
    let end = deadline.saturating_add(LOOKS_AT_EXPIRED).saturating_add(2 * LONGEST_LOOK);
    let runs = sweep_until(&handlers, &id, end).await;
    assert!((20..60).contains(&runs), "a week at six hours, and some looks before: {runs}");
    assert_eq!(handlers.stored(&id).await.due_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_closes_at_its_time_is_asked_about_and_not_told_to_close() {
    for state in [OnClose::Closes, OnClose::Failed] {
        let handlers = Handlers::with_variables(300, 900, &[("SANDBOX_CLOSES", "at_its_time".to_owned())]).await;
        let (id, _) = handlers.clicked().await;
        let deadline = handlers.stored(&id).await.deadline;
        // The provider's clock is a little behind.
        handlers.at(deadline).expire_what_is_due().await;
        assert_eq!(handlers.stored(&id).await.status, Status::Clicked, "a page that is open may still be paid");
        handlers.provider.on_close(&id, state.clone());
        sweep_until(&handlers, &id, deadline.saturating_add(2 * FIRST_LOOK)).await;
        let request = handlers.stored(&id).await;
        assert_eq!((request.status, request.due_at), (Status::Expired, None), "{state:?}");
        let asked_to_close =
            handlers.provider.calls().iter().any(|call| call["call"].as_str().unwrap().ends_with("/close"));
        assert!(!asked_to_close);
    }
}

#[tokio::test]
async fn those_whose_time_is_over_without_the_providers_answer_are_counted_in_every_run() {
    let handlers = Handlers::start().await;
    let requests = join_all((0..40).map(|_| handlers.clicked())).await;
    let mut deadline = handlers.stored(&requests[0].0).await.deadline;
    for (id, _) in &requests {
        deadline = deadline.max(handlers.stored(id).await.deadline);
    }
    let overdue = async |now: Timestamp| {
        let log = Log::default();
        let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        let _guard = tracing::subscriber::set_default(everything.with_writer(log.clone()).finish());
        handlers.at(now).expire_what_is_due().await;
        let text = log.take();
        let line = text.lines().find(|line| line.contains("OverdueWaiting")).unwrap_or_default().to_owned();
        line.split_once("value=").map_or(line.clone(), |(_, value)| value.split(' ').next().unwrap().to_owned())
    };
    // The circuit opens, and those that nobody asks about are counted all the same.
    handlers.provider.set_unreachable(true);
    assert_eq!(overdue(deadline).await, "40");
    handlers.provider.set_unreachable(false);
    assert_eq!(overdue(deadline.saturating_add(2 * FIRST_LOOK)).await, "0");
}

/// Release 0.1 took requests out of the index when it began to wait for the provider's report.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_since_release_0_1_is_looked_at_after_the_next_daily_run() {
    let handlers = Handlers::start().await;
    let (processing, _) = handlers.clicked().await;
    let request = handlers.stored(&processing).await;
    handlers.process(&processing, before(request.deadline)).await;
    let (owed, _) = handlers.sent().await;
    handlers.cancel(&owed).await;
    handlers.pay(&owed, request.updated_at()).await;
    let (paid, _) = handlers.clicked().await;
    handlers.pay(&paid, request.updated_at()).await;
    let mut deadlines = Vec::new();
    for id in [&processing, &owed] {
        deadlines.push(handlers.stored(id).await.deadline);
        let mut item = handlers.item(&format!("REQ#{id}")).await;
        let deadline = item.remove("deadline").unwrap();
        item.insert("due_at".to_owned(), deadline);
        item.remove("due_shard").unwrap();
        handlers.put_item(item).await;
        assert_eq!(handlers.stored(id).await.due_at, None);
    }
    let tomorrow = request.deadline.saturating_add(24 * HOUR);
    let environment = handlers.environment().clone().with_doors(tests::doors_at(tomorrow));
    let daily = reconcile::function(&environment).unwrap();
    handlers.proxy.fail_next_writes(&[Fault::AnswerLost]);
    daily.invoke("{}").await.unwrap();
    for (id, deadline) in [&processing, &owed].into_iter().zip(deadlines) {
        let seen = handlers.stored(id).await;
        assert_eq!((seen.due_at, seen.deadline), (Some(tomorrow), deadline), "{:?}", seen.status);
    }
    assert_eq!(handlers.stored(&paid).await.due_at, None);
    handlers.provider.on_close(&processing, OnClose::Paid(before(request.deadline), 25_000));
    handlers.at(tomorrow).expire_what_is_due().await;
    assert_eq!(handlers.stored(&processing).await.status, Status::Paid);
    assert_eq!((handlers.stored(&owed).await.status, handlers.provider.refunds(&owed)), (Status::Refunded, 1));

    // The walk is made once: the next day's run only reads that it is complete.
    handlers.proxy.take_calls();
    daily.invoke("{}").await.unwrap();
    assert!(handlers.proxy.take_calls().iter().all(|call| call.operation == "GetItem"));
}
