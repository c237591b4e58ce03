//! The map of disks: what lies where, and what of it is in use.

use std::ops::Range;
use std::sync::Arc;

use crate::mapper::Mapper;
use crate::{Extents, GivenUp, Medium, Unmapped};

/// What of a disk is in use.
#[derive(Debug)]
pub struct DiskMap {
    /// Everything that is in use or might be.
    pub used: Extents,
    /// What was found, in ascending order of where it begins. What lies in something else follows it:
    /// partitions a partition table, volumes the members they lie on.
    pub regions: Vec<RegionMap>,
}

/// A part of a disk and how it was mapped.
#[derive(Clone, Debug)]
pub struct RegionMap {
    /// Where on the disk, in bytes. For a volume or array: from its first byte on this disk to its
    /// last.
    pub range: Range<u64>,
    /// The volume or array by name, if it is one or lies in one.
    pub volume: Option<String>,
    /// What lies there.
    pub content: Region,
    /// Whether the map is all there is to know. It is not while the journal of a file system may hold
    /// changes of the allocation: whoever copies a disk in use reads the map again once the file
    /// system is frozen. It does not say that the data stands still.
    pub is_settled: bool,
    /// Why it counts as used as a whole, if it does. Shared between the disks that it lies on.
    pub whole: Option<Arc<Unmapped>>,
    /// What of a file system counts as used because its map cannot be trusted, if only a part of it
    /// does. Also of a file system in use, caught in the middle of writing its maps.
    pub given_up: Option<Arc<GivenUp>>,
}

/// What lies in a part of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Nothing that is known. Also partitions whose type says that they are not to be looked into.
    Unknown,
    /// A partition table; what follows lies in its partitions.
    PartitionTable,
    /// Space that belongs to no partition. Boot loaders, firmware and disk managers use it without
    /// saying so, so that it counts as used.
    Gap,
    /// ext2, ext3 or ext4.
    Ext,
    /// XFS.
    Xfs,
    /// btrfs, or a member of one.
    Btrfs,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// exFAT.
    ExFat,
    /// NTFS.
    Ntfs,
    /// A swap area.
    Swap,
    /// A physical volume of LVM.
    Lvm,
    /// A member of a Linux software RAID.
    Md,
    /// Something with a name that there is no map of.
    Foreign(&'static str),
}

/// The maps of all disks of a server, in the order given. They are mapped together because volume
/// managers and file systems may span several of them.
#[must_use]
pub fn map_disks(disks: &[&dyn Medium]) -> Vec<DiskMap> {
    Mapper::new(disks).run()
}
