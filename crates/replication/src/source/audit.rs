//! The audit: an independent check of the marks of changed blocks, once a migration.
//!
//! Everything in use is read and compared with the hashes of what was last read. A chunk that differs
//! and is not marked is a change that the tracker missed: it is not trusted any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::changes::Chunks;
use super::ledger::Distrust;
use super::round::{HASH_UNIT_CHUNKS, Kinds, Todo};
use super::run::Replication;
use super::stream::SourceStream;
use super::used::View;
use super::{Phase, SourceError};

/// How long an audit waits for the mark of a change whose content it saw before it was complete.
const MARK_PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks.
const MARK_INTERVAL: Duration = Duration::from_millis(50);

impl Replication<'_> {
    /// Checks once whether what is not marked is what it was. Whoever relied on marks alone would
    /// never know.
    pub(super) fn audit(&mut self, streams: &mut [SourceStream]) -> Result<(), SourceError> {
        if self.rounds.audited || !self.job.audits_marks || self.control.should_stop() {
            return Ok(());
        }
        let audits = self.plan.audits(&self.rounds.distrust)?;
        if audits.iter().all(|(_, todo)| todo.chunks.is_empty()) {
            return Ok(());
        }
        let (views, recorded): (Vec<View>, Vec<Todo>) = audits.into_iter().unzip();
        let differing = Arc::new(Mutex::new(Vec::new()));
        let kind = Kinds::Audit {
            recorded,
            differing: Arc::clone(&differing),
        };
        self.round(streams, &views, Phase::Audit, kind, HASH_UNIT_CHUNKS)?;
        let differing =
            std::mem::take(&mut *differing.lock().unwrap_or_else(PoisonError::into_inner));
        for (position, view) in views.iter().enumerate() {
            let mine = differing.iter().filter(|(at, _)| *at == position);
            let chunks = mine.map(|(_, chunk)| *chunk..*chunk + 1).collect();
            self.judge(position, view, Chunks::from_unordered(chunks))?;
        }
        if !self.control.should_stop() {
            self.rounds.audited = true;
            self.rounds.save(&self.job.state_dir)?;
        }
        Ok(())
    }

    /// Decides about the tracker of a disk of which some chunks are not what they were.
    fn judge(&mut self, position: usize, view: &View, chunks: Chunks) -> Result<(), SourceError> {
        let mut unmarked = chunks;
        let deadline = Instant::now() + MARK_PATIENCE;
        loop {
            let distrust = &self.rounds.distrust;
            unmarked = self
                .plan
                .still_unmarked(position, view, &unmarked, distrust);
            let Some(chunk) = unmarked.iter().next().map(|chunks| chunks.start) else {
                return Ok(());
            };
            if self.control.should_stop() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                self.rounds.distrust.push(Distrust {
                    volume: self.job.volumes[position].index,
                    reason: format!(
                        "an audit found {} changed chunks that are not marked, the first is {chunk}",
                        unmarked.total_bytes()
                    ),
                });
                return self.rounds.save(&self.job.state_dir);
            }
            self.control.pause(MARK_INTERVAL);
        }
    }
}
