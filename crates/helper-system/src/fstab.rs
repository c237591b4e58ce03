//! What a copied system's `/etc/fstab` means for us: which of the file systems that it names have
//! to be mounted to make it start, in which order, and with which options.

use rehost_boot_fixups::FstabEntry;

/// How much a mount matters to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Without it the system cannot be made to start.
    Required,
    /// It may hold what programs of the system want to see.
    Useful,
    /// It holds data, or nothing on a disk.
    None,
}

/// Where a system keeps its kernels and boot loaders, in these folders or below.
const OF_BOOT: &[&str] = &["/boot", "/efi"];
/// Where it keeps its programs, if they are not with the root.
const PROGRAMS: &str = "/usr";
/// Where programs that make an initramfs or install a boot loader keep what they know.
const USEFUL: &[&str] = &["/var", "/var/lib", "/var/cache", "/var/tmp", "/opt"];
/// File systems that are on no disk of this machine.
const ELSEWHERE: &[&str] = &[
    "swap", "tmpfs", "proc", "sysfs", "devpts", "nfs", "nfs4", "cifs", "overlay", "none",
];

/// Whether we have to mount what an entry names.
pub(crate) fn need(entry: &FstabEntry) -> Need {
    let is_below = |folder: &&str| {
        entry
            .mount_point
            .strip_prefix(*folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if ELSEWHERE.contains(&entry.file_system.as_str())
        || entry.has_option("bind")
        || entry.has_option("rbind")
    {
        Need::None
    } else if OF_BOOT.iter().any(is_below) || entry.mount_point == PROGRAMS {
        if entry.has_option("nofail") {
            Need::Useful
        } else {
            Need::Required
        }
    } else if USEFUL.contains(&entry.mount_point.as_str()) {
        Need::Useful
    } else {
        Need::None
    }
}

/// The part of a btrfs that an entry mounts, if it names one.
pub(crate) fn subvolume(entry: &FstabEntry) -> Option<&str> {
    let mut options = entry.options.split(',');
    let name = options.find_map(|option| option.strip_prefix("subvol="))?;
    Some(name.trim_matches('/'))
}

/// Options for the kernel: those that say what is mounted. The others say how the running system is
/// to use it, which is no concern of ours: where it mounts read-only we may write.
pub(crate) fn mount_data(entry: &FstabEntry) -> String {
    let options = entry
        .options
        .split(',')
        .filter(|option| option.starts_with("subvol=") || option.starts_with("subvolid="));
    options.collect::<Vec<_>>().join(",")
}

/// The entries in an order in which each is mounted after what it is mounted on.
pub(crate) fn in_order(entries: &[FstabEntry]) -> Vec<&FstabEntry> {
    let depth = |path: &str| path.split('/').filter(|part| !part.is_empty()).count();
    let mut ordered: Vec<&FstabEntry> = entries.iter().collect();
    ordered.sort_by_key(|entry| depth(&entry.mount_point));
    ordered
}

#[cfg(test)]
mod tests {
    use rehost_boot_fixups::parse_fstab as parse;

    use super::*;

    #[test]
    fn what_a_system_needs_to_start_is_mounted_and_data_is_not() {
        let need = |line: &str| super::need(&parse(line)[0]);
        assert_eq!(need("/dev/sda1 /boot ext4 defaults"), Need::Required);
        assert_eq!(need("/dev/sda1 /boot/efi/ vfat noauto"), Need::Required);
        assert_eq!(need("/dev/sda1 /boot ext4 nofail"), Need::Useful);
        assert_eq!(need("/dev/sda1 /usr ext4 x"), Need::Required);
        assert_eq!(need("/dev/sda1 /usr/local ext4 x"), Need::None);
        assert_eq!(need("/dev/sda1 /var xfs x"), Need::Useful);
        assert_eq!(need("/dev/sda1 /var/lib/docker xfs x"), Need::None);
        assert_eq!(need("/dev/sda1 /bootstrap ext4 x"), Need::None);
        assert_eq!(need("tmpfs /var/tmp tmpfs x"), Need::None);
        assert_eq!(need("/srv/boot /boot none bind"), Need::None);
    }

    #[test]
    fn mounts_come_after_what_they_are_mounted_on() {
        let entries = parse("a /boot/efi vfat\nb / ext4\nc /boot ext4\n");
        let order: Vec<&str> = in_order(&entries)
            .iter()
            .map(|entry| entry.mount_point.as_str())
            .collect();
        assert_eq!(order, ["/", "/boot", "/boot/efi"]);
    }

    #[test]
    fn of_options_only_those_are_kept_that_say_what_is_mounted() {
        let entry = &parse("UUID=a / btrfs ro,noatime,subvol=/@,compress=zstd")[0];
        assert_eq!(subvolume(entry), Some("@"));
        assert_eq!(mount_data(entry), "subvol=/@");
    }
}
