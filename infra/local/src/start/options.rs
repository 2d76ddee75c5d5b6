//! The options that the runner is started with.

use runtime::Environment;
use std::path::PathBuf;

/// The pages, and the variables that set how the stand-in provider behaves, for the end of the help.
const AFTER_HELP: &str = "\
Pages:
  /        the desk, the customer's phone and the supervisor's numbers
  /docs    the reference of the HTTP API, the events and the webhooks

Environment:
  The functions' own variables, as the README lists them. For the stand-in provider:
  SANDBOX_CLOSES=on_demand|at_its_time|never  how the sandbox provider's payment pages close
  SANDBOX_WEBHOOKS=on|off                     off: the stand-in of any provider sends no webhooks";

/// The options that the runner is started with.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    about = "chat2pay on one machine: every function, its table, bus and schedule, a phone and a payment provider",
    after_help = AFTER_HELP
)]
pub struct Options {
    /// The port to listen on, on the loopback address; 0 selects a free port.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// The directory that keeps all data across restarts; without it, all data is in memory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The URL of a running `cargo lambda watch`, which then runs the functions in place of this process.
    #[arg(long, value_name = "URL")]
    pub lambda: Option<String>,
    /// The functions' environment variables, to which the runner adds its own.
    #[arg(skip = Environment::from_process())]
    pub environment: Environment,
}
