//! The Python environments of tests: one with the public SDK of SMS, which drives Rehost, and one with
//! schemathesis, which makes requests from the OpenAPI document.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::debian;
use crate::process::{run, succeeds, target_dir};

/// Pinned, so that a new SDK is a decision and not a surprise.
const SDK: Package = Package("huaweicloudsdksms", "3.1.219");
const SCHEMATHESIS: Package = Package("schemathesis", "4.32.0");

/// A package with its version.
struct Package(&'static str, &'static str);

/// Gives a Python that has the SDK.
///
/// # Errors
/// If it cannot be installed.
pub(crate) fn with_sdk() -> Result<PathBuf> {
    environment("sdk-venv", &SDK)
}

/// Gives a Python that has schemathesis.
///
/// # Errors
/// If it cannot be installed.
pub(crate) fn with_schemathesis() -> Result<PathBuf> {
    environment("schemathesis-venv", &SCHEMATHESIS)
}

/// Makes the environment unless it is there, and gives its Python.
fn environment(name: &str, package: &Package) -> Result<PathBuf> {
    let directory = target_dir().join(name);
    let python = directory.join("bin/python");
    if has(&python, package) {
        return Ok(python);
    }
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        debian::install(&[
            (
                "python3",
                "the public SDK of SMS and schemathesis are written in Python",
            ),
            ("python3-venv", "each goes into an environment of its own"),
        ])?;
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&directory))?;
    let Package(name, version) = package;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet"])
        .arg(format!("{name}=={version}")))?;
    Ok(python)
}

fn has(python: &Path, Package(name, wanted): &Package) -> bool {
    let check = format!(
        "import sys; from importlib.metadata import version; \
         sys.exit(version('{name}') != '{wanted}')"
    );
    succeeds(Command::new(python).args(["-c", &check]))
}
