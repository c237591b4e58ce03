//! What a run saw, for people and programs: one entry for each layout, and the files it names.
//! `cargo xtask test systems --json FILE` puts the entries together.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rehost_testkit_systems::{Firmware, Layout};
use serde::Serialize;

/// The entry of a layout.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    layout: &'static str,
    firmware: Firmware,
    /// Whether the copy reached the end of its boot.
    pub(crate) booted: bool,
    /// From the start of its machine to the end of its boot.
    pub(crate) boot_seconds: Option<f64>,
    /// The longest that a disk was frozen.
    pub(crate) downtime_seconds: f64,
    /// Nothing if it was not come to that.
    pub(crate) database_whole: Option<bool>,
    /// What the agent says about tracking changes.
    pub(crate) changes_found_by: String,
    console_log: PathBuf,
    /// What the copy's screen showed.
    pub(crate) screenshot: Option<PathBuf>,
    /// Why the test failed.
    pub(crate) error: Option<String>,
    #[serde(skip)]
    directory: PathBuf,
}

impl Entry {
    /// An entry that says that nothing has been achieved. What an earlier run left is removed.
    pub(crate) fn new(layout: Layout) -> Result<Self> {
        let directory = reports()?.join(layout.name());
        if directory.exists() {
            std::fs::remove_dir_all(&directory).context("remove an earlier report")?;
        }
        std::fs::create_dir_all(&directory).context("make a folder for the report")?;
        Ok(Self {
            layout: layout.name(),
            firmware: layout.firmware(),
            booted: false,
            boot_seconds: None,
            downtime_seconds: 0.0,
            database_whole: None,
            changes_found_by: String::new(),
            console_log: directory.join("console.log"),
            screenshot: None,
            error: None,
            directory,
        })
    }

    /// A file of the report.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Keeps something beside the entry.
    pub(crate) fn keep(&self, name: &str, content: &[u8]) -> Result<()> {
        std::fs::write(self.path(name), content).with_context(|| format!("keep {name}"))
    }

    /// Writes it where `cargo xtask test systems` looks.
    pub(crate) fn write(&self) -> Result<()> {
        self.keep("entry.json", &serde_json::to_vec_pretty(self)?)
    }
}

fn reports() -> Result<PathBuf> {
    // A test is `target/debug/deps/name-hash`.
    let test = std::env::current_exe().context("find this test")?;
    let target: &Path = test.ancestors().nth(3).context("target directory")?;
    Ok(target.join("test-reports/systems"))
}
