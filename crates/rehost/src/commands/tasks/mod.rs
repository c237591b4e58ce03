//! `rehost tasks`: migrations, from creating one to its proof.

mod boots;
mod create;
mod log;
mod network_check;
mod show;
mod steer;
mod watch;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::operator::{LoginOptions, OutputOptions};

pub(crate) use create::{TaskOrder, create_task};
pub(crate) use watch::{Outcome, Until, Watcher};

/// What shells give to a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// What can be done with tasks.
///
/// A task is named by its id, the beginning of it, its name, or the name of its source server.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List tasks.
    List(show::List),
    /// Show one: its state and subtasks.
    Show(One),
    /// Bind the disks of a source server to volumes of a target.
    Create(create::Options),
    /// Start, or continue after stop or failure.
    Start(One),
    /// Pause. What has arrived stays, and is not sent again.
    Stop(One),
    /// Synchronise again after cut-over, or try again after a failure.
    #[command(alias = "restart")]
    Sync(One),
    /// Freeze the source, send what still differs, prove equality.
    Cutover(One),
    /// Start a machine from the copy while synchronisation goes on, see it start, throw it away.
    #[command(after_help = boots::REHEARSE_HELP)]
    Rehearse(boots::Rehearse),
    /// List rehearsals and starts of the target, or show what one of them changed and said.
    Boots(boots::Boots),
    /// End the consistency check that is going on; the task ends without a proof.
    SkipCheck(One),
    /// Measure the link from the source to the target; for a task that is paused or failed.
    #[command(after_help = network_check::HELP)]
    NetworkCheck(One),
    /// Collect the logs of agent and receiver, and say where to get them.
    #[command(after_help = log::HELP)]
    Log(log::Options),
    /// Follow a task until it is through. Ending this command does not end the migration.
    Watch(watch::Options),
    /// Delete a task. Volumes of a finished one are kept, others are removed.
    Delete(One),
    /// Show what the migration cost and achieved, per volume.
    Report(One),
    /// Fetch the proof of equality, for `rehost verify --proof`.
    Proof(show::Proof),
}

/// Options of commands about one task.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id, the beginning of an id, name, or name of the source server.
    #[arg(value_name = "TASK")]
    task: String,
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

/// Runs one of the commands.
///
/// # Errors
/// If the control plane refuses or the task is not found.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::List(options) => show::list(options),
        Command::Show(options) => show::show(options),
        Command::Create(options) => create::run(options),
        Command::Start(options) => steer::act(options, "start"),
        Command::Stop(options) => steer::act(options, "stop"),
        Command::Sync(options) => steer::act(options, "restart"),
        Command::Cutover(options) => steer::act(options, "cutover"),
        Command::Rehearse(options) => return boots::rehearse(options),
        Command::Boots(options) => boots::boots(options),
        Command::SkipCheck(options) => steer::act(options, "skip"),
        Command::NetworkCheck(options) => return network_check::run(options),
        Command::Log(options) => return log::run(options),
        Command::Watch(options) => return watch::run(options),
        Command::Delete(options) => steer::delete(options),
        Command::Report(options) => show::report(options),
        Command::Proof(options) => show::proof(options),
    }?;
    Ok(ExitCode::SUCCESS)
}
