//! A volume that is being received: medium and journal together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rehost_volumes::{
    AlignedBuffer, CHUNK_BYTES, ChunkHash, Segment, Volume, VolumeError, chunk_range, hash_chunks,
    to_usize, zero_chunk_hash,
};

use crate::journal::{Journal, JournalError};

/// A failed act on medium or journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// The medium failed.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Medium and journal of one volume.
#[derive(Debug)]
pub(crate) struct ReceivingVolume {
    index: u32,
    medium: Arc<dyn Volume>,
    journal: Journal,
    /// Whether every chunk without a slot reads as zeros: the medium was made empty, and no write
    /// through this journal was ever cut short or left unrecorded. Only then may zeros be skipped.
    pristine: AtomicBool,
}

impl ReceivingVolume {
    /// `made_empty` says that the medium reads as zeros wherever nobody wrote.
    pub(crate) fn new(
        index: u32,
        medium: Arc<dyn Volume>,
        journal: Journal,
        made_empty: bool,
    ) -> Self {
        let pristine = AtomicBool::new(made_empty && journal.is_new());
        Self {
            index,
            medium,
            journal,
            pristine,
        }
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.medium.size_bytes()
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Whether a range of chunks lies within the volume.
    pub(crate) fn has_chunks(&self, first: u64, count: u64) -> bool {
        first
            .checked_add(count)
            .is_some_and(|end| end <= self.journal.chunks())
    }

    /// Length of a chunk in bytes; the last one may be short.
    pub(crate) fn chunk_length(&self, chunk: u64) -> usize {
        let range = chunk_range(chunk, self.size_bytes());
        to_usize(range.end - range.start)
    }

    /// Writes a chunk whose hash has been checked. `content` is the whole chunk, `segments` its
    /// parts that may be other than zero.
    pub(crate) fn write_chunk(
        &self,
        chunk: u64,
        content: &[u8],
        segments: &[Segment],
    ) -> Result<(), ReceiveError> {
        if self.journal.slot(chunk)?.is_some() {
            self.forget(&[chunk])?;
        }
        let skip_zeros = self.pristine.load(Ordering::Acquire);
        let offset = chunk * CHUNK_BYTES;
        let written = self.write_parts(offset, content, segments, skip_zeros);
        if written.is_err() {
            self.pristine.store(false, Ordering::Release);
        }
        Ok(written?)
    }

    fn write_parts(
        &self,
        offset: u64,
        content: &[u8],
        segments: &[Segment],
        skip_zeros: bool,
    ) -> Result<(), VolumeError> {
        let mut position = 0;
        for segment in segments {
            if !skip_zeros && position < segment.start {
                let gap = (segment.start - position) as u64;
                self.medium.zero(offset + position as u64, gap)?;
            }
            self.medium
                .write_at(&content[segment.clone()], offset + segment.start as u64)?;
            position = segment.end;
        }
        if !skip_zeros && position < content.len() {
            let gap = (content.len() - position) as u64;
            self.medium.zero(offset + position as u64, gap)?;
        }
        Ok(())
    }

    /// Makes a run of chunks read as zeros. They are recorded by the committer.
    pub(crate) fn write_zeros(&self, first: u64, count: u64) -> Result<(), ReceiveError> {
        let occupied: Vec<u64> = {
            let bits = self.journal.presence(first, count)?;
            (0..count)
                .filter(|number| bits[to_usize(number / 8)] & (1 << (number % 8)) != 0)
                .map(|number| first + number)
                .collect()
        };
        if occupied.is_empty() && self.pristine.load(Ordering::Acquire) {
            return Ok(());
        }
        self.forget(&occupied)?;
        let start = chunk_range(first, self.size_bytes()).start;
        let end = chunk_range(first + count.saturating_sub(1), self.size_bytes()).end;
        let zeroed = self.medium.zero(start, end.saturating_sub(start));
        if zeroed.is_err() {
            self.pristine.store(false, Ordering::Release);
        }
        Ok(zeroed?)
    }

    /// Something was written and will not be recorded: a missing slot no longer means zeros.
    pub(crate) fn has_lost_writes(&self) {
        self.pristine.store(false, Ordering::Release);
    }

    /// Clears the slots of chunks that will be overwritten, durably. What they held stays on the
    /// medium, so from now on a missing slot no longer means zeros.
    pub(crate) fn forget(&self, chunks: &[u64]) -> Result<(), ReceiveError> {
        self.pristine.store(false, Ordering::Release);
        Ok(self.journal.forget(chunks)?)
    }

    /// Makes everything written so far durable.
    pub(crate) fn flush_medium(&self) -> Result<(), ReceiveError> {
        Ok(self.medium.flush()?)
    }

    /// Hash of a zero chunk of the length that `chunk` has.
    pub(crate) fn zero_hash(&self, chunk: u64) -> ChunkHash {
        zero_chunk_hash(self.chunk_length(chunk) as u64)
    }

    /// Hashes a range of chunks from the medium. A chunk that is no longer what was recorded loses
    /// its slot, so that the next round sends it again. A chunk of which nothing is recorded gets a
    /// slot, so that nobody needs to send what is there.
    pub(crate) fn hash_medium(
        &self,
        first: u64,
        count: u64,
        buffer: &mut AlignedBuffer,
    ) -> Result<Vec<u8>, ReceiveError> {
        let mut hashes = Vec::with_capacity(to_usize(count * 32));
        let recorded = self.journal.slots(first, count)?;
        let absent = |at: usize| recorded[at..at + 32] == [0; 32];
        if (0..recorded.len()).step_by(32).any(absent) {
            // What gets a slot must be durable.
            self.flush_medium()?;
        }
        let (mut lost, mut found) = (Vec::new(), Vec::new());
        hash_chunks(
            &*self.medium,
            first..first + count,
            buffer,
            |chunk, hash| {
                let at = hashes.len();
                hashes.extend_from_slice(&hash);
                if absent(at) {
                    found.push((chunk, hash));
                } else if recorded[at..at + 32] != hash {
                    lost.push(chunk);
                }
                Ok::<(), ReceiveError>(())
            },
        )?;
        if !lost.is_empty() {
            self.forget(&lost)?;
        }
        self.journal.record(&found)?;
        Ok(hashes)
    }
}
