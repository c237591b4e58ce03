//! Which servers there are: what differs between them is how their disks are laid out and how they
//! get their address.

use serde::{Deserialize, Serialize};

/// What starts a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    /// The boot sector of the first disk.
    Bios,
    /// A program in the EFI system partition.
    Uefi,
}

/// A server, named by how its disks are laid out. All have PostgreSQL on the root file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// MBR with one ext4 and a swap partition; static address.
    BiosExt4Mbr,
    /// GPT with EFI system partition, /boot and root on ext4; address by DHCP.
    UefiExt4Boot,
    /// MBR with /boot and a volume group that holds root and swap; a second disk that is xfs as a
    /// whole; static address.
    Lvm,
    /// MBR with one btrfs, root and /home are subvolumes; address by DHCP.
    Btrfs,
    /// MBR with /boot on ext4 and root on xfs; address by DHCP.
    Xfs,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 5] = [
        Self::BiosExt4Mbr,
        Self::UefiExt4Boot,
        Self::Lvm,
        Self::Btrfs,
        Self::Xfs,
    ];

    /// Its name in reports, and the host name of its server.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BiosExt4Mbr => "bios-ext4-mbr",
            Self::UefiExt4Boot => "uefi-ext4-boot",
            Self::Lvm => "lvm",
            Self::Btrfs => "btrfs",
            Self::Xfs => "xfs",
        }
    }

    /// What its server is started by.
    #[must_use]
    pub fn firmware(self) -> Firmware {
        match self {
            Self::UefiExt4Boot => Firmware::Uefi,
            _ => Firmware::Bios,
        }
    }

    /// The address that is written down in its server, unless it asks DHCP.
    #[must_use]
    pub fn static_address(self) -> Option<&'static str> {
        match self {
            Self::BiosExt4Mbr => Some("10.0.2.41"),
            Self::Lvm => Some("10.0.2.42"),
            _ => None,
        }
    }

    /// The address at which its server is found. QEMU's DHCP always hands out the same.
    #[must_use]
    pub fn address(self) -> &'static str {
        self.static_address().unwrap_or("10.0.2.15")
    }

    /// How many disks it has.
    #[must_use]
    pub fn disk_count(self) -> usize {
        match self {
            Self::Lvm => 2,
            _ => 1,
        }
    }
}

/// Kinds of file systems that a check on the host can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileSystem {
    /// Judged by `e2fsck`.
    Ext4,
    /// Judged by `xfs_repair`.
    Xfs,
    /// Judged by `btrfs check`.
    Btrfs,
}

/// Where a file system lies: what a host without a volume manager needs to know to look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Number of the disk, from zero.
    pub disk: usize,
    /// First byte on that disk.
    pub offset_bytes: u64,
    /// Length.
    pub size_bytes: u64,
    /// What is there.
    pub file_system: FileSystem,
    /// Where the server mounts it.
    pub mount_point: String,
}
