//! Receives payloads that are packed. Memory is taken when the first one comes, and is bounded: two
//! buffers of a chunk at most, and what one codec needs.

use rehost_volumes::{CHUNK_BYTES, Segment, to_usize};

use super::request::refusal;
use super::stream::StreamError;
use crate::transport::FrameReader;
use crate::wire::{Codec, Unpacker};

/// What a stream needs to unpack.
#[derive(Debug, Default)]
pub(super) struct Unpacking {
    agreed: Vec<Codec>,
    unpacker: Unpacker,
    packed: Vec<u8>,
    /// What was unpacked, where it does not lie in one piece in its chunk.
    gathered: Vec<u8>,
}

impl Unpacking {
    /// Both ends know these.
    pub(super) fn agree(&mut self, codecs: Vec<Codec>) {
        self.agreed = codecs;
    }

    /// Reads a payload and unpacks it into the segments of a chunk. Their length together, and that
    /// of the payload, are those of a chunk at most.
    pub(super) fn receive(
        &mut self,
        codec: Codec,
        reader: &mut FrameReader,
        payload_bytes: usize,
        chunk: &mut [u8],
        segments: &[Segment],
    ) -> Result<(), StreamError> {
        if !self.agreed.contains(&codec) {
            let message = format!("{codec:?} was not agreed on when the stream was opened");
            return Err(refusal("bad_packing", message).into());
        }
        self.packed.resize(to_usize(CHUNK_BYTES), 0);
        let packed = &mut self.packed[..payload_bytes];
        reader.read_exact(packed)?;
        let unpacked = match segments {
            [whole] => self
                .unpacker
                .unpack(codec, packed, &mut chunk[whole.clone()]),
            _ => {
                self.gathered.resize(to_usize(CHUNK_BYTES), 0);
                let content_bytes = segments.iter().map(ExactSizeIterator::len).sum();
                let gathered = &mut self.gathered[..content_bytes];
                let unpacked = self.unpacker.unpack(codec, packed, gathered);
                let mut rest = &*gathered;
                for segment in segments {
                    let (head, tail) = rest.split_at(segment.len());
                    chunk[segment.clone()].copy_from_slice(head);
                    rest = tail;
                }
                unpacked
            }
        };
        unpacked.map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            refusal("bad_packing", format!("{error}{cause}")).into()
        })
    }
}
