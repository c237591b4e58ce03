//! `cargo xtask test systems`: whole servers under QEMU, and one JSON file of what they showed.

use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Every machine is one of QEMU's. Its packages have to be of one version, and qemu-utils may have
/// come from Debian's backports already.
const QEMU: &[&str] = &[
    "qemu-system-x86",
    "qemu-system-common",
    "qemu-system-data",
    "qemu-utils",
];

/// Installs, runs the tests, and puts together what they left in `json`.
///
/// # Errors
/// If something cannot be installed or built, or if a test fails.
pub(crate) fn test(json: Option<&Path>, arguments: &[String]) -> Result<()> {
    debian::install(SERVER_TOOLS)?;
    install_qemu()?;
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

/// On Debian 12 from its backports, which are newer by three major versions.
fn install_qemu() -> Result<()> {
    if QEMU.iter().all(|package| debian::is_installed(package)) {
        return Ok(());
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.contains("VERSION_CODENAME=bookworm") {
        let needs: Vec<Need> = QEMU.iter().map(|&name| (name, "runs servers")).collect();
        return debian::install(&needs);
    }
    say("installing QEMU from bookworm-backports: it runs servers");
    // An additional source for these two commands, not for the machine.
    let list = target_dir().join("bookworm-backports.list");
    let own = std::fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    let text = format!("deb http://deb.debian.org/debian bookworm-backports main\n{own}");
    std::fs::write(&list, text).with_context(|| format!("write {}", list.display()))?;
    let apt_get = || -> Result<Command> {
        let mut command = debian::apt_get()?;
        let source = format!("Dir::Etc::SourceList={}", list.display());
        command.args(["-o", &source, "-o", "APT::Get::List-Cleanup=0"]);
        Ok(command)
    };
    run(apt_get()?.arg("update"))?;
    let packages = QEMU.iter().map(|name| format!("{name}/bookworm-backports"));
    run(apt_get()?
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages))
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
