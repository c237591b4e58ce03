//! How the payload of a chunk may be packed, and how it is unpacked within bounds.
//!
//! A packed payload is the chunk's segments, one after the other, as one LZ4 block or as Zstandard
//! frames. How long they are unpacked is known before: the segments say it. So what is unpacked goes
//! into a buffer of just that length; a peer that packed something else gets an error, whatever its
//! bytes claim, and neither codec reserves memory by what they claim.

use serde::{Deserialize, Serialize};

/// A way to pack the payload of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// One LZ4 block, without its length in front.
    Lz4,
    /// Zstandard, without a dictionary.
    Zstd,
}

impl Codec {
    /// All that this program packs and unpacks.
    pub const ALL: [Self; 2] = [Self::Lz4, Self::Zstd];

    /// The word for it in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Those that a peer names and this program knows.
    #[must_use]
    pub fn known(words: &[String]) -> Vec<Self> {
        let named = |codec: &Self| words.iter().any(|word| word == codec.word());
        Self::ALL.into_iter().filter(named).collect()
    }
}

/// A packed payload is not what its message says.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It cannot be unpacked into the length that it should have.
    #[error("unpack {codec:?} into {expected_bytes} bytes")]
    Content {
        /// How it is said to be packed.
        codec: Codec,
        /// How long the content should be.
        expected_bytes: usize,
        /// What the codec says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is well packed, but shorter than it should be.
    #[error("{codec:?} unpacked to {found_bytes} bytes instead of {expected_bytes}")]
    Length {
        /// How it is packed.
        codec: Codec,
        /// How long the content should be.
        expected_bytes: usize,
        /// How long it is.
        found_bytes: usize,
    },
}

/// Unpacks payloads; keeps what Zstandard needs between two of them.
#[derive(Default)]
pub struct Unpacker {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

impl Unpacker {
    /// Unpacks `packed` so that it fills `content` exactly.
    ///
    /// # Errors
    /// [`UnpackError`]; `content` then holds whatever was unpacked until the error showed.
    pub fn unpack(
        &mut self,
        codec: Codec,
        packed: &[u8],
        content: &mut [u8],
    ) -> Result<(), UnpackError> {
        let expected_bytes = content.len();
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| UnpackError::Content {
            codec,
            expected_bytes,
            source,
        };
        let found_bytes = match codec {
            Codec::Lz4 => lz4_flex::block::decompress_into(packed, content)
                .map_err(|error| failed(error.into()))?,
            Codec::Zstd => {
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => none.insert(
                        zstd::bulk::Decompressor::new().map_err(|error| failed(error.into()))?,
                    ),
                };
                zstd.decompress_to_buffer(packed, content)
                    .map_err(|error| failed(error.into()))?
            }
        };
        if found_bytes != expected_bytes {
            return Err(UnpackError::Length {
                codec,
                expected_bytes,
                found_bytes,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(codec: Codec, content: &[u8]) -> Vec<u8> {
        match codec {
            Codec::Lz4 => lz4_flex::block::compress(content),
            Codec::Zstd => zstd::bulk::compress(content, 3).unwrap(),
        }
    }

    #[test]
    fn words_of_other_releases_are_passed_over() {
        let words = ["zstd", "future", "lz4", ""].map(String::from);
        assert_eq!(Codec::known(&words), [Codec::Lz4, Codec::Zstd]);
        assert_eq!(Codec::known(&words[1..2]), []);
        for codec in Codec::ALL {
            let json = serde_json::to_string(&codec).unwrap();
            assert_eq!(json, format!("\"{}\"", codec.word()));
        }
    }

    #[test]
    fn what_is_longer_or_shorter_than_it_should_be_is_refused() {
        let mut unpacker = Unpacker::default();
        // A megabyte of zeros takes some bytes: a bomb, if anybody believed it.
        let bomb = vec![0; 1 << 20];
        for codec in Codec::ALL {
            let packed = packed(codec, &bomb);
            assert!(packed.len() < 8192);
            for length in [0, 1, bomb.len() - 1, bomb.len() + 1] {
                let mut content = vec![1; length];
                let result = unpacker.unpack(codec, &packed, &mut content);
                assert!(result.is_err(), "{codec:?} into {length}");
            }
            let mut content = vec![1; bomb.len()];
            unpacker.unpack(codec, &packed, &mut content).unwrap();
            assert_eq!(content, bomb);
            assert!(unpacker.unpack(codec, &[], &mut content).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_again(
            content in prop::collection::vec(0_u8..4, 0..5000),
            codec in prop::sample::select(&Codec::ALL[..]),
        ) {
            let mut found = vec![9; content.len()];
            let packed = packed(codec, &content);
            Unpacker::default().unpack(codec, &packed, &mut found).unwrap();
            prop_assert_eq!(found, content);
        }

        #[test]
        fn whatever_comes_is_unpacked_within_its_buffer_or_refused(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            noise in prop::collection::vec(any::<u8>(), 0..300),
            is_noise in any::<bool>(),
            length in 0_usize..3000,
            codec in prop::sample::select(&Codec::ALL[..]),
        ) {
            let mut bytes = packed(codec, &b"some text that comes again, some text ".repeat(60));
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let bytes = if is_noise { noise } else { bytes };
            let mut unpacker = Unpacker::default();
            let mut content = vec![7; length];
            // An error is as good as content; what counts is that nothing else happens, also next time.
            let _ = unpacker.unpack(codec, &bytes, &mut content);
            let good = packed(codec, &[1, 2, 3]);
            let mut content = [0; 3];
            unpacker.unpack(codec, &good, &mut content).unwrap();
            prop_assert_eq!(content, [1, 2, 3]);
        }
    }
}
