//! qcow2 images whose clusters are all in place before the first byte arrives.
//!
//! A new image gets its complete tables at once: every guest cluster is mapped to a host cluster,
//! in order, in a sparse file. Receiving then changes no metadata at all, so there is no moment at
//! which a killed process or a power cut leaves tables that disagree, and a write costs what it
//! costs in a raw image. What is never written stays a hole of the file.
//!
//! Reading takes any version 2 or 3 image without backing file, encryption and compression, such
//! as QEMU leaves after the target has run; others are refused with the `qemu-img` call that helps.
//!
//! Format: "QCOW2 image format", `docs/interop/qcow2.rst` of QEMU.

mod header;
mod layout;
mod volume;

pub use volume::Qcow2Volume;

pub(crate) use header::MAGIC;
pub(crate) use layout::write_preallocated;

/// Bit 63 of a table entry: the cluster has a single reference and may be written in place.
const COPIED: u64 = 1 << 63;
/// Bit 62 of a second-level entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Bit 0 of a second-level entry: the cluster reads as zeros whatever it holds.
const READS_ZERO: u64 = 1;
/// Bits 9 to 55 of a table entry: offset of a cluster in the file.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
