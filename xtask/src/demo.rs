//! `cargo xtask demo`: builds the executable and lets it show a whole migration.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::debian;
use crate::process::{self, cargo, root, target_dir};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the report, the proof and the logs go.
    #[arg(long, value_name = "DIR", default_value = "demo-result")]
    result: PathBuf,
    /// Given to `rehost demo`, see `rehost demo --help`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Installs the disk tools, builds, runs.
///
/// # Errors
/// If something cannot be installed or built, or if the demo finds the disks not equal.
pub(crate) fn run(options: &Options) -> Result<()> {
    debian::install(debian::DISK_TOOLS)?;
    process::run(cargo().args(["build", "--locked", "--package", "rehost"]))?;
    process::run(
        std::process::Command::new(target_dir().join("debug/rehost"))
            .current_dir(root())
            .arg("demo")
            .arg("--result")
            .arg(&options.result)
            .args(&options.rest),
    )
}
