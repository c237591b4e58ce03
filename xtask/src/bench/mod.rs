//! `cargo xtask bench`: one module a benchmark; each writes its figures as JSON.

use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {}

/// Runs one benchmark.
///
/// # Errors
/// If something that is measured or compared with cannot be built, installed or run.
pub(crate) fn run(options: &Options) -> Result<()> {
    match options.benchmark {}
}
