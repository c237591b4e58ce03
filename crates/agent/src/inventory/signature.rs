//! What is in a partition, told by its own bytes: file systems, swap, LVM and encryption.
//!
//! Images and devices that are named by hand are described without any tool, and how full a file
//! system is that nobody has mounted stands in its superblock.

use rehost_volumes::Volume;

use super::partition_table::{read, u32_at, u64_at};

/// What a partition holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// Type, spelled as `blkid` does; empty if unknown.
    pub file_system: String,
    /// UUID of the file system; empty if it has none or none is known.
    pub uuid: String,
    /// Bytes in use; `None` if it does not tell.
    pub used_bytes: Option<u64>,
    /// Number of inodes, 0 if it has no fixed number.
    pub inodes: u64,
}

/// Looks at what starts at `start_bytes` of a disk. Unknown content is described as empty.
pub(crate) fn identify(disk: &dyn Volume, start_bytes: u64) -> Content {
    let probes = [ext, xfs, btrfs, swap, lvm, luks, fat];
    let read_here = |offset: u64, length| read(disk, start_bytes.checked_add(offset)?, length);
    probes
        .into_iter()
        .find_map(|probe| probe(&read_here))
        .unwrap_or_default()
}

type Read<'a> = &'a dyn Fn(u64, usize) -> Option<Vec<u8>>;

/// ext2, ext3 and ext4 share a superblock at 1024; their features tell them apart.
fn ext(read: Read<'_>) -> Option<Content> {
    const HAS_JOURNAL: u32 = 0x4;
    const EXT4_INCOMPATIBLE: u32 = 0x40 | 0x80 | 0x200; // extents, 64 bit, flexible groups
    const IS_64_BIT: u32 = 0x80;
    let block = read(1024, 1024)?;
    if block.get(56..58)? != [0x53, 0xEF] {
        return None;
    }
    let incompatible = u32_at(&block, 96)?;
    let file_system = if incompatible & EXT4_INCOMPATIBLE != 0 {
        "ext4"
    } else if u32_at(&block, 92)? & HAS_JOURNAL != 0 {
        "ext3"
    } else {
        "ext2"
    };
    let wide = |low, high| {
        let high = if incompatible & IS_64_BIT == 0 {
            0
        } else {
            u32_at(&block, high)?
        };
        Some(u64::from(u32_at(&block, low)?) | u64::from(high) << 32)
    };
    let used_blocks = wide(4, 0x150)?.saturating_sub(wide(12, 0x158)?);
    let block_bytes = 1024_u64.checked_shl(u32_at(&block, 24)?)?;
    Some(Content {
        file_system: file_system.into(),
        uuid: uuid(block.get(104..120)?),
        used_bytes: used_blocks.checked_mul(block_bytes),
        inodes: u32_at(&block, 0)?.into(),
    })
}

/// XFS keeps its numbers in big endian.
fn xfs(read: Read<'_>) -> Option<Content> {
    let block = read(0, 512)?;
    if !block.starts_with(b"XFSB") {
        return None;
    }
    let number = |offset| u64_at(&block, offset).map(u64::swap_bytes);
    let block_bytes = u64::from(u32_at(&block, 4)?.swap_bytes());
    let used_blocks = number(8)?.saturating_sub(number(144)?);
    Some(Content {
        file_system: "xfs".into(),
        uuid: uuid(block.get(32..48)?),
        used_bytes: used_blocks.checked_mul(block_bytes),
        inodes: 0,
    })
}

fn btrfs(read: Read<'_>) -> Option<Content> {
    let block = read(65536, 4096)?;
    (block.get(64..72)? == b"_BHRfS_M").then(|| {
        Some(Content {
            file_system: "btrfs".into(),
            uuid: uuid(block.get(32..48)?),
            used_bytes: Some(u64_at(&block, 120)?),
            inodes: 0,
        })
    })?
}

/// The signature of a swap area ends its first page, whatever a page is on that machine.
fn swap(read: Read<'_>) -> Option<Content> {
    let is_swap = |page: u64| read(page - 10, 10).is_some_and(|end| end == b"SWAPSPACE2");
    [4096, 16384, 65536]
        .into_iter()
        .any(is_swap)
        .then_some(())?;
    let id = read(1024 + 12, 16)?;
    let file_system = "swap".into();
    Some(Content {
        file_system,
        uuid: uuid(&id),
        used_bytes: Some(0),
        inodes: 0,
    })
}

/// The label of a physical volume lies in one of the first four sectors.
fn lvm(read: Read<'_>) -> Option<Content> {
    let sectors = read(0, 2048)?;
    let is_label = |sector: &[u8]| {
        sector.starts_with(b"LABELONE") && sector.get(24..32) == Some(b"LVM2 001".as_slice())
    };
    sectors
        .chunks_exact(512)
        .any(is_label)
        .then(|| named("LVM2_member"))
}

fn luks(read: Read<'_>) -> Option<Content> {
    read(0, 6)?
        .starts_with(b"LUKS\xBA\xBE")
        .then(|| named("crypto_LUKS"))
}

fn fat(read: Read<'_>) -> Option<Content> {
    let sector = read(0, 512)?;
    let is_fat = sector.get(82..87)? == b"FAT32" || sector.get(54..57)? == b"FAT";
    (is_fat && sector.get(510..512)? == [0x55, 0xAA]).then(|| named("vfat"))
}

fn named(file_system: &str) -> Content {
    Content {
        file_system: file_system.into(),
        ..Content::default()
    }
}

/// The usual text form: 8-4-4-4-12 hexadecimal digits.
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::process::Command;

    use super::*;

    fn content_of(prepare: impl Fn(&std::path::Path)) -> Content {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.img");
        File::create(&path).unwrap().set_len(320 << 20).unwrap();
        prepare(&path);
        identify(&*rehost_volumes::open_source(&path).unwrap(), 0)
    }

    fn made_by(program: &str, arguments: &[&str]) -> Content {
        content_of(|path| {
            let status = Command::new(program)
                .args(arguments)
                .arg(path)
                .status()
                .unwrap();
            assert!(status.success());
        })
    }

    const UUID: &str = "5d3c2b1a-0000-4000-8000-00000000cafe";

    #[test]
    fn ext_file_systems_are_told_apart_and_say_how_full_they_are() {
        for kind in ["ext2", "ext3", "ext4"] {
            let content = made_by("mke2fs", &["-q", "-t", kind, "-U", UUID]);
            assert_eq!(content.file_system, kind);
            assert_eq!(content.uuid, UUID);
            assert!(
                content
                    .used_bytes
                    .is_some_and(|used| (1 << 18..64 << 20).contains(&used)),
                "{content:?}"
            );
            assert!(content.inodes > 1000);
        }
    }

    #[test]
    fn xfs_and_swap_are_known() {
        let xfs = made_by("mkfs.xfs", &["-q", "-m", &format!("uuid={UUID}")]);
        assert_eq!((xfs.file_system.as_str(), xfs.uuid.as_str()), ("xfs", UUID));
        assert!(
            xfs.used_bytes
                .is_some_and(|used| (1 << 10..128 << 20).contains(&used)),
            "{xfs:?}"
        );
        let swap = made_by("mkswap", &["-q", "-U", UUID]);
        assert_eq!(
            (swap.file_system.as_str(), swap.uuid.as_str()),
            ("swap", UUID)
        );
    }

    #[test]
    fn signatures_without_tools_here_are_known_too() {
        let written = |parts: &[(u64, &[u8])]| {
            content_of(|path| {
                let file = File::options().write(true).open(path).unwrap();
                for (offset, bytes) in parts {
                    file.write_all_at(bytes, *offset).unwrap();
                }
            })
        };
        let btrfs = written(&[(65600, b"_BHRfS_M"), (65656, &4096_u64.to_le_bytes())]);
        assert_eq!(
            (btrfs.file_system.as_str(), btrfs.used_bytes),
            ("btrfs", Some(4096))
        );
        let lvm = written(&[(512, b"LABELONE"), (536, b"LVM2 001")]);
        assert_eq!(lvm.file_system, "LVM2_member");
        assert_eq!(written(&[(0, b"LUKS\xBA\xBE")]).file_system, "crypto_LUKS");
        assert_eq!(
            written(&[(82, b"FAT32   "), (510, &[0x55, 0xAA])]).file_system,
            "vfat"
        );
        assert_eq!(written(&[]), Content::default());
    }

    #[test]
    fn numbers_that_make_no_sense_do_no_harm() {
        let odd = content_of(|path| {
            let file = File::options().write(true).open(path).unwrap();
            file.write_all_at(&[0xFF; 1024], 1024).unwrap();
            file.write_all_at(&[0x53, 0xEF], 1080).unwrap();
        });
        assert_eq!(odd, Content::default());
    }
}
