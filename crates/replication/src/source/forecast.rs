//! What a cut-over would cost now, and whether rounds get anywhere: rules without I/O.
//!
//! A round deals with what changed during the one before it. If a round takes less time than that
//! one, less changes meanwhile, and rounds shrink until only the cut-over itself is left. If changes
//! come faster than rounds deal with them, they never do; then somebody has to give the migration
//! a faster link, give the source less work, or accept the downtime.

use std::collections::VecDeque;

/// Rounds in a row that have to end with no fewer changes than the one before, until that is told.
const PATIENCE_ROUNDS: usize = 3;

/// Changes that are dealt with in less time than this, in seconds, need not become fewer.
const SHORT_SECONDS: f64 = 5.0;

/// Rounds whose rate counts: one alone may be too short to say much.
const RATE_ROUNDS: usize = 3;

/// What is expected of a cut-over that would begin now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Forecast {
    /// Bytes of the disks that the final round would have to look at.
    pub remaining_bytes: u64,
    /// Bytes of the disks that rounds deal with per second, lately.
    pub bytes_per_second: f64,
    /// How long the final round would hold the source, in seconds; nothing while no rate is known.
    pub cutover_seconds: Option<f64>,
    /// Bytes per second that change on the source while a round goes on. Present if rounds do not
    /// shrink: rounds would have to be faster than this.
    pub needed_bytes_per_second: Option<f64>,
}

/// A round that is through.
#[derive(Clone, Copy, Debug)]
pub(super) struct PastRound {
    /// Bytes that it dealt with.
    pub(super) bytes: u64,
    /// How long it took.
    pub(super) seconds: f64,
    /// Bytes that the next one would have to look at.
    pub(super) remaining_bytes: u64,
    /// Bytes that changed while it went on, as far as is known. Where nobody tracks changes: bytes
    /// that it had to send.
    pub(super) changed_bytes: u64,
    /// In which time they did.
    pub(super) gathered_seconds: f64,
}

/// The last rounds.
#[derive(Debug, Default)]
pub(super) struct History {
    rounds: VecDeque<PastRound>,
}

impl History {
    /// Adds a round and says what is to be expected after it.
    pub(super) fn add(&mut self, round: PastRound) -> Forecast {
        self.rounds.push_back(round);
        while self.rounds.len() > PATIENCE_ROUNDS + 1 {
            self.rounds.pop_front();
        }
        let bytes_per_second = self.bytes_per_second();
        let cutover_seconds =
            (bytes_per_second > 0.0).then(|| in_float(round.remaining_bytes) / bytes_per_second);
        let changed_bytes = in_float(round.changed_bytes);
        let matters = changed_bytes > SHORT_SECONDS * bytes_per_second;
        let changed_per_second = changed_bytes / round.gathered_seconds.max(1e-3);
        Forecast {
            remaining_bytes: round.remaining_bytes,
            bytes_per_second,
            cutover_seconds,
            needed_bytes_per_second: (matters && !self.shrinks()).then_some(changed_per_second),
        }
    }

    fn bytes_per_second(&self) -> f64 {
        let last = || self.rounds.iter().rev().take(RATE_ROUNDS);
        let seconds: f64 = last().map(|round| round.seconds).sum();
        let bytes: u64 = last().map(|round| round.bytes).sum();
        if seconds > 0.0 {
            in_float(bytes) / seconds
        } else {
            0.0
        }
    }

    /// Whether any of the last rounds found fewer changes than the one before, or there were too few to say.
    fn shrinks(&self) -> bool {
        let pairs = self.rounds.iter().zip(self.rounds.iter().skip(1));
        self.rounds.len() <= PATIENCE_ROUNDS
            || pairs
                .into_iter()
                .any(|(before, after)| after.changed_bytes < before.changed_bytes)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a forecast needs no more than 53 bits"
)]
fn in_float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(bytes: u64, seconds: f64, remaining_bytes: u64) -> PastRound {
        PastRound {
            bytes,
            seconds,
            remaining_bytes,
            changed_bytes: remaining_bytes,
            gathered_seconds: seconds,
        }
    }

    #[test]
    fn a_cutover_takes_as_long_as_what_is_left_at_the_rate_of_late() {
        let mut history = History::default();
        let first = history.add(round(1000, 10.0, 300));
        assert_eq!(first.bytes_per_second, 100.0);
        assert_eq!(first.cutover_seconds, Some(3.0));
        let second = history.add(round(200, 2.0, 50));
        assert_eq!(second.cutover_seconds, Some(0.5));
        let nothing = History::default().add(round(0, 0.0, 5));
        assert_eq!(nothing.cutover_seconds, None);
    }

    #[test]
    fn rounds_that_do_not_shrink_are_told_after_a_while() {
        let mut history = History::default();
        let told = |history: &mut History, remaining| {
            history
                .add(round(1000, 10.0, remaining))
                .needed_bytes_per_second
        };
        assert_eq!(told(&mut history, 1000), None);
        assert_eq!(told(&mut history, 1000), None);
        assert_eq!(told(&mut history, 1100), None);
        assert_eq!(told(&mut history, 1200), Some(120.0));
        assert_eq!(told(&mut history, 900), None, "one that shrinks is hope");
    }

    #[test]
    fn what_takes_no_time_need_not_shrink() {
        let mut history = History::default();
        for _ in 0..10 {
            let forecast = history.add(round(1000, 10.0, 499));
            assert_eq!(forecast.needed_bytes_per_second, None);
        }
        // Nor does what has not changed, however long it takes to find that out.
        for _ in 0..10 {
            let still = PastRound {
                changed_bytes: 0,
                ..round(1000, 10.0, 1000)
            };
            assert_eq!(history.add(still).needed_bytes_per_second, None);
        }
    }
}
