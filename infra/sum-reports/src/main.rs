//! `cargo run -p sum-reports -- --workspace acme --from 2026-01-01 --to 2026-04-01`

use clap::Parser;
use domain::Timestamp;
use runtime::Environment;
use std::io::Write as _;
use sum_reports::{Options, sum_reports};

#[expect(clippy::doc_markdown, reason = "it is shown as help, where a backtick is a backtick")]
/// Makes the sums that reports over past days are read from.
///
/// Prints a line for each day, newest first. It can be stopped at any time and run again: what is kept is not made
/// twice.
///
/// Reads TABLE_NAME and SUMS_TABLE_NAME (the stack's outputs), AWS_REGION and credentials from the environment.
#[derive(Parser)]
struct Arguments {
    /// The workspace.
    #[arg(long)]
    workspace: String,
    /// The first day, in UTC.
    #[arg(long)]
    from: String,
    /// The day after the last one, in UTC.
    #[arg(long)]
    to: String,
    /// Drop the sums of these days first, and make them again.
    #[arg(long)]
    again: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { workspace, from, to, again } = Arguments::parse();
    let moment = |name: &str, text: String| text.parse::<Timestamp>().map_err(|error| format!("{name} {error}"));
    let workspace = workspace.parse().map_err(|error| format!("--workspace {error}"))?;
    let options = Options { workspace, from: moment("--from", from)?, to: moment("--to", to)?, again };
    let mut written = Ok(());
    let summed = sum_reports(&Environment::from_process(), &options, &mut |day, progress| {
        let date: String = day.start().to_string().chars().take(10).collect();
        let line = match progress.made {
            0 => format!("{date}: kept already"),
            made => format!("{date}: {made} hours and days summed"),
        };
        if written.is_ok() {
            written = writeln!(std::io::stdout(), "{line}");
        }
    })
    .await?;
    written?;
    writeln!(std::io::stdout(), "{summed} days have their sums")?;
    Ok(())
}
