//! Against ntfs-3g, its tools and partclone.

use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::oracle::{Image, InMemory, assert_within};

const MIB: u64 = 1 << 20;

fn made(size_bytes: u64, arguments: &[&str]) -> Image {
    let image = Image::new(size_bytes);
    let arguments: Vec<&str> = ["-F", "-Q", "-q", "-p", "0", "-H", "0", "-S", "0"]
        .into_iter()
        .chain(arguments.iter().copied())
        .chain(["IMAGE"])
        .collect();
    image.run("mkfs.ntfs", &arguments);
    image
}

fn copy_in(image: &Image, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let content = image.content(seed, 9_000 * (seed + 1));
        image.run(
            "ntfscp",
            &["-q", "IMAGE", &content, &format!("content-{seed}")],
        );
    }
}

fn assert_has_files(copy: &Image, original: &Image, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let path = copy.path.to_str().unwrap();
        // By force: ntfsfix has told Windows to check the volume.
        let output = Command::new("ntfscat")
            .args(["-f", path, &format!("content-{seed}")])
            .output();
        let expected = original.directory.path().join(format!("content-{seed}"));
        assert_eq!(
            output.unwrap().stdout,
            std::fs::read(expected).unwrap(),
            "file {seed}"
        );
    }
}

#[test]
fn the_map_is_what_partclone_finds_and_the_backup_of_the_boot_sector() {
    let layouts: [(u64, &[&str]); 4] = [
        (16 * MIB, &[]),
        (64 * MIB + 512 * 3, &["-c", "512"]),
        (100 * MIB, &["-c", "65536"]),
        (64 * MIB, &["-s", "4096"]),
    ];
    for (size_bytes, layout) in layouts {
        let image = made(size_bytes, layout);
        copy_in(&image, 0..12);
        let medium = image.open();
        let map = used(&medium).unwrap();
        let volume = Volume::read(&medium).unwrap();
        let mut expected = image.partclone("ntfs");
        let behind = volume.cluster_count * volume.cluster_bytes..size_bytes;
        expected = expected.union(&Extents::whole(behind.clone()));
        assert_eq!(map, expected, "{layout:?}");
        assert!(behind.end - behind.start <= volume.cluster_bytes + volume.sector_bytes);
        assert!(map.total_bytes() < size_bytes / 2);

        let copy = image.only(&map);
        copy.run("ntfsfix", &["-n", "IMAGE"]);
        assert_has_files(&copy, &image, 0..12);
        // The copy's backup serves when its boot sector is lost; ntfsfix looks for one of 512 bytes.
        if volume.sector_bytes == 512 {
            copy.write(&[0; 512], 0);
            copy.run("ntfsfix", &["IMAGE"]);
            assert_has_files(&copy, &image, 0..12);
        }
    }
}

#[test]
fn a_table_in_many_pieces_is_followed() {
    let image = made(12 * MIB, &["-c", "512"]);
    let mounted = image.directory.path().join("mounted");
    std::fs::create_dir(&mounted).unwrap();
    let place = mounted.to_str().unwrap();
    image.run("ntfs-3g", &["IMAGE", place]);
    // Small files fill the volume, every second is emptied, and then there is room for records in
    // pieces of two clusters only.
    let name = |number: usize| mounted.join(format!("{number:05}"));
    let mut count = 0;
    while std::fs::write(name(count), vec![7; 1000]).is_ok() {
        count += 1;
    }
    for number in (0..count).step_by(2) {
        std::fs::write(name(number), b"").unwrap();
    }
    for number in 0..4000 {
        if std::fs::write(mounted.join(format!("empty-{number}")), b"").is_err() {
            break;
        }
    }
    rehost_testkit::run_tool("umount", [place]).unwrap();

    let medium = image.open();
    let mut volume = Volume::read(&medium).unwrap();
    volume.find_mft().unwrap();
    let base = volume.record(RECORD_OF_MFT).unwrap();
    let pieces = volume.pieces(&base, RECORD_OF_MFT).unwrap();
    assert!(
        pieces.len() > 1,
        "{} runs in one record",
        volume.mft.iter().count()
    );
    let map = used(&medium).unwrap();
    assert_eq!(map.union(&image.partclone("ntfs")), map);
    assert_eq!(volume.read_bitmap().unwrap(), image.partclone("ntfs"));
    image.only(&map).run("ntfsfix", &["-n", "IMAGE"]);
}

#[test]
fn what_makes_no_sense_has_no_map() {
    let image = made(16 * MIB, &[]);
    let memory = image.in_memory();
    let mut volume = Volume::read(&memory).unwrap();
    volume.find_mft().unwrap();
    let mft = usize::try_from(volume.mft_cluster * volume.cluster_bytes).unwrap();
    let bitmap_record = mft + 6 * 1024;
    let refused = |at: usize, value: u8| {
        let mut broken = memory.clone();
        broken.0[at] = value;
        matches!(used(&broken), Err(Unmapped::Inconsistent { .. }))
    };
    assert!(refused(11, 1), "sector size");
    assert!(refused(13, 3), "cluster size");
    assert!(refused(46, 1), "larger than the medium");
    assert!(refused(54, 1), "the table lies beyond the end");
    assert!(refused(mft, b'B'), "no record");
    assert!(refused(bitmap_record + 22, 0), "the bitmap is not in use");
    assert!(
        refused(bitmap_record + 510, !memory.0[bitmap_record + 510]),
        "torn"
    );
    let mut short = memory.clone();
    short.0.truncate(15 << 20);
    assert!(matches!(used(&short), Err(Unmapped::Inconsistent { .. })));
    let mut other = memory;
    other.0[3] = b'n';
    assert!(matches!(used(&other), Err(Unmapped::Unknown)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whatever_is_changed_the_map_lies_within(
        boot in prop::collection::vec((11_usize..80, any::<u8>()), 0..3),
        records in prop::collection::vec((prop::sample::select(vec![0_usize, 6]), 0_usize..510, any::<u8>()), 0..6),
    ) {
        static IMAGE: std::sync::LazyLock<(InMemory, usize)> = std::sync::LazyLock::new(|| {
            let image = made(4 * MIB, &[]).in_memory();
            let volume = Volume::read(&image).unwrap();
            let mft = usize::try_from(volume.mft_cluster * volume.cluster_bytes).unwrap();
            (image, mft)
        });
        let (mut medium, mft) = IMAGE.clone();
        boot.into_iter().for_each(|(at, value)| medium.0[at] = value);
        records.into_iter().for_each(|(number, at, value)| medium.0[mft + number * 1024 + at] = value);
        if let Ok(map) = used(&medium) {
            assert_within(&map, &medium);
            prop_assert!(!map.is_empty());
        }
    }
}
