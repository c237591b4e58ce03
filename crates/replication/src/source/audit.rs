//! The audit: an independent check of the marks of changed blocks, once in each stretch of tracking of
//! a disk.
//!
//! Everything in use is read and compared with the hashes of what was last read. A chunk that differs
//! and is not marked is a change that the tracker missed: it is not trusted any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::changes::Chunks;
use super::ledger::{Distrust, Rounds};
use super::plan::Audit;
use super::round::{HASH_UNIT_CHUNKS, Kinds};
use super::run::Replication;
use super::stream::SourceStream;
use super::used::View;
use super::{Phase, SourceError};

/// How long an audit waits for the mark of a change whose content it saw before it was complete.
const MARK_PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks.
const MARK_INTERVAL: Duration = Duration::from_millis(50);

impl Replication<'_> {
    /// Checks whether what is not marked is what it was. Whoever relied on marks alone would
    /// never know.
    pub(super) fn audit(&mut self, streams: &mut [SourceStream]) -> Result<(), SourceError> {
        if !self.job.audits_marks || self.control.should_stop() {
            return Ok(());
        }
        let Rounds {
            distrust, audited, ..
        } = &self.rounds;
        let audits = self.plan.audits(distrust, audited)?;
        if audits.iter().all(|audit| audit.stretch.is_none()) {
            return Ok(());
        }
        let (mut views, mut recorded, mut stretches) = (Vec::new(), Vec::new(), Vec::new());
        for Audit {
            view,
            todo,
            stretch,
        } in audits
        {
            views.push(view);
            recorded.push(todo);
            stretches.push(stretch);
        }
        let differing = Arc::new(Mutex::new(Vec::new()));
        let kind = Kinds::Audit {
            recorded,
            differing: Arc::clone(&differing),
        };
        self.round(streams, &views, Phase::Audit, kind, HASH_UNIT_CHUNKS)?;
        let differing =
            std::mem::take(&mut *differing.lock().unwrap_or_else(PoisonError::into_inner));
        for (position, (view, stretch)) in views.iter().zip(stretches).enumerate() {
            let Some(stretch) = stretch else { continue };
            let mine = differing.iter().filter(|(at, _)| *at == position);
            let chunks = mine.map(|(_, chunk)| *chunk..*chunk + 1).collect();
            self.judge(position, (view, &stretch), Chunks::from_unordered(chunks))?;
            if self.control.should_stop() {
                return Ok(());
            }
            self.rounds.audited.insert(view.index, stretch);
        }
        self.rounds.save(&self.job.state_dir)
    }

    /// Decides about the tracker of a disk of which some chunks are not what they were.
    fn judge(
        &mut self,
        position: usize,
        tracked: (&View, &str),
        chunks: Chunks,
    ) -> Result<(), SourceError> {
        let mut unmarked = chunks;
        let deadline = Instant::now() + MARK_PATIENCE;
        loop {
            let distrust = &self.rounds.distrust;
            unmarked = self
                .plan
                .still_unmarked(position, tracked, &unmarked, distrust);
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
