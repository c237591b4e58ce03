//! The hash tree over a volume's chunks.
//!
//! ```text
//!                root = H("root", size, top)
//!                        |
//!                 H("node", l, r)            an odd last node moves up as it is
//!                /               \
//!         H("node", 0, 1)         2
//!         /        \
//!      BLAKE3     BLAKE3        BLAKE3       of chunk 0, 1, 2
//! ```
//!
//! The domains (BLAKE3's key derivation contexts) keep a node from being passed off as a chunk, and
//! the size in the root keeps trees over volumes of other sizes apart.

use crate::{ChunkHash, chunk_count};

const NODE_CONTEXT: &str = "rehost 2026-11 hash tree node";
const ROOT_CONTEXT: &str = "rehost 2026-11 hash tree root";

/// Root of a hash tree: equal roots mean equal volumes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeRoot(pub [u8; 32]);

impl std::fmt::Display for TreeRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl std::fmt::Debug for TreeRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TreeRoot({self})")
    }
}

/// The chunk hashes of a whole volume.
#[derive(Clone, PartialEq, Eq)]
pub struct HashTree {
    size_bytes: u64,
    leaves: Vec<ChunkHash>,
}

impl std::fmt::Debug for HashTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashTree")
            .field("size_bytes", &self.size_bytes)
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}

impl HashTree {
    /// A tree over `leaves`; `None` if their number does not fit the size.
    #[must_use]
    pub fn new(size_bytes: u64, leaves: Vec<ChunkHash>) -> Option<Self> {
        (leaves.len() as u64 == chunk_count(size_bytes)).then_some(Self { size_bytes, leaves })
    }

    /// Size of the volume in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Hash of each chunk, in order.
    #[must_use]
    pub fn leaves(&self) -> &[ChunkHash] {
        &self.leaves
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> TreeRoot {
        let mut level = self.leaves.clone();
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node(left, right),
                    alone => alone[0],
                })
                .collect();
        }
        let mut hasher = blake3::Hasher::new_derive_key(ROOT_CONTEXT);
        hasher.update(&self.size_bytes.to_le_bytes());
        if let Some(top) = level.first() {
            hasher.update(top);
        }
        TreeRoot(*hasher.finalize().as_bytes())
    }

    /// Numbers of the chunks whose hashes differ. Both trees must be of the same size.
    pub fn differing_chunks<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u64> + 'a {
        (0u64..)
            .zip(self.leaves.iter().zip(&other.leaves))
            .filter(|(_, (mine, theirs))| mine != theirs)
            .map(|(chunk, _)| chunk)
    }
}

fn node(left: &ChunkHash, right: &ChunkHash) -> ChunkHash {
    let mut hasher = blake3::Hasher::new_derive_key(NODE_CONTEXT);
    hasher.update(left).update(right);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CHUNK_BYTES;

    fn tree(leaves: &[u8]) -> HashTree {
        let size_bytes = leaves.len() as u64 * CHUNK_BYTES;
        HashTree::new(size_bytes, leaves.iter().map(|byte| [*byte; 32]).collect()).unwrap()
    }

    #[test]
    fn any_change_of_a_leaf_or_of_the_size_changes_the_root() {
        let whole = tree(&[1, 2, 3]);
        assert_eq!(whole.root(), tree(&[1, 2, 3]).root());
        for other in [&[1u8, 2, 4][..], &[2, 1, 3], &[1, 2], &[1, 2, 3, 3], &[]] {
            assert_ne!(whole.root(), tree(other).root(), "{other:?}");
        }
        let shorter = HashTree::new(3 * CHUNK_BYTES - 1, whole.leaves().to_vec()).unwrap();
        assert_ne!(whole.root(), shorter.root());
    }

    #[test]
    fn a_node_is_no_leaf() {
        let pair = tree(&[1, 2]);
        let top = node(&[1; 32], &[2; 32]);
        let single = HashTree::new(pair.size_bytes(), vec![top, [0; 32]]).unwrap();
        assert_ne!(pair.root(), single.root());
        assert!(HashTree::new(pair.size_bytes(), vec![top]).is_none());
    }

    #[test]
    fn differences_are_named_by_chunk() {
        let found: Vec<u64> = tree(&[1, 2, 3])
            .differing_chunks(&tree(&[1, 9, 8]))
            .collect();
        assert_eq!(found, [1, 2]);
    }
}
