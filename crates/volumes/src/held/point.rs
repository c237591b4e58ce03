//! The volume at its point: what writers keep for it, and what readers get.
//!
//! The rule that keeps readers right: *a grain is read from the medium only under the lock of its
//! chunk, shared, and kept only under that lock, alone.* So a writer that has kept a grain, or found
//! out that it will not change it, knows that nobody reads it from the medium any more who does not
//! see the same bytes after the write as before it. The write itself needs no lock.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::kept::{GRAIN_BYTES, Kept};
use crate::{
    AlignedBuffer, CHUNK_BYTES, ChangeMark, HoleFinder, Volume, VolumeError, chunk_range, is_zero,
    to_usize,
};

/// Locks for all chunks of a volume, and buffers of a chunk each in use at once at most.
const STRIPES: usize = 16;

/// What is about to be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Incoming<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// So many zeros.
    Zeros(u64),
}

impl Incoming<'_> {
    pub(super) fn length(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(length) => length,
        }
    }

    /// Whether `old`, which starts at `from` within what is about to be written, stays as it is.
    fn leaves(self, old: &[u8], from: u64) -> bool {
        match self {
            Self::Bytes(bytes) => bytes[to_usize(from)..][..old.len()] == *old,
            Self::Zeros(_) => is_zero(old),
        }
    }
}

/// A volume as it was when it was held, to be read only. Reads fail once the point is void.
#[derive(Debug)]
pub struct PointVolume {
    medium: Arc<dyn Volume>,
    kept: Kept,
    /// A chunk belongs to the stripe of its number. Within: room to read a chunk into, made when it is
    /// needed first.
    stripes: [RwLock<Option<AlignedBuffer>>; STRIPES],
    void: OnceLock<String>,
}

impl PointVolume {
    /// The content of `medium` from now on, with what changes kept in `kept`.
    pub(super) fn new(medium: Arc<dyn Volume>, kept: Kept) -> Self {
        Self {
            medium,
            kept,
            stripes: std::array::from_fn(|_| RwLock::new(None)),
            void: OnceLock::new(),
        }
    }

    /// Why the point can no longer be read, if that is so: keeping failed, or it was let go.
    #[must_use]
    pub fn void_reason(&self) -> Option<&str> {
        self.void.get().map(String::as_str)
    }

    /// How much of the volume has been kept, in bytes.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.kept.kept_bytes()
    }

    /// Called before `incoming` is written at `offset`, which must be within the volume: keeps what it
    /// will change. If that fails the point is void.
    pub(super) fn before_write(&self, offset: u64, incoming: Incoming<'_>) {
        let end = offset + incoming.length();
        let mut holes = match incoming {
            Incoming::Bytes(_) => None,
            Incoming::Zeros(_) => match HoleFinder::new(&*self.medium, offset) {
                Ok(holes) => Some(holes),
                Err(error) => return self.give_up(&error),
            },
        };
        for chunk in offset / CHUNK_BYTES..end.div_ceil(CHUNK_BYTES) {
            let within = chunk_range(chunk, self.size_bytes());
            let range = within.start.max(offset)..within.end.min(end);
            // Zeros in place of zeros change nothing. If somebody else writes there in this moment, it
            // is that writer who keeps the zeros.
            let changes = match &mut holes {
                None => Ok(true),
                Some(holes) => holes.may_hold_data(&range),
            };
            let from = range.start - offset;
            match changes {
                Ok(false) => {}
                Ok(true) => self.before_chunk(chunk, &range, incoming, from),
                Err(error) => return self.give_up(&error),
            }
        }
    }

    /// Keeps what changes of a range within a chunk; `from` is where it starts within `incoming`.
    fn before_chunk(&self, chunk: u64, range: &Range<u64>, incoming: Incoming<'_>, from: u64) {
        let mut stripe = self.stripes[stripe(chunk)]
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Also for a void point the lock was taken: readers that came before are through.
        if self.void.get().is_some() {
            return;
        }
        let buffer = stripe.get_or_insert_with(|| AlignedBuffer::new(to_usize(CHUNK_BYTES)));
        if let Err(error) = self.keep(range, incoming, from, buffer) {
            self.give_up(&error);
        }
    }

    fn keep(
        &self,
        range: &Range<u64>,
        incoming: Incoming<'_>,
        from: u64,
        buffer: &mut AlignedBuffer,
    ) -> Result<(), VolumeError> {
        for run in self.runs(range.start..range.end) {
            if run.is_kept {
                continue;
            }
            let bytes = bytes_of(&run.grains, self.size_bytes());
            let old = &mut buffer[..to_usize(bytes.end - bytes.start)];
            self.medium.read_at(old, bytes.start)?;
            let mut changed: Option<Range<u64>> = None;
            for grain in run.grains {
                let grain_bytes = bytes_of(&(grain..grain + 1), self.size_bytes());
                let of = |range: &Range<u64>| {
                    to_usize(range.start - bytes.start)..to_usize(range.end - bytes.start)
                };
                let written = grain_bytes.start.max(range.start)..grain_bytes.end.min(range.end);
                if incoming.leaves(&old[of(&written)], from + (written.start - range.start)) {
                    continue;
                }
                if is_zero(&old[of(&grain_bytes)]) {
                    // The kept file reads as zeros where nothing was written.
                    self.kept.mark(grain..grain + 1);
                    continue;
                }
                match &mut changed {
                    Some(changed) if changed.end == grain => changed.end += 1,
                    _ => {
                        self.write_kept(changed.take(), &bytes, old)?;
                        changed = Some(grain..grain + 1);
                    }
                }
            }
            self.write_kept(changed, &bytes, old)?;
        }
        Ok(())
    }

    /// Keeps a run of grains; `old` holds the bytes of the disk at `bytes`.
    fn write_kept(
        &self,
        grains: Option<Range<u64>>,
        bytes: &Range<u64>,
        old: &[u8],
    ) -> Result<(), VolumeError> {
        let Some(grains) = grains else {
            return Ok(());
        };
        let kept = bytes_of(&grains, self.size_bytes());
        let part = &old[to_usize(kept.start - bytes.start)..to_usize(kept.end - bytes.start)];
        self.kept.write(part, kept.start)?;
        self.kept.mark(grains);
        Ok(())
    }

    /// Cuts a range of bytes, which lies within one chunk, into runs of grains that are kept or not.
    fn runs(&self, bytes: Range<u64>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for grain in bytes.start / GRAIN_BYTES..bytes.end.div_ceil(GRAIN_BYTES) {
            let is_kept = self.kept.has(grain);
            match runs.last_mut() {
                Some(run) if run.is_kept == is_kept => run.grains.end += 1,
                _ => runs.push(Run {
                    grains: grain..grain + 1,
                    is_kept,
                }),
            }
        }
        runs
    }

    /// Makes the point void because it cannot be kept any more, and gives its space back.
    fn give_up(&self, error: &VolumeError) {
        let cause = std::error::Error::source(error);
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        let advice = if error.is_full() {
            "; make room where old bytes are kept"
        } else {
            ""
        };
        self.make_void(format!(
            "what was about to be overwritten could not be kept ({error}{cause}){advice}"
        ));
    }

    /// Ends the point. When this returns nobody reads from the medium through it any more.
    pub(super) fn end(&self) {
        self.make_void("it was let go".into());
        for stripe in &self.stripes {
            drop(stripe.write().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn make_void(&self, reason: String) {
        // Only the first reason counts.
        let _ = self.void.set(reason);
        self.kept.discard();
    }

    fn check_void(&self) -> Result<(), VolumeError> {
        match self.void.get() {
            None => Ok(()),
            Some(reason) => Err(VolumeError::PointVoid {
                reason: reason.clone(),
            }),
        }
    }

    fn read_chunk(&self, part: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let _shared = self.stripes[stripe(offset / CHUNK_BYTES)]
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        self.check_void()?;
        let end = offset + part.len() as u64;
        let read = self.runs(offset..end).into_iter().try_for_each(|run| {
            let bytes = bytes_of(&run.grains, self.size_bytes());
            let bytes = bytes.start.max(offset)..bytes.end.min(end);
            let part = &mut part[to_usize(bytes.start - offset)..to_usize(bytes.end - offset)];
            if run.is_kept {
                self.kept.read(part, bytes.start)
            } else {
                self.medium.read_at(part, bytes.start)
            }
        });
        // The kept file may have been cut off while it was read.
        self.check_void()?;
        read
    }

    fn refuse(&self) -> VolumeError {
        VolumeError::Unsupported {
            path: PathBuf::from(format!("{:?}", self.medium)),
            advice: "a volume at a point in time cannot be written".into(),
        }
    }
}

/// Grains one after the other that are all kept or all not.
struct Run {
    grains: Range<u64>,
    is_kept: bool,
}

fn stripe(chunk: u64) -> usize {
    to_usize(chunk % STRIPES as u64)
}

/// The bytes of grains of a volume of `size_bytes`.
fn bytes_of(grains: &Range<u64>, size_bytes: u64) -> Range<u64> {
    grains.start * GRAIN_BYTES..(grains.end * GRAIN_BYTES).min(size_bytes)
}

impl Volume for PointVolume {
    fn size_bytes(&self) -> u64 {
        self.medium.size_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let length = buffer.len() as u64;
        let size_bytes = self.size_bytes();
        let end = offset.checked_add(length).filter(|end| *end <= size_bytes);
        if end.is_none() {
            return Err(VolumeError::OutOfRange {
                path: PathBuf::from(format!("{:?}", self.medium)),
                offset,
                length,
                size_bytes,
            });
        }
        let mut position = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let left = CHUNK_BYTES - position % CHUNK_BYTES;
            let (part, after) = rest.split_at_mut(to_usize(left.min(rest.len() as u64)));
            self.read_chunk(part, position)?;
            position += part.len() as u64;
            rest = after;
        }
        Ok(())
    }

    fn write_at(&self, _buffer: &[u8], _offset: u64) -> Result<(), VolumeError> {
        Err(self.refuse())
    }

    fn zero(&self, _offset: u64, _length: u64) -> Result<(), VolumeError> {
        Err(self.refuse())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.check_void()
    }

    /// What is kept counts as data.
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        self.check_void()?;
        let size_bytes = self.size_bytes();
        if offset >= size_bytes {
            return Ok(None);
        }
        // In this order: what becomes a hole after it was asked for was kept before that.
        let on_medium = self.medium.next_data(offset)?;
        let until = on_medium.as_ref().map_or(size_bytes, |data| data.start);
        let grains = offset / GRAIN_BYTES..until.div_ceil(GRAIN_BYTES);
        let kept = self.kept.first_in(grains);
        let Some(kept) = kept else {
            return Ok(on_medium);
        };
        let kept = bytes_of(&(kept..kept + 1), size_bytes);
        Ok(Some(kept.start.max(offset)..kept.end))
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        Ok(None)
    }
}
