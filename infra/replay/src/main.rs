//! `cargo run -p replay -- REQUEST_ID…`

use clap::Parser;
use domain::PaymentRequestId;
use runtime::Environment;
use std::io::Write as _;

#[expect(clippy::doc_markdown, reason = "it is shown as help, where a backtick is a backtick")]
/// Puts the events of payment requests on the bus once more, from their history.
///
/// Reads TABLE_NAME, EVENT_BUS_NAME and PUBLIC_BASE_URL (the stack's outputs), AWS_REGION and credentials from the
/// environment.
#[derive(Parser)]
struct Arguments {
    /// The requests' identifiers.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Replay only the events after this version.
    #[arg(long, default_value_t = 0)]
    after: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let ids = arguments.ids.iter().map(|id| id.parse().map_err(|error| format!("{id} {error}")));
    let ids = ids.collect::<Result<Vec<PaymentRequestId>, String>>()?;
    let replayed = replay::replay(&Environment::from_process(), &ids, arguments.after).await?;
    writeln!(std::io::stdout(), "{replayed} events replayed")?;
    Ok(())
}
