//! Any of the functions under the real Lambda runtime, with its own log: the first argument is the function's name.

use runtime::{BoxFuture, Function, InvocationError};
use std::process::ExitCode;

/// A function that panics with a text that shows its event: at once if the event is a text, and while it works on any
/// other.
struct Panicking;

impl Function for Panicking {
    #[allow(clippy::panic, reason = "it is what this function is for")]
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        assert!(!event.starts_with('"'), "cannot read {event}");
        Box::pin(async move {
            tokio::task::yield_now().await;
            panic!("cannot handle {event}")
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    if name == "panicking" {
        return runtime::run(|_| Ok(Box::new(Panicking))).await;
    }
    match local::FUNCTIONS.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => runtime::run(make).await,
        None => ExitCode::FAILURE,
    }
}
