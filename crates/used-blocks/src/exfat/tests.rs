//! Against exfatprogs and partclone.

use proptest::prelude::*;

use super::*;
use crate::fields::le16;
use crate::oracle::{Image, InMemory, assert_within};

const MIB: u64 = 1 << 20;

fn made(size_bytes: u64, arguments: &[&str]) -> Image {
    let image = Image::new(size_bytes);
    let arguments: Vec<&str> = arguments.iter().copied().chain(["IMAGE"]).collect();
    image.run("mkfs.exfat", &arguments);
    image
}

/// Where the bitmap begins, and the boot sector.
fn bitmap(image: &InMemory) -> (u64, Volume<'_>, Bitmap) {
    let volume = Volume::read(image).unwrap();
    let mut bitmaps = volume.find_bitmaps().unwrap();
    let bitmap = bitmaps.remove(0);
    (
        volume.offset_of(bitmap.first_cluster).unwrap(),
        volume,
        bitmap,
    )
}

/// Marks clusters as used, in a pattern, as no tool at hand can write files without the kernel.
fn fill(image: &Image) {
    let memory = image.in_memory();
    let (start, volume, _) = bitmap(&memory);
    let last = (volume.end_cluster - 2).div_ceil(8) - 1;
    for byte in 8..last {
        let value = u8::try_from((byte * 37 % 251) & 0xff).unwrap();
        if byte % 5 < 2 {
            image.write(&[value], start + byte);
        }
    }
}

#[test]
fn the_map_is_what_partclone_finds_and_suffices_for_fsck() {
    let layouts: [(u64, &[&str]); 3] = [
        (64 * MIB, &["-c", "4096"]),
        (64 * MIB, &["-c", "512", "-b", "65536"]),
        (100 * MIB, &["-c", "128K"]),
    ];
    for (size_bytes, layout) in layouts {
        let image = made(size_bytes, layout);
        let empty = used(&image.open()).unwrap();
        image.only(&empty).run("fsck.exfat", &["-n", "IMAGE"]);

        fill(&image);
        let map = used(&image.open()).unwrap();
        // partclone leaves out what does not fill a cluster.
        let medium = image.open();
        let volume = Volume::read(&medium).unwrap();
        let end = volume.heap_start + (volume.end_cluster - 2) * volume.cluster_bytes;
        assert!(size_bytes - end < volume.cluster_bytes);
        let expected = image.partclone("exfat");
        let expected = expected.union(&Extents::whole(end..size_bytes));
        assert_eq!(map, expected, "{layout:?}");
        assert!(map.total_bytes() > empty.total_bytes() && map.total_bytes() < size_bytes / 2);
    }
}

#[test]
fn what_one_of_two_bitmaps_calls_used_is_used() {
    let image = made(64 * MIB, &["-c", "4096"]);
    let memory = image.in_memory();
    let before = used(&memory).unwrap();
    let (first, volume, bitmap) = bitmap(&memory);
    let root = volume.offset_of(volume.root_cluster).unwrap();
    let entry = (0..).map(|number| root + number * 32);
    let entry = entry
        .into_iter()
        .find(|at| memory.0[usize::try_from(*at).unwrap()] == 0)
        .unwrap();

    // A second bitmap from cluster 1000 on: the same, and cluster 1001 to 1007 beside.
    let bytes = read(&memory, first, usize::try_from(bitmap.length).unwrap()).unwrap();
    let second = volume.offset_of(1000).unwrap();
    image.write(&bytes, second);
    image.write(&[0xff], second + (1000 - 2) / 8);
    let mut directory = [0_u8; 32];
    directory[..2].copy_from_slice(&[BITMAP_ENTRY, 1]);
    directory[20..24].copy_from_slice(&1000_u32.to_le_bytes());
    directory[24..].copy_from_slice(&bitmap.length.to_le_bytes());
    image.write(&directory, entry);
    image.write(&[0xff; 4], volume.fat_start + 4000);
    let both = used(&image.open()).unwrap();
    let more: Vec<_> = both.without(&before).iter().collect();
    let first_of_byte = volume.offset_of(2 + (1000 - 2) / 8 * 8).unwrap();
    assert_eq!(more.len(), 1);
    assert_eq!(
        more.first().cloned(),
        Some(first_of_byte..first_of_byte + 8 * 4096)
    );
}

#[test]
fn what_makes_no_sense_has_no_map() {
    let image = made(64 * MIB, &["-c", "4096"]).in_memory();
    let (start, volume, _) = bitmap(&image);
    let root = usize::try_from(volume.offset_of(volume.root_cluster).unwrap()).unwrap();
    let bitmap = usize::try_from(start).unwrap();
    let entry = (root..)
        .step_by(32)
        .find(|at| image.0[*at] == BITMAP_ENTRY)
        .unwrap();
    let refused = |at: usize, value: u8| {
        let mut broken = image.clone();
        broken.0[at] = value;
        matches!(used(&broken), Err(Unmapped::Inconsistent { .. }))
    };
    assert!(refused(entry, 0x01), "no bitmap");
    assert!(refused(entry + 23, 0x7f), "the bitmap is nowhere");
    assert!(refused(entry + 25, 0), "the bitmap is too short");
    assert!(refused(bitmap, 0), "the bitmap is free");
    assert!(refused(95, 0x7f), "too many clusters");
    assert!(refused(79, 0x7f), "larger than the medium");
    let mut short = image.clone();
    short.0.truncate(63 << 20);
    assert!(matches!(used(&short), Err(Unmapped::Inconsistent { .. })));
    assert_eq!(le16(&image.0, 510), 0xaa55);
    let mut other = image;
    other.0[3] = b'e';
    assert!(matches!(used(&other), Err(Unmapped::Unknown)));
}

#[test]
fn what_lies_behind_the_file_system_is_used() {
    let image = made(64 * MIB, &["-c", "4096"]);
    let map = used(&image.open()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&image.path);
    file.unwrap().set_len(80 * MIB).unwrap();
    let behind = Extents::whole(64 * MIB..80 * MIB);
    assert_eq!(used(&image.open()).unwrap(), map.union(&behind));
}

#[test]
fn a_file_system_that_is_marked_as_in_use_has_no_map() {
    let image = made(64 * MIB, &["-c", "4096"]).in_memory();
    for mark in [2, 4] {
        let mut marked = image.clone();
        marked.0[106] |= mark;
        assert_eq!(
            used(&marked).unwrap_err().to_string(),
            "exFAT is inconsistent: it is in use or was not unmounted"
        );
    }
}

#[test]
fn a_directory_without_end_is_left() {
    let mut image = made(8 * MIB, &["-c", "4096"]).in_memory();
    let (_, volume, _) = bitmap(&image);
    let root = usize::try_from(volume.offset_of(volume.root_cluster).unwrap()).unwrap();
    let cluster = volume.root_cluster;
    let entry = usize::try_from(volume.fat_start).unwrap() + usize::try_from(cluster).unwrap() * 4;
    image.0[root..root + 4096].fill(1);
    image.0[entry..entry + 4].copy_from_slice(&cluster.to_le_bytes());
    assert!(matches!(used(&image), Err(Unmapped::Inconsistent { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_changed_the_map_lies_within(
        boot in prop::collection::vec((64_usize..112, any::<u8>()), 0..4),
        heap in prop::collection::vec((0_usize..65536, any::<u8>()), 0..64),
    ) {
        static IMAGE: std::sync::LazyLock<InMemory> =
            std::sync::LazyLock::new(|| made(8 * MIB, &["-c", "4096"]).in_memory());
        let mut medium = IMAGE.clone();
        let start = usize::try_from(bitmap(&IMAGE).0).unwrap();
        boot.into_iter().for_each(|(at, value)| medium.0[at] = value);
        heap.into_iter().for_each(|(at, value)| medium.0[start + at] = value);
        if let Ok(map) = used(&medium) {
            assert_within(&map, &medium);
            prop_assert!(!map.is_empty());
        }
    }
}
