//! Bytes that look like a disk, and what proves that two of them are equal.
//!
//! A [`Volume`] is a block device, a raw image file or a qcow2 image file. Everything above this
//! crate sees offsets and bytes only. Disks are cut into chunks of [`CHUNK_BYTES`]; the BLAKE3 hash
//! of a chunk is its identity on the wire, in the receiver's journal and in the [`HashTree`] that a
//! [`Proof`] is made of. A [`HeldVolume`] can be read as it was at a point while it is written to.

mod buffer;
mod chunk;
mod error;
mod file;
mod gpt;
mod hashing;
mod held;
mod holes;
mod image;
mod masked;
mod proof;
mod qcow2;
mod tree;
mod verify;
mod volume;
mod window;

pub use buffer::AlignedBuffer;
pub use chunk::{
    CHUNK_BYTES, ChunkHash, SEGMENT_GRAIN_BYTES, Segment, chunk_count, chunk_range, is_zero,
    nonzero_segments, to_usize, zero_chunk_hash,
};
pub use error::VolumeError;
pub use file::FileVolume;
pub use gpt::{GptAsCopied, GptBackup, move_gpt_backup};
pub use hashing::hash_chunks;
pub use held::{HeldVolume, PointVolume};
pub use holes::HoleFinder;
pub use image::{ImageFormat, create_image, open_source, open_target};
pub use masked::MaskedVolume;
pub use proof::{LeafRun, Proof, ProofError, UsedRanges, VolumeProof};
pub use qcow2::Qcow2Volume;
pub use tree::{HashTree, TreeRoot};
pub use verify::{Difference, compare_volumes, compare_with_proof};
pub use volume::{ChangeMark, Volume};
pub use window::WindowVolume;
