//! Steering a replication while it runs: cut over, stop, slow down, hold a point.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bucket::Bucket;

/// How often a wait for the rate limit looks whether it is still of use.
const VAIN_CHECK: Duration = Duration::from_millis(200);

/// Smallest and largest piece that is sent at once, in bytes: one record of TLS, and as much as is
/// encrypted at once where there is no limit.
const PIECES: (usize, usize) = (16 << 10, 256 << 10);

/// What a replication should do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Go on.
    #[default]
    Run,
    /// Make the final round when the round at hand is through.
    Cutover,
    /// Stop as soon as possible.
    Stop,
}

/// What a replication may take of its source, besides the rate limit of the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Bytes of the disks read per second, over all streams; no bound if absent.
    pub read_bytes_per_second: Option<u64>,
    /// Time of processors that streams use, in thousandths of one processor: 1500 is one and a half. No
    /// bound if absent.
    pub processor_thousandths: Option<u32>,
    /// Reads of the disks at the same time; no bound but the number of streams if absent. One at least.
    pub readers: Option<u32>,
}

/// What was read of the source's disks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// How often.
    pub count: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How long the reads took, added up.
    pub time: Duration,
}

impl Reads {
    /// What was read since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            count: self.count.saturating_sub(before.count),
            bytes: self.bytes.saturating_sub(before.bytes),
            time: self.time.saturating_sub(before.time),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    wanted: Wanted,
    /// The comparison of both ends is not wanted.
    skips_check: bool,
    /// Points that are asked for, the first one first.
    points: VecDeque<String>,
    /// Bytes on the wire.
    wire: Bucket,
    sent_bytes: u64,
    /// Bytes of the disks.
    disk: Bucket,
    /// Nanoseconds of processors.
    processors: Bucket,
    readers: Option<u32>,
    /// Reads that take place now.
    reading: u32,
    reads: Reads,
}

/// Steers a replication; clones steer the same one.
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<(Mutex<State>, Condvar)>,
    /// Times are counted from here.
    origin: Instant,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            origin: Instant::now(),
        }
    }
}

impl Control {
    /// A control that lets the replication run at full speed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the final round. Stays asked for, also over a lost link.
    pub fn request_cutover(&self) {
        let mut state = self.state();
        if state.wanted == Wanted::Run {
            state.wanted = Wanted::Cutover;
        }
        self.shared.1.notify_all();
    }

    /// Asks to stop. Wins over everything else.
    pub fn request_stop(&self) {
        self.state().wanted = Wanted::Stop;
        self.shared.1.notify_all();
    }

    /// Asks to end without the comparison of both ends, at once if it is going on. The replication
    /// then ends without a proof.
    pub fn skip_check(&self) {
        self.state().skips_check = true;
        self.shared.1.notify_all();
    }

    /// Asks for a point: the source is held still between two sync rounds, and the target holds its
    /// volumes as they are then, under this name (see [`crate::wire::is_point_name`]). What came of it is
    /// told by [`super::Event::PointKept`] or [`super::Event::PointFailed`]. Stays asked for, also over a
    /// lost link, until it was tried once. A point that is asked for already is not asked for twice.
    pub fn request_point(&self, point: &str) {
        let mut state = self.state();
        if !state.points.iter().any(|asked| asked == point) {
            state.points.push_back(point.to_owned());
        }
        self.shared.1.notify_all();
    }

    /// The point that is asked for first; it is not asked for any more.
    pub(super) fn take_point(&self) -> Option<String> {
        self.state().points.pop_front()
    }

    /// Whether a point is asked for.
    pub(super) fn wants_point(&self) -> bool {
        !self.state().points.is_empty()
    }

    /// Bounds what is sent, in bytes per second over all streams; `None` lifts the bound. At once.
    /// The same bound may be set again and again: what was sent counts on.
    pub fn set_rate_limit_bytes_per_second(&self, limit: Option<u64>) {
        let limit = limit.filter(|limit| *limit > 0);
        if self.state().wire.set(limit) {
            self.shared.1.notify_all();
        }
    }

    /// Bounds what is taken of the source. At once; the same bounds may be set again and again.
    pub fn set_ceilings(&self, ceilings: Ceilings) {
        let nanoseconds = |thousandths| u64::from(thousandths) * 1_000_000;
        let mut state = self.state();
        state.disk.set(ceilings.read_bytes_per_second);
        state
            .processors
            .set(ceilings.processor_thousandths.map(nanoseconds));
        state.readers = ceilings.readers;
        drop(state);
        self.shared.1.notify_all();
    }

    /// What was read of the disks so far.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.state().reads
    }

    /// What was put on the wire so far, in bytes.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.state().sent_bytes
    }

    pub(super) fn wanted(&self) -> Wanted {
        self.state().wanted
    }

    pub(super) fn should_stop(&self) -> bool {
        self.wanted() == Wanted::Stop
    }

    pub(super) fn skips_check(&self) -> bool {
        self.state().skips_check
    }

    /// Waits for `duration`, or until a point or something else than going on is wanted.
    pub(super) fn rest(&self, duration: Duration) {
        let deadline = Instant::now() + duration;
        let mut state = self.state();
        while state.wanted == Wanted::Run && state.points.is_empty() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return;
            };
            let waited = self.shared.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for `duration`, or until a stop is wanted.
    pub(super) fn pause(&self, duration: Duration) {
        let deadline = Instant::now() + duration;
        let mut state = self.state();
        while state.wanted != Wanted::Stop {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return;
            };
            let waited = self.shared.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until more may be sent under the rate limit, or until nobody needs it any more, which is
    /// asked for now and then.
    ///
    /// The bytes are booked at once and paid for by the time that the next caller waits, so that
    /// one piece always fits, however low the limit is.
    pub(super) fn throttle(&self, bytes: u64, is_in_vain: impl Fn() -> bool) {
        self.wait_for(|state| &mut state.wire, bytes, is_in_vain);
        self.state().sent_bytes += bytes;
    }

    /// Bytes were sent that could not wait; whoever waits next waits for them, too.
    pub(super) fn book(&self, bytes: u64) {
        let mut state = self.state();
        state.wire.book(bytes, self.origin.elapsed());
        state.sent_bytes += bytes;
    }

    /// How many bytes to send at once so that the rate limit holds over short times, too.
    pub(super) fn piece_bytes(&self) -> usize {
        self.state().wire.piece(PIECES.0, PIECES.1)
    }

    /// Reads `bytes` of a disk when it is their turn, or when nobody needs them any more.
    pub(super) fn read<T>(
        &self,
        bytes: u64,
        is_in_vain: impl Fn() -> bool,
        read: impl FnOnce() -> T,
    ) -> T {
        self.wait_for(|state| &mut state.disk, bytes, &is_in_vain);
        let mut state = self.state();
        while state
            .readers
            .is_some_and(|most| state.reading >= most.max(1))
            && state.wanted != Wanted::Stop
            && !is_in_vain()
        {
            let waited = self.shared.1.wait_timeout(state, VAIN_CHECK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.reading += 1;
        drop(state);
        let reading = Reading {
            control: self,
            bytes,
            begun: Instant::now(),
        };
        let result = read();
        drop(reading);
        result
    }

    /// Waits until processors may be used again, if there is a bound; `due` tells how much of their
    /// time has been used since it was called last.
    pub(super) fn pay_processors(
        &self,
        due: impl FnOnce() -> Duration,
        is_in_vain: impl Fn() -> bool,
    ) {
        if self.state().processors.is_bounded() {
            let due = u64::try_from(due().as_nanos()).unwrap_or(u64::MAX);
            self.wait_for(|state| &mut state.processors, due, is_in_vain);
        }
    }

    fn wait_for(
        &self,
        bucket: impl Fn(&mut State) -> &mut Bucket,
        amount: u64,
        is_in_vain: impl Fn() -> bool,
    ) {
        let mut state = self.state();
        loop {
            let now = self.origin.elapsed();
            let wait = bucket(&mut state).wait(now);
            if wait.is_zero() || state.wanted == Wanted::Stop || is_in_vain() {
                bucket(&mut state).book(amount, now);
                return;
            }
            let waited = self.shared.1.wait_timeout(state, wait.min(VAIN_CHECK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A read that takes place.
struct Reading<'a> {
    control: &'a Control,
    bytes: u64,
    begun: Instant,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let time = self.begun.elapsed();
        let mut state = self.control.state();
        state.reading -= 1;
        state.reads.count += 1;
        state.reads.bytes += self.bytes;
        state.reads.time += time;
        let others_wait = state.readers.is_some();
        drop(state);
        if others_wait {
            self.control.shared.1.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_read_at_the_same_time_as_may_and_what_they_read_is_counted() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let control = Control::new();
        let (reading, most) = (AtomicU32::new(0), AtomicU32::new(0));
        let read = || {
            let now = reading.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            reading.fetch_sub(1, Ordering::SeqCst);
        };
        control.set_ceilings(Ceilings {
            readers: Some(0),
            ..Ceilings::default()
        });
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| control.read(10, || false, read)));
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1, "one there must be");
        let reads = control.reads();
        assert_eq!((reads.count, reads.bytes), (800, 8000));
        assert_eq!(reads.since(&reads), Reads::default());
        assert_eq!(control.state().reading, 0);
    }

    #[test]
    fn processors_are_paid_for_only_where_they_are_bounded() {
        let control = Control::new();
        control.pay_processors(|| panic!("nobody asks"), || false);
        control.set_ceilings(Ceilings {
            processor_thousandths: Some(500),
            ..Ceilings::default()
        });
        control.pay_processors(|| Duration::from_secs(1 << 30), || false);
        let wait = control.state().processors.wait(control.origin.elapsed());
        assert!(
            wait > Duration::from_secs(1 << 30),
            "half a processor takes twice as long"
        );
        control.pay_processors(|| Duration::ZERO, || true);
    }

    #[test]
    fn a_stop_ends_every_wait_and_a_cutover_or_a_point_only_the_rest() {
        const FOREVER: Duration = Duration::from_secs(1 << 20);
        let control = Control::new();
        control.request_point("a");
        control.rest(FOREVER);
        assert!(control.wants_point());
        control.request_point("b");
        control.request_point("a");
        let points: Vec<_> = std::iter::from_fn(|| control.take_point()).collect();
        assert_eq!(points, ["a", "b"]);
        assert!(!control.wants_point());
        control.request_cutover();
        control.rest(FOREVER);
        control.pause(Duration::ZERO);
        control.set_rate_limit_bytes_per_second(Some(1));
        control.throttle(1 << 20, || false);
        // A round that was halted needs nothing any more.
        control.throttle(1 << 20, || true);
        control.request_stop();
        control.pause(FOREVER);
        control.rest(FOREVER);
        control.throttle(1 << 20, || false);
    }
}
