//! Installs Debian packages that are missing, and nothing else: a package that is there stays at
//! the version it has.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{run, say, succeeds};

/// A package and why it is needed.
pub(crate) type Need = (&'static str, &'static str);

/// What makes the disks of the demo.
pub(crate) const DISK_TOOLS: &[Need] = &[
    (
        "e2fsprogs",
        "mke2fs and debugfs make and change ext4 without mounting it",
    ),
    (
        "xfsprogs",
        "mkfs.xfs and xfs_db make and inspect xfs without mounting it",
    ),
    ("fdisk", "sfdisk writes partition tables"),
];

/// Installs those of the packages that are missing.
///
/// # Errors
/// If this user may not install packages, or if apt-get fails.
pub(crate) fn install(needs: &[Need]) -> Result<()> {
    let missing: Vec<Need> = needs
        .iter()
        .copied()
        .filter(|(package, _)| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for (package, reason) in &missing {
        say(&format!("installing {package}: {reason}"));
    }
    update()?;
    run(apt_get()?
        .args(["install", "--yes", "--no-install-recommends"])
        .args(missing.iter().map(|(package, _)| package)))
}

/// Has apt fetch its lists of packages.
///
/// # Errors
/// If this user may not, or apt-get fails.
pub(crate) fn update() -> Result<()> {
    run(apt_get()?.arg("update"))
}

/// Whether a package is there, in whatever version.
pub(crate) fn is_installed(package: &str) -> bool {
    let query = ["--show", "--showformat=${db:Status-Status}", package];
    Command::new("dpkg-query")
        .args(query)
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

/// `apt-get` as a user who may install, never asking questions.
///
/// # Errors
/// If this user may not.
pub(crate) fn apt_get() -> Result<Command> {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let mut command = if is_root {
        Command::new("env")
    } else if succeeds(Command::new("sudo").arg("--version")) {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    } else {
        bail!("packages are missing: run this as root once, or install sudo");
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]);
    Ok(command)
}
