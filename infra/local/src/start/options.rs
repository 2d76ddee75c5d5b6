//! What the runner is started with.

use runtime::Environment;
use std::path::PathBuf;

/// What the runner is started with.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    about = "chat2pay on one machine: every function, its table, bus and schedule, a phone and a payment provider"
)]
pub struct Options {
    /// The port to listen on, on the loopback address; 0 for any that is free.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// A directory that keeps everything across restarts; without it everything is in memory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where a `cargo lambda watch` runs, to invoke the functions there and not in this process.
    #[arg(long, value_name = "URL")]
    pub lambda: Option<String>,
    /// What the functions are configured with, beside what the runner adds.
    #[arg(skip = Environment::from_process())]
    pub environment: Environment,
}
