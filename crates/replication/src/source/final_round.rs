//! The final round: the source is frozen, what still differs is sent, and the source works again.
//!
//! While it is frozen nothing is written and nothing is told: whoever listens might have to write.
//! A freeze holds file systems; a program that writes to the device itself goes on. Where changes are
//! tracked its marks tell, and what it wrote is looked at once more, a few times.

use std::time::Instant;

use super::freeze::Freezer;
use super::ledger::Ledger;
use super::round::{HASH_UNIT_CHUNKS, Kinds, Round};
use super::run::{Replication, now_milliseconds};
use super::stream::SourceStream;
use super::used::{Source, View};
use super::{Event, Outcome, Phase, SourceError};

/// How often a frozen round looks at what is written while it runs. Keepers of a disk write something
/// now and then, also when nobody works (an array notes that it is at rest); they are soon done.
const MOST_PASSES: u32 = 6;

impl Replication<'_> {
    /// The final round with the source frozen; the proof comes with the source at work again.
    pub(super) fn finish(
        &mut self,
        streams: &mut Vec<SourceStream>,
        freezer: &mut dyn Freezer,
    ) -> Result<Outcome, SourceError> {
        self.begin_round()?;
        self.observer.event(&Event::PhaseBegan(Phase::FinalRound));
        self.plan.withhold()?;
        self.ledgers.iter().for_each(Ledger::withhold);
        let frozen = freezer.freeze();
        let begun = Instant::now();
        let seen = match frozen {
            Ok(()) => self.quiet_round(streams, freezer),
            Err(error) => Err(error.into()),
        };
        // A freezer that failed to freeze has nothing to thaw, and says so by doing nothing.
        let thawed = freezer.thaw();
        // Where nothing was frozen, the round is what everybody had to wait for.
        let held = thawed.as_ref().ok().copied().flatten();
        let downtime_seconds = held.unwrap_or_else(|| begun.elapsed()).as_secs_f64();
        let read_at = now_milliseconds();
        let trees = match &seen {
            Ok(views) => self.source_trees(views, read_at),
            Err(_) => Ok(None),
        };
        self.plan.settle()?;
        for ledger in &self.ledgers {
            ledger.write_withheld()?;
        }
        self.observer.event(&Event::Thawed { downtime_seconds });
        // First, because it says why a round was cut off. To try again at once would hold the source
        // still again and again.
        thawed?;
        seen?;
        if self.control.should_stop() {
            return Ok(Outcome::Stopped);
        }
        let missing = SourceError::Protocol("acknowledgements of some chunks are missing");
        self.verify(streams, trees?.ok_or(missing)?, downtime_seconds)
    }

    /// Runs the final round without a word. Ends early if the source is not held any more; then the
    /// freezer will say so.
    fn quiet_round(
        &mut self,
        streams: &mut [SourceStream],
        freezer: &dyn Freezer,
    ) -> Result<Vec<View>, SourceError> {
        let begun = Instant::now();
        let result = self.passes(streams, freezer);
        self.add_round(begun, result.is_ok())?;
        result
    }

    /// Passes over what has changed, until nobody writes any more.
    fn passes(
        &mut self,
        streams: &mut [SourceStream],
        freezer: &dyn Freezer,
    ) -> Result<Vec<View>, SourceError> {
        let views = self.views(Source::AtRest)?;
        let mut todo = self.plan.lend_aside(&views, &self.rounds.distrust)?;
        let mut held = |round: &Round<'_>| {
            if !freezer.is_held() {
                round.halt();
            }
        };
        for _ in 0..MOST_PASSES {
            let kind = Kinds::Changes { todo };
            self.work(streams, &views, kind, HASH_UNIT_CHUNKS, &mut held)?;
            if self.control.should_stop() || !freezer.is_held() {
                return Ok(views);
            }
            todo = self.plan.written_meanwhile(&views, &self.rounds.distrust);
            if todo.iter().all(|todo| todo.chunks.is_empty()) {
                return Ok(views);
            }
        }
        let restless = todo.iter().position(|todo| !todo.chunks.is_empty());
        let volume = restless.and_then(|position| self.job.volumes.get(position));
        Err(SourceError::Restless {
            volume: volume.map(|volume| volume.name.clone()).unwrap_or_default(),
        })
    }
}
