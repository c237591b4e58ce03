//! A volume that is held at a point reads as it was then, whatever is written to it meanwhile.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use rehost_volumes::{
    AlignedBuffer, CHUNK_BYTES, ChangeMark, HeldVolume, HoleFinder, ImageFormat, PointVolume,
    Volume, VolumeError, create_image, to_usize,
};

const MIB: u64 = 1 << 20;
/// Neither whole chunks nor whole grains.
const SIZE: u64 = 5 * MIB + 70_000;

fn image(folder: &Path, format: ImageFormat, size_bytes: u64) -> HeldVolume {
    HeldVolume::new(create_image(&folder.join("replica"), format, size_bytes).unwrap())
}

fn kept(folder: &Path) -> PathBuf {
    folder.join("replica.kept")
}

#[derive(Clone, Debug)]
enum Act {
    Write(Range<u64>, u8),
    Zero(Range<u64>),
    /// Writes again what is there.
    Repeat(Range<u64>),
    Hold,
    LetGo,
    Read(Range<u64>),
}

fn ranges() -> impl Strategy<Value = Range<u64>> {
    let length = prop_oneof![Just(1), Just(4096), Just(100_000), Just(2 * MIB + 4096)];
    let start = prop_oneof![0..SIZE, (0..SIZE / 4096).prop_map(|page| page * 4096)];
    (start, length).prop_map(|(start, length)| start..(start + length).min(SIZE))
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (ranges(), 1_u8..).prop_map(|(range, value)| Act::Write(range, value)),
        3 => ranges().prop_map(Act::Zero),
        2 => ranges().prop_map(Act::Repeat),
        1 => Just(Act::Hold),
        1 => Just(Act::LetGo),
        4 => ranges().prop_map(Act::Read),
    ];
    prop::collection::vec(act, 1..40)
}

fn of(bytes: &[u8], range: &Range<u64>) -> Vec<u8> {
    bytes[to_usize(range.start)..to_usize(range.end)].to_vec()
}

fn read(volume: &dyn Volume, range: &Range<u64>) -> Result<Vec<u8>, VolumeError> {
    let mut buffer = AlignedBuffer::new(to_usize(range.end - range.start));
    volume.read_at(&mut buffer, range.start)?;
    Ok(buffer.to_vec())
}

/// What the volume and its point must hold.
struct Model {
    now: Vec<u8>,
    point: Option<(Arc<PointVolume>, Vec<u8>)>,
}

impl Model {
    fn set(&mut self, range: &Range<u64>, value: u8) {
        self.now[to_usize(range.start)..to_usize(range.end)].fill(value);
    }

    fn check(&self, volume: &HeldVolume, range: &Range<u64>) {
        assert!(read(volume, range).unwrap() == of(&self.now, range));
        if let Some((point, bytes)) = &self.point {
            assert!(read(&**point, range).unwrap() == of(bytes, range));
            check_holes(point, bytes);
        }
    }
}

/// What the point calls a hole reads as zeros.
fn check_holes(point: &PointVolume, bytes: &[u8]) {
    let mut holes = HoleFinder::new(point, 0).unwrap();
    let mut start = 0;
    while start < SIZE {
        let range = start..(start + 10_000).min(SIZE);
        if !holes.may_hold_data(&range).unwrap() {
            assert!(of(bytes, &range).iter().all(|byte| *byte == 0));
        }
        start = range.end;
    }
    assert_eq!(point.next_data(SIZE).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_point_reads_as_the_volume_was_then(acts in acts(), qcow2 in any::<bool>()) {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let format = if qcow2 { ImageFormat::Qcow2 } else { ImageFormat::Raw };
        let volume = image(folder, format, SIZE);
        let mut model = Model { now: vec![0; to_usize(SIZE)], point: None };
        let mut gone = Vec::new();
        for act in acts {
            match act {
                Act::Write(range, value) => {
                    let mut bytes = AlignedBuffer::new(to_usize(range.end - range.start));
                    bytes.fill(value);
                    volume.write_at(&bytes, range.start).unwrap();
                    model.set(&range, value);
                }
                Act::Zero(range) => {
                    volume.zero(range.start, range.end - range.start).unwrap();
                    model.set(&range, 0);
                }
                Act::Repeat(range) => {
                    volume.write_at(&of(&model.now, &range), range.start).unwrap();
                }
                Act::Hold => {
                    let point = volume.hold(&kept(folder)).unwrap();
                    gone.extend(model.point.replace((point, model.now.clone())));
                }
                Act::LetGo => {
                    volume.let_go();
                    prop_assert!(!kept(folder).exists());
                    gone.extend(model.point.take());
                }
                Act::Read(range) => model.check(&volume, &range),
            }
        }
        model.check(&volume, &(0..SIZE));
        for (point, _) in gone {
            prop_assert!(read(&*point, &(0..1)).is_err());
        }
    }
}

#[test]
fn only_what_changes_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let volume = image(directory.path(), ImageFormat::Raw, 64 * MIB);
    let chunk = |value| vec![value; to_usize(CHUNK_BYTES)];
    for number in 0..32 {
        volume.write_at(&chunk(1), number * MIB).unwrap();
    }
    let point = volume.hold(&kept(directory.path())).unwrap();
    // The same again, and data where there was none.
    for number in 0..32 {
        volume.write_at(&chunk(1), number * MIB).unwrap();
        volume.write_at(&chunk(2), (number + 32) * MIB).unwrap();
    }
    volume.zero(32 * MIB, 32 * MIB).unwrap();
    assert_eq!(point.kept_bytes(), 0);
    // One byte of a chunk.
    let mut bytes = chunk(1);
    bytes[500_000] = 9;
    volume.write_at(&bytes, 3 * MIB).unwrap();
    assert_eq!(point.kept_bytes(), 64 << 10);
    let found = std::fs::metadata(kept(directory.path())).unwrap();
    assert!(found.blocks() * 512 < MIB, "{}", found.blocks());
    assert_eq!(found.mode() & 0o777, 0o600);
    let found = read(&*point, &(0..64 * MIB)).unwrap();
    let (data, holes) = found.split_at(to_usize(32 * MIB));
    assert!(data.iter().all(|byte| *byte == 1));
    assert!(holes.iter().all(|byte| *byte == 0));
    assert!(point.write_at(&[1], 0).is_err());
    assert!(point.zero(0, 1).is_err());
    let beyond = point.read_at(&mut [0; 2], 64 * MIB - 1).unwrap_err();
    assert!(matches!(beyond, VolumeError::OutOfRange { .. }));
}

/// A medium that takes its time in the middle of every read and write.
#[derive(Debug)]
struct Slow(Arc<dyn Volume>);

impl Volume for Slow {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let middle = buffer.len() / 2;
        let (left, right) = buffer.split_at_mut(middle);
        self.0.read_at(left, offset)?;
        std::thread::yield_now();
        self.0.read_at(right, offset + middle as u64)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        let (left, right) = buffer.split_at(buffer.len() / 2);
        self.0.write_at(right, offset + left.len() as u64)?;
        std::thread::yield_now();
        self.0.write_at(left, offset)
    }

    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        self.0.zero(offset, length)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.0.flush()
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        self.0.next_data(offset)
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        Ok(None)
    }
}

/// Writers and readers at once, until all is written; `late` happens when half of it is.
fn at_once(volume: &HeldVolume, point: &PointVolume, late: impl Fn() + Sync, is_over: bool) {
    const CHUNKS: u64 = 8;
    const ROUNDS: u32 = 40;
    let written = AtomicU32::new(0);
    let total = 3 * ROUNDS;
    std::thread::scope(|scope| {
        for writer in 0..3_u64 {
            let (written, late) = (&written, &late);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let chunk = (u64::from(round) + writer * 3) % CHUNKS;
                    if round % 7 == 6 {
                        volume.zero(chunk * MIB, MIB).unwrap();
                    } else {
                        let value = u8::try_from(round).unwrap() + 100;
                        let bytes = vec![value; to_usize(MIB)];
                        volume.write_at(&bytes, chunk * MIB).unwrap();
                    }
                    if written.fetch_add(1, Ordering::SeqCst) == total / 2 {
                        late();
                    }
                }
            });
        }
        for reader in 0..2_u64 {
            let written = &written;
            scope.spawn(move || {
                let mut chunk = reader;
                while written.load(Ordering::SeqCst) < total {
                    chunk = (chunk + 1) % CHUNKS;
                    match read(point, &(chunk * MIB..(chunk + 1) * MIB)) {
                        Ok(found) => assert!(found == vec![7; to_usize(MIB)], "chunk {chunk}"),
                        Err(error) => {
                            let is_void = matches!(error, VolumeError::PointVoid { .. });
                            assert!(is_over && is_void, "{error}");
                        }
                    }
                }
            });
        }
    });
}

fn slow_volume(folder: &Path) -> (HeldVolume, Arc<PointVolume>) {
    let medium = create_image(&folder.join("replica"), ImageFormat::Raw, 8 * MIB).unwrap();
    let volume = HeldVolume::new(Arc::new(Slow(medium)));
    volume.write_at(&vec![7; to_usize(8 * MIB)], 0).unwrap();
    let point = volume.hold(&kept(folder)).unwrap();
    (volume, point)
}

#[test]
fn no_reader_sees_a_part_of_what_is_being_written() {
    for _ in 0..4 {
        let directory = tempfile::tempdir().unwrap();
        let (volume, point) = slow_volume(directory.path());
        at_once(&volume, &point, || {}, false);
        assert!(read(&*point, &(0..8 * MIB)).unwrap() == vec![7; to_usize(8 * MIB)]);
    }
}

#[test]
fn a_point_that_is_let_go_while_it_is_read_gives_right_bytes_or_an_error() {
    for _ in 0..4 {
        let directory = tempfile::tempdir().unwrap();
        let (volume, point) = slow_volume(directory.path());
        at_once(&volume, &point, || volume.let_go(), true);
        assert!(point.void_reason().is_some());
        assert!(!kept(directory.path()).exists());
        assert!(volume.held().is_none());
    }
}
