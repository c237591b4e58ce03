//! What a peer may send: a frame's header, its control part, and the payload of a packed chunk.
//!
//! Whatever is accepted must mean the same when it is sent again. A payload is unpacked into as many
//! bytes as its chunk's segments say, or refused.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use rehost_replication::wire::{
    Announce, CONTROL_LIMIT_BYTES, Chunk, ChunkRange, Committed, Failure, HEADER_BYTES,
    HashesRequest, Header, Hello, KeepPoint, Kind, Message, PAYLOAD_LIMIT_BYTES, PointKept,
    PointRefused, Unpacker, Welcome, ZeroRun,
};

fuzz_target!(|data: &[u8]| {
    let Some((header, body)) = data.split_first_chunk::<HEADER_BYTES>() else {
        return;
    };
    let Ok(decoded) = Header::decode(header) else {
        return;
    };
    assert!(decoded.control_bytes <= CONTROL_LIMIT_BYTES);
    assert!(decoded.payload_bytes <= PAYLOAD_LIMIT_BYTES);
    assert_eq!(decoded.encode(), Ok(*header));
    let control_bytes = (decoded.control_bytes as usize).min(body.len());
    let (control, payload) = body.split_at(control_bytes);
    match decoded.kind {
        Kind::Hello => again::<Hello>(control),
        Kind::Welcome => again::<Welcome>(control),
        Kind::PresenceRequest => again::<ChunkRange>(control),
        Kind::HashesRequest => again::<HashesRequest>(control),
        Kind::Announce => again::<Announce>(control),
        Kind::Chunk => {
            again::<Chunk>(control);
            unpack(control, payload);
        }
        Kind::ZeroRun => again::<ZeroRun>(control),
        Kind::Committed => again::<Committed>(control),
        Kind::Failure => again::<Failure>(control),
        Kind::KeepPoint => again::<KeepPoint>(control),
        Kind::PointKept => again::<PointKept>(control),
        Kind::PointRefused => again::<PointRefused>(control),
        _ => {}
    }
});

fn unpack(control: &[u8], payload: &[u8]) {
    let Ok(chunk) = serde_json::from_slice::<Chunk>(control) else {
        return;
    };
    let Some(codec) = chunk.codec else {
        return;
    };
    let lengths = chunk.segments.iter();
    let lengths = lengths.map(|(start, end)| u64::from(end.saturating_sub(*start)));
    let content_bytes = lengths.sum::<u64>().min(u64::from(PAYLOAD_LIMIT_BYTES));
    let mut content = vec![0; content_bytes as usize];
    // An error is what most payloads deserve.
    let _ = Unpacker::default().unpack(codec, payload, &mut content);
}

fn again<M: Message + PartialEq + Debug>(control: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<M>(control) {
        let bytes = serde_json::to_vec(&message).expect("what was read can be written");
        let read = serde_json::from_slice::<M>(&bytes).expect("what was written can be read");
        assert_eq!(read, message);
    }
}
