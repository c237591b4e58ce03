//! What a source server consists of, as far as rules depend on it.
//!
//! Sizes are bytes. An adjusted size of 0 means that the size stays as it is (SMS, `adjust_size`).

/// One MiB in bytes: SMS's "MB" of disks.
pub const MIB: u64 = 1 << 20;
/// One GiB in bytes: SMS's "GB" of disks.
pub const GIB: u64 = 1 << 30;
/// No disk is so small in bytes: a figure up to this was meant in GB.
const LARGEST_GIGABYTES: u64 = 1 << 16;

/// Family of an operating system (SMS, `os_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OsFamily {
    /// `LINUX`
    #[default]
    Linux,
    /// `WINDOWS`
    Windows,
}

impl OsFamily {
    /// Reads the word in any case; `None` if SMS has no such family (`SMS.6601`).
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("LINUX") {
            Some(Self::Linux)
        } else if word.eq_ignore_ascii_case("WINDOWS") {
            Some(Self::Windows)
        } else {
            None
        }
    }
}

/// What people chose for a disk or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Whether it is migrated.
    pub wanted: bool,
    /// Size on the target in bytes; 0 if it stays as it is.
    pub adjusted_bytes: u64,
}

impl Default for Choice {
    /// It is migrated as it is.
    fn default() -> Self {
        Self {
            wanted: true,
            adjusted_bytes: 0,
        }
    }
}

impl Choice {
    /// The size on the target of what has `size_bytes` on the source.
    #[must_use]
    pub fn size_bytes(self, size_bytes: u64) -> u64 {
        if self.adjusted_bytes == 0 {
            size_bytes
        } else {
            self.adjusted_bytes
        }
    }
}

/// A partition, or a logical volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Its name, such as `/dev/vda1`.
    pub name: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// How much of it is used, in bytes; 0 if that is not known.
    pub used_bytes: u64,
    /// Type of its file system; empty if it has none that is known.
    pub file_system: String,
    /// What is chosen for it.
    pub choice: Choice,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Its name, such as `/dev/vda`.
    pub name: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// How much of it is used, in bytes; 0 if that is not known.
    pub used_bytes: u64,
    /// `MBR` or `GPT`; empty if it has no partition table.
    pub partition_style: String,
    /// Whether the system starts from it.
    pub system: bool,
    /// Its partitions.
    pub partitions: Vec<Volume>,
    /// What is chosen for it.
    pub choice: Choice,
}

impl Disk {
    /// Whether it can be migrated: it has a name and a size.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.name.is_empty() && self.size_bytes > 0
    }

    /// Whether its partition table is a GPT.
    #[must_use]
    pub fn is_gpt(&self) -> bool {
        self.partition_style.eq_ignore_ascii_case("GPT")
    }
}

/// A volume group of LVM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeGroup {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The devices that it consists of.
    pub components: Vec<String>,
    /// Its logical volumes.
    pub volumes: Vec<Volume>,
    /// What is chosen for it.
    pub choice: Choice,
}

/// Everything that holds data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Family of the operating system.
    pub family: OsFamily,
    /// Disks, in the order of the registration.
    pub disks: Vec<Disk>,
    /// Volume groups.
    pub volume_groups: Vec<VolumeGroup>,
}

impl Inventory {
    /// The disks that are migrated.
    pub fn wanted_disks(&self) -> impl Iterator<Item = &Disk> {
        self.disks
            .iter()
            .filter(|disk| disk.choice.wanted && disk.is_usable())
    }
}

/// The bytes that a client means by the size of a disk. SMS writes sizes of templates in GB and
/// those of tasks in bytes, and clients mix them up.
#[must_use]
pub fn meant_bytes(size: u64) -> u64 {
    if size <= LARGEST_GIGABYTES {
        size.saturating_mul(GIB)
    } else {
        size
    }
}

/// Whether a client that tells a size means a disk of `exact_bytes`: it may have rounded it to whole
/// MiB, or to whole GB of 1000 or 1024 MB. SMS reports such a difference as changed disks
/// (`SMS.0515`), which users meet without having changed any.
#[must_use]
pub fn is_same_size(exact_bytes: u64, told_bytes: u64) -> bool {
    let difference = exact_bytes.abs_diff(told_bytes);
    let rounded_to = |unit: u64| told_bytes.is_multiple_of(unit) && difference < unit;
    difference < MIB || told_bytes > 0 && (rounded_to(GIB) || rounded_to(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_clients_are_understood() {
        assert_eq!(meant_bytes(0), 0);
        assert_eq!(meant_bytes(40), 40 * GIB);
        assert_eq!(meant_bytes(1 << 20), 1 << 20);
        let disk = 42_949_672_960;
        for same in [
            disk,
            disk + 1000,
            disk - 1000,
            42_000_000_000,
            43_000_000_000,
        ] {
            assert!(is_same_size(disk, same), "{same}");
        }
        for other in [
            0,
            disk / 2,
            41_000_000_000,
            disk + 2 * GIB,
            disk - GIB,
            disk - 3 * MIB,
        ] {
            assert!(!is_same_size(disk, other), "{other}");
        }
        assert!(
            is_same_size(disk - 12_345_678, disk),
            "rounded up to whole GB"
        );
        assert!(!is_same_size(500 * MIB, 0));
    }
}
