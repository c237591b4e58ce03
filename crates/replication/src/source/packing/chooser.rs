//! Whether to pack, and how: rules without I/O, fed with what was measured.
//!
//! ```text
//!             not worth it                     seldom: how do ways to pack do on this content?
//!          +----------------+                        |
//!          v                |                        v
//!        Plain --much better by what was measured--> Packing(way) --another is better--> Packing(other)
//!          |  ^                                       ^
//!          |  +--no more came through; wait----+      |
//!          +--somewhat better--> Trial(way) ---+------+ more came through
//! ```
//!
//! A byte that is packed costs the time to pack it, and the link's time for what is left of it; a plain
//! byte costs the link's time alone. The link's time is that for which streams were held up by the
//! socket and by the speed limit. On a link that is faster than every codec nothing is gained, and
//! then nothing is tried: not a byte is packed to find that out.
//!
//! A link that seems slow because the processors are busy (of either end) is not helped by packing. So
//! where what is to be gained is not much more than what is paid, it has to show in what comes through.

use std::time::Duration;

/// A way to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Method {
    /// LZ4.
    Lz4,
    /// Zstandard of this level.
    Zstd(i32),
}

/// Chunks between two decisions.
const DECISION_CHUNKS: u32 = 8;
/// After how many chunks ways to pack are tried on some content at first, and later at most.
const ESTIMATE_CHUNKS: (u32, u32) = (16, 1024);
/// A stream that is held up for less than this for each byte, in nanoseconds, is on a fast link.
const FAST_NANOSECONDS: f64 = 2.0;
/// By how much the time for a byte has to get less before anything is packed.
const WORTHWHILE: f64 = 0.75;
/// By how much another way has to be better than the one at hand.
const BETTER: f64 = 0.9;
/// A gain of so many times what is paid needs no trial.
const OBVIOUS: f64 = 8.0;
/// A trial and what it is compared with take so long at least, and so many chunks.
const EPOCH: (Duration, u32) = (Duration::from_secs(1), 16);
/// A pause of this length is no part of an epoch.
const PAUSE: Duration = Duration::from_secs(5);
/// Part of the gain by which less is on the wire that has to show in what comes through.
const SHOWN_GAIN: f64 = 0.3;
/// How long to wait after a trial in vain at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// How much an older measurement counts beside the next one.
const LINK_MEMORY: f64 = 0.97;
const ESTIMATE_MEMORY: f64 = 0.7;

/// What was measured of one chunk that was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::source) struct Sent {
    /// Bytes of the disk in it.
    pub(in crate::source) content_bytes: usize,
    /// Bytes of it on the wire.
    pub(in crate::source) wire_bytes: usize,
    /// For how long the socket and the speed limit held the stream up.
    pub(in crate::source) held_up: Duration,
    /// How it was packed and how long that took; absent if it is plain.
    pub(in crate::source) packed: Option<(Method, Duration)>,
}

/// A mean in which newer values count more.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, amount: f64, weight: f64, memory: f64) {
        self.sum = self.sum * memory + amount;
        self.weight = self.weight * memory + weight;
    }

    fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// What is known of a way to pack.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    method: Method,
    /// Nanoseconds for a byte.
    cost: Mean,
    /// Bytes that are left of a byte.
    left: Mean,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Plain,
    /// Packing on trial; content per second before it.
    Trial {
        at: usize,
        before: f64,
    },
    Packing {
        at: usize,
    },
}

/// Counts what comes through.
#[derive(Clone, Copy, Debug, Default)]
struct Epoch {
    began: Duration,
    chunks: u32,
    content_bytes: f64,
    wire_bytes: f64,
}

/// Chooses for all streams of a session, since they share the link.
#[derive(Debug)]
pub(in crate::source) struct Chooser {
    ways: Vec<Estimate>,
    link: Mean,
    state: State,
    chunks: u32,
    estimate_in: u32,
    estimate_every: u32,
    /// What the link took for a byte when ways were tried last.
    estimated_at: f64,
    epoch: Epoch,
    last: Duration,
    /// Content per second in the last whole epoch without packing.
    plain_rate: Option<f64>,
    wait: Duration,
    no_trial_before: Duration,
}

impl Chooser {
    /// Chooses among `ways`, or nothing.
    pub(in crate::source) fn new(ways: &[Method]) -> Self {
        let estimate = |method: &Method| Estimate {
            method: *method,
            cost: Mean::default(),
            left: Mean::default(),
        };
        Self {
            ways: ways.iter().map(estimate).collect(),
            link: Mean::default(),
            state: State::Plain,
            chunks: 0,
            estimate_in: ESTIMATE_CHUNKS.0,
            estimate_every: ESTIMATE_CHUNKS.0,
            estimated_at: 0.0,
            epoch: Epoch::default(),
            last: Duration::ZERO,
            plain_rate: None,
            wait: WAITS.0,
            no_trial_before: Duration::ZERO,
        }
    }

    /// How the next chunk is to be packed; nothing for not at all.
    pub(in crate::source) fn method(&self) -> Option<Method> {
        match self.state {
            State::Plain => None,
            State::Trial { at, .. } | State::Packing { at } => {
                self.ways.get(at).map(|way| way.method)
            }
        }
    }

    /// Whether it is time to try all ways on some of the next chunk's content, and to tell
    /// [`Self::estimated`] of each.
    pub(in crate::source) fn wants_estimates(&mut self) -> bool {
        let Some(link) = self.link.value().filter(|link| *link >= FAST_NANOSECONDS) else {
            return false;
        };
        let is_new = self.chunks >= ESTIMATE_CHUNKS.0 && link > 2.0 * self.estimated_at;
        if self.estimate_in > 0 && !is_new {
            return false;
        }
        self.estimated_at = link;
        self.estimate_in = self.estimate_every;
        self.estimate_every = (self.estimate_every * 2).min(ESTIMATE_CHUNKS.1);
        true
    }

    /// The content that ways were to be tried on does not get shorter; the next one may.
    pub(in crate::source) fn estimates_in_vain(&mut self) {
        self.estimate_in = ESTIMATE_CHUNKS.0;
        self.estimate_every = ESTIMATE_CHUNKS.0;
    }

    /// A way was tried.
    pub(in crate::source) fn estimated(
        &mut self,
        method: Method,
        content_bytes: usize,
        packed_bytes: usize,
        time: Duration,
    ) {
        if let Some(way) = self.ways.iter_mut().find(|way| way.method == method) {
            let content = in_float(content_bytes);
            // Of a short piece as much is believed as of a whole chunk.
            let scale = if content > 0.0 { 1.0 / content } else { 0.0 };
            way.cost
                .add(nanoseconds(time) * scale, 1.0, ESTIMATE_MEMORY);
            way.left
                .add(in_float(packed_bytes) * scale, 1.0, ESTIMATE_MEMORY);
        }
    }

    /// A chunk was sent, at this time since any fixed moment.
    pub(in crate::source) fn sent(&mut self, now: Duration, sent: &Sent) {
        self.link.add(
            nanoseconds(sent.held_up),
            in_float(sent.wire_bytes),
            LINK_MEMORY,
        );
        if let Some((method, time)) = sent.packed {
            self.estimated(method, sent.content_bytes, sent.wire_bytes, time);
        }
        if now.saturating_sub(self.last) > PAUSE {
            self.begin_epoch(now);
        }
        self.last = now;
        self.epoch.chunks += 1;
        self.epoch.content_bytes += in_float(sent.content_bytes);
        self.epoch.wire_bytes += in_float(sent.wire_bytes);
        self.chunks = self.chunks.saturating_add(1);
        self.estimate_in = self.estimate_in.saturating_sub(1);
        self.close_epoch(now);
        if self.chunks.is_multiple_of(DECISION_CHUNKS) {
            self.decide(now);
        }
    }

    fn begin_epoch(&mut self, now: Duration) {
        self.epoch = Epoch {
            began: now,
            ..Epoch::default()
        };
    }

    fn close_epoch(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.epoch.began);
        if elapsed < EPOCH.0 || self.epoch.chunks < EPOCH.1 {
            return;
        }
        let rate = self.epoch.content_bytes / elapsed.as_secs_f64();
        match self.state {
            State::Plain => self.plain_rate = Some(rate),
            State::Packing { .. } => {}
            State::Trial { at, before } => {
                let gain = self.epoch.content_bytes / self.epoch.wire_bytes.max(1.0) - 1.0;
                if gain < 0.05 {
                    // Next to nothing was packed: that shows nothing.
                } else if rate >= before * (1.0 + SHOWN_GAIN * gain) {
                    self.state = State::Packing { at };
                    self.wait = WAITS.0;
                } else {
                    self.state = State::Plain;
                    self.no_trial_before = now + self.wait;
                    self.wait = (self.wait * 2).min(WAITS.1);
                }
            }
        }
        self.begin_epoch(now);
    }

    fn decide(&mut self, now: Duration) {
        let Some(link) = self.link.value() else {
            return;
        };
        let total = |way: &Estimate| Some(way.cost.value()? + way.left.value()? * link);
        let best = (self.ways.iter().enumerate())
            .filter_map(|(at, way)| Some((at, total(way)?)))
            .min_by(|one, other| one.1.total_cmp(&other.1));
        let Some((best, best_total)) = best else {
            return;
        };
        match self.state {
            State::Trial { .. } => {}
            State::Packing { at } => {
                let present = total(&self.ways[at]).unwrap_or(f64::INFINITY);
                if link <= present && link <= best_total {
                    self.state = State::Plain;
                    self.plain_rate = None;
                    self.begin_epoch(now);
                } else if best_total < present * BETTER {
                    self.state = State::Packing { at: best };
                }
            }
            State::Plain => {
                if link < FAST_NANOSECONDS || best_total >= link * WORTHWHILE {
                    return;
                }
                let paid = self.ways[best].cost.value().unwrap_or(f64::INFINITY);
                let gained = link - (best_total - paid);
                if gained > OBVIOUS * paid {
                    self.state = State::Packing { at: best };
                    self.begin_epoch(now);
                } else if let Some(before) = self.plain_rate
                    && now >= self.no_trial_before
                {
                    self.state = State::Trial { at: best, before };
                    self.begin_epoch(now);
                }
            }
        }
    }
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a chunk has far fewer than 2^53 bytes"
)]
fn in_float(bytes: usize) -> f64 {
    bytes as f64
}
