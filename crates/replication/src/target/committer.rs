//! Makes what arrived durable, records it, and only then acknowledges it.
//!
//! Streams write chunks and leave an entry here. One thread per task takes all entries that have
//! gathered, flushes the media, writes the journal slots and sends each stream the sequence number
//! up to which everything of it is safe. Flushing once for many chunks is what makes durability
//! cheap; the streams go on writing meanwhile.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rehost_volumes::ChunkHash;

use super::volume::{ReceiveError, ReceivingVolume};
use crate::transport::FrameWriter;
use crate::wire::{Advice, Committed, Failure};
use crate::{COMMIT_BYTES, IN_FLIGHT_WINDOW_BYTES};

/// Entries that wait longer are committed even if they are few, so that a slow link sees progress.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);

/// Entries that may be queued, however few bytes they stand for.
const ENTRIES: usize = 64 << 10;

/// What was written and is to be recorded.
#[derive(Debug)]
pub(crate) enum Written {
    /// One chunk.
    Chunk { chunk: u64, hash: ChunkHash },
    /// A run of zero chunks.
    Zeros { first: u64, count: u64 },
    /// Nothing: a barrier only asks for an acknowledgement.
    Nothing,
}

/// An entry of a stream, in the order in which its frames came.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) volume: usize,
    pub(crate) written: Written,
    pub(crate) bytes: u64,
    pub(crate) stream: u32,
    pub(crate) sequence: u64,
    /// Commit now instead of waiting for more.
    pub(crate) urgent: bool,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    bytes: u64,
    urgent: bool,
    /// Streams to be acknowledged, by number.
    writers: BTreeMap<u32, FrameWriter>,
    /// Set when the media or journals failed: nothing is acknowledged any more in this session.
    failed: bool,
    committing: bool,
    closed: bool,
}

impl State {
    /// Whether more is queued than an honest source causes.
    fn is_full(&self) -> bool {
        self.bytes > 2 * IN_FLIGHT_WINDOW_BYTES || self.entries.len() >= ENTRIES
    }
}

/// The queue between the streams of a task and the thread that commits.
#[derive(Debug, Default)]
pub(crate) struct Committer {
    state: Mutex<State>,
    changed: Condvar,
}

impl Committer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry. Waits while the queue is full, which no honest source causes.
    /// False if this session can no longer commit anything.
    pub(crate) fn push(&self, entry: Entry) -> bool {
        let mut state = self.state();
        while state.is_full() && !state.failed && !state.closed {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed || state.closed {
            return false;
        }
        state.bytes += entry.bytes;
        state.urgent |= entry.urgent;
        state.entries.push(entry);
        self.changed.notify_all();
        true
    }

    /// Registers a stream of a session for acknowledgements.
    pub(crate) fn attach(&self, stream: u32, writer: FrameWriter) {
        self.state().writers.insert(stream, writer);
    }

    /// Begins a new session: waits until everything of the last one is committed, forgets its
    /// streams and its failure.
    pub(crate) fn begin_session(&self) {
        let mut state = self.state();
        state.writers.clear();
        state.urgent = true;
        self.changed.notify_all();
        while (state.committing || !state.entries.is_empty()) && !state.failed && !state.closed {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.failed = false;
        state.entries.clear();
        state.bytes = 0;
    }

    /// Ends the thread in [`Self::run`] after what is queued has been committed.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Commits until [`Self::close`]. Runs in a thread of its own.
    pub(crate) fn run(&self, volumes: &[Arc<ReceivingVolume>]) {
        while let Some(entries) = self.take() {
            let result = commit(volumes, &entries);
            if result.is_err() {
                for volume in volumes {
                    volume.has_lost_writes();
                }
            }
            let mut state = self.state();
            let writers = match result {
                Ok(()) => state.writers.clone(),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "commit failed");
                    state.failed = true;
                    let failure = failure_of(&error);
                    for writer in state.writers.values() {
                        // A stream that is gone needs no message; the others end with their next
                        // entry.
                        let _ = writer.send(&failure, &[]);
                    }
                    BTreeMap::new()
                }
            };
            state.committing = false;
            drop(state);
            self.changed.notify_all();
            acknowledge(&writers, &entries);
        }
    }

    /// Waits for entries worth a commit; `None` when closed and empty.
    fn take(&self) -> Option<Vec<Entry>> {
        let mut state = self.state();
        loop {
            if state.failed {
                state.entries.clear();
            }
            let due = state.urgent || state.closed || state.bytes >= COMMIT_BYTES;
            if due && !state.entries.is_empty() {
                break;
            }
            if state.closed {
                return None;
            }
            if state.entries.is_empty() {
                state.urgent = false;
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (guard, timeout) = self
                .changed
                .wait_timeout(state, COMMIT_INTERVAL)
                .unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() && !state.entries.is_empty() && !state.failed {
                break;
            }
        }
        state.urgent = false;
        state.bytes = 0;
        state.committing = true;
        Some(std::mem::take(&mut state.entries))
    }
}

fn commit(volumes: &[Arc<ReceivingVolume>], entries: &[Entry]) -> Result<(), ReceiveError> {
    for (number, volume) in volumes.iter().enumerate() {
        let mine = || entries.iter().filter(move |entry| entry.volume == number);
        if mine().all(|entry| matches!(entry.written, Written::Nothing)) {
            continue;
        }
        volume.flush_medium()?;
        let journal = volume.journal();
        let mut chunks = Vec::new();
        for entry in mine() {
            match entry.written {
                Written::Chunk { chunk, hash } => chunks.push((chunk, hash)),
                Written::Zeros { first, count } => record_zeros(volume, first, count)?,
                Written::Nothing => {}
            }
        }
        if chunks.is_empty() {
            journal.flush()?;
        } else {
            journal.record(&chunks)?;
        }
    }
    Ok(())
}

fn record_zeros(volume: &ReceivingVolume, first: u64, count: u64) -> Result<(), ReceiveError> {
    let last = first + count.saturating_sub(1);
    let journal = volume.journal();
    journal.record_run(first, count, &volume.zero_hash(first))?;
    // Only the last chunk of a volume can be shorter than the others.
    Ok(journal.record_run(last, 1, &volume.zero_hash(last))?)
}

fn acknowledge(writers: &BTreeMap<u32, FrameWriter>, entries: &[Entry]) {
    let mut reached: BTreeMap<u32, u64> = BTreeMap::new();
    for entry in entries {
        let sequence = reached.entry(entry.stream).or_default();
        *sequence = (*sequence).max(entry.sequence);
    }
    for (stream, sequence) in reached {
        if let Some(writer) = writers.get(&stream) {
            // A stream that broke meanwhile will ask what is there when it comes back.
            let _ = writer.send(&Committed { sequence }, &[]);
        }
    }
}

/// What a source is told about a failed medium or journal.
pub(crate) fn failure_of(error: &ReceiveError) -> Failure {
    let full = match error {
        ReceiveError::Volume(error) => error.is_full(),
        ReceiveError::Journal(crate::target::JournalError::Access { source, .. }) => {
            matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            )
        }
        ReceiveError::Journal(_) => false,
    };
    if full {
        return Failure {
            code: "target_full".into(),
            message: "the target has no room left; make room there, and it goes on".into(),
            advice: Advice::Wait,
        };
    }
    Failure {
        code: "target_medium".into(),
        message: format!("the target cannot store data ({error}); see the receiver's log"),
        advice: Advice::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_without_bytes_fill_the_queue_too() {
        let committer = Committer::default();
        for sequence in 1..=ENTRIES as u64 {
            assert!(!committer.state().is_full());
            let entry = Entry {
                volume: 0,
                written: Written::Nothing,
                bytes: 0,
                stream: 0,
                sequence,
                urgent: false,
            };
            assert!(committer.push(entry));
        }
        assert!(committer.state().is_full());
    }

    #[test]
    fn a_journal_without_room_is_a_full_target() {
        let error = ReceiveError::Journal(crate::target::JournalError::Access {
            path: "journal".into(),
            source: ErrorKind::QuotaExceeded.into(),
        });
        assert_eq!(failure_of(&error).code, "target_full");
    }
}
