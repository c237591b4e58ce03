//! Against mkfs.btrfs, the kernel, `btrfs check`, `btrfs scrub` and `btrfs inspect-internal`.

use std::path::Path;

use proptest::prelude::*;
use rehost_testkit::run_tool;

use super::*;
use crate::ageing::{Frozen, Mounted, Tampered, age, assert_same_files, copy_files, sync};
use crate::oracle::{Image, InMemory, assert_within};

const MIB: u64 = 1 << 20;
const SIZE_BYTES: u64 = 200 * MIB;

fn made(devices: usize, size_bytes: u64, arguments: &[&str]) -> Vec<Image> {
    let images: Vec<Image> = (0..devices).map(|_| Image::new(size_bytes)).collect();
    let paths = images.iter().map(|image| image.path.to_str().unwrap());
    run_tool(
        "mkfs.btrfs",
        ["-q"]
            .into_iter()
            .chain(arguments.iter().copied())
            .chain(paths),
    )
    .unwrap();
    images
}

fn mount(images: &[Image]) -> Mounted {
    let paths: Vec<&Path> = images.iter().map(|image| image.path.as_path()).collect();
    Mounted::new(&paths)
}

/// Unmounts, and makes the kernel forget the devices, so that copies of them can be mounted.
fn unmount(mounted: Mounted) {
    let devices: Vec<_> = mounted.devices().map(Path::to_owned).collect();
    run_tool("umount", [mounted.path()]).unwrap();
    for device in devices {
        run_tool(
            "btrfs",
            [
                "device".as_ref(),
                "scan".as_ref(),
                "--forget".as_ref(),
                device.as_path(),
            ],
        )
        .unwrap();
    }
    drop(mounted);
}

fn maps(images: &[Image]) -> Vec<Extents> {
    let media: Vec<_> = images.iter().map(Image::open).collect();
    let media: Vec<&dyn Medium> = media.iter().map(|medium| medium as &dyn Medium).collect();
    let maps = used(&media).unwrap();
    for (map, medium) in maps.iter().zip(media) {
        assert_within(map, medium);
    }
    maps
}

fn copies(images: &[Image], maps: &[Extents]) -> Vec<Image> {
    let pairs = images.iter().zip(maps);
    pairs.map(|(image, map)| image.only(map)).collect()
}

/// Judges copies by their trees, by all checksums of all their blocks, and by their files.
fn assert_whole(copies: &[Image], files: &Path) {
    let mounted = mount(copies);
    assert_same_files(mounted.path(), files);
    let arguments = ["scrub", "start", "-B", "-R"].map(AsRef::as_ref);
    let said = run_tool("btrfs", arguments.into_iter().chain([mounted.path()])).unwrap();
    for count in [
        "csum_errors",
        "verify_errors",
        "super_errors",
        "read_errors",
    ] {
        assert!(said.contains(&format!("{count}: 0\n")), "{said}");
    }
    let first = mounted.devices().next().unwrap().to_owned();
    run_tool("umount", [mounted.path()]).unwrap();
    run_tool(
        "btrfs",
        ["check".as_ref(), "--readonly".as_ref(), first.as_path()],
    )
    .unwrap();
    unmount_again(mounted);
}

/// What is left to do when the mount is gone already.
fn unmount_again(mounted: Mounted) {
    for device in mounted.devices() {
        run_tool(
            "btrfs",
            [
                "device".as_ref(),
                "scan".as_ref(),
                "--forget".as_ref(),
                device,
            ],
        )
        .unwrap();
    }
    drop(mounted);
}

fn age_as_btrfs(directory: &Path) {
    age(directory);
    let (one, two) = (directory.join("volume"), directory.join("snapshot"));
    run_tool(
        "btrfs",
        ["subvolume".as_ref(), "create".as_ref(), one.as_path()],
    )
    .unwrap();
    age(&one);
    run_tool(
        "btrfs",
        [
            "subvolume".as_ref(),
            "snapshot".as_ref(),
            one.as_path(),
            two.as_path(),
        ],
    )
    .unwrap();
    age(&one);
    sync(directory);
}

/// Ages a new file system, maps it, and judges a copy of nothing but what the map says is used.
fn survives_a_copy(devices: usize, arguments: &[&str]) -> (Vec<Image>, Vec<Extents>) {
    let images = made(devices, SIZE_BYTES, arguments);
    let mounted = mount(&images);
    age_as_btrfs(mounted.path());
    let files = copy_files(mounted.path());
    unmount(mounted);

    let maps = maps(&images);
    assert!(
        maps.iter()
            .all(|map| map.total_bytes() < SIZE_BYTES * 3 / 4)
    );
    assert_whole(&copies(&images, &maps), files.path());
    (images, maps)
}

/// The number that follows a word.
fn after(line: &str, word: &str) -> u64 {
    let mut words = line
        .split([' ', '(', ')', '\t'])
        .skip_while(|one| *one != word);
    words.nth(1).unwrap().parse().unwrap()
}

/// What `btrfs inspect-internal` tells of a device whose chunks are single or copied. (partclone is
/// no judge of btrfs: it takes logical addresses of files for places on the disk.)
fn as_dumped(image: &Image, all: &[Image]) -> Extents {
    let paths: Vec<&str> = all
        .iter()
        .map(|image| image.path.to_str().unwrap())
        .collect();
    let dump = |tree: &str| {
        let arguments = ["inspect-internal", "dump-tree", "-t", tree];
        run_tool("btrfs", arguments.iter().chain(&paths)).unwrap()
    };
    let text = image.run("btrfs", &["inspect-internal", "dump-super", "IMAGE"]);
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let (device, node_bytes) = (field("dev_item.devid"), field("nodesize"));
    // Start, length and where this device has it.
    let mut chunks: Vec<(u64, u64, Vec<u64>)> = Vec::new();
    for line in dump("chunk").lines() {
        if line.contains(" CHUNK_ITEM ") {
            chunks.push((after(line, "CHUNK_ITEM"), 0, Vec::new()));
        } else if line.contains("stripe_len") {
            chunks.last_mut().unwrap().1 = after(line, "length");
        } else if line.contains(" offset ") && after(line, "devid") == device {
            chunks.last_mut().unwrap().2.push(after(line, "offset"));
        }
    }
    let size_bytes = SIZE_BYTES.min(field("dev_item.total_bytes"));
    let mut used = vec![
        0..MIB,
        64 * MIB..64 * MIB + (64 << 10),
        size_bytes..SIZE_BYTES,
    ];
    for line in dump("extent")
        .lines()
        .filter(|line| line.trim_start().starts_with("item "))
    {
        let words: Vec<&str> = line.split([' ', '(', ')']).collect();
        let key = words.iter().position(|word| *word == "key").unwrap();
        let [_, _, object, kind, offset, ..] = words[key..] else {
            panic!("{line}");
        };
        let length = match kind {
            "EXTENT_ITEM" => offset.parse().unwrap(),
            "METADATA_ITEM" => node_bytes,
            _ => continue,
        };
        let start: u64 = object.parse().unwrap();
        let holds = |chunk: &&(u64, u64, Vec<u64>)| (chunk.0..chunk.0 + chunk.1).contains(&start);
        let (chunk, _, places) = chunks.iter().find(holds).unwrap();
        used.extend(places.iter().map(|place| {
            let at = place + start - chunk;
            at..at + length
        }));
    }
    Extents::from_unordered(used)
}

fn assert_as_dumped(images: &[Image], maps: &[Extents]) {
    for (image, map) in images.iter().zip(maps) {
        assert_eq!(*map, as_dumped(image, images));
    }
}

#[test]
fn a_copy_of_what_is_used_is_whole() {
    let (images, maps) = survives_a_copy(1, &[]);
    assert_as_dumped(&images, &maps);
}

#[test]
fn a_copy_is_whole_with_mixed_block_groups() {
    let (images, maps) = survives_a_copy(1, &["--mixed"]);
    assert_as_dumped(&images, &maps);
}

#[test]
fn a_copy_is_whole_with_small_blocks_and_old_features() {
    let options = [
        "--nodesize",
        "4096",
        "-m",
        "single",
        "-O",
        "^skinny-metadata,^no-holes",
        "-R",
        "^free-space-tree",
    ];
    let (images, maps) = survives_a_copy(1, &options);
    assert_as_dumped(&images, &maps);
}

#[test]
fn a_copy_is_whole_with_other_checksums_and_large_blocks() {
    let (images, maps) = survives_a_copy(1, &["--csum", "xxhash", "--nodesize", "32768"]);
    assert_as_dumped(&images, &maps);
}

#[test]
fn a_copy_of_two_devices_is_whole_with_copies_on_both() {
    let (images, maps) = survives_a_copy(2, &["-m", "raid1", "-d", "raid1"]);
    assert_as_dumped(&images, &maps);
    let media: Vec<_> = images.iter().map(Image::open).collect();
    assert!(matches!(
        used(&[&media[0]]),
        Err(Unmapped::MissingMember { .. })
    ));
    let twice = used(&[&media[0], &media[0]]).unwrap_err().to_string();
    assert!(twice.contains("not told apart"), "{twice}");
    let other_way = used(&[&media[1], &media[0]]).unwrap();
    assert_eq!(other_way, [maps[1].clone(), maps[0].clone()]);
    let identities = [&media[0], &media[1]].map(|medium| identify(medium).unwrap().unwrap());
    assert_eq!(identities[0], identities[1]);
    assert_eq!(identities[0].devices, 2);
}

#[test]
fn a_copy_of_two_devices_is_whole_with_stripes() {
    survives_a_copy(2, &["-m", "raid0", "-d", "raid0"]);
}

#[test]
fn a_copy_of_two_devices_is_whole_with_data_on_either() {
    let (images, maps) = survives_a_copy(2, &["-m", "dup", "-d", "single"]);
    assert_as_dumped(&images, &maps);
}

#[test]
fn a_copy_of_three_devices_is_whole_with_parity() {
    survives_a_copy(3, &["-m", "raid1c3", "-d", "raid5"]);
}

#[test]
fn a_copy_of_four_devices_is_whole_with_two_parities() {
    survives_a_copy(4, &["-m", "raid6", "-d", "raid6"]);
}

#[test]
fn a_copy_of_four_devices_is_whole_with_striped_copies() {
    survives_a_copy(4, &["-m", "raid10", "-d", "raid10"]);
}

#[test]
fn what_is_only_in_the_log_is_copied() {
    let images = made(1, SIZE_BYTES, &[]);
    let mounted = mount(&images);
    sync(mounted.path());
    let content: Vec<u8> = (0..900_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = std::fs::File::create(mounted.path().join("synchronised")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &content, 0).unwrap();
    file.sync_all().unwrap();
    // As if the power had failed now.
    let crashed = Image::new(0);
    let paths = [images[0].path.as_path(), crashed.path.as_path()];
    run_tool("cp", ["--sparse=always".as_ref()].into_iter().chain(paths)).unwrap();
    drop(file);
    unmount(mounted);

    let (superblock, _) = read_superblock(&crashed.open()).unwrap().unwrap();
    assert!(superblock.log_tree.is_some());
    let crashed = [crashed];
    let copies = copies(&crashed, &maps(&crashed));
    let replayed = mount(&copies);
    assert_eq!(
        std::fs::read(replayed.path().join("synchronised")).unwrap(),
        content
    );
    unmount(replayed);
}

#[test]
fn the_map_of_a_frozen_file_system_is_true() {
    let images = made(1, SIZE_BYTES, &[]);
    let mounted = mount(&images);
    age_as_btrfs(mounted.path());
    let files = copy_files(mounted.path());
    let frozen = Frozen::new(&mounted);
    let copies = copies(&images, &maps(&images));
    drop(frozen);
    unmount(mounted);
    assert_whole(&copies, files.path());
}

#[test]
fn what_is_written_after_the_map_was_read_is_in_the_map_of_the_freeze() {
    let images = made(1, SIZE_BYTES, &[]);
    let mounted = mount(&images);
    age(mounted.path());
    sync(mounted.path());
    let before = maps(&images);
    // Not even on the disk when the freeze begins.
    let late = mounted.path().join("late");
    let content: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&late, &content).unwrap();
    std::fs::remove_file(mounted.path().join("sparse")).unwrap();
    let files = copy_files(mounted.path());
    let frozen = Frozen::new(&mounted);
    let after = maps(&images);
    let copies = copies(&images, &after);
    drop(frozen);
    unmount(mounted);
    let since = after[0].without(&before[0]).total_bytes();
    assert!(since >= content.len() as u64, "{since}");
    assert_whole(&copies, files.path());
}

#[test]
fn a_smaller_file_system_than_its_medium_leaves_the_rest_in_use() {
    let image = &made(1, SIZE_BYTES, &["--byte-count", "120m"])[0];
    let map = &maps(std::slice::from_ref(image))[0];
    assert!(
        Extents::whole(120 * MIB..SIZE_BYTES)
            .without(map)
            .is_empty()
    );
    assert!(map.total_bytes() < 90 * MIB);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    // Without a checksum that is verified, so that what is changed is believed.
    let image = &made(1, SIZE_BYTES, &["--csum", "blake2"])[0];
    let medium = image.open();
    let refusal = |at: u64, bytes: &[u8]| {
        let tampered = Tampered::new(&medium, vec![((64 << 10) + at, bytes.to_vec())]);
        used(&[&tampered]).unwrap_err().to_string()
    };
    let incompatible = |bit: u32| refusal(188, &(1_u64 << bit).to_le_bytes());
    assert_eq!(
        incompatible(12),
        "btrfs uses features 0x1000, which is not understood"
    );
    assert_eq!(
        incompatible(14),
        "btrfs uses features 0x4000, which is not understood"
    );
    assert!(refusal(180, &[0x1f]).contains("read-only features 0x10"));
    assert!(refusal(56, &(1_u64 << 35).to_le_bytes()).contains("flags 0x800000000"));
    assert!(refusal(196, &[7, 0]).contains("checksums of type 7"));
    assert!(refusal(148, &[1]).contains("no valid size"));
    assert!(refusal(80, &[1, 1]).contains("tree 1 is not intact"));
    assert!(refusal(198, &[9]).contains("tree 1 is too high"));
    assert!(refusal(120, &[0xff]).contains("its superblock says"));
    assert!(refusal(160, &[16, 0]).contains("system chunks are cut off"));
    assert!(refusal(201, &[0]).contains("not told apart"));
    assert!(refusal(201, &[9]).contains("not part of this migration"));

    let mut cut = Tampered::new(&medium, Vec::new());
    cut.size_bytes -= 4096;
    assert!(
        used(&[&cut])
            .unwrap_err()
            .to_string()
            .contains("larger than its medium")
    );
    assert_eq!(identify(&InMemory(vec![0; 80_000])).unwrap(), None);
    assert_eq!(identify(&InMemory(vec![0; 512])).unwrap(), None);
}

#[test]
fn a_damaged_superblock_is_noticed() {
    let image = &made(1, SIZE_BYTES, &[])[0];
    let medium = image.open();
    let tampered = Tampered::new(&medium, vec![((64 << 10) + 300, vec![0xee])]);
    let reason = identify(&tampered).unwrap_err().to_string();
    assert!(reason.contains("not intact"), "{reason}");
}

#[test]
fn damage_to_one_copy_of_a_block_does_no_harm() {
    let image = &made(1, SIZE_BYTES, &[])[0];
    let medium = image.open();
    let map = used(&[&medium]).unwrap();
    let (superblock, device) = read_superblock(&medium).unwrap().unwrap();
    let members = [Member {
        medium: &medium,
        device,
    }];
    let system = chunks::Chunks::of_superblock(&superblock.system_chunks, &members).unwrap();
    let logical = superblock.chunk_tree.logical;
    let places = system.copies(logical..logical + superblock.node_bytes);
    let [(_, one), (_, two)] = places[..] else {
        panic!("metadata lies twice on a single device: {places:?}");
    };
    let with = |places: &[u64]| {
        let patches = places.iter().map(|at| (at + 200, vec![0xee; 8])).collect();
        used(&[&Tampered::new(&medium, patches)])
    };
    assert_eq!(with(&[one]).unwrap(), map);
    assert_eq!(with(&[two]).unwrap(), map);
    assert!(
        with(&[one, two])
            .unwrap_err()
            .to_string()
            .contains("not intact")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn garbage_behind_the_magic_does_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 70_000..90_000)) {
        let start = 64 << 10;
        bytes[start + 64..start + 72].copy_from_slice(b"_BHRfS_M");
        bytes[start + 196..start + 198].copy_from_slice(&[1, 0]);
        prop_assert!(used(&[&InMemory(bytes)]).is_err());
    }
}

#[test]
fn no_tampering_makes_the_reader_fail_or_run_away() {
    let images = made(1, SIZE_BYTES, &["--csum", "xxhash", "--nodesize", "4096"]);
    let mounted = mount(&images);
    age_as_btrfs(mounted.path());
    unmount(mounted);
    let medium = images[0].open();
    let map = &used(&[&medium]).unwrap()[0];
    // Every block that is read: what the trees of the reader consist of.
    let (superblock, device) = read_superblock(&medium).unwrap().unwrap();
    let members = [Member {
        medium: &medium,
        device,
    }];
    let mut reader = tree::Reader::new(&members, &superblock);
    let chunks = allocation::read_chunks(&mut reader, &superblock, &members).unwrap();
    let extent_tree = allocation::find_extent_tree(&mut reader, &chunks, &superblock).unwrap();
    let mut blocks = Vec::new();
    for root in [superblock.root_tree, superblock.chunk_tree, extent_tree] {
        let visit = &mut |found: tree::Found<'_>| {
            if let tree::Found::Block(at) = found {
                let copies = chunks.copies(at..at + superblock.node_bytes);
                blocks.push(copies.into_iter().map(|(_, at)| at).collect::<Vec<_>>());
            }
            Ok(())
        };
        reader.walk(&chunks, &root, visit).unwrap();
    }
    assert!(blocks.len() > 10, "{} blocks", blocks.len());
    let patch = (
        any::<prop::sample::Index>(),
        0_u64..600,
        prop::collection::vec(any::<u8>(), 1..9),
    );
    let strategy = prop::collection::vec(patch, 1..6);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    let outcome = runner.run(&strategy, |patches| {
        let patches = patches.into_iter().flat_map(|(block, at, bytes)| {
            let copies = &blocks[block.index(blocks.len())];
            copies
                .iter()
                .map(move |start| (start + at, bytes.clone()))
                .collect::<Vec<_>>()
        });
        let tampered = Tampered::new(&medium, patches.collect());
        if let Ok(maps) = used(&[&tampered]) {
            assert_within(&maps[0], &tampered);
            prop_assert!(maps[0].total_bytes() >= map.total_bytes() / 2);
        }
        Ok(())
    });
    outcome.unwrap();
}
