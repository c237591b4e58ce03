//! What kind of system it is: read once, before anything is changed.
//!
//! The rules are in files of their own and pure; this one gathers what they look at.

use serde::{Deserialize, Serialize};

use crate::error::RootError;
use crate::facts::DiskFacts;
use crate::formats::fstab::{self, FstabEntry};
use crate::root::{FILE_LIMIT_BYTES, Root};

pub(crate) mod boot_loader;
pub(crate) mod initramfs;
pub(crate) mod kernels;
pub(crate) mod network;
pub(crate) mod os_release;
pub(crate) mod service_manager;

pub use boot_loader::BootLoader;
pub use initramfs::InitramfsTool;
pub use network::NetworkStack;

use boot_loader::FirmwareTraces;
use kernels::Kernel;
use os_release::Family;

/// What kind of system it is, for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemFacts {
    /// Such as `debian`; `unknown` if the system does not say.
    pub os_id: String,
    /// Such as `12`.
    pub os_version: String,
    /// For people, such as `Debian GNU/Linux 12 (bookworm)`.
    pub os_name: String,
    /// The device that the root file system is on now.
    pub root_device: Option<String>,
    /// The type of the root file system.
    pub root_file_system: Option<String>,
    /// What starts the kernel.
    pub boot_loader: BootLoader,
    /// What makes the early user space.
    pub initramfs_tool: InitramfsTool,
    /// What configures the network; several may.
    pub network_stacks: Vec<NetworkStack>,
    /// Versions of the kernels that can be started, oldest first.
    pub kernels: Vec<String>,
    /// Whether there are traces of a boot by BIOS.
    pub has_bios_traces: bool,
    /// Whether there are traces of a boot by UEFI.
    pub has_uefi_traces: bool,
}

/// The same and more, for fix-ups.
#[derive(Clone, Debug)]
pub(crate) struct System {
    pub(crate) facts: SystemFacts,
    pub(crate) family: Family,
    pub(crate) kernels: Vec<Kernel>,
    /// `/etc/fstab` as it was: which mount point an old name stands for.
    pub(crate) fstab: Vec<FstabEntry>,
    /// Version of systemd, if the system has it; 0 if it does not say which.
    pub(crate) systemd: Option<u32>,
}

/// Looks at the system.
pub(crate) fn detect(root: &Root, disks: &DiskFacts) -> Result<System, RootError> {
    let mut release = os_release::OsRelease::default();
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(text) = root.read_text(path)? {
            release = os_release::parse(&text);
            break;
        }
    }
    let has = |path: &str| root.has_entry(path);
    let initramfs_tool = initramfs::tool(&has);
    let kernels = kernels(root)?;
    let boot_loader = boot_loader::detect(&has);
    let FirmwareTraces { bios, uefi } = boot_loader::firmware_traces(&has);
    let mut network_stacks = Vec::new();
    for (stack, directory, ending) in network::DIRECTORIES {
        let names = root.list(directory)?;
        if names.iter().any(|name| network::belongs(name, ending)) {
            network_stacks.push(stack);
        }
    }
    if let Some(text) = root.read_text("/etc/network/interfaces")?
        && network::interfaces_is_used(&text)
    {
        network_stacks.push(NetworkStack::Ifupdown);
    }
    network_stacks.sort();
    network_stacks.dedup();

    let root_volume = disks.mounted_at("/");
    let mut libraries = root.list("/usr/lib/systemd")?;
    libraries.extend(root.list("/lib/systemd")?);
    let fstab = root.read_text("/etc/fstab")?.unwrap_or_default();
    Ok(System {
        fstab: fstab::entries(&fstab),
        family: release.family(),
        systemd: service_manager::systemd_version(&libraries),
        facts: SystemFacts {
            os_id: release.id,
            os_version: release.version,
            os_name: release.name,
            root_device: root_volume.map(|volume| volume.device.clone()),
            root_file_system: root_volume.map(|volume| volume.file_system.clone()),
            boot_loader,
            initramfs_tool,
            network_stacks,
            kernels: kernels
                .iter()
                .map(|kernel| kernel.version.clone())
                .collect(),
            has_bios_traces: bios,
            has_uefi_traces: uefi,
        },
        kernels,
    })
}

fn kernels(root: &Root) -> Result<Vec<Kernel>, RootError> {
    let boot = root.list("/boot")?;
    let mut found = Vec::new();
    for directory in ["/usr/lib/modules", "/lib/modules"] {
        for version in root.list(directory)? {
            let modules = format!("{directory}/{version}");
            if !crate::words::is_kernel_version(&version)
                || found
                    .iter()
                    .any(|kernel: &Kernel| kernel.version == version)
                || !root.is_directory(&modules)
            {
                continue;
            }
            let image_in_modules = root.is_file(&format!("{modules}/vmlinuz"));
            if !kernels::is_startable(&version, &boot, image_in_modules) {
                continue;
            }
            let mut drivers = Vec::new();
            for list in ["modules.dep", "modules.builtin"] {
                if let Some(bytes) = root.read(&format!("{modules}/{list}"), FILE_LIMIT_BYTES)? {
                    let builtin = list == "modules.builtin";
                    drivers.extend(kernels::drivers(&crate::root::decode(bytes), builtin));
                }
            }
            found.push(Kernel {
                initramfs: kernels::initramfs_image(&version, &boot),
                version,
                drivers,
            });
        }
    }
    found.sort_by(|one, other| kernels::compare_versions(&one.version, &other.version));
    Ok(found)
}
