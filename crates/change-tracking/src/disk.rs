//! Which disk is meant, so surely that marks of one are never taken for those of another: device
//! numbers are given again to other disks, sizes change. And which disks can be tracked at all.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::DiskError;

/// A whole disk of this machine, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId {
    /// The major device number.
    pub major: u32,
    /// The minor device number of the whole disk.
    pub minor: u32,
    /// The size in bytes.
    pub size_bytes: u64,
    /// The kernel's number of this appearance of a disk, which is never given twice between two
    /// boots. 0 on kernels before 5.15, which have none.
    pub sequence: u64,
}

impl DiskId {
    /// The disk behind a device file such as `/dev/sda`.
    ///
    /// # Errors
    /// [`DiskError`] if it is not a disk whose completions can be tracked, in the words of the reason.
    pub fn of(device: &Path) -> Result<Self, DiskError> {
        let metadata = device.metadata().map_err(|source| DiskError::Look {
            path: device.into(),
            source,
        })?;
        // A device number that belongs to no block device has no folder.
        let (major, minor) = (
            rustix::fs::major(metadata.rdev()),
            rustix::fs::minor(metadata.rdev()),
        );
        let folder = folder(major, minor);
        let is_block_device = metadata.mode() & file_type::MASK == file_type::BLOCK;
        if !is_block_device || !folder.exists() {
            return Err(DiskError::NoBlockDevice(device.into()));
        }
        if folder.join("partition").exists() {
            return Err(DiskError::Partition(device.into()));
        }
        // Only block-mq, which completes requests, has this folder. Mapped and striped devices and
        // memory disks hand the bios on instead; the disks below them complete requests.
        if !folder.join("mq").exists() {
            return Err(DiskError::WithoutRequests(device.into()));
        }
        if read_word(&folder.join("queue/zoned")).is_ok_and(|zoned| zoned != "none") {
            return Err(DiskError::Zoned(device.into()));
        }
        if !statistics_are_kept(major, minor) {
            return Err(DiskError::WithoutStatistics(device.into()));
        }
        let number = |name: &str| -> Result<u64, DiskError> {
            let path = folder.join(name);
            let word = read_word(&path).map_err(|source| DiskError::Look {
                path: path.clone(),
                source,
            })?;
            word.parse().map_err(|_| DiskError::NotANumber(path))
        };
        let sequence = if folder.join("diskseq").exists() {
            number("diskseq")?
        } else {
            0
        };
        let size_bytes = number("size")?.saturating_mul(SECTOR_BYTES);
        if size_bytes == 0 {
            return Err(DiskError::Empty(device.into()));
        }
        Ok(Self {
            major,
            minor,
            size_bytes,
            sequence,
        })
    }

    /// Whether the number belongs to another disk now, or the disk has another size.
    pub(crate) fn has_been_replaced(&self) -> bool {
        let reads = |name: &str, wanted: u64| {
            read_word(&self.folder().join(name)).is_ok_and(|word| word == wanted.to_string())
        };
        let same = reads("size", self.size_bytes / SECTOR_BYTES)
            && (self.sequence == 0 || reads("diskseq", self.sequence));
        !same
    }

    /// Where the kernel tells about the disk.
    pub(crate) fn folder(&self) -> PathBuf {
        folder(self.major, self.minor)
    }

    /// Whether the kernel keeps the statistics of the disk that the audit compares with. An operator
    /// may switch them off at any time.
    pub(crate) fn has_statistics(&self) -> bool {
        statistics_are_kept(self.major, self.minor)
    }
}

/// The unit of sizes and statistics in sysfs, whatever the disk's own sector size is.
pub(crate) const SECTOR_BYTES: u64 = 512;

/// From `<sys/stat.h>`.
mod file_type {
    pub(super) const MASK: u32 = 0o170_000;
    pub(super) const BLOCK: u32 = 0o060_000;
}

fn folder(major: u32, minor: u32) -> PathBuf {
    format!("/sys/dev/block/{major}:{minor}").into()
}

fn statistics_are_kept(major: u32, minor: u32) -> bool {
    read_word(&folder(major, minor).join("queue/iostats")).is_ok_and(|word| word == "1")
}

fn read_word(path: &Path) -> std::io::Result<String> {
    Ok(std::fs::read_to_string(path)?.trim().to_owned())
}
