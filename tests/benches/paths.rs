//! Measures what AWS charges for each path of a payment request, and prints it with its price.
//!
//! `cargo bench --profile dev -p tests --bench paths`

#![allow(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

use tests::costs::{Costs, OpenPage, Prices, Region};
use tests::ledger::Row;

/// The minutes of a month of thirty days.
const MINUTES: f64 = 43_200.0;

#[tokio::main]
async fn main() {
    tests::log_to_standard_error();
    for row in rows(&Costs::measure().await, Prices::read().usual()) {
        println!("{}", row.line());
    }
}

/// Builds the rows of everything that was measured, at the prices of this region.
fn rows(costs: &Costs, region: &Region) -> Vec<Row> {
    let mut rows = Vec::new();
    let paid_life = ("all of a paid request's life", costs.paid_life());
    for (path, cost) in costs.all().iter().chain([&paid_life]) {
        let row =
            cost.counts().into_iter().fold(Row::new("paths", *path), |row, (name, count)| row.with_number(name, count));
        let dollars = [
            ("dollars_per_million", cost.dollars_without_lambda(region)),
            ("dollars_for_invocations", cost.dollars_of_invocations(region)),
            ("dollars_for_10_ms", cost.dollars_of_ten_milliseconds(region)),
        ];
        rows.push(dollars.into_iter().fold(row, |row, (name, dollars)| row.with_number(name, dollars)));
    }
    for page in OpenPage::all() {
        let hour = page.hour(costs);
        let row = Row::new("open_pages", page.name).with_number("api_requests", hour.api_requests);
        let row = row.with_number("messages", hour.messages).with_number("read_units", hour.read_units);
        rows.push(row.with_number("dollars_per_1000_hours", page.dollars(costs, region) / 1_000.0));
    }
    let month = costs.of("expire, a minute without requests") * MINUTES;
    let row = Row::new("at_rest", "expire, a month without requests").with_number("dynamodb_calls", month.calls);
    let row = row.with_number("read_units", month.read_units).with_number("invocations", month.invocations);
    rows.push(row.with_number("dollars", month.dollars(region) / 1_000_000.0));
    rows
}
