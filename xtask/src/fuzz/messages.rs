//! What the target for the wire protocol begins with: a frame of every kind, as
//! `docs/wire-protocol.md` shows them.

/// Bytes of frames, with the payloads of packed chunks only.
pub(super) fn all() -> impl Iterator<Item = Vec<u8>> {
    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let chunk =
        format!(r#"{{"volume":0,"chunk":7,"hash":"{HASH}","segments":[[0,4096],[8192,12288]]}}"#);
    let packed = |codec: &str| {
        format!(r#"{{"volume":0,"chunk":7,"hash":"{HASH}","segments":[[0,4]],"codec":"{codec}"}}"#)
    };
    // Four bytes as a block of LZ4, and as a frame of Zstandard with its content as it is.
    let lz4 = b"\x40abcd".as_slice();
    let zstd = b"\x28\xb5\x2f\xfd\x20\x04\x21\x00\x00abcd".as_slice();
    let with_payload = [("lz4", lz4), ("zstd", zstd)].map(|(codec, payload)| {
        let mut bytes = frame(9, &packed(codec));
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        bytes.extend(payload);
        bytes
    });
    [
        (1, r#"{"versions":[1],"task_id":"t","session":7,"stream":0,"volumes":[{"index":0,"size_bytes":9}]}"#),
        (1, r#"{"versions":[1],"task_id":"t","session":7,"stream":0,"volumes":[],"codecs":["lz4","zstd"]}"#),
        (2, r#"{"version":1,"chunk_bytes":1048576}"#),
        (2, r#"{"version":1,"chunk_bytes":1048576,"codecs":["zstd"]}"#),
        (3, r#"{"volume":0,"first":1,"count":2}"#),
        (4, ""),
        (5, r#"{"volume":0,"first":1,"count":2,"from":"medium"}"#),
        (6, ""),
        (7, r#"{"volume":0,"chunks":[1,2,3]}"#),
        (8, ""),
        (9, &chunk),
        (10, r#"{"volume":0,"first":1,"count":2}"#),
        (11, ""),
        (12, ""),
        (13, r#"{"sequence":18446744073709551615}"#),
        (14, r#"{"code":"unknown_task","message":"m","advice":"give_up"}"#),
        (15, ""),
        (16, ""),
        (17, r#"{"point":"p-1"}"#),
        (18, r#"{"point":"p-1"}"#),
        (19, r#"{"point":"p-1","reason":"m"}"#),
    ]
    .map(|(kind, control)| frame(kind, control))
    .into_iter()
    .chain(with_payload)
}

fn frame(kind: u8, control: &str) -> Vec<u8> {
    let length = u32::try_from(control.len()).unwrap_or(u32::MAX);
    let mut bytes = b"RHST\x01".to_vec();
    bytes.extend([kind, 0, 0]);
    bytes.extend(length.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(control.as_bytes());
    bytes
}
