//! The final round: the source is frozen for the last time, and the comparison of both ends follows.

use super::freeze::Freezer;
use super::run::{Replication, now_milliseconds};
use super::stream::SourceStream;
use super::{Event, Outcome, Phase, SourceError};

impl Replication<'_> {
    /// The final round with the source frozen; the proof comes with the source at work again.
    pub(super) fn finish(
        &mut self,
        streams: &mut Vec<SourceStream>,
        freezer: &mut dyn Freezer,
    ) -> Result<Outcome, SourceError> {
        let frozen = self.frozen_round(streams, freezer, Phase::FinalRound, |this, views| {
            this.source_trees(views, now_milliseconds())
        })?;
        let downtime_seconds = frozen.downtime.as_secs_f64();
        self.observer.event(&Event::Thawed { downtime_seconds });
        frozen.held?;
        let trees = frozen.seen?;
        if self.control.should_stop() {
            return Ok(Outcome::Stopped);
        }
        let missing = SourceError::Protocol("acknowledgements of some chunks are missing");
        self.verify(streams, trees.flatten().ok_or(missing)?, downtime_seconds)
    }
}
