//! The proof of equality: a document that can be checked again later, by anyone, without the source.
//!
//! It holds, per volume, the hash of every chunk of the source as it was when it was frozen, the
//! root over them, and the root that the target computed from its own medium. Because all chunk
//! hashes are in it, a later check names the chunk that differs and not just the fact.
//!
//! What the source does not use counts as zeros. The proof says how much that was, and by the digest
//! of the map, what it was; the target is hashed whole, so it holds zeros there.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::{CHUNK_BYTES, ChunkHash, HashTree, chunk_count, chunk_range, zero_chunk_hash};

/// Names the form of the document; another form gets another name.
const FORMAT: &str = "rehost-proof-1";

/// At most this many differing chunks are listed per volume.
const LISTED_DIFFERENCES: usize = 1000;

/// The proof of a whole migration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proof {
    /// Form of the document, `rehost-proof-1`.
    pub format: String,
    /// The task it belongs to.
    pub task_id: String,
    /// Hash function of chunks and nodes: `blake3`.
    pub hash: String,
    /// Size of a chunk in bytes.
    pub chunk_bytes: u64,
    /// Whether every volume is equal.
    pub equal: bool,
    /// Every volume, in the order of their index.
    pub volumes: Vec<VolumeProof>,
}

/// The proof of one volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VolumeProof {
    /// Name of the source disk.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What of the source counts.
    pub used: UsedRanges,
    /// Root of the source's hash tree, hexadecimal.
    pub source_root: String,
    /// Root of the target's hash tree, hexadecimal.
    pub target_root: String,
    /// When the source's medium had been read, milliseconds since 1970.
    pub source_read_at: i64,
    /// When the target's medium had been read, milliseconds since 1970.
    pub target_read_at: i64,
    /// Whether both roots are the same.
    pub equal: bool,
    /// Chunks that differ, at most 1000 of them.
    pub differing_chunks: Vec<u64>,
    /// Hashes of the source's chunks, in order; runs of zeros are kept short.
    pub leaves: Vec<LeafRun>,
}

/// What of the source counts in its hashes; the rest is taken for zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedRanges {
    /// Whether anything was taken for zeros.
    pub is_masked: bool,
    /// Bytes that count.
    pub used_bytes: u64,
    /// BLAKE3, hexadecimal, over start and end of each range that counts, in bytes, ascending, as
    /// 64-bit numbers with the lowest byte first.
    pub map_digest: String,
}

impl UsedRanges {
    /// For a volume of which `used` counts: ranges that neither overlap nor touch, ascending.
    #[must_use]
    pub fn new(size_bytes: u64, used: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut used_bytes = 0;
        for range in used {
            used_bytes += range.end - range.start;
            hasher.update(&range.start.to_le_bytes());
            hasher.update(&range.end.to_le_bytes());
        }
        Self {
            is_masked: used_bytes < size_bytes,
            used_bytes,
            map_digest: hasher.finalize().to_hex().to_string(),
        }
    }

    /// For a volume all of which counts.
    #[must_use]
    pub fn whole(size_bytes: u64) -> Self {
        Self::new(size_bytes, (size_bytes > 0).then_some(0..size_bytes))
    }
}

/// A run of chunk hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeafRun {
    /// So many chunks of zeros.
    Zeros(u64),
    /// Hashes of 32 bytes each, one after the other, in base64.
    Hashes(String),
}

/// Why a document is no usable proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Not JSON, or not of this shape.
    #[error("read the proof as JSON")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("the document is of format {0:?}, this program reads {FORMAT:?}")]
    Format(String),
    /// The chunk hashes of a volume do not add up to its size or to its root.
    #[error("the proof of volume {0:?} contradicts itself: it was damaged or changed")]
    Inconsistent(String),
}

impl Proof {
    /// A proof of `task_id` over `volumes`.
    #[must_use]
    pub fn new(task_id: &str, volumes: Vec<VolumeProof>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            task_id: task_id.to_owned(),
            hash: "blake3".to_owned(),
            chunk_bytes: CHUNK_BYTES,
            equal: volumes.iter().all(|volume| volume.equal),
            volumes,
        }
    }

    /// Reads a proof and checks that its form is known.
    ///
    /// # Errors
    /// [`ProofError`] if it is no proof of this form.
    pub fn from_json(json: &[u8]) -> Result<Self, ProofError> {
        let proof: Self = serde_json::from_slice(json)?;
        if proof.format != FORMAT || proof.chunk_bytes != CHUNK_BYTES || proof.hash != "blake3" {
            return Err(ProofError::Format(proof.format));
        }
        Ok(proof)
    }
}

impl VolumeProof {
    /// The proof of a volume from what both ends read; `used` says what of the source counts.
    #[must_use]
    pub fn new(
        name: &str,
        used: UsedRanges,
        source: (&HashTree, i64),
        target: (&HashTree, i64),
    ) -> Self {
        let (source, source_read_at) = source;
        let (target, target_read_at) = target;
        let (source_root, target_root) = (source.root(), target.root());
        Self {
            name: name.to_owned(),
            size_bytes: source.size_bytes(),
            used,
            source_root: source_root.to_string(),
            target_root: target_root.to_string(),
            source_read_at,
            target_read_at,
            equal: source_root == target_root,
            differing_chunks: source
                .differing_chunks(target)
                .take(LISTED_DIFFERENCES)
                .collect(),
            leaves: pack(source),
        }
    }

    /// The source's hash tree.
    ///
    /// # Errors
    /// [`ProofError::Inconsistent`] unless the hashes fit the size and give the source's root.
    pub fn source_tree(&self) -> Result<HashTree, ProofError> {
        let inconsistent = || ProofError::Inconsistent(self.name.clone());
        let tree = unpack(self.size_bytes, &self.leaves).ok_or_else(inconsistent)?;
        if tree.root().to_string() != self.source_root {
            return Err(inconsistent());
        }
        Ok(tree)
    }
}

fn pack(tree: &HashTree) -> Vec<LeafRun> {
    let zeros = zero_chunk_hash(CHUNK_BYTES);
    tree.leaves()
        .chunk_by(|left, right| (*left == zeros) == (*right == zeros))
        .map(|run| {
            if run[0] == zeros {
                LeafRun::Zeros(run.len() as u64)
            } else {
                LeafRun::Hashes(STANDARD.encode(run.as_flattened()))
            }
        })
        .collect()
}

fn unpack(size_bytes: u64, runs: &[LeafRun]) -> Option<HashTree> {
    let count = chunk_count(size_bytes);
    let mut leaves: Vec<ChunkHash> = Vec::new();
    for run in runs {
        let left = count - leaves.len() as u64;
        match run {
            // Checked against the size first: a few bytes of JSON must not ask for all memory.
            LeafRun::Zeros(zeros) if *zeros <= left => {
                for _ in 0..*zeros {
                    let range = chunk_range(leaves.len() as u64, size_bytes);
                    leaves.push(zero_chunk_hash(range.end - range.start));
                }
            }
            LeafRun::Hashes(text) => {
                let bytes = STANDARD.decode(text).ok()?;
                let (hashes, []) = bytes.as_chunks::<32>() else {
                    return None;
                };
                if hashes.len() as u64 > left {
                    return None;
                }
                leaves.extend_from_slice(hashes);
            }
            LeafRun::Zeros(_) => return None,
        }
    }
    HashTree::new(size_bytes, leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(leaves: Vec<ChunkHash>) -> HashTree {
        HashTree::new(leaves.len() as u64 * CHUNK_BYTES, leaves).unwrap()
    }

    fn whole(tree: &HashTree) -> UsedRanges {
        UsedRanges::whole(tree.size_bytes())
    }

    #[test]
    fn what_counts_is_told_by_its_sum_and_its_digest() {
        assert!(!UsedRanges::whole(100).is_masked);
        let part = UsedRanges::new(100, [0..10, 20..30]);
        assert_eq!((part.is_masked, part.used_bytes), (true, 20));
        assert_ne!(
            part.map_digest,
            UsedRanges::new(100, [0..10, 21..31]).map_digest
        );
    }

    #[test]
    fn a_proof_survives_its_document_and_keeps_zeros_short() {
        let zeros = zero_chunk_hash(CHUNK_BYTES);
        let mut leaves = vec![zeros; 10_000];
        leaves[3] = [7; 32];
        let source = tree(leaves.clone());
        leaves[4] = [8; 32];
        let target = tree(leaves);
        let volume = VolumeProof::new("vda", whole(&source), (&source, 1), (&target, 2));
        let proof = Proof::new("t", vec![volume]);
        assert!(!proof.equal);
        assert_eq!(proof.volumes[0].differing_chunks, [4]);

        let json = serde_json::to_vec(&proof).unwrap();
        assert!(json.len() < 1000, "{}", json.len());
        let read = Proof::from_json(&json).unwrap();
        assert_eq!(read.volumes[0].source_tree().unwrap(), source);
    }

    #[test]
    fn a_changed_proof_contradicts_itself() {
        let source = tree(vec![[1; 32], [2; 32]]);
        let good = VolumeProof::new("vda", whole(&source), (&source, 1), (&source, 1));
        let other = tree(vec![[1; 32], [3; 32]]);
        for leaves in [
            pack(&other),
            vec![],
            vec![LeafRun::Zeros(u64::MAX)],
            vec![LeafRun::Hashes("AAAA".into())],
        ] {
            let changed = VolumeProof {
                leaves,
                ..good.clone()
            };
            assert!(changed.source_tree().is_err());
        }
        let huge = VolumeProof {
            size_bytes: u64::MAX,
            ..good
        };
        assert!(huge.source_tree().is_err());
    }

    #[test]
    fn other_formats_are_refused() {
        let mut proof = Proof::new("t", vec![]);
        proof.format = "rehost-proof-9".into();
        let json = serde_json::to_vec(&proof).unwrap();
        assert!(matches!(
            Proof::from_json(&json),
            Err(ProofError::Format(_))
        ));
        assert!(matches!(Proof::from_json(b"{"), Err(ProofError::Json(_))));
    }
}
