//! Counting how far a phase is, from several threads, and telling the observer now and then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Event, Observer, Phase, Progress};

/// How often the observer hears of progress.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// Shared counters of the phase at hand.
#[derive(Debug, Default)]
pub(super) struct Counters {
    done_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn add(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn done_bytes(&self) -> u64 {
        self.done_bytes.load(Ordering::Relaxed)
    }
}

/// Turns counters into events. The rate is taken over the last reports, smoothed.
#[derive(Debug)]
pub(super) struct Reporter {
    phase: Phase,
    total_bytes: u64,
    last: Instant,
    last_bytes: u64,
    bytes_per_second: f64,
}

impl Reporter {
    pub(super) fn new(phase: Phase, total_bytes: u64) -> Self {
        Self {
            phase,
            total_bytes,
            last: Instant::now(),
            last_bytes: 0,
            bytes_per_second: 0.0,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate for people needs no more than 53 bits"
    )]
    pub(super) fn report(&mut self, counters: &Counters, wire_bytes: u64, observer: &dyn Observer) {
        let done_bytes = counters.done_bytes();
        let seconds = self.last.elapsed().as_secs_f64().max(1e-6);
        let rate = done_bytes.saturating_sub(self.last_bytes) as f64 / seconds;
        self.bytes_per_second = if self.last_bytes == 0 {
            rate
        } else {
            0.7 * self.bytes_per_second + 0.3 * rate
        };
        self.last = Instant::now();
        self.last_bytes = done_bytes;
        observer.event(&Event::Progress(Progress {
            phase: self.phase,
            done_bytes,
            total_bytes: self.total_bytes,
            wire_bytes,
            bytes_per_second: self.bytes_per_second,
        }));
    }
}
