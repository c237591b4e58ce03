//! From an allocation map's clusters to bytes of the medium.

use std::ops::Range;

use crate::Extents;
use crate::collector::Collector;

/// Collects the clusters that are in use. They come in ascending order.
#[derive(Debug)]
pub(crate) struct Clusters {
    base: u64,
    cluster_bytes: u64,
    used: Collector,
}

impl Clusters {
    /// `base` is the byte offset of cluster 0, or of where it would be: it may lie before the
    /// medium when the first cluster has another number.
    pub(crate) fn new(base: u64, cluster_bytes: u64) -> Self {
        Self {
            base,
            cluster_bytes,
            used: Collector::default(),
        }
    }

    /// Adds clusters; none may lie before the start of the last ones added.
    pub(crate) fn push(&mut self, clusters: Range<u64>) {
        let offset_of = |cluster: u64| {
            let ahead = cluster.wrapping_mul(self.cluster_bytes);
            self.base.wrapping_add(ahead)
        };
        self.used
            .push(offset_of(clusters.start)..offset_of(clusters.end));
    }

    /// Adds the clusters whose bit is set, least significant bit first; the first bit stands for
    /// cluster `first`. Bits of `end` and of later clusters mean nothing.
    pub(crate) fn push_bits(&mut self, bits: &[u8], first: u64, end: u64) {
        for (&byte, start) in bits.iter().zip((first..end).step_by(8)) {
            let here = start..(start + 8).min(end);
            match byte {
                0 => {}
                0xff => self.push(here),
                _ => here
                    .filter(|cluster| byte >> (cluster - start) & 1 == 1)
                    .for_each(|cluster| self.push(cluster..cluster + 1)),
            }
        }
    }

    /// The ranges in bytes.
    pub(crate) fn finish(self) -> Extents {
        self.used.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_bit_is_its_cluster(bits in prop::collection::vec(any::<u8>(), 0..200), spare in 0_u64..8) {
            let end = (bits.len() as u64 * 8).saturating_sub(spare) + 2;
            let mut clusters = Clusters::new(100_u64.wrapping_sub(2 * 512), 512);
            clusters.push_bits(&bits, 2, end);
            let map = clusters.finish();
            for bit in 0..end - 2 {
                let used = bits[usize::try_from(bit / 8).unwrap()] >> (bit % 8) & 1 == 1;
                let at = 100 + bit * 512;
                prop_assert_eq!(map.gaps(at..at + 512).is_empty(), used);
                prop_assert_eq!(map.overlapping(at..at + 512).next().is_some(), used);
            }
            prop_assert!(map.last().is_none_or(|last| last.end <= 100 + (end - 2) * 512));
        }
    }
}
