//! A round over a source that is held still: what still differs is sent, and the source works again.
//!
//! While it is frozen nothing is written and nothing is told: whoever listens might have to write.
//! A freeze holds file systems; a program that writes to the device itself goes on. Where changes are
//! tracked its marks tell, and what it wrote is looked at once more, a few times.
//!
//! However it ends, the source is thawed, and what is known of the target is true: marks were taken as
//! a loan that [`super::hashes`] answers for. A round that failed leaves chunks unknown, and the next
//! one looks at them.

use std::time::{Duration, Instant};

use super::freeze::{FreezeError, Freezer};
use super::ledger::Ledger;
use super::round::{HASH_UNIT_CHUNKS, Kinds, Round};
use super::run::Replication;
use super::stream::SourceStream;
use super::used::{Source, View};
use super::{Event, Phase, SourceError};

/// How often a frozen round looks at what is written while it runs. Keepers of a disk write something
/// now and then, also when nobody works (an array notes that it is at rest); they are soon done.
const MOST_PASSES: u32 = 6;

/// What came of a round over a frozen source, which works again.
pub(super) struct FrozenRound<T> {
    /// What was made of the disks as they were compared; `None` if the round was cut short because a
    /// stop is wanted or the source was not held any more.
    pub(super) seen: Result<Option<T>, SourceError>,
    /// Whether the source was held all the time. If not, it says best why a round was cut short, and
    /// to try again at once would hold the source still again and again.
    pub(super) held: Result<(), FreezeError>,
    /// For how long everybody had to wait.
    pub(super) downtime: Duration,
}

impl Replication<'_> {
    /// Freezes the source, compares and sends what may differ, and thaws. `conclude` is called with the
    /// disks as they were compared when the source works again, and before anything is written.
    ///
    /// # Errors
    /// If the source's own files cannot be kept; the source is thawed then, too.
    pub(super) fn frozen_round<T>(
        &mut self,
        streams: &mut [SourceStream],
        freezer: &mut dyn Freezer,
        phase: Phase,
        conclude: impl FnOnce(&Self, &[View]) -> Result<T, SourceError>,
    ) -> Result<FrozenRound<T>, SourceError> {
        self.begin_round()?;
        self.observer.event(&Event::PhaseBegan(phase));
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
        let downtime = held.unwrap_or_else(|| begun.elapsed());
        let seen = seen.and_then(|views| views.map(|views| conclude(self, &views)).transpose());
        self.plan.settle()?;
        for ledger in &self.ledgers {
            ledger.write_withheld()?;
        }
        Ok(FrozenRound {
            seen,
            held: thawed.map(drop),
            downtime,
        })
    }

    /// The round without a word. Ends early if the source is not held any more; then the freezer will
    /// say so.
    fn quiet_round(
        &mut self,
        streams: &mut [SourceStream],
        freezer: &dyn Freezer,
    ) -> Result<Option<Vec<View>>, SourceError> {
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
    ) -> Result<Option<Vec<View>>, SourceError> {
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
                return Ok(None);
            }
            todo = self.plan.written_meanwhile(&views, &self.rounds.distrust);
            if todo.iter().all(|todo| todo.chunks.is_empty()) {
                return Ok(Some(views));
            }
        }
        let restless = todo.iter().position(|todo| !todo.chunks.is_empty());
        let volume = restless.and_then(|position| self.job.volumes.get(position));
        Err(SourceError::Restless {
            volume: volume.map(|volume| volume.name.clone()).unwrap_or_default(),
        })
    }
}
