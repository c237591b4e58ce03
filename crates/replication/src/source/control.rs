//! Steering a replication while it runs: cut over, stop, slow down, hold a point.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a wait for the rate limit looks whether it is still of use.
const VAIN_CHECK: Duration = Duration::from_millis(200);

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

#[derive(Debug, Default)]
struct State {
    wanted: Wanted,
    /// The comparison of both ends is not wanted.
    skips_check: bool,
    /// Points that are asked for, the first one first.
    points: VecDeque<String>,
    bytes_per_second: Option<u64>,
    /// When the next byte may go, at the rate above.
    next_send: Option<Instant>,
}

/// Steers a replication; clones steer the same one.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<(Mutex<State>, Condvar)>,
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
        let mut state = self.state();
        if state.bytes_per_second == limit {
            return;
        }
        state.bytes_per_second = limit;
        state.next_send = None;
        self.shared.1.notify_all();
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

    /// Waits until `bytes` more may be sent under the rate limit, or until nobody needs them any more,
    /// which is asked for now and then.
    ///
    /// The bytes are booked at once and paid for by the time that the next caller waits, so that
    /// one chunk always fits, however low the limit is.
    pub(super) fn throttle(&self, bytes: u64, is_in_vain: impl Fn() -> bool) {
        let mut state = self.state();
        loop {
            let Some(limit) = state.bytes_per_second else {
                return;
            };
            let now = Instant::now();
            let due = state.next_send.unwrap_or(now);
            if due <= now || state.wanted == Wanted::Stop || is_in_vain() {
                let cost = Duration::from_micros(bytes.saturating_mul(1_000_000) / limit);
                state.next_send = Some(due.max(now) + cost);
                return;
            }
            let wait = (due - now).min(VAIN_CHECK);
            let waited = self.shared.1.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_limit_that_is_told_again_does_not_forget_what_is_owed_to_it() {
        let control = Control::new();
        control.set_rate_limit_bytes_per_second(Some(1000));
        control.throttle(1_000_000, || false);
        let due = control.state().next_send;
        assert!(due.is_some());
        control.set_rate_limit_bytes_per_second(Some(1000));
        assert_eq!(control.state().next_send, due);
        // Another limit holds at once.
        control.set_rate_limit_bytes_per_second(Some(2000));
        assert_eq!(control.state().next_send, None);
    }
}
