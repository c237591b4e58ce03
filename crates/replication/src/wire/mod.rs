//! The wire protocol: frames and the messages in them. `docs/wire-protocol.md` describes it.

mod codec;
mod frame;
mod message;

pub use codec::{Codec, UnpackError, Unpacker};
pub use frame::{
    CONTROL_LIMIT_BYTES, FrameError, HEADER_BYTES, Header, Kind, MAGIC, PAYLOAD_LIMIT_BYTES,
};
pub use message::{
    Advice, Announce, Chunk, ChunkRange, Committed, Failure, HashSource, HashesRequest, Hello,
    HelloVolume, Hex32, KeepPoint, Message, PointKept, PointRefused, Welcome, ZeroRun,
    is_point_name,
};

/// Versions of the protocol. The doc lines are its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Version {
    /// First version: chunks, zero runs, journal and medium hashes, probes. A later release keeps
    /// points, too; an earlier one calls that an unknown kind of frame, and ends the stream.
    V1 = 1,
}

impl Version {
    /// What this program speaks.
    pub const CURRENT: Self = Self::V1;

    /// The number that goes into frames.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}
