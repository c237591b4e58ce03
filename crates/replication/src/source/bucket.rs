//! A rate that is kept to exactly: rules without I/O or a clock.
//!
//! Whoever takes something books it, and the time at which the next one may take moves on by what it
//! costs. Nobody saves up: after a pause things go on as if there had been none. Only the last moments
//! count, because threads wake up later than they asked for; without them a fast rate would never be
//! reached. So over any time, what was taken is the rate times that time, give or take a piece and
//! [`SLACK`].

use std::time::Duration;

/// How late a taker may be and still get what was its due.
const SLACK: Duration = Duration::from_millis(50);

/// A piece is as much as may pass in this time.
const PIECE_TIME: Duration = Duration::from_millis(20);

/// Something of which so much may pass per second. Times count from any fixed moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    per_second: Option<u64>,
    /// When the next one may take; nothing if nobody has taken under this limit.
    due: Option<Duration>,
}

impl Bucket {
    /// Sets another limit; `None` lifts it. The same one again changes nothing. True if it is another.
    pub(super) fn set(&mut self, per_second: Option<u64>) -> bool {
        let per_second = per_second.filter(|limit| *limit > 0);
        if self.per_second == per_second {
            return false;
        }
        self.per_second = per_second;
        self.due = None;
        true
    }

    /// Whether there is a limit.
    pub(super) fn is_bounded(&self) -> bool {
        self.per_second.is_some()
    }

    /// How long to wait before something may be taken.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        self.due.unwrap_or_default().saturating_sub(now)
    }

    /// Something is taken.
    pub(super) fn book(&mut self, amount: u64, now: Duration) {
        let Some(limit) = self.per_second else {
            return;
        };
        let cost = u128::from(amount) * 1_000_000_000 / u128::from(limit);
        let cost = Duration::from_nanos(u64::try_from(cost).unwrap_or(u64::MAX));
        let since = match self.due {
            Some(due) => due.max(now.saturating_sub(SLACK)),
            None => now,
        };
        self.due = Some(since.saturating_add(cost));
    }

    /// How much to take at once, between two bounds, so that the rate holds over short times, too.
    pub(super) fn piece(&self, least: usize, most: usize) -> usize {
        let Some(limit) = self.per_second else {
            return most;
        };
        let fits = u128::from(limit) * PIECE_TIME.as_millis() / 1000;
        usize::try_from(fits).unwrap_or(most).clamp(least, most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_limit_that_is_told_again_does_not_forget_what_is_owed_to_it() {
        let mut bucket = Bucket::default();
        bucket.book(1 << 40, SECOND);
        assert_eq!(bucket.wait(SECOND), Duration::ZERO);
        assert!(bucket.set(Some(1000)) && !bucket.set(Some(1000)));
        bucket.book(2000, SECOND);
        assert_eq!(bucket.wait(SECOND), 2 * SECOND);
        assert!(!bucket.set(Some(1000)));
        assert_eq!(bucket.wait(2 * SECOND), SECOND);
        // Another limit holds at once.
        assert!(bucket.set(Some(2000)));
        assert_eq!(bucket.wait(SECOND), Duration::ZERO);
        assert!(bucket.set(Some(0)));
        bucket.book(1 << 40, SECOND);
        assert_eq!(bucket.wait(SECOND), Duration::ZERO, "0 is no limit");
    }

    #[test]
    fn nothing_is_saved_up_in_a_pause() {
        let mut bucket = Bucket::default();
        bucket.set(Some(1000));
        bucket.book(100, SECOND);
        let later = 3600 * SECOND;
        assert_eq!(bucket.wait(later), Duration::ZERO);
        bucket.book(100, later);
        assert_eq!(bucket.wait(later), Duration::from_millis(50));
    }

    #[test]
    fn what_cannot_be_counted_blocks_for_ever_and_no_longer() {
        let mut bucket = Bucket::default();
        bucket.set(Some(1));
        bucket.book(u64::MAX, Duration::MAX);
        bucket.book(u64::MAX, Duration::MAX);
        assert_eq!(bucket.wait(Duration::MAX), Duration::ZERO);
        assert!(bucket.wait(Duration::ZERO) > SECOND);
    }

    #[test]
    fn pieces_fit_the_rate() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.piece(16, 4096), 4096);
        for (limit, piece) in [(1, 16), (50_000, 1000), (u64::MAX, 4096)] {
            bucket.set(Some(limit));
            assert_eq!(bucket.piece(16, 4096), piece);
        }
    }

    /// Several threads take pieces for a while, each waking up late by what `late` says in turn.
    /// Returns when how much was taken.
    fn taken(limits: &[(u64, u32)], threads: usize, late: &[u64]) -> Vec<(Duration, u64)> {
        let mut bucket = Bucket::default();
        let mut log = Vec::new();
        let mut late = late
            .iter()
            .cycle()
            .map(|micros| Duration::from_micros(*micros));
        let mut now = Duration::ZERO;
        for (limit, seconds) in limits {
            let end = now + *seconds * SECOND;
            bucket.set(Some(*limit));
            // When each thread looks next.
            let mut awake = vec![now; threads];
            while now < end {
                let next = (0..threads).min_by_key(|thread| awake[*thread]).unwrap();
                now = awake[next];
                if now >= end {
                    break;
                }
                let wait = bucket.wait(now);
                if wait.is_zero() {
                    let piece = bucket.piece(16 << 10, 256 << 10) as u64;
                    bucket.book(piece, now);
                    log.push((now, piece));
                    awake[next] = now + Duration::from_micros(100);
                } else {
                    awake[next] = now + wait + late.next().unwrap();
                }
            }
        }
        log
    }

    fn within(log: &[(Duration, u64)], from: Duration, until: Duration) -> u64 {
        let taken = log.iter().filter(|(at, _)| (from..until).contains(at));
        taken.map(|(_, amount)| amount).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// 1 to 1000 Mbit/s, one to eight streams, threads that wake up to 5 ms late.
        #[test]
        fn every_ten_seconds_hold_the_limit_within_five_percent(
            mbit in 1_u64..1000,
            threads in 1_usize..9,
            late in prop::collection::vec(0_u64..5000, 1..20),
            from_milliseconds in 0_u64..10_000,
        ) {
            let limit = mbit * 125_000;
            let log = taken(&[(limit, 20)], threads, &late);
            let from = Duration::from_millis(from_milliseconds);
            let found = within(&log, from, from + 10 * SECOND);
            let expected = limit * 10;
            prop_assert!(
                found.abs_diff(expected) * 20 <= expected,
                "{found} instead of {expected}"
            );
        }

        /// The first seconds after a change belong to the new limit, whatever held before.
        #[test]
        fn a_change_of_the_limit_holds_at_once(
            before in 1_u64..1000,
            after in 1_u64..1000,
            threads in 1_usize..9,
        ) {
            let log = taken(&[(before * 125_000, 3), (after * 125_000, 12)], threads, &[300]);
            let found = within(&log, 3 * SECOND, 13 * SECOND);
            let expected = after * 1_250_000;
            prop_assert!(
                found.abs_diff(expected) * 20 <= expected,
                "{found} instead of {expected}"
            );
        }
    }
}
