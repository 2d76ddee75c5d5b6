//! Mutated input for everything that reads from other systems: webhooks, stream records, bus events, API events, and
//! stored items.
//!
//! Whatever comes: nothing panics, no answer is a failure, nothing personal is logged, and no report is lost. A field
//! that a reader does not need never changes what it does. The inputs follow from a seed, so what fails once fails
//! again.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod cloud;
mod log;
mod mutation;
mod random;
mod readers;

use clap::Parser;
use random::Random;
use readers::{Bench, Reader};
use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::thread;
use tokio::time::Instant;

/// Hands mutated input to everything that reads from other systems.
#[derive(Parser)]
struct Options {
    /// How many inputs each reader gets.
    #[arg(long, default_value_t = 20_000)]
    inputs: u64,
    /// What the inputs follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The one reader that gets input, instead of all.
    #[arg(long)]
    reader: Option<Reader>,
    /// The one input that is tried, by its number.
    #[arg(long)]
    only: Option<u64>,
}

/// How often each outcome was seen.
type Outcomes = BTreeMap<String, u64>;

fn main() -> ExitCode {
    let options = Options::parse();
    log::capture();
    for reader in Reader::ALL {
        if options.reader.is_some_and(|only| only != reader) {
            continue;
        }
        let began = Instant::now();
        match run(reader, &options) {
            Ok(outcomes) => {
                let count: u64 = outcomes.values().sum();
                println!("{reader:?}: {count} inputs in {} s, {outcomes:?}", began.elapsed().as_secs());
            }
            Err(fault) => {
                eprintln!("{reader:?}: {fault}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Gives a reader its inputs, on all processors.
fn run(reader: Reader, options: &Options) -> Result<Outcomes, Box<dyn Error + Send + Sync>> {
    let workers = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || work(reader, options, worker, workers))).collect();
        let mut all = Outcomes::new();
        for worker in workers {
            for (outcome, count) in worker.join().map_err(|_| "a worker ended early")?? {
                *all.entry(outcome).or_default() += count;
            }
        }
        Ok(all)
    })
}

/// Gives a reader every input of one worker.
fn work(
    reader: Reader,
    options: &Options,
    worker: u64,
    workers: u64,
) -> Result<Outcomes, Box<dyn Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bench = runtime.block_on(Bench::new(reader)).map_err(|error| error.to_string())?;
    let mut outcomes = Outcomes::new();
    for input in (worker..options.inputs).step_by(usize::try_from(workers)?) {
        if options.only.is_some_and(|only| only != input) {
            continue;
        }
        let mut random = Random::new(options.seed, input);
        let checked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(bench.check(&mut random))));
        let outcome = checked.unwrap_or_else(|_| Err("it panicked".to_owned()));
        *outcomes.entry(outcome.map_err(|fault| format!("input {input}: {fault}"))?).or_default() += 1;
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_of_each_reader_finds_nothing() {
        log::capture();
        let options = Options { inputs: 2_000, seed: 1, reader: None, only: None };
        for reader in Reader::ALL {
            let outcomes = run(reader, &options).unwrap_or_else(|fault| panic!("{reader:?}: {fault}"));
            assert!(outcomes.len() > 1, "{reader:?}: {outcomes:?} show little");
        }
    }
}
