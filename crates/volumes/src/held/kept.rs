//! The old bytes of what changed since a point: a sparse file, and a bit for each grain in it.

use std::fs::OpenOptions;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{ImageFormat, Volume, VolumeError, create_image, to_usize};

/// What is kept at once, in bytes.
///
/// A round writes whole chunks of which little has changed: only the grains that differ are kept.
/// Smaller grains keep less and cost more calls; this is also the cluster of a qcow2 overlay, which
/// reads whole clusters from what lies below it. The map of a disk of 16 TiB takes 32 MiB.
pub(super) const GRAIN_BYTES: u64 = 64 << 10;

/// Room that is left to others on the file system of the kept file, in bytes: journals and images may
/// lie there, too.
const SPARED_BYTES: u64 = 256 << 20;

/// How much is kept between two looks at the room, in bytes.
const LOOK_BYTES: u64 = 32 << 20;

/// Kept bytes, at the places at which the disk had them.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Arc<dyn Volume>,
    /// The file, if there is one to be removed and a file system to be spared.
    path: Option<PathBuf>,
    is_discarded: AtomicBool,
    /// A bit per grain, lowest first.
    grains: Box<[AtomicU64]>,
    kept_bytes: AtomicU64,
    looked_at_bytes: AtomicU64,
}

impl Kept {
    /// Makes the file.
    ///
    /// # Errors
    /// [`VolumeError::Create`] if the path exists already or cannot be written.
    pub(super) fn create(path: &Path, size_bytes: u64) -> Result<Self, VolumeError> {
        let bytes = create_image(path, ImageFormat::Raw, size_bytes)?;
        let mut kept = Self::over(bytes);
        kept.path = Some(path.into());
        Ok(kept)
    }

    /// Keeps in a medium that reads as zeros.
    pub(super) fn over(bytes: Arc<dyn Volume>) -> Self {
        let words = bytes.size_bytes().div_ceil(GRAIN_BYTES).div_ceil(64);
        Self {
            grains: (0..words).map(|_| AtomicU64::new(0)).collect(),
            bytes,
            path: None,
            is_discarded: AtomicBool::new(false),
            kept_bytes: AtomicU64::new(0),
            // So that the first keeper looks.
            looked_at_bytes: AtomicU64::new(0),
        }
    }

    /// Whether a grain is kept.
    pub(super) fn has(&self, grain: u64) -> bool {
        let word = &self.grains[to_usize(grain / 64)];
        word.load(Ordering::Acquire) & (1 << (grain % 64)) != 0
    }

    /// Marks grains as kept. What is not written to the file by then was zeros.
    pub(super) fn mark(&self, grains: Range<u64>) {
        for grain in grains {
            let word = &self.grains[to_usize(grain / 64)];
            word.fetch_or(1 << (grain % 64), Ordering::Release);
        }
    }

    /// The first kept grain in a range.
    pub(super) fn first_in(&self, grains: Range<u64>) -> Option<u64> {
        let mut grain = grains.start;
        while grain < grains.end {
            let word = self.grains[to_usize(grain / 64)].load(Ordering::Acquire);
            let left = word >> (grain % 64);
            if left != 0 {
                let found = grain + u64::from(left.trailing_zeros());
                return (found < grains.end).then_some(found);
            }
            grain = (grain / 64 + 1) * 64;
        }
        None
    }

    /// Writes old bytes, which are not counted as kept before they are marked.
    ///
    /// # Errors
    /// [`VolumeError::Write`], also if that would use up the last room of the file system.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), VolumeError> {
        let length = bytes.len() as u64;
        let kept = self.kept_bytes.fetch_add(length, Ordering::Relaxed) + length;
        if kept >= self.looked_at_bytes.load(Ordering::Relaxed) {
            self.looked_at_bytes
                .store(kept + LOOK_BYTES, Ordering::Relaxed);
            self.spare_others(offset, length)?;
        }
        self.bytes.write_at(bytes, offset)
    }

    fn spare_others(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        // A file system that does not tell says so when it is full.
        let is_low = rustix::fs::statvfs(path)
            .is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) < SPARED_BYTES);
        if !is_low {
            return Ok(());
        }
        Err(VolumeError::Write {
            path: path.clone(),
            offset,
            length,
            source: std::io::ErrorKind::StorageFull.into(),
        })
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        self.bytes.read_at(buffer, offset)
    }

    /// Bytes kept so far.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Gives the space back and removes the file, also while somebody reads from it: the reader gets
    /// an error.
    pub(super) fn discard(&self) {
        if self.is_discarded.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(path) = &self.path else {
            return;
        };
        // Best effort: what cannot be removed now is removed by the next receiver that starts.
        if let Ok(file) = OpenOptions::new().write(true).open(path) {
            let _ = file.set_len(0);
        }
        let _ = std::fs::remove_file(path);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grains_are_found_where_they_were_marked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept");
        let kept = Kept::create(&path, 1000 * GRAIN_BYTES + 5).unwrap();
        assert_eq!(kept.first_in(0..1001), None);
        kept.mark(63..65);
        kept.mark(1000..1001);
        assert!(kept.has(63) && kept.has(64) && kept.has(1000));
        assert!(!kept.has(62) && !kept.has(65));
        assert_eq!(kept.first_in(0..1001), Some(63));
        assert_eq!(kept.first_in(65..1001), Some(1000));
        assert_eq!(kept.first_in(65..1000), None);
        assert_eq!(kept.first_in(64..64), None);
    }

    #[test]
    fn the_file_goes_with_the_point_and_no_earlier_one_removes_a_later_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept");
        let kept = Kept::create(&path, GRAIN_BYTES).unwrap();
        kept.write(&[7; 100], 0).unwrap();
        assert_eq!(kept.kept_bytes(), 100);
        assert!(Kept::create(&path, GRAIN_BYTES).is_err());
        kept.discard();
        assert!(!path.exists());
        assert!(kept.read(&mut [0; 100], 0).is_err());
        let later = Kept::create(&path, GRAIN_BYTES).unwrap();
        drop(kept);
        assert!(path.exists());
        drop(later);
        assert!(!path.exists());
    }
}
