//! The promise: what drives SMS drives Rehost. The public Python SDK, unchanged, plays the operator
//! of a real migration and an agent, with an access key and with a token; and each of its operations
//! is answered and refused as it expects, on both databases.
//!
//! `cargo xtask test` makes the Python environment with the SDK.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rehost_e2e::python;
use rehost_testkit::{Database, Site, patterned_image};

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

#[test]
fn every_operation_of_the_sdk_is_served_on_sqlite() -> Result<()> {
    call_every_operation(Database::Sqlite)
}

#[test]
fn every_operation_of_the_sdk_is_served_on_postgresql() -> Result<()> {
    call_every_operation(Database::Postgres)
}

fn call_every_operation(database: Database) -> Result<()> {
    run_script(&Site::start_on(database)?, "every_operation.py", &[])
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
    run_script(
        site,
        "sdk_flow.py",
        &[&["--auth", authentication], role].concat(),
    )
}

fn run_script(site: &Site, name: &str, arguments: &[&str]) -> Result<()> {
    let targets = site.json(["targets", "list"])?;
    let target = targets["targets"][0]["id"]
        .as_str()
        .context("id of the target")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python")
        .join(name);
    let output = Command::new(python("REHOST_SDK_PYTHON", "sdk-venv")?)
        .arg(script)
        .args([OsString::from("--login"), site.login_file().into()])
        .args(["--target", target])
        .args(arguments)
        // Byte code would be written into the checkout.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .context("start Python")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed\n{said}\n{errors}");
    Ok(())
}
