//! What the receiver has of a disk, as the source knows it: its own journal of hashes.
//!
//! A slot that holds a hash says: *the receiver has this chunk durably, and the source's chunk was
//! the same, by the map and in the stretch of tracking noted beside; any change since is marked.*
//! Everything rests on keeping that true, whatever dies when:
//!
//! - **Marks are taken as a loan.** They are read; the slots of all chunks they touch are cleared,
//!   durably; only then are they cleared at the tracker. So an empty slot is the record of the loan:
//!   such chunks are part of every round until the receiver has acknowledged them.
//! - What the receiver has is asked for at the start of a session; a slot that says something else is
//!   cleared.
//! - If slots cannot be cleared, marks stay where they are. If the journal or its note is damaged or
//!   missing, or speaks of another stretch of tracking, all slots are cleared: everything is compared.
//! - **While the source is frozen** nothing can be written. Before, the note is taken away, durably:
//!   whoever comes after a death in that time compares everything. What happens meanwhile is kept
//!   in memory; afterwards it is written, and the note last.
//!
//! The hashes are the source's tree in the proof: a frozen source need not be read as a whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rehost_used_blocks::Extents;
use rehost_volumes::{ChunkHash, HashTree, chunk_count};

use super::SourceError;
use super::changes::Chunks;
use crate::journal::{Journal, JournalError};

const MAGIC: [u8; 8] = *b"RHSTNOTE";
const HASH_BYTES: usize = 32;
const ABSENT: ChunkHash = [0; 32];
/// Slots read at once: 1 MiB.
const BATCH: u64 = 32 << 10;

/// Under which conditions the slots are true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The stretch of tracking in which every change since is marked.
    pub(super) stretch: String,
    /// What counted when the chunks were hashed.
    pub(super) used: Extents,
}

/// The hashes of one disk.
#[derive(Debug)]
pub(super) struct SourceHashes {
    journal: Journal,
    note_path: PathBuf,
    size_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    note: Option<Note>,
    /// While nothing may be written: what happened since.
    aside: Option<Aside>,
}

#[derive(Debug, Default)]
struct Aside {
    /// No slot of before counts.
    from_nothing: bool,
    /// In the order in which it happened; an absent hash clears a slot.
    entries: Vec<(u64, ChunkHash)>,
}

impl SourceHashes {
    /// Opens the hashes of a disk. What cannot be used is begun anew.
    pub(super) fn open(state_dir: &Path, index: u32, size_bytes: u64) -> Result<Self, SourceError> {
        let path = state_dir.join(format!("hashes-{index}.journal"));
        let note_path = state_dir.join(format!("hashes-{index}.note"));
        let (journal, note) = match Journal::open(&path, size_bytes) {
            Ok(journal) if journal.is_new() => (journal, None),
            Ok(journal) => (journal, read_note(&note_path, size_bytes)),
            Err(JournalError::Foreign { .. }) => {
                fs::remove_file(&path).map_err(|source| failed(&path, source))?;
                (Journal::open(&path, size_bytes)?, None)
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            journal,
            note_path,
            size_bytes,
            state: Mutex::new(State { note, aside: None }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conditions under which the slots are true; `None` if nobody knows.
    pub(super) fn note(&self) -> Option<Note> {
        self.state().note.clone()
    }

    /// Clears all slots, and notes the conditions for those that will be filled from now on.
    pub(super) fn begin(&self, note: Option<Note>) -> Result<(), SourceError> {
        self.drop_note()?;
        let chunks = chunk_count(self.size_bytes);
        for first in (0..chunks).step_by(rehost_volumes::to_usize(BATCH)) {
            let count = (chunks - first).min(BATCH);
            self.journal.record_run(first, count, &ABSENT)?;
        }
        self.journal.flush()?;
        note.map_or(Ok(()), |note| self.save_note(note))
    }

    /// Clears the slots of chunks, durably, and notes new conditions for all others, which fulfil
    /// them. Returns what the slots held, ascending.
    pub(super) fn lend(
        &self,
        chunks: &Chunks,
        note: Note,
    ) -> Result<Vec<(u64, ChunkHash)>, SourceError> {
        let known = self.known(chunks)?;
        let cleared: Vec<u64> = known.iter().map(|(chunk, _)| *chunk).collect();
        self.journal.forget(&cleared)?;
        if self.note().as_ref() != Some(&note) {
            self.save_note(note)?;
        }
        Ok(known)
    }

    /// As [`Self::lend`], while nothing may be written.
    pub(super) fn lend_aside(&self, chunks: &Chunks) -> Result<Vec<(u64, ChunkHash)>, SourceError> {
        let known = self.known(chunks)?;
        if let Some(aside) = &mut self.state().aside {
            let cleared = known.iter().map(|(chunk, _)| (*chunk, ABSENT));
            aside.entries.extend(cleared);
        }
        Ok(known)
    }

    /// While nothing may be written: what is known of these chunks does not count any more.
    pub(super) fn forget_aside(&self, chunks: &Chunks) {
        if let Some(aside) = &mut self.state().aside {
            let cleared = chunks.iter().flatten().map(|chunk| (chunk, ABSENT));
            aside.entries.extend(cleared);
        }
    }

    /// Clears the slots of some chunks, durably. Not while nothing may be written.
    pub(super) fn forget(&self, chunks: &[u64]) -> Result<(), SourceError> {
        Ok(self.journal.forget(chunks)?)
    }

    /// Chunks and their hashes, as far as slots hold any; ascending.
    pub(super) fn known(&self, chunks: &Chunks) -> Result<Vec<(u64, ChunkHash)>, SourceError> {
        let mut known = Vec::new();
        self.each_slot(chunks, |chunk, hash| {
            if *hash != ABSENT {
                known.push((chunk, *hash));
            }
        })?;
        Ok(known)
    }

    /// The chunks of which nothing is known.
    pub(super) fn absent(&self) -> Result<Chunks, SourceError> {
        let mut absent = Chunks::default();
        let all = Chunks::whole(0..chunk_count(self.size_bytes));
        self.each_slot(&all, |chunk, hash| {
            if *hash == ABSENT {
                absent.push(chunk..chunk + 1);
            }
        })?;
        Ok(absent)
    }

    fn each_slot(
        &self,
        chunks: &Chunks,
        mut each: impl FnMut(u64, &ChunkHash),
    ) -> Result<(), SourceError> {
        for range in chunks.iter() {
            let mut first = range.start;
            while first < range.end {
                let count = (range.end - first).min(BATCH);
                let slots = self.journal.slots(first, count)?;
                let (slots, _) = slots.as_chunks::<HASH_BYTES>();
                (first..)
                    .zip(slots)
                    .for_each(|(chunk, hash)| each(chunk, hash));
                first += count;
            }
        }
        Ok(())
    }

    /// The receiver has chunks with these hashes durably, one after the other.
    pub(super) fn record(&self, first: u64, hashes: &[ChunkHash]) -> Result<(), SourceError> {
        let mut state = self.state();
        if let Some(aside) = &mut state.aside {
            aside.entries.extend((first..).zip(hashes.iter().copied()));
            return Ok(());
        }
        drop(state);
        Ok(self.journal.write(first, hashes.as_flattened())?)
    }

    /// Makes what was recorded durable.
    pub(super) fn flush(&self) -> Result<(), SourceError> {
        Ok(self.journal.flush()?)
    }

    /// Before the source is frozen: from now on nothing is written. If this process dies before
    /// [`Self::settle`], all slots are worth nothing.
    pub(super) fn withhold(&self) -> Result<(), SourceError> {
        self.drop_note()?;
        self.state().aside.get_or_insert_default();
        Ok(())
    }

    /// Nothing that is known counts in the frozen round: everything will be recorded.
    pub(super) fn ignore_the_past(&self) {
        if let Some(aside) = &mut self.state().aside {
            aside.from_nothing = true;
            aside.entries.clear();
        }
    }

    /// After the source was frozen: writes what was withheld, and the conditions. Without conditions
    /// nothing of it is worth anything to a later round.
    pub(super) fn settle(&self, note: Option<Note>) -> Result<(), SourceError> {
        let aside = self.state().aside.take().unwrap_or_default();
        let Some(note) = note else {
            return self.begin(None);
        };
        for (chunk, hash) in aside.entries {
            self.journal.write(chunk, &hash)?;
        }
        self.flush()?;
        self.save_note(note)
    }

    /// The tree over all hashes; `None` if one is not known.
    pub(super) fn tree(&self) -> Result<Option<HashTree>, SourceError> {
        let all = Chunks::whole(0..chunk_count(self.size_bytes));
        let mut leaves = Vec::new();
        self.each_slot(&all, |_, hash| leaves.push(*hash))?;
        if let Some(aside) = &self.state().aside {
            if aside.from_nothing {
                leaves.fill(ABSENT);
            }
            for (chunk, hash) in &aside.entries {
                leaves[rehost_volumes::to_usize(*chunk)] = *hash;
            }
        }
        if leaves.contains(&ABSENT) {
            return Ok(None);
        }
        Ok(HashTree::new(self.size_bytes, leaves))
    }

    /// Takes the note away, durably.
    fn drop_note(&self) -> Result<(), SourceError> {
        self.state().note = None;
        match fs::remove_file(&self.note_path) {
            Ok(()) => sync_folder(&self.note_path).map_err(|source| self.note_failed(source)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.note_failed(error)),
        }
    }

    fn save_note(&self, note: Note) -> Result<(), SourceError> {
        let aside = self.note_path.with_extension("note.new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&aside)?;
            file.write_all(&encode(&note, self.size_bytes))?;
            file.sync_all()?;
            fs::rename(&aside, &self.note_path)?;
            sync_folder(&self.note_path)
        };
        write().map_err(|source| self.note_failed(source))?;
        self.state().note = Some(note);
        Ok(())
    }

    fn note_failed(&self, source: io::Error) -> SourceError {
        failed(&self.note_path, source)
    }
}

fn failed(path: &Path, source: io::Error) -> SourceError {
    SourceError::Ledger {
        path: path.into(),
        source,
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Magic, size of the disk, length and text of the stretch, ranges, and the BLAKE3 hash of all that.
fn encode(note: &Note, size_bytes: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(size_bytes.to_le_bytes());
    bytes.extend((note.stretch.len() as u64).to_le_bytes());
    bytes.extend(note.stretch.as_bytes());
    for range in note.used.iter() {
        bytes.extend(range.start.to_le_bytes());
        bytes.extend(range.end.to_le_bytes());
    }
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}

/// A note that is not there, not whole or not of this disk is no note.
fn read_note(path: &Path, size_bytes: u64) -> Option<Note> {
    decode(&fs::read(path).ok()?, size_bytes)
}

fn decode(bytes: &[u8], expected_size_bytes: u64) -> Option<Note> {
    let (bytes, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
    if blake3::hash(bytes).as_bytes() != hash {
        return None;
    }
    let (size_bytes, bytes) = bytes.strip_prefix(&MAGIC)?.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*size_bytes) != expected_size_bytes {
        return None;
    }
    let (length, bytes) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (stretch, ranges) = bytes.split_at_checked(length)?;
    let (numbers, []) = ranges.as_chunks::<16>() else {
        return None;
    };
    let ranges = numbers.iter().map(|pair| {
        let (start, end) = pair.split_at(8);
        let number = |bytes: &[u8]| {
            bytes
                .first_chunk()
                .map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        number(start)..number(end)
    });
    Some(Note {
        stretch: String::from_utf8(stretch.to_vec()).ok()?,
        used: Extents::from_unordered(ranges.collect()),
    })
}

#[cfg(test)]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "a set of one range is meant"
)]
mod tests {
    use rehost_volumes::CHUNK_BYTES;

    use super::*;

    const SIZE: u64 = 10 * CHUNK_BYTES;

    fn note(stretch: &str) -> Note {
        Note {
            stretch: stretch.into(),
            used: Extents::from_unordered(vec![0..100, 4096..9000]),
        }
    }

    fn chunks(ranges: &[std::ops::Range<u64>]) -> Chunks {
        Chunks::from_unordered(ranges.to_vec())
    }

    #[test]
    fn a_loan_is_on_the_medium_before_anything_else_happens() {
        let directory = tempfile::tempdir().unwrap();
        let open = || SourceHashes::open(directory.path(), 0, SIZE).unwrap();
        let hashes = open();
        assert_eq!(hashes.note(), None);
        hashes.begin(Some(note("a"))).unwrap();
        hashes.record(0, &[[1; 32]; 10]).unwrap();
        let known = hashes.lend(&chunks(&[2..4, 9..10]), note("a")).unwrap();
        assert_eq!(known.len(), 3);
        hashes.record(3, &[[7; 32]]).unwrap();
        drop(hashes);

        let hashes = open();
        assert_eq!(hashes.note(), Some(note("a")));
        assert_eq!(hashes.absent().unwrap(), chunks(&[2..3, 9..10]));
        assert_eq!(hashes.known(&chunks(&[3..4])).unwrap(), [(3, [7; 32])]);
        assert_eq!(hashes.tree().unwrap(), None);
    }

    #[test]
    fn a_death_while_frozen_leaves_no_note_and_a_life_leaves_all() {
        let directory = tempfile::tempdir().unwrap();
        let open = || SourceHashes::open(directory.path(), 0, SIZE).unwrap();
        let frozen = || {
            let hashes = open();
            hashes.begin(Some(note("a"))).unwrap();
            hashes.record(0, &[[1; 32]; 10]).unwrap();
            hashes.withhold().unwrap();
            assert_eq!(hashes.lend_aside(&chunks(&[5..7])).unwrap().len(), 2);
            assert_eq!(hashes.tree().unwrap(), None);
            hashes.record(5, &[[2; 32]]).unwrap();
            hashes
        };
        drop(frozen());
        assert_eq!(open().note(), None);

        let hashes = frozen();
        hashes.record(6, &[[3; 32]]).unwrap();
        let tree = hashes.tree().unwrap().unwrap();
        assert_eq!(tree.leaves()[4..8], [[1; 32], [2; 32], [3; 32], [1; 32]]);
        hashes.settle(Some(note("b"))).unwrap();
        drop(hashes);
        assert_eq!(open().note(), Some(note("b")));
        assert_eq!(open().tree().unwrap(), Some(tree));
    }

    #[test]
    fn what_is_damaged_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let open = |size_bytes| SourceHashes::open(directory.path(), 0, size_bytes).unwrap();
        open(SIZE).begin(Some(note("a"))).unwrap();
        let path = directory.path().join("hashes-0.note");
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad, SIZE), None, "byte {at}");
            assert_eq!(decode(&good[..at], SIZE), None, "length {at}");
        }
        assert!(open(SIZE).note().is_some());
        assert_eq!(open(SIZE + 1).note(), None, "a disk of another size");
    }
}
