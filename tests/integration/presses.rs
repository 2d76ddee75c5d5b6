//! Presses on a link: what they cost at the provider, and that no payment page of theirs is lost.

use domain::limits::CALL_INTERVAL;
use domain::ports::{Checkout, Links as _};
use domain::{CheckoutAttempt, CheckoutId, Clock as _, LinkToken, Status, SystemClock, SystemRandomness};
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
        stripe.fail_every(Some(fault.clone()));
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
async fn the_page_of_an_earlier_attempt_never_hides_that_a_later_one_has_begun() {
    let handlers = Handlers::start().await;
    let (_, token) = handlers.sent().await;
    let (store, token) = (handlers.store(), token.parse::<LinkToken>().unwrap());
    let second = store.begin_attempt(&token, SystemClock.now()).await.unwrap().unwrap();
    store.set_checkout(&token, &checkout("chk-1", 1), CheckoutAttempt::FIRST).await.unwrap();
    assert_eq!(store.find_link(&token).await.unwrap().unwrap().checkout, None);
    store.set_checkout(&token, &checkout("chk-2", 1), second).await.unwrap();
    store.set_checkout(&token, &checkout("chk-1", 1), CheckoutAttempt::FIRST).await.unwrap();
    let link = store.find_link(&token).await.unwrap().unwrap();
    assert_eq!((link.checkout, link.attempts), (Some(CheckoutId("chk-2".to_owned())), second));
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
        handlers.at(handlers.stored(&id).await.deadline).expire_what_is_due().await;
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.status, request.due_at), (Status::Expired, None), "{closes}");
        assert_eq!(handlers.provider.checkouts(), 0, "{closes}");
    }
}
