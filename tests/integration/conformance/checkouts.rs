//! Pages: a request has one, or at least one payment that counts.

use super::provider::{Provider, Report};
use super::wire::{Fault, Which};
use super::world::{AMOUNT, World};
use domain::event::link_url;
use domain::ports::{CheckoutState, Closes, PaymentProvider as _};
use domain::{CheckoutAttempt, CheckoutId, Status};
use futures::future::join_all;

pub(super) async fn one_page_however_often_it_is_asked_for<P: Provider>() {
    let world = World::<P>::start().await;
    let (id, token) = world.handlers.sent().await;
    let together = join_all((0..5).map(|_| world.handlers.click(&token))).await;
    let again = world.handlers.click(&token).await;
    assert_eq!(again.status, 303);
    let addresses = together.iter().chain([&again]).filter(|answer| answer.status == 303);
    let pages = world.wire.pages(&id);
    // Presses of the same moment may each make a page, where the provider does not recognize a repeated call.
    assert!(pages.len() == 1 || !P::RECOGNIZES_REPEATED_CALLS, "{pages:?}");
    for answer in addresses {
        assert!(pages.iter().any(|page| answer.headers["location"] == page.url.as_str()), "{answer:?}");
    }
    let later = world.click_again(&token).await;
    assert_eq!((later.status, &later.headers["location"]), (303, &again.headers["location"]));
    assert_eq!(world.wire.pages(&id).len(), pages.len(), "a page that is known is not made again");
    for page in &pages {
        assert_eq!(world.pay(page).await, 303);
    }
    world.report(&id, Report::Paid).await;
    world.storm(&id, 12).await;
    world.looked_at(&id).await;
    world.assert_end(&id, Status::Paid, "pressed seven times").await;
}

/// Answers are lost, so that the provider may have made a page of which nobody knows. The customer pays on all that
/// there are.
pub(super) async fn one_counted_payment_however_many_pages_there_are<P: Provider>() {
    for reported in [true, false] {
        let world = World::<P>::start().await;
        let (id, token) = world.handlers.sent().await;
        world.wire.fail(Which::From(0), Fault::AnswerLost);
        assert_eq!(world.handlers.click(&token).await.status, 503);
        assert!(world.wire.heal());
        let again = world.click_again(&token).await;
        assert_eq!(again.status, 303, "{again:?}");
        let pages = world.wire.pages(&id);
        assert_eq!(again.headers["location"], pages.last().unwrap().url.as_str(), "{pages:?}");
        for page in &pages {
            assert_eq!(world.pay(page).await, 303);
        }
        if reported {
            world.storm(&id, 17).await;
        } else {
            world.end(&id).await;
        }
        // What was paid twice goes back by itself.
        let request = world.looked_at(&id).await;
        assert_eq!(request.due_at, None, "nothing is left to do");
        world.assert_end(&id, Status::Paid, &format!("reported: {reported}, {} pages", pages.len())).await;
        // And stays so, whatever is reported afterwards.
        world.storm(&id, 18).await;
        world.looked_at(&id).await;
        world.assert_end(&id, Status::Paid, "after every report").await;
    }
}

pub(super) async fn a_checkout_is_found_whether_or_not_its_answer_arrived<P: Provider>() {
    let world = World::<P>::start().await;
    let adapter = world.adapter();
    for fault in [None, Some(Fault::AnswerLost), Some(Fault::RequestLost)] {
        let (id, token) = world.handlers.sent().await;
        world.wire.fail(Which::From(if fault.is_some() { 0 } else { usize::MAX }), fault.unwrap_or(Fault::Failure));
        world.handlers.click(&token).await;
        world.wire.heal();
        let request = world.handlers.stored(&id).await;
        let link = link_url(&request, "https://pay.example.com");
        let find = async |known: Option<CheckoutId>| {
            adapter.find_checkout(&request, &link, CheckoutAttempt::FIRST, known).await.unwrap()
        };
        let found = find(None).await;
        assert_eq!(found, find(None).await, "{fault:?}: it is found again");
        let Some(found) = found else {
            // Nobody can pay, and nobody is about to make a page.
            assert_eq!((fault, P::CLOSES != Closes::OnDemand), (Some(Fault::RequestLost), true));
            continue;
        };
        assert_eq!(find(Some(found.clone())).await, Some(found.clone()), "{fault:?}: one that is known is found");
        assert_eq!(adapter.check_checkout(&found).await.unwrap(), CheckoutState::Open, "{fault:?}");
        // Whoever finds a page that was paid all the same finds its payment.
        let Some(page) = world.wire.pages(&id).pop() else { continue };
        assert_eq!(world.pay(&page).await, 303);
        match adapter.check_checkout(&found).await.unwrap() {
            CheckoutState::Paid(paid) => assert_eq!(paid[0].money.amount.minor_units(), AMOUNT),
            state => panic!("{fault:?}: {state:?}"),
        }
    }
}

/// A look that settled nothing keeps the checkout that it has found. Later looks know it, and not the attempts.
pub(super) async fn a_checkout_that_is_known_stands_for_every_attempt<P: Provider>() {
    let world = World::<P>::start().await;
    let adapter = world.adapter();
    let (id, first) = world.clicked().await;
    let request = world.handlers.stored(&id).await;
    let second = CheckoutAttempt::FIRST.saturating_next();
    world.create_page(&request, second).await;
    let last = world.wire.pages(&id).pop().unwrap();
    assert_eq!(last == first, P::RECOGNIZES_REPEATED_CALLS);
    assert_eq!(world.pay(&last).await, 303);
    let link = link_url(&request, "https://pay.example.com");
    let found = adapter.find_checkout(&request, &link, second, None).await.unwrap().unwrap();
    let known = adapter.find_checkout(&request, &link, CheckoutAttempt::FIRST, Some(found.clone())).await.unwrap();
    assert_eq!(known, Some(found.clone()));
    assert!(matches!(adapter.check_checkout(&found).await.unwrap(), CheckoutState::Paid { .. }));
}

pub(super) async fn a_declined_card_is_no_payment_and_another_one_pays<P: Provider>() {
    let world = World::<P>::start().await;
    let (id, page) = world.clicked().await;
    for _ in 0..2 {
        world.decline(&page).await;
        world.deliver(&id, Report::Declined).await;
        assert_eq!(world.status(&id).await, Status::Clicked);
    }
    assert_eq!(world.pay(&page).await, 303);
    world.deliver(&id, Report::Paid).await;
    world.assert_end(&id, Status::Paid, "after two declined cards").await;
    // Nor is a request paid whose customer gave up after a declined card.
    let (id, page) = world.clicked().await;
    world.decline(&page).await;
    if P::CLOSES != Closes::AtItsTime {
        world.end(&id).await;
        world.assert_end(&id, Status::Expired, "after a declined card").await;
    }
}
