//! `cargo run -p reference -- DIR`

use clap::Parser;
use reference::{Setting, files};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

/// Writes the reference of the HTTP API, the events and the webhooks as static files, for any web server.
#[derive(Parser)]
struct Arguments {
    /// The directory to write to. It is created if it is not there.
    directory: PathBuf,
    /// The address that the commands on the page call.
    #[arg(long, value_name = "URL", default_value_t = Setting::default().base_url)]
    base_url: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { directory, base_url } = Arguments::parse();
    fs::create_dir_all(&directory)?;
    let files = files(&Setting { base_url, ..Setting::default() })?;
    for file in &files {
        fs::write(directory.join(file.name), &file.text)?;
    }
    writeln!(std::io::stdout(), "{} files written to {}", files.len(), directory.display())?;
    Ok(())
}
