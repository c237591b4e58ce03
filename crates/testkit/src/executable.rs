//! Finds the executable that whole-system tests start, and refuses one that is older than what it
//! is made from: a test of yesterday's program proves nothing.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail, ensure};

/// Names an executable to be tested instead, as it is.
const OVERRIDE: &str = "REHOST_BINARY";

/// The executable, built from what is in the checkout now.
///
/// # Errors
/// If it is missing, or older than a source file of the crates it is made from.
pub fn rehost() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(OVERRIDE) {
        return Ok(path.into());
    }
    // A test is `target/debug/deps/name-hash`, the executable is `target/debug/rehost`.
    let test = std::env::current_exe().context("find this test")?;
    let path = test
        .ancestors()
        .nth(2)
        .context("find the target directory")?
        .join("rehost");
    let built = path
        .metadata()
        .and_then(|data| data.modified())
        .with_context(|| format!("find {}: run `cargo build -p rehost`", path.display()))?;

    let crates = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("find the crates")?;
    let (newest, changed) = newest_source(crates)?;
    ensure!(
        changed <= built,
        "{} is older than {}: run `cargo build -p rehost`",
        path.display(),
        newest.display()
    );
    Ok(path)
}

fn newest_source(crates: &Path) -> Result<(PathBuf, SystemTime)> {
    let mut newest: Option<(PathBuf, SystemTime)> = None;
    let mut waiting = vec![crates.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if path.is_dir() {
                // Neither what is for tests nor tests are part of the executable.
                if name != "tests" && !name.starts_with("testkit") {
                    waiting.push(path);
                }
            } else if name.ends_with(".rs") || name == "Cargo.toml" {
                let changed = path.metadata()?.modified()?;
                if newest.as_ref().is_none_or(|(_, time)| changed > *time) {
                    newest = Some((path, changed));
                }
            }
        }
    }
    match newest {
        Some(newest) => Ok(newest),
        None => bail!("no source files below {}", crates.display()),
    }
}
