//! The machine itself: names, kernel, firmware, boot loader, processors, memory.

use std::fs;
use std::path::Path;

use super::os_version::{OsRelease, parse_os_release, parse_redhat_release};

/// How the machine starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// By a boot sector.
    #[default]
    Bios,
    /// By an EFI system partition.
    Uefi,
}

impl Firmware {
    /// As SMS spells it.
    #[must_use]
    pub const fn sms_name(self) -> &'static str {
        match self {
            Self::Bios => "BIOS",
            Self::Uefi => "UEFI",
        }
    }
}

/// What is known of the machine beside its disks and network cards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Host name.
    pub hostname: String,
    /// The operating system.
    pub os_release: OsRelease,
    /// Version of the running kernel (`uname -r`).
    pub kernel_version: String,
    /// Architecture (`uname -m`).
    pub machine: String,
    /// How it starts.
    pub firmware: Firmware,
    /// Whether GRUB is its boot loader.
    pub grub: bool,
    /// Number of processors that are online.
    pub cpu_count: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Whether `rsync` is installed. Rehost does not use it; SMS wants to know.
    pub has_rsync: bool,
    /// Whether `tc` is installed. Rehost does not use it; SMS wants to know.
    pub has_tc: bool,
    /// Hypervisor below the machine (`kvm`, `xen`, ...); empty if none is known.
    pub virtualization: String,
}

/// Asks this machine. What cannot be found out stays empty: an odd machine is described as far as
/// possible, and the control plane's feasibility checks judge.
pub(crate) fn read() -> Host {
    let uname = rustix::system::uname();
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let os_release = match fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
    {
        Ok(text) => parse_os_release(&text),
        Err(_) => parse_redhat_release(&text("/etc/redhat-release")),
    };
    let uefi = Path::new("/sys/firmware/efi").is_dir();
    Host {
        hostname: uname.nodename().to_string_lossy().into_owned(),
        os_release,
        kernel_version: uname.release().to_string_lossy().into_owned(),
        machine: uname.machine().to_string_lossy().into_owned(),
        firmware: if uefi { Firmware::Uefi } else { Firmware::Bios },
        grub: has_grub(Path::new("/boot")),
        cpu_count: std::thread::available_parallelism()
            .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
        memory_bytes: parse_meminfo(&text("/proc/meminfo")),
        has_rsync: is_installed("rsync"),
        has_tc: is_installed("tc"),
        virtualization: hypervisor(
            &text("/sys/class/dmi/id/sys_vendor"),
            &text("/sys/hypervisor/type"),
        ),
    }
}

/// `/boot/grub` or `/boot/grub2`, or GRUB on the EFI system partition.
fn has_grub(boot: &Path) -> bool {
    let directories = [boot.to_owned(), boot.join("efi/EFI")];
    directories
        .iter()
        .flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten())
        .any(|entry| entry.file_name().to_string_lossy().starts_with("grub"))
}

fn is_installed(program: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .into_iter()
        .any(|directory| Path::new(directory).join(program).exists())
}

/// Total memory in bytes; 0 if the text does not tell.
fn parse_meminfo(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .unwrap_or(0)
        .saturating_mul(1024)
}

/// The hypervisor's name by what the firmware says of the machine's maker.
fn hypervisor(sys_vendor: &str, hypervisor_type: &str) -> String {
    let hypervisor_type = hypervisor_type.trim();
    if !hypervisor_type.is_empty() {
        return hypervisor_type.into();
    }
    let vendor = sys_vendor.to_ascii_lowercase();
    [
        ("qemu", "kvm"),
        ("kvm", "kvm"),
        ("amazon", "kvm"),
        ("google", "kvm"),
        ("alibaba", "kvm"),
        ("huawei", "kvm"),
        ("openstack", "kvm"),
        ("vmware", "vmware"),
        ("microsoft", "hyperv"),
        ("innotek", "virtualbox"),
        ("xen", "xen"),
    ]
    .into_iter()
    .find_map(|(word, name)| vendor.contains(word).then(|| name.to_owned()))
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_hypervisor_are_read() {
        assert_eq!(
            parse_meminfo("MemTotal:       24684084 kB\nMemFree: 1 kB\n"),
            25_276_502_016
        );
        assert_eq!(parse_meminfo("MemFree: 1 kB\n"), 0);
        assert_eq!(hypervisor("QEMU\n", ""), "kvm");
        assert_eq!(hypervisor("", "xen\n"), "xen");
        assert_eq!(hypervisor("Dell Inc.\n", ""), "");
    }

    #[test]
    fn grub_is_found_by_its_directory() {
        let boot = tempfile::tempdir().unwrap();
        assert!(!has_grub(boot.path()));
        fs::create_dir(boot.path().join("grub2")).unwrap();
        assert!(has_grub(boot.path()));
    }

    #[test]
    fn this_machine_is_described() {
        let host = read();
        assert!(!host.hostname.is_empty());
        assert!(!host.kernel_version.is_empty());
        assert!(host.cpu_count > 0);
        assert!(host.memory_bytes > 0);
    }
}
