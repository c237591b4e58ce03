//! Which sizes and choices of disks are possible (SMS, resize rules).
//!
//! Three questions are asked: whether a person's choices for a source server make sense at all
//! ([`check_choices`]), whether a copy of blocks can carry them out ([`check_block_copy`]), and
//! whether a target as it is described can take the disks ([`check_target`]).
//!
//! Only what is wanted and was adjusted is looked at: sizes that agents report are theirs, and an
//! extended partition holds others, so that partitions may add up to more than their disk.
//! Not applied is SMS's demand that the target of a GPT disk is 1 GB larger than the source: a copy
//! of blocks fits a target of the same size.

mod target;

pub use target::{DescribedDisk, check_target};

use crate::inventory::{Disk, GIB, Inventory, MIB, OsFamily, Volume, VolumeGroup};
use crate::target_proposal::disk_of;

/// What GPT keeps for itself on a disk (SMS).
const GPT_SPARE_BYTES: u64 = 33 * MIB;
/// The same with Microsoft's reserved partition (SMS).
const GPT_SPARE_WITH_MSR_BYTES: u64 = 128 * MIB;
/// What a partition keeps free beside what is used (SMS).
const FREE_BYTES: u64 = GIB;

/// Why sizes or choices are impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResizeError {
    /// Not a whole number of MB.
    #[error("the size of {0:?} is not a whole number of MB: give a multiple of 1048576 bytes")]
    NotWholeMib(String),
    /// Smaller than what is used.
    #[error("{name:?} needs {needed_bytes} bytes for what is on it: give at least so much")]
    BelowUsed {
        /// Name of the partition or logical volume.
        name: String,
        /// Smallest size in bytes.
        needed_bytes: u64,
    },
    /// A disk is smaller than its partitions.
    #[error("disk {name:?} needs {needed_bytes} bytes for its partitions: give at least so much")]
    DiskBelowPartitions {
        /// Name of the disk.
        name: String,
        /// Smallest size in bytes.
        needed_bytes: u64,
    },
    /// A disk has no room for the end of its GPT.
    #[error("disk {name:?} needs {needed_bytes} bytes for its partitions and its GPT: enlarge it")]
    NoRoomForGpt {
        /// Name of the disk.
        name: String,
        /// Smallest size in bytes.
        needed_bytes: u64,
    },
    /// Something on Windows is to become smaller.
    #[error("{0:?} cannot become smaller, because Windows is on it: keep its size or enlarge it")]
    WindowsShrinks(String),
    /// A volume group is smaller than its volumes.
    #[error("volume group {name:?} needs {needed_bytes} bytes for its volumes: enlarge it")]
    GroupBelowVolumes {
        /// Name of the volume group.
        name: String,
        /// Smallest size in bytes.
        needed_bytes: u64,
    },
    /// A volume with Btrfs is to be resized.
    #[error("{0:?} has a Btrfs, which is never resized: keep its size")]
    BtrfsResized(String),
    /// No disk is left.
    #[error("no disk would be migrated: keep at least one")]
    NothingWanted,
    /// A copy of blocks would have to shrink something.
    #[error("{0:?} cannot become smaller, because blocks are copied: keep its size or enlarge it")]
    BlocksShrink(String),
    /// A copy of blocks would have to resize LVM.
    #[error("{0:?} cannot be resized, because blocks are copied: keep its size")]
    LvmResized(String),
    /// Only a part of a volume group would be copied.
    #[error("volume group {0:?} is on disks that are migrated and disks that are not: take all")]
    GroupTorn(String),
    /// Something inside a disk is left out, which a copy of blocks cannot do.
    #[error("{0:?} cannot be left out alone, because disks are copied whole: leave out its disk")]
    PartLeftOut(String),
    /// A described disk of the target is smaller than the disk that goes there.
    #[error("target disk {name:?} needs {needed_bytes} bytes: choose a larger one")]
    TargetTooSmall {
        /// Name of the target disk.
        name: String,
        /// Smallest size in bytes.
        needed_bytes: u64,
    },
    /// A described disk of the target is smaller than the partitions described on it.
    #[error("target disk {name:?} needs {needed_bytes} bytes for its partitions: enlarge it")]
    TargetBelowPartitions {
        /// Name of the target disk.
        name: String,
        /// Smallest size in bytes.
        needed_bytes: u64,
    },
}

impl ResizeError {
    /// The SMS error code of the answer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWholeMib(_) => "SMS.6612",
            Self::BelowUsed { .. } => "SMS.6538",
            Self::DiskBelowPartitions { .. } => "SMS.6539",
            Self::NoRoomForGpt { .. } => "SMS.6613",
            Self::WindowsShrinks(_) => "SMS.6540",
            Self::GroupBelowVolumes { .. } | Self::LvmResized(_) | Self::GroupTorn(_) => "SMS.6541",
            Self::BtrfsResized(_) => "SMS.6509",
            Self::NothingWanted => "SMS.6519",
            Self::BlocksShrink(_) | Self::TargetTooSmall { .. } => "SMS.6611",
            Self::PartLeftOut(_) => "SMS.6033",
            Self::TargetBelowPartitions { .. } => "SMS.6614",
        }
    }
}

/// Whether a person's choices make sense, whatever the method of the copy.
///
/// # Errors
/// [`ResizeError`] names the first that does not.
pub fn check_choices(inventory: &Inventory) -> Result<(), ResizeError> {
    if !inventory.disks.is_empty() && !inventory.disks.iter().any(|disk| disk.choice.wanted) {
        return Err(ResizeError::NothingWanted);
    }
    let windows = inventory.family == OsFamily::Windows;
    for disk in inventory.disks.iter().filter(|disk| disk.choice.wanted) {
        check_parts(&disk.partitions, windows)?;
        if is_adjusted(disk.choice.adjusted_bytes, &disk.partitions) {
            check_disk(disk, windows)?;
        }
    }
    let groups = inventory.volume_groups.iter();
    for group in groups.filter(|group| group.choice.wanted) {
        check_parts(&group.volumes, windows)?;
        if is_adjusted(group.choice.adjusted_bytes, &group.volumes) {
            check_group(group)?;
        }
    }
    Ok(())
}

/// Whether a copy of blocks can carry out a person's choices: it copies disks whole, to places that
/// are not smaller, and leaves LVM as it is.
///
/// # Errors
/// [`ResizeError`] names the first that it cannot.
pub fn check_block_copy(inventory: &Inventory) -> Result<(), ResizeError> {
    check_choices(inventory)?;
    for disk in inventory.disks.iter().filter(|disk| disk.choice.wanted) {
        if disk.choice.size_bytes(disk.size_bytes) < disk.size_bytes {
            return Err(ResizeError::BlocksShrink(disk.name.clone()));
        }
        for part in &disk.partitions {
            if !part.choice.wanted {
                return Err(ResizeError::PartLeftOut(part.name.clone()));
            }
            if part.choice.size_bytes(part.size_bytes) < part.size_bytes {
                return Err(ResizeError::BlocksShrink(part.name.clone()));
            }
        }
    }
    for group in &inventory.volume_groups {
        check_lvm_for_blocks(inventory, group)?;
    }
    Ok(())
}

fn check_lvm_for_blocks(inventory: &Inventory, group: &VolumeGroup) -> Result<(), ResizeError> {
    let disks = group
        .components
        .iter()
        .filter_map(|component| disk_of(inventory, component));
    let wanted: Vec<bool> = disks.map(|disk| disk.choice.wanted).collect();
    let (any, all) = (wanted.contains(&true), !wanted.contains(&false));
    if any && !all {
        return Err(ResizeError::GroupTorn(group.name.clone()));
    }
    if !any && !wanted.is_empty() {
        // It goes with its disks, whatever is chosen for it.
        return Ok(());
    }
    if !group.choice.wanted {
        return Err(ResizeError::PartLeftOut(group.name.clone()));
    }
    if group.choice.size_bytes(group.size_bytes) != group.size_bytes {
        return Err(ResizeError::LvmResized(group.name.clone()));
    }
    for volume in &group.volumes {
        if !volume.choice.wanted {
            return Err(ResizeError::PartLeftOut(volume.name.clone()));
        }
        if volume.choice.size_bytes(volume.size_bytes) != volume.size_bytes {
            return Err(ResizeError::LvmResized(volume.name.clone()));
        }
    }
    Ok(())
}

fn is_adjusted(own_bytes: u64, parts: &[Volume]) -> bool {
    own_bytes > 0 || parts.iter().any(|part| part.choice.adjusted_bytes > 0)
}

/// Checks partitions or logical volumes that are adjusted.
fn check_parts(parts: &[Volume], windows: bool) -> Result<(), ResizeError> {
    let adjusted = |part: &&Volume| part.choice.wanted && part.choice.adjusted_bytes > 0;
    for part in parts.iter().filter(adjusted) {
        let size_bytes = part.choice.adjusted_bytes;
        if size_bytes == part.size_bytes {
            continue;
        }
        check_whole(&part.name, size_bytes)?;
        if part.file_system.eq_ignore_ascii_case("btrfs") {
            return Err(ResizeError::BtrfsResized(part.name.clone()));
        }
        if windows && size_bytes < part.size_bytes {
            return Err(ResizeError::WindowsShrinks(part.name.clone()));
        }
        let needed_bytes = part
            .used_bytes
            .saturating_add(FREE_BYTES)
            .min(part.size_bytes);
        if size_bytes < needed_bytes {
            return Err(ResizeError::BelowUsed {
                name: part.name.clone(),
                needed_bytes,
            });
        }
    }
    Ok(())
}

fn check_disk(disk: &Disk, windows: bool) -> Result<(), ResizeError> {
    let size_bytes = disk.choice.size_bytes(disk.size_bytes);
    if size_bytes != disk.size_bytes {
        check_whole(&disk.name, size_bytes)?;
    }
    if windows && size_bytes < disk.size_bytes {
        return Err(ResizeError::WindowsShrinks(disk.name.clone()));
    }
    let spare_bytes = match (disk.is_gpt(), windows) {
        (false, _) => 0,
        (true, false) => GPT_SPARE_BYTES,
        (true, true) => GPT_SPARE_WITH_MSR_BYTES,
    };
    let needed_bytes = needed_for(&disk.partitions, disk.size_bytes);
    if size_bytes < needed_bytes {
        return Err(ResizeError::DiskBelowPartitions {
            name: disk.name.clone(),
            needed_bytes,
        });
    }
    // A disk that keeps its size has room for its GPT unless its partitions grow.
    let with_spare = needed_bytes.saturating_add(spare_bytes);
    let grows = parts_grow(&disk.partitions);
    if size_bytes < with_spare && (grows || size_bytes < disk.size_bytes) {
        return Err(ResizeError::NoRoomForGpt {
            name: disk.name.clone(),
            needed_bytes: with_spare,
        });
    }
    Ok(())
}

fn check_group(group: &VolumeGroup) -> Result<(), ResizeError> {
    let size_bytes = group.choice.size_bytes(group.size_bytes);
    if size_bytes != group.size_bytes {
        check_whole(&group.name, size_bytes)?;
    }
    let needed_bytes = needed_for(&group.volumes, group.size_bytes);
    if size_bytes < needed_bytes {
        return Err(ResizeError::GroupBelowVolumes {
            name: group.name.clone(),
            needed_bytes,
        });
    }
    Ok(())
}

fn check_whole(name: &str, size_bytes: u64) -> Result<(), ResizeError> {
    if size_bytes.is_multiple_of(MIB) {
        Ok(())
    } else {
        Err(ResizeError::NotWholeMib(name.to_owned()))
    }
}

/// What the parts of something need on the target. Parts that are left out need nothing; parts that
/// now add up to more than the whole, because one holds others, need the whole and their growth.
fn needed_for(parts: &[Volume], whole_bytes: u64) -> u64 {
    let sum = |size: &dyn Fn(&Volume) -> u64| {
        let wanted = parts.iter().filter(|part| part.choice.wanted);
        wanted.fold(0_u64, |sum, part| sum.saturating_add(size(part)))
    };
    let now = sum(&|part| part.size_bytes);
    let then = sum(&|part| part.choice.size_bytes(part.size_bytes));
    if now > whole_bytes {
        whole_bytes.saturating_add(then.saturating_sub(now))
    } else {
        then
    }
}

fn parts_grow(parts: &[Volume]) -> bool {
    parts
        .iter()
        .any(|part| part.choice.wanted && part.choice.adjusted_bytes > part.size_bytes)
}
