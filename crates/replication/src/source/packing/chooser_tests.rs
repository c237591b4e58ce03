//! The rules of packing, over links and processors that are made up.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of a world that is made up"
)]

use std::time::Duration;

use super::WAYS;
use super::chooser::{Chooser, Method, Sent};

const CHUNK: usize = 1 << 20;

/// Seconds that a processor needs for a chunk, and what is left of it, for each way.
type Content = [(f64, f64); WAYS.len()];

/// As text and programs are.
const TEXT: Content = [(0.0018, 0.5), (0.003, 0.42), (0.006, 0.38), (0.016, 0.36)];

/// Streams that take turns on a link, one chunk each.
struct World {
    chooser: Chooser,
    streams: usize,
    /// Bytes per second that the link takes.
    link: f64,
    /// Whether the processors are so busy that what one stream packs, all others have to wait for.
    is_busy: bool,
    /// Part of the chunks that do get shorter.
    shrinking: f64,
    now: f64,
    link_free: f64,
    ready: Vec<f64>,
    debt: f64,
    tried: usize,
    methods: Vec<Option<Method>>,
}

impl World {
    fn new(streams: usize, link: f64) -> Self {
        Self {
            chooser: Chooser::new(&WAYS),
            streams,
            link,
            is_busy: false,
            shrinking: 1.0,
            now: 0.0,
            link_free: 0.0,
            ready: vec![0.0; streams],
            debt: 0.0,
            tried: 0,
            methods: Vec::new(),
        }
    }

    fn run(&mut self, chunks: usize, content: &Content) {
        for _ in 0..chunks {
            self.chunk(content);
        }
    }

    fn chunk(&mut self, content: &Content) {
        let next = (0..self.streams)
            .min_by(|one, other| self.ready[*one].total_cmp(&self.ready[*other]))
            .unwrap();
        self.now = self.ready[next];
        self.debt += self.shrinking;
        let shrinks = self.debt >= 1.0;
        self.debt -= f64::from(u8::from(shrinks));
        let estimates = self.chooser.wants_estimates();
        let method = self.chooser.method().filter(|_| shrinks);
        self.methods.push(method);
        let cost = |at: usize| {
            let (seconds, left) = content[at];
            let seconds = if self.is_busy {
                seconds * self.streams as f64
            } else {
                seconds
            };
            (seconds, (left * CHUNK as f64) as usize)
        };
        if estimates && shrinks {
            self.tried += 1;
            for (at, method) in WAYS.iter().enumerate() {
                let (seconds, bytes) = cost(at);
                self.chooser
                    .estimated(*method, CHUNK, bytes, Duration::from_secs_f64(seconds));
            }
        }
        if estimates && !shrinks {
            self.chooser.estimates_in_vain();
        }
        let at = method.and_then(|method| WAYS.iter().position(|way| *way == method));
        let (seconds, wire_bytes) = at.map_or((0.0, CHUNK), cost);
        // Reading and hashing.
        let mut now = self.now + 0.001 + seconds;
        let begun = now;
        self.link_free = self.link_free.max(now) + wire_bytes as f64 / self.link;
        if self.is_busy {
            // What is packed is taken from the processors that serve the link.
            self.link_free += seconds;
        }
        now = self.link_free;
        self.ready[next] = now;
        self.chooser.sent(
            Duration::from_secs_f64(now),
            &Sent {
                content_bytes: CHUNK,
                wire_bytes,
                held_up: Duration::from_secs_f64(now - begun),
                packed: method.map(|method| (method, Duration::from_secs_f64(seconds))),
            },
        );
    }

    /// How often each way was used among the last chunks.
    fn share(&self, last: usize, wanted: impl Fn(Option<Method>) -> bool) -> f64 {
        let last = &self.methods[self.methods.len() - last..];
        last.iter().filter(|method| wanted(**method)).count() as f64 / last.len() as f64
    }
}

const MIB: f64 = (1 << 20) as f64;

#[test]
fn a_link_that_is_faster_than_codecs_is_left_alone() {
    let mut world = World::new(4, 3000.0 * MIB);
    world.run(20_000, &TEXT);
    assert_eq!(world.share(20_000, |method| method.is_none()), 1.0);
    assert_eq!(world.tried, 0, "not even a piece is packed to find out");
}

#[test]
fn a_slow_link_gets_packed_chunks_after_a_moment_and_tighter_ones_the_slower_it_is() {
    for (mib, streams) in [(20.0, 4), (20.0, 1), (5.0, 4), (1.0, 16)] {
        let mut world = World::new(streams, mib * MIB);
        world.run(400, &TEXT);
        assert!(world.share(360, |method| method.is_some()) > 0.98, "{mib}");
        let tight = |method| matches!(method, Some(Method::Zstd(_)));
        assert!(world.share(200, tight) > 0.95, "{mib}");
    }
    // One stream, and a link that is about as fast as packing tightly is.
    let mut world = World::new(1, 100.0 * MIB);
    world.run(4000, &TEXT);
    assert!(world.share(1000, |method| method == Some(Method::Lz4)) > 0.95);
}

#[test]
fn processors_that_are_busy_are_not_taken_for_a_slow_link() {
    let mut world = World::new(4, 400.0 * MIB);
    world.is_busy = true;
    world.run(20_000, &TEXT);
    assert!(world.share(20_000, |method| method.is_none()) > 0.97);
    assert!(world.share(10_000, |method| method.is_none()) > 0.98);
}

#[test]
fn what_does_not_get_shorter_is_not_packed_and_what_does_is_again() {
    const NOISE: Content = [(0.0004, 1.0), (0.002, 1.0), (0.003, 1.0), (0.02, 1.0)];
    let mut world = World::new(4, 20.0 * MIB);
    world.shrinking = 0.0;
    world.run(2000, &NOISE);
    assert_eq!(world.share(2000, |method| method.is_none()), 1.0);
    world.shrinking = 0.5;
    world.run(2000, &TEXT);
    let half = world.share(500, |method| method.is_some());
    assert!((half - 0.5).abs() < 0.05, "{half}");
}

#[test]
fn a_link_that_becomes_fast_or_slow_is_noticed() {
    let mut world = World::new(4, 20.0 * MIB);
    world.run(400, &TEXT);
    assert!(world.share(100, |method| method.is_some()) > 0.95);
    world.link = 5000.0 * MIB;
    world.run(400, &TEXT);
    assert_eq!(world.share(100, |method| method.is_none()), 1.0);
    world.link = 10.0 * MIB;
    world.run(400, &TEXT);
    assert!(world.share(100, |method| method.is_some()) > 0.95);
}

#[test]
fn nothing_is_decided_where_nothing_is_known() {
    let mut chooser = Chooser::new(&[]);
    let sent = Sent {
        content_bytes: 0,
        wire_bytes: 0,
        held_up: Duration::MAX,
        packed: None,
    };
    for second in 0..100 {
        chooser.sent(Duration::from_secs(second * 7), &sent);
        chooser.estimated(Method::Lz4, 0, 0, Duration::MAX);
        assert_eq!(chooser.method(), None);
    }
}
