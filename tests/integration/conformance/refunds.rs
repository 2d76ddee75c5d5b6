//! Refunds: whole and once, however the provider ends them.

use super::provider::{Provider, RefundsEnd, Report, Taken};
use super::wire::{Fault, Which};
use super::world::{AMOUNT, World};
use domain::{Amount, Money, Status};

fn rand(minor_units: i64) -> Money {
    Money { amount: Amount::new(minor_units).unwrap(), currency: "ZAR".parse().unwrap() }
}

/// The one refund of the whole payment.
const ONE: Taken = Taken { charged: AMOUNT, returned: AMOUNT, refunds: 1 };

pub(super) async fn late_money_goes_back_once_and_whole<P: Provider>() {
    let world = World::<P>::start().await;
    let (id, _) = world.due().await;
    for _ in 0..2 {
        let (one, other) = tokio::join!(world.handlers.refund_due(&id), world.handlers.refund_due(&id));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    }
    for report in [Report::RefundAccepted, Report::Refunded] {
        world.deliver(&id, report).await;
    }
    world.assert_end(&id, Status::Refunded, "refunded four times").await;
    world.storm(&id, 5).await;
    world.looked_at(&id).await;
    world.assert_end(&id, Status::Refunded, "after every report").await;
    assert_eq!(world.taken(&id).await, [ONE]);
}

pub(super) async fn a_refused_refund_stays_due_and_is_asked_for_again<P: Provider>() {
    let world = World::<P>::start().await;
    let (id, _) = world.due().await;
    world.wire.fail(Which::From(0), Fault::Refusal);
    for _ in 0..2 {
        world.handlers.refund_due(&id).await.unwrap_err();
        assert_eq!(world.status(&id).await, Status::RefundDue);
    }
    assert!(world.wire.heal());
    assert_eq!(world.kept(&id).await, AMOUNT);
    world.looked_at(&id).await;
    world.assert_end(&id, Status::Refunded, "by the next look").await;
    assert_eq!(world.taken(&id).await, [ONE]);
}

pub(super) async fn a_refund_is_complete_when_its_money_has_gone_back<P: Provider>() {
    for reported in [true, false] {
        let world = World::<P>::start().await;
        let (id, page) = world.due().await;
        if !P::REFUNDS_TAKE_TIME {
            world.handlers.refund_due(&id).await.unwrap();
            world.assert_end(&id, Status::Refunded, "at once").await;
            continue;
        }
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Wait).await;
        for _ in 0..3 {
            world.handlers.refund_due(&id).await.unwrap();
        }
        world.deliver(&id, Report::RefundAccepted).await;
        world.storm(&id, 6).await;
        assert_eq!(world.looked_at(&id).await.status, Status::RefundDue, "it is accepted, and no more");
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Succeed).await;
        if reported {
            world.deliver(&id, Report::Refunded).await;
        } else {
            world.looked_at(&id).await;
        }
        world.assert_end(&id, Status::Refunded, &format!("reported: {reported}")).await;
        assert_eq!(world.taken(&id).await, [ONE]);
    }
}

pub(super) async fn a_refund_that_fails_later_stays_due_until_a_new_one_succeeds<P: Provider>() {
    if !P::REFUNDS_TAKE_TIME {
        return;
    }
    for reported in [true, false] {
        let world = World::<P>::start().await;
        let (id, page) = world.due().await;
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Wait).await;
        world.handlers.refund_due(&id).await.unwrap();
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Fail).await;
        if reported {
            world.deliver(&id, Report::RefundFailed).await;
            world.storm(&id, 7).await;
        }
        assert_eq!(world.status(&id).await, Status::RefundDue);
        assert_eq!(world.kept(&id).await, AMOUNT);
        P::end_refunds(&world.stand_in, &page, RefundsEnd::Succeed).await;
        let (one, other) = tokio::join!(world.handlers.refund_due(&id), world.handlers.refund_due(&id));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        world.looked_at(&id).await;
        world.storm(&id, 8).await;
        world.assert_end(&id, Status::Refunded, &format!("reported: {reported}")).await;
        assert_eq!(world.taken(&id).await, [ONE]);
    }
}

pub(super) async fn what_a_person_refunds_is_not_refunded_again<P: Provider>() {
    for part in [AMOUNT, 10_000] {
        if part < AMOUNT && !P::REFUNDS_IN_PARTS {
            continue;
        }
        let world = World::<P>::start().await;
        let (id, page) = world.due().await;
        P::refund_by_hand(&world.stand_in, &id, &page, rand(part)).await;
        let (one, other) = tokio::join!(world.handlers.refund_due(&id), world.handlers.refund_due(&id));
        assert!(one.is_ok() && other.is_ok(), "{part}: {one:?} {other:?}");
        world.looked_at(&id).await;
        world.storm(&id, 9).await;
        world.assert_end(&id, Status::Refunded, &format!("{part} by a person")).await;
        let [taken] = world.taken(&id).await[..] else { panic!("one page") };
        assert_eq!((taken.charged, taken.returned), (AMOUNT, AMOUNT), "{part}");
    }
}

pub(super) async fn a_refund_that_was_not_due_changes_nothing<P: Provider>() {
    for part in [AMOUNT, 10_000] {
        let world = World::<P>::start().await;
        let (id, page) = world.clicked().await;
        assert_eq!(world.pay(&page).await, 303);
        world.deliver(&id, Report::Paid).await;
        P::refund_by_hand(&world.stand_in, &id, &page, rand(part)).await;
        world.deliver(&id, Report::RefundAccepted).await;
        world.storm(&id, 10).await;
        let request = world.looked_at(&id).await;
        assert_eq!((request.status, request.version()), (Status::Paid, 3), "a person's decision: {part}");
        assert_eq!(world.taken(&id).await[0].returned, part);
        world.handlers.refund_due(&id).await.unwrap();
        assert_eq!(world.taken(&id).await[0].returned, part, "and no other refund follows");
    }
}
