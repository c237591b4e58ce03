//! The files of a Debian 12 server, as one archive: every layout is filled from it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rehost_testkit::run_tool;

use crate::cache::Cache;

/// Changes when the archive should be made anew although its packages are the same.
const RECIPE_VERSION: &str = "1";

const SUITE: &str = "bookworm";
const MIRROR: &str = "deb http://deb.debian.org/debian bookworm main";

/// What is installed: enough to boot from each layout on either firmware, and a database.
const PACKAGES: &[&str] = &[
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "procps",
    "iproute2",
    "ifupdown",
    "isc-dhcp-client",
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "zstd",
    "e2fsprogs",
    "xfsprogs",
    "btrfs-progs",
    "dosfstools",
    "lvm2",
    "grub2-common",
    "grub-pc-bin",
    "grub-efi-amd64-bin",
    "grub-efi-amd64-signed",
    "shim-signed",
    "efibootmgr",
    "postgresql-15",
];

/// What a test server does without, so that less is copied: documentation, and the compiler that
/// PostgreSQL uses for long queries if it is there.
const LEFT_OUT: &[&str] = &[
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/lib/x86_64-linux-gnu/libLLVM*",
    "/usr/lib/llvm-14/*",
    "/usr/lib/postgresql/15/lib/llvmjit*",
    "/usr/lib/postgresql/15/lib/bitcode/*",
];

/// The archive, and a text that changes when its content does.
pub(crate) struct DebianTree {
    /// A tar file.
    pub(crate) archive: PathBuf,
    /// For the keys of what is made from it.
    pub(crate) recipe: String,
}

/// The archive; made if it is not there. Needs root and Debian's mirror.
///
/// # Errors
/// If it cannot be made.
pub(crate) fn debian_tree(cache: &Cache) -> Result<DebianTree> {
    let recipe = format!("{RECIPE_VERSION} {MIRROR} {PACKAGES:?} {LEFT_OUT:?}");
    let entry = cache.entry("debian", &[&recipe], |directory| {
        let archive = directory.join("tree.tar");
        let mut words: Vec<String> = [
            "--mode=root",
            "--variant=minbase",
            "--format=tar",
            "--aptopt=APT::Install-Recommends \"false\"",
        ]
        .map(Into::into)
        .into();
        words.push(format!("--include={}", PACKAGES.join(",")));
        words.extend(
            LEFT_OUT
                .iter()
                .map(|path| format!("--dpkgopt=path-exclude={path}")),
        );
        words.extend([
            SUITE.into(),
            archive.to_str().context("path")?.into(),
            MIRROR.into(),
        ]);
        run_tool("mmdebstrap", words).map(|_| ())
    })?;
    Ok(DebianTree {
        archive: entry.join("tree.tar"),
        recipe,
    })
}
