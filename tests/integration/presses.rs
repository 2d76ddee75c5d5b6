//! Presses on a link: what they cost at the provider, and that no payment page of theirs is lost.

use domain::limits::{CALL_INTERVAL, FIRST_LOOK};
use domain::ports::{Checkout, Links as _};
use domain::{CheckoutAttempt, CheckoutId, Clock as _, LinkToken, Status, SystemClock, SystemRandomness};
use serde_json::json;
use std::sync::Arc;
use tests::handlers::{Handlers, assert_possible};
use tests::stripe::{Fault, Stripe};

fn checkout(id: &str, address_length: usize) -> Checkout {
    Checkout { id: CheckoutId(id.to_owned()), url: format!("https://provider.example/{}", "x".repeat(address_length)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_beyond_the_first_makes_one_call_whatever_stripe_answers() {
    for fault in [Fault::Failure, Fault::AnswerLost, Fault::RequestLost] {
        let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
        let (id, token) = handlers.sent().await;
        stripe.fail_every(Some(fault));
        assert_eq!(handlers.click(&token).await.status, 503);
        assert!(stripe.take_calls().len() > 1, "the first press is retried: {fault:?}");
        for press in 1..=3 {
            let handlers = handlers.at(SystemClock.now().saturating_add(press * CALL_INTERVAL));
            assert_eq!(handlers.click(&token).await.status, 503, "{fault:?}");
            assert_eq!(stripe.take_calls(), ["POST /v1/checkout/sessions"], "{fault:?}");
        }
        stripe.fail_every(None);
        let later = handlers.at(SystemClock.now().saturating_add(4 * CALL_INTERVAL));
        assert_eq!(later.click(&token).await.status, 303, "{fault:?}");
        assert_possible(&handlers.stored(&id).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_makes_one_call_and_none_for_a_page_that_nobody_was_led_to() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (_, token) = handlers.sent().await;
    stripe.fail_every(Some(Fault::Failure));
    handlers.click(&token).await;
    stripe.take_calls();
    let later = handlers.at(SystemClock.now().saturating_add(CALL_INTERVAL));
    assert_eq!(later.check(&token).await.status, 303);
    assert_eq!(stripe.take_calls(), [""; 0]);

    stripe.fail_every(None);
    let (_, token) = handlers.sent().await;
    handlers.click(&token).await;
    stripe.take_calls();
    stripe.fail_every(Some(Fault::Failure));
    assert_eq!(later.check(&token).await.status, 303);
    assert_eq!(stripe.take_calls().len(), 1);
}

#[tokio::test]
async fn each_attempt_to_create_a_payment_page_has_a_number_of_its_own() {
    let handlers = Handlers::start().await;
    let (_, token) = handlers.clicked().await;
    let (store, token, now) = (handlers.store(), token.parse::<LinkToken>().unwrap(), SystemClock.now());
    assert_eq!(store.find_link(&token).await.unwrap().unwrap().attempts, CheckoutAttempt::FIRST);
    assert_eq!(store.begin_attempt(&token, now).await.unwrap(), None, "the page is known");

    let (_, token) = handlers.sent().await;
    let token = token.parse::<LinkToken>().unwrap();
    for number in 2..5 {
        let now = now.saturating_add(number * CALL_INTERVAL);
        let attempt = store.begin_attempt(&token, now).await.unwrap().unwrap();
        assert_eq!(u32::from(attempt.get()), number);
        assert_eq!(store.begin_attempt(&token, now).await.unwrap(), None, "three seconds are not over");
        assert!(!store.take_call(&token, now).await.unwrap(), "checks share the budget");
        assert_eq!(store.find_link(&token).await.unwrap().unwrap().attempts, attempt);
    }
    let unknown = LinkToken::random(&SystemRandomness).unwrap();
    assert_eq!(store.begin_attempt(&unknown, now).await.unwrap(), None, "a deleted link");
}

#[tokio::test]
async fn the_page_of_an_earlier_attempt_never_replaces_that_of_a_later_one() {
    let handlers = Handlers::start().await;
    let (_, token) = handlers.sent().await;
    let (store, token) = (handlers.store(), token.parse::<LinkToken>().unwrap());
    let second = store.begin_attempt(&token, SystemClock.now()).await.unwrap().unwrap();
    let known = async || store.find_link(&token).await.unwrap().unwrap().checkout.map(|CheckoutId(id)| id);
    store.set_checkout(&token, &checkout("chk-1", 1), CheckoutAttempt::FIRST).await.unwrap();
    assert_eq!(known().await.as_deref(), Some("chk-1"), "a customer was led to it, whatever becomes of the second");
    store.set_checkout(&token, &checkout("chk-2", 1), second).await.unwrap();
    store.set_checkout(&token, &checkout("chk-1", 1), CheckoutAttempt::FIRST).await.unwrap();
    assert_eq!(known().await.as_deref(), Some("chk-2"));
}

/// Stripe rejects the second half, for the first is in progress under the same key.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_half_of_a_double_click_leads_to_the_page_that_the_first_one_creates() {
    let (stripe, handlers) = Stripe::with_handlers(300, 900).await;
    let (_, token) = handlers.sent().await;
    stripe.fail_every(Some(Fault::TooMany));
    assert_eq!(handlers.click(&token).await.status, 503);
    stripe.take_calls();
    let first_is_answered = async {
        tests::system::eventually("the second call", async || match &stripe.take_calls()[..] {
            [] => Err("none yet".to_owned()),
            _ => Ok(()),
        })
        .await;
        let created = checkout("chk-1", 1);
        handlers.store().set_checkout(&token.parse().unwrap(), &created, CheckoutAttempt::FIRST).await.unwrap();
        created.url
    };
    let (second, url) = tokio::join!(handlers.click(&token), first_is_answered);
    assert_eq!((second.status, &second.headers["location"]), (303, &json!(url)));
}

#[tokio::test]
async fn of_a_page_whose_address_is_too_long_to_be_stored_the_identifier_is_kept() {
    let handlers = Handlers::start().await;
    let (_, token) = handlers.sent().await;
    let (store, token) = (handlers.store(), token.parse::<LinkToken>().unwrap());
    store.set_checkout(&token, &checkout("chk-1", 2_000), CheckoutAttempt::FIRST).await.unwrap();
    let link = store.find_link(&token).await.unwrap().unwrap();
    assert_eq!((link.checkout, link.checkout_url), (Some(CheckoutId("chk-1".to_owned())), None));
    assert!(store.begin_attempt(&token, SystemClock.now()).await.unwrap().is_some(), "its address is asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_pages_never_close_a_press_that_created_none_gets_none_at_its_deadline() {
    for closes in ["never", "at_its_time"] {
        let handlers: Arc<Handlers> =
            Handlers::with_variables(300, 900, &[("SANDBOX_CLOSES", closes.to_owned())]).await;
        let (id, token) = handlers.sent().await;
        handlers.provider.set_unreachable(true);
        assert_eq!(handlers.click(&token).await.status, 503);
        handlers.provider.set_unreachable(false);
        let deadline = handlers.stored(&id).await.deadline;
        handlers.at(deadline).expire_what_is_due().await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!(request.status, Status::Expired, "{closes}");
        // A press may still be creating a page that never closes: that is looked at once more.
        assert_eq!(request.due_at.is_some(), closes == "never", "{closes}");
        handlers.at(deadline.saturating_add(2 * FIRST_LOOK)).expire_what_is_due().await;
        assert_eq!(handlers.stored(&id).await.due_at, None, "{closes}");
        assert_eq!(handlers.provider.checkouts(), 0, "{closes}");
    }
}
