//! A click that stops after each of its steps, and a provider that cannot be reached.

use domain::limits::PROVIDER_GRACE;
use domain::ports::{
    Changed, Changes as _, Checkout, CheckoutState, Closes, PaymentProvider, ProviderError, Reads as _, Refunding,
};
use domain::use_cases::expire::Settled;
use domain::{
    Change, CheckoutAttempt, CheckoutId, Clock as _, Command, OperationId, Payment, PaymentRequest, Status, SystemClock,
};
use std::time::Duration;
use tests::handlers::{Handlers, assert_possible};
use tests::provider::OnClose;
use tests::proxy::Fault;

/// The claim was written, and nothing after it.
#[tokio::test(flavor = "multi_thread")]
async fn another_press_completes_a_click_that_stopped_after_the_claim() {
    let handlers = Handlers::start().await;
    let (id, token) = handlers.sent().await;
    handlers.provider.set_unreachable(true);
    let stopped = handlers.click(&token).await;
    assert_eq!(stopped.status, 503);
    assert!(stopped.body.as_str().unwrap().contains("The payment page does not answer"));
    assert_eq!(stopped.headers["retry-after"], "1");
    let request = handlers.stored(&id).await;
    assert_eq!((request.status, request.checkout), (Status::Clicked, None));
    // The click counts: a cancel is rejected.
    assert_eq!(handlers.cancel(&id).await.code(), "already_clicked");

    handlers.provider.set_unreachable(false);
    assert_eq!(handlers.click(&token).await.status, 303);
    let request = handlers.stored(&id).await;
    assert_eq!((request.version(), handlers.link_has_checkout(&token).await), (2, true));
}

/// The checkout exists at the provider, but it is not stored here.
#[tokio::test(flavor = "multi_thread")]
async fn another_press_completes_a_click_that_stopped_before_the_checkout_was_stored() {
    for fault in [Fault::AnswerLost, Fault::RequestLost] {
        let handlers = Handlers::start().await;
        let (id, token) = handlers.sent().await;
        handlers.proxy.fail_next_writes(&[Fault::None, fault, fault, fault, fault]);
        assert_eq!(handlers.click(&token).await.status, 503, "{fault:?}");
        assert_eq!(handlers.proxy.faults_left(), 0);
        let again = handlers.click(&token).await;
        assert_eq!((again.status, handlers.provider.checkouts()), (303, 1), "{fault:?}");
        let request = handlers.stored(&id).await;
        assert_possible(&request);
        assert_eq!((request.version(), handlers.link_has_checkout(&token).await), (2, true), "{fault:?}");
    }
}

/// The customer never presses again. The checkout that may exist is closed before the request expires.
#[tokio::test(flavor = "multi_thread")]
async fn a_click_that_is_never_completed_expires_with_its_checkout_closed() {
    let handlers = Handlers::with_limits(300, 1).await;
    let (id, token) = handlers.sent().await;
    handlers.proxy.fail_next_writes(&[
        Fault::None,
        Fault::RequestLost,
        Fault::RequestLost,
        Fault::RequestLost,
        Fault::RequestLost,
    ]);
    assert_eq!(handlers.click(&token).await.status, 503);
    let request = handlers.stored(&id).await;
    assert_eq!((request.status, request.checkout), (Status::Clicked, None));
    tests::until(request.deadline).await;
    handlers.link_removed(&id).await;
    assert_eq!(handlers.stored(&id).await.status, Status::Expired);
    assert!(handlers.provider.has_closed(&id), "an ended request has no open checkout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_stays_due_until_the_provider_accepts_it() {
    let handlers = Handlers::start().await;
    let (id, _) = handlers.sent().await;
    handlers.cancel(&id).await;
    handlers.pay(&id, SystemClock.now()).await;
    handlers.provider.set_unreachable(true);
    assert!(handlers.refund_due(&id).await.is_err(), "the failure makes the bus deliver again");
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    handlers.provider.set_unreachable(false);
    handlers.refund_due(&id).await.unwrap();
    assert_eq!((handlers.stored(&id).await.status, handlers.provider.refunds(&id)), (Status::Refunded, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaid_request_waits_at_most_ten_minutes_for_an_unreachable_provider() {
    let handlers = Handlers::with_limits(300, 1).await;
    let (id, _) = handlers.clicked().await;
    let deadline = handlers.stored(&id).await.deadline;
    let store = handlers.store();
    let id = id.parse().unwrap();
    let grace_ends = deadline.saturating_add(PROVIDER_GRACE);
    for moment in [deadline, grace_ends.saturating_sub(Duration::from_millis(1))] {
        let settled = tests::expire(&store, &Unreachable, moment, id).await.unwrap();
        assert!(matches!(settled, Settled::Postponed(..)), "{settled:?}");
        assert_eq!(store.get(id).await.unwrap().unwrap().status, Status::Clicked);
    }
    let settled = tests::expire(&store, &Unreachable, grace_ends, id).await.unwrap();
    assert!(matches!(settled, Settled::ExpiredUnconfirmed(..)), "{settled:?}");

    // The provider is reachable again and reports a payment made in time. The payment counts.
    let payment = Payment { provider: "sandbox".into(), reference: "p".into(), paid_at: deadline };
    let money = store.get(id).await.unwrap().unwrap().details.money;
    let pay = Change::new(
        Command::Pay { payment, earliest: deadline, is_assumed: false, money },
        grace_ends,
        domain::Actor::Provider,
        OperationId::of_message("p"),
    );
    let Changed::Applied(request) = store.change(id, &pay).await.unwrap() else {
        panic!("a payment made in time counts")
    };
    assert_possible(&request);
    assert_eq!(request.status, Status::Paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_refund_is_due_is_never_removed_and_a_terminal_one_is() {
    let handlers = Handlers::start().await;
    let (id, _) = handlers.sent().await;
    assert_eq!(handlers.time_to_live(&id).await, None, "an open request has no time to live");
    handlers.cancel(&id).await;
    assert!(handlers.time_to_live(&id).await.is_some(), "a terminal request is removed after its retention");
    handlers.pay(&id, SystemClock.now()).await;
    assert_eq!(handlers.time_to_live(&id).await, None, "a request whose refund is due is not removed");
    handlers.refund_due(&id).await.unwrap();
    assert!(handlers.time_to_live(&id).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_arrives_for_an_expired_request_keeps_it_stored() {
    let handlers = Handlers::with_limits(1, 900).await;
    let id = handlers.create(None).await.body["id"].as_str().unwrap().to_owned();
    let expired = async {
        while handlers.stored(&id).await.status != Status::Expired {
            handlers.link_removed(&id).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), expired).await.unwrap();
    assert!(handlers.time_to_live(&id).await.is_some(), "a terminal request is removed after its retention");
    handlers.pay(&id, SystemClock.now()).await;
    assert_eq!(handlers.stored(&id).await.status, Status::RefundDue);
    assert_eq!(handlers.time_to_live(&id).await, None, "a request whose refund is due is not removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_found_when_closing_counts_only_over_the_requested_amount() {
    let handlers = Handlers::with_limits(300, 1).await;
    let ((paid, _), (mismatched, _)) = tokio::join!(handlers.clicked(), handlers.clicked());
    for (id, amount) in [(&paid, 25_000), (&mismatched, 24_999)] {
        let deadline = handlers.stored(id).await.deadline;
        handlers.provider.on_close(id, OnClose::Paid(deadline, amount));
        tests::until(deadline).await;
        handlers.link_removed(id).await;
    }
    let request = handlers.stored(&paid).await;
    assert_possible(&request);
    assert_eq!((request.status, request.version()), (Status::Paid, 3));
    assert_eq!(request.payment.unwrap().reference, format!("pay_{paid}"));
    // The provider's own report arrives later and changes nothing.
    assert_eq!(handlers.pay(&paid, request.deadline).await.status, 200);
    assert_eq!(handlers.stored(&paid).await.version(), 3);

    let request = handlers.stored(&mismatched).await;
    assert_possible(&request);
    assert_eq!((request.status, request.payment), (Status::Expired, None));
}

struct Unreachable;

impl PaymentProvider for Unreachable {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn closes(&self) -> Closes {
        Closes::OnDemand
    }

    fn repeats_pages(&self) -> bool {
        true
    }

    async fn create_checkout(
        &self,
        _: &PaymentRequest,
        _: &str,
        _: CheckoutAttempt,
    ) -> Result<Checkout, ProviderError> {
        Err(ProviderError::Unavailable("no answer".into()))
    }

    async fn find_checkout(
        &self,
        _: &PaymentRequest,
        _: &str,
        _: CheckoutAttempt,
        _: Option<CheckoutId>,
    ) -> Result<Option<CheckoutId>, ProviderError> {
        Err(ProviderError::Unavailable("no answer".into()))
    }

    async fn check_checkout(&self, _: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        Err(ProviderError::Unavailable("no answer".into()))
    }

    async fn close_checkout(&self, _: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        Err(ProviderError::Unavailable("no answer".into()))
    }

    async fn refund(&self, _: &PaymentRequest, _: &Payment) -> Result<Refunding, ProviderError> {
        Err(ProviderError::Unavailable("no answer".into()))
    }
}
