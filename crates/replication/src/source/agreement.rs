//! At the start of a session: what the source believes the target has is held against what the
//! target says.
//!
//! The source's hashes say what the receiver has acknowledged; a round that looks only at what is
//! marked rests on them. A target may lose what it acknowledged all the same: its volume is made
//! anew, or taken back to a snapshot, or the proof finds other bytes on its medium. So every slot of
//! the source that is not what the target has recorded is cleared before any round: such chunks are
//! looked at again. It costs 32 bytes on the wire per chunk that the source knows.
//!
//! What a target has recorded tells the truth until it is started: from then on its disks are
//! written to past the receiver. A source that was through with a final round cannot know whether
//! that has happened; so it has the target hash its medium first, which drops every record that is
//! not true any more.

use rehost_volumes::{chunk_count, to_usize};

use super::changes::Chunks;
use super::hashes::SourceHashes;
use super::round::{HASH_UNIT_CHUNKS, Kinds};
use super::run::Replication;
use super::stream::SourceStream;
use super::used::{Source, View};
use super::{Phase, SourceError, WholeDisks};
use crate::wire::{HashSource, HashesRequest, Kind, PAYLOAD_LIMIT_BYTES};

const HASH_BYTES: usize = 32;
/// Hashes that fill an answer.
const BATCH_CHUNKS: u64 = PAYLOAD_LIMIT_BYTES as u64 / HASH_BYTES as u64;

impl Replication<'_> {
    /// Brings what is known of the target to what is true. Less, if a stop is wanted meanwhile.
    pub(super) fn agree(&mut self, streams: &mut [SourceStream]) -> Result<(), SourceError> {
        if self.rounds.handed_over {
            self.survey(streams)?;
        }
        let Some(stream) = streams.first_mut() else {
            return Err(SourceError::Protocol("a session without streams"));
        };
        for (volume, hashes) in self.job.volumes.iter().zip(&self.plan.hashes) {
            if self.control.should_stop() {
                return Ok(());
            }
            // Without a note slots are worth nothing: the next round clears them all.
            if hashes.note().is_some() {
                let size_bytes = volume.volume.size_bytes();
                forget_what_differs(stream, volume.index, size_bytes, hashes)?;
            }
        }
        Ok(())
    }

    /// Has the target hash its medium and drop what it has recorded and what is not there any more.
    fn survey(&mut self, streams: &mut [SourceStream]) -> Result<(), SourceError> {
        let whole = View::all(&self.job.volumes, &WholeDisks, Source::AtRest);
        let (phase, kind) = (Phase::Survey, Kinds::Verify { skippable: false });
        self.round(streams, &whole, phase, kind, HASH_UNIT_CHUNKS)?;
        if self.control.should_stop() {
            return Ok(());
        }
        self.rounds.handed_over = false;
        self.rounds.save(&self.job.state_dir)
    }
}

/// Clears the slots of chunks of which the target has recorded something else, or nothing.
fn forget_what_differs(
    stream: &mut SourceStream,
    volume: u32,
    size_bytes: u64,
    hashes: &SourceHashes,
) -> Result<(), SourceError> {
    let chunks = chunk_count(size_bytes);
    for first in (0..chunks).step_by(to_usize(BATCH_CHUNKS)) {
        let batch = Chunks::whole(first..(first + BATCH_CHUNKS).min(chunks));
        let mine = hashes.known(&batch)?;
        let (Some((first, _)), Some((last, _))) = (mine.first(), mine.last()) else {
            continue;
        };
        let count = last - first + 1;
        let request = HashesRequest {
            volume,
            first: *first,
            count,
            from: HashSource::Journal,
        };
        let theirs = stream.ask(&request, Kind::Hashes, count * HASH_BYTES as u64)?;
        let (theirs, _) = theirs.as_chunks::<HASH_BYTES>();
        let differing = mine.iter().filter(|(chunk, hash)| {
            let theirs = theirs.get(to_usize(chunk - first));
            theirs != Some(hash)
        });
        let differing: Vec<u64> = differing.map(|(chunk, _)| *chunk).collect();
        hashes.forget(&differing)?;
    }
    Ok(())
}
