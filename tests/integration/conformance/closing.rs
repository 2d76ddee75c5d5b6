//! The end: nobody is charged for a request that has ended, or gets the money back.

use super::provider::{Provider, Report};
use super::world::{AMOUNT, World};
use domain::event::link_url;
use domain::ports::{CheckoutState, Closes, PaymentProvider as _};
use domain::{CheckoutAttempt, Status};
use futures::future::join_all;
use std::time::Duration;

/// The number of requests that are paid around their deadline.
const REQUESTS: u32 = 24;

pub(super) async fn of_closing_and_paying_in_the_same_moment_one_wins<P: Provider>() {
    let world = World::<P>::with_limits(300, 3).await;
    let race = async |number: u32| {
        let (id, page) = world.clicked().await;
        let deadline = world.handlers.stored(&id).await.deadline;
        // From a little before the deadline until a little after, so that each comes first sometimes.
        let offset = Duration::from_millis((number * 5).into());
        let pay = async {
            tests::until(deadline.saturating_sub(Duration::from_millis(60)).saturating_add(offset)).await;
            world.pay(&page).await
        };
        let end = async {
            tests::until(deadline).await;
            world.look(&id).await;
        };
        let (paid, ()) = tokio::join!(pay, end);
        (id, page, paid)
    };
    let raced = join_all((0..REQUESTS).map(race)).await;
    for (number, (id, page, paid)) in raced.into_iter().enumerate() {
        // Half of the reports are lost.
        if paid == 303 && number % 2 == 0 {
            world.deliver(&id, Report::Paid).await;
        }
        let request = world.looked_at(&id).await;
        let charged = world.taken(&id).await.iter().map(|taken| taken.charged).sum::<i64>();
        match paid {
            // The customer was in time, or came too late and got the money back.
            303 => {
                assert_eq!(charged, AMOUNT);
                let end = if request.status == Status::Refunded { Status::Refunded } else { Status::Paid };
                world.assert_end(&id, end, "paid").await;
            }
            410 => {
                assert_ne!(P::CLOSES, Closes::Never);
                assert_eq!(charged, 0);
                world.assert_end(&id, Status::Expired, "closed").await;
            }
            other => panic!("{other} {page:?} {request:?}"),
        }
        assert!(request.due_at.is_none() || P::CLOSES == Closes::Never, "{request:?}");
    }
}

pub(super) async fn what_is_paid_after_the_end_is_impossible_or_goes_back<P: Provider>() {
    for reported in [true, false] {
        let world = World::<P>::with_limits(300, 1).await;
        let (id, page) = world.clicked().await;
        let deadline = world.handlers.stored(&id).await.deadline;
        tests::until(deadline).await;
        world.look(&id).await;
        world.assert_end(&id, Status::Expired, "unpaid").await;
        // Providers tell time in whole seconds, so only in the next one the customer is too late.
        tests::until(deadline.saturating_add(Duration::from_secs(1))).await;
        if P::CLOSES == Closes::Never {
            assert_eq!(world.pay(&page).await, 303);
            assert_eq!(world.kept(&id).await, AMOUNT, "the provider cannot refuse it");
            if reported {
                world.deliver(&id, Report::Paid).await;
                assert_eq!(world.status(&id).await, Status::RefundDue);
                drop(world.handlers.refund_due(&id).await);
            }
            world.looked_at(&id).await;
            world.assert_end(&id, Status::Refunded, "paid after the end").await;
        } else {
            assert_eq!(world.pay(&page).await, 410);
            world.assert_end(&id, Status::Expired, "closed").await;
            assert_eq!(world.handlers.stored(&id).await.due_at, None);
        }
    }
}

/// A transfer that begins after the look at the deadline is late, whenever its money comes.
pub(super) async fn a_transfer_begun_after_the_end_is_impossible_or_goes_back<P: Provider>() {
    let world = World::<P>::with_limits(300, 1).await;
    let (id, page) = world.clicked().await;
    let deadline = world.handlers.stored(&id).await.deadline;
    tests::until(deadline.saturating_add(Duration::from_secs(1))).await;
    world.look(&id).await;
    world.assert_end(&id, Status::Expired, "unpaid").await;
    if P::CLOSES != Closes::Never {
        assert_eq!(world.pay(&page).await, 410);
        return;
    }
    world.transfer(&page).await;
    assert_eq!(world.looked_at(&id).await.status, Status::Expired, "in flight, and too late");
    world.settle(&page, true).await;
    world.looked_at(&id).await;
    world.assert_end(&id, Status::Refunded, "begun after the end").await;
}

/// After a transfer that failed, the customer pays in another way: in time it counts, and late it goes back.
pub(super) async fn a_payment_after_a_failed_one_counts_if_it_is_in_time<P: Provider>() {
    for (seen, in_time) in [(true, true), (true, false), (false, true), (false, false)] {
        let world = World::<P>::with_limits(300, if in_time { 300 } else { 2 }).await;
        let (id, page) = world.clicked().await;
        world.transfer(&page).await;
        let request = world.handlers.stored(&id).await;
        if seen {
            let checked = world.handlers.check(&request.token.reveal()).await;
            assert_eq!(checked.status, 303, "{checked:?}");
        }
        world.settle(&page, false).await;
        if !in_time {
            world.end(&id).await;
            tests::until(request.deadline.saturating_add(Duration::from_secs(1))).await;
        }
        world.pay(&page).await;
        let is_charged = world.kept(&id).await == AMOUNT;
        world.end(&id).await;
        world.looked_at(&id).await;
        let end = match (is_charged, in_time) {
            (false, _) => Status::Expired,
            (true, true) => Status::Paid,
            (true, false) => Status::Refunded,
        };
        world.assert_end(&id, end, &format!("seen: {seen}, in time: {in_time}")).await;
        assert_eq!(world.kept(&id).await, if end == Status::Paid { AMOUNT } else { 0 });
    }
}

pub(super) async fn a_checkout_is_asked_and_closed_any_number_of_times<P: Provider>() {
    let world = World::<P>::start().await;
    let adapter = world.adapter();
    let checkout = async |id: &str| {
        let request = world.handlers.stored(id).await;
        let link = link_url(&request, "https://pay.example.com");
        adapter.find_checkout(&request, &link, CheckoutAttempt::FIRST, None).await.unwrap().unwrap()
    };
    let (unpaid, page) = world.clicked().await;
    let checked = checkout(&unpaid).await;
    assert_eq!(adapter.check_checkout(&checked).await.unwrap(), CheckoutState::Open);
    if World::<P>::closes_on_demand() {
        for _ in 0..3 {
            assert_eq!(adapter.close_checkout(&checked).await.unwrap(), CheckoutState::Closed);
            assert_eq!(adapter.check_checkout(&checked).await.unwrap(), CheckoutState::Closed);
        }
        assert_eq!(world.pay(&page).await, 410);
        assert_eq!(world.kept(&unpaid).await, 0);
    } else {
        for _ in 0..3 {
            assert_eq!(adapter.check_checkout(&checked).await.unwrap(), CheckoutState::Open);
        }
    }

    for arrives in [Some(true), Some(false), None] {
        let (id, page) = world.clicked().await;
        let checked = checkout(&id).await;
        match arrives {
            None => assert_eq!(world.pay(&page).await, 303),
            Some(_) => world.transfer(&page).await,
        }
        let mut states = Vec::new();
        for _ in 0..2 {
            if World::<P>::closes_on_demand() {
                states.push(adapter.close_checkout(&checked).await.unwrap());
            }
            states.push(adapter.check_checkout(&checked).await.unwrap());
        }
        states.dedup();
        assert_eq!(states.len(), 1, "closing changes nothing, and every answer is the same: {states:?}");
        let (payment, money) = match (&states[0], arrives) {
            (CheckoutState::Processing { payment, money }, Some(_)) => (payment.clone(), *money),
            (CheckoutState::Paid(paid), None) if paid.len() == 1 => (paid[0].payment.clone(), paid[0].money),
            (state, _) => panic!("{arrives:?}: {state:?}"),
        };
        assert_eq!((payment.provider.as_str(), money.amount.minor_units()), (P::NAME.as_str(), AMOUNT));
        let Some(arrives) = arrives else { continue };
        world.settle(&page, arrives).await;
        match adapter.check_checkout(&checked).await.unwrap() {
            CheckoutState::Paid(paid) if arrives => assert_eq!(paid[0].payment.reference, payment.reference),
            CheckoutState::Failed { references } if !arrives => assert_eq!(references, [payment.reference]),
            state => panic!("{arrives}: {state:?}"),
        }
    }
}

pub(super) async fn a_transfer_is_in_flight_until_it_arrives_or_fails<P: Provider>() {
    for (arrives, reported) in [(true, true), (true, false), (false, true), (false, false)] {
        let world = World::<P>::start().await;
        let (id, page) = world.clicked().await;
        world.transfer(&page).await;
        if reported && P::REPORTS.contains(&Report::InFlight) {
            world.deliver(&id, Report::InFlight).await;
        } else {
            world.end(&id).await;
        }
        assert_eq!(world.status(&id).await, Status::Processing);
        assert_eq!(world.looked_at(&id).await.status, Status::Processing, "however often it is asked");
        world.settle(&page, arrives).await;
        let report = if arrives { Report::Paid } else { Report::PaymentFailed };
        if reported && P::REPORTS.contains(&report) {
            world.deliver(&id, report).await;
        }
        world.looked_at(&id).await;
        let end = if arrives { Status::Paid } else { Status::Expired };
        world.assert_end(&id, end, &format!("arrives: {arrives}, reported: {reported}")).await;
        world.storm(&id, 3).await;
        world.assert_end(&id, end, "after every report").await;
    }
}
