//! `cargo xtask test systems`: whole servers under QEMU, and one JSON file of what they showed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::debian::{self, Need};
use crate::process::{cargo, run, say, target_dir};

/// What makes the disks of a server, on a host that may lack drivers for them.
const SERVER_TOOLS: &[Need] = &[
    ("mmdebstrap", "installs the Debian that servers are made of"),
    (
        "binutils",
        "strip makes the executable small that goes into servers",
    ),
    (
        "mtools",
        "fills EFI system partitions without mounting them",
    ),
    ("dosfstools", "makes EFI system partitions"),
    ("ovmf", "is the firmware of machines that start by UEFI"),
    ("btrfs-progs", "makes and checks the btrfs of a server"),
    ("lvm2", "makes the volume group of a server"),
    ("mount", "losetup shows parts of images as devices"),
    (
        "postgresql-client",
        "psql writes to the database of a server that moves",
    ),
];

/// Installs, runs the tests, and puts together what they left in `json`.
///
/// # Errors
/// If something cannot be installed or built, or if a test fails.
pub(crate) fn test(json: Option<&Path>, arguments: &[String]) -> Result<()> {
    debian::install(SERVER_TOOLS)?;
    let reports = target_dir().join("test-reports/systems");
    if reports.exists() {
        std::fs::remove_dir_all(&reports).context("remove reports of an earlier run")?;
    }
    let outcome = run(cargo()
        .args(["nextest", "run", "--locked", "--workspace"])
        .args(["--run-ignored", "only", "-E", "binary(systems)"])
        .args(arguments));
    if let Some(json) = json {
        write_together(&reports, json)?;
    }
    say(&format!(
        "reports and consoles are in {}",
        reports.display()
    ));
    outcome
}

fn write_together(reports: &Path, json: &Path) -> Result<()> {
    let mut entries: Vec<PathBuf> = Vec::new();
    if reports.exists() {
        for folder in std::fs::read_dir(reports).context("list the reports")? {
            entries.push(folder?.path().join("entry.json"));
        }
    }
    entries.sort();
    let layouts = entries
        .iter()
        .filter(|entry| entry.exists())
        .map(|entry| {
            let bytes = std::fs::read(entry)?;
            serde_json::from_slice(&bytes).with_context(|| format!("read {}", entry.display()))
        })
        .collect::<Result<Vec<Value>>>()?;
    let text = serde_json::to_string_pretty(&json!({"layouts": layouts}))?;
    std::fs::write(json, text + "\n").with_context(|| format!("write {}", json.display()))
}
