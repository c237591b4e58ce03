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
        assert!(behind.end - behind.start <= volume.cluster_bytes + 4096);
        assert!(map.total_bytes() < size_bytes / 2);

        let copy = image.only(&map);
        copy.run("ntfsfix", &["-n", "IMAGE"]);
        assert_has_files(&copy, &image, 0..12);
        // The copy's backup serves when its boot sector is lost; ntfsfix looks for one of 512 bytes.
        if !layout.contains(&"4096") {
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
    let first = volume.beginning(&volume.content(0, DATA).unwrap().unwrap(), 1024);
    let first = record::Record::new(first.unwrap()).unwrap();
    assert!(
        first
            .attribute(record::ATTRIBUTE_LIST, 0)
            .unwrap()
            .is_some(),
        "{} runs in one record",
        volume.mft.len()
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

#[test]
fn what_lies_behind_the_file_system_is_used() {
    let image = made(16 * MIB, &[]);
    let map = used(&image.open()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&image.path);
    file.unwrap().set_len(20 * MIB).unwrap();
    let behind = Extents::whole(16 * MIB..20 * MIB);
    assert_eq!(used(&image.open()).unwrap(), map.union(&behind));
}

/// Whether ntfs-3g would write to it.
fn is_writable(image: &Image) -> bool {
    let path = image.path.to_str().unwrap();
    let output = Command::new("ntfs-3g.probe")
        .args(["--readwrite", path])
        .output();
    output.unwrap().status.success()
}

fn refusal(image: &Image) -> Option<String> {
    used(&image.open()).err().map(|reason| reason.to_string())
}

/// Where the clusters of a file of the system begin.
fn place_of(image: &Image, record: u64) -> u64 {
    let medium = image.open();
    let mut volume = Volume::read(&medium).unwrap();
    volume.find_mft().unwrap();
    match volume.content(record, DATA).unwrap() {
        Some(Content::Elsewhere { runs, .. }) => {
            runs.locate(0).unwrap().0.unwrap() * volume.cluster_bytes
        }
        other => panic!("{other:?}"),
    }
}

/// A restart page: how new it is, its user, its flags, and the version of the log.
fn restart_page(number: u64, user: u16, flags: u16, version: u16) -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..4].copy_from_slice(b"RSTR");
    // The protection: at 30, of 9 words, with the sign 1 at the end of each 512 bytes.
    for (at, value) in [(4, 30_u16), (6, 9), (24, 48), (28, version), (30, 1)] {
        page[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    for size_at in [16, 20] {
        page[size_at..size_at + 4].copy_from_slice(&4096_u32.to_le_bytes());
    }
    for stride in 1..=8 {
        page[stride * 512 - 2] = 1;
    }
    page[26..28].copy_from_slice(&1_u16.to_le_bytes());
    // The area: its age, one client, the list of free ones, of those in use, flags.
    page[48..56].copy_from_slice(&number.to_le_bytes());
    for (at, value) in [
        (56, 1),
        (58, !user),
        (60, user),
        (62, flags),
        (68, 224),
        (70, 64),
    ] {
        page[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    // Bits of sequence numbers, for a log of this size.
    page[64..68].copy_from_slice(&45_u32.to_le_bytes());
    page[72..80].copy_from_slice(&(2_u64 << 20).to_le_bytes());
    page[84..86].copy_from_slice(&48_u16.to_le_bytes());
    page[86..88].copy_from_slice(&64_u16.to_le_bytes());
    // The client, before and behind whom there is none.
    page[128..132].fill(0xff);
    page
}

#[test]
fn a_volume_that_is_marked_as_dirty_has_no_map() {
    let image = made(16 * MIB, &[]);
    assert_eq!(refusal(&image), None);
    image.run("ntfsfix", &["IMAGE"]);
    let expected = "NTFS is inconsistent: it is in use or to be checked by chkdsk";
    assert_eq!(refusal(&image).as_deref(), Some(expected));
    image.run("ntfsfix", &["-d", "IMAGE"]);
    assert_eq!(refusal(&image), None);
}

#[test]
fn a_log_in_use_leaves_no_map() {
    let image = made(16 * MIB, &[]);
    let log = place_of(&image, 2);
    let in_use = "NTFS is inconsistent: it is in use or Windows was not shut down";
    let unknown = "NTFS is inconsistent: $LogFile is not understood";
    let user = |number| restart_page(number, 0, 0, 1);
    let nobody = |number| restart_page(number, 0xffff, 0, 1);
    let mut torn = nobody(7);
    torn[1022] = 9;
    let pages = [
        (nobody(7), nobody(6), None),
        (user(7), nobody(6), Some(in_use)),
        (user(6), nobody(7), None),
        (nobody(6), user(7), Some(in_use)),
        (nobody(7), user(7), Some(in_use)),
        (restart_page(7, 0, 2, 1), user(6), None),
        (restart_page(7, 0, 2, 2), user(6), Some(in_use)),
        (torn.clone(), nobody(6), Some(unknown)),
        (nobody(6), torn, Some(unknown)),
        (vec![0; 4096], nobody(7), Some(unknown)),
        (vec![0xff; 4096], vec![0xff; 4096], None),
    ];
    for (number, (first, second, expected)) in pages.into_iter().enumerate() {
        image.write(&first, log);
        image.write(&second, log + 4096);
        assert_eq!(refusal(&image).as_deref(), expected, "log {number}");
        // Where ntfs-3g dares not write, there is something to be done.
        assert!(is_writable(&image) || expected.is_some(), "log {number}");
    }
}

#[test]
fn a_sleeping_windows_leaves_no_map() {
    let expected = "NTFS is inconsistent: Windows is hibernated on it";
    let volumes = [
        (16 * MIB, 1, "hiberfil.sys"),
        (64 * MIB, 300, "HIBERFIL.sys"),
    ];
    for (size_bytes, files, name) in volumes {
        let image = made(size_bytes, &[]);
        // With many files the root directory has blocks of its own.
        let mounted = image.directory.path().join("mounted");
        std::fs::create_dir(&mounted).unwrap();
        image.run("ntfs-3g", &["IMAGE", mounted.to_str().unwrap()]);
        for number in 0..files {
            std::fs::write(mounted.join(format!("file-{number:03}-with-a-name")), b"").unwrap();
        }
        std::fs::write(mounted.join(name), vec![0; 100_000]).unwrap();
        rehost_testkit::run_tool("umount", [&mounted]).unwrap();
        assert_eq!(refusal(&image), None);
        let record = {
            let medium = image.open();
            let mut volume = Volume::read(&medium).unwrap();
            volume.find_mft().unwrap();
            index::find(&volume, "hiberfil.sys").unwrap().unwrap()
        };
        let place = place_of(&image, record);
        for mark in [b"hibr", b"HIBR", b"RSTR"] {
            image.write(mark, place);
            assert_eq!(refusal(&image).as_deref(), Some(expected));
        }
        image.write(b"hibr", place);
        // ntfs-3g looks for small letters only.
        assert_eq!(is_writable(&image), name.starts_with('H'));
        for mark in [b"\0\0\0\0", b"wake"] {
            image.write(mark, place);
            assert_eq!(refusal(&image), None);
        }
    }
}

#[test]
fn a_volume_of_a_windows_that_sleeps_elsewhere_has_no_map() {
    let image = made(16 * MIB, &[]);
    let note = image.content(1, 20);
    image.run("ntfscp", &["IMAGE", &note, "hiberfil.sys"]);
    assert!(refusal(&image).unwrap().contains("hibernated"));
    assert!(!is_writable(&image));
}

#[test]
fn shadow_copies_leave_no_map() {
    let image = made(16 * MIB, &[]);
    let identity = b"\x6b\x87\x08\x38\x76\xc1\x48\x4e\xb7\xae\x04\x04\x6e\x6c\xc7\x52";
    let header = |catalog: u64| {
        let mut header = [identity.as_slice(), &[1, 0, 0, 0, 1, 0, 0, 0]].concat();
        header.resize(48, 0);
        header.extend(catalog.to_le_bytes());
        image.write(&header, 7680);
    };
    header(0);
    assert_eq!(refusal(&image), None, "none was ever made");

    // Two blocks, the second before the first.
    let (first, second) = (10 * MIB, 9 * MIB);
    let block = |at: u64, next: u64, entries: &[u8]| {
        let mut block = [identity.as_slice(), &[1, 0, 0, 0, 2, 0, 0, 0]].concat();
        block.resize(40, 0);
        block.extend(next.to_le_bytes());
        block.resize(16 << 10, 0);
        for (number, kind) in entries.iter().enumerate() {
            block[128 + number * 128] = *kind;
        }
        image.write(&block, at);
    };
    header(first);
    block(first, second, &[1, 0, 1]);
    block(second, 0, &[0, 1]);
    assert_eq!(refusal(&image), None, "all were deleted");
    let kept = "NTFS uses shadow copies of its volume, which is not understood";
    block(second, 0, &[1, 2, 3]);
    assert_eq!(refusal(&image).as_deref(), Some(kept));
    block(first, second, &[3]);
    block(second, 0, &[]);
    assert_eq!(refusal(&image).as_deref(), Some(kept));
    block(first, second, &[]);
    block(second, first, &[]);
    let endless = "NTFS is inconsistent: its catalog of shadow copies has no end";
    assert_eq!(refusal(&image).as_deref(), Some(endless));
    image.write(&[0], second);
    let damaged = "NTFS is inconsistent: its catalog of shadow copies makes no sense";
    assert_eq!(refusal(&image).as_deref(), Some(damaged));
    header(1 << 40);
    assert!(refusal(&image).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whatever_is_changed_the_map_lies_within(
        boot in prop::collection::vec((11_usize..80, any::<u8>()), 0..3),
        records in prop::collection::vec((prop::sample::select(vec![0_usize, 2, 3, 5, 6]), 0_usize..510, any::<u8>()), 0..6),
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
