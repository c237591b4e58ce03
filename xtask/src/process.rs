//! Runs other programs in the checkout, always saying what runs, and naming the whole command when
//! it fails.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// A line for the person who watches. It goes to standard error, so that what a command prints
/// can be piped.
pub(crate) fn say(text: &str) {
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Where builds of this checkout go.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this task, in the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its end, with its output shown.
///
/// # Errors
/// If it cannot be started or does not end with success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let text = as_text(command);
    say(&format!("+ {text}"));
    let status = command
        .status()
        .with_context(|| format!("start `{text}`"))?;
    if !status.success() {
        bail!("`{text}` ended with {status}");
    }
    Ok(())
}

/// Runs a command to its end and gives what it printed on standard output.
///
/// # Errors
/// If it cannot be started, does not end with success, or prints what is no text.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let bytes = output_bytes(command)?;
    String::from_utf8(bytes).with_context(|| format!("read what `{}` printed", as_text(command)))
}

/// As [`output`], for what is no text.
///
/// # Errors
/// If it cannot be started or does not end with success.
pub(crate) fn output_bytes(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("start `{}`", as_text(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` ended with {}: {}",
            as_text(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

/// Whether a command runs and succeeds; its output is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn as_text(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
