//! What a peer may send: a frame's header and its control part.
//!
//! Whatever is accepted must mean the same when it is sent again.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use rehost_replication::wire::{
    Announce, CONTROL_LIMIT_BYTES, Chunk, ChunkRange, Committed, Failure, HEADER_BYTES,
    HashesRequest, Header, Hello, KeepPoint, Kind, Message, PAYLOAD_LIMIT_BYTES, PointKept,
    PointRefused, Welcome, ZeroRun,
};

fuzz_target!(|data: &[u8]| {
    let Some((header, control)) = data.split_first_chunk::<HEADER_BYTES>() else {
        return;
    };
    let Ok(decoded) = Header::decode(header) else {
        return;
    };
    assert!(decoded.control_bytes <= CONTROL_LIMIT_BYTES);
    assert!(decoded.payload_bytes <= PAYLOAD_LIMIT_BYTES);
    assert_eq!(decoded.encode(), Ok(*header));
    match decoded.kind {
        Kind::Hello => again::<Hello>(control),
        Kind::Welcome => again::<Welcome>(control),
        Kind::PresenceRequest => again::<ChunkRange>(control),
        Kind::HashesRequest => again::<HashesRequest>(control),
        Kind::Announce => again::<Announce>(control),
        Kind::Chunk => again::<Chunk>(control),
        Kind::ZeroRun => again::<ZeroRun>(control),
        Kind::Committed => again::<Committed>(control),
        Kind::Failure => again::<Failure>(control),
        Kind::KeepPoint => again::<KeepPoint>(control),
        Kind::PointKept => again::<PointKept>(control),
        Kind::PointRefused => again::<PointRefused>(control),
        _ => {}
    }
});

fn again<M: Message + PartialEq + Debug>(control: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<M>(control) {
        let bytes = serde_json::to_vec(&message).expect("what was read can be written");
        let read = serde_json::from_slice::<M>(&bytes).expect("what was written can be read");
        assert_eq!(read, message);
    }
}
