//! What a function has logged and counted while it handled one input.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

thread_local! {
    static LOG: RefCell<Log> = RefCell::default();
}

/// The log of one input.
#[derive(Default)]
pub(crate) struct Log {
    /// The metrics that were counted, in order.
    pub(crate) metrics: Vec<String>,
    /// All lines, at every level.
    pub(crate) text: String,
}

struct Capture;

/// The log's own crates; the others write what they want at `TRACE`, and no deployment logs that.
fn is_logged(target: &str) -> bool {
    runtime::telemetry::OWN_CRATES.contains(&target.split("::").next().unwrap_or_default())
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if is_logged(event.metadata().target()) {
            LOG.with_borrow_mut(|log| event.record(log));
        }
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a text cannot fail.
        if writeln!(self.text, "{}: {value:?}", field.name()).is_ok() && field.name() == "metric" {
            self.metrics.push(format!("{value:?}").trim_matches('"').to_owned());
        }
    }
}

/// Captures every thread's log from now on.
pub(crate) fn capture() {
    tracing_subscriber::registry().with(Capture).init();
}

/// Returns this thread's log since the last call.
pub(crate) fn take() -> Log {
    LOG.take()
}
