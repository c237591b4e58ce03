//! Marks at their places, and marks that contradict each other.

use super::*;
use crate::oracle::{Image, InMemory};

fn marked(marks: &[(usize, &[u8])]) -> InMemory {
    let mut bytes = vec![0; 1 << 20];
    for (at, mark) in marks {
        bytes[*at..*at + mark.len()].copy_from_slice(mark);
    }
    InMemory(bytes)
}

const EXT: (usize, &[u8]) = (1080, &[0x53, 0xef]);
const XFS: (usize, &[u8]) = (0, b"XFSB");

#[test]
fn marks_are_found_at_either_end() {
    assert_eq!(identify(&marked(&[])).unwrap(), None);
    assert_eq!(identify(&marked(&[EXT])).unwrap(), Some(Region::Ext));
    assert_eq!(identify(&marked(&[XFS])).unwrap(), Some(Region::Xfs));
    let drbd = ((1 << 20) - 4096 + 60, &[0x83, 0x74, 0x02, 0x6d][..]);
    let found = identify(&marked(&[drbd])).unwrap();
    assert_eq!(found, Some(Region::Foreign("DRBD")));
    let magic = 0xa92b_4efc_u32.to_le_bytes();
    let version_1 = [magic, 1_u32.to_le_bytes()].concat();
    for (at, mark) in [
        (0, &version_1[..]),
        (4096, &version_1),
        ((1 << 20) - 8192, &version_1),
        ((1 << 20) - 65536, &magic),
    ] {
        let found = identify(&marked(&[(at, mark)])).unwrap();
        assert_eq!(found, Some(Region::Md), "superblock at {at}");
    }
}

#[test]
fn what_carries_two_marks_is_neither() {
    let error = identify(&marked(&[EXT, XFS])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "region is inconsistent: it carries the marks of ext2/3/4 and XFS"
    );
    let array = ((1 << 20) - 65536, &0xa92b_4efc_u32.to_le_bytes()[..]);
    let found = identify(&marked(&[EXT, array])).unwrap();
    assert_eq!(found, Some(Region::Md), "the file system lies on the array");
}

#[test]
fn media_too_small_for_any_mark_hold_nothing_known() {
    for size in [0, 1, 511, 512, 1081, 4096] {
        assert_eq!(identify(&InMemory(vec![0; size])).unwrap(), None);
    }
}

#[test]
fn what_the_tools_make_is_found() {
    for (region, size_bytes, tool, arguments) in [
        (Region::Ext, 1 << 20, "mke2fs", &["-q", "-F", "IMAGE"][..]),
        (Region::Xfs, 320 << 20, "mkfs.xfs", &["-q", "IMAGE"]),
        (Region::Btrfs, 128 << 20, "mkfs.btrfs", &["-q", "IMAGE"]),
        (Region::Fat, 1 << 20, "mkfs.fat", &["IMAGE"]),
        (Region::Fat, 64 << 20, "mkfs.fat", &["-F", "32", "IMAGE"]),
        (Region::ExFat, 8 << 20, "mkfs.exfat", &["IMAGE"]),
        (
            Region::Ntfs,
            8 << 20,
            "mkntfs",
            &["-q", "-F", "-f", "IMAGE"],
        ),
        (Region::Swap, 1 << 20, "mkswap", &["IMAGE"]),
        (Region::Swap, 1 << 20, "mkswap", &["-p", "65536", "IMAGE"]),
    ] {
        let image = Image::new(size_bytes);
        image.run(tool, arguments);
        let found = identify(&image.open()).unwrap();
        assert_eq!(found, Some(region), "{tool} {arguments:?}");
    }
}
