//! Whether a target as a task describes it can take what is on the source.

use super::ResizeError;
use crate::inventory::{is_same_size, meant_bytes};

/// A disk of the target as a task describes it, with the source disk that goes there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedDisk {
    /// Its name in the task.
    pub name: String,
    /// Its size as it came: bytes, or GB from clients that mix them up; 0 if it was not given.
    pub size: u64,
    /// Sizes of the partitions described on it, in bytes.
    pub partition_bytes: Vec<u64>,
    /// What the source disk needs there, in bytes: its size, or what it was adjusted to.
    pub needed_bytes: u64,
}

/// Checks the disks of a target against what goes there. A size that differs from the needed one by
/// rounding alone is taken as the needed one: the volume gets the size that is needed anyway.
///
/// # Errors
/// [`ResizeError`] names the first disk that is too small.
pub fn check_target(disks: &[DescribedDisk]) -> Result<(), ResizeError> {
    for disk in disks.iter().filter(|disk| disk.size > 0) {
        let size_bytes = meant_bytes(disk.size);
        if size_bytes < disk.needed_bytes && !is_same_size(disk.needed_bytes, size_bytes) {
            return Err(ResizeError::TargetTooSmall {
                name: disk.name.clone(),
                needed_bytes: disk.needed_bytes,
            });
        }
        let parts = disk.partition_bytes.iter().copied();
        let parts_bytes = parts.fold(0_u64, u64::saturating_add);
        // Partitions of a disk as large as its source are those of the source, an extended one with
        // what it holds among them.
        let is_copy = is_same_size(disk.needed_bytes, size_bytes);
        if parts_bytes > size_bytes && !is_copy {
            return Err(ResizeError::TargetBelowPartitions {
                name: disk.name.clone(),
                needed_bytes: parts_bytes,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::GIB;

    #[test]
    fn a_target_is_as_large_as_its_source_but_for_rounding() {
        let disk = |size| DescribedDisk {
            name: "Disk 0".into(),
            size,
            needed_bytes: 40 * GIB,
            ..DescribedDisk::default()
        };
        for fits in [
            0,
            40,
            100,
            40 * GIB,
            40 * GIB - 1000,
            42_000_000_000,
            80 * GIB,
        ] {
            assert_eq!(check_target(&[disk(fits)]), Ok(()), "{fits}");
        }
        for small in [39, 39 * GIB, 40 * GIB - (2 << 20)] {
            let error = check_target(&[disk(40), disk(small)]).unwrap_err();
            assert_eq!(error.code(), "SMS.6611", "{small}");
        }
    }

    #[test]
    fn partitions_fit_their_target() {
        let disk = |size, partition_bytes: &[u64]| DescribedDisk {
            name: "Disk 0".into(),
            size,
            partition_bytes: partition_bytes.to_vec(),
            needed_bytes: 40 * GIB,
        };
        assert_eq!(
            check_target(&[disk(60 * GIB, &[20 * GIB, 40 * GIB])]),
            Ok(())
        );
        let error = check_target(&[disk(60 * GIB, &[30 * GIB, 31 * GIB])]).unwrap_err();
        assert_eq!(error.code(), "SMS.6614");
        assert_eq!(
            check_target(&[disk(40 * GIB, &[30 * GIB, 31 * GIB])]),
            Ok(())
        );
        assert!(check_target(&[disk(60 * GIB, &[u64::MAX, u64::MAX])]).is_err());
    }
}
