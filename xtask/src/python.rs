//! The Python environment in which the public SDK of SMS drives Rehost.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::debian;
use crate::process::{run, succeeds, target_dir};

/// Pinned, so that a new SDK is a decision and not a surprise.
const SDK: &str = "huaweicloudsdksms==3.1.219";

/// Makes the environment if it is not there, and gives its Python.
///
/// # Errors
/// If Python or the SDK cannot be installed.
pub(crate) fn with_sdk() -> Result<PathBuf> {
    let directory = target_dir().join("sdk-venv");
    let python = directory.join("bin/python");
    if has_sdk(&python) {
        return Ok(python);
    }
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        debian::install(&[
            ("python3", "the public SDK of SMS is written in Python"),
            (
                "python3-venv",
                "the SDK goes into an environment of its own",
            ),
        ])?;
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&directory))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", SDK]))?;
    Ok(python)
}

fn has_sdk(python: &std::path::Path) -> bool {
    let check = format!(
        "import sys; from importlib.metadata import version; \
         sys.exit(version('huaweicloudsdksms') != '{}')",
        SDK.rsplit("==").next().unwrap_or_default()
    );
    succeeds(Command::new(python).args(["-c", &check]))
}
