//! Disks as servers have them, mapped as a whole.

use proptest::prelude::*;

use crate::ageing::Tampered;
use crate::oracle::{Image, InMemory, assert_within};
use crate::{DiskMap, Extents, Medium, Region, map_disks};

const MIB: u64 = 1 << 20;

fn map_one(disk: &dyn Medium) -> DiskMap {
    let mut maps = map_disks(&[disk]);
    assert_eq!(maps.len(), 1);
    maps.pop().unwrap()
}

fn contents(map: &DiskMap) -> Vec<Region> {
    map.regions.iter().map(|region| region.content).collect()
}

/// A disk with a boot loader's partition, ext4, swap, something unknown, and a gap.
fn server_disk() -> Image {
    let image = Image::new(200 * MIB);
    let script = image.directory.path().join("script");
    let text = "label: gpt\n\
        start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\n\
        start=2MiB, size=98MiB\n\
        start=100MiB, size=50MiB\n\
        start=160MiB, size=10MiB\n";
    std::fs::write(&script, text).unwrap();
    let command = format!("sfdisk --quiet IMAGE < {}", script.display());
    image.run("sh", &["-c", &command]);
    image.run(
        "mke2fs",
        &[
            "-q",
            "-F",
            "-t",
            "ext4",
            "-E",
            "offset=2097152",
            "IMAGE",
            "90M",
        ],
    );
    let swap = Image::new(50 * MIB);
    swap.run("mkswap", &["IMAGE"]);
    image.write(&swap.in_memory().0[..4096], 100 * MIB);
    image.write(b"boot loader", MIB);
    image
}

#[test]
fn a_server_disk_is_taken_apart() {
    let image = server_disk();
    let map = map_one(&image.open());
    assert_eq!(
        contents(&map),
        [
            Region::PartitionTable,
            Region::Gap,
            Region::Unknown,
            Region::Ext,
            Region::Swap,
            Region::Gap,
            Region::Unknown,
            Region::Gap,
        ]
    );
    let used = |range| map.used.gaps(range).is_empty();
    assert!(
        used(0..2 * MIB + 65536),
        "everything up to the file system's start"
    );
    assert!(used(100 * MIB - (128 << 10)..100 * MIB + 65536), "edges");
    assert!(
        used(150 * MIB - (128 << 10)..200 * MIB),
        "gaps, unknown content, the copy of the table"
    );
    assert!(map.used.total_bytes() < 80 * MIB);
    let whole: Vec<bool> = map
        .regions
        .iter()
        .map(|region| region.whole.is_some())
        .collect();
    assert_eq!(
        whole,
        [false, false, true, false, false, false, true, false]
    );

    // What is left out is not missed.
    let copy = image.only(&map.used);
    copy.run("sfdisk", &["--verify", "IMAGE"]);
    copy.run("e2fsck", &["-f", "-n", "IMAGE?offset=2097152"]);
}

#[test]
fn a_file_system_without_a_table_is_mapped() {
    let image = Image::new(64 * MIB);
    image.run("mke2fs", &["-q", "-F", "-t", "ext4", "IMAGE", "40M"]);
    let map = map_one(&image.open());
    assert_eq!(contents(&map), [Region::Ext]);
    assert!(map.used.gaps(64 * MIB - (128 << 10)..64 * MIB).is_empty());
    // What lies behind the file system may be anything.
    assert!(map.used.gaps(40 * MIB..64 * MIB).is_empty());
    assert!(map.used.total_bytes() < 44 * MIB);
}

#[test]
fn a_table_and_a_file_system_in_one_place_are_not_believed() {
    let image = server_disk();
    let medium = image.open();
    // Where btrfs has its mark: in the gap before the first partition.
    let tampered = Tampered::new(&medium, vec![((64 << 10) + 64, b"_BHRfS_M".to_vec())]);
    let map = map_one(&tampered);
    assert_eq!(map.used, Extents::whole(0..200 * MIB));
    let reason = map.regions[0].whole.as_ref().unwrap().to_string();
    assert_eq!(
        reason,
        "disk is inconsistent: it carries both a partition table and the marks of btrfs"
    );
}

#[test]
fn a_truncated_disk_is_copied_as_a_whole() {
    let image = server_disk();
    let medium = image.open();
    let mut cut = Tampered::new(&medium, Vec::new());
    cut.size_bytes = 90 * MIB;
    let map = map_one(&cut);
    assert_eq!(map.used, Extents::whole(0..90 * MIB));
    assert!(map.regions[0].whole.is_some());
}

#[test]
fn what_cannot_be_read_is_copied_as_a_whole() {
    /// A disk that has failed.
    #[derive(Debug)]
    struct Broken;
    impl Medium for Broken {
        fn size_bytes(&self) -> u64 {
            MIB
        }
        fn read_at(&self, _: &mut [u8], offset: u64) -> Result<(), rehost_volumes::VolumeError> {
            Err(rehost_volumes::VolumeError::Read {
                path: "broken".into(),
                offset,
                length: 1,
                source: std::io::Error::other("no answer"),
            })
        }
    }
    let map = map_one(&Broken);
    assert_eq!(map.used, Extents::whole(0..MIB));
    assert!(map.regions[0].whole.is_some());
}

#[test]
fn btrfs_with_a_missing_device_is_copied_as_a_whole() {
    let images = [(); 2].map(|()| Image::new(160 * MIB));
    let paths = images.each_ref().map(|image| image.path.to_str().unwrap());
    images[0].run(
        "mkfs.btrfs",
        &["-q", "-d", "raid0", "-m", "raid1", paths[0], paths[1]],
    );
    let media = images.each_ref().map(Image::open);
    let both = map_disks(&[&media[0], &media[1]]);
    assert!(both.iter().all(|map| map.used.total_bytes() < 80 * MIB));
    assert!(both.iter().all(|map| map.regions[0].whole.is_none()));
    let alone = map_one(&media[0]);
    assert_eq!(alone.used, Extents::whole(0..160 * MIB));
    assert!(alone.regions[0].whole.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn noise_is_survived(
        size in 0_usize..200_000,
        marks in prop::collection::vec((0_usize..17, any::<u64>()), 0..5),
        noise in prop::collection::vec((0_usize..140_000, any::<u8>()), 0..2000),
    ) {
        const MARKS: [(usize, &[u8]); 17] = [
            (510, &[0x55, 0xaa]), (450, &[0x83]), (450, &[0x05]), (450, &[0xee]), (512, b"EFI PART"),
            (1080, &[0x53, 0xef]), (0, b"XFSB"), (65600, b"_BHRfS_M"), (3, b"NTFS    "),
            (3, b"EXFAT   "), (0, &[0xeb]), (4086, b"SWAPSPACE2"), (512, b"LABELONE"),
            (536, b"LVM2 001"), (4096, &[0xfc, 0x4e, 0x2b, 0xa9, 1]), (0, &[0xfc, 0x4e, 0x2b, 0xa9, 1]),
            (11, &[0, 2, 8, 1, 0, 2]),
        ];
        let mut bytes = vec![0; size];
        for (at, byte) in noise {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        for (mark, _) in marks {
            let (at, mark) = MARKS[mark];
            if let Some(place) = bytes.get_mut(at..at + mark.len()) {
                place.copy_from_slice(mark);
            }
        }
        let disk = InMemory(bytes);
        let map = map_one(&disk);
        assert_within(&map.used, &disk);
    }
}

#[test]
fn a_disk_that_was_tampered_with_is_survived() {
    let image = server_disk();
    let medium = image.open();
    let start = prop_oneof![
        0_u64..2048,
        2 * MIB + 1024..2 * MIB + 8192,
        100 * MIB..100 * MIB + 4096
    ];
    let patch = (start, prop::collection::vec(any::<u8>(), 1..6));
    proptest!(ProptestConfig::with_cases(200), |(patches in prop::collection::vec(patch, 1..6))| {
        let tampered = Tampered::new(&medium, patches);
        assert_within(&map_one(&tampered).used, &tampered);
    });
}
