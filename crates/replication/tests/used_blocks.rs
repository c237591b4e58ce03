//! What is not used is neither read nor sent, and arrives as zeros; what is used arrives, whatever a
//! map of a moment ago said.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
#![expect(
    clippy::single_range_in_vec_init,
    reason = "a set of one range is meant"
)]

mod common;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Pair, Watching};
use rehost_replication::source::{
    Control, Extents, Finished, FreezeError, Freezer, NoFreeze, Outcome, ReplicationJob,
    SourceVolume, UsedBlocks, UsedMap, run,
};
use rehost_volumes::{
    CHUNK_BYTES, ChangeMark, ImageFormat, Volume, VolumeError, create_image, open_target, to_usize,
};

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// Says what the test says.
#[derive(Clone, Debug, Default)]
struct Maps(Arc<Mutex<UsedMap>>);

impl Maps {
    fn new(used: &[Range<u64>]) -> Self {
        let maps = Self::default();
        maps.set(used);
        maps
    }

    fn set(&self, used: &[Range<u64>]) {
        self.0.lock().unwrap().used = Extents::from_unordered(used.to_vec());
    }

    /// The source as its copy should be.
    fn masked(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let map = self.0.lock().unwrap();
        let all = 0..bytes.len() as u64;
        for gap in map.used.union(&map.unsettled).gaps(all).iter() {
            bytes[to_usize(gap.start)..to_usize(gap.end)].fill(0);
        }
        bytes
    }
}

impl UsedBlocks for Maps {
    fn read(&self, volumes: &[SourceVolume]) -> Vec<UsedMap> {
        volumes
            .iter()
            .map(|_| self.0.lock().unwrap().clone())
            .collect()
    }
}

/// Counts what is read.
#[derive(Debug)]
struct Counting {
    disk: Arc<dyn Volume>,
    read_bytes: Arc<AtomicU64>,
}

impl Volume for Counting {
    fn size_bytes(&self) -> u64 {
        self.disk.size_bytes()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        self.read_bytes
            .fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.disk.read_at(buffer, offset)
    }
    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        self.disk.write_at(buffer, offset)
    }
    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        self.disk.zero(offset, length)
    }
    fn flush(&self) -> Result<(), VolumeError> {
        self.disk.flush()
    }
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        self.disk.next_data(offset)
    }
    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        self.disk.change_mark()
    }
}

fn job(pair: &Pair, maps: &Maps, syncing: bool) -> ReplicationJob {
    ReplicationJob {
        used_blocks: Arc::new(maps.clone()),
        ..pair.job(pair.address(), syncing)
    }
}

fn finished(outcome: Outcome) -> Box<Finished> {
    match outcome {
        Outcome::Finished(finished) => finished,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_is_used_is_read_sent_and_proved() {
    let pair = Pair::new(&[40 * MIB + 512]);
    pair.fill(0, 0..41, 1);
    pair.receive();
    // Pieces of a chunk, pieces over several chunks, pieces that begin anywhere.
    let maps = Maps::new(&[
        0..512,
        4096..8192,
        12 * KIB..40 * KIB,
        3 * MIB + 100..3 * MIB + 200,
        7 * MIB + 300 * KIB..10 * MIB + 8 * KIB,
        40 * MIB..40 * MIB + 512,
    ]);
    let mut job = job(&pair, &maps, false);
    let read_bytes = Arc::new(AtomicU64::new(0));
    job.volumes[0].volume = Arc::new(Counting {
        disk: Arc::clone(&job.volumes[0].volume),
        read_bytes: Arc::clone(&read_bytes),
    });
    let finished = finished(run(&job, &Control::new(), &mut NoFreeze, &common::Silent).unwrap());
    assert_eq!(pair.bytes("target-0"), maps.masked(pair.bytes("source-0")));
    let proof = &finished.proof.volumes[0];
    let used_bytes = maps.0.lock().unwrap().used.total_bytes();
    assert!(proof.equal && proof.used.is_masked);
    assert_eq!(proof.used.used_bytes, used_bytes);
    assert_eq!(proof.used.map_digest.len(), 64);
    // The full copy and the final round; single sectors cost a page.
    let may_read = 2 * (used_bytes + used_bytes / 20 + 3 * 4096);
    assert!(read_bytes.load(Ordering::Relaxed) <= may_read);
    assert!(finished.volumes[0].wire_bytes < used_bytes + 64 * KIB);
}

#[test]
fn rounds_follow_the_map() {
    let pair = Pair::new(&[20 * MIB]);
    pair.fill(0, 0..20, 1);
    pair.receive();
    let maps = Maps::new(&[0..4 * MIB]);
    let control = Control::new();
    let observer = Watching {
        phases: Mutex::default(),
        on_sync: |round| match round {
            2 => maps.set(&[0..2 * MIB, 3 * MIB..5 * MIB, 9 * MIB + 4096..12 * MIB]),
            3 => maps.set(&[0..MIB, 11 * MIB..13 * MIB]),
            4 => control.request_cutover(),
            _ => {}
        },
    };
    let job = job(&pair, &maps, true);
    let finished = finished(run(&job, &control, &mut NoFreeze, &observer).unwrap());
    assert!(finished.proof.equal);
    assert_eq!(pair.bytes("target-0"), maps.masked(pair.bytes("source-0")));
}

/// As a journal that is written back by a freeze: the map is behind until then.
#[derive(Debug)]
struct WritesBack {
    maps: Maps,
    used: Vec<Range<u64>>,
}

impl Freezer for WritesBack {
    fn freeze(&mut self) -> Result<(), FreezeError> {
        self.maps.set(&self.used);
        Ok(())
    }
    fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
        Ok(None)
    }
}

#[test]
fn a_map_that_was_behind_until_the_freeze_loses_nothing() {
    let pair = Pair::new(&[20 * MIB]);
    pair.fill(0, 0..20, 1);
    pair.receive();
    let maps = Maps::new(&[0..4 * MIB]);
    let mut freezer = WritesBack {
        maps: maps.clone(),
        used: vec![MIB..4 * MIB, 6 * MIB + 4096..7 * MIB, 19 * MIB..20 * MIB],
    };
    let control = Control::new();
    let observer = Watching {
        phases: Mutex::default(),
        on_sync: |_| control.request_cutover(),
    };
    let job = job(&pair, &maps, true);
    let finished = finished(run(&job, &control, &mut freezer, &observer).unwrap());
    assert!(finished.proof.equal);
    assert_eq!(pair.bytes("target-0"), maps.masked(pair.bytes("source-0")));
    assert_eq!(finished.proof.volumes[0].used.used_bytes, 5 * MIB - 4096);
}

#[test]
fn what_is_not_settled_at_the_end_counts_as_used() {
    let pair = Pair::new(&[20 * MIB]);
    pair.fill(0, 0..20, 1);
    // Nobody wrote for a while: the full copy would do, if the map could be relied on.
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    let file = std::fs::File::options()
        .write(true)
        .open(pair.path("source-0"))
        .unwrap();
    file.set_modified(long_ago).unwrap();
    pair.receive();
    let maps = Maps::new(&[0..2 * MIB]);
    maps.0.lock().unwrap().unsettled = Extents::whole(5 * MIB..9 * MIB);
    let job = job(&pair, &maps, false);
    let finished = finished(run(&job, &Control::new(), &mut NoFreeze, &common::Silent).unwrap());
    assert!(finished.proof.equal);
    assert_eq!(pair.bytes("target-0"), maps.masked(pair.bytes("source-0")));
    assert_eq!(finished.proof.volumes[0].used.used_bytes, 6 * MIB);
}

#[test]
fn what_was_on_the_target_does_not_show_where_nothing_is_used() {
    let pair = Pair::new(&[10 * MIB]);
    pair.fill(0, 0..10, 1);
    let medium = create_image(&pair.path("target-0"), ImageFormat::Raw, 10 * MIB).unwrap();
    for chunk in 0..10 {
        medium
            .write_at(&vec![0xee; to_usize(MIB)], chunk * CHUNK_BYTES)
            .unwrap();
    }
    let volume = rehost_replication::target::VolumeToReceive {
        index: 0,
        medium: open_target(&pair.path("target-0")).unwrap(),
        made_empty: false,
        journal: pair.path("journal-0"),
        kept: pair.path("kept-0"),
    };
    let task = rehost_replication::target::ReceivingTask::start("task-1", vec![volume]).unwrap();
    let tls = Arc::clone(&pair.certificates.target);
    pair.port.add(&pair.certificates.name, tls, task);
    let maps = Maps::new(&[MIB + 8 * KIB..MIB + 32 * KIB, 5 * MIB..6 * MIB]);
    let job = job(&pair, &maps, false);
    let finished = finished(run(&job, &Control::new(), &mut NoFreeze, &common::Silent).unwrap());
    assert!(finished.proof.equal);
    assert_eq!(pair.bytes("target-0"), maps.masked(pair.bytes("source-0")));
}
