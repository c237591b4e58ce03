//! What is asked of the fix-ups and what they report: the words that the host and the helper
//! system say to each other, as JSON.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::system::SystemFacts;
use crate::words::{MacAddress, NetworkAddress};

/// What the target starts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// A boot sector.
    Bios,
    /// A file on the EFI system partition.
    Uefi,
}

/// The fix-ups, in the order in which they run. Their words are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixupName {
    /// `/etc/fstab` names file systems, not devices, and does not wait for what is not there.
    Fstab,
    /// Encrypted volumes: nothing is changed, what will ask for a key is said.
    Crypttab,
    /// Rules that tie names to the old hardware.
    UdevRules,
    /// Interfaces keep their names, and configurations know the new hardware addresses.
    NetworkNames,
    /// Interfaces get the addresses that were asked for.
    NetworkAddresses,
    /// cloud-init does not undo what is configured.
    CloudInit,
    /// The agent of the source does not run on the copy.
    Agent,
    /// A line on the serial console says that the system is up.
    Heartbeat,
    /// A login on the serial console.
    SerialConsole,
    /// What boot loaders say to the kernel: the root file system, the resume device, the console.
    KernelParameters,
    /// Early user space has the drivers of the new hardware.
    Initramfs,
    /// The firmware finds the boot loader.
    BootLoader,
}

impl FixupName {
    /// All of them, in the order in which they run.
    ///
    /// The initramfs comes after whatever it takes in, the boot loader last.
    pub const ALL: [Self; 12] = [
        Self::Fstab,
        Self::Crypttab,
        Self::UdevRules,
        Self::NetworkNames,
        Self::NetworkAddresses,
        Self::CloudInit,
        Self::Agent,
        Self::Heartbeat,
        Self::SerialConsole,
        Self::KernelParameters,
        Self::Initramfs,
        Self::BootLoader,
    ];

    /// The word for it in requests and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fstab => "fstab",
            Self::Crypttab => "crypttab",
            Self::UdevRules => "udev-rules",
            Self::NetworkNames => "network-names",
            Self::NetworkAddresses => "network-addresses",
            Self::CloudInit => "cloud-init",
            Self::Agent => "agent",
            Self::Heartbeat => "heartbeat",
            Self::SerialConsole => "serial-console",
            Self::KernelParameters => "kernel-parameters",
            Self::Initramfs => "initramfs",
            Self::BootLoader => "boot-loader",
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixupRequest {
    /// What the target starts by.
    pub firmware: Firmware,
    /// The disks that were migrated.
    pub disks: Vec<TargetDisk>,
    /// The network cards that were given to the target.
    #[serde(default)]
    pub networks: Vec<TargetNetwork>,
    /// Fix-ups to leave out.
    #[serde(default)]
    pub skip: Vec<FixupName>,
    /// Whether a unit shall say on the console that multi-user mode was reached.
    #[serde(default)]
    pub heartbeat: bool,
    /// Whether kernel and login shall talk on `ttyS0`.
    #[serde(default)]
    pub serial_console: bool,
}

/// A disk that was migrated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetDisk {
    /// Position among the target's disks, from 0.
    pub index: u32,
    /// Serial number on the target, such as `rehost-0`.
    pub serial: String,
    /// What the source called it, such as `/dev/sda`.
    pub source_name: String,
}

/// A network card of the target, and the one of the source that it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetNetwork {
    /// What the source called it, such as `ens3`.
    pub source_name: String,
    /// Its hardware address on the source.
    pub source_mac: MacAddress,
    /// Its hardware address on the target.
    pub target_mac: MacAddress,
    /// Which addresses it shall have.
    pub addressing: Addressing,
}

/// Which addresses an interface shall have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Addressing {
    /// Those of the source.
    Keep,
    /// What the target's network hands out.
    Dhcp,
    /// These.
    Static {
        /// Addresses with the lengths of their prefixes, such as `10.0.0.5/24`.
        addresses: Vec<NetworkAddress>,
        /// The way out.
        #[serde(default)]
        gateway: Option<IpAddr>,
        /// Name servers.
        #[serde(default)]
        dns: Vec<IpAddr>,
    },
}

/// What was found and done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixupReport {
    /// What kind of system it is.
    pub system: SystemFacts,
    /// One outcome for each fix-up, in the order in which they ran.
    pub fixups: Vec<FixupOutcome>,
}

impl FixupReport {
    /// The first fix-up that failed: the system is not expected to start.
    #[must_use]
    pub fn first_failure(&self) -> Option<&FixupOutcome> {
        self.fixups
            .iter()
            .find(|fixup| fixup.state == FixupState::Failed)
    }
}

/// How a fix-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixupState {
    /// Something was changed.
    Applied,
    /// All was as it should be, or there was nothing to do.
    Unchanged,
    /// It was left out as asked.
    Skipped,
    /// It could not be done; the system may not start.
    Failed,
}

/// What a fix-up did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixupOutcome {
    /// Which one.
    pub name: FixupName,
    /// How it ended.
    pub state: FixupState,
    /// For people: what was done, what should be known, or why it failed.
    pub summary: String,
    /// The files that were changed.
    pub changes: Vec<FileChange>,
    /// The programs that were run.
    pub commands: Vec<CommandRun>,
}

/// A file that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Where it is in the system, such as `/etc/fstab`.
    pub path: String,
    /// A unified diff. Passwords and keys are hidden in it.
    pub diff: String,
}

/// A program that was run in the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRun {
    /// Program and arguments.
    pub command: String,
    /// How it ended; none if it was not started, or was ended by a signal.
    pub exit_code: Option<i32>,
    /// The end of what it printed.
    pub output_tail: String,
}
