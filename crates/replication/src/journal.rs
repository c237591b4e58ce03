//! What is durably on a target volume: one hash per chunk.
//!
//! ```text
//!  0        8        16          24          32            4096
//!  | magic  | version | size     | chunk     | BLAKE3        | slot 0 | slot 1 | ...
//!  |        |         | bytes LE | bytes LE  | of the above  | 32 B   | 32 B   |
//! ```
//!
//! A slot of zeros means: nothing is known of this chunk. The order of writes keeps one promise,
//! whatever dies when: *a slot that holds a hash tells the truth about the medium.*
//!
//! - New content: the chunk is written, the medium is flushed, then the slot is written.
//! - Changed content: the slot is cleared and the journal flushed, then as above.
//!
//! So a kill or a power cut can only lose slots, never make one lie, and a lost slot costs sending
//! one chunk again. A slot never straddles a disk sector, so it is written whole or not at all.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rehost_volumes::{CHUNK_BYTES, ChunkHash, chunk_count, to_usize};

const MAGIC: [u8; 8] = *b"RHSTJRNL";
const VERSION: u64 = 1;
/// The slots start with a page of their own.
const SLOTS_OFFSET: u64 = 4096;
const SLOT_BYTES: u64 = 32;
const ABSENT: ChunkHash = [0; 32];

/// A failed act on a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened or made.
    #[error("open journal {path}")]
    Open {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Reading or writing failed.
    #[error("use journal {path}")]
    Access {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It belongs to another volume, or was damaged.
    #[error(
        "journal {path} does not belong to a volume of {size_bytes} bytes, or is damaged; \
         remove it to copy the volume anew"
    )]
    Foreign {
        /// The journal.
        path: PathBuf,
        /// Size of the volume in bytes.
        size_bytes: u64,
    },
}

/// The journal of one volume.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    chunks: u64,
    created: bool,
}

impl Journal {
    /// Opens the journal of a volume, or makes it if there is none.
    pub(crate) fn open(path: &Path, size_bytes: u64) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Open {
            path: path.into(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let header = header(size_bytes);
        let chunks = chunk_count(size_bytes);
        let length = SLOTS_OFFSET + chunks * SLOT_BYTES;
        let mut found = vec![0; header.len()];
        let created = match file.read_exact_at(&mut found, 0) {
            Ok(()) if found == header => false,
            // Cut short or never written: its maker died before the first slot could be.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
            Ok(()) if found.iter().all(|byte| *byte == 0) => true,
            Ok(()) => {
                return Err(JournalError::Foreign {
                    path: path.into(),
                    size_bytes,
                });
            }
            Err(error) => return Err(failed(error)),
        };
        if created {
            file.set_len(length)
                .and_then(|()| file.write_all_at(&header, 0))
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
        }
        Ok(Self {
            path: path.into(),
            file,
            chunks,
            created,
        })
    }

    /// Whether [`Self::open`] made it: then nothing was ever written through it.
    pub(crate) fn is_new(&self) -> bool {
        self.created
    }

    /// The slots of `count` chunks from `first`, 32 bytes each. The range must be within the volume.
    pub(crate) fn slots(&self, first: u64, count: u64) -> Result<Vec<u8>, JournalError> {
        let mut bytes = vec![0; to_usize(count * SLOT_BYTES)];
        self.file
            .read_exact_at(&mut bytes, SLOTS_OFFSET + first * SLOT_BYTES)
            .map_err(|source| self.access(source))?;
        Ok(bytes)
    }

    /// The hash of a chunk, if it is durably on the medium.
    pub(crate) fn slot(&self, chunk: u64) -> Result<Option<ChunkHash>, JournalError> {
        let bytes = self.slots(chunk, 1)?;
        let hash = bytes.first_chunk().copied().unwrap_or(ABSENT);
        Ok((hash != ABSENT).then_some(hash))
    }

    /// A bit per chunk, lowest first: whether it is durably on the medium.
    pub(crate) fn presence(&self, first: u64, count: u64) -> Result<Vec<u8>, JournalError> {
        /// Slots read at once: 1 MiB.
        const BATCH: u64 = 32 << 10;
        let mut bits = vec![0; to_usize(count.div_ceil(8))];
        for start in (0..count).step_by(to_usize(BATCH)) {
            let slots = self.slots(first + start, (count - start).min(BATCH))?;
            let (slots, _) = slots.as_chunks::<32>();
            for (number, slot) in (to_usize(start)..).zip(slots) {
                if *slot != ABSENT {
                    bits[number / 8] |= 1 << (number % 8);
                }
            }
        }
        Ok(bits)
    }

    /// Clears slots, durably. Must come before the chunks are overwritten.
    pub(crate) fn forget(&self, chunks: &[u64]) -> Result<(), JournalError> {
        let mut cleared = false;
        for chunk in chunks {
            if self.slot(*chunk)?.is_some() {
                self.write(*chunk, &ABSENT)?;
                cleared = true;
            }
        }
        if cleared { self.flush() } else { Ok(()) }
    }

    /// Records chunks whose content has been flushed to the medium, durably.
    pub(crate) fn record(&self, entries: &[(u64, ChunkHash)]) -> Result<(), JournalError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut entries = entries.to_vec();
        entries.sort_unstable_by_key(|(chunk, _)| *chunk);
        for run in entries.chunk_by(|left, right| left.0 + 1 == right.0) {
            let bytes: Vec<u8> = run.iter().flat_map(|(_, hash)| *hash).collect();
            self.write(run[0].0, &bytes)?;
        }
        self.flush()
    }

    /// Records a run of chunks that have the same hash; durable with the next [`Self::record`] or
    /// [`Self::flush`].
    pub(crate) fn record_run(
        &self,
        first: u64,
        count: u64,
        hash: &ChunkHash,
    ) -> Result<(), JournalError> {
        self.write(first, &hash.repeat(to_usize(count)))
    }

    /// Makes everything written durable.
    pub(crate) fn flush(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|source| self.access(source))
    }

    /// Number of chunks of the volume.
    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Writes slots; durable with the next [`Self::record`] or [`Self::flush`].
    pub(crate) fn write(&self, first: u64, bytes: &[u8]) -> Result<(), JournalError> {
        self.file
            .write_all_at(bytes, SLOTS_OFFSET + first * SLOT_BYTES)
            .map_err(|source| self.access(source))
    }

    fn access(&self, source: io::Error) -> JournalError {
        JournalError::Access {
            path: self.path.clone(),
            source,
        }
    }
}

fn header(size_bytes: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for number in [VERSION, size_bytes, CHUNK_BYTES] {
        bytes.extend(number.to_le_bytes());
    }
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_survive_and_tell_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let size_bytes = 70_000 * CHUNK_BYTES + 1;
        {
            let journal = Journal::open(&path, size_bytes).unwrap();
            assert!(journal.is_new());
            journal
                .record(&[(5, [5; 32]), (70_000, [7; 32]), (6, [6; 32])])
                .unwrap();
            journal.record_run(100, 3, &[9; 32]).unwrap();
            journal.forget(&[6, 8]).unwrap();
        }
        let journal = Journal::open(&path, size_bytes).unwrap();
        assert!(!journal.is_new());
        assert_eq!(journal.slot(5).unwrap(), Some([5; 32]));
        assert_eq!(journal.slot(6).unwrap(), None);
        assert_eq!(journal.slots(101, 1).unwrap(), [9; 32]);
        let bits = journal.presence(0, 70_001).unwrap();
        let present: Vec<usize> = (0..70_001)
            .filter(|number| bits[number / 8] & (1 << (number % 8)) != 0)
            .collect();
        assert_eq!(present, [5, 100, 101, 102, 70_000]);
    }

    #[test]
    fn a_journal_of_another_volume_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        Journal::open(&path, CHUNK_BYTES).unwrap();
        let refused = Journal::open(&path, 2 * CHUNK_BYTES);
        assert!(matches!(refused, Err(JournalError::Foreign { .. })));
    }

    #[test]
    fn a_journal_whose_maker_died_is_begun_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        for length in [0, 10, SLOTS_OFFSET] {
            std::fs::write(&path, vec![0; to_usize(length)]).unwrap();
            assert!(Journal::open(&path, CHUNK_BYTES).unwrap().is_new());
        }
    }
}
