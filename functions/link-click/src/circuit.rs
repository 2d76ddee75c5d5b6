//! A circuit breaker around the payment provider: a customer does not wait for a provider that hangs.

use domain::ports::{Checkout, CheckoutState, Closes, PaymentProvider, ProviderError, Refunding};
use domain::{CheckoutAttempt, CheckoutId, Payment, PaymentRequest};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The number of consecutive unanswered calls that opens the circuit.
const OPENS_AFTER: u32 = 3;

/// The time of a call while the circuit is open.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The interval at which one call gets all its time while the circuit is open. Without it, a provider that answers more
/// slowly than [`PATIENCE`] would stay cut off for as long as this instance lives.
const PROBE_EVERY: Duration = Duration::from_secs(30);

/// A provider whose calls are cut short after a few consecutive ones have gone unanswered, until one is answered. Every
/// call is idempotent, so a call that was cut short is made again by the next press.
#[derive(Debug)]
pub(crate) struct Circuit<P> {
    provider: P,
    unanswered: Mutex<Unanswered>,
}

/// The consecutive calls that the provider has not answered.
#[derive(Debug, Default)]
struct Unanswered {
    calls: u32,
    /// When the latest call that had all its time was begun.
    probed_at: Option<Instant>,
}

impl<P> Circuit<P> {
    pub(crate) const fn new(provider: P) -> Self {
        Self { provider, unanswered: Mutex::new(Unanswered { calls: 0, probed_at: None }) }
    }

    /// Makes a call, with as much time as the circuit allows, and records whether it was answered. Any answer closes
    /// the circuit, a rejection too.
    async fn within<T>(&self, call: impl Future<Output = Result<T, ProviderError>> + Send) -> Result<T, ProviderError> {
        let answer = if self.is_cut_short() {
            let answer = timeout(PATIENCE, call).await;
            answer.unwrap_or_else(|elapsed| Err(ProviderError::Unavailable(elapsed.into())))
        } else {
            call.await
        };
        self.record(!matches!(answer, Err(ProviderError::Unavailable(_))));
        answer
    }

    /// Returns whether the next call is cut short.
    fn is_cut_short(&self) -> bool {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = unanswered.calls >= OPENS_AFTER;
        let was_probed = unanswered.probed_at.is_some_and(|probed| probed.elapsed() < PROBE_EVERY);
        let is_cut_short = is_open && was_probed;
        if !is_cut_short {
            unanswered.probed_at = Some(Instant::now());
        }
        is_cut_short
    }

    fn record(&self, is_answered: bool) {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = if is_answered { 0 } else { unanswered.calls.saturating_add(1) };
        if calls == OPENS_AFTER {
            tracing::warn!(calls, "circuit opened: the payment provider does not answer, and its calls are cut short");
        } else if is_answered && unanswered.calls >= OPENS_AFTER {
            tracing::info!("circuit closed: the payment provider answers again");
        }
        unanswered.calls = calls;
    }
}

impl<P: PaymentProvider> PaymentProvider for Circuit<P> {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn closes(&self) -> Closes {
        self.provider.closes()
    }

    fn repeats_pages(&self) -> bool {
        self.provider.repeats_pages()
    }

    async fn check_page_of(&self, payment: &Payment) -> Result<Option<CheckoutState>, ProviderError> {
        self.within(self.provider.check_page_of(payment)).await
    }

    async fn create_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempt: CheckoutAttempt,
    ) -> Result<Checkout, ProviderError> {
        self.within(self.provider.create_checkout(request, link, attempt)).await
    }

    async fn find_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempts: CheckoutAttempt,
        known: Option<CheckoutId>,
    ) -> Result<Option<CheckoutId>, ProviderError> {
        self.within(self.provider.find_checkout(request, link, attempts, known)).await
    }

    async fn check_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        self.within(self.provider.check_checkout(checkout)).await
    }

    async fn close_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        self.within(self.provider.close_checkout(checkout)).await
    }

    async fn refund(&self, request: &PaymentRequest, payment: &Payment) -> Result<Refunding, ProviderError> {
        self.within(self.provider.refund(request, payment)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A provider that answers each call after this many milliseconds, or gives up on it after eight seconds.
    struct Slow(AtomicU64);

    const HANGS: u64 = 60_000;
    const GIVES_UP_AFTER: Duration = Duration::from_secs(8);

    impl PaymentProvider for Slow {
        fn name(&self) -> &'static str {
            "slow"
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
            Err(ProviderError::Refused("this provider only has checkouts to look at".into()))
        }

        async fn find_checkout(
            &self,
            _: &PaymentRequest,
            _: &str,
            _: CheckoutAttempt,
            _: Option<CheckoutId>,
        ) -> Result<Option<CheckoutId>, ProviderError> {
            Ok(None)
        }

        async fn check_checkout(&self, _: &CheckoutId) -> Result<CheckoutState, ProviderError> {
            let answer = tokio::time::sleep(Duration::from_millis(self.0.load(Ordering::Relaxed)));
            match timeout(GIVES_UP_AFTER, answer).await {
                Ok(()) => Ok(CheckoutState::Open),
                Err(elapsed) => Err(ProviderError::Unavailable(elapsed.into())),
            }
        }

        async fn close_checkout(&self, checkout: &CheckoutId) -> Result<CheckoutState, ProviderError> {
            self.check_checkout(checkout).await
        }

        async fn refund(&self, _: &PaymentRequest, _: &Payment) -> Result<Refunding, ProviderError> {
            Err(ProviderError::Refused("this provider refunds nothing".into()))
        }
    }

    /// Makes a call, and returns whether it was answered and how many milliseconds it took.
    async fn call(circuit: &Circuit<Slow>) -> (bool, u128) {
        let begun = Instant::now();
        let answer = circuit.check_checkout(&CheckoutId("chk_1".to_owned())).await;
        (answer.is_ok(), begun.elapsed().as_millis())
    }

    fn takes(circuit: &Circuit<Slow>, milliseconds: u64) {
        circuit.provider.0.store(milliseconds, Ordering::Relaxed);
    }

    #[tokio::test(start_paused = true)]
    async fn after_three_unanswered_calls_a_customer_waits_a_second_and_a_half_until_one_is_answered() {
        let circuit = Circuit::new(Slow(AtomicU64::new(HANGS)));
        for _ in 0..OPENS_AFTER {
            assert_eq!(call(&circuit).await, (false, 8_000));
        }
        for _ in 0..5 {
            assert_eq!(call(&circuit).await, (false, 1_500));
        }
        takes(&circuit, 200);
        assert_eq!(call(&circuit).await, (true, 200));
        takes(&circuit, HANGS);
        assert_eq!(call(&circuit).await, (false, 8_000), "one answer closes the circuit");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_resets_the_count_of_unanswered_calls() {
        let circuit = Circuit::new(Slow(AtomicU64::new(HANGS)));
        for _ in 0..3 {
            assert_eq!(call(&circuit).await, (false, 8_000));
            assert_eq!(call(&circuit).await, (false, 8_000));
            takes(&circuit, 100);
            assert_eq!(call(&circuit).await, (true, 100));
            takes(&circuit, HANGS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_answers_slowly_is_not_cut_off_for_good() {
        let circuit = Circuit::new(Slow(AtomicU64::new(HANGS)));
        for _ in 0..OPENS_AFTER {
            call(&circuit).await;
        }
        takes(&circuit, 3_000);
        assert_eq!(call(&circuit).await, (false, 1_500));
        tokio::time::advance(PROBE_EVERY).await;
        assert_eq!(call(&circuit).await, (true, 3_000));
        assert_eq!(call(&circuit).await, (true, 3_000));
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_circuit_is_open_one_call_in_half_a_minute_gets_all_its_time() {
        let circuit = Circuit::new(Slow(AtomicU64::new(HANGS)));
        for _ in 0..OPENS_AFTER {
            call(&circuit).await;
        }
        tokio::time::advance(PROBE_EVERY).await;
        assert_eq!(call(&circuit).await, (false, 8_000));
        for _ in 0..5 {
            assert_eq!(call(&circuit).await, (false, 1_500));
        }
    }
}
