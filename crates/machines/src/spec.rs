//! What a machine is made of. Plain data that can be written down, so that the same machine can be
//! started again by somebody else.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::MachineError;

/// Longest serial number of a virtio disk, in bytes.
const MAX_SERIAL_BYTES: usize = 20;
/// What the smallest kernels need.
const MIN_MEMORY_MIB: u32 = 16;
/// Most disks, networks and ports that fit on the bus of the machine together.
const MAX_DEVICES: usize = 24;

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineSpec {
    /// Shown in the process list: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What executes its instructions.
    pub accelerator: Accelerator,
    /// How many processors.
    pub cpus: u32,
    /// How much memory, in MiB.
    pub memory_mib: u32,
    /// What it starts by.
    pub firmware: Firmware,
    /// Its disks; it boots from the first that can be booted from.
    pub disks: Vec<DiskSpec>,
    /// Its network interfaces.
    pub networks: Vec<NetworkSpec>,
    /// A kernel to start directly, instead of what is on the disks.
    pub kernel: Option<KernelSpec>,
    /// Byte streams between the machine and its host.
    pub ports: Vec<PortSpec>,
    /// Whether it has a screen, of which pictures can be taken.
    pub screen: bool,
    /// Whether the system may restart the machine; otherwise a restart ends it.
    pub restarts: bool,
    /// Whether it goes on running when the process that started it is gone.
    pub outlives: bool,
    /// Folder for its sockets, its firmware's variables and its console log; made if missing, for
    /// nobody else to enter.
    pub work_folder: PathBuf,
}

/// What executes the instructions of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// The processor if a probe shows that it really can, else an emulation.
    Auto,
    /// The processor, by way of `/dev/kvm`.
    Kvm,
    /// An emulation: slow, and works everywhere.
    Tcg,
}

/// What a machine starts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    /// The BIOS of a PC.
    Bios,
    /// UEFI, without Secure Boot. Its variables are kept in the work folder.
    Uefi,
}

/// A virtio disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSpec {
    /// An image file or a block device.
    pub path: PathBuf,
    /// What is in it.
    pub format: DiskFormat,
    /// Serial number that the system inside sees: 20 letters, digits and `-` at most.
    pub serial: String,
    /// Whether the machine can only read it.
    pub read_only: bool,
    /// Whether what the machine writes is thrown away when it ends.
    pub snapshot: bool,
    /// Whether the system's flushes go through to the medium. Without, a power cut of the host
    /// loses the image; that is right, and faster, for what is thrown away anyway.
    pub durable: bool,
}

/// What is in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskFormat {
    /// The bytes of the disk.
    Raw,
    /// QEMU's own format.
    Qcow2,
}

impl DiskFormat {
    /// QEMU's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// A virtio network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Hardware address, such as `52:54:00:12:34:56`.
    pub mac: String,
    /// What it is connected to.
    pub mode: NetworkMode,
}

/// What a network interface is connected to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// A network of its own that gives an address by DHCP and leads nowhere. The host reaches the
    /// machine by the forwarded ports, nothing else does.
    Isolated {
        /// Ports that the host reaches.
        forwards: Vec<Forward>,
    },
    /// The same, and the machine reaches what its host reaches.
    User {
        /// Ports that the host reaches.
        forwards: Vec<Forward>,
    },
    /// A tap interface of the host that exists already, usually part of a bridge.
    Tap {
        /// Its name.
        interface: String,
    },
    /// Nothing: the cable is plugged in, and nobody is there.
    None,
}

impl NetworkMode {
    /// Ports that the host reaches.
    #[must_use]
    pub fn forwards(&self) -> &[Forward] {
        match self {
            Self::Isolated { forwards } | Self::User { forwards } => forwards,
            Self::Tap { .. } | Self::None => &[],
        }
    }
}

/// A TCP port of the machine that the host reaches on its loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Port of the machine.
    pub guest_port: u16,
    /// Port of the host's loopback address; 0 for one that is free.
    pub host_port: u16,
}

/// A Linux kernel to start directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelSpec {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its first file system.
    pub initramfs: Option<PathBuf>,
    /// Its command line; `console=ttyS0` makes it talk on the serial console.
    pub command_line: String,
}

/// A virtio serial port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortSpec {
    /// Its name inside, such as `org.rehost.helper`.
    pub name: String,
    /// File name of the Unix socket in the work folder by which the host speaks.
    pub socket: String,
}

/// File names in the work folder that are taken.
pub(crate) const MONITOR_SOCKET: &str = "monitor.sock";
/// Socket of the serial console.
pub(crate) const CONSOLE_SOCKET: &str = "console.sock";
/// What was said on the serial console.
pub(crate) const CONSOLE_LOG: &str = "console.log";
/// The firmware's variables.
pub(crate) const VARIABLES: &str = "uefi-variables.fd";

impl MachineSpec {
    /// Where the monitor listens.
    #[must_use]
    pub fn monitor_socket(&self) -> PathBuf {
        self.work_folder.join(MONITOR_SOCKET)
    }

    /// Where what is said on the serial console is kept.
    #[must_use]
    pub fn console_log(&self) -> PathBuf {
        self.work_folder.join(CONSOLE_LOG)
    }

    /// Sockets that the machine makes in its work folder.
    #[must_use]
    pub fn sockets(&self) -> Vec<PathBuf> {
        [MONITOR_SOCKET, CONSOLE_SOCKET]
            .into_iter()
            .chain(self.ports.iter().map(|port| port.socket.as_str()))
            .map(|name| self.work_folder.join(name))
            .collect()
    }

    /// Refuses what QEMU would misunderstand. Names go into command lines where commas separate
    /// options; paths go where they do not.
    ///
    /// # Errors
    /// [`MachineError::Specification`]
    pub fn check(&self) -> Result<(), MachineError> {
        let refuse = |problem: String| {
            Err(MachineError::Specification {
                machine: self.name.clone(),
                problem,
            })
        };
        if !is_word(&self.name, "-_.") {
            return refuse("its name has other characters than letters, digits and -_.".into());
        }
        if self.cpus == 0 || self.memory_mib < MIN_MEMORY_MIB {
            return refuse(format!(
                "{} processors and {} MiB are too little",
                self.cpus, self.memory_mib
            ));
        }
        if self.disks.len() + self.networks.len() + self.ports.len() > MAX_DEVICES {
            return refuse(format!("more than {MAX_DEVICES} devices do not fit"));
        }
        for disk in &self.disks {
            if !is_word(&disk.serial, "-") || disk.serial.len() > MAX_SERIAL_BYTES {
                return refuse(format!("{:?} is no serial number of a disk", disk.serial));
            }
        }
        for network in &self.networks {
            if !is_mac(&network.mac) {
                return refuse(format!("{:?} is no hardware address", network.mac));
            }
            if let NetworkMode::Tap { interface } = &network.mode
                && !is_word(interface, "-_.")
            {
                return refuse(format!("{interface:?} is no network interface"));
            }
        }
        for port in &self.ports {
            let taken = [MONITOR_SOCKET, CONSOLE_SOCKET, CONSOLE_LOG, VARIABLES];
            if !is_word(&port.name, "-_.")
                || !is_word(&port.socket, "-_.")
                || taken.contains(&port.socket.as_str())
            {
                return refuse(format!("a port cannot be called {:?}", port.name));
            }
        }
        Ok(())
    }
}

/// Letters and digits, and `others` after the first of them.
fn is_word(text: &str, others: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6
        && parts
            .iter()
            .all(|part| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn smallest() -> MachineSpec {
        MachineSpec {
            name: "m".into(),
            accelerator: Accelerator::Tcg,
            cpus: 1,
            memory_mib: 64,
            firmware: Firmware::Bios,
            disks: vec![],
            networks: vec![],
            kernel: None,
            ports: vec![],
            screen: false,
            restarts: true,
            outlives: false,
            work_folder: "/w".into(),
        }
    }

    #[test]
    fn what_qemu_would_misunderstand_is_refused() {
        smallest().check().unwrap();
        let with = |change: fn(&mut MachineSpec)| {
            let mut spec = smallest();
            change(&mut spec);
            spec.check().unwrap_err().to_string()
        };
        assert!(with(|spec| spec.name = "a,debug-threads=on".into()).contains("name"));
        assert!(with(|spec| spec.cpus = 0).contains("too little"));
        let serial = with(|spec| {
            spec.disks.push(DiskSpec {
                path: "/d".into(),
                format: DiskFormat::Raw,
                serial: "x,read-only=off".into(),
                read_only: true,
                snapshot: false,
                durable: true,
            });
        });
        assert!(serial.contains("serial number"));
        for mac in ["52:54:00:12:34", "52:54:00:12:34:5g", "a,b"] {
            let mut spec = smallest();
            spec.networks.push(NetworkSpec {
                mac: mac.into(),
                mode: NetworkMode::None,
            });
            let refused = spec.check().unwrap_err().to_string();
            assert!(refused.contains("hardware address"), "{refused}");
        }
        for socket in ["../x", "monitor.sock", "a,b"] {
            let mut spec = smallest();
            spec.ports.push(PortSpec {
                name: "p".into(),
                socket: socket.into(),
            });
            spec.check().unwrap_err();
        }
    }
}
