//! Runs the disk tools that the demo needs: one place, so that every failure names the whole
//! command and shows what the tool said.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The tools, and the Debian package of each.
const TOOLS: &[(&str, &str)] = &[
    ("sfdisk", "fdisk"),
    ("mke2fs", "e2fsprogs"),
    ("debugfs", "e2fsprogs"),
    ("mkswap", "util-linux"),
    ("mkfs.xfs", "xfsprogs"),
    ("xfs_db", "xfsprogs"),
];

/// Where Debian keeps them: not in the search path of an ordinary user.
const SYSTEM_DIRECTORIES: &[&str] = &["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Finds out before anything is made whether all tools are there.
///
/// # Errors
/// If one is missing; the message names the package.
pub(crate) fn check_tools() -> Result<()> {
    for (tool, package) in TOOLS {
        if locate(tool).is_none() {
            bail!("{tool} is missing: install it with `apt-get install {package}`");
        }
    }
    Ok(())
}

/// Runs a tool to its end and gives what it printed.
///
/// # Errors
/// If it cannot be started or does not end with success; the message holds its standard error.
pub(crate) fn output<I, S>(tool: &str, arguments: I) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(locate(tool).unwrap_or_else(|| PathBuf::from(tool)));
    command.args(arguments);
    finish(&mut command)
}

/// As [`output`], with `input` as the tool's standard input.
///
/// # Errors
/// As [`output`].
pub(crate) fn output_of_input(tool: &str, input: &Path, arguments: &[&OsStr]) -> Result<String> {
    let file = std::fs::File::open(input).with_context(|| format!("open {}", input.display()))?;
    let mut command = Command::new(locate(tool).unwrap_or_else(|| PathBuf::from(tool)));
    command.args(arguments).stdin(file);
    finish(&mut command)
}

fn finish(command: &mut Command) -> Result<String> {
    let text = format!("{command:?}");
    let output = command
        // Figures and messages are read by this program and by people in logs: one language.
        .env("LC_ALL", "C")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("start {text}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{text} ended with {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn locate(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(tool))
        .find(|candidate| candidate.is_file())
}
