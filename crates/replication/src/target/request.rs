//! Which frames a source may send when, and which numbers in them make sense: rules without I/O.
//!
//! ```text
//!   (opened) --Hello--> Open --Goodbye--> Closed
//!      |                 | ^                ^
//!      |                 +-+  PresenceRequest, HashesRequest, Announce, Chunk, ZeroRun, Barrier,
//!      |                      KeepPoint
//!      +-------Probe--> Probing --Goodbye---+
//!                        | ^
//!                        +-+  Probe
//! ```

use rehost_volumes::Segment;

use crate::wire::{Advice, Failure, Kind, PAYLOAD_LIMIT_BYTES};

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamState {
    /// Connected, nothing said yet.
    Opened,
    /// Hello was accepted.
    Open,
    /// The link is being measured; nothing of the task is touched.
    Probing,
    /// The source said goodbye.
    Closed,
}

impl StreamState {
    /// The state after a frame of `kind`, or the refusal.
    pub(crate) fn after(self, kind: Kind) -> Result<Self, Failure> {
        match (self, kind) {
            (Self::Opened, Kind::Hello) => Ok(Self::Open),
            (Self::Open | Self::Probing, Kind::Goodbye) => Ok(Self::Closed),
            (Self::Opened | Self::Probing, Kind::Probe) => Ok(Self::Probing),
            (
                Self::Open,
                Kind::PresenceRequest
                | Kind::HashesRequest
                | Kind::Announce
                | Kind::Chunk
                | Kind::ZeroRun
                | Kind::Barrier
                | Kind::KeepPoint,
            ) => Ok(Self::Open),
            (state, kind) => Err(refusal(
                "unexpected_frame",
                format!("a {kind:?} frame is not allowed while the stream is {state:?}"),
            )),
        }
    }
}

/// A refusal of what no correct source sends.
pub(crate) fn refusal(code: &str, message: String) -> Failure {
    Failure {
        code: code.to_owned(),
        message,
        advice: Advice::GiveUp,
    }
}

/// Chunks that one hash request or zero run may name: their hashes fill a payload.
pub(crate) const RANGE_LIMIT: u64 = PAYLOAD_LIMIT_BYTES as u64 / 32;

/// Chunks that one presence request may name: their bits fill a payload.
pub(crate) const PRESENCE_LIMIT: u64 = PAYLOAD_LIMIT_BYTES as u64 * 8;

/// Streams that one session may have.
pub(crate) const STREAM_LIMIT: u32 = 64;

/// Chunks that one announcement may name.
pub(crate) const ANNOUNCE_LIMIT: usize = 4096;

/// Checks the segments of a chunk against its length and the payload that came with them. A packed
/// payload must be shorter than what it holds. Returns the segments, and how long they are together.
pub(crate) fn check_segments(
    segments: &[(u32, u32)],
    chunk_bytes: usize,
    payload_bytes: u32,
    is_packed: bool,
) -> Result<(Vec<Segment>, usize), Failure> {
    let mut position = 0;
    let mut total = 0;
    let mut checked = Vec::with_capacity(segments.len());
    for &(start, end) in segments {
        let (start, end) = (start as usize, end as usize);
        if start < position || end <= start || end > chunk_bytes {
            return Err(refusal(
                "bad_segments",
                format!("segment {start}..{end} does not fit a chunk of {chunk_bytes} bytes"),
            ));
        }
        total += end - start;
        position = end;
        checked.push(start..end);
    }
    let payload_bytes = payload_bytes as usize;
    let fits = if is_packed {
        payload_bytes < total
    } else {
        payload_bytes == total
    };
    if !fits {
        return Err(refusal(
            "bad_segments",
            format!("segments of {total} bytes came with a payload of {payload_bytes}"),
        ));
    }
    Ok((checked, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_stream_takes_data() {
        use StreamState::{Closed, Open, Opened, Probing};
        assert_eq!(Opened.after(Kind::Hello), Ok(Open));
        assert_eq!(Open.after(Kind::Chunk), Ok(Open));
        assert_eq!(Open.after(Kind::KeepPoint), Ok(Open));
        assert_eq!(Open.after(Kind::Goodbye), Ok(Closed));
        assert_eq!(Opened.after(Kind::Probe), Ok(Probing));
        assert_eq!(Probing.after(Kind::Probe), Ok(Probing));
        assert_eq!(Probing.after(Kind::Goodbye), Ok(Closed));
        for (state, kind) in [
            (Opened, Kind::Chunk),
            (Opened, Kind::Goodbye),
            (Open, Kind::Hello),
            (Open, Kind::Welcome),
            (Open, Kind::Committed),
            (Open, Kind::Probe),
            (Opened, Kind::KeepPoint),
            (Open, Kind::PointKept),
            (Probing, Kind::Hello),
            (Probing, Kind::Chunk),
            (Closed, Kind::Chunk),
            (Closed, Kind::Hello),
        ] {
            assert!(state.after(kind).is_err(), "{state:?} {kind:?}");
        }
    }

    #[test]
    fn segments_must_be_in_order_within_the_chunk_and_as_long_as_the_payload() {
        assert_eq!(
            check_segments(&[(0, 4), (8, 10)], 10, 6, false),
            Ok((vec![0..4, 8..10], 6))
        );
        assert_eq!(check_segments(&[], 10, 0, false), Ok((vec![], 0)));
        assert_eq!(
            check_segments(&[(0, 4), (8, 10)], 10, 5, true),
            Ok((vec![0..4, 8..10], 6))
        );
        for payload_bytes in [6, 7, u32::MAX] {
            assert!(check_segments(&[(0, 4), (8, 10)], 10, payload_bytes, true).is_err());
        }
        for (segments, payload) in [
            (&[(0u32, 4u32)][..], 5),
            (&[(0, 11)], 11),
            (&[(4, 4)], 0),
            (&[(4, 8), (2, 3)], 5),
            (&[(u32::MAX, u32::MAX)], 0),
        ] {
            assert!(
                check_segments(segments, 10, payload, false).is_err(),
                "{segments:?}"
            );
        }
    }
}
