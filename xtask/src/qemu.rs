//! QEMU, which runs machines for tests. Debian 12 has one that is three years older than the tools
//! for its images in Debian's backports, and all of its packages have to be of one version.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::debian::{self, Need};
use crate::process::{run, say, target_dir};

/// The packages that have to fit each other.
const PACKAGES: &[&str] = &[
    "qemu-system-x86",
    "qemu-system-common",
    "qemu-system-data",
    "qemu-utils",
];

/// Installs QEMU if it is missing, on Debian 12 from its backports.
///
/// # Errors
/// If this user may not install packages, or if apt-get fails.
pub(crate) fn install() -> Result<()> {
    if PACKAGES.iter().all(|package| debian::is_installed(package)) {
        return Ok(());
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.contains("VERSION_CODENAME=bookworm") {
        let needs: Vec<Need> = PACKAGES
            .iter()
            .map(|package| (*package, "runs machines in tests"))
            .collect();
        return debian::install(&needs);
    }
    say("installing QEMU from bookworm-backports: it runs machines in tests");
    // An additional source for these two commands, not for the machine.
    let list = target_dir().join("bookworm-backports.list");
    let own = std::fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    let text = format!("deb http://deb.debian.org/debian bookworm-backports main\n{own}");
    std::fs::create_dir_all(target_dir())?;
    std::fs::write(&list, text).with_context(|| format!("write {}", list.display()))?;
    let apt_get = || -> Result<Command> {
        let mut command = debian::apt_get()?;
        let source = format!("Dir::Etc::SourceList={}", list.display());
        command.args(["-o", &source, "-o", "APT::Get::List-Cleanup=0"]);
        Ok(command)
    };
    run(apt_get()?.arg("update"))?;
    let packages = PACKAGES
        .iter()
        .map(|package| format!("{package}/bookworm-backports"));
    run(apt_get()?
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages))
}
