//! What is to be booted, and with what.

use std::path::PathBuf;

use rehost_machines::{
    Accelerator, Backing, Firmware, KernelSpec, MachineSpec, NetworkSpec, PortSpec, Probe,
};
use serde::{Deserialize, Serialize};

/// Name of the serial port by which the helper system is spoken with.
pub(super) const HELPER_PORT: &str = "org.rehost.helper";

/// The system that makes copies start on other hardware: a kernel and its first file system.
#[derive(Clone, Debug)]
pub struct HelperSystem {
    /// Both, and the command line.
    pub kernel: KernelSpec,
    /// How many processors its machine has.
    pub cpus: u32,
    /// How much memory, in MiB.
    pub memory_mib: u32,
}

/// Why a copy is booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootPurpose {
    /// To see whether it would work. It is thrown away.
    Rehearsal,
    /// To take over. It stays.
    Cutover,
}

/// A boot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootOrder {
    /// The task whose copy it is.
    pub task_id: String,
    /// This boot.
    pub boot_id: String,
    /// Why.
    pub purpose: BootPurpose,
    /// What executes the machines.
    pub accelerator: Accelerator,
    /// How many processors the copy gets.
    pub cpus: u32,
    /// How much memory, in MiB.
    pub memory_mib: u32,
    /// What it starts by.
    pub firmware: Firmware,
    /// Its network interfaces.
    pub networks: Vec<BootNetwork>,
    /// What the helper system is asked to do, as it goes to it.
    pub fixups: serde_json::Value,
    /// Whether the fix-ups install a heart-beat, so that only it shows that the system is up.
    pub heartbeat: bool,
    /// What is asked of the system once it is up.
    pub probes: Vec<Probe>,
    /// How long the helper system may take, in seconds.
    pub helper_wait_seconds: u64,
    /// How long the copy may take until it is up, in seconds.
    pub boot_wait_seconds: u64,
    /// How long each probe is repeated until it passes, in seconds.
    pub probe_wait_seconds: u64,
}

/// A network interface of the copy.
pub type BootNetwork = NetworkSpec;

/// A volume of the task, as the overlay sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootVolume {
    /// Number of the volume within the task; the copy sees a disk with the serial number
    /// `rehost-<index>`.
    pub index: u32,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What it is. It does not change as long as the boot uses it.
    pub backing: Backing,
}

impl HelperSystem {
    /// Its machine, without disks.
    pub(super) fn machine(&self, order: &BootOrder, work_folder: PathBuf) -> MachineSpec {
        MachineSpec {
            name: format!("rehost-helper-{}", order.boot_id),
            accelerator: order.accelerator,
            cpus: self.cpus,
            memory_mib: self.memory_mib,
            firmware: Firmware::Bios,
            disks: vec![],
            networks: vec![],
            kernel: Some(self.kernel.clone()),
            ports: vec![PortSpec {
                name: HELPER_PORT.into(),
                socket: "helper.sock".into(),
            }],
            screen: false,
            restarts: false,
            outlives: false,
            work_folder,
        }
    }
}

impl BootOrder {
    /// The machine of the copy, without disks.
    pub(super) fn machine(&self, work_folder: PathBuf) -> MachineSpec {
        MachineSpec {
            name: format!("rehost-{}", self.boot_id),
            accelerator: self.accelerator,
            cpus: self.cpus,
            memory_mib: self.memory_mib,
            firmware: self.firmware,
            disks: vec![],
            networks: self.networks.clone(),
            kernel: None,
            ports: vec![],
            screen: true,
            restarts: true,
            outlives: self.purpose == BootPurpose::Cutover,
            work_folder,
        }
    }
}
