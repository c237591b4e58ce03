//! What e2fsprogs and partclone say of the same images, and images that were tampered with.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::ageing::{Frozen, Mounted, Tampered, age, assert_same_files, copy_files, sync};
use crate::oracle::{Image, assert_within};

const MIB: u64 = 1 << 20;

/// Options of `mke2fs`, and the size of the image in MiB.
const SHAPES: &[(&str, u64)] = &[
    ("-t ext2 -b 1024", 40),
    ("-t ext2 -b 4096 -r 0", 40),
    ("-t ext2 -O ^sparse_super,^resize_inode -b 1024", 70),
    ("-t ext3 -b 1024 -J size=1", 70),
    ("-t ext3 -b 4096", 300),
    ("-t ext4 -b 1024", 300),
    ("-t ext4 -b 2048 -g 1024", 130),
    ("-t ext4 -b 4096", 700),
    ("-t ext4 -b 4096 -g 8192 -G 4 -N 40000", 700),
    ("-t ext4 -b 65536", 700),
    ("-t ext4 -O ^metadata_csum,uninit_bg", 700),
    ("-t ext4 -O ^metadata_csum,^uninit_bg,^64bit", 400),
    ("-t ext4 -O ^64bit -I 128", 400),
    ("-t ext4 -O ^flex_bg", 400),
    ("-t ext4 -O meta_bg,^resize_inode -b 1024", 700),
    (
        "-t ext4 -O meta_bg,^resize_inode,^flex_bg -b 1024 -g 512",
        200,
    ),
    (
        "-t ext4 -O ^metadata_csum,meta_bg,^resize_inode,uninit_bg -b 1024",
        300,
    ),
    ("-t ext4 -O sparse_super2 -E num_backup_sb=2", 700),
    ("-t ext4 -O sparse_super2 -E num_backup_sb=0", 400),
    ("-t ext4 -O bigalloc -C 16384", 700),
    ("-t ext4 -O bigalloc -b 1024 -C 65536", 300),
    (
        "-t ext4 -O bigalloc,meta_bg,^resize_inode -b 1024 -C 4096",
        700,
    ),
    (
        "-t ext4 -O metadata_csum_seed,mmp,quota,inline_data,large_dir",
        300,
    ),
    (
        "-t ext4 -O project,verity,encrypt,casefold,ea_inode,fast_commit",
        300,
    ),
    ("-t ext4 -E lazy_itable_init=0,packed_meta_blocks=1", 700),
    (
        "-t ext4 -E offset=0,stride=16,stripe_width=64,resize=10G",
        300,
    ),
];

/// A file system of this shape, in which files were made and removed without mounting it.
fn aged_image(options: &str, size_mib: u64) -> Image {
    let image = Image::new(size_mib * MIB);
    let arguments: Vec<&str> = options.split(' ').chain(["-q", "-F", "IMAGE"]).collect();
    image.run("mke2fs", &arguments);
    let script = image.directory.path().join("script");
    let mut commands = String::new();
    for seed in 0..8 {
        let content = image.content(seed, (1 + seed * 3) * 100_000);
        commands += &format!("write {content} file-{seed}\n");
    }
    for seed in (0..8).step_by(3) {
        commands += &format!("rm file-{seed}\n");
    }
    std::fs::write(&script, commands).unwrap();
    image.run("debugfs", &["-w", "-f", script.to_str().unwrap(), "IMAGE"]);
    image
}

/// What `dumpe2fs` does not call free.
fn dumped(image: &Image) -> Extents {
    let text = image.run("dumpe2fs", &["IMAGE"]);
    let field = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    let block_bytes = field("Block size:");
    // Clusters are named by their first block.
    let has_clusters = text.lines().any(|line| line.starts_with("Cluster size:"));
    let unit_bytes = if has_clusters {
        field("Cluster size:")
    } else {
        block_bytes
    };
    let mut free = Vec::new();
    for line in text.lines() {
        let Some(blocks) = line.strip_prefix("  Free blocks: ") else {
            continue;
        };
        for part in blocks.split(", ").filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
            free.push(first * block_bytes..last * block_bytes + unit_bytes);
        }
    }
    Extents::from_unordered(free).gaps(0..field("Block count:") * block_bytes)
}

fn map(image: &Image) -> Extents {
    let used = used(&image.open()).unwrap();
    assert!(used.is_settled);
    assert_eq!(used.given_up, GivenUp::default());
    used.extents
}

#[test]
fn every_shape_is_mapped_as_e2fsprogs_maps_it() {
    for (options, size_mib) in SHAPES {
        let image = aged_image(options, *size_mib);
        let expected = dumped(&image);
        assert!(expected.total_bytes() < size_mib * MIB / 2, "{options}");
        assert_eq!(map(&image), expected, "{options}");
    }
}

#[test]
fn partclone_finds_the_same() {
    // It takes a second for each. It knows no clusters.
    for (options, size_mib) in SHAPES.iter().step_by(4) {
        if options.contains("bigalloc") {
            continue;
        }
        let image = aged_image(options, *size_mib);
        let boot = Extents::whole(0..1024);
        assert_eq!(
            map(&image),
            image.partclone("extfs").union(&boot),
            "{options}"
        );
    }
}

#[test]
fn growing_and_shrinking_are_followed() {
    let image = aged_image("-t ext4 -b 1024 -g 2048", 100);
    for size in ["60M", "100M", "30M", "90M"] {
        image.run("e2fsck", &["-f", "-y", "-D", "IMAGE"]);
        image.run("resize2fs", &["IMAGE", size]);
        assert_eq!(map(&image), dumped(&image), "{size}");
    }
}

#[test]
fn a_copy_of_what_is_used_is_a_sound_file_system() {
    let image = aged_image("-t ext4", 300);
    let copy = image.only(&map(&image));
    copy.run("e2fsck", &["-f", "-n", "IMAGE"]);
    let read = |image: &Image| image.run("debugfs", &["-R", "cat file-5", "IMAGE"]).len();
    assert_eq!(read(&copy), read(&image));
}

#[test]
fn a_mounted_file_system_is_settled_once_it_is_frozen() {
    for options in ["-t ext4", "-t ext2 -b 1024"] {
        let image = Image::new(80 * MIB);
        let arguments: Vec<&str> = options.split(' ').chain(["-q", "-F", "IMAGE"]).collect();
        image.run("mke2fs", &arguments);
        let mounted = Mounted::new(&[&image.path]);
        age(mounted.path());
        sync(mounted.path());
        if options == "-t ext4" {
            assert!(!used(&image.open()).unwrap().is_settled);
        }
        let frozen = Frozen::new(&mounted);
        let Used {
            extents,
            is_settled,
            ..
        } = used(&image.open()).unwrap();
        // Without a journal nothing tells that what is on the disk is whole.
        assert_eq!(is_settled, options == "-t ext4");
        let copy = image.only(&extents);
        drop(frozen);
        let files = copy_files(mounted.path());
        drop(mounted);

        assert!(extents.total_bytes() < 60 * MIB, "{options}");
        let of_copy = Mounted::new(&[&copy.path]);
        assert_same_files(files.path(), of_copy.path());
        drop(of_copy);
        copy.run("e2fsck", &["-f", "-n", "IMAGE"]);
    }
}

fn superblock_field(image: &Image, at: u64, bytes: &[u8]) -> String {
    let medium = image.open();
    let tampered = Tampered::new(&medium, vec![(1024 + at, bytes.to_vec())]);
    used(&tampered).unwrap_err().to_string()
}

#[test]
fn what_is_not_understood_is_not_mapped() {
    let image = aged_image("-t ext3", 40);
    let says = |at, bytes: &[u8]| superblock_field(&image, at, bytes);
    assert_eq!(
        says(0x60, &[0, 0, 4, 0]),
        "ext2/3/4 uses the incompatible features 0x40000, which is not understood"
    );
    assert_eq!(
        says(0x64, &[0x80, 8, 0, 0]),
        "ext2/3/4 uses the read-only features 0x880, which is not understood"
    );
    assert!(says(0x3a, &[3, 0]).contains("run e2fsck"));
    assert!(says(4, &[0xff; 4]).contains("larger than the medium"));
    for (at, bytes) in [
        (0x14, [2, 0, 0, 0]),
        (0x18, [7, 0, 0, 0]),
        (0x20, [0; 4]),
        (0x20, [1, 1, 0, 0]),
        (0x20, [0xff; 4]),
        (0x28, [0; 4]),
        (0x58, [129, 0, 0, 0]),
    ] {
        assert!(says(at, &bytes).contains("makes no sense"), "{at:#x}");
    }
    let journal = Image::new(40 * MIB);
    journal.run("mke2fs", &["-q", "-F", "-O", "journal_dev", "IMAGE"]);
    let error = used(&journal.open()).unwrap_err();
    assert!(matches!(error, Unmapped::Unsupported { .. }));
}

#[test]
fn a_truncated_image_is_not_mapped() {
    let image = aged_image("-t ext4", 300);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&image.path)
        .unwrap();
    file.set_len(299 * MIB).unwrap();
    assert!(matches!(
        used(&image.open()),
        Err(Unmapped::Inconsistent { .. })
    ));
    file.set_len(1500).unwrap();
    assert!(matches!(used(&image.open()), Err(Unmapped::Unknown)));
}

/// The first bytes of a group's bitmap, by `dumpe2fs`, and the group.
fn bitmap_of_group(image: &Image, number: u64, block_bytes: u64) -> (u64, Range<u64>) {
    let text = image.run("dumpe2fs", &["IMAGE"]);
    let start = text.find(&format!("Group {number}: (Blocks ")).unwrap();
    let group = &text[start..];
    let after = |mark: &str| -> Vec<u64> {
        let rest = &group[group.find(mark).unwrap() + mark.len()..];
        let numbers = rest.split(|sign: char| !sign.is_ascii_digit());
        numbers
            .take(2)
            .filter_map(|number| number.parse().ok())
            .collect()
    };
    let blocks = after("(Blocks ");
    let bitmap = after("Block bitmap at ")[0];
    (
        bitmap * block_bytes,
        blocks[0] * block_bytes..(blocks[1] + 1) * block_bytes,
    )
}

#[test]
fn a_group_that_contradicts_itself_counts_as_used() {
    for options in ["-t ext4 -b 1024", "-t ext3 -b 1024 -J size=1"] {
        let image = aged_image(options, 70);
        let before = map(&image);
        let (bitmap, group) = bitmap_of_group(&image, 1, 1024);
        assert!(!before.gaps(group.clone()).is_empty());
        let medium = image.open();
        // Its first block is a backup of the superblock, and not free.
        let tampered = Tampered::new(&medium, vec![(bitmap, vec![0xfe])]);
        let after = used(&tampered).unwrap();
        let size_bytes = group.end - group.start;
        let first = vec![1];
        let given_up = GivenUp {
            groups: 1,
            first,
            size_bytes,
        };
        assert_eq!(after.given_up, given_up, "{options}");
        let expected = before.union(&Extents::whole(group));
        assert_eq!(after.extents, expected, "{options}");
    }
    // The descriptor of the group is the second of those behind the superblock.
    let image = aged_image("-t ext4 -b 1024", 70);
    let (_, group) = bitmap_of_group(&image, 1, 1024);
    let medium = image.open();
    let tampered = Tampered::new(&medium, vec![(2048 + 64, vec![0; 4])]);
    let after = used(&tampered).unwrap();
    assert_eq!(after.given_up.first, [1]);
    assert_eq!(after.extents, map(&image).union(&Extents::whole(group)));
}

#[test]
fn metadata_beyond_the_end_is_not_believed() {
    let image = aged_image("-t ext3 -b 1024 -J size=1", 70);
    let medium = image.open();
    let tampered = Tampered::new(&medium, vec![(2048 + 32, vec![0xff; 4])]);
    let error = used(&tampered).unwrap_err().to_string();
    assert!(error.contains("metadata of group 1"), "{error}");
}

#[test]
fn whatever_superblock_and_descriptors_say_is_survived() {
    let images = [
        "-t ext3 -b 1024 -J size=1",
        "-t ext4 -O ^metadata_csum,bigalloc,meta_bg,^resize_inode -b 1024 -C 4096",
    ]
    .map(|options| aged_image(options, 40));
    let media = images.each_ref().map(Image::open);
    let patch = (1024_u64..4096, prop::collection::vec(any::<u8>(), 1..5));
    let patches = prop::collection::vec(patch, 1..6);
    proptest!(ProptestConfig::with_cases(400), |(which in 0_usize..2, patches in patches)| {
        let tampered = Tampered::new(&media[which], patches);
        if let Ok(used) = used(&tampered) {
            assert_within(&used.extents, &tampered);
        }
    });
}
