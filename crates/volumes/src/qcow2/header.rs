//! The header of a qcow2 image: read with distrust, written in one form only.

/// First four bytes of every qcow2 image.
pub(crate) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Length of a version 3 header without optional fields, in bytes.
pub(crate) const HEADER_BYTES: u32 = 104;

/// What of a header matters for reading and writing clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Size of a cluster as a power of two, 9 to 21.
    pub(crate) cluster_bits: u32,
    /// Size of the disk in bytes.
    pub(crate) size_bytes: u64,
    /// Number of first-level entries.
    pub(crate) l1_entries: u32,
    /// Where the first-level table starts in the file.
    pub(crate) l1_offset: u64,
    /// Where the table of reference count blocks starts.
    pub(crate) refcount_table_offset: u64,
    /// How many clusters that table has.
    pub(crate) refcount_table_clusters: u32,
}

impl Header {
    /// Reads a header from the first bytes of an image.
    ///
    /// # Errors
    /// What is the matter and what to do, for people.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        const CONVERT: &str = "convert it first: qemu-img convert -O raw IMAGE NEW-IMAGE";
        let truncated = || "the qcow2 header is cut short; the image is damaged".to_owned();
        let u32_at = |at| be32(bytes, at).ok_or_else(truncated);
        let u64_at = |at| be64(bytes, at).ok_or_else(truncated);
        if bytes.get(..4) != Some(&MAGIC[..]) {
            return Err("not a qcow2 image".to_owned());
        }
        let version = u32_at(4)?;
        if !(2..=3).contains(&version) {
            return Err(format!("qcow2 version {version} is not read; {CONVERT}"));
        }
        if u64_at(8)? != 0 {
            return Err(format!(
                "the image has a backing file, which is not followed; {CONVERT}"
            ));
        }
        if u32_at(32)? != 0 {
            return Err(format!("the image is encrypted; {CONVERT}"));
        }
        let incompatible = if version >= 3 { u64_at(72)? } else { 0 };
        if incompatible & 0b11 != 0 {
            return Err(
                "the image was not closed cleanly; repair it: qemu-img check -r all IMAGE"
                    .to_owned(),
            );
        }
        // Bit 3 only names a compression method, and compressed clusters are refused one by one.
        if incompatible & !0b1000 != 0 {
            return Err(format!(
                "the image uses features that are not read; {CONVERT}"
            ));
        }
        let header = Self {
            cluster_bits: u32_at(20)?,
            size_bytes: u64_at(24)?,
            l1_entries: u32_at(36)?,
            l1_offset: u64_at(40)?,
            refcount_table_offset: u64_at(48)?,
            refcount_table_clusters: u32_at(56)?,
        };
        if !(9..=21).contains(&header.cluster_bits) {
            return Err("the cluster size is out of range; the image is damaged".to_owned());
        }
        // QEMU's own limit is 32 MiB of first-level table; a header must not make us take more.
        if header.l1_entries > 4 << 20 || header.l1_needed() > u64::from(header.l1_entries) {
            return Err(
                "the first-level table does not fit the size; the image is damaged".to_owned(),
            );
        }
        Ok(header)
    }

    /// The version 3 header of a new image.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(112);
        bytes.extend(MAGIC);
        bytes.extend(3u32.to_be_bytes());
        bytes.extend([0; 12]); // no backing file: offset and length of its name
        bytes.extend(self.cluster_bits.to_be_bytes());
        bytes.extend(self.size_bytes.to_be_bytes());
        bytes.extend(0u32.to_be_bytes()); // not encrypted
        bytes.extend(self.l1_entries.to_be_bytes());
        bytes.extend(self.l1_offset.to_be_bytes());
        bytes.extend(self.refcount_table_offset.to_be_bytes());
        bytes.extend(self.refcount_table_clusters.to_be_bytes());
        bytes.extend([0; 12]); // no internal snapshots: count and offset
        bytes.extend([0; 24]); // no incompatible, compatible or auto-clear features
        bytes.extend(4u32.to_be_bytes()); // reference counts of 16 bits
        bytes.extend(HEADER_BYTES.to_be_bytes());
        bytes.extend([0; 8]); // end of the header extensions
        bytes
    }

    /// Size of a cluster in bytes.
    pub(crate) fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Entries in a second-level table, which fills a cluster.
    pub(crate) fn l2_entries(&self) -> u64 {
        self.cluster_bytes() / 8
    }

    fn l1_needed(&self) -> u64 {
        self.size_bytes
            .div_ceil(self.cluster_bytes())
            .div_ceil(self.l2_entries())
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Header = Header {
        cluster_bits: 21,
        size_bytes: 5 << 30,
        l1_entries: 1,
        l1_offset: 3 << 21,
        refcount_table_offset: 1 << 21,
        refcount_table_clusters: 1,
    };

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Header::parse(&PLAIN.to_bytes()), Ok(PLAIN));
    }

    #[test]
    fn images_of_other_kinds_are_refused_with_advice() {
        for (at, value, word) in [
            (15, 1, "backing file"),
            (35, 1, "encrypted"),
            (79, 1, "qemu-img check"),
            (79, 16, "features"),
            (23, 40, "cluster size"),
            (7, 9, "version 9"),
        ] {
            let mut bytes = PLAIN.to_bytes();
            bytes[at] = value;
            let advice = Header::parse(&bytes).unwrap_err();
            assert!(advice.contains(word), "{advice}");
        }
        assert!(Header::parse(&PLAIN.to_bytes()[..50]).is_err());
        let huge = Header {
            size_bytes: u64::MAX,
            ..PLAIN
        };
        assert!(Header::parse(&huge.to_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..160)) {
            if bytes.len() > 8 {
                bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
            }
            let _ = Header::parse(&bytes);
        }
    }
}
