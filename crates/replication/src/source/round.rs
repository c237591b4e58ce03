//! What a worker does with a unit of chunks, in each kind of round.

use std::sync::atomic::{AtomicBool, Ordering};

use rehost_volumes::{
    AlignedBuffer, CHUNK_BYTES, ChunkHash, HoleFinder, Volume as _, chunk_range, hash_chunks,
    nonzero_segments, to_usize, zero_chunk_hash,
};

use super::SourceError;
use super::control::Control;
use super::ledger::Ledger;
use super::progress::Counters;
use super::stream::SourceStream;
use super::used::View;
use super::work::{Unit, WorkQueue};
use crate::wire::{Announce, Chunk, HashSource, HashesRequest, Hex32, Kind, ZeroRun};

/// Chunks in a unit of the full copy: small, so that streams end together.
pub(super) const COPY_UNIT_CHUNKS: u64 = 32;

/// Chunks in a unit of hashing: larger, because each costs a question and an answer.
pub(super) const HASH_UNIT_CHUNKS: u64 = 128;

/// What a round is for.
#[derive(Debug)]
pub(super) enum Kinds {
    /// Sends every chunk whose bit is not set; per volume, lowest bit first.
    Full { present: Vec<Vec<u8>> },
    /// Sends every chunk whose hash differs from the receiver's journal.
    Changes,
    /// Sends nothing; the receiver hashes its medium.
    Verify,
}

/// Hashes of a stretch of chunks, as read at an end.
#[derive(Debug)]
pub(super) struct Hashed {
    pub(super) position: usize,
    pub(super) first: u64,
    pub(super) hashes: Vec<ChunkHash>,
}

/// A round, shared by its workers.
#[derive(Debug)]
pub(super) struct Round<'a> {
    pub(super) number: u32,
    pub(super) kind: Kinds,
    pub(super) views: &'a [View],
    pub(super) ledgers: &'a [Ledger],
    pub(super) queue: WorkQueue,
    pub(super) control: &'a Control,
    pub(super) counters: Counters,
    /// Set when a worker failed or the round is in vain: nobody needs to go on.
    pub(super) halted: AtomicBool,
}

impl Round<'_> {
    /// Works until the queue is empty, the round is halted or a stop is wanted; then waits until
    /// everything sent is durable. Returns the hashes of what it read, or of what the receiver has.
    pub(super) fn work(&self, stream: &mut SourceStream) -> Result<Vec<Hashed>, SourceError> {
        let mut buffer = AlignedBuffer::new(to_usize(CHUNK_BYTES));
        let mut seen = Vec::new();
        while !self.is_over() {
            let Some(unit) = self.queue.take() else {
                break;
            };
            match &self.kind {
                Kinds::Full { present } => {
                    let present = &present[unit.position];
                    seen.extend(self.copy(stream, &unit, present, &mut buffer)?);
                }
                Kinds::Changes => seen.push(self.compare(stream, &unit, &mut buffer)?),
                Kinds::Verify => seen.push(self.ask_medium(stream, &unit)?),
            }
        }
        stream.barrier()?;
        Ok(seen)
    }

    /// Ends the round early.
    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        let skipped = matches!(self.kind, Kinds::Verify) && self.control.skips_check();
        skipped || self.halted.load(Ordering::Relaxed) || self.control.should_stop()
    }

    /// Sends what of a unit the receiver does not have. Returns the hashes if that was all of it.
    fn copy(
        &self,
        stream: &mut SourceStream,
        unit: &Unit,
        present: &[u8],
        buffer: &mut AlignedBuffer,
    ) -> Result<Option<Hashed>, SourceError> {
        let view = &self.views[unit.position];
        let size_bytes = view.size_bytes();
        let mut hashes = Vec::new();
        let mut holes = HoleFinder::new(&*view.volume, unit.chunks.start * CHUNK_BYTES)?;
        let mut zeros = 0..0;
        for chunk in unit.chunks.clone() {
            let range = chunk_range(chunk, size_bytes);
            self.counters.add(view.used_bytes(chunk..chunk + 1));
            if present[to_usize(chunk / 8)] & (1 << (chunk % 8)) != 0 {
                continue;
            }
            if self.is_over() {
                return Ok(None);
            }
            if holes.may_hold_data(&range)?
                && let Some(hash) = self.send_chunk(stream, unit.position, chunk, buffer)?
            {
                hashes.push(hash);
                continue;
            }
            hashes.push(zero_chunk_hash(range.end - range.start));
            if zeros.end != chunk {
                self.send_zeros(stream, unit.position, zeros)?;
                zeros = chunk..chunk;
            }
            zeros.end = chunk + 1;
        }
        self.send_zeros(stream, unit.position, zeros)?;
        let whole = hashes.len() as u64 == unit.chunks.end - unit.chunks.start;
        Ok(whole.then_some(Hashed {
            position: unit.position,
            first: unit.chunks.start,
            hashes,
        }))
    }

    /// Reads a chunk and sends it. If it is all zeros nothing is sent and nothing returned.
    fn send_chunk(
        &self,
        stream: &mut SourceStream,
        position: usize,
        chunk: u64,
        buffer: &mut AlignedBuffer,
    ) -> Result<Option<ChunkHash>, SourceError> {
        let view = &self.views[position];
        let range = chunk_range(chunk, view.size_bytes());
        let content = &mut buffer[..to_usize(range.end - range.start)];
        view.volume.read_at(content, range.start)?;
        let segments = nonzero_segments(content);
        if segments.is_empty() {
            return Ok(None);
        }
        let hash = *blake3::hash(content).as_bytes();
        let payload: Vec<&[u8]> = segments
            .iter()
            .map(|segment| &content[segment.clone()])
            .collect();
        let payload_bytes = payload.iter().map(|part| part.len() as u64).sum();
        let narrow = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        let message = Chunk {
            volume: view.index,
            chunk,
            hash: Hex32(hash),
            segments: segments
                .iter()
                .map(|segment| (narrow(segment.start), narrow(segment.end)))
                .collect(),
        };
        self.control.throttle(payload_bytes);
        let ledger = &self.ledgers[position];
        ledger.sending(chunk, self.number, payload_bytes)?;
        ledger.sent(stream.send(&message, &payload)?);
        Ok(Some(hash))
    }

    fn send_zeros(
        &self,
        stream: &mut SourceStream,
        position: usize,
        chunks: std::ops::Range<u64>,
    ) -> Result<(), SourceError> {
        if chunks.is_empty() {
            return Ok(());
        }
        let message = ZeroRun {
            volume: self.views[position].index,
            first: chunks.start,
            count: chunks.end - chunks.start,
        };
        let length = stream.send(&message, &[])?;
        self.ledgers[position].sent(length);
        Ok(())
    }

    /// Hashes a unit, sends the chunks that differ from the receiver's journal, and returns the
    /// hashes of what the receiver has then.
    fn compare(
        &self,
        stream: &mut SourceStream,
        unit: &Unit,
        buffer: &mut AlignedBuffer,
    ) -> Result<Hashed, SourceError> {
        let view = &self.views[unit.position];
        let first = unit.chunks.start;
        let recorded = self.ask_hashes(stream, unit, HashSource::Journal)?;
        let mut hashes: Vec<ChunkHash> = Vec::with_capacity(recorded.len());
        hash_chunks(&*view.volume, unit.chunks.clone(), buffer, |chunk, hash| {
            self.counters.add(view.used_bytes(chunk..chunk + 1));
            hashes.push(hash);
            Ok::<(), SourceError>(())
        })?;
        let changed: Vec<u64> = (first..)
            .zip(hashes.iter().zip(&recorded))
            .filter(|(_, (mine, theirs))| mine != theirs)
            .map(|(chunk, _)| chunk)
            .collect();
        if !changed.is_empty() {
            let announce = Announce {
                volume: view.index,
                chunks: changed.clone(),
            };
            stream.ask(&announce, Kind::Announced, 0)?;
        }
        for chunk in changed {
            if self.is_over() {
                break;
            }
            let hash = self.send_chunk(stream, unit.position, chunk, buffer)?;
            if hash.is_none() {
                self.send_zeros(stream, unit.position, chunk..chunk + 1)?;
            }
            let range = chunk_range(chunk, view.size_bytes());
            hashes[to_usize(chunk - first)] =
                hash.unwrap_or_else(|| zero_chunk_hash(range.end - range.start));
        }
        Ok(Hashed {
            position: unit.position,
            first,
            hashes,
        })
    }

    fn ask_medium(&self, stream: &mut SourceStream, unit: &Unit) -> Result<Hashed, SourceError> {
        let hashes = self.ask_hashes(stream, unit, HashSource::Medium)?;
        let size_bytes = self.views[unit.position].size_bytes();
        let start = chunk_range(unit.chunks.start, size_bytes).start;
        let end = chunk_range(unit.chunks.end - 1, size_bytes).end;
        self.counters.add(end - start);
        Ok(Hashed {
            position: unit.position,
            first: unit.chunks.start,
            hashes,
        })
    }

    fn ask_hashes(
        &self,
        stream: &mut SourceStream,
        unit: &Unit,
        from: HashSource,
    ) -> Result<Vec<ChunkHash>, SourceError> {
        let count = unit.chunks.end - unit.chunks.start;
        let request = HashesRequest {
            volume: self.views[unit.position].index,
            first: unit.chunks.start,
            count,
            from,
        };
        let bytes = stream.ask(&request, Kind::Hashes, count * 32)?;
        let (hashes, _) = bytes.as_chunks::<32>();
        Ok(hashes.to_vec())
    }
}
