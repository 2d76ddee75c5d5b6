//! Lost calls, lost answers and time-outs: every call is made again safely, and nobody is charged or refunded twice.

use super::provider::{Page, Provider, Report};
use super::wire::{Fault, Which};
use super::world::World;
use domain::event::link_url;
use domain::ports::{Closes, PaymentProvider as _, ProviderError, SettlementList, Settlements as _, Window};
use domain::{CheckoutAttempt, Clock as _, Status, SystemClock};
use futures::future::join_all;
use std::fmt::Debug;
use std::time::Duration;

/// How the calls of a life meet a fault.
type Ways = &'static [fn(usize) -> Which];
/// One call meets it, or all from there on.
const ONCE_AND_ALWAYS: Ways = &[Which::Only, Which::From];
const ALWAYS: Ways = &[Which::From];

/// Lives each of these lives for each fault, in a deployment of its own, with the fault at each call in turn. `live`
/// returns whether a call has met the fault; if none has, all calls have.
async fn at_every_call<P: Provider, L: Copy + Debug>(
    lives: &[(L, Ways)],
    live: impl AsyncFn(&World<P>, L, Which, Fault) -> bool,
) {
    let mut worlds = Vec::new();
    for fault in Fault::QUICK {
        worlds.push((fault, World::<P>::start().await));
    }
    let faults = worlds.iter().map(async |(fault, world)| {
        let fault = *fault;
        // Once, only a call that was executed differs from what all calls after it meet.
        let is_executed = matches!(fault, Fault::AnswerLost | Fault::Failure | Fault::Garbage);
        for (life, which) in lives.iter().flat_map(|(life, ways)| ways.iter().rev().map(move |which| (*life, which))) {
            if which(0) == Which::Only(0) && !is_executed {
                continue;
            }
            let mut calls = 0;
            while live(world, life, which(calls), fault).await {
                calls += 1;
                assert!(calls < 50, "{life:?}: {fault:?} is met for ever");
            }
            assert!(calls > 0, "{life:?}: {fault:?} is never met");
        }
    });
    join_all(faults).await;
}

pub(super) async fn a_click_survives_a_fault_at_every_call<P: Provider>() {
    at_every_call::<P, _>(&[((), ONCE_AND_ALWAYS)], async |world, (), which, fault| {
        let (id, token) = world.handlers.sent().await;
        world.wire.fail(which, fault);
        let first = world.handlers.click(&token).await;
        let is_met = world.wire.heal();
        let address = match first.status {
            303 => first.headers["location"].clone(),
            502 | 503 => {
                assert!(first.headers["location"].is_null(), "{which:?} {fault:?}: {first:?}");
                let second = world.click_again(&token).await;
                assert_eq!(second.status, 303, "{which:?} {fault:?}: {second:?}");
                second.headers["location"].clone()
            }
            _ => panic!("{which:?} {fault:?}: {first:?}"),
        };
        let pages = world.wire.pages(&id);
        if P::CHECKS_ADDRESSES {
            assert!(pages.iter().any(|page| address == page.url.as_str()), "only to the provider: {address}");
        }
        for page in &pages {
            assert_eq!(world.pay(page).await, 303);
        }
        world.report(&id, Report::Paid).await;
        world.storm(&id, 11).await;
        world.looked_at(&id).await;
        world.assert_end(&id, Status::Paid, &format!("{which:?} {fault:?}, {} pages", pages.len())).await;
        is_met
    })
    .await;
}

/// Whether the page of a request is known, and whether it is paid.
#[derive(Debug, Clone, Copy)]
struct Before {
    is_known: bool,
    is_paid: bool,
}

pub(super) async fn the_end_survives_a_fault_at_every_call<P: Provider>() {
    let lives = [
        (Before { is_known: true, is_paid: true }, ONCE_AND_ALWAYS),
        (Before { is_known: true, is_paid: false }, ONCE_AND_ALWAYS),
        (Before { is_known: false, is_paid: true }, ALWAYS),
        (Before { is_known: false, is_paid: false }, ALWAYS),
    ];
    at_every_call::<P, _>(&lives, async |world, before, which, fault| {
        let context = format!("{which:?} {fault:?} {before:?}");
        let (id, page) = if before.is_known { world.clicked().await } else { unknown_page(world).await };
        if before.is_paid {
            assert_eq!(world.pay(&page).await, 303);
        }
        world.wire.fail(which, fault);
        world.end(&id).await;
        let is_met = world.wire.heal();
        let end = if before.is_paid { Status::Paid } else { Status::Expired };
        let status = world.status(&id).await;
        assert!([Status::Clicked, end].contains(&status), "{context}: {status}");
        world.looked_at(&id).await;
        world.assert_end(&id, end, &context).await;
        if World::<P>::closes_on_demand() && !before.is_paid {
            assert_eq!(world.pay(&page).await, 410, "{context}");
        }
        is_met
    })
    .await;
}

/// Presses the button of a link while every answer is lost. Returns the request and its page, of which nobody knows.
async fn unknown_page<P: Provider>(world: &World<P>) -> (String, Page) {
    let (id, token) = world.handlers.sent().await;
    world.wire.fail(Which::From(0), Fault::AnswerLost);
    assert_eq!(world.handlers.click(&token).await.status, 503);
    world.wire.heal();
    let page = world.wire.pages(&id).pop().unwrap();
    (id, page)
}

pub(super) async fn a_refund_survives_a_fault_at_every_call<P: Provider>() {
    at_every_call::<P, _>(&[((), ONCE_AND_ALWAYS)], async |world, (), which, fault| {
        let context = format!("{which:?} {fault:?}");
        let (id, _) = world.due().await;
        world.wire.fail(which, fault);
        let first = world.handlers.refund_due(&id).await;
        let is_met = world.wire.heal();
        // The bus delivers the event again, perhaps twice.
        let (second, third) = tokio::join!(world.handlers.refund_due(&id), world.handlers.refund_due(&id));
        assert!(second.is_ok() && third.is_ok(), "{context}: {first:?}, {second:?}, {third:?}");
        world.looked_at(&id).await;
        world.assert_end(&id, Status::Refunded, &context).await;
        assert_eq!(world.taken(&id).await[0].refunds, 1, "{context}");
        is_met
    })
    .await;
}

/// The calls of the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Create,
    Find,
    Check,
    Close,
    Refund,
    List,
    Payment,
    Payouts,
}

impl Call {
    const ALL: [Self; 8] =
        [Self::Create, Self::Find, Self::Check, Self::Close, Self::Refund, Self::List, Self::Payment, Self::Payouts];

    /// Makes the call about a request.
    async fn make<P: Provider>(
        self,
        world: &World<P>,
        id: &str,
        attempt: CheckoutAttempt,
    ) -> Result<(), ProviderError> {
        let adapter = world.adapter();
        let request = world.handlers.stored(id).await;
        let link = link_url(&request, "https://pay.example.com");
        let find = || adapter.find_checkout(&request, &link, attempt, None);
        let hour = Duration::from_hours(1);
        let window =
            Window { from: SystemClock.now().saturating_sub(hour), to: SystemClock.now().saturating_add(hour) };
        let payment = request.payment.as_ref();
        match self {
            Self::Create => adapter.create_checkout(&request, &link, attempt).await.map(drop),
            Self::Find => find().await.map(drop),
            Self::Check => adapter.check_checkout(&find().await?.unwrap()).await.map(drop),
            Self::Close => adapter.close_checkout(&find().await?.unwrap()).await.map(drop),
            Self::Refund => adapter.refund(&request, payment.unwrap()).await.map(drop),
            Self::List => adapter.settlements(SettlementList::Payments, window, None).await.map(drop),
            Self::Payment => adapter.payment(&payment.unwrap().reference).await.map(drop),
            Self::Payouts => adapter.payouts(window, None).await.map(drop),
        }
    }
}

pub(super) async fn a_silent_provider_is_given_up_and_asked_again<P: Provider>() {
    // Only pages that close on demand are closed.
    let calls = Call::ALL.into_iter().filter(|call| *call != Call::Close || P::CLOSES == Closes::OnDemand);
    World::<P>::start().await;
    let silent = calls.map(async |call| {
        let world = World::<P>::start().await;
        let is_new = matches!(call, Call::Create | Call::Find);
        let id = if is_new { world.handlers.sent().await.0 } else { world.due().await.0 };
        world.wire.fail(Which::From(0), Fault::Silence);
        let first = call.make(&world, &id, CheckoutAttempt::FIRST).await;
        if world.wire.heal() {
            assert!(matches!(first, Err(ProviderError::Unavailable(_))), "{call:?}: {first:?}");
        }
        let again = call.make(&world, &id, CheckoutAttempt::FIRST.saturating_next()).await;
        assert!(again.is_ok(), "{call:?}: {again:?}");
        if !is_new {
            drop(world.handlers.refund_due(&id).await);
            world.looked_at(&id).await;
            world.assert_end(&id, Status::Refunded, &format!("{call:?}")).await;
            assert_eq!(world.taken(&id).await[0].refunds, 1, "{call:?}");
        }
    });
    join_all(silent).await;
}

/// A refusal says something about the call, and not about the money: the key may be wrong, or withdrawn.
pub(super) async fn a_refusal_is_not_taken_for_an_end<P: Provider>() {
    for is_known in [true, false] {
        let world = World::<P>::start().await;
        let (id, page) = if is_known { world.clicked().await } else { unknown_page(&world).await };
        assert_eq!(world.pay(&page).await, 303);
        world.wire.fail(Which::From(0), Fault::Refusal);
        world.end(&id).await;
        assert!(world.wire.heal());
        assert_eq!(world.status(&id).await, Status::Clicked);
        world.looked_at(&id).await;
        world.assert_end(&id, Status::Paid, "after a refusal").await;
    }
}
