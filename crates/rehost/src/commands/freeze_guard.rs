//! `rehost freeze-guard`: started by the agent around the final round; see `rehost_agent::freeze`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

/// What the agent hands to its guard.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Time limit and mount points.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Holds file systems frozen until the agent says so, is gone, or takes too long.
///
/// # Errors
/// If it cannot get ready.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    rehost_agent::freeze_guard_main(&options.arguments)?;
    Ok(ExitCode::SUCCESS)
}
