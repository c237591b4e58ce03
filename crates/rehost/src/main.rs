//! The executable: control plane, receiver, agent and the operator's commands, one subcommand each.
//!
//! `main` parses, sets up logging and cryptography, calls one command, and turns its outcome into
//! an exit code: 0 for success, 1 for failure (a migration that failed and disks that are not equal
//! are failures), 2 for a command line that makes no sense and for disks that cannot be compared.

mod admin;
mod cli;
mod commands;
mod demo;
mod logging;
mod operator;
mod output;

use std::process::ExitCode;

use clap::Parser as _;
use rehost_log_files::LogSink;

/// A control plane with many sources makes and drops small objects of all ages at the same time: the
/// allocator of the C library spent a quarter of each request on looking for room among them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The kernel of a helper system gives its first program no subcommand.
    if rehost_helper_system::is_meant_by(std::env::args_os()) {
        return rehost_helper_system::run(std::env::args_os());
    }
    let cli = cli::Cli::parse();
    let logs = LogSink::default();
    logging::start(
        cli.log_format,
        cli.log.as_deref(),
        cli.command.default_log_filter(),
        &logs,
    );
    // Fails only if there is a provider already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    commands::run(cli.command, logs).unwrap_or_else(|error| {
        output::error(&error);
        ExitCode::FAILURE
    })
}
