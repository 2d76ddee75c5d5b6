//! The base of the integration tests: the deployed handlers, the whole local system, and stand-ins whose failures a
//! test controls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot continue has failed")]
#![allow(clippy::missing_panics_doc, reason = "everything here panics when a test fails")]

pub mod asyncapi;
pub mod bus;
pub mod channels;
pub mod costs;
pub mod examples;
pub mod handlers;
pub mod ledger;
pub mod live;
pub mod log;
pub mod openapi;
pub mod paystack;
pub mod provider;
pub mod proxy;
pub mod stand_in;
pub mod stored;
pub mod stream;
pub mod stripe;
pub mod system;
pub mod webhooks;

use domain::ports::{Changes, Facts, Links, Looks, PaymentProvider, Reads};
use domain::use_cases::UseCaseError;
use domain::use_cases::expire::{Found, Settled, expire_unclicked};
use domain::use_cases::look::look;
use domain::{Clock, Doors, PaymentRequestId, SystemClock, SystemRandomness, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Sleeps until one millisecond after `moment`. A sleep is necessary because only the clock ends a time limit.
pub async fn until(moment: Timestamp) {
    tokio::time::sleep(moment.saturating_duration_since(SystemClock.now()) + Duration::from_millis(1)).await;
}

/// A clock that always shows the same time.
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A clock that a test sets, so that nothing waits for a time.
#[derive(Clone, Default)]
pub struct SetClock(Arc<AtomicI64>);

impl SetClock {
    /// Sets the time.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_milliseconds(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Returns `Doors` whose clock always shows this time.
#[must_use]
pub fn doors_at(now: Timestamp) -> Doors {
    Doors::new(FixedClock(now), SystemRandomness)
}

/// Settles a request as the function `expire` does, with a clock and a provider that the test chooses.
///
/// # Errors
/// Returns the store's failure.
pub async fn expire(
    store: &(impl Links + Reads + Changes + Facts + Looks),
    provider: &impl PaymentProvider,
    now: Timestamp,
    id: PaymentRequestId,
) -> Result<Settled, UseCaseError> {
    let doors = doors_at(now);
    match expire_unclicked(store, &doors, id).await? {
        Found::Settled(settled) => Ok(settled),
        Found::Waits(request) => Box::pin(look(store, provider, &doors, "https://pay.example.com", *request)).await,
    }
}

/// Serves a router on a free port of the loopback interface and returns its address.
pub async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Builds an answer that breaks off half way, which closes the connection.
#[must_use]
pub fn broken() -> axum::response::Response {
    let cut = futures::stream::iter([Err::<axum::body::Bytes, _>(std::io::Error::other("cut"))]);
    let body = axum::body::Body::from_stream(cut);
    axum::response::Response::builder().header("content-length", "100").body(body).unwrap()
}

/// Prints the handlers' log to standard error, filtered by `RUST_LOG`. A benchmark's standard output has only its rows.
pub fn log_to_standard_error() {
    let log = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
    log.with_writer(std::io::stderr).init();
}

/// Prints the handlers' log with the test's output, filtered by `RUST_LOG`.
pub fn log() {
    let to_the_test =
        tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_test_writer();
    // Only the first test of a process installs the subscriber.
    if to_the_test.try_init().is_err() {}
}
