//! What makes one server of the archive's files: its name, address, mounts and boot settings; a
//! database that clients reach; and a shell for the test on the second serial port.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::layout::{Firmware, Layout};

/// Runs each command that comes in on the second serial port, one a line: a number and the command
/// in base64. Answers with the number, the exit code and what was printed, in base64.
const CONTROL_PROGRAM: &str = r#"#!/bin/bash
exec 3<>/dev/ttyS1
stty raw -echo <&3
echo ready >&3
while read -r number command <&3; do
    output=$(bash -c "$(echo "$command" | base64 -d)" </dev/null 2>&1 3>&-)
    code=$?
    echo "$number $code $(echo "$output" | base64 -w0)" >&3
done
"#;

const CONTROL_UNIT: &str = "[Unit]
Description=Shell for the test that runs this machine
DefaultDependencies=yes

[Service]
ExecStart=/usr/local/sbin/test-control
Restart=always
RestartSec=1
# What the test starts ends by itself, or with the machine.
KillMode=process
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
";

const GRUB_DEFAULTS: &str = r#"GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --speed=115200"
GRUB_DISABLE_OS_PROBER=true
"#;

/// Reached through QEMU's own network only.
const DATABASE_SETTINGS: &str = "listen_addresses = '*'\n";
const DATABASE_ACCESS: &str = "host all all 10.0.2.0/24 trust\n";

/// Writes everything below `root`.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write(root: &Path, layout: Layout, fstab: &[String]) -> Result<()> {
    let name = layout.name();
    let files = [
        ("etc/hostname", format!("{name}\n")),
        (
            "etc/hosts",
            format!("127.0.0.1 localhost\n127.0.1.1 {name}\n"),
        ),
        ("etc/fstab", fstab.join("\n") + "\n"),
        ("etc/network/interfaces", interfaces(layout)),
        ("etc/resolv.conf", "nameserver 10.0.2.3\n".into()),
        ("etc/default/grub", GRUB_DEFAULTS.into()),
        (
            "etc/postgresql/15/main/conf.d/test.conf",
            DATABASE_SETTINGS.into(),
        ),
        (
            "etc/systemd/system/test-control.service",
            CONTROL_UNIT.into(),
        ),
        ("usr/local/sbin/test-control", CONTROL_PROGRAM.into()),
    ];
    for (path, text) in files {
        std::fs::write(root.join(path), text).with_context(|| format!("write {path}"))?;
    }
    let access = root.join("etc/postgresql/15/main/pg_hba.conf");
    let text = std::fs::read_to_string(&access).context("read pg_hba.conf")?;
    std::fs::write(&access, text + DATABASE_ACCESS).context("write pg_hba.conf")?;
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(root.join("usr/local/sbin/test-control"), executable)?;
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    std::fs::create_dir_all(&wants)?;
    symlink(
        "../test-control.service",
        wants.join("test-control.service"),
    )?;
    // The first boot of a source fills it.
    std::fs::write(root.join("etc/machine-id"), "").context("empty machine-id")
}

/// The name that systemd gives the card, which has its place on the bus from `machine`.
fn interface(layout: Layout) -> &'static str {
    match layout.firmware() {
        Firmware::Bios => "ens3",
        Firmware::Uefi => "enp0s3",
    }
}

fn interfaces(layout: Layout) -> String {
    let card = interface(layout);
    let how = match layout.static_address() {
        Some(address) => {
            format!("iface {card} inet static\n    address {address}/24\n    gateway 10.0.2.2\n")
        }
        None => format!("iface {card} inet dhcp\n"),
    };
    format!("auto lo\niface lo inet loopback\n\nauto {card}\n{how}")
}
