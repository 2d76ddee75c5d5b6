//! `cargo run -p reconcile-window -- --from 2026-11-01 --to 2026-11-08`

use clap::Parser;
use domain::ports::Window;
use domain::{Difference, Money, Status, Timestamp};
use reconcile_window::{Notice, Options, reconcile_window};
use runtime::Environment;
use std::io::{self, Write};
use std::path::PathBuf;

/// The number of pages between two lines of progress. A page of the provider takes about half a second.
const PROGRESS_EVERY: usize = 10;

#[expect(clippy::doc_markdown, reason = "it is shown as help, where a backtick is a backtick")]
/// Compares the provider's payments, refunds and disputes of a window with the stored requests.
///
/// Prints each difference. Each is stored and published once, however often it is found.
///
/// Reads TABLE_NAME and PUBLIC_BASE_URL (the stack's outputs), PAYMENT_PROVIDER with its own variables, RETENTION_DAYS,
/// AWS_REGION and credentials from the environment.
#[derive(Parser)]
struct Arguments {
    /// The beginning of the window, a date or a time, inclusive.
    #[arg(long)]
    from: String,
    /// The end of the window, a date or a time, exclusive; at least an hour ago.
    #[arg(long)]
    to: String,
    /// Write the settled payments with fees and payouts to this file, as CSV.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Print the differences without storing or publishing them.
    #[arg(long)]
    dry_run: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { from, to, csv, dry_run } = Arguments::parse();
    let moment = |name: &str, text: String| text.parse().map_err(|error| format!("{name} {error}"));
    let window = Window { from: moment("--from", from)?, to: moment("--to", to)? };
    let mut written = Ok(());
    let mut notify = |notice: Notice<'_>| {
        let result = show(&notice, dry_run);
        if written.is_ok() {
            written = result;
        }
    };
    let options = Options { window, csv, dry_run };
    let totals = reconcile_window(&Environment::from_process(), &options, &mut notify).await?;
    written?;
    writeln!(
        io::stdout(),
        "{} payments at the provider and {} stored ones compared: {} differences, {} of them new",
        totals.payments,
        totals.requests,
        totals.differences,
        totals.new
    )?;
    if totals.unknown > 0 {
        writeln!(io::stderr(), "{} values of the provider are unknown, and counted as not yet", totals.unknown)?;
    }
    Ok(())
}

/// Shows a difference on standard output, and progress on standard error.
fn show(notice: &Notice<'_>, dry_run: bool) -> io::Result<()> {
    match notice {
        Notice::Progress(stage, totals) if totals.pages.is_multiple_of(PROGRESS_EVERY) => writeln!(
            io::stderr(),
            "{}: {} payments and {} stored ones compared, {} differences",
            stage.as_str(),
            totals.payments,
            totals.requests,
            totals.differences
        ),
        Notice::Progress(..) => Ok(()),
        Notice::Difference(difference, is_new) => {
            let known = match (dry_run, is_new) {
                (true, _) => "",
                (false, true) => ", new",
                (false, false) => ", reported before",
            };
            writeln!(io::stdout(), "{}{known}", line(difference))
        }
    }
}

fn line(difference: &Difference) -> String {
    let Difference { kind, provider, reference, id, status, paid_at, requested, paid, refunded, .. } = difference;
    let money = |money: &Option<Money>| {
        money.map_or_else(
            || "nothing".to_owned(),
            |money| format!("{} {}", money.amount.minor_units(), money.currency.code()),
        )
    };
    let status = status.map_or("missing", Status::as_str);
    let paid_at: &Timestamp = paid_at;
    format!(
        "{kind}: {provider} {reference} of request {id} ({status}), paid at {paid_at}; \
         requested {}, paid {}, refunded {}",
        money(requested),
        money(paid),
        money(refunded)
    )
}
