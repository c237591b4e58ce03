//! The volume that is written to: keeps, while a point is held, what writers are about to change.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::kept::Kept;
use super::point::{Incoming, PointVolume};
use crate::{ChangeMark, Volume, VolumeError};

/// A volume that can be held at a point while it is written to. One point at a time.
#[derive(Debug)]
pub struct HeldVolume {
    medium: Arc<dyn Volume>,
    /// Whether there is a point: writers look at nothing else where there is none.
    is_held: AtomicBool,
    point: RwLock<Option<Arc<PointVolume>>>,
}

impl HeldVolume {
    /// A volume that is not held.
    #[must_use]
    pub fn new(medium: Arc<dyn Volume>) -> Self {
        Self {
            medium,
            is_held: AtomicBool::new(false),
            point: RwLock::new(None),
        }
    }

    /// Holds the content of this moment; what changes from now on is kept in a new file at
    /// `kept_file`, which grows with what is overwritten. A point held before is let go.
    ///
    /// Whoever asks for it makes sure that nothing is being written in that moment: a write that has
    /// begun already keeps nothing.
    ///
    /// # Errors
    /// [`VolumeError::Create`] if the file exists already or cannot be made; then nothing is held.
    pub fn hold(&self, kept_file: &Path) -> Result<Arc<PointVolume>, VolumeError> {
        self.let_go();
        let kept = Kept::create(kept_file, self.medium.size_bytes())?;
        Ok(self.hold_with(kept))
    }

    fn hold_with(&self, kept: Kept) -> Arc<PointVolume> {
        let point = Arc::new(PointVolume::new(Arc::clone(&self.medium), kept));
        let mut held = self.point.write().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Arc::clone(&point));
        self.is_held.store(true, Ordering::SeqCst);
        point
    }

    /// The point, if one is held; it may be void.
    #[must_use]
    pub fn held(&self) -> Option<Arc<PointVolume>> {
        let held = self.point.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    /// Lets go of the point and removes what was kept for it; who still reads it gets an error.
    pub fn let_go(&self) {
        let mut held = self.point.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(point) = held.take() {
            point.end();
        }
        // Only when nobody reads from the medium any more as of the point.
        self.is_held.store(false, Ordering::SeqCst);
    }

    /// Has what a write will change kept.
    fn before_write(&self, offset: u64, incoming: Incoming<'_>) {
        let end = offset.checked_add(incoming.length());
        let is_within = end.is_some_and(|end| end <= self.medium.size_bytes());
        // What reaches beyond the end will be refused by the medium.
        if is_within && let Some(point) = self.held() {
            point.before_write(offset, incoming);
        }
    }
}

impl Volume for HeldVolume {
    fn size_bytes(&self) -> u64 {
        self.medium.size_bytes()
    }

    fn present_size_bytes(&self) -> Result<u64, VolumeError> {
        self.medium.present_size_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        self.medium.read_at(buffer, offset)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        if self.is_held.load(Ordering::Relaxed) {
            self.before_write(offset, Incoming::Bytes(buffer));
        }
        self.medium.write_at(buffer, offset)
    }

    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        if self.is_held.load(Ordering::Relaxed) {
            self.before_write(offset, Incoming::Zeros(length));
        }
        self.medium.zero(offset, length)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.medium.flush()
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        self.medium.next_data(offset)
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        self.medium.change_mark()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::{CHUNK_BYTES, ImageFormat, create_image, to_usize};

    /// A medium that has room for so many writes.
    #[derive(Debug)]
    struct Crowded {
        medium: Arc<dyn Volume>,
        writes_left: std::sync::Mutex<u32>,
    }

    impl Volume for Crowded {
        fn size_bytes(&self) -> u64 {
            self.medium.size_bytes()
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
            self.medium.read_at(buffer, offset)
        }

        fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
            let mut left = self.writes_left.lock().unwrap();
            let Some(less) = left.checked_sub(1) else {
                return Err(VolumeError::Write {
                    path: "crowded".into(),
                    offset,
                    length: buffer.len() as u64,
                    source: ErrorKind::StorageFull.into(),
                });
            };
            *left = less;
            self.medium.write_at(buffer, offset)
        }

        fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
            self.medium.zero(offset, length)
        }

        fn flush(&self) -> Result<(), VolumeError> {
            self.medium.flush()
        }

        fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
            self.medium.next_data(offset)
        }

        fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
            Ok(None)
        }
    }

    #[test]
    fn a_point_that_cannot_be_kept_is_void_and_the_copy_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let size_bytes = 4 * CHUNK_BYTES;
        let image = |name| {
            let path = directory.path().join(name);
            create_image(&path, ImageFormat::Raw, size_bytes).unwrap()
        };
        let volume = HeldVolume::new(image("replica"));
        let chunk = |value| vec![value; to_usize(CHUNK_BYTES)];
        for number in 0..4 {
            volume.write_at(&chunk(1), number * CHUNK_BYTES).unwrap();
        }
        let kept = Crowded {
            medium: image("kept"),
            writes_left: 2.into(),
        };
        let point = volume.hold_with(Kept::over(Arc::new(kept)));
        volume.write_at(&chunk(2), 0).unwrap();
        volume.zero(CHUNK_BYTES, CHUNK_BYTES).unwrap();
        let mut found = chunk(0);
        point.read_at(&mut found, 0).unwrap();
        assert_eq!(found, chunk(1));
        assert_eq!(point.void_reason(), None);

        volume.write_at(&chunk(3), 2 * CHUNK_BYTES).unwrap();
        let reason = point.void_reason().unwrap().to_owned();
        assert!(reason.contains("make room"), "{reason}");
        for offset in [0, 3 * CHUNK_BYTES] {
            let refused = point.read_at(&mut found, offset).unwrap_err();
            assert!(refused.to_string().contains(&reason), "{refused}");
        }
        assert!(point.next_data(0).is_err());
        volume.zero(3 * CHUNK_BYTES, 10).unwrap();
        volume.read_at(&mut found, 2 * CHUNK_BYTES).unwrap();
        assert_eq!(found, chunk(3));
        // It can be held again.
        let later = volume.hold(&directory.path().join("kept-later")).unwrap();
        volume.write_at(&chunk(4), 2 * CHUNK_BYTES).unwrap();
        later.read_at(&mut found, 2 * CHUNK_BYTES).unwrap();
        assert_eq!(found, chunk(3));
    }
}
