//! How long something is waited for, and what calls the waiting off.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::MachineError;

/// How often a stop is looked for.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// A deadline, and perhaps a flag that ends the waiting before it.
#[derive(Clone, Copy, Debug)]
pub struct Patience<'a> {
    seconds: u64,
    until: Instant,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Patience<'a> {
    /// Waits for so many seconds, from now on.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        // A century is for ever, and does not overflow.
        let seconds = seconds.min(100 * 365 * 24 * 3600);
        Self {
            seconds,
            until: Instant::now() + Duration::from_secs(seconds),
            stop: None,
        }
    }

    /// The same, and no longer than until `stop` is set.
    #[must_use]
    pub fn or_stop(self, stop: &'a AtomicBool) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// How long to wait before looking again.
    ///
    /// # Errors
    /// [`MachineError::Stopped`], and [`MachineError::TooLong`] at the deadline, about `what`.
    pub fn next(&self, what: &str) -> Result<Duration, MachineError> {
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(MachineError::Stopped);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(MachineError::TooLong {
                what: what.into(),
                seconds: self.seconds,
            });
        }
        Ok(left.min(STOP_CHECK))
    }
}
