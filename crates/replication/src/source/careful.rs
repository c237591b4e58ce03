//! A disk that is read with care for those who work on it: within the ceilings of the replication.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rehost_volumes::{ChangeMark, Volume, VolumeError};
use rustix::time::{ClockId, clock_gettime};
use std::ops::Range;

use super::control::Control;
use super::used::View;

/// The time of processors that a worker has paid for.
#[derive(Debug, Default)]
pub(super) struct Meter {
    paid_nanoseconds: AtomicU64,
}

impl Meter {
    /// What this thread has used since it was asked last.
    fn due(&self) -> Duration {
        let used = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(used.tv_sec).unwrap_or_default();
        let nanoseconds = u64::try_from(used.tv_nsec).unwrap_or_default();
        let used = seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds);
        let paid = self.paid_nanoseconds.swap(used, Ordering::Relaxed);
        Duration::from_nanos(used.saturating_sub(paid))
    }
}

/// The view of a disk, for one worker.
#[derive(Debug)]
pub(super) struct Careful<'a> {
    pub(super) view: &'a View,
    pub(super) control: &'a Control,
    pub(super) meter: &'a Meter,
    /// Whether nobody needs what is read any more.
    pub(super) halted: &'a AtomicBool,
}

impl Volume for Careful<'_> {
    fn size_bytes(&self) -> u64 {
        self.view.size_bytes()
    }

    /// Waits for its turn, and reads. What the worker did since it last read is paid for first.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let in_vain = || self.halted.load(Ordering::Relaxed);
        self.control.pay_processors(|| self.meter.due(), in_vain);
        let end = offset.saturating_add(buffer.len() as u64);
        let used = self.view.used.overlapping(offset..end);
        let bytes = used.map(|range| range.end - range.start).sum();
        let read = || self.view.volume.read_at(buffer, offset);
        self.control.read(bytes, in_vain, read)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        self.view.volume.write_at(buffer, offset)
    }

    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        self.view.volume.zero(offset, length)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.view.volume.flush()
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        self.view.volume.next_data(offset)
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        self.view.volume.change_mark()
    }
}
