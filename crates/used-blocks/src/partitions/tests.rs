//! Tables made by sfdisk, and tables that were tampered with.

use proptest::prelude::*;
use rehost_testkit::{LoopDevice, needs_root};

use super::*;
use crate::ageing::Tampered;
use crate::oracle::{Image, InMemory};

const MIB: u64 = 1 << 20;

/// A disk that sfdisk has partitioned by a script. Larger sectors only devices have.
fn partitioned(size_mib: u64, sector_bytes: u64, script: &str) -> Image {
    let image = Image::new(size_mib * MIB);
    let file = image.directory.path().join("script");
    std::fs::write(&file, script).unwrap();
    let sfdisk = |disk: &str| {
        let command = format!("sfdisk --quiet {disk} < {} 2>&1", file.display());
        image.run("sh", &["-c", &command])
    };
    if sector_bytes == 512 {
        sfdisk("IMAGE");
    } else {
        needs_root().unwrap();
        let device = LoopDevice::attach(&image.path).unwrap();
        let path = device.path().to_str().unwrap();
        image.run(
            "losetup",
            &["--sector-size", &sector_bytes.to_string(), path],
        );
        sfdisk(path);
    }
    image
}

fn ranges(image: &Image) -> Vec<Range<u64>> {
    let table = read_table(&image.open()).unwrap().unwrap();
    table.partitions.into_iter().map(|one| one.range).collect()
}

/// Why there is no table after these bytes were written.
fn refusal(image: &Image, patches: &[(u64, &[u8])]) -> String {
    let medium = image.open();
    let patches = patches.iter().map(|(at, bytes)| (*at, bytes.to_vec()));
    let tampered = Tampered::new(&medium, patches.collect());
    read_table(&tampered).unwrap_err().to_string()
}

#[test]
fn primary_and_logical_partitions_are_found() {
    let script = "label: dos\n\
        start=1MiB, size=10MiB, type=83, bootable\n\
        start=20MiB, size=70MiB, type=5\n\
        start=95MiB, size=4MiB, type=41\n\
        start=21MiB, size=5MiB, type=83\n\
        start=30MiB, size=5MiB, type=82\n\
        start=40MiB, size=49MiB, type=8e\n";
    let image = partitioned(100, 512, script);
    let expected = [(1, 11), (21, 26), (30, 35), (40, 89), (95, 99)];
    let expected = expected.map(|(start, end)| start * MIB..end * MIB);
    assert_eq!(ranges(&image), expected);
    let table = read_table(&image.open()).unwrap().unwrap();
    assert_eq!(
        table.partitions.iter().filter(|one| one.is_opaque).count(),
        1
    );
    // The MBR and one table for each logical partition.
    assert_eq!(table.own.total_bytes(), 4 * 512);
    assert!(
        table
            .own
            .iter()
            .all(|range| range.end <= 512 || range.start >= 20 * MIB)
    );
}

#[test]
fn both_tables_of_a_gpt_are_found_in_sectors_of_either_size() {
    for sector_bytes in [512, 4096] {
        let script = "label: gpt\n\
            start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\n\
            start=2MiB, size=16MiB, type=U\n\
            start=40MiB, size=20MiB, type=L\n";
        let image = partitioned(64, sector_bytes, script);
        assert_eq!(
            ranges(&image),
            [MIB..2 * MIB, 2 * MIB..18 * MIB, 40 * MIB..60 * MIB]
        );
        let table = read_table(&image.open()).unwrap().unwrap();
        let boot: Vec<_> = table.partitions.iter().map(|one| one.is_opaque).collect();
        assert_eq!(boot, [true, false, false]);
        let array = 128 * 128;
        let own: Vec<_> = table.own.iter().collect();
        assert_eq!(
            own,
            [
                0..2 * sector_bytes + array,
                64 * MIB - sector_bytes - array..64 * MIB,
            ]
        );
    }
}

#[test]
fn dynamic_disks_are_not_looked_into() {
    let script = "label: gpt\n\
        start=1MiB, size=1MiB, type=5808C8AA-7E8F-42E0-85D2-E1E90434CFB3\n\
        start=2MiB, size=40MiB, type=AF9B60A0-1431-4F62-BC68-3311714A69AD\n";
    for script in [script, "label: dos\nstart=1MiB, size=40MiB, type=42\n"] {
        let image = partitioned(64, 512, script);
        let table = read_table(&image.open()).unwrap().unwrap();
        assert!(table.partitions.iter().all(|one| one.is_opaque), "{script}");
    }
}

#[test]
fn the_copy_of_a_gpt_is_where_the_header_says() {
    let image = partitioned(64, 512, "label: gpt\nstart=1MiB, size=4MiB\n");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&image.path)
        .unwrap();
    file.set_len(100 * MIB).unwrap();
    let table = read_table(&image.open()).unwrap().unwrap();
    assert_eq!(table.own.last().unwrap().end, 64 * MIB);
    assert_eq!(ranges(&image), vec![MIB..5 * MIB]);
}

#[test]
fn a_damaged_gpt_is_refused() {
    let image = partitioned(64, 512, "label: gpt\nstart=1MiB, size=4MiB\n");
    let header = refusal(&image, &[(512 + 40, &[1])]);
    assert!(header.contains("repair it with gdisk"), "{header}");
    let entries = refusal(&image, &[(1024 + 56, b"x")]);
    assert!(
        entries.contains("checksum of the GPT's entries"),
        "{entries}"
    );
    let unprotected = refusal(&image, &[(510, &[0])]);
    assert!(
        unprotected.contains("without a protective MBR"),
        "{unprotected}"
    );
    let foreign = refusal(&image, &[(450, &[0x83])]);
    assert!(foreign.contains("both a GPT and an MBR"), "{foreign}");
}

/// An entry of an MBR.
fn entry(kind: u8, start_mib: u32, size_mib: u32) -> Vec<u8> {
    let sectors = |mib: u32| (mib * 2048).to_le_bytes();
    [
        &[0, 0, 0, 0, kind, 0, 0, 0],
        &sectors(start_mib)[..],
        &sectors(size_mib)[..],
    ]
    .concat()
}

#[test]
fn a_hybrid_mbr_must_agree_with_the_gpt() {
    let image = partitioned(
        64,
        512,
        "label: gpt\nstart=1MiB, size=4MiB\nstart=8MiB, size=8MiB\n",
    );
    let with = |start, size| {
        let medium = image.open();
        let tampered = Tampered::new(&medium, vec![(462, entry(0x83, start, size))]);
        read_table(&tampered).map(|table| table.unwrap().partitions.len())
    };
    assert_eq!(with(8, 8).unwrap(), 2);
    assert_eq!(with(20, 8).unwrap(), 2);
    assert!(with(8, 7).unwrap_err().to_string().contains("disagree"));
}

#[test]
fn an_mbr_that_makes_no_sense_is_refused() {
    let image = partitioned(64, 512, "label: dos\nstart=1MiB, size=4MiB\n");
    for (entries, says) in [
        (vec![entry(0x83, 4, 4)], "overlap"),
        (vec![entry(0x83, 60, 5)], "beyond the end"),
        (vec![entry(0x83, 0, 1)], "contains the table itself"),
        (vec![entry(5, 10, 10), entry(15, 30, 10)], "two extended"),
        (vec![entry(5, 4, 10)], "overlaps the extended"),
        (vec![entry(5, 10, 100)], "beyond the end"),
    ] {
        let said = refusal(&image, &[(462, &entries.concat())]);
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn chains_of_logical_partitions_end() {
    let script = "label: dos\nstart=1MiB, size=60MiB, type=5\n\
        start=2MiB, size=4MiB\nstart=8MiB, size=4MiB\n";
    let image = partitioned(64, 512, script);
    assert_eq!(ranges(&image), [2 * MIB..6 * MIB, 8 * MIB..12 * MIB]);
    let next = MIB + 462;
    let itself = refusal(&image, &[(next, &entry(5, 0, 4))]);
    assert!(
        itself.contains("no end") || itself.contains("overlap"),
        "{itself}"
    );
    let outside = refusal(&image, &[(next, &entry(5, 61, 4))]);
    assert!(outside.contains("no end"), "{outside}");
    let nothing = refusal(&image, &[(next, &entry(5, 20, 4))]);
    assert!(nothing.contains("broken"), "{nothing}");
    let forked = refusal(&image, &[(next + 16, &entry(5, 20, 4))]);
    assert!(forked.contains("forked"), "{forked}");
}

#[test]
fn disks_without_a_table_have_none() {
    for size in [0, 511, 512, 5000, 100_000] {
        assert_eq!(read_table(&InMemory(vec![0; size])).unwrap(), None);
    }
    for (tool, arguments) in [
        ("mkfs.fat", &["IMAGE"][..]),
        ("mkntfs", &["-q", "-F", "-f", "IMAGE"]),
        ("mke2fs", &["-q", "-F", "IMAGE"]),
    ] {
        let image = Image::new(16 * MIB);
        image.run(tool, arguments);
        assert_eq!(read_table(&image.open()).unwrap(), None, "{tool}");
    }
}

#[test]
fn sectors_of_unknown_size_are_not_guessed() {
    let image = partitioned(256, 4096, "label: dos\nstart=1MiB, size=200MiB\n");
    let medium = image.open();
    // Where an ext superblock has its mark.
    let tampered = Tampered::new(&medium, vec![(MIB + 1080, vec![0x53, 0xef])]);
    let said = read_table(&tampered).unwrap_err().to_string();
    assert!(said.contains("512 or of 4096"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_a_table_says_it_stays_on_the_disk(
        entries in prop::collection::vec((0_usize..4, 0_u8..6, 0_u32..200, 0_u32..200), 1..4),
        chain in prop::collection::vec((0_usize..199, 0_u32..200, 0_u32..200), 0..8),
    ) {
        let mut bytes = vec![0_u8; 200 * 512];
        let mut write = |table: usize, number: usize, kind: u8, start: u32, length: u32| {
            let at = table * 512;
            bytes[at + 510..at + 512].copy_from_slice(&[0x55, 0xaa]);
            let at = at + 446 + number * 16;
            bytes[at + 4] = kind;
            bytes[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            bytes[at + 12..at + 16].copy_from_slice(&length.to_le_bytes());
        };
        for (table, start, length) in chain {
            write(table, 0, 0x83, start % 8, length % 16);
            write(table, 1, 5, start, length);
        }
        for (number, kind, start, length) in entries {
            write(0, number, kind, start, length);
        }
        if let Ok(Some(table)) = read_table(&InMemory(bytes)) {
            let mut end = 0;
            for partition in &table.partitions {
                prop_assert!(partition.range.start >= end && !partition.range.is_empty());
                end = partition.range.end;
            }
            prop_assert!(end <= 200 * 512);
        }
    }
}
