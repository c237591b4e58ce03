//! Packs the payloads of one stream.
//!
//! Content that does not get shorter is found out by a small sample and goes plain: that costs less
//! than a hundredth of what it would cost to pack it for nothing. Memory is taken when the first chunk
//! is packed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rehost_volumes::{CHUNK_BYTES, to_usize};
use zstd::bulk::Compressor;

use super::{Method, Packing, WAYS};
use crate::wire::Codec;

/// Content from whose start to its end samples are taken, and their size in bytes.
const SAMPLES: usize = 4;
const SAMPLE_BYTES: usize = 4 << 10;
/// Shorter content is not worth a look.
const LEAST_BYTES: usize = 2 * SAMPLES * SAMPLE_BYTES;
/// All ways to pack are tried on so many bytes.
const TRIED_BYTES: usize = 64 << 10;
/// What is not at least so much shorter goes plain: 32 parts of 1024.
const WORTH: (usize, usize) = (992, 1024);

/// Packs for one stream.
pub(in crate::source) struct Packer {
    shared: Arc<Packing>,
    agreed: Vec<Codec>,
    zstd: Option<(i32, Compressor<'static>)>,
    sampler: Option<Compressor<'static>>,
    gathered: Vec<u8>,
    packed: Vec<u8>,
}

/// How a payload came out; its bytes are in [`Packer::bytes`], if it is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::source) struct Packed {
    pub(in crate::source) method: Option<Method>,
    pub(in crate::source) bytes: usize,
    pub(in crate::source) time: Duration,
}

impl Packed {
    /// How it is packed, in the words of the wire.
    pub(in crate::source) fn codec(&self) -> Option<Codec> {
        self.method.map(Method::codec)
    }
}

impl Method {
    fn codec(self) -> Codec {
        match self {
            Self::Lz4 => Codec::Lz4,
            Self::Zstd(_) => Codec::Zstd,
        }
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer")
            .field("agreed", &self.agreed)
            .finish_non_exhaustive()
    }
}

impl Packer {
    /// For a stream whose receiver unpacks these.
    pub(in crate::source) fn new(shared: Arc<Packing>, agreed: Vec<Codec>) -> Self {
        Self {
            shared,
            agreed,
            zstd: None,
            sampler: None,
            gathered: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// Packs a payload that consists of `parts`, if that is worth it now. Nothing is packed that does
    /// not get shorter.
    pub(in crate::source) fn pack(&mut self, parts: &[&[u8]]) -> Packed {
        let plain = Packed::default();
        if self.agreed.is_empty() {
            return plain;
        }
        let (method, estimates) = self.shared.next();
        let method = method.filter(|method| self.agreed.contains(&method.codec()));
        let content_bytes: usize = parts.iter().map(|part| part.len()).sum();
        if method.is_none() && !estimates || content_bytes < LEAST_BYTES {
            return plain;
        }
        let shared = Arc::clone(&self.shared);
        let _place = shared.places.as_ref().map(super::Places::take);
        let mut gathered = std::mem::take(&mut self.gathered);
        let content = match parts {
            [whole] => *whole,
            _ => {
                gathered.clear();
                parts
                    .iter()
                    .for_each(|part| gathered.extend_from_slice(part));
                gathered.as_slice()
            }
        };
        let packed = if self.gets_shorter(content, method) {
            if estimates {
                self.try_ways(content);
            }
            method.and_then(|method| self.pack_whole(content, method))
        } else {
            if estimates {
                shared.chooser().estimates_in_vain();
            }
            None
        };
        self.gathered = gathered;
        packed.unwrap_or(plain)
    }

    /// What was packed last.
    pub(in crate::source) fn bytes(&self, packed: &Packed) -> &[u8] {
        &self.packed[..packed.bytes]
    }

    /// Looks at pieces of the content. What only Zstandard makes shorter (text of few letters that
    /// never comes again) goes plain where LZ4 was asked for.
    fn gets_shorter(&mut self, content: &[u8], method: Option<Method>) -> bool {
        let mut sample = [0; SAMPLES * SAMPLE_BYTES];
        let stride = (content.len() - SAMPLE_BYTES) / (SAMPLES - 1);
        for (number, piece) in sample.chunks_exact_mut(SAMPLE_BYTES).enumerate() {
            let start = number * stride;
            piece.copy_from_slice(&content[start..start + SAMPLE_BYTES]);
        }
        let mut packed = [0; lz4_flex::block::get_maximum_output_size(SAMPLES * SAMPLE_BYTES)];
        let length = if method == Some(Method::Lz4) {
            lz4_flex::block::compress_into(&sample, &mut packed).ok()
        } else {
            if self.sampler.is_none() {
                self.sampler = Compressor::new(1).ok();
            }
            let sampler = self.sampler.as_mut();
            sampler.and_then(|sampler| sampler.compress_to_buffer(&sample, &mut packed[..]).ok())
        };
        length.is_some_and(|length| is_worth(sample.len(), length))
    }

    /// Tries all ways on a piece of the content, from its middle.
    fn try_ways(&mut self, content: &[u8]) {
        let length = content.len().min(TRIED_BYTES);
        let start = (content.len() - length) / 2;
        let piece = &content[start..start + length];
        for method in WAYS {
            if !self.agreed.contains(&method.codec()) {
                continue;
            }
            let began = Instant::now();
            if let Some(packed_bytes) = self.run(piece, method) {
                let time = began.elapsed();
                self.shared
                    .chooser()
                    .estimated(method, length, packed_bytes, time);
            }
        }
    }

    fn pack_whole(&mut self, content: &[u8], method: Method) -> Option<Packed> {
        let began = Instant::now();
        let bytes = self.run(content, method)?;
        is_worth(content.len(), bytes).then(|| Packed {
            method: Some(method),
            bytes,
            time: began.elapsed(),
        })
    }

    /// Packs; the length in bytes, or nothing if there is no room for what comes out or no memory.
    fn run(&mut self, content: &[u8], method: Method) -> Option<usize> {
        let most = lz4_flex::block::get_maximum_output_size(to_usize(CHUNK_BYTES));
        self.packed.resize(most, 0);
        match method {
            Method::Lz4 => lz4_flex::block::compress_into(content, &mut self.packed).ok(),
            Method::Zstd(level) => {
                let zstd = match &mut self.zstd {
                    Some((at, zstd)) => {
                        if *at != level {
                            zstd.set_compression_level(level).ok()?;
                            *at = level;
                        }
                        zstd
                    }
                    none => &mut none.insert((level, Compressor::new(level).ok()?)).1,
                };
                zstd.compress_to_buffer(content, &mut self.packed[..]).ok()
            }
        }
    }
}

/// Whether so much is gained that the receiver should have the work.
fn is_worth(content_bytes: usize, packed_bytes: usize) -> bool {
    packed_bytes < content_bytes * WORTH.0 / WORTH.1
}

#[cfg(test)]
mod tests {
    use super::super::Compression;
    use super::*;
    use crate::wire::Unpacker;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn packer(compression: Compression, threads: Option<u32>) -> Packer {
        Packer::new(
            Arc::new(Packing::new(compression, threads)),
            Codec::ALL.to_vec(),
        )
    }

    #[test]
    fn parts_come_out_as_they_went_in_and_noise_goes_plain() {
        let text = b"a line of a log that comes again and again\n".repeat(20_000);
        let parts = [&text[..300_000], &text[500_000..]];
        for compression in [Compression::Lz4, Compression::Zstd] {
            let mut packer = packer(compression, Some(1));
            let packed = packer.pack(&parts);
            let content = parts.concat();
            assert!(packed.bytes > 0 && packed.bytes < content.len() / 20);
            let mut found = vec![0; content.len()];
            Unpacker::default()
                .unpack(packed.codec().unwrap(), packer.bytes(&packed), &mut found)
                .unwrap();
            assert!(found == content);
            let noise = noise(1 << 20);
            assert_eq!(packer.pack(&[&noise]), Packed::default());
            assert_eq!(packer.pack(&[&text[..100]]), Packed::default());
        }
        for mut nothing in [
            packer(Compression::None, None),
            packer(Compression::Zstd, Some(0)),
            Packer::new(Arc::default(), Vec::new()),
        ] {
            assert_eq!(nothing.pack(&parts), Packed::default());
        }
    }

    #[test]
    fn a_receiver_that_unpacks_nothing_of_what_is_wanted_gets_plain_chunks() {
        let shared = Arc::new(Packing::new(Compression::Zstd, None));
        assert_eq!(shared.offered(), ["zstd"]);
        let mut packer = Packer::new(shared, vec![Codec::Lz4]);
        assert_eq!(packer.pack(&[&[7; 1 << 20]]), Packed::default());
    }

    #[test]
    fn text_of_few_letters_is_found_worth_it_by_what_packs_it() {
        let letters: Vec<u8> = noise(1 << 20).iter().map(|byte| b'a' + byte % 16).collect();
        let packed = packer(Compression::Zstd, None).pack(&[&letters]);
        assert!(packed.bytes > 0 && packed.bytes < letters.len() * 6 / 10);
        let packed = packer(Compression::Lz4, None).pack(&[&letters]);
        assert_eq!(packed.method, None);
    }
}
