//! A target without room is reported as such, and the copy goes on when there is some.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Pair;
use rehost_replication::source::{Outcome, SourceError};
use rehost_replication::target::{ReceivingTask, VolumeToReceive};
use rehost_volumes::{ChangeMark, ImageFormat, Volume, VolumeError, create_image, open_target};

const MIB: u64 = 1 << 20;

/// Where the room is found to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Write,
    Flush,
}

/// A medium that has no room until somebody makes some.
#[derive(Debug)]
struct Crowded {
    medium: Arc<dyn Volume>,
    fails: Act,
    has_room: AtomicBool,
}

impl Crowded {
    fn lacks_room(&self, act: Act) -> bool {
        act == self.fails && !self.has_room.load(Ordering::SeqCst)
    }
}

impl Volume for Crowded {
    fn size_bytes(&self) -> u64 {
        self.medium.size_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        self.medium.read_at(buffer, offset)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        // What was there before the room was used up is written.
        if offset >= 20 * MIB && self.lacks_room(Act::Write) {
            return Err(VolumeError::Write {
                path: "crowded".into(),
                offset,
                length: buffer.len() as u64,
                source: ErrorKind::StorageFull.into(),
            });
        }
        self.medium.write_at(buffer, offset)
    }

    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        self.medium.zero(offset, length)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        if self.lacks_room(Act::Flush) {
            return Err(VolumeError::Flush {
                path: "crowded".into(),
                source: ErrorKind::QuotaExceeded.into(),
            });
        }
        self.medium.flush()
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        self.medium.next_data(offset)
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        self.medium.change_mark()
    }
}

fn full_and_then_with_room(fails: Act) {
    let pair = Pair::new(&[60 * MIB]);
    pair.fill(0, 0..60, 1);
    let crowded = Arc::new(Crowded {
        medium: create_image(&pair.path("target-0"), ImageFormat::Raw, 60 * MIB).unwrap(),
        fails,
        has_room: AtomicBool::new(false),
    });
    let volume = VolumeToReceive {
        index: 0,
        medium: Arc::<Crowded>::clone(&crowded),
        made_empty: true,
        journal: pair.path("journal-0"),
        kept: pair.path("kept-0"),
    };
    let task = ReceivingTask::start("task-1", vec![volume]).unwrap();
    let tls = Arc::clone(&pair.certificates.target);
    pair.port.add(&pair.certificates.name, tls, task);
    for _ in 0..3 {
        match pair.migrate().unwrap_err() {
            SourceError::Refused { code, .. } => assert_eq!(code, "target_full"),
            error => panic!("{error}"),
        }
    }
    // What was written without being committed is not zeros, though nothing is recorded of it.
    let source = open_target(&pair.path("source-0")).unwrap();
    source.zero(3 * MIB, 2 * MIB).unwrap();
    crowded.has_room.store(true, Ordering::SeqCst);
    match pair.migrate().unwrap() {
        Outcome::Finished(finished) => assert!(finished.proof.equal),
        Outcome::Stopped | Outcome::Unchecked(_) => panic!("stopped"),
    }
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
}

#[test]
fn no_room_when_a_chunk_is_written() {
    full_and_then_with_room(Act::Write);
}

#[test]
fn no_room_when_chunks_are_committed() {
    full_and_then_with_room(Act::Flush);
}
