//! How long to wait before trying again, and a wait that a stop ends.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pauses that double from the shortest to the longest, each with up to a half of itself left out
/// at random: agents that lost the same control plane must not come back in step.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            next: shortest,
        }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        // The hasher is seeded at random, which is all that is needed here.
        let random = RandomState::new().build_hasher().finish();
        let half_millis = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
        pause - Duration::from_millis(random % (half_millis + 1))
    }

    /// Something worked: begins with the shortest pause again.
    pub(crate) fn reset(&mut self) {
        self.next = self.shortest;
    }
}

/// A request to stop that many threads wait for. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Asks everybody to stop, for good.
    pub(crate) fn request(&self) {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.1.notify_all();
    }

    /// Whether it was asked for.
    pub(crate) fn is_requested(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; returns early, and true, if a stop is asked for.
    pub(crate) fn wait(&self, duration: Duration) -> bool {
        let deadline = Instant::now() + duration;
        let mut stop = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stop {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            let waited = self.shared.1.wait_timeout(stop, left);
            stop = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_vary() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        for full in [1, 2, 4, 8, 10, 10] {
            let (pause, full) = (backoff.pause(), Duration::from_secs(full));
            assert!(pause <= full && pause >= full / 2, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_secs(1));
    }

    #[test]
    fn a_stop_ends_every_wait_for_good() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::ZERO));
        let waiting = {
            let stop = stop.clone();
            std::thread::spawn(move || stop.wait(Duration::from_secs(3600)))
        };
        stop.request();
        assert!(waiting.join().unwrap());
        assert!(stop.is_requested() && stop.wait(Duration::from_secs(3600)));
    }
}
