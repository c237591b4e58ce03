//! The promise: what drives SMS drives Rehost. The public Python SDK, unchanged, plays the operator
//! of a real migration and an agent, with an access key and with a token.
//!
//! `cargo xtask test` makes the Python environment with the SDK.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rehost_testkit::{Site, patterned_image};

const DISK_BYTES: u64 = 24 * 1024 * 1024;

#[test]
fn the_sdk_with_an_access_key_migrates_a_server() -> Result<()> {
    operate("keys")
}

#[test]
fn the_sdk_with_a_token_migrates_a_server() -> Result<()> {
    operate("token")
}

#[test]
fn the_sdk_with_an_access_key_is_an_agent() -> Result<()> {
    play_agent("keys")
}

#[test]
fn the_sdk_with_a_token_is_an_agent() -> Result<()> {
    play_agent("token")
}

fn operate(authentication: &str) -> Result<()> {
    let site = Site::start()?;
    let disk = site.disk("disk.img");
    patterned_image(&disk, DISK_BYTES, 5)?;
    let agent = site.agent("web1", &[&disk])?;
    run_flow(&site, authentication, &["operator", agent.name()])?;
    let verified = site.run([Path::new("verify"), &disk, &site.image("disk.img")?])?;
    assert!(
        verified.status.success(),
        "a volume of a finished task is kept: {verified:?}"
    );
    Ok(())
}

fn play_agent(authentication: &str) -> Result<()> {
    run_flow(&Site::start()?, authentication, &["agent"])
}

fn run_flow(site: &Site, authentication: &str, role: &[&str]) -> Result<()> {
    let targets = site.json(["targets", "list"])?;
    let target = targets["targets"][0]["id"]
        .as_str()
        .context("id of the target")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/sdk_flow.py");
    let output = Command::new(python()?)
        .arg(script)
        .args([OsString::from("--login"), site.login_file().into()])
        .args(["--auth", authentication, "--target", target])
        .args(role)
        // Byte code would be written into the checkout.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .context("start Python")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the flow failed\n{said}\n{errors}");
    Ok(())
}

/// The Python that has the SDK: what `cargo xtask test` names, or what it made before.
fn python() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("REHOST_SDK_PYTHON") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("target directory")?;
    let path = target.join("sdk-venv/bin/python");
    ensure!(
        path.exists(),
        "{} is missing: run `cargo xtask test`",
        path.display()
    );
    Ok(path)
}
