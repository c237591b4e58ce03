//! The promise: the API is what its OpenAPI document says. Requests that schemathesis makes from the
//! document, right ones and wrong ones, are answered as the document says, and none of them makes the
//! control plane fail; on both databases.
//!
//! `cargo xtask test` makes the Python environment with schemathesis.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rehost_e2e::{on_both_databases, python};
use rehost_testkit::Site;

/// At least so many requests with each database.
const REQUESTS: u32 = 20_000;

on_both_databases! {
    the_document_is_true
}

fn the_document_is_true(site: &mut Site) -> Result<()> {
    let targets = site.json(["targets", "list"])?;
    let target = targets["targets"][0]["id"]
        .as_str()
        .context("id of the target")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/contract_run.py");
    let output = Command::new(python("REHOST_SCHEMATHESIS_PYTHON", "schemathesis-venv")?)
        .arg(script)
        .args([OsString::from("--login"), site.login_file().into()])
        .args(["--target", target, "--requests", &REQUESTS.to_string()])
        // What it remembers of its requests is for this run.
        .current_dir(site.directory())
        // Byte code would be written into the checkout.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .context("start Python")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}\n{errors}");
    ensure!(
        site.control_plane.is_running()?,
        "the control plane survives"
    );
    // How many requests there were; shown by `--success-output immediate`.
    let summary = said.lines().last().unwrap_or_default();
    writeln!(std::io::stdout(), "{summary}").context("say what ran")
}
