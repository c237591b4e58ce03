//! Superblocks made here; `mdadm --examine` is the judge of whether they are true ones.

use proptest::prelude::*;

use super::*;
use crate::oracle::{Image, InMemory, assert_within};

const SIZE: usize = 4 << 20;
const SECTORS: u64 = 8192;

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// A member of an array of two, with a superblock of version 1 at a sector.
fn version_1(start: u64, role: u32, change: impl Fn(&mut [u8])) -> InMemory {
    let mut bytes = vec![0; 4096];
    put32(&mut bytes, 0, MAGIC);
    put32(&mut bytes, 4, 1);
    bytes[16..32].copy_from_slice(b"0123456789abcdef");
    bytes[32..38].copy_from_slice(b"host:7");
    put32(&mut bytes, 72, 1);
    put64(&mut bytes, 80, 4096);
    put32(&mut bytes, 92, 2);
    let data_offset = if start < 2048 { 2048 } else { 0 };
    put64(&mut bytes, 128, data_offset);
    put64(&mut bytes, 136, SECTORS - 2048 - 64);
    put64(&mut bytes, 144, start);
    put32(&mut bytes, 160, role);
    bytes[168] = u8::try_from(role).unwrap() + 1;
    put64(&mut bytes, 200, 17);
    put64(&mut bytes, 208, u64::MAX);
    put32(&mut bytes, 220, 128);
    bytes[256..512].fill(0xff);
    bytes[256..260].copy_from_slice(&[0, 0, 1, 0]);
    change(&mut bytes);
    let sum = checksum_1(&bytes[..512]);
    put32(&mut bytes, 216, sum);
    placed(&bytes, start)
}

fn version_0(role: u32, change: impl Fn(&mut [u8])) -> InMemory {
    let mut bytes = vec![0; 4096];
    let mut word = |number: usize, value: u32| put32(&mut bytes, number * 4, value);
    for (number, value) in [
        (0, MAGIC),
        (2, 90),
        (5, 0xabcd),
        (7, 1),
        (8, 2048),
        (9, 2),
        (10, 2),
        (11, 5),
    ] {
        word(number, value);
    }
    for (number, value) in [(33, 1), (34, 2), (35, 2), (39, 17)] {
        word(number, value);
    }
    for disk in 0..2 {
        for (field, value) in [disk, 8, disk, disk, 6].into_iter().enumerate() {
            word(128 + usize::try_from(disk).unwrap() * 32 + field, value);
        }
    }
    for (field, value) in [role, 8, role, role, 6].into_iter().enumerate() {
        word(THIS_DISK_WORD + field, value);
    }
    change(&mut bytes);
    let sum = checksum_0(&bytes);
    put32(&mut bytes, 38 * 4, sum);
    placed(&bytes, SECTORS - 128)
}

fn placed(superblock: &[u8], start: u64) -> InMemory {
    let mut member = vec![0; SIZE];
    let at = usize::try_from(start * SECTOR_BYTES).unwrap();
    member[at..at + superblock.len()].copy_from_slice(superblock);
    InMemory(member)
}

fn assembled(members: &[InMemory]) -> Assembled {
    let media: Vec<&dyn Medium> = members.iter().map(|one| one as &dyn Medium).collect();
    assemble(&media)
}

/// Both members of an array, for every version of the superblock.
fn mirrors() -> [(&'static str, [InMemory; 2]); 4] {
    let version_1 = |start| [0, 1].map(|role| version_1(start, role, |_| {}));
    [
        ("0.90", [0, 1].map(|role| version_0(role, |_| {}))),
        ("1.0", version_1(SECTORS - 16)),
        ("1.1", version_1(0)),
        ("1.2", version_1(8)),
    ]
}

#[test]
fn mdadm_takes_the_superblocks_for_true_ones() {
    for (version, members) in mirrors() {
        let image = Image::new(0);
        std::fs::write(&image.path, &members[1].0).unwrap();
        let said = image.run("mdadm", &["--examine", "IMAGE"]);
        let has = |name: &str, value: &str| {
            said.lines().any(|line| {
                line.split_once(" : ")
                    .is_some_and(|(key, found)| key.trim() == name && found.starts_with(value))
            })
        };
        assert!(
            has("Raid Level", "raid1") && has("Raid Devices", "2"),
            "{said}"
        );
        assert!(has("State", "clean") && has("Checksum", ""), "{said}");
        assert!(
            said.contains("correct") && has("Version", version),
            "{said}"
        );
    }
}

#[test]
fn mirrors_are_looked_into_by_all_their_members() {
    for (version, members) in mirrors() {
        let array = assembled(&members);
        let [volume] = array.volumes.as_slice() else {
            panic!("{version}")
        };
        assert_eq!(
            volume.name,
            if version == "0.90" {
                "md5"
            } else {
                "md/host:7"
            }
        );
        let offset = if matches!(version, "1.1" | "1.2") {
            1 << 20
        } else {
            0
        };
        let places = [0, 1].map(|member| Place { member, offset });
        let [segment] = volume.segments.as_slice() else {
            panic!("{version}")
        };
        assert!(matches!(&segment.layout, Layout::Copies(copies) if *copies == places));
        assert_eq!(segment.length, 2 << 20);
        for own in &array.own {
            let free = own.as_ref().unwrap().gaps(0..SIZE as u64);
            assert_eq!(
                free,
                Extents::whole(offset..offset + (2 << 20)),
                "{version}"
            );
        }
    }
}

#[test]
fn arrays_that_are_not_settled_mirrors_are_whole() {
    type Change = fn(&mut [u8]);
    let changes: [Change; 6] = [
        |bytes| put32(bytes, 72, 5),
        |bytes| put64(bytes, 208, 100),
        |bytes| put32(bytes, 8, 2),
        |bytes| bytes[258..260].copy_from_slice(&[0xfe, 0xff]),
        |bytes| put64(bytes, 80, 1 << 40),
        |bytes| put64(bytes, 144, 9),
    ];
    for (change, number) in changes.into_iter().zip(0..) {
        let members = [0, 1].map(|role| version_1(8, role, change));
        let array = assembled(&members);
        assert!(array.own[1].is_err(), "change {number}");
        let named: Vec<usize> = array
            .volumes
            .iter()
            .flat_map(LogicalVolume::members)
            .collect();
        assert!(!named.contains(&1), "change {number}");
    }
    let old = [0, 1].map(|role| version_0(role, |bytes| put32(bytes, 33 * 4, 0)));
    assert!(assembled(&old).own.iter().all(Result::is_err));
}

#[test]
fn a_member_that_fell_behind_is_whole() {
    let members = [
        version_1(8, 0, |_| {}),
        version_1(8, 1, |bytes| put64(bytes, 200, 16)),
    ];
    let array = assembled(&members);
    assert!(array.own[0].is_ok() && array.own[1].is_err());
    let named: Vec<usize> = array
        .volumes
        .iter()
        .flat_map(LogicalVolume::members)
        .collect();
    assert_eq!(named, [0]);
}

#[test]
fn a_damaged_superblock_is_none() {
    for (_, [_, mut member]) in mirrors() {
        let set: Vec<usize> = (0..SIZE).filter(|at| member.0[*at] != 0).collect();
        for at in set {
            member.0[at] ^= 0x10;
            assert!(assemble(&[&member]).own[0].is_err(), "byte {at}");
            member.0[at] ^= 0x10;
        }
    }
}

proptest! {
    #[test]
    fn whatever_a_superblock_says_its_parts_lie_within(
        at in 0_usize..512, values in prop::collection::vec(any::<u8>(), 1..16), old in any::<bool>(),
    ) {
        let change = |bytes: &mut [u8]| bytes[at..at + values.len()].copy_from_slice(&values);
        let member = if old { version_0(0, change) } else { version_1(8, 0, change) };
        let array = assembled(std::slice::from_ref(&member));
        for own in array.own.iter().flatten() {
            assert_within(own, &member);
        }
    }
}
