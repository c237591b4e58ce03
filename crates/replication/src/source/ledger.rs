//! What went out: kept on disk, so that a restart can tell what it sends again.
//!
//! Two kinds of files in the task's folder. `rounds.json` says which round is at hand; it is
//! written aside, flushed and renamed. `sent-<volume>.ledger` has counters and four bytes per
//! chunk: the round in which the chunk was last put on the wire. It is written in place without a flush
//! before each chunk goes out: that survives the death of the process, and after a power cut the
//! receiver's journal, not this file, decides what is sent.
//!
//! While the source is frozen nothing is written: the folder may lie on a frozen file system, and
//! the write would wait for the thaw that comes after it. What happened meanwhile is kept in
//! memory and written afterwards.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rehost_volumes::{chunk_count, to_usize};
use serde::{Deserialize, Serialize};

use super::{SourceError, VolumeFigures};

/// Which round is at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Rounds {
    /// Sessions opened so far.
    pub(super) sessions: u64,
    /// Number of the round that is at hand or was last begun; 0 before the full copy.
    pub(super) round: u32,
    /// Whether the full copy is through.
    pub(super) full_copy_done: bool,
    /// The final round was through: the target may have been started since, and written to its
    /// disks.
    pub(super) handed_over: bool,
    /// By the number of the volume: the last stretch of tracking whose marks were checked against the
    /// disk.
    pub(super) audited: BTreeMap<u32, String>,
    /// Disks whose tracker was found to miss changes.
    pub(super) distrust: Vec<Distrust>,
}

/// A disk whose tracker is not to be relied on, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Distrust {
    /// Number of the volume within the task.
    pub(super) volume: u32,
    /// For people.
    pub(super) reason: String,
}

impl Rounds {
    fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("rounds.json")
    }

    pub(super) fn load(state_dir: &Path) -> Result<Self, SourceError> {
        let path = Self::path(state_dir);
        let failed = |source| SourceError::Ledger {
            path: path.clone(),
            source,
        };
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn save(&self, state_dir: &Path) -> Result<(), SourceError> {
        let path = Self::path(state_dir);
        let aside = path.with_extension("json.new");
        let write = || -> io::Result<()> {
            let file = File::create(&aside)?;
            serde_json::to_writer(&file, self)?;
            file.sync_all()?;
            std::fs::rename(&aside, &path)?;
            File::open(state_dir)?.sync_all()
        };
        write().map_err(|source| SourceError::Ledger {
            path: path.clone(),
            source,
        })
    }
}

/// The last byte is the version of the file.
const MAGIC: [u8; 8] = *b"RHSTSEN2";
/// Magic, size and seven counters; the marks follow.
const HEADER_BYTES: usize = 72;
const MARK_BYTES: usize = 4;

/// The ledger of one volume.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    size_bytes: u64,
    counters: Counters,
    /// Per chunk: the round, from 1, in which it was last sent; 0 for never.
    marks: Vec<u32>,
    /// Nothing may be written now; these chunks are to be written later.
    withheld: Option<Vec<u64>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    used_bytes: u64,
    wire_bytes: u64,
    sent_again_bytes: u64,
    microseconds: u64,
    rounds: u64,
    /// Part of `microseconds` that went into the first round.
    full_copy_microseconds: u64,
    /// Bytes that packing kept from the wire.
    saved_bytes: u64,
}

impl Ledger {
    /// Opens the ledger of a volume, or begins it. A ledger of a disk of another size, or one that
    /// was cut short, is begun anew: it only holds figures.
    pub(super) fn open(path: PathBuf, size_bytes: u64) -> Result<Self, SourceError> {
        let opened = Self::read_or_begin(&path, size_bytes);
        let (file, state) = opened.map_err(|source| SourceError::Ledger {
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            path,
            file,
            state: Mutex::new(state),
        })
    }

    fn read_or_begin(path: &Path, size_bytes: u64) -> io::Result<(File, State)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut bytes = vec![0; mark_offset(to_usize(chunk_count(size_bytes)))];
        let found = file.read_exact_at(&mut bytes, 0).is_ok();
        let marks = bytes.split_off(HEADER_BYTES);
        let (marks, _) = marks.as_chunks::<MARK_BYTES>();
        let marks = marks.iter().map(|mark| u32::from_le_bytes(*mark)).collect();
        let mut state = State {
            size_bytes,
            counters: Counters::default(),
            marks,
            withheld: None,
        };
        match Counters::parse(&bytes, size_bytes) {
            Some(counters) if found => state.counters = counters,
            _ => {
                state.marks.fill(0);
                file.set_len(0)?;
                let zeros = vec![0; state.marks.len() * MARK_BYTES];
                file.write_all_at(&zeros, HEADER_BYTES as u64)?;
                file.write_all_at(&state.header(), 0)?;
            }
        }
        Ok((file, state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> SourceError {
        SourceError::Ledger {
            path: self.path.clone(),
            source,
        }
    }

    /// Notes that a chunk is about to go out in `round`: so many bytes of the disk, as a payload of so
    /// many.
    pub(super) fn sending(
        &self,
        chunk: u64,
        round: u32,
        content_bytes: u64,
        payload_bytes: u64,
    ) -> Result<(), SourceError> {
        let mut state = self.state();
        let at = to_usize(chunk);
        if state.marks[at] == round {
            state.counters.sent_again_bytes += payload_bytes;
        } else if round == 1 {
            state.counters.used_bytes += content_bytes;
        }
        state.marks[at] = round;
        if let Some(withheld) = &mut state.withheld {
            withheld.push(chunk);
            return Ok(());
        }
        self.file
            .write_all_at(&round.to_le_bytes(), mark_offset(at) as u64)
            .and_then(|()| self.file.write_all_at(&state.header(), 0))
            .map_err(|source| self.failed(source))
    }

    /// Counts bytes on the wire, and those that packing kept from it. Written with the next chunk.
    pub(super) fn sent(&self, wire_bytes: u64, saved_bytes: u64) {
        let mut state = self.state();
        state.counters.wire_bytes += wire_bytes;
        state.counters.saved_bytes += saved_bytes;
    }

    /// Counts a round that is through, or a part of one that broke off.
    pub(super) fn add_round(&self, seconds: f64, whole: bool) -> Result<(), SourceError> {
        let mut state = self.state();
        let spent = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let microseconds = u64::try_from(spent.as_micros()).unwrap_or_default();
        state.counters.microseconds += microseconds;
        if state.counters.rounds == 0 {
            state.counters.full_copy_microseconds += microseconds;
        }
        state.counters.rounds += u64::from(whole);
        if state.withheld.is_some() {
            return Ok(());
        }
        self.file
            .write_all_at(&state.header(), 0)
            .map_err(|source| self.failed(source))
    }

    /// From now on nothing is written until [`Self::write_withheld`].
    pub(super) fn withhold(&self) {
        self.state().withheld.get_or_insert_default();
    }

    /// Writes what was withheld.
    pub(super) fn write_withheld(&self) -> Result<(), SourceError> {
        let mut state = self.state();
        for chunk in state.withheld.take().unwrap_or_default() {
            let at = to_usize(chunk);
            self.file
                .write_all_at(&state.marks[at].to_le_bytes(), mark_offset(at) as u64)
                .map_err(|source| self.failed(source))?;
        }
        self.file
            .write_all_at(&state.header(), 0)
            .map_err(|source| self.failed(source))
    }

    /// Bytes on the wire so far.
    pub(super) fn wire_bytes(&self) -> u64 {
        self.state().counters.wire_bytes
    }

    /// The figures so far.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a migration are far below 2^53"
    )]
    pub(super) fn figures(&self, name: &str) -> VolumeFigures {
        let state = self.state();
        VolumeFigures {
            name: name.to_owned(),
            size_bytes: state.size_bytes,
            used_bytes: state.counters.used_bytes,
            wire_bytes: state.counters.wire_bytes,
            saved_bytes: state.counters.saved_bytes,
            sent_again_bytes: state.counters.sent_again_bytes,
            rounds: u32::try_from(state.counters.rounds).unwrap_or(u32::MAX),
            seconds: state.counters.microseconds as f64 / 1e6,
            full_copy_seconds: state.counters.full_copy_microseconds as f64 / 1e6,
            downtime_seconds: 0.0,
        }
    }
}

fn mark_offset(at: usize) -> usize {
    HEADER_BYTES + at * MARK_BYTES
}

impl State {
    fn header(&self) -> Vec<u8> {
        let counters = &self.counters;
        let mut bytes = MAGIC.to_vec();
        for number in [
            self.size_bytes,
            counters.used_bytes,
            counters.wire_bytes,
            counters.sent_again_bytes,
            counters.microseconds,
            counters.rounds,
            counters.full_copy_microseconds,
            counters.saved_bytes,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }
}

impl Counters {
    fn parse(header: &[u8], expected_size_bytes: u64) -> Option<Self> {
        let numbers = header.strip_prefix(&MAGIC)?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
        if numbers.next()? != expected_size_bytes {
            return None;
        }
        Some(Self {
            used_bytes: numbers.next()?,
            wire_bytes: numbers.next()?,
            sent_again_bytes: numbers.next()?,
            microseconds: numbers.next()?,
            rounds: numbers.next()?,
            full_copy_microseconds: numbers.next()?,
            saved_bytes: numbers.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rehost_volumes::CHUNK_BYTES;

    #[test]
    fn a_chunk_sent_twice_in_a_round_is_counted_also_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger");
        let open = || Ledger::open(path.clone(), 9 * CHUNK_BYTES).unwrap();
        let ledger = open();
        ledger.sending(3, 1, 100, 100).unwrap();
        ledger.sent(120, 30);
        ledger.sending(4, 1, 50, 50).unwrap();
        drop(ledger);

        let ledger = open();
        ledger.sending(3, 1, 100, 100).unwrap();
        ledger.withhold();
        ledger.sending(3, 2, 10, 10).unwrap();
        ledger.sending(5, 2, 10, 10).unwrap();
        ledger.write_withheld().unwrap();
        drop(ledger);

        let ledger = open();
        ledger.sending(5, 2, 10, 10).unwrap();
        ledger.add_round(0.5, false).unwrap();
        ledger.add_round(0.5, true).unwrap();
        ledger.add_round(0.5, true).unwrap();
        let figures = open().figures("vda");
        assert_eq!(figures.used_bytes, 150);
        assert_eq!(figures.wire_bytes, 120);
        assert_eq!(figures.sent_again_bytes, 110);
        assert_eq!((figures.rounds, figures.seconds), (2, 1.5));
        assert_eq!(figures.full_copy_seconds, 1.0);
    }

    #[test]
    fn no_round_is_taken_for_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().join("ledger"), CHUNK_BYTES).unwrap();
        for round in [1, 256, 65_537] {
            ledger.sending(0, round, 10, 10).unwrap();
        }
        assert_eq!(ledger.figures("vda").sent_again_bytes, 0);
    }

    #[test]
    fn nothing_is_written_while_withheld() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger");
        let ledger = Ledger::open(path.clone(), CHUNK_BYTES).unwrap();
        let before = std::fs::read(&path).unwrap();
        ledger.withhold();
        ledger.sending(0, 3, 10, 10).unwrap();
        ledger.add_round(1.0, true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
        ledger.write_withheld().unwrap();
        assert_ne!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn rounds_survive() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Rounds::load(directory.path()).unwrap(), Rounds::default());
        let rounds = Rounds {
            sessions: 4,
            round: 2,
            full_copy_done: true,
            handed_over: true,
            audited: BTreeMap::from([(3, "a stretch".into())]),
            distrust: vec![Distrust {
                volume: 3,
                reason: "missed a write".into(),
            }],
        };
        rounds.save(directory.path()).unwrap();
        assert_eq!(Rounds::load(directory.path()).unwrap(), rounds);
    }
}
