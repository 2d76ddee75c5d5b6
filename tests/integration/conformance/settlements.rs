//! The lists of what a provider took and gave back, which reconciliation reads.

use super::provider::{Page, Provider, RefundsEnd};
use super::wire::{Fault, Which};
use super::world::{AMOUNT, World};
use domain::ports::{
    PaymentsPage, PayoutsPage, ProviderError, ProviderPayment, SettlementList, SettlementState, Settlements as _,
    Window,
};
use domain::{Amount, CheckoutAttempt, Clock as _, Doors, Money, PaymentRequest, PaymentRequestId, SystemClock};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The number of payments: more than fit on a page of any provider.
const PAYMENTS: usize = 110;
/// The greatest number of elements of a page.
const PAGE: usize = 100;

/// What happened to a payment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fact {
    refunded: i64,
    disputed: bool,
}

fn window() -> Window {
    let hour = Duration::from_hours(1);
    Window { from: SystemClock.now().saturating_sub(hour), to: SystemClock.now().saturating_add(hour) }
}

fn rand(minor_units: i64) -> Money {
    Money { amount: Amount::new(minor_units).unwrap(), currency: "ZAR".parse().unwrap() }
}

/// Makes the page of a new request like this one, which is not stored.
async fn page<P: Provider>(world: &World<P>, like: &PaymentRequest) -> (String, Page) {
    let request = PaymentRequest { id: PaymentRequestId::new(&Doors::default()).unwrap(), ..like.clone() };
    world.create_page(&request, CheckoutAttempt::FIRST).await;
    let id = request.id.to_string();
    let page = world.wire.pages(&id).pop().unwrap();
    (id, page)
}

/// Reads a list to its end. Returns its payments by request, as they were listed last.
async fn read<P: Provider>(
    world: &World<P>,
    list: SettlementList,
    window: Window,
) -> Result<BTreeMap<String, ProviderPayment>, ProviderError> {
    let (mut payments, mut place) = (BTreeMap::new(), None);
    for _ in 0..50 {
        let PaymentsPage { payments: listed, unknown, next } =
            world.adapter().settlements(list, window, place.as_deref()).await?;
        assert!(listed.len() <= PAGE && unknown == 0, "{} payments, {unknown} unknown", listed.len());
        payments.extend(listed.into_iter().map(|payment| (payment.id.to_string(), payment)));
        place = next;
        if place.is_none() {
            return Ok(payments);
        }
    }
    panic!("the list has no end");
}

/// Reads the payouts to their end. Returns the payout of each entry.
async fn payouts<P: Provider>(world: &World<P>) -> BTreeMap<String, String> {
    let (mut payouts, mut place) = (BTreeMap::new(), None);
    loop {
        let PayoutsPage { entries, next } = world.adapter().payouts(window(), place.as_deref()).await.unwrap();
        payouts.extend(entries.into_iter().map(|entry| (entry.balance_entry, entry.payout)));
        place = next;
        if place.is_none() {
            return payouts;
        }
    }
}

pub(super) async fn the_lists_agree_with_what_happened_page_by_page<P: Provider>() {
    let world = World::<P>::start().await;
    let (sent, _) = world.handlers.sent().await;
    let like = world.handlers.stored(&sent).await;
    let mut facts: BTreeMap<String, Fact> = BTreeMap::new();
    let mut pages = Vec::new();
    for number in 0..PAYMENTS {
        let (id, page) = page(&world, &like).await;
        assert_eq!(world.pay(&page).await, 303);
        let mut fact = Fact::default();
        if [3, 50, 108].contains(&number) {
            fact.refunded = AMOUNT;
        } else if [4, 109].contains(&number) {
            fact.refunded = 1_000;
        } else if [5, 107].contains(&number) {
            fact.disputed = true;
            P::dispute(&world.stand_in, &page).await;
        }
        if fact.refunded > 0 {
            if P::REFUNDS_TAKE_TIME {
                // In flight, money has gone back as well.
                let end = if number == 50 { RefundsEnd::Wait } else { RefundsEnd::Succeed };
                P::end_refunds(&world.stand_in, &page, end).await;
            }
            P::refund_by_hand(&world.stand_in, &id, &page, rand(fact.refunded)).await;
        }
        facts.insert(id, fact);
        pages.push(page);
    }
    // What is no payment, or not yet: an unpaid page, a declined card, a transfer in flight and one that failed.
    let _unpaid = page(&world, &like).await;
    let (_, declined) = page(&world, &like).await;
    world.decline(&declined).await;
    let (in_flight, slow) = page(&world, &like).await;
    world.transfer(&slow).await;
    let (failed, failing) = page(&world, &like).await;
    world.transfer(&failing).await;
    world.settle(&failing, false).await;
    P::pay_another_system(&world.stand_in).await;
    P::pay_out(&world.stand_in).await;

    let refunds = read(&world, SettlementList::Refunds, window()).await.unwrap();
    let disputes = read(&world, SettlementList::Disputes, window()).await.unwrap();
    let mut listed = read(&world, SettlementList::Payments, window()).await.unwrap();
    // Money that is going back may be in the list of refunds alone.
    for (id, payment) in &refunds {
        listed.entry(id.clone()).or_insert_with(|| payment.clone());
    }
    let settled: BTreeSet<&String> =
        listed.iter().filter(|(_, payment)| payment.state == SettlementState::Settled).map(|(id, _)| id).collect();
    assert_eq!(settled, facts.keys().collect(), "each payment of ours that has arrived, and no other money");
    for (id, state) in [(&in_flight, SettlementState::Pending), (&failed, SettlementState::Failed)] {
        assert!(listed.get(id).is_none_or(|payment| payment.state == state), "{:?}", listed.get(id));
    }
    let having =
        |has: fn(&Fact) -> bool| facts.iter().filter(|(_, fact)| has(fact)).map(|(id, _)| id.clone()).collect();
    assert_eq!(refunds.keys().cloned().collect::<BTreeSet<_>>(), having(|fact| fact.refunded > 0));
    assert_eq!(disputes.keys().cloned().collect::<BTreeSet<_>>(), having(|fact| fact.disputed));
    assert!(disputes.values().all(|payment| payment.disputed), "{disputes:?}");

    let payouts = payouts(&world).await;
    for (id, fact) in &facts {
        let payment = &listed[id];
        let context = format!("{fact:?} {payment:?}");
        assert_eq!(payment.money, Some(rand(AMOUNT)), "{context}");
        assert!(window().contains(payment.paid_at), "{context}");
        assert!(payment.fee.is_some(), "{context}");
        let payout = payment.payout.as_ref().or_else(|| payouts.get(payment.balance_entry.as_ref()?));
        assert!(payout.is_some(), "each has its payout: {context}, {payouts:?}");
        let single = world.adapter().payment(&payment.reference).await.unwrap().unwrap();
        // The list of refunds or disputes may be the only one that knows of them.
        for seen in [Some(&single), refunds.get(id), disputes.get(id)].into_iter().flatten() {
            assert_eq!((seen.id, &seen.reference, seen.money), (payment.id, &payment.reference, payment.money));
            assert_eq!((seen.paid_at, seen.state), (payment.paid_at, payment.state), "{context}");
        }
        let refunded = (fact.refunded > 0).then(|| rand(fact.refunded));
        assert_eq!(refunds.get(id).map_or(single.refunded, |payment| payment.refunded), refunded, "{context}");
        assert_eq!(single.refunded, refunded, "{context}");
        assert_eq!(single.disputed, fact.disputed, "{context}");
        assert!(payment.refunded.is_none_or(|of_list| Some(of_list) == refunded), "{context}");
    }

    // Another window, and a payment that there is not.
    let day = Duration::from_hours(24);
    let before = Window { from: window().from.saturating_sub(day), to: window().to.saturating_sub(day) };
    for list in [SettlementList::Payments, SettlementList::Refunds, SettlementList::Disputes] {
        assert_eq!(read(&world, list, before).await.unwrap(), BTreeMap::new(), "{list:?}");
    }
    for reference in ["pi_unknown", "pay_unknown", &format!("{sent}-1"), "../payments", ""] {
        assert_eq!(world.adapter().payment(reference).await.unwrap(), None, "{reference}");
    }
}

pub(super) async fn a_list_whose_calls_fail_is_read_on_from_its_place<P: Provider>() {
    let world = World::<P>::start().await;
    let (id, page) = world.clicked().await;
    assert_eq!(world.pay(&page).await, 303);
    let adapter = world.adapter();
    let list = async |place: Option<&str>| adapter.settlements(SettlementList::Payments, window(), place).await;
    for fault in
        [Fault::RequestLost, Fault::AnswerLost, Fault::Failure, Fault::TooMany, Fault::Garbage, Fault::Truncated]
    {
        let (mut found, mut place, mut failures) = (false, None, 0);
        // The first try of each page fails.
        loop {
            world.wire.fail(Which::From(0), fault);
            let first = list(place.as_deref()).await;
            assert!(world.wire.heal() && first.is_err(), "{fault:?}: {first:?}");
            failures += 1;
            let PaymentsPage { payments, next, .. } = list(place.as_deref()).await.unwrap();
            found |= payments.iter().any(|payment| payment.id.to_string() == id);
            place = next;
            // Other tests' payments are in the list, too.
            if place.is_none() || failures == 3 && found {
                break;
            }
        }
        assert!(found, "{fault:?}");
    }
}
