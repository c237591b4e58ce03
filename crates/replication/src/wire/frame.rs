//! The frame header: fixed, small, and checked before anything behind it is believed.
//!
//! ```text
//!  0      4      5     6        8          12         16            24
//!  | RHST | vers | kind | flags | control  | payload  | sequence    |  control (JSON)  payload
//!  | 4    | 1    | 1    | 2 (0) | 4 LE     | 4 LE     | 8 LE        |
//! ```
//!
//! The control part is small and readable on a wire dump; bulk data lies raw beside it. Both
//! lengths are bounded on both ends, so that a peer cannot make the other reserve memory.

/// First four bytes of every frame.
pub const MAGIC: [u8; 4] = *b"RHST";

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 24;

/// The control part is at most this long, in bytes. 4096 announced chunks fit.
pub const CONTROL_LIMIT_BYTES: u32 = 128 << 10;

/// The payload is at most this long, in bytes: one chunk, or the hashes of 32 GiB.
pub const PAYLOAD_LIMIT_BYTES: u32 = 1 << 20;

/// What a frame means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Source: opens a stream. Answered by [`Kind::Welcome`] or [`Kind::Failure`].
    Hello = 1,
    /// Target: the stream is open.
    Welcome = 2,
    /// Source: which chunks of a range do you have? Answered by [`Kind::Presence`].
    PresenceRequest = 3,
    /// Target: a bit per chunk, lowest bit first.
    Presence = 4,
    /// Source: hashes of a range of chunks, please. Answered by [`Kind::Hashes`].
    HashesRequest = 5,
    /// Target: 32 bytes per chunk; zeros where nothing is durably there.
    Hashes = 6,
    /// Source: these chunks will be overwritten. Answered by [`Kind::Announced`].
    Announce = 7,
    /// Target: they are no longer counted as present, durably.
    Announced = 8,
    /// Source: a chunk.
    Chunk = 9,
    /// Source: a run of chunks that are zero.
    ZeroRun = 10,
    /// Source: commit everything before this now. Answered by [`Kind::Committed`].
    Barrier = 11,
    /// Source: the session is over and its work is done.
    Goodbye = 12,
    /// Target: everything up to this sequence number is durable and recorded.
    Committed = 13,
    /// Target: it cannot go on, and why.
    Failure = 14,
    /// Source: bytes that are measured and thrown away. Answered by [`Kind::Probed`].
    Probe = 15,
    /// Target: a probe is here.
    Probed = 16,
    /// Source: hold all volumes as they are now. Answered by [`Kind::PointKept`] or
    /// [`Kind::PointRefused`].
    KeepPoint = 17,
    /// Target: the volumes are held.
    PointKept = 18,
    /// Target: the volumes are not held, and why; the stream goes on.
    PointRefused = 19,
}

impl Kind {
    const ALL: [Self; 19] = [
        Self::Hello,
        Self::Welcome,
        Self::PresenceRequest,
        Self::Presence,
        Self::HashesRequest,
        Self::Hashes,
        Self::Announce,
        Self::Announced,
        Self::Chunk,
        Self::ZeroRun,
        Self::Barrier,
        Self::Goodbye,
        Self::Committed,
        Self::Failure,
        Self::Probe,
        Self::Probed,
        Self::KeepPoint,
        Self::PointKept,
        Self::PointRefused,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Protocol version of the sender.
    pub version: u8,
    /// What the frame means.
    pub kind: Kind,
    /// Length of the control part in bytes.
    pub control_bytes: u32,
    /// Length of the payload in bytes.
    pub payload_bytes: u32,
    /// Counts the frames of one direction of one stream, from 1.
    pub sequence: u64,
}

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The peer speaks something else.
    #[error("not a frame of this protocol (starts with {0:02x?})")]
    Magic([u8; 4]),
    /// The peer is of another version.
    #[error("frame of protocol version {0}, this program speaks version 1")]
    Version(u8),
    /// An unknown kind of frame.
    #[error("unknown kind of frame: {0}")]
    Kind(u8),
    /// A reserved field is used.
    #[error("reserved flags are set: {0:#06x}")]
    Flags(u16),
    /// Longer than allowed.
    #[error("a control part of {0} bytes; at most 131072 are allowed")]
    ControlTooLong(u32),
    /// Longer than allowed.
    #[error("a payload of {0} bytes; at most 1048576 are allowed")]
    PayloadTooLong(u32),
}

impl Header {
    /// Reads and checks a header.
    ///
    /// # Errors
    /// [`FrameError`] for everything that a peer of this version does not send.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [m0, m1, m2, m3, version, kind, f0, f1, lengths @ ..] = bytes;
        let [c0, c1, c2, c3, p0, p1, p2, p3, sequence @ ..] = lengths;
        let magic = [*m0, *m1, *m2, *m3];
        if magic != MAGIC {
            return Err(FrameError::Magic(magic));
        }
        if *version != super::Version::CURRENT.number() {
            return Err(FrameError::Version(*version));
        }
        let flags = u16::from_le_bytes([*f0, *f1]);
        if flags != 0 {
            return Err(FrameError::Flags(flags));
        }
        let header = Self {
            version: *version,
            kind: Kind::from_number(*kind).ok_or(FrameError::Kind(*kind))?,
            control_bytes: u32::from_le_bytes([*c0, *c1, *c2, *c3]),
            payload_bytes: u32::from_le_bytes([*p0, *p1, *p2, *p3]),
            sequence: u64::from_le_bytes(*sequence),
        };
        header.check_limits()?;
        Ok(header)
    }

    /// Writes a header.
    ///
    /// # Errors
    /// [`FrameError`] for what [`Self::decode`] would refuse: the error belongs to its maker.
    pub fn encode(&self) -> Result<[u8; HEADER_BYTES], FrameError> {
        self.check_limits()?;
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.version;
        bytes[5] = self.kind as u8;
        bytes[8..12].copy_from_slice(&self.control_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[16..].copy_from_slice(&self.sequence.to_le_bytes());
        Ok(bytes)
    }

    fn check_limits(&self) -> Result<(), FrameError> {
        if self.control_bytes > CONTROL_LIMIT_BYTES {
            return Err(FrameError::ControlTooLong(self.control_bytes));
        }
        if self.payload_bytes > PAYLOAD_LIMIT_BYTES {
            return Err(FrameError::PayloadTooLong(self.payload_bytes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Frozen: any two versions must agree on how a stream is opened.
    #[test]
    fn the_first_header_is_these_bytes() {
        let hello = Header {
            version: 1,
            kind: Kind::Hello,
            control_bytes: 0x0102,
            payload_bytes: 0,
            sequence: 1,
        };
        let bytes = *b"RHST\x01\x01\0\0\x02\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0";
        assert_eq!(hello.encode(), Ok(bytes));
        assert_eq!(Header::decode(&bytes), Ok(hello));
    }

    #[test]
    fn what_no_peer_sends_is_refused() {
        let good = *b"RHST\x01\x01\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0";
        let spoil = |at: usize, value: u8| {
            let mut bytes = good;
            bytes[at] = value;
            Header::decode(&bytes)
        };
        assert_eq!(spoil(0, b'G'), Err(FrameError::Magic(*b"GHST")));
        assert_eq!(spoil(4, 9), Err(FrameError::Version(9)));
        assert_eq!(spoil(5, 0), Err(FrameError::Kind(0)));
        assert_eq!(spoil(5, 20), Err(FrameError::Kind(20)));
        assert_eq!(spoil(7, 1), Err(FrameError::Flags(256)));
        assert_eq!(spoil(11, 1), Err(FrameError::ControlTooLong((1 << 24) + 2)));
        assert_eq!(spoil(15, 1), Err(FrameError::PayloadTooLong(1 << 24)));
        let long = Header {
            version: 1,
            kind: Kind::Chunk,
            control_bytes: 0,
            payload_bytes: PAYLOAD_LIMIT_BYTES + 1,
            sequence: 1,
        };
        assert!(long.encode().is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_means_the_same_again(bytes in any::<[u8; HEADER_BYTES]>()) {
            let mut bytes = bytes;
            bytes[..5].copy_from_slice(b"RHST\x01");
            if let Ok(header) = Header::decode(&bytes) {
                prop_assert_eq!(header.encode(), Ok(bytes));
            }
        }
    }
}
