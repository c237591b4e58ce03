//! What a worker does with a unit of chunks, in each kind of round.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rehost_volumes::{
    AlignedBuffer, CHUNK_BYTES, ChunkHash, HoleFinder, Volume as _, chunk_range, hash_chunks,
    nonzero_segments, to_usize, zero_chunk_hash,
};

use super::SourceError;
use super::careful::{Careful, Meter};
use super::changes::Chunks;
use super::control::Control;
use super::hashes::SourceHashes;
use super::ledger::Ledger;
use super::packing::{self, Packer};
use super::progress::Counters;
use super::stream::SourceStream;
use super::used::View;
use super::work::{Unit, WorkQueue};
use crate::wire::{Announce, Chunk, HashSource, HashesRequest, Hex32, Kind, ZeroRun};

/// Chunks in a unit of the full copy: small, so that streams end together.
pub(super) const COPY_UNIT_CHUNKS: u64 = 32;

/// Chunks in a unit of hashing: larger, because each costs a question and an answer.
pub(super) const HASH_UNIT_CHUNKS: u64 = 128;

/// Chunks to be looked at, of one volume.
#[derive(Clone, Debug, Default)]
pub(super) struct Todo {
    /// Which.
    pub(super) chunks: Chunks,
    /// What the receiver has of some of them; ascending. It is asked about the others.
    pub(super) known: Vec<(u64, ChunkHash)>,
}

impl Todo {
    /// What the receiver has of chunks, if it is known of all of them.
    fn known_of(&self, chunks: &Chunks) -> Option<Vec<ChunkHash>> {
        let mut found = Vec::new();
        for range in chunks.iter() {
            let first = self
                .known
                .partition_point(|(chunk, _)| *chunk < range.start);
            for (chunk, (known, hash)) in range.zip(self.known.get(first..)?.iter()) {
                if chunk != *known {
                    return None;
                }
                found.push(*hash);
            }
        }
        (found.len() as u64 == chunks.total_bytes()).then_some(found)
    }
}

/// What a round is for.
#[derive(Debug)]
pub(super) enum Kinds {
    /// Sends every chunk whose bit is not set; per volume, lowest bit first.
    Full { present: Vec<Vec<u8>> },
    /// Sends every chunk that is not what the receiver has.
    Changes { todo: Vec<Todo> },
    /// Sends nothing; finds chunks that are not what they were when they were last read.
    Audit {
        recorded: Vec<Todo>,
        /// Position and number of those that differ.
        differing: Arc<Mutex<Vec<(usize, u64)>>>,
    },
    /// Sends nothing; the receiver hashes its medium.
    Verify {
        /// Whether it ends when no comparison is wanted.
        skippable: bool,
    },
}

/// Hashes of a stretch of chunks, as the receiver read them.
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
    pub(super) hashes: &'a [SourceHashes],
    pub(super) queue: WorkQueue,
    pub(super) control: &'a Control,
    pub(super) counters: Counters,
    /// Set when a worker failed or the round is in vain: nobody needs to go on.
    pub(super) halted: AtomicBool,
}

/// What a worker has of its own.
struct Desk<'a> {
    stream: &'a mut SourceStream,
    buffer: AlignedBuffer,
    packer: Packer,
    meter: Meter,
    /// What was sent and is not acknowledged yet, in the order in which it was sent.
    sent: VecDeque<Sent>,
}

struct Sent {
    sequence: u64,
    position: usize,
    chunks: Range<u64>,
    hash: ChunkHash,
}

impl Round<'_> {
    /// Works until the queue is empty, the round is halted or a stop is wanted; then waits until
    /// everything sent is durable. Returns the hashes of what the receiver has, if it was asked.
    pub(super) fn work(&self, stream: &mut SourceStream) -> Result<Vec<Hashed>, SourceError> {
        let mut desk = Desk {
            packer: stream.packer(),
            meter: Meter::default(),
            stream,
            buffer: AlignedBuffer::new(to_usize(CHUNK_BYTES)),
            sent: VecDeque::new(),
        };
        let result = self.work_at(&mut desk);
        // Also what was acknowledged before something broke need not be sent again.
        self.record_acknowledged(&mut desk).and(result)
    }

    fn work_at(&self, desk: &mut Desk<'_>) -> Result<Vec<Hashed>, SourceError> {
        let mut seen = Vec::new();
        while !self.is_over() {
            let Some(unit) = self.queue.take() else {
                break;
            };
            match &self.kind {
                Kinds::Full { present } => self.copy(desk, &unit, &present[unit.position])?,
                Kinds::Changes { todo } => self.compare(desk, &unit, &todo[unit.position])?,
                Kinds::Audit {
                    recorded,
                    differing,
                } => {
                    let found = self.audit(desk, &unit, &recorded[unit.position])?;
                    let mut all = differing.lock().unwrap_or_else(PoisonError::into_inner);
                    all.extend(found.into_iter().map(|chunk| (unit.position, chunk)));
                }
                Kinds::Verify { .. } => seen.push(self.ask_medium(desk.stream, &unit)?),
            }
            self.record_acknowledged(desk)?;
        }
        desk.stream.barrier()?;
        Ok(seen)
    }

    /// A disk as a worker reads it.
    fn careful<'a>(&'a self, view: &'a View, meter: &'a Meter) -> Careful<'a> {
        Careful {
            view,
            control: self.control,
            meter,
            halted: &self.halted,
        }
    }

    /// Ends the round early.
    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    /// Whether it was ended early.
    pub(super) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        let skippable = matches!(self.kind, Kinds::Verify { skippable: true });
        let skipped = skippable && self.control.skips_check();
        skipped || self.is_halted() || self.control.should_stop()
    }

    /// Notes what the receiver has acknowledged by now.
    fn record_acknowledged(&self, desk: &mut Desk<'_>) -> Result<(), SourceError> {
        let reached = desk.stream.acknowledged();
        while let Some(sent) = desk.sent.pop_front_if(|sent| sent.sequence <= reached) {
            let Range { start, end } = sent.chunks;
            let hashes = vec![sent.hash; to_usize(end - start)];
            self.hashes[sent.position].record(start, &hashes)?;
        }
        Ok(())
    }

    fn count(&self, position: usize, chunk: u64) {
        self.counters
            .add(self.views[position].used_bytes(chunk..chunk + 1));
    }

    /// Sends what of a unit the receiver does not have.
    fn copy(&self, desk: &mut Desk<'_>, unit: &Unit, present: &[u8]) -> Result<(), SourceError> {
        let view = &self.views[unit.position];
        let size_bytes = view.size_bytes();
        let mut holes = HoleFinder::new(&*view.volume, unit.span().start * CHUNK_BYTES)?;
        let mut zeros = 0..0;
        for chunk in unit.chunks.iter().flatten() {
            self.count(unit.position, chunk);
            if present[to_usize(chunk / 8)] & (1 << (chunk % 8)) != 0 {
                continue;
            }
            if self.is_over() {
                return Ok(());
            }
            let range = chunk_range(chunk, size_bytes);
            if holes.may_hold_data(&range)? && self.send_chunk(desk, unit.position, chunk)? {
                continue;
            }
            if zeros.end != chunk {
                self.send_zeros(desk, unit.position, zeros)?;
                zeros = chunk..chunk;
            }
            zeros.end = chunk + 1;
        }
        self.send_zeros(desk, unit.position, zeros)
    }

    /// Reads a chunk and sends it. False if it is all zeros; then nothing is sent.
    fn send_chunk(
        &self,
        desk: &mut Desk<'_>,
        position: usize,
        chunk: u64,
    ) -> Result<bool, SourceError> {
        let view = &self.views[position];
        let range = chunk_range(chunk, view.size_bytes());
        let content = &mut desk.buffer[..to_usize(range.end - range.start)];
        self.careful(view, &desk.meter)
            .read_at(content, range.start)?;
        let segments = nonzero_segments(content);
        if segments.is_empty() {
            return Ok(false);
        }
        let hash = *blake3::hash(content).as_bytes();
        let payload: Vec<&[u8]> = segments
            .iter()
            .map(|segment| &content[segment.clone()])
            .collect();
        let content_bytes: usize = payload.iter().map(|part| part.len()).sum();
        let packed = desk.packer.pack(&payload);
        let packed_payload = [desk.packer.bytes(&packed)];
        let codec = packed.codec();
        let payload = if codec.is_some() {
            packed_payload.as_slice()
        } else {
            payload.as_slice()
        };
        let payload_bytes: usize = payload.iter().map(|part| part.len()).sum();
        let narrow = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        let message = Chunk {
            volume: view.index,
            chunk,
            hash: Hex32(hash),
            segments: segments
                .iter()
                .map(|segment| (narrow(segment.start), narrow(segment.end)))
                .collect(),
            codec,
        };
        let ledger = &self.ledgers[position];
        let (content, wire) = (content_bytes as u64, payload_bytes as u64);
        ledger.sending(chunk, self.number, content, wire)?;
        let in_vain = || self.is_halted();
        let sent = (desk.stream).send_chunk(&message, payload, content, self.control, in_vain)?;
        ledger.sent(sent.length, content - wire);
        desk.stream.packing().learn(&packing::Sent {
            content_bytes,
            wire_bytes: payload_bytes,
            held_up: sent.held_up,
            packed: packed.method.map(|method| (method, packed.time)),
        });
        desk.sent.push_back(Sent {
            sequence: sent.sequence,
            position,
            chunks: chunk..chunk + 1,
            hash,
        });
        Ok(true)
    }

    fn send_zeros(
        &self,
        desk: &mut Desk<'_>,
        position: usize,
        chunks: Range<u64>,
    ) -> Result<(), SourceError> {
        if chunks.is_empty() {
            return Ok(());
        }
        let view = &self.views[position];
        let message = ZeroRun {
            volume: view.index,
            first: chunks.start,
            count: chunks.end - chunks.start,
        };
        let (sequence, length) = desk.stream.send(&message, &[])?;
        self.ledgers[position].sent(length, 0);
        self.control.book(length);
        // Only the last chunk of a volume can be shorter than the others.
        let last = chunks.end - 1;
        for chunks in [chunks.start..last, last..chunks.end] {
            let range = chunk_range(chunks.start, view.size_bytes());
            if !chunks.is_empty() {
                desk.sent.push_back(Sent {
                    sequence,
                    position,
                    hash: zero_chunk_hash(range.end - range.start),
                    chunks,
                });
            }
        }
        Ok(())
    }

    /// Hashes the chunks of a unit, and sends those that are not what the receiver has.
    fn compare(&self, desk: &mut Desk<'_>, unit: &Unit, todo: &Todo) -> Result<(), SourceError> {
        let theirs = match todo.known_of(&unit.chunks) {
            Some(known) => known,
            None => self.ask_journal(desk.stream, unit)?,
        };
        let mine = self.hash(desk, unit)?;
        let chunks: Vec<u64> = unit.chunks.iter().flatten().collect();
        let pairs = || chunks.iter().zip(mine.iter().zip(&theirs));
        let hashes = &self.hashes[unit.position];
        for (chunk, (mine, _)) in pairs().filter(|(_, (mine, theirs))| mine == theirs) {
            hashes.record(*chunk, std::slice::from_ref(mine))?;
        }
        let changed: Vec<u64> = pairs()
            .filter(|(_, (mine, theirs))| mine != theirs)
            .map(|(chunk, _)| *chunk)
            .collect();
        if !changed.is_empty() {
            let announce = Announce {
                volume: self.views[unit.position].index,
                chunks: changed.clone(),
            };
            desk.stream.ask(&announce, Kind::Announced, 0)?;
        }
        for chunk in changed {
            if self.is_over() {
                break;
            }
            if !self.send_chunk(desk, unit.position, chunk)? {
                self.send_zeros(desk, unit.position, chunk..chunk + 1)?;
            }
        }
        Ok(())
    }

    /// The chunks of a unit that are not what was recorded of them.
    fn audit(
        &self,
        desk: &mut Desk<'_>,
        unit: &Unit,
        recorded: &Todo,
    ) -> Result<Vec<u64>, SourceError> {
        let expected = recorded.known_of(&unit.chunks).unwrap_or_default();
        let found = self.hash(desk, unit)?;
        let chunks = unit.chunks.iter().flatten();
        let pairs = chunks.zip(found.iter().zip(&expected));
        let differing = pairs.filter(|(_, (found, expected))| found != expected);
        Ok(differing.map(|(chunk, _)| chunk).collect())
    }

    /// Hashes of the chunks of a unit, read now.
    fn hash(&self, desk: &mut Desk<'_>, unit: &Unit) -> Result<Vec<ChunkHash>, SourceError> {
        let volume = self.careful(&self.views[unit.position], &desk.meter);
        let buffer = &mut desk.buffer;
        let mut hashes = Vec::new();
        for chunks in unit.chunks.iter() {
            hash_chunks(&volume, chunks, buffer, |chunk, hash| {
                self.count(unit.position, chunk);
                hashes.push(hash);
                Ok::<(), SourceError>(())
            })?;
        }
        Ok(hashes)
    }

    /// What the receiver's journal has of the chunks of a unit.
    fn ask_journal(
        &self,
        stream: &mut SourceStream,
        unit: &Unit,
    ) -> Result<Vec<ChunkHash>, SourceError> {
        let span = unit.span();
        let all = self.ask_hashes(stream, unit.position, span.clone(), HashSource::Journal)?;
        let chunks = unit.chunks.iter().flatten();
        Ok(chunks
            .map(|chunk| all[to_usize(chunk - span.start)])
            .collect())
    }

    fn ask_medium(&self, stream: &mut SourceStream, unit: &Unit) -> Result<Hashed, SourceError> {
        let span = unit.span();
        let hashes = self.ask_hashes(stream, unit.position, span.clone(), HashSource::Medium)?;
        span.clone()
            .for_each(|chunk| self.count(unit.position, chunk));
        Ok(Hashed {
            position: unit.position,
            first: span.start,
            hashes,
        })
    }

    fn ask_hashes(
        &self,
        stream: &mut SourceStream,
        position: usize,
        chunks: Range<u64>,
        from: HashSource,
    ) -> Result<Vec<ChunkHash>, SourceError> {
        let count = chunks.end - chunks.start;
        let request = HashesRequest {
            volume: self.views[position].index,
            first: chunks.start,
            count,
            from,
        };
        let bytes = stream.ask(&request, Kind::Hashes, count * 32)?;
        let (hashes, _) = bytes.as_chunks::<32>();
        Ok(hashes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_some_chunks_is_not_taken_for_others() {
        let todo = Todo {
            chunks: Chunks::whole(0..100),
            known: [3, 4, 5, 9]
                .map(|chunk| (u64::from(chunk), [chunk; 32]))
                .to_vec(),
        };
        let known = |ranges: &[Range<u64>]| {
            let known = todo.known_of(&Chunks::from_unordered(ranges.to_vec()));
            known.map(|hashes| hashes.iter().map(|hash| hash[0]).collect::<Vec<_>>())
        };
        assert_eq!(known(&[3..5, 9..10]), Some(vec![3, 4, 9]));
        for unknown in [2..4, 5..7, 9..11, 50..51] {
            assert_eq!(known(&[unknown]), None);
        }
    }
}
