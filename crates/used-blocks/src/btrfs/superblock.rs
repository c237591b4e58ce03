//! The superblock of btrfs, as each of its devices carries it.

use crate::crc::{CRC32C, agrees};
use crate::fields::{le16, le32, le64, read};
use crate::{Medium, Unmapped};

use super::{WHAT, inconsistent};

/// Where the superblock lies that counts; copies follow at [`COPIES`].
const OFFSET: u64 = 64 << 10;
/// Where the kernel keeps copies, on devices that reach so far.
pub(super) const COPIES: [u64; 2] = [64 << 20, 256 << 30];
/// Room that is kept free of everything else around a copy, in bytes.
pub(super) const COPY_BYTES: u64 = 64 << 10;
const LENGTH: usize = 4096;
const MAGIC: [u8; 8] = *b"_BHRfS_M";

/// Written, relocating, with errors, a seed. Not among them: the image of a debugging tool, and
/// conversions under way.
const KNOWN_FLAGS: u64 = 0x1 | 0x2 | 0x4 | 1 << 32;
/// Free space tree, and that it is valid, verity, block group tree.
const KNOWN_RO_COMPAT: u64 = 0xf;
/// Everything up to three and four copies, and simple quotas. Not among them: zoned devices, the
/// second extent tree, the tree of RAID stripes.
const KNOWN_INCOMPAT: u64 = 0xfff | 1 << 16;
const METADATA_UUID: u64 = 1 << 10;

const CHUNKS_OFFSET: usize = 811;
const MAX_CHUNKS_BYTES: usize = 2048;

/// What blocks of trees are protected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Crc32c,
    /// Another one, which is not verified here: what a block says of its place, tree, level and
    /// generation must agree with what points to it, and all extents together with the superblock.
    Unverified,
}

/// Where a tree begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Its logical address.
    pub(super) logical: u64,
    /// Zero if it is a leaf.
    pub(super) level: u8,
    /// When it was written, where that is known.
    pub(super) generation: Option<u64>,
    /// The number of the tree.
    pub(super) owner: u64,
}

/// What all devices of a file system say alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) fsid: [u8; 16],
    /// What blocks of trees carry; differs from `fsid` where that was changed.
    pub(super) metadata_uuid: [u8; 16],
    /// Increases with each transaction.
    pub(super) generation: u64,
    pub(super) root_tree: Root,
    pub(super) chunk_tree: Root,
    /// The log of what was synchronised since the transaction, if there is one.
    pub(super) log_tree: Option<Root>,
    /// Bytes in all extents, copies not counted.
    pub(super) bytes_used: u64,
    pub(super) devices: u64,
    /// Bytes of a block of a tree.
    pub(super) node_bytes: u64,
    pub(super) checksum: Checksum,
    /// Chunks that must be known to read the chunk tree, packed.
    pub(super) system_chunks: Vec<u8>,
}

/// What a device says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) id: u64,
    pub(super) size_bytes: u64,
}

/// The superblock of a device, or nothing if there is no btrfs.
///
/// # Errors
/// Why it is not trusted.
pub(super) fn read_superblock(
    medium: &dyn Medium,
) -> Result<Option<(Superblock, Device)>, Unmapped> {
    if medium.size_bytes() < OFFSET + LENGTH as u64 {
        return Ok(None);
    }
    let bytes = read(medium, OFFSET, LENGTH)?;
    if bytes[64..72] != MAGIC {
        return Ok(None);
    }
    let checksum = match le16(&bytes, 196) {
        0 => Checksum::Crc32c,
        1..=3 => Checksum::Unverified,
        unknown => return Err(unsupported(format!("checksums of type {unknown}"))),
    };
    if !is_intact(&bytes, checksum) || le64(&bytes, 48) != OFFSET {
        return Err(inconsistent("its superblock is not intact"));
    }
    check_features(&bytes)?;

    let node_bytes = u64::from(le32(&bytes, 148));
    if !node_bytes.is_power_of_two() || !(2048..=65536).contains(&node_bytes) {
        return Err(inconsistent("its tree blocks have no valid size"));
    }
    let device = Device {
        id: le64(&bytes, 201),
        size_bytes: le64(&bytes, 209),
    };
    if device.size_bytes > medium.size_bytes() {
        return Err(inconsistent("it is larger than its medium"));
    }
    let chunks_bytes = le32(&bytes, 160) as usize;
    if chunks_bytes > MAX_CHUNKS_BYTES {
        return Err(inconsistent("it has too many system chunks"));
    }
    let generation = le64(&bytes, 72);
    let root = |at: usize, level_at: usize, owner, generation| Root {
        logical: le64(&bytes, at),
        level: bytes[level_at],
        generation,
        owner,
    };
    let uuid = |at: usize| bytes[at..at + 16].try_into().unwrap_or_default();
    let has_uuid = le64(&bytes, 188) & METADATA_UUID != 0;
    let log_tree = root(96, 200, super::LOG_TREE, None);
    let superblock = Superblock {
        fsid: uuid(32),
        metadata_uuid: uuid(if has_uuid { 571 } else { 32 }),
        generation,
        root_tree: root(80, 198, super::ROOT_TREE, Some(generation)),
        chunk_tree: root(88, 199, super::CHUNK_TREE, Some(le64(&bytes, 164))),
        log_tree: (log_tree.logical != 0).then_some(log_tree),
        bytes_used: le64(&bytes, 120),
        devices: le64(&bytes, 136),
        node_bytes,
        checksum,
        system_chunks: bytes[CHUNKS_OFFSET..CHUNKS_OFFSET + chunks_bytes].to_vec(),
    };
    Ok(Some((superblock, device)))
}

/// Whether the checksum at the start of a block is that of the rest of it.
pub(super) fn is_intact(block: &[u8], checksum: Checksum) -> bool {
    match checksum {
        Checksum::Unverified => true,
        Checksum::Crc32c => block
            .get(32..)
            .is_some_and(|rest| agrees(!CRC32C.update(!0, rest), le32(block, 0))),
    }
}

fn check_features(bytes: &[u8]) -> Result<(), Unmapped> {
    let words = [
        ("flags", 56, KNOWN_FLAGS),
        ("read-only features", 180, KNOWN_RO_COMPAT),
        ("features", 188, KNOWN_INCOMPAT),
    ];
    for (name, at, known) in words {
        let unknown = le64(bytes, at) & !known;
        if unknown != 0 {
            return Err(unsupported(format!("{name} {unknown:#x}")));
        }
    }
    Ok(())
}

pub(super) fn unsupported(feature: String) -> Unmapped {
    Unmapped::Unsupported {
        what: WHAT,
        feature,
    }
}
