//! Against dosfstools, mtools and partclone.

use proptest::prelude::*;

use super::*;
use crate::oracle::{Image, InMemory, assert_within};

const MIB: u64 = 1 << 20;

/// Files, directories, and holes where files were.
fn fill(image: &Image, files: u64) {
    image.run("mmd", &["-i", "IMAGE", "::inner"]);
    for seed in 0..files {
        let content = image.content(seed, 700 * (seed + 1) * (seed % 5 + 1));
        image.run("mcopy", &["-i", "IMAGE", &content, "::inner"]);
    }
    for seed in (0..files).step_by(3) {
        image.run("mdel", &["-i", "IMAGE", &format!("::inner/content-{seed}")]);
    }
}

fn made(size_bytes: u64, arguments: &[&str]) -> Image {
    let image = Image::new(size_bytes);
    let arguments: Vec<&str> = arguments.iter().copied().chain(["IMAGE"]).collect();
    image.run("mkfs.fat", &arguments);
    image
}

#[test]
fn the_map_is_what_partclone_finds_and_suffices_for_every_file() {
    let layouts: [(u64, &[&str]); 6] = [
        (4 * MIB, &["-F", "12"]),
        (4 * MIB, &["-F", "12", "-f", "1", "-s", "4"]),
        (32 * MIB, &["-F", "16"]),
        (40 * MIB, &["-F", "32", "-s", "1"]),
        (80 * MIB, &["-F", "32", "-R", "64", "-f", "1"]),
        (48 * MIB, &["-F", "16", "-S", "4096", "-s", "1"]),
    ];
    for (size_bytes, layout) in layouts {
        let image = made(size_bytes, layout);
        fill(&image, 13);
        let map = used(&image.open()).unwrap();
        let volume = Volume::read(&image.open()).unwrap();
        let behind = Extents::whole(volume.data_end..size_bytes);
        // partclone misreads the entries of 12 bits, and leaves out what does not fill a cluster.
        if layout[1] != "12" {
            let expected = image.partclone("vfat").union(&behind);
            assert_eq!(map, expected, "{layout:?}");
        }
        assert!(behind.total_bytes() < volume.cluster_bytes, "{layout:?}");
        assert!(map.total_bytes() < size_bytes / 2, "{layout:?}");

        let copy = image.only(&map);
        let said = copy.run("fsck.fat", &["-n", "IMAGE"]);
        let around = volume.data_start + behind.total_bytes();
        let clusters = (map.total_bytes() - around) / volume.cluster_bytes;
        let counted = format!(" {clusters}/{} clusters", volume.end_cluster - 2);
        assert!(said.contains(&counted), "{layout:?}: {said}");
        for seed in (0..13).filter(|seed| seed % 3 != 0) {
            let file = format!("::inner/content-{seed}");
            let back = copy.directory.path().join("back");
            copy.run(
                "mcopy",
                &["-n", "-o", "-i", "IMAGE", &file, back.to_str().unwrap()],
            );
            let original = image.directory.path().join(format!("content-{seed}"));
            assert_eq!(
                std::fs::read(back).unwrap(),
                std::fs::read(original).unwrap()
            );
        }
    }
}

#[test]
fn what_lies_behind_the_file_system_is_used() {
    let image = made(32 * MIB, &["-F", "16"]);
    let map = used(&image.open()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&image.path);
    file.unwrap().set_len(64 * MIB).unwrap();
    let behind = Extents::whole(32 * MIB..64 * MIB);
    assert_eq!(used(&image.open()).unwrap(), map.union(&behind));
}

#[test]
fn a_file_system_that_is_marked_as_in_use_has_no_map() {
    /// Size, options, where the mark is, and the marks of Windows in a table, and where.
    type Layout = (
        u64,
        &'static [&'static str],
        usize,
        Option<(usize, [u8; 2])>,
    );
    let layouts: [Layout; 3] = [
        (4 * MIB, &["-F", "12"], 37, None),
        (32 * MIB, &["-F", "16"], 37, Some((3, [0x7f, 0xbf]))),
        (
            40 * MIB,
            &["-F", "32", "-s", "1"],
            65,
            Some((7, [0x07, 0x0b])),
        ),
    ];
    for (size_bytes, layout, mark, in_table) in layouts {
        let image = made(size_bytes, layout).in_memory();
        assert!(used(&image).is_ok(), "{layout:?}");
        let refusal = |at: usize, value: u8| {
            let mut marked = image.clone();
            marked.0[at] = value;
            used(&marked).unwrap_err().to_string()
        };
        let expected = "FAT is inconsistent: it is in use or was not unmounted";
        for value in [1, 2] {
            assert_eq!(refusal(mark, value), expected, "{layout:?}");
        }
        // What Windows writes while it is mounted, and after an error, into either table.
        let Some((at, values)) = in_table else {
            continue;
        };
        let volume = Volume::read(&image).unwrap();
        for table in 0..2 {
            let start = volume.tables_start + table * volume.table_bytes;
            for value in values {
                let at = usize::try_from(start).unwrap() + at;
                assert_eq!(refusal(at, value), expected, "{layout:?}, table {table}");
            }
        }
    }
}

#[test]
fn what_one_of_two_tables_calls_used_is_used() {
    let image = made(40 * MIB, &["-F", "32", "-s", "1"]);
    fill(&image, 10);
    let map = used(&image.open()).unwrap();
    let boot = image.in_memory().0;
    let second = u64::from(le16(&boot, 14)) * 512 + u64::from(le32(&boot, 36)) * 512;
    // Clusters 70000 and 70001: the one is used, the other is marked bad.
    image.write(
        &[0xff, 0xff, 0xff, 0x0f, 0xf7, 0xff, 0xff, 0x0f],
        second + 70_000 * 4,
    );
    let changed = used(&image.open()).unwrap();
    assert_eq!(changed.without(&map).total_bytes(), 512);
    // With mirroring switched off, the second table means nothing.
    image.write(&[0x80], 40);
    assert_eq!(used(&image.open()).unwrap(), map);
}

#[test]
fn what_makes_no_sense_has_no_map() {
    let image = made(32 * MIB, &["-F", "16"]).in_memory();
    assert!(used(&image).is_ok());
    let mut short = image.clone();
    short.0.truncate(31 << 20);
    assert!(matches!(used(&short), Err(Unmapped::Inconsistent { .. })));
    // Table too small for the clusters; wrong media type in the table; no FAT at all.
    for (at, value, is_known) in [
        (22, 1, true),
        (21, 0xf9, true),
        (510, 0, false),
        (0, 1, false),
    ] {
        let mut broken = image.clone();
        broken.0[at] = value;
        let is_refused = match used(&broken) {
            Err(Unmapped::Inconsistent { .. }) => is_known,
            Err(Unmapped::Unknown) => !is_known,
            _ => false,
        };
        assert!(is_refused, "byte {at}");
    }
}

proptest! {
    #[test]
    fn whatever_the_boot_sector_says_the_map_lies_within(
        changes in prop::collection::vec((0_usize..64, any::<u8>()), 1..5), size in 0_usize..200_000,
    ) {
        // 1.44 MB, as on a floppy disk, cut off somewhere.
        let mut boot = vec![0; 1 << 20];
        boot[..28].copy_from_slice(&[
            0xeb, 0x3c, 0x90, b'm', b'k', b'f', b's', b'.', b'f', b'a', b't', 0, 2, 1, 1, 0, 2, 224, 0, 0x40, 0x0b,
            0xf0, 9, 0, 18, 0, 2, 0,
        ]);
        boot[510..516].copy_from_slice(&[0x55, 0xaa, 0xf0, 0xff, 0xff, 0]);
        for (at, value) in changes {
            boot[at] = value;
        }
        boot.resize(1_400_000 + size, 0);
        let medium = InMemory(boot);
        if let Ok(map) = used(&medium) {
            assert_within(&map, &medium);
            prop_assert!(!map.is_empty());
        }
    }
}
