//! One module a subcommand. Each has its options and a `run` that gives the exit code.

pub(crate) mod agent;
pub(crate) mod freeze_guard;
pub(crate) mod hooks;
pub(crate) mod join_token;
mod joining;
pub(crate) mod receive;
mod role;
pub(crate) mod serve;
pub(crate) mod sources;
pub(crate) mod targets;
pub(crate) mod tasks;
pub(crate) mod verify;

use std::process::ExitCode;

use anyhow::Result;
use rehost_log_files::LogSink;

use crate::admin;
use crate::cli::Command;
use crate::demo;

/// Runs a subcommand. Roles that keep log files open `logs` in their state directory.
///
/// # Errors
/// If it fails; the error is for people, with its causes.
pub(crate) fn run(command: Command, logs: LogSink) -> Result<ExitCode> {
    match command {
        Command::Serve(options) => serve::run(options),
        Command::JoinToken(options) => join_token::run(&options),
        Command::Agent(options) => agent::run(options, logs),
        Command::Receive(options) => receive::run(options, logs),
        Command::Sources(command) => sources::run(&command),
        Command::Targets(command) => targets::run(&command),
        Command::Tasks(command) => tasks::run(&command),
        Command::Admin(options) => admin::run(options),
        Command::Verify(options) => verify::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Hooks(command) => hooks::run(&command),
        Command::FreezeGuard(options) => freeze_guard::run(&options),
    }
}
