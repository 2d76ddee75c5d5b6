//! Any of the functions under the real Lambda runtime, with its own log: the first argument is the function's name.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    match local::FUNCTIONS.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => runtime::run(make).await,
        None => ExitCode::FAILURE,
    }
}
